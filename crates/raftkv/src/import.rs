//! `raftkv import`: lines as keys, many in a transaction, several transactions at once.

mod batch;
mod flight;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _, Write};
use std::path::Path;

use client::Options;

use self::batch::Batch;
use self::flight::Flight;
use crate::args::ImportArgs;
use crate::failure::Failure;
use crate::kv::connect_with;
use crate::lines::{self, Line};
use crate::progress::Progress;

/// A longer line holds no key that any store takes.
const LINE_BYTES_MAX: u64 = 16 << 20;

/// Imports line after line. Whatever ends it, what was begun is ended first, and counted.
pub(crate) async fn run(args: ImportArgs, out: &mut impl Write) -> Result<(), Failure> {
    // Its writes are many, so they are worth a session.
    let client = connect_with(&args.connect, Options::default())?;
    let (source, total) = open(args.file.as_deref())?;
    let mut importer = Importer {
        progress: Progress::bytes(total),
        prefix: args.prefix.into_bytes(),
        batch: Batch::new(args.if_absent),
        flight: Flight::new(client),
    };
    let ended = importer.all(source).await;
    let landed = importer.land().await;
    let flight::Counts { imported, skipped } = importer.flight.counts();
    drop(importer.progress);
    match ended.and(landed) {
        Ok(()) => {
            let of_skipped = match skipped {
                0 => String::new(),
                skipped => format!(", left {skipped} alone"),
            };
            Ok(writeln!(out, "imported {imported} keys{of_skipped}")?)
        }
        Err(failure) => Err(failure.after(&format!("imported {imported} keys before that"))),
    }
}

fn open(file: Option<&Path>) -> Result<(Box<dyn BufRead>, Option<u64>), Failure> {
    let Some(file) = file.filter(|file| *file != Path::new("-")) else {
        return Ok((Box::new(io::stdin().lock()), None));
    };
    let failed = |error: io::Error| Failure::Usage(format!("{}: {error}", file.display()));
    let opened = File::open(file).map_err(failed)?;
    let bytes = opened.metadata().map_err(failed)?.len();
    Ok((Box::new(BufReader::new(opened)), Some(bytes)))
}

struct Importer {
    progress: Progress,
    prefix: Vec<u8>,
    batch: Batch,
    flight: Flight,
}

impl Importer {
    async fn all(&mut self, mut source: Box<dyn BufRead>) -> Result<(), Failure> {
        let mut bytes = Vec::new();
        for number in 1_u64.. {
            bytes.clear();
            let wrong = |reason: String| Failure::Usage(format!("line {number}: {reason}"));
            let read = source.by_ref().take(LINE_BYTES_MAX + 1).read_until(b'\n', &mut bytes);
            let read = read.map_err(|error| wrong(error.to_string()))? as u64;
            if read == 0 {
                break;
            }
            if read > LINE_BYTES_MAX {
                return Err(wrong(format!("longer than {} MiB", LINE_BYTES_MAX >> 20)));
            }
            self.progress.add(read);
            if !bytes.trim_ascii().is_empty() {
                self.take(lines::read(&bytes).map_err(wrong)?).await?;
            }
        }
        Ok(())
    }

    /// Two lines of one key must not be under way at once: the later one counts.
    async fn take(&mut self, line: Line) -> Result<(), Failure> {
        let key = [&self.prefix[..], &line.key].concat();
        let line = Line { key: key.into(), ..line };
        if self.batch.holds(&line.key) || self.flight.holds(&line.key) {
            self.land().await?;
        } else if !self.batch.has_room_for(&line) {
            self.send().await?;
        }
        self.batch.add(line);
        Ok(())
    }

    async fn send(&mut self) -> Result<(), Failure> {
        if let Some((txn, keys)) = self.batch.take() {
            self.flight.start(txn, keys).await?;
            self.progress.say(format!("{} keys", self.flight.counts().imported));
        }
        Ok(())
    }

    /// Sends what was gathered, and waits for everything that is under way.
    async fn land(&mut self) -> Result<(), Failure> {
        let sent = self.send().await;
        sent.and(self.flight.land().await)
    }
}
