//! What can be done to a cluster.

use std::fmt;

/// One thing that goes wrong, or that an operator does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// Fewer than half of the members, whoever leads, are cut off from the others.
    Minority,
    /// The leader is cut off from all others.
    LeaderAlone,
    /// Each hears only its two neighbours; of three, two do not hear each other.
    Ring,
    /// One is not heard by the others, or does not hear them.
    OneWay,
    /// Nobody hears anybody.
    Shattered,
    /// Some packets do not arrive.
    Loss,
    /// Links let little out, so that delay grows with load.
    SlowLinks,
    /// `kill -9` to one.
    Kill,
    /// ... to the leader.
    KillLeader,
    /// ... to all at once.
    KillAll,
    /// One is stopped (SIGSTOP), and goes on later.
    Pause,
    /// The leader is.
    PauseLeader,
    /// A disk is full to the last byte.
    FullDisk,
    /// Writes and flushes fail.
    DiskError,
    /// The clock on the wall is set, back or forth.
    ClockJump,
    /// A stopped member's file has another bit when it starts again.
    BitFlip,
    /// Each member is told to stop and started again, one after the other.
    RollingRestart,
    /// A member joins, and gets a vote.
    Add,
    /// A member is removed.
    Remove,
    /// A member's disk is lost; somebody new takes its place.
    Replace,
    /// The leader is asked to hand over.
    Transfer,
}

use Fault::*;

/// All of them, in the order of reports.
pub(crate) const FAULTS: [Fault; 21] = [
    Minority,
    LeaderAlone,
    Ring,
    OneWay,
    Shattered,
    Loss,
    SlowLinks,
    Kill,
    KillLeader,
    KillAll,
    Pause,
    PauseLeader,
    FullDisk,
    DiskError,
    ClockJump,
    BitFlip,
    RollingRestart,
    Add,
    Remove,
    Replace,
    Transfer,
];

impl Fault {
    /// What reports call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Minority => "partition: a minority",
            LeaderAlone => "partition: the leader alone",
            Ring => "partition: a ring",
            OneWay => "partition: one way",
            Shattered => "partition: everybody alone",
            Loss => "packets lost",
            SlowLinks => "slow links",
            Kill => "kill -9: one member",
            KillLeader => "kill -9: the leader",
            KillAll => "kill -9: all at once",
            Pause => "SIGSTOP: one member",
            PauseLeader => "SIGSTOP: the leader",
            FullDisk => "disk full",
            DiskError => "disk errors (EIO)",
            ClockJump => "clock set",
            BitFlip => "bit flip at rest",
            RollingRestart => "rolling restart",
            Add => "member added",
            Remove => "member removed",
            Replace => "disk lost, member replaced",
            Transfer => "leadership handed over",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
