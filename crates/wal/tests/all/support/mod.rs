//! A log on a simulated disk beside a naive model of it.
//!
//! The model knows the states the log may be in: one, while all is well; several after an append
//! that failed or was interrupted, because it may have reached the disk in part. Opening must find
//! one of them, and from then on only that one.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use disk::{Fault, Patience, Patient, SimDisk};
use wal::{
    Batch, Entry, Error, HardState, OpenError, Options, Preparation, RECORD_HEAD_BYTES, Recovered,
    SpareKeeper, Visit, Wal,
};

pub(crate) const LOG: &str = "/data/wal";

/// Small segments, so that a few appends cross into the next.
pub(crate) const OPTIONS: Options = Options { segment_bytes: 16 << 10, spares: 1, salt: 7 };

pub(crate) const FAULTS: [Fault; 4] = [Fault::Error, Fault::Short, Fault::Full, Fault::Halt];

/// What a step of a script came to, after all that it did to the disk.
pub(crate) fn traced(
    disk: &SimDisk,
    outcome: Result<String, Box<dyn std::error::Error>>,
) -> Result<String, Box<dyn std::error::Error>> {
    let mut output = disk.take_trace();
    match outcome {
        Ok(text) => output.extend((!text.is_empty()).then_some(text)),
        Err(error) if output.is_empty() => return Err(error),
        Err(error) => return Err(format!("{error}\n{}", output.join("\n")).into()),
    }
    Ok(output.join("\n"))
}

/// The golden scripts in a directory of the crate, in order; `least` of them are there.
pub(crate) fn scripts(directory: &str, least: usize) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
    let entries = std::fs::read_dir(directory).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= least, "the scripts are gone");
    paths
}

/// SplitMix64: a seed decides everything.
pub(crate) struct Random(pub u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub(crate) fn chance(&mut self, one_in: u64) -> bool {
        self.below(one_in) == 0
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
}

pub(crate) fn entry(index: u64, term: u64, payload: impl Into<Bytes>) -> Entry {
    Entry { kind: 1, term, index, stamp_ms: index * 10, age_ms: index, payload: payload.into() }
}

/// What a log may hold. The commit index is left out: it is a hint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    /// Term and index of the entry that the log starts after.
    pub(crate) start: (u64, u64),
    /// The entries after that.
    pub(crate) entries: Vec<Entry>,
    pub(crate) term: u64,
    pub(crate) vote: Option<u64>,
}

impl State {
    pub(crate) fn last_index(&self) -> u64 {
        self.start.1 + self.entries.len() as u64
    }

    fn last_term(&self) -> u64 {
        self.term_at(self.last_index())
    }

    pub(crate) fn term_at(&self, index: u64) -> u64 {
        match index - self.start.1 {
            0 => self.start.0,
            after => self.entries[after as usize - 1].term,
        }
    }

    fn put(&mut self, entry: &Entry) {
        self.entries.truncate((entry.index - self.start.1) as usize - 1);
        self.entries.push(entry.clone());
    }

    fn start_after(&mut self, start: (u64, u64)) {
        let held = start.1 <= self.last_index() && self.term_at(start.1) == start.0;
        let dropped = if held { (start.1 - self.start.1) as usize } else { self.entries.len() };
        self.entries.drain(..dropped);
        self.start = start;
    }

    fn visit(&mut self, visit: Visit<'_>) {
        match visit {
            Visit::Begin { term, index } => {
                *self = State { start: (term, index), ..State::default() };
            }
            Visit::Start { term, index } => self.start_after((term, index)),
            Visit::Entry(entry) => self.put(entry),
        }
    }

    fn promise(&mut self, hard_state: HardState) {
        (self.term, self.vote) = (hard_state.term, hard_state.vote);
    }
}

/// Opens again so many times at most that no test comes near, and none runs for ever.
struct Stubborn(AtomicU64);

impl Patience for Stubborn {
    fn wait(&self, _error: &disk::Error) -> bool {
        self.0.fetch_add(1, Ordering::Relaxed) < 10_000
    }
}

/// A log and its model.
pub(crate) struct Modelled {
    pub(crate) disk: SimDisk,
    wal: Option<Wal<Patient<SimDisk>>>,
    keeper: Option<SpareKeeper<Patient<SimDisk>>>,
    /// What was acknowledged last; what the log holds while all is well.
    pub(crate) state: State,
    /// What else it may hold after a failure.
    maybe: Vec<State>,
    /// The highest commit index told, and the highest that must be remembered.
    pub(crate) commit: u64,
    commit_durable: u64,
}

impl Modelled {
    /// An empty disk; nothing is open yet.
    pub(crate) fn new() -> Modelled {
        let (disk, state) = (SimDisk::new(), State::default());
        let (wal, keeper, maybe) = (None, None, Vec::new());
        Modelled { disk, wal, keeper, state, maybe, commit: 0, commit_durable: 0 }
    }

    /// Opens the log and demands that it holds what it may.
    pub(crate) fn open(&mut self) -> Result<Recovered, OpenError> {
        let mut found = State::default();
        let visit = &mut |visit: Visit<'_>| found.visit(visit);
        let disk = Patient::new(self.disk.clone(), Arc::new(Stubborn(AtomicU64::new(0))));
        let (wal, recovered) = Wal::open(disk, Path::new(LOG), OPTIONS, visit)?;
        found.promise(recovered.hard_state);
        assert_eq!(recovered.last.map_or(0, |(_, index)| index), found.last_index());
        assert_eq!(recovered.last, wal.last_log_id());
        assert_eq!(recovered.start.unwrap_or_default(), found.start);
        let allowed = found == self.state || self.maybe.contains(&found);
        assert!(allowed, "lost or invented: found {}, expected {}", brief(&found), self.expected());
        let commit = recovered.hard_state.commit;
        assert!(
            (self.commit_durable..=self.commit).contains(&commit),
            "the commit hint is {commit}"
        );
        (self.state, self.commit, self.commit_durable) = (found, commit, commit);
        self.maybe.clear();
        self.wal = Some(wal);
        Ok(recovered)
    }

    /// A step of whatever makes room ahead: of the active segment, then of spares. Whether there is
    /// more to do.
    pub(crate) fn prepare(&mut self) -> Result<bool, Error> {
        let more = self.wal().prepare()?;
        if self.keeper.is_none() {
            self.keeper = Some(self.wal().spare_keeper());
        }
        let keeper = self.keeper.as_mut().expect("it is there now");
        let made = keeper.step().map_err(Error::Preparation)?;
        Ok(more || made == Preparation::More)
    }

    /// The open log.
    pub(crate) fn wal(&mut self) -> &mut Wal<Patient<SimDisk>> {
        self.wal.as_mut().expect("the log is open")
    }

    /// Whether the log is open.
    pub(crate) fn is_open(&self) -> bool {
        self.wal.is_some()
    }

    /// Appends, and takes into account what may be true if that fails.
    pub(crate) fn append(&mut self, batches: &[Batch]) -> Result<(), Error> {
        let mut after = self.state.clone();
        self.maybe.clear();
        let mut lowest = u64::MAX;
        for batch in batches {
            if let Some(start) = batch.start {
                // Its frame follows those of the batches before, and precedes its entries.
                self.maybe.extend(prefixes(&after, lowest));
                after.promise(batch.hard_state);
                after.start_after(start);
                self.maybe.push(after.clone());
                self.commit = self.commit.max(start.1);
                lowest = u64::MAX;
            }
            batch.entries.iter().for_each(|entry| after.put(entry));
            after.promise(batch.hard_state);
            self.commit = self.commit.max(batch.hard_state.commit);
            lowest = batch.entries.first().map_or(lowest, |entry| entry.index.min(lowest));
        }
        self.maybe.extend(prefixes(&after, lowest));
        let result = self.wal().append(batches);
        if result.is_ok() {
            self.state = after;
            self.maybe.clear();
            self.commit_durable = self.wal().hard_state().commit;
        }
        result
    }

    /// Cuts the log, and takes into account what may be true if that fails.
    pub(crate) fn cut(&mut self, to: u64) -> Result<(), Error> {
        let start = (self.state.term_at(to), to);
        let mut after = self.state.clone();
        after.start_after(start);
        self.commit = self.commit.max(to);
        let result = self.wal().cut(start);
        match &result {
            Ok(()) | Err(Error::Removal(_)) => {
                self.state = after;
                self.commit_durable = self.wal().hard_state().commit;
            }
            Err(_) => self.maybe = vec![after],
        }
        result
    }

    /// The process dies; `seed` cuts the power as well.
    pub(crate) fn crash(&mut self, seed: Option<u64>) {
        (self.wal, self.keeper) = (None, None);
        match seed {
            Some(seed) => self.disk.power_cut(seed),
            None => self.disk.crash_process(),
        }
    }

    /// Reads `from..=to` back and compares.
    pub(crate) fn check_read(&mut self, from: u64, to: u64, bytes_max: usize) {
        let entries = self.wal().read(from, to, bytes_max).unwrap();
        let start = self.state.start.1;
        let expected = &self.state.entries[(from - start) as usize - 1..(to - start) as usize];
        assert!(!entries.is_empty() && entries == expected[..entries.len()], "{from}..={to}");
        let size_bytes = |entry: &Entry| RECORD_HEAD_BYTES + entry.payload.len();
        let bytes: usize = entries.iter().map(size_bytes).sum();
        assert!(entries.len() == 1 || bytes <= bytes_max, "{bytes} of {bytes_max} bytes");
        let next = expected.get(entries.len()).map(size_bytes);
        assert!(next.is_none_or(|next| bytes + next > bytes_max), "it stopped too early");
    }

    /// Compares all that can be read.
    pub(crate) fn check_all(&mut self) {
        let last = self.state.last_index();
        assert_eq!(self.wal().last_index(), last);
        let first = self.state.start.1 + 1;
        assert_eq!(self.wal().first_index(), first);
        if last >= first {
            self.check_read(first, last, usize::MAX);
        }
        for index in first - 1..=last {
            let term = self.state.term_at(index);
            assert_eq!(self.wal().term_at(index), term, "index {index}");
        }
    }

    fn expected(&self) -> String {
        let states: Vec<String> =
            std::iter::once(&self.state).chain(&self.maybe).map(brief).collect();
        states.join(" or ")
    }
}

/// What may be on the disk of an append that failed: with its hard state, its entries cut off
/// anywhere.
fn prefixes(after: &State, lowest: u64) -> Vec<State> {
    let start = after.start.1;
    let first = lowest.min(after.last_index() + 1).max(start);
    let cut = |last: u64| {
        let entries = after.entries[..(last - start) as usize].to_vec();
        State { entries, ..after.clone() }
    };
    (first..=after.last_index()).map(cut).chain([after.clone()]).collect()
}

fn brief(state: &State) -> String {
    let terms: Vec<u64> = state.entries.iter().map(|entry| entry.term).collect();
    let State { start, term, vote, .. } = state;
    format!("start {start:?} term {term} vote {vote:?} entries of terms {terms:?}")
}

/// A batch that could come next: a new term now and then, truncations above what is committed.
pub(crate) fn random_batch(random: &mut Random, state: &State, commit: u64) -> Batch {
    let (mut term, mut vote) = (state.term.max(1), state.vote);
    if random.chance(4) {
        (term, vote) = (term + 1, None);
    }
    if vote.is_none() && random.chance(2) {
        vote = Some(1 + random.below(3));
    }
    let (start, commit) = random_start(random, state, term, commit);
    let mut state = state.clone();
    start.into_iter().for_each(|start| state.start_after(start));
    let last = state.last_index();
    let first =
        if random.chance(4) { commit + 1 + random.below(last - commit + 1) } else { last + 1 };
    let previous = state.term_at(first - 1);
    let count = random.below(5);
    let entries: Vec<Entry> = (first..first + count)
        .map(|index| {
            let bytes = if random.chance(3) { random.below(6000) } else { random.below(100) };
            let term = previous.max(term);
            entry(index, term, vec![random.next() as u8; bytes as usize])
        })
        .collect();
    let last = entries.last().map_or(last, |entry| entry.index);
    let commit = if random.chance(3) { commit + random.below(last - commit + 1) } else { commit };
    Batch { start, hard_state: HardState { term, vote, commit }, entries }
}

/// Now and then a snapshot was installed: the log starts after an entry that it holds, or after one
/// that it does not. Also the commit index that comes of it.
fn random_start(
    random: &mut Random,
    state: &State,
    term: u64,
    commit: u64,
) -> (Option<(u64, u64)>, u64) {
    if !random.chance(12) {
        return (None, commit);
    }
    let last = state.last_index();
    let index = commit.max(state.start.1) + 1 + random.below(last - commit + 5);
    let held = index <= last && random.chance(2);
    let start_term = if held { state.term_at(index) } else { term.max(state.last_term()) };
    (Some((start_term, index)), index)
}

/// A group of batches, each continuing the one before.
pub(crate) fn random_batches(random: &mut Random, state: &State, commit: u64) -> Vec<Batch> {
    let (mut state, mut commit) = (state.clone(), commit);
    let count = 1 + random.below(4);
    let next = |_| {
        let batch = random_batch(random, &state, commit);
        batch.start.into_iter().for_each(|start| state.start_after(start));
        batch.entries.iter().for_each(|entry| state.put(entry));
        state.promise(batch.hard_state);
        commit = batch.hard_state.commit;
        batch
    };
    (0..count).map(next).collect()
}
