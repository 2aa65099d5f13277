//! `v3lockpb.Lock` and `v3electionpb.Election`: whoever came first, in the order of coming.
//!
//! Both are plain users of the store: one who wants a lock, or campaigns, puts a key `NAME/LEASE`
//! that lives as long as a lease, and the key that was created first has its way (`queue.rs`). What
//! clients of etcd do for themselves against the same keys is understood here, and the other way
//! round.

mod election;
mod lock;
mod observer;
mod queue;
mod session;

pub(super) use election::Elections;
pub(super) use lock::Locks;

use tonic::{Code, Status};

use super::refusal::Refusal;

/// A refusal as a client of the store has it, which etcd is here: the text, and no code. What says
/// that the cluster does not serve keeps its own, so that clients try again.
fn plain(refusal: Refusal) -> Status {
    match refusal.row() {
        (Code::Unavailable, _) => refusal.into(),
        (_, message) => Status::unknown(message),
    }
}
