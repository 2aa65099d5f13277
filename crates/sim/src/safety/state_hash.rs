//! Equal state at equal index (contract 5): what a member shows after an index is what everyone
//! shows after it, however its application was cut into turns.

use raft::{Index, MemberId};
use store::Published;

use crate::ledger::{Committed, Ledger};

/// Whether it is what everyone shows; that it is the state at a committed entry is demanded.
pub(super) fn is_right(id: MemberId, published: &Published, ledger: &Ledger) -> bool {
    let committed = committed_at(id, Index(published.applied_index), ledger);
    published.state_hash == committed.state_hash
}

pub(crate) fn check(id: MemberId, published: &Published, ledger: &Ledger) {
    let index = Index(published.applied_index);
    let committed = committed_at(id, index, ledger);
    let term = committed.entry.id.term.0;
    assert_eq!(published.applied_term, term, "state hash: the term at {index} on {id}");
    assert_eq!(published.revision, committed.revision, "state hash: revision at {index} on {id}");
    assert_eq!(published.state_hash, committed.state_hash, "state hash: at {index} on {id}");
}

fn committed_at(id: MemberId, index: Index, ledger: &Ledger) -> &Committed {
    let committed = ledger.get(index);
    committed.unwrap_or_else(|| panic!("state hash: {id} applied {index}, which is not committed"))
}
