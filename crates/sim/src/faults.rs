//! The faults there are, and the proof that they happened.

use std::collections::BTreeMap;

/// Everything that goes wrong on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A message is lost.
    MessageLost,
    /// A message arrives twice.
    MessageDuplicated,
    /// A message overtakes an earlier one.
    MessageReordered,
    /// One direction between two members is slow for a while.
    LinkClogged,
    /// Some members can not talk to the others, in both directions.
    Partition,
    /// Messages pass between some members in one direction only.
    PartitionOneWay,
    /// A stream between two living members is reset, and opened again later.
    StreamReset,
    /// A process dies; what it wrote stays in the page cache.
    CrashOne,
    /// Every process dies at once.
    CrashAll,
    /// A machine loses power: what was not flushed is lost, kept or torn.
    PowerCutOne,
    /// Every machine loses power at once.
    PowerCutAll,
    /// The process dies, or the machine loses power, in the middle of a disk operation.
    CrashInDisk,
    /// A disk operation fails, or writes only half of its bytes.
    DiskError,
    /// A disk answers a hundred times slower for a while.
    DiskSlow,
    /// A process stands still for a while, and then goes on.
    Pause,
    /// Someone asks the leader to hand over.
    Transfer,
}

impl Fault {
    /// All of them.
    pub const ALL: [Fault; 16] = [
        Fault::MessageLost,
        Fault::MessageDuplicated,
        Fault::MessageReordered,
        Fault::LinkClogged,
        Fault::Partition,
        Fault::PartitionOneWay,
        Fault::StreamReset,
        Fault::CrashOne,
        Fault::CrashAll,
        Fault::PowerCutOne,
        Fault::PowerCutAll,
        Fault::CrashInDisk,
        Fault::DiskError,
        Fault::DiskSlow,
        Fault::Pause,
        Fault::Transfer,
    ];

    /// Those that befall single messages, by chance; the others strike at times of their own.
    pub(crate) fn is_ambient(self) -> bool {
        use Fault::{MessageDuplicated, MessageLost, MessageReordered};
        matches!(self, MessageLost | MessageDuplicated | MessageReordered)
    }

    /// Those that need someone else to talk to.
    pub(crate) fn needs_peers(self) -> bool {
        use Fault::{LinkClogged, Partition, PartitionOneWay, StreamReset, Transfer};
        let between = [LinkClogged, Partition, PartitionOneWay, StreamReset, Transfer];
        self.is_ambient() || between.contains(&self)
    }

    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Fault::MessageLost => "message lost",
            Fault::MessageDuplicated => "message duplicated",
            Fault::MessageReordered => "message reordered",
            Fault::LinkClogged => "link clogged",
            Fault::Partition => "partition",
            Fault::PartitionOneWay => "partition, one way",
            Fault::StreamReset => "stream reset",
            Fault::CrashOne => "crash of a process",
            Fault::CrashAll => "crash of all processes",
            Fault::PowerCutOne => "power cut of a machine",
            Fault::PowerCutAll => "power cut of all machines",
            Fault::CrashInDisk => "crash in a disk operation",
            Fault::DiskError => "disk error",
            Fault::DiskSlow => "slow disk",
            Fault::Pause => "pause",
            Fault::Transfer => "transfer of leadership",
        }
    }
}

/// How often each fault happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    counts: BTreeMap<Fault, u64>,
}

impl Tally {
    /// It happened once more.
    pub(crate) fn count(&mut self, fault: Fault) {
        *self.counts.entry(fault).or_default() += 1;
    }

    /// How often it happened.
    pub fn of(&self, fault: Fault) -> u64 {
        self.counts.get(&fault).copied().unwrap_or(0)
    }

    /// Adds another life's.
    pub(crate) fn add(&mut self, other: &Tally) {
        for (&fault, count) in &other.counts {
            *self.counts.entry(fault).or_default() += count;
        }
    }
}
