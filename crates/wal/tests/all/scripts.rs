//! Golden scripts: one scenario a file, with every operation that changed the disk in its output.
//!
//! `UPDATE_GOLDENFILES=1 cargo test -p wal --test all scripts::` writes the output anew; review the
//! difference.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::str::FromStr;

use disk::{Disk, Fault, File, Mode, SimDisk};
use goldenscript::Context;
use wal::{
    Batch, DataDirectory, Entry, HardState, OpenError, Options, Preparation, Recovered, Repaired,
    Room, SpareKeeper, Visit, Wal,
};

use crate::support;

const DATA: &str = "/data";
const LOG: &str = "/data/wal";
const BLOCK_BYTES: u64 = 4096;

#[test]
fn scripts() {
    for path in support::scripts("tests/scripts", 10) {
        eprintln!("script {}", path.display());
        goldenscript::run(&mut World::new(), &path).unwrap();
    }
}

/// The verbs of the scripts.
#[derive(goldenscript::Command)]
enum Command {
    /// Opens the log and shows what was recovered.
    Open {
        #[arg(key, optional)]
        segment_kib: Option<u64>,
    },
    /// Opens the log and repairs it, with snapshots that stand for these entries.
    Repair {
        #[arg(optional)]
        snapshots: Vec<Id>,
    },
    /// Adds a batch to the next `append`, which is a group then.
    Batch {
        #[arg(optional)]
        entries: Vec<Id>,
        #[arg(key)]
        start: Option<Id>,
        #[arg(key)]
        term: Option<u64>,
        #[arg(key)]
        vote: Option<u64>,
        #[arg(key)]
        commit: Option<u64>,
        #[arg(key)]
        bytes: Option<usize>,
    },
    /// Appends the batches added, and one of the arguments given. Term, vote and commit stay as
    /// they were unless given; `bytes` is the length of each payload.
    Append {
        #[arg(optional)]
        entries: Vec<Id>,
        #[arg(key)]
        start: Option<Id>,
        #[arg(key)]
        term: Option<u64>,
        #[arg(key)]
        vote: Option<u64>,
        #[arg(key)]
        commit: Option<u64>,
        #[arg(key)]
        bytes: Option<usize>,
    },
    /// Cuts the log: it starts after that entry.
    CutLog { to: Id },
    /// Gives up the segments that the log's start made needless.
    GiveUp,
    /// Writes a closing frame.
    Close,
    /// Takes a step to write the active segment's file ahead.
    Prepare,
    /// Takes a step to have spares ready.
    Keep,
    /// Shows how much room there is.
    Room,
    /// Reads entries back.
    Read {
        from: u64,
        to: u64,
        #[arg(key)]
        bytes: Option<usize>,
    },
    /// Shows what the log says of itself.
    Status,
    /// Kills the process: the page cache stays.
    Crash,
    /// Cuts the power: what was not flushed is lost, kept or torn by the seed.
    Cut { seed: u64 },
    /// Lets the nth operation from now fail: error, short, full or halt.
    Fail { nth: u64, how: String },
    /// Limits the bytes of the disk; none is no limit.
    Limit { kib: Option<u64> },
    /// Flips a bit of a file in the log.
    Flip { name: String, offset: u64 },
    /// Removes a file of the log.
    Remove { name: String },
    /// Turns a copy of a segment into a spare: its header block zeroed, its frames left as they
    /// were.
    Recycle { name: String, spare: String },
    /// Lists the files of the log with their lengths.
    Files,
    /// Shows the frames of a segment, by docs/format/wal.md alone.
    Frames { name: String },
    /// Opens the data directory for a member of that name.
    Own { name: String },
    /// Records the cluster the member belongs to.
    Join { cluster: u64 },
    /// Closes the data directory.
    Disown,
    /// Flips a bit of the identity.
    Forge { offset: u64 },
    /// Removes the identity.
    Forget,
}

/// An entry in a script: `index@term`.
struct Id {
    index: u64,
    term: u64,
}

impl FromStr for Id {
    type Err = Box<dyn Error>;

    fn from_str(text: &str) -> Result<Id, Box<dyn Error>> {
        let (index, term) = text.split_once('@').ok_or("an entry is index@term")?;
        Ok(Id { index: index.parse()?, term: term.parse()? })
    }
}

/// A disk, the log and the data directory on it, and what the script said last.
struct World {
    disk: SimDisk,
    wal: Option<Wal<SimDisk>>,
    keeper: Option<SpareKeeper<SimDisk>>,
    directory: Option<DataDirectory<SimDisk>>,
    hard_state: HardState,
    batches: Vec<Batch>,
    drawn: u64,
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
        World {
            disk,
            wal: None,
            keeper: None,
            directory: None,
            hard_state: HardState::default(),
            batches: Vec::new(),
            drawn: 0,
        }
    }

    fn step(&mut self, command: &Command) -> Result<String, Box<dyn Error>> {
        match command {
            Command::Open { segment_kib } => self.open(segment_kib.unwrap_or(16), None),
            Command::Repair { snapshots } => self.open(16, Some(snapshots)),
            Command::Batch { entries, start, term, vote, commit, bytes } => {
                self.batch(entries, start.as_ref(), *term, *vote, *commit, *bytes);
                Ok(String::new())
            }
            Command::Append { entries, start, term, vote, commit, bytes } => {
                self.batch(entries, start.as_ref(), *term, *vote, *commit, *bytes);
                let batches = std::mem::take(&mut self.batches);
                self.wal()?.append(&batches)?;
                Ok(String::new())
            }
            Command::CutLog { to } => {
                Ok(self.wal()?.cut((to.term, to.index)).map(|()| String::new())?)
            }
            Command::GiveUp => Ok(self.wal()?.give_up_segments().map(|()| String::new())?),
            Command::Close => Ok(self.wal()?.write_closing_frame().map(|()| String::new())?),
            Command::Prepare => {
                let more = self.wal()?.prepare()?;
                Ok(if more { "more to do" } else { "nothing left to do" }.to_owned())
            }
            Command::Keep => {
                let made = self.keeper()?.step()?;
                let text = match made {
                    Preparation::More => "more to do",
                    Preparation::Done => "nothing left to do",
                    Preparation::NoRoom => "no room",
                };
                Ok(text.to_owned())
            }
            Command::Room => {
                let Room { free_bytes, missing_bytes, spares, .. } = self.keeper()?.room()?;
                Ok(format!("{free_bytes} bytes free, {missing_bytes} missing, {spares} ready"))
            }
            Command::Read { from, to, bytes } => {
                let entries = self.wal()?.read(*from, *to, bytes.unwrap_or(usize::MAX))?;
                Ok(entries.iter().map(show).collect::<Vec<_>>().join("\n"))
            }
            Command::Status => self.status(),
            Command::Own { .. }
            | Command::Join { .. }
            | Command::Disown
            | Command::Forge { .. }
            | Command::Forget => self.step_directory(command),
            _ => self.step_disk(command),
        }
    }

    fn step_directory(&mut self, command: &Command) -> Result<String, Box<dyn Error>> {
        let identity = Path::new(DATA).join("IDENTITY");
        match command {
            Command::Own { name } => return self.own(name),
            Command::Join { cluster } => {
                let directory = self.directory.as_mut().ok_or("no data directory is open")?;
                directory.set_cluster(u128::from(*cluster))?;
            }
            Command::Disown => self.directory = None,
            Command::Forge { offset } => drop(self.disk.flip_bit(&identity, *offset)),
            Command::Forget => self.disk.remove(&identity)?,
            _ => return Err("not a verb of the data directory".into()),
        }
        Ok(String::new())
    }

    fn step_disk(&mut self, command: &Command) -> Result<String, Box<dyn Error>> {
        match command {
            Command::Crash => self.die(SimDisk::crash_process),
            Command::Cut { seed } => self.die(|disk| disk.power_cut(*seed)),
            Command::Fail { nth, how } => self.disk.fail_at(*nth, parse_fault(how)?),
            Command::Limit { kib } => self.disk.limit_bytes(kib.map(|kib| kib << 10)),
            Command::Flip { name, offset } => {
                assert!(self.disk.flip_bit(&Path::new(LOG).join(name), *offset), "no such byte");
            }
            Command::Remove { name } => self.disk.remove(&Path::new(LOG).join(name))?,
            Command::Recycle { name, spare } => self.recycle(name, spare)?,
            Command::Files => return self.files(),
            Command::Frames { name } => return self.frames(name),
            _ => return Err("not a verb of the disk".into()),
        }
        Ok(String::new())
    }

    fn wal(&mut self) -> Result<&mut Wal<SimDisk>, Box<dyn Error>> {
        self.wal.as_mut().ok_or_else(|| "the log is not open".into())
    }

    fn keeper(&mut self) -> Result<&mut SpareKeeper<SimDisk>, Box<dyn Error>> {
        self.keeper.as_mut().ok_or_else(|| "the log is not open".into())
    }

    fn open(
        &mut self,
        segment_kib: u64,
        repair: Option<&Vec<Id>>,
    ) -> Result<String, Box<dyn Error>> {
        let options = Options { segment_bytes: segment_kib << 10, spares: 1, salt: 1 };
        let mut visited = String::new();
        let visit = &mut |visit: Visit<'_>| match visit {
            Visit::Begin { index: 0, .. } => {}
            Visit::Begin { term, index } => write!(visited, " after {index}@{term}").unwrap(),
            Visit::Start { term, index } => write!(visited, " start {index}@{term}").unwrap(),
            Visit::Entry(entry) => write!(visited, " {}@{}", entry.index, entry.term).unwrap(),
        };
        let (disk, log) = (self.disk.clone(), Path::new(LOG));
        let opened = match repair {
            None => Wal::open(disk, log, options, visit),
            Some(snapshots) => {
                let snapshots: Vec<(u64, u64)> =
                    snapshots.iter().map(|id| (id.term, id.index)).collect();
                Wal::open_repairing(disk, log, options, &|| Ok(snapshots.clone()), visit)
            }
        };
        let (wal, recovered) = opened.map_err(|error| match error {
            OpenError::Corrupt(_) => format!("corrupt: {error}"),
            OpenError::Wiped(_) => format!("wiped: {error}"),
            OpenError::UnknownVersion { .. } | OpenError::Disk(_) => error.to_string(),
        })?;
        self.keeper = Some(wal.spare_keeper());
        self.wal = Some(wal);
        self.hard_state = recovered.hard_state;
        Ok(show_recovered(&recovered, &visited))
    }

    fn batch(
        &mut self,
        entries: &[Id],
        start: Option<&Id>,
        term: Option<u64>,
        vote: Option<u64>,
        commit: Option<u64>,
        bytes: Option<usize>,
    ) {
        if term.is_some_and(|term| term > self.hard_state.term) {
            self.hard_state.vote = None;
        }
        self.hard_state.term = term.unwrap_or(self.hard_state.term);
        self.hard_state.vote = vote.or(self.hard_state.vote);
        self.hard_state.commit = commit.unwrap_or(self.hard_state.commit);
        let entries = entries.iter().map(|Id { index, term }| {
            let text = format!("v{index}@{term}");
            let payload =
                bytes.map_or(text.clone(), |bytes| text.repeat(bytes)[..bytes].to_owned());
            let (stamp_ms, age_ms) = (index * 1000, index * 10);
            Entry { kind: 1, term: *term, index: *index, stamp_ms, age_ms, payload: payload.into() }
        });
        let start = start.map(|start| (start.term, start.index));
        self.hard_state.commit = self.hard_state.commit.max(start.map_or(0, |(_, index)| index));
        let (hard_state, entries) = (self.hard_state, entries.collect());
        self.batches.push(Batch { start, hard_state, entries });
    }

    fn status(&mut self) -> Result<String, Box<dyn Error>> {
        let wal = self.wal()?;
        let (last, first, hard_state) = (wal.last_log_id(), wal.first_index(), wal.hard_state());
        let last = last.map_or("none".to_owned(), |(term, index)| format!("{index}@{term}"));
        let stats = wal.stats();
        Ok(format!(
            "first {first} last {last} {} poisoned {}\n{} frames ({} closing), {} records, \
             {} flushes, {} segments begun",
            show_hard_state(&hard_state),
            wal.is_poisoned(),
            stats.frames,
            stats.closing_frames,
            stats.records,
            stats.flushes,
            stats.segments
        ))
    }

    fn die(&mut self, how: impl FnOnce(&SimDisk)) {
        (self.wal, self.keeper, self.directory) = (None, None, None);
        self.batches.clear();
        how(&self.disk);
    }

    fn own(&mut self, name: &str) -> Result<String, Box<dyn Error>> {
        self.drawn += 1;
        let drawn = self.drawn;
        let fresh = || (0xa0 + drawn, u128::from(0xb0 + drawn));
        let path = Path::new(DATA);
        let directory = DataDirectory::open(self.disk.clone(), path, name, fresh)?;
        let id = directory.identity();
        let cluster = id.cluster_id.map_or("none".to_owned(), |id| id.to_string());
        let text = format!(
            "{}: member {:x}, incarnation {:x}, cluster {cluster}",
            id.name, id.member_id, id.incarnation
        );
        self.directory = Some(directory);
        Ok(text)
    }

    fn recycle(&mut self, name: &str, spare: &str) -> Result<(), Box<dyn Error>> {
        let mut bytes = self.contents(name)?;
        bytes[..BLOCK_BYTES as usize].fill(0);
        let file = self.disk.open(&Path::new(LOG).join(spare), Mode::CreateNew)?;
        file.write_at(&bytes, 0)?;
        file.sync()?;
        self.disk.sync_dir(Path::new(LOG))?;
        Ok(())
    }

    fn contents(&self, name: &str) -> Result<Vec<u8>, Box<dyn Error>> {
        let file = self.disk.open(&Path::new(LOG).join(name), Mode::Read)?;
        let mut bytes = vec![0; file.size_bytes()? as usize];
        file.read_at(&mut bytes, 0)?;
        self.disk.take_trace();
        Ok(bytes)
    }

    fn files(&self) -> Result<String, Box<dyn Error>> {
        let names = self.disk.list(Path::new(LOG))?;
        let lines = names.iter().map(|name| Ok(format!("{name} {}", self.contents(name)?.len())));
        Ok(lines.collect::<Result<Vec<String>, Box<dyn Error>>>()?.join("\n"))
    }

    /// Reads the frames as the format's document describes them, believing every length.
    fn frames(&self, name: &str) -> Result<String, Box<dyn Error>> {
        let bytes = self.contents(name)?;
        let u32_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        let u64_at = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
        let mut output = format!(
            "segment {} after {}: capacity {}, first flush {}, term {} vote {} commit {}, \
             first index {}, previous term {}, start {}@{}, floor {}@{}\n",
            u64_at(16),
            u64_at(24),
            u64_at(48),
            u64_at(56),
            u64_at(64),
            u64_at(72),
            u64_at(80),
            u64_at(88),
            u64_at(96),
            u64_at(104),
            u64_at(112),
            u64_at(120),
            u64_at(128)
        );
        let mut at = BLOCK_BYTES as usize;
        while at < bytes.len() && &bytes[at..at + 4] == b"RKFR" {
            let (records, length) = (u32_at(at + 28), u64_at(at + 32));
            let log_id = |at: usize| format!("{}@{}", u64_at(at), u64_at(at + 8));
            let has_marks = u32_at(at + 64) & 2 != 0;
            let marks = if has_marks {
                let [start, last, floor] = [72, 88, 104].map(|field| log_id(at + field));
                format!(" start {start} last {last} floor {floor}")
            } else {
                String::new()
            };
            let indexes = (0..records as usize).map(|record| u64_at(at + 72 + 48 * record + 8));
            writeln!(
                output,
                "{at}: segment {} flush {} term {} vote {} commit {} flags {} length {length} \
                 indexes {:?}{marks}",
                u64_at(at + 8),
                u64_at(at + 16),
                u64_at(at + 40),
                u64_at(at + 48),
                u64_at(at + 56),
                u32_at(at + 64),
                indexes.collect::<Vec<u64>>()
            )?;
            at += length.next_multiple_of(BLOCK_BYTES) as usize;
        }
        Ok(output)
    }
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

fn show(entry: &Entry) -> String {
    let Entry { kind, term, index, stamp_ms, age_ms, payload } = entry;
    let text = String::from_utf8_lossy(&payload[..payload.len().min(8)]);
    let bytes = payload.len();
    format!("{index}@{term} kind {kind} stamp {stamp_ms} age {age_ms} {text:?} of {bytes} bytes")
}

fn show_hard_state(hard_state: &HardState) -> String {
    let HardState { term, vote, commit } = hard_state;
    let vote = vote.map_or("none".to_owned(), |vote| vote.to_string());
    format!("term {term} vote {vote} commit {commit}")
}

fn show_recovered(recovered: &Recovered, visited: &str) -> String {
    let last = recovered.last.map_or("none".to_owned(), |(term, index)| format!("{index}@{term}"));
    let torn = recovered.torn_tail.as_ref().map_or(String::new(), |torn| {
        let (segment, offset, bytes) = (torn.segment, torn.offset, torn.bytes);
        format!("\ntorn tail in segment {segment} at {offset}, {bytes} bytes")
    });
    let floor =
        recovered.floor.map_or(String::new(), |(term, index)| format!(" floor {index}@{term}"));
    let repairs: String = recovered.repairs.iter().map(show_repaired).collect();
    let hard_state = show_hard_state(&recovered.hard_state);
    let records = recovered.records;
    format!(
        "{repairs}recovered {hard_state} first {} last {last}{floor}{torn}\n\
         visited {records}:{visited}",
        recovered.first_index
    )
}

fn show_repaired(repaired: &Repaired) -> String {
    let id = |id: Option<(u64, u64)>| {
        id.map_or("none".to_owned(), |(term, index)| format!("{index}@{term}"))
    };
    let (last, lost_to) = (id(repaired.last), id(repaired.lost_to));
    format!("repaired: {}\nkept up to {last}, lost up to {lost_to}\n", repaired.corruption)
}
