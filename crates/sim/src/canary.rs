//! Bugs planted on purpose, outside of the production code: a simulator that does not find these
//! would find nothing. Each breaks a promise that the simulated machine makes to the member, or
//! that the gateway makes to its client.

/// A planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Canary {
    /// The log says "durable" before it has written anything.
    LyingFlush,
    /// A restart finds the term, but not the vote.
    ForgottenVote,
    /// A restart finds the disk as it was at the start before.
    RolledBackDisk,
    /// Reads are served without asking the leader.
    UnconfirmedReads,
    /// What is unknown is reported as failed.
    UnknownCalledFailed,
}

impl Canary {
    /// All of them.
    pub const ALL: [Canary; 5] = [
        Canary::LyingFlush,
        Canary::ForgottenVote,
        Canary::RolledBackDisk,
        Canary::UnconfirmedReads,
        Canary::UnknownCalledFailed,
    ];
}
