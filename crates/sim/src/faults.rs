//! The faults there are, and the proof that they happened.

use std::collections::BTreeMap;

use disk::Harm;

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
    /// A disk has no room left for a while, or all disks.
    DiskFull,
    /// A process stands still for a while, and then goes on.
    Pause,
    /// Someone asks the leader to hand over.
    Transfer,
    /// A new leader's word ends after a few messages, then nobody hears it or is heard by it.
    LeaderMuted,
    /// The leader stands still, cut off, until there is another; then it is asked.
    LeaderAsleep,
    /// The order to take over arrives when the leader has given up waiting for it.
    OrderDelayed,
    /// A vote arrives when its candidate may have campaigned again, an answer to an append when its
    /// leader may have been deposed and elected again.
    VoteDelayed,
    /// Links are cut one by one, and mended in another order.
    Swizzle,
    /// The far end of a stream forgot it: what is sent on it is lost until the sender is told.
    HalfOpen,
    /// A wall clock jumps, forwards or backwards, by up to ten years.
    ClockJump,
    /// A bit of a log turns over, long after it was written.
    BitFlip,
    /// A flush of a log that was acknowledged has written nothing.
    LostWrite,
    /// A flush of a log that was acknowledged has written to another place.
    MisdirectedWrite,
    /// A sector of a log can not be read any more.
    UnreadableSector,
    /// Operators change who is in the cluster.
    Membership,
    /// A machine is gone for good, with its disk.
    Wipe,
    /// A bit of a member's newest snapshot turns over.
    SnapshotRot,
    /// A leader that is cut off is asked for a change of members.
    LonelyChange,
    /// A leader is cut off with many writes, and comes back when the others have cut their logs.
    LongTail,
    /// A member loses what it had acknowledged, and only it and one that had fallen behind are
    /// left.
    LossAlone,
    /// A member dies when a snapshot is about to take the place of its log.
    InstallStruck,
    /// Many ask for the same key at once, through every member, and streams break meanwhile.
    Crowd,
}

impl Fault {
    /// All of them.
    pub const ALL: [Fault; 36] = [
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
        Fault::DiskFull,
        Fault::Pause,
        Fault::Transfer,
        Fault::LeaderMuted,
        Fault::LeaderAsleep,
        Fault::OrderDelayed,
        Fault::VoteDelayed,
        Fault::Swizzle,
        Fault::HalfOpen,
        Fault::ClockJump,
        Fault::BitFlip,
        Fault::LostWrite,
        Fault::MisdirectedWrite,
        Fault::UnreadableSector,
        Fault::Membership,
        Fault::Wipe,
        Fault::SnapshotRot,
        Fault::LonelyChange,
        Fault::LongTail,
        Fault::LossAlone,
        Fault::InstallStruck,
        Fault::Crowd,
    ];

    /// Those that befall single messages, by chance; the others strike at times of their own.
    pub(crate) fn is_ambient(self) -> bool {
        use Fault::{MessageDuplicated, MessageLost, MessageReordered};
        matches!(self, MessageLost | MessageDuplicated | MessageReordered)
    }

    /// Those that need someone else to talk to.
    pub(crate) fn needs_peers(self) -> bool {
        use Fault::{ClockJump, CrashAll, CrashInDisk, CrashOne, DiskError, DiskSlow, Pause};
        use Fault::{PowerCutAll, PowerCutOne};
        let own = [CrashOne, CrashAll, PowerCutOne, PowerCutAll, CrashInDisk, DiskError, DiskSlow];
        let others = matches!(self, Pause | ClockJump | Fault::Membership | Fault::SnapshotRot);
        let others = others || self == Fault::DiskFull;
        !own.contains(&self) && !others && self.harm().is_none()
    }

    /// Those whose point is that another member is elected meanwhile: three must be there.
    pub(crate) fn needs_another_leader(self) -> bool {
        use Fault::{LeaderAsleep, LeaderMuted, LonelyChange, LongTail, LossAlone, OrderDelayed};
        let roles = [LeaderMuted, LeaderAsleep, OrderDelayed, LonelyChange, LongTail, LossAlone];
        roles.contains(&self)
    }

    /// What it does to bytes at rest, if that is what it does.
    pub(crate) fn harm(self) -> Option<Harm> {
        match self {
            Fault::BitFlip => Some(Harm::Flip),
            Fault::LostWrite => Some(Harm::Lost),
            Fault::MisdirectedWrite => Some(Harm::Misdirected),
            Fault::UnreadableSector => Some(Harm::Unreadable),
            _ => None,
        }
    }

    /// Whether it takes from a log what it had acknowledged.
    pub(crate) fn harms_logs(self) -> bool {
        self.harm().is_some() || self == Fault::LossAlone
    }

    /// Those that have no time of their own: something that a member does brings them about.
    pub(crate) fn is_provoked(self) -> bool {
        use Fault::{InstallStruck, LeaderMuted, OrderDelayed, VoteDelayed};
        matches!(self, LeaderMuted | OrderDelayed | VoteDelayed | InstallStruck)
    }

    /// Whether it can happen in a cluster of that many.
    pub(crate) fn is_possible_among(self, members: u64) -> bool {
        let needed = match self {
            // At most a minority of the copies of anything may be harmed.
            _ if self.needs_another_leader() || self.harm().is_some() => 3,
            Fault::Wipe => 3,
            _ if self.needs_peers() => 2,
            _ => 1,
        };
        members >= needed
    }

    /// Whether it begins with a partition, which tells by itself whom it cuts off.
    pub(crate) fn cuts_off(self) -> bool {
        matches!(
            self,
            Fault::Partition
                | Fault::PartitionOneWay
                | Fault::LonelyChange
                | Fault::LongTail
                | Fault::LossAlone
        )
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
            Fault::DiskFull => "full disk",
            Fault::Pause => "pause",
            Fault::Transfer => "transfer of leadership",
            Fault::LeaderMuted => "new leader muted",
            Fault::LeaderAsleep => "leader asleep",
            Fault::OrderDelayed => "late order to campaign",
            Fault::VoteDelayed => "late answer",
            Fault::Swizzle => "swizzle",
            Fault::HalfOpen => "half-open stream",
            Fault::ClockJump => "clock jump",
            Fault::BitFlip => "flipped bit",
            Fault::LostWrite => "lost write",
            Fault::MisdirectedWrite => "misdirected write",
            Fault::UnreadableSector => "unreadable sector",
            Fault::Membership => "change of members",
            Fault::Wipe => "machine lost with its disk",
            Fault::SnapshotRot => "damaged snapshot",
            Fault::LonelyChange => "change of members, alone",
            Fault::LongTail => "long tail, then a snapshot",
            Fault::LossAlone => "loss known, others behind",
            Fault::InstallStruck => "death in an install",
            Fault::Crowd => "crowd",
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
