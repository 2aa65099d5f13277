//! Golden scripts of snapshot files: one scenario a file, with every operation that changed the
//! disk in its output.
//!
//! `UPDATE_GOLDENFILES=1 cargo test -p wal --test all snapshot_scripts::` writes the output anew;
//! review the difference.

use std::error::Error;
use std::path::Path;

use bytes::Bytes;
use disk::{Disk, Fault, File, Mode, SimDisk};
use goldenscript::Context;
use wal::snapshot::{Incoming, SnapshotInfo, SnapshotMeta, SnapshotWriter, Snapshots};

use crate::support;

const DIRECTORY: &str = "/data/snapshots";
const CLUSTER: u128 = 0xc1;

#[test]
fn snapshot_scripts() {
    for path in support::scripts("tests/snapshot_scripts", 6) {
        eprintln!("script {}", path.display());
        goldenscript::run(&mut World::new(), &path).unwrap();
    }
}

/// The verbs of the scripts. Snapshots are named by index; their term is always 2.
#[derive(goldenscript::Command)]
enum Command {
    /// Opens the snapshots, and shows those that are good and those that are not.
    Open,
    /// Writes a snapshot of so many chunks from its beginning to its end.
    Write { index: u64, chunks: u64 },
    /// Begins one.
    Create { index: u64 },
    /// Goes on with it.
    Chunk { text: String },
    /// Ends it.
    Finish,
    /// Shows what is in a snapshot.
    Show { index: u64 },
    /// Removes all but these.
    Retain { keep: Vec<u64> },
    /// Sets snapshots aside.
    SetAside { doubtful: Vec<u64> },
    /// Removes all that were set aside.
    RemoveAside,
    /// Copies a snapshot to a peer's disk, as the source of what is received.
    Fetch { index: u64 },
    /// Makes ready to receive what was fetched, from that sender.
    Receive {
        sender: u64,
        #[arg(key)]
        life: Option<u64>,
    },
    /// Receives so many bytes of it from an offset on.
    Take { offset: usize, bytes: usize },
    /// Flips a bit of what was fetched.
    Spoil { offset: usize },
    /// Ends the reception.
    Received,
    /// Kills the process: the page cache stays.
    Crash,
    /// Cuts the power: what was not flushed is lost, kept or torn by the seed.
    Cut { seed: u64 },
    /// Lets the nth operation from now fail: error, short, full or halt.
    Fail { nth: u64, how: String },
    /// Flips a bit of a snapshot.
    Flip { index: u64, offset: u64 },
    /// Lists the files with their lengths.
    Files,
}

struct World {
    disk: SimDisk,
    snapshots: Option<Snapshots<SimDisk>>,
    writer: Option<SnapshotWriter<<SimDisk as Disk>::File>>,
    fetched: (u64, Vec<u8>),
}

impl goldenscript::Runner for World {
    type Command = Command;

    fn run(&mut self, command: &Command, _: &Context) -> Result<String, Box<dyn Error>> {
        let outcome = self.step(command);
        support::traced(&self.disk, outcome)
    }
}

impl World {
    fn new() -> World {
        let disk = SimDisk::new();
        disk.trace();
        World { disk, snapshots: None, writer: None, fetched: (0, Vec::new()) }
    }

    fn step(&mut self, command: &Command) -> Result<String, Box<dyn Error>> {
        match command {
            Command::Open => self.open(),
            Command::Write { index, chunks } => self.write(*index, *chunks),
            Command::Create { index } => {
                self.writer = Some(self.snapshots()?.create(meta(*index))?);
                Ok(String::new())
            }
            Command::Chunk { text } => {
                let writer = self.writer.as_mut().ok_or("nothing is being written")?;
                Ok(writer.write_content(text.as_bytes()).map(|()| String::new())?)
            }
            Command::Finish => {
                let writer = self.writer.take().ok_or("nothing is being written")?;
                Ok(show(&self.snapshots()?.finish(writer)?))
            }
            Command::Show { index } => self.show(*index),
            Command::Retain { keep } => {
                Ok(self.snapshots()?.retain(&log_ids(keep)).map(|()| String::new())?)
            }
            Command::SetAside { doubtful } => {
                Ok(self.snapshots()?.set_aside(&log_ids(doubtful)).map(|()| String::new())?)
            }
            Command::RemoveAside => Ok(self.snapshots()?.remove_aside().map(|()| String::new())?),
            Command::Fetch { .. }
            | Command::Receive { .. }
            | Command::Take { .. }
            | Command::Spoil { .. }
            | Command::Received => self.step_receiving(command),
            _ => self.step_disk(command),
        }
    }

    fn step_receiving(&mut self, command: &Command) -> Result<String, Box<dyn Error>> {
        match command {
            Command::Fetch { index } => {
                let info = self.info(*index)?;
                let bytes = self.snapshots()?.read_raw(&info, 0, usize::MAX)?;
                self.fetched = (*index, bytes.to_vec());
                Ok(format!("{} bytes", bytes.len()))
            }
            Command::Receive { sender, life } => {
                let (index, bytes) = &self.fetched;
                let (last, bytes_total) = ((2, *index), bytes.len() as u64);
                let (sender, life) = (*sender, life.unwrap_or(1));
                let incoming = Incoming { sender, life, last, bytes_total };
                Ok(format!("go on at {}", self.snapshots()?.receive(incoming)?))
            }
            Command::Take { offset, bytes } => {
                let end = (offset + bytes).min(self.fetched.1.len());
                let bytes = self.fetched.1[*offset..end].to_vec();
                let next = self.snapshots()?.write_received(*offset as u64, &bytes)?;
                Ok(format!("go on at {next}"))
            }
            Command::Spoil { offset } => {
                self.fetched.1[*offset] ^= 1;
                Ok(String::new())
            }
            Command::Received => Ok(show(&self.snapshots()?.finish_received(CLUSTER)?)),
            _ => Err("not a verb of receiving".into()),
        }
    }

    fn step_disk(&mut self, command: &Command) -> Result<String, Box<dyn Error>> {
        match command {
            Command::Crash => self.die(SimDisk::crash_process),
            Command::Cut { seed } => self.die(|disk| disk.power_cut(*seed)),
            Command::Fail { nth, how } => self.disk.fail_at(*nth, parse_fault(how)?),
            Command::Flip { index, offset } => {
                let path = Path::new(DIRECTORY).join(format!("{index:020}-2.snapshot"));
                assert!(self.disk.flip_bit(&path, *offset), "no such byte");
            }
            Command::Files => return self.files(),
            _ => return Err("not a verb of the disk".into()),
        }
        Ok(String::new())
    }

    fn snapshots(&mut self) -> Result<&mut Snapshots<SimDisk>, Box<dyn Error>> {
        self.snapshots.as_mut().ok_or_else(|| "the snapshots are not open".into())
    }

    fn info(&mut self, index: u64) -> Result<SnapshotInfo, Box<dyn Error>> {
        let found = self.snapshots()?.find((2, index)).cloned();
        found.ok_or_else(|| "there is no such snapshot".into())
    }

    fn open(&mut self) -> Result<String, Box<dyn Error>> {
        let snapshots = Snapshots::open(self.disk.clone(), Path::new(DIRECTORY))?;
        let good = snapshots.good().iter().map(show);
        let skipped =
            snapshots.skipped().iter().map(|skipped| format!("skipped: {}", skipped.error));
        let lines: Vec<String> = good.chain(skipped).collect();
        self.snapshots = Some(snapshots);
        Ok(if lines.is_empty() { "no snapshots".to_owned() } else { lines.join("\n") })
    }

    fn write(&mut self, index: u64, chunks: u64) -> Result<String, Box<dyn Error>> {
        let mut writer = self.snapshots()?.create(meta(index))?;
        for chunk in 1..=chunks {
            writer.write_content(format!("chunk {chunk} of {index}").as_bytes())?;
        }
        Ok(show(&self.snapshots()?.finish(writer)?))
    }

    fn show(&mut self, index: u64) -> Result<String, Box<dyn Error>> {
        let info = self.info(index)?;
        let mut reader = self.snapshots()?.reader(&info)?;
        let mut lines = vec![show(&info)];
        while let Some(chunk) = reader.next_chunk()? {
            lines.push(String::from_utf8_lossy(&chunk).into_owned());
        }
        Ok(lines.join("\n"))
    }

    fn die(&mut self, how: impl FnOnce(&SimDisk)) {
        (self.snapshots, self.writer) = (None, None);
        how(&self.disk);
    }

    fn files(&self) -> Result<String, Box<dyn Error>> {
        let names = self.disk.list(Path::new(DIRECTORY))?;
        let line = |name: &String| {
            let file = self.disk.open(&Path::new(DIRECTORY).join(name), Mode::Read)?;
            Ok(format!("{name} {}", file.size_bytes()?))
        };
        Ok(names.iter().map(line).collect::<Result<Vec<String>, disk::Error>>()?.join("\n"))
    }
}

fn log_ids(indexes: &[u64]) -> Vec<(u64, u64)> {
    indexes.iter().map(|index| (2, *index)).collect()
}

fn meta(index: u64) -> SnapshotMeta {
    SnapshotMeta {
        cluster_id: CLUSTER,
        last: (2, index),
        stamp_ms: index * 1000,
        age_ms: index * 10,
        configuration_index: 1,
        configuration: Bytes::from_static(b"members"),
    }
}

fn show(info: &SnapshotInfo) -> String {
    let SnapshotMeta { last: (term, index), configuration_index, .. } = info.meta;
    format!("snapshot {index}@{term}, configuration of {configuration_index}, {} bytes", info.bytes)
}

fn parse_fault(how: &str) -> Result<Fault, Box<dyn Error>> {
    match how {
        "error" => Ok(Fault::Error),
        "short" => Ok(Fault::Short),
        "full" => Ok(Fault::Full),
        "halt" => Ok(Fault::Halt),
        _ => Err(format!("{how} is no fault").into()),
    }
}
