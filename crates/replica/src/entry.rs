//! The same entry as raft and as the log spell it. Between the two, payload bytes are shared; where
//! entries come in from the disk or a peer to stay, short ones are copied ([`detach`]).

use bytes::Bytes;
use raft::{Entry, EntryKind, HardState, Index, LogId, MemberId, Term};

/// A record whose kind this version does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UnknownKind(pub(crate) u8);

// The kinds as stored; numbers are never used again.
const NOOP: u8 = 1;
const COMMAND: u8 = 2;
const CONFIGURATION: u8 = 3;

/// A payload of so many bytes fills the better part of the buffer it came in.
const SHARED_BYTES_MIN: usize = 64 << 10;

/// Copies a short payload out of the buffer that it shares with others. What a peer or the disk
/// brings comes in large buffers, and raft keeps entries by the thousand for hours: each would hold
/// its whole buffer, heartbeats and all, far beyond the bytes that raft counts.
pub(crate) fn detach(payload: &mut Bytes) {
    if payload.len() < SHARED_BYTES_MIN {
        *payload = Bytes::copy_from_slice(payload);
    }
}

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
