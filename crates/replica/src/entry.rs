//! The same entry as raft and as the log spell it. Payload bytes are shared, never copied.

use raft::{Entry, EntryKind, HardState, Index, LogId, MemberId, Term};

/// A record whose kind this version does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UnknownKind(pub(crate) u8);

// The kinds as stored; numbers are never used again.
const NOOP: u8 = 1;
const COMMAND: u8 = 2;
const CONFIGURATION: u8 = 3;

pub(crate) fn to_log(entry: Entry) -> wal::Entry {
    let kind = match entry.kind {
        EntryKind::Noop => NOOP,
        EntryKind::Command => COMMAND,
        EntryKind::Configuration => CONFIGURATION,
    };
    wal::Entry {
        kind,
        term: entry.id.term.0,
        index: entry.id.index.0,
        stamp_ms: entry.stamp_ms,
        age_ms: entry.age_ms,
        payload: entry.payload,
    }
}

pub(crate) fn from_log(entry: &wal::Entry) -> Result<Entry, UnknownKind> {
    let kind = match entry.kind {
        NOOP => EntryKind::Noop,
        COMMAND => EntryKind::Command,
        CONFIGURATION => EntryKind::Configuration,
        unknown => return Err(UnknownKind(unknown)),
    };
    Ok(Entry {
        id: LogId::new(Term(entry.term), Index(entry.index)),
        kind,
        stamp_ms: entry.stamp_ms,
        age_ms: entry.age_ms,
        payload: entry.payload.clone(),
    })
}

pub(crate) fn hard_state_to_log(state: HardState) -> wal::HardState {
    let vote = state.vote.map(|member| member.0);
    wal::HardState { term: state.term.0, vote, commit: state.commit.0 }
}

pub(crate) fn hard_state_from_log(state: wal::HardState) -> HardState {
    let vote = state.vote.map(MemberId);
    HardState { term: Term(state.term), vote, commit: Index(state.commit) }
}
