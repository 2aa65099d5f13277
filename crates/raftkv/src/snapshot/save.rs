//! `raftkv snapshot save`: the file appears only when it is whole, checked and durable. Into a
//! directory see `repeat.rs`.

use std::io::{self, Write};
use std::path::Path;

use disk::OsDisk;
use serde_json::json;
use wal::snapshot::SnapshotReader;

use super::{find, inspect, repeat};
use crate::args::{Format, SaveArgs};
use crate::aside::Aside;
use crate::failure::Failure;
use crate::kv::connect;
use crate::progress::Progress;
use crate::render::json_line;

/// What was saved.
pub(super) struct Saved<'a> {
    pub(super) file: &'a Path,
    pub(super) bytes: u64,
    pub(super) term: u64,
    pub(super) index: u64,
    pub(super) cluster_id: u128,
}

pub(super) async fn run(args: &SaveArgs, out: &mut impl Write) -> Result<(), Failure> {
    if args.target.is_dir() {
        return repeat::run(args, out).await;
    }
    if args.every.is_some() || args.keep.is_some() {
        let target = args.target.display();
        let message =
            format!("{target} is no directory: --every and --keep take one that is there");
        return Err(Failure::Usage(message));
    }
    save_file(args, out).await
}

async fn save_file(args: &SaveArgs, out: &mut impl Write) -> Result<(), Failure> {
    let file = args.target.as_path();
    let failed = |error: io::Error| Failure::file(file, &error);
    let mut backup = connect(&args.connect)?.backup().await?;
    let mut aside = Aside::create(file).map_err(failed)?;
    let progress = Progress::bytes(None);
    while let Some(bytes) = backup.next().await? {
        aside.write_all(&bytes).map_err(failed)?;
        progress.add(bytes.len() as u64);
    }
    drop(progress);
    // What was written is read back: a stream that ended early shows here, too.
    let draft = aside.sync().map_err(failed)?;
    let checked = SnapshotReader::check(&OsDisk, draft);
    let (meta, bytes) = checked.map_err(|error| {
        Failure::Unavailable(format!(
            "what came is no whole snapshot, and nothing is kept: {error}"
        ))
    })?;
    aside.finish().map_err(failed)?;
    let ((term, index), cluster_id) = (meta.last, meta.cluster_id);
    Saved { file, bytes, term, index, cluster_id }.say(args, out)
}

impl Saved<'_> {
    /// Builds the state out of it, if that is asked for, and says what was saved.
    pub(super) fn say(&self, args: &SaveArgs, out: &mut impl Write) -> Result<(), Failure> {
        let Saved { file, bytes, term, index, cluster_id } = *self;
        let state = args.verify.then(|| find(file).and_then(inspect)).transpose()?;
        let keys = state.map(|state| state.state.keys);
        match args.connect.output {
            Some(Format::Json) => {
                let cluster_id = format!("{cluster_id:032x}");
                let body = json!({
                    "file": file.display().to_string(), "bytes": bytes,
                    "index": index, "term": term, "cluster_id": cluster_id, "keys": keys,
                });
                json_line(&body, out)?;
            }
            Some(Format::Plain) => writeln!(out, "{index}")?,
            None | Some(Format::Table) => {
                let file = file.display();
                write!(out, "saved {file}: {bytes} bytes, up to entry {index} of term {term}")?;
                keys.map_or(Ok(()), |keys| write!(out, "; verified, {keys} keys"))?;
                writeln!(out)?;
            }
        }
        // A backup that comes later does not hold up the word about this one.
        Ok(out.flush()?)
    }
}
