//! A log on a simulated disk beside a naive model of it.
//!
//! The model knows the states the log may be in: one, while all is well; several after an append
//! that failed or was interrupted, because it may have reached the disk in part. Opening must find
//! one of them, and from then on only that one.

// Each test target uses a part of this, and helpers of tests may unwrap as tests do.
#![allow(dead_code, clippy::unwrap_used)]

use std::path::Path;

use bytes::Bytes;
use disk::{Fault, SimDisk};
use wal::{Batch, Entry, Error, HardState, OpenError, Options, RECORD_HEAD_BYTES, Recovered, Wal};

pub(crate) const LOG: &str = "/data/wal";

/// Small segments, so that a few appends cross into the next.
pub(crate) const OPTIONS: Options = Options { segment_bytes: 16 << 10, spares: 1, salt: 7 };

pub(crate) const FAULTS: [Fault; 4] = [Fault::Error, Fault::Short, Fault::Full, Fault::Halt];

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
    pub(crate) entries: Vec<Entry>,
    pub(crate) term: u64,
    pub(crate) vote: Option<u64>,
}

impl State {
    pub(crate) fn last_index(&self) -> u64 {
        self.entries.len() as u64
    }

    pub(crate) fn last_term(&self) -> u64 {
        self.entries.last().map_or(0, |entry| entry.term)
    }

    fn put(&mut self, entry: &Entry) {
        self.entries.truncate(entry.index as usize - 1);
        self.entries.push(entry.clone());
    }

    fn promise(&mut self, hard_state: HardState) {
        (self.term, self.vote) = (hard_state.term, hard_state.vote);
    }
}

/// A log and its model.
pub(crate) struct Modelled {
    pub(crate) disk: SimDisk,
    wal: Option<Wal<SimDisk>>,
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
        Modelled { disk, wal: None, state, maybe: Vec::new(), commit: 0, commit_durable: 0 }
    }

    /// Opens the log and demands that it holds what it may.
    pub(crate) fn open(&mut self) -> Result<Recovered, OpenError> {
        let mut found = State::default();
        let visit = &mut |entry: &Entry| found.put(entry);
        let (wal, recovered) = Wal::open(self.disk.clone(), Path::new(LOG), OPTIONS, visit)?;
        found.promise(recovered.hard_state);
        assert_eq!(recovered.last.map_or(0, |(_, index)| index), found.last_index());
        assert_eq!(recovered.last, wal.last_log_id());
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

    /// The open log.
    pub(crate) fn wal(&mut self) -> &mut Wal<SimDisk> {
        self.wal.as_mut().expect("the log is open")
    }

    /// Whether the log is open.
    pub(crate) fn is_open(&self) -> bool {
        self.wal.is_some()
    }

    /// Appends, and takes into account what may be true if that fails.
    pub(crate) fn append(&mut self, batches: &[Batch]) -> Result<(), Error> {
        let mut after = self.state.clone();
        for batch in batches {
            batch.entries.iter().for_each(|entry| after.put(entry));
            after.promise(batch.hard_state);
            self.commit = self.commit.max(batch.hard_state.commit);
        }
        let lowest = batches.iter().flat_map(|batch| &batch.entries).map(|e| e.index).min();
        let result = self.wal().append(batches);
        if result.is_ok() {
            self.state = after;
            self.commit_durable = self.wal().hard_state().commit;
        } else {
            self.maybe = prefixes(&after, lowest);
        }
        result
    }

    /// The process dies; `seed` cuts the power as well.
    pub(crate) fn crash(&mut self, seed: Option<u64>) {
        self.wal = None;
        match seed {
            Some(seed) => self.disk.power_cut(seed),
            None => self.disk.crash_process(),
        }
    }

    /// Reads `from..=to` back and compares.
    pub(crate) fn check_read(&mut self, from: u64, to: u64, bytes_max: usize) {
        let entries = self.wal().read(from, to, bytes_max).unwrap();
        let expected = &self.state.entries[from as usize - 1..to as usize];
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
        if last > 0 {
            self.check_read(1, last, usize::MAX);
        }
        for index in 1..=last {
            let term = self.state.entries[index as usize - 1].term;
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
fn prefixes(after: &State, lowest: Option<u64>) -> Vec<State> {
    let first = lowest.unwrap_or(after.last_index() + 1).min(after.last_index() + 1);
    let cut =
        |last: u64| State { entries: after.entries[..last as usize].to_vec(), ..after.clone() };
    (first..=after.last_index()).map(cut).chain([after.clone()]).collect()
}

fn brief(state: &State) -> String {
    let terms: Vec<u64> = state.entries.iter().map(|entry| entry.term).collect();
    format!("term {} vote {:?} entries of terms {terms:?}", state.term, state.vote)
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
    let last = state.last_index();
    let first =
        if random.chance(4) { commit + 1 + random.below(last - commit + 1) } else { last + 1 };
    let previous = first.checked_sub(2).map_or(0, |at| state.entries[at as usize].term);
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
    Batch { hard_state: HardState { term, vote, commit }, entries }
}

/// A group of batches, each continuing the one before.
pub(crate) fn random_batches(random: &mut Random, state: &State, commit: u64) -> Vec<Batch> {
    let (mut state, mut commit) = (state.clone(), commit);
    let count = 1 + random.below(4);
    let next = |_| {
        let batch = random_batch(random, &state, commit);
        batch.entries.iter().for_each(|entry| state.put(entry));
        state.promise(batch.hard_state);
        commit = batch.hard_state.commit;
        batch
    };
    (0..count).map(next).collect()
}
