//! How a member stands, as its replica thread sees it at one moment.

use raft::ElectionWait;
use replica::{Replica, Status};

/// The newest terms of a log that are told.
pub(crate) const TERMS_MAX: usize = 32;

/// What is told of a member beside what has happened.
#[derive(Clone, Debug)]
pub(crate) struct Sight {
    pub(crate) status: Status,
    /// First index and term, oldest first.
    pub(crate) runs: Vec<(u64, u64)>,
    pub(crate) election: Option<ElectionWait>,
}

impl Sight {
    /// As it stands now.
    pub(crate) fn of(replica: &Replica) -> Sight {
        let raft = replica.raft();
        let runs = raft.log().newest_terms(TERMS_MAX);
        Sight {
            status: replica.status(),
            runs: runs.map(|first| (first.index.0, first.term.0)).collect(),
            election: raft.election_wait(),
        }
    }
}
