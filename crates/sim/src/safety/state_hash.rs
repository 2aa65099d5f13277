//! Equal state at equal index (contract 5): what a member shows after an index is what everyone
//! shows after it, however its application was cut into turns.

use raft::{Index, MemberId};
use store::Published;

use crate::ledger::Ledger;

pub(crate) fn check(id: MemberId, published: &Published, ledger: &Ledger) {
    let index = Index(published.applied_index);
    let committed = ledger.get(index);
    let committed = committed
        .unwrap_or_else(|| panic!("state hash: {id} applied {index}, which is not committed"));
    let term = committed.entry.id.term.0;
    assert_eq!(published.applied_term, term, "state hash: the term at {index} on {id}");
    assert_eq!(published.revision, committed.revision, "state hash: revision at {index} on {id}");
    assert_eq!(published.state_hash, committed.state_hash, "state hash: at {index} on {id}");
}
