//! What the leader has proposed to expire and has not seen applied: few commands at a time, and
//! nothing twice (rule 8.4).
//!
//! The next command is proposed when one before it is applied. So however much is due at once, it
//! goes as fast as the cluster commits and applies, and a write never waits behind more than
//! [`PROPOSALS_MAX`] of them.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use raft::Index;
use store::{DueKey, EXPIRED_MAX, LeaseId, Revision};

/// So many expiries are in the log and not applied: the second is committed while the first is
/// applied.
const PROPOSALS_MAX: usize = 2;

/// A command is closed once its keys have so many bytes: long keys must not make it as large as a
/// thousand of them would.
const KEY_BYTES_MAX: usize = 256 << 10;

/// The expiries of one leader in one term.
#[derive(Debug, Default)]
pub(crate) struct Proposals(VecDeque<Proposal>);

#[derive(Debug)]
struct Proposal {
    index: Index,
    leases: Vec<LeaseId>,
    keys: BTreeMap<Bytes, Revision>,
}

/// The keys of one command, as they are found.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) keys: Vec<DueKey>,
    bytes: usize,
}

impl Batch {
    /// Takes in one more; whether there is room for another.
    pub(crate) fn add(&mut self, key: &[u8], mod_revision: Revision) -> bool {
        self.keys.push(DueKey { key: Bytes::copy_from_slice(key), mod_revision });
        self.bytes += key.len();
        self.keys.len() < EXPIRED_MAX && self.bytes < KEY_BYTES_MAX
    }
}

impl Proposals {
    /// Whether another one may be made.
    pub(crate) fn has_room(&self) -> bool {
        self.0.len() < PROPOSALS_MAX
    }

    /// Whether the key, as that write left it, is in one of them.
    pub(crate) fn names(&self, key: &[u8], mod_revision: Revision) -> bool {
        self.0.iter().any(|proposal| proposal.keys.get(key) == Some(&mod_revision))
    }

    /// One of these leases and keys stands in the log at `index`.
    pub(crate) fn add(&mut self, index: Index, leases: Vec<LeaseId>, keys: Vec<DueKey>) {
        assert!(self.has_room(), "few at a time");
        assert!(self.0.back().is_none_or(|last| last.index < index), "one behind the other");
        let keys = keys.into_iter().map(|due| (due.key, due.mod_revision)).collect();
        self.0.push_back(Proposal { index, leases, keys });
    }

    /// Everything up to `index` is applied: the leases of the next one that is among that.
    pub(crate) fn applied(&mut self, index: Index) -> Option<Vec<LeaseId>> {
        let done = self.0.front().is_some_and(|proposal| proposal.index <= index);
        if done { self.0.pop_front().map(|proposal| proposal.leases) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(key: &'static str, mod_revision: u64) -> DueKey {
        DueKey { key: Bytes::from_static(key.as_bytes()), mod_revision: Revision(mod_revision) }
    }

    #[test]
    fn few_are_out_at_a_time_and_each_ends_when_it_is_applied() {
        let mut proposals = Proposals::default();
        proposals.add(Index(5), vec![LeaseId(1)], vec![due("a", 2)]);
        assert!(proposals.has_room());
        proposals.add(Index(7), vec![], vec![due("b", 3)]);
        assert!(!proposals.has_room());
        assert_eq!(proposals.applied(Index(4)), None);
        assert_eq!(proposals.applied(Index(6)), Some(vec![LeaseId(1)]));
        assert_eq!(proposals.applied(Index(6)), None);
        assert!(proposals.has_room());
    }

    #[test]
    fn a_key_is_named_as_that_write_left_it() {
        let mut proposals = Proposals::default();
        proposals.add(Index(5), vec![], vec![due("a", 2)]);
        assert!(proposals.names(b"a", Revision(2)));
        assert!(!proposals.names(b"a", Revision(9)), "written since: another deadline");
        assert!(!proposals.names(b"b", Revision(2)));
        proposals.applied(Index(5));
        assert!(!proposals.names(b"a", Revision(2)));
    }

    #[test]
    fn a_batch_has_room_for_so_many_keys_and_so_many_bytes() {
        let mut short = Batch::default();
        for _ in 1..EXPIRED_MAX {
            assert!(short.add(b"key", Revision(2)));
        }
        assert!(!short.add(b"key", Revision(2)));
        let (long, mut batch) = (vec![b'k'; 64 << 10], Batch::default());
        assert!((0..3).all(|_| batch.add(&long, Revision(2))));
        assert!(!batch.add(&long, Revision(2)), "256 KiB");
    }
}
