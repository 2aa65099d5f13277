//! The numbers of the protocol, each its own type so that they can not be mixed.

use std::fmt;

/// A member's identity: random, chosen when its data directory was made, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId(pub u64);

/// A term: the logical clock of Raft. Each has at most one leader.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Term(pub u64);

impl Term {
    /// The largest term that is taken from a peer: a cluster that elected a leader every
    /// microsecond would reach it after a hundred thousand years, so whoever names a larger one
    /// is not sound, and must not bring the counter to its end.
    pub const MAX: Term = Term(1 << 62);

    /// A message whose term is further ahead of the receiver's than this is not taken: a member
    /// that was away while a leader was elected every second is not so far behind after a hundred
    /// years, and one such message would bring the counter to its end.
    pub const AHEAD_MAX: u64 = 1 << 32;

    /// The term after this one.
    pub fn next(self) -> Term {
        Term(self.0 + 1)
    }
}

/// A position in the log. The first entry has index 1; 0 means "before the first".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Index(pub u64);

impl Index {
    /// The position after this one.
    pub fn next(self) -> Index {
        Index(self.0 + 1)
    }

    /// The position before this one; the one before the first is 0, and has none before it.
    pub fn previous(self) -> Index {
        assert!(self.0 > 0, "there is no index before 0");
        Index(self.0 - 1)
    }
}

/// Names one entry for good: two logs that hold the same log id are equal up to it.
///
/// Ordered by term, then index: exactly the order in which Raft compares logs in an election
/// (§5.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId {
    /// The term in which the entry was first appended.
    pub term: Term,
    /// Its position.
    pub index: Index,
}

impl LogId {
    /// The log id of `index`, appended in `term`.
    pub fn new(term: Term, index: Index) -> LogId {
        LogId { term, index }
    }
}

/// The number of a persist batch: they are handed out in order, starting at 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PersistNumber(pub u64);

/// The caller's name for one linearizable read; the core gives it back and never looks into it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReadId(pub u64);

/// What the caller's clocks say. The core reads no clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds on a clock that never goes back. Drives every timer.
    pub monotonic_ms: u64,
    /// Milliseconds since 1970, as far as this machine knows. Only ever copied into stamps.
    pub wall_ms: u64,
}

/// What must survive a restart besides the log (Figure 2: currentTerm, votedFor).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HardState {
    /// The latest term this member has seen.
    pub term: Term,
    /// Who got this member's vote in that term.
    pub vote: Option<MemberId>,
    /// A committed index, at or below the true one. A hint that lets a restart apply early;
    /// losing it is harmless, so it alone never causes a flush.
    pub commit: Index,
}

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for LogId {
    /// `index@term`, as everywhere in traces.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.index, self.term)
    }
}
