//! Leader completeness: if a log entry is committed in a given term, then that entry will be
//! present in the logs of the leaders for all higher-numbered terms (§5.4).

use std::collections::BTreeMap;

use raft::{MemberId, Raft};

use super::view::View;
use crate::ledger::{Committed, Ledger};

/// A member was elected: it must hold everything that was committed in earlier terms.
pub(crate) fn check_elected(raft: &Raft, ledger: &Ledger) {
    let (id, term) = (raft.id(), raft.term());
    for committed in ledger.iter().filter(|committed| committed.in_term < term) {
        let entry = committed.entry.id;
        // That the start of a log is committed, and what is before it with it, is checked always.
        let in_snapshot = entry.index < raft.log().start().index;
        assert!(
            in_snapshot || raft.log().holds(entry),
            "leader completeness: {id} leads term {term} without {entry}"
        );
    }
}

/// An entry was committed: whoever leads a later term already must hold it.
pub(crate) fn check_committed(views: &BTreeMap<MemberId, View>, committed: &Committed) {
    let entry = committed.entry.id;
    for (id, view) in views {
        let later = view.leads.filter(|&term| term > committed.in_term);
        assert!(
            later.is_none() || view.holds(entry),
            "leader completeness: {id} leads a term after that in which {entry} was committed"
        );
    }
}
