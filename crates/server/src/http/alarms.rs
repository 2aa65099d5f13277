//! What is wrong with a member, as far as it knows: one list, from which `/cluster/status`, the
//! probes, the refusals and the metrics take what they say.

use replica::{MemoryUse, SnapshotFailure};
use serde_json::{Value, json};

use super::kv::wall_ms;
use crate::backup::BackupFailure;
use crate::node::NodeStatus;

/// One thing that is wrong, and that somebody should look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Alarm {
    /// This member's state differs from the majority's at this index (rule 10.3).
    Quarantined {
        /// The index.
        index: u64,
    },
    /// None of its snapshots could be used, and the log does not reach back far enough (rule 2.4).
    NoState,
    /// The members' states differ at this index, and no majority agrees.
    Corrupt {
        /// The index.
        index: u64,
    },
    /// Its disk has too little room for what grows (rule 1.7).
    NoRoom {
        /// Bytes that the disk still takes.
        free_bytes: u64,
    },
    /// Its memory is too little for what grows (rule 11.2).
    NoMemory {
        /// Bytes that its state takes.
        used_bytes: u64,
        /// Bytes that it may take.
        limit_bytes: u64,
    },
    /// Something about a snapshot failed, and was not made good for since.
    SnapshotFailed(SnapshotFailure),
    /// The last attempt to make a backup of its own failed.
    BackupFailed {
        /// Why.
        reason: String,
        /// How long ago that was, in ms.
        ago_ms: u64,
        /// The age of the newest backup that is sound, in ms, if there is one.
        newest_ago_ms: Option<u64>,
    },
}

/// Every name of an alarm, in the order of the list.
pub(super) const NAMES: [&str; 7] = [
    "quarantined",
    "no_state",
    "corrupt",
    "no_room",
    "no_memory",
    "snapshot_failed",
    "backup_failed",
];

/// What is wrong with this member, the gravest first.
pub(crate) fn alarms(status: &NodeStatus) -> Vec<Alarm> {
    let Some(replica) = &status.replica else { return Vec::new() };
    let quarantined = replica.agreement.diverged_at.map(|index| Alarm::Quarantined { index });
    let stateless = replica.snapshots.stateless.then_some(Alarm::NoState);
    let corrupt = replica.agreement.split_at.map(|index| Alarm::Corrupt { index });
    let lacking = replica.room.measured.filter(|_| replica.room.lacks);
    let no_room = lacking.map(|room| Alarm::NoRoom { free_bytes: room.free_bytes });
    let MemoryUse { used_bytes, limit_bytes, lacks } = replica.memory;
    let no_memory = lacks.then_some(Alarm::NoMemory { used_bytes, limit_bytes });
    let failures = replica.snapshots.failures.iter().cloned().map(Alarm::SnapshotFailed);
    // Whoever is in quarantine has no state that counts: that is said once.
    let state = quarantined.or(stateless).into_iter().chain(corrupt);
    state.chain(no_room).chain(no_memory).chain(failures).chain(backup_failed(status)).collect()
}

fn backup_failed(status: &NodeStatus) -> Option<Alarm> {
    let backups = status.backups.as_ref()?;
    let BackupFailure { reason, at } = backups.failure.clone()?;
    let ago_ms = u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX);
    Some(Alarm::BackupFailed { reason, ago_ms, newest_ago_ms: backups.age_ms(wall_ms()) })
}

/// Why this member serves nothing, if that is so although it runs.
pub(crate) fn serves_nothing(status: &NodeStatus) -> Option<Alarm> {
    let serves_nothing =
        |alarm: &Alarm| matches!(alarm, Alarm::Quarantined { .. } | Alarm::NoState);
    alarms(status).into_iter().find(serves_nothing)
}

/// Whether this member has a state, and not one that is known to be wrong.
pub(crate) fn shows_a_state(status: &NodeStatus) -> bool {
    status.replica.is_some() && serves_nothing(status).is_none()
}

impl Alarm {
    pub(crate) fn name(&self) -> &'static str {
        let place = match self {
            Alarm::Quarantined { .. } => 0,
            Alarm::NoState => 1,
            Alarm::Corrupt { .. } => 2,
            Alarm::NoRoom { .. } => 3,
            Alarm::NoMemory { .. } => 4,
            Alarm::SnapshotFailed(_) => 5,
            Alarm::BackupFailed { .. } => 6,
        };
        NAMES[place]
    }

    /// Whether this member's state is another than the others'.
    pub(super) fn is_corrupt(&self) -> bool {
        matches!(self, Alarm::Quarantined { .. } | Alarm::Corrupt { .. })
    }

    /// What etcd calls it, if it has a name for it.
    pub(crate) fn etcd_name(&self) -> Option<&'static str> {
        match self {
            Alarm::NoRoom { .. } | Alarm::NoMemory { .. } => Some("NOSPACE"),
            Alarm::Quarantined { .. } | Alarm::Corrupt { .. } => Some("CORRUPT"),
            Alarm::NoState | Alarm::SnapshotFailed(_) | Alarm::BackupFailed { .. } => None,
        }
    }

    /// Whether reads or writes are refused because of it. (One member without room or memory stops
    /// nothing.)
    pub(super) fn stops_service(&self) -> bool {
        match self {
            Alarm::Quarantined { .. } | Alarm::NoState | Alarm::Corrupt { .. } => true,
            Alarm::NoRoom { .. }
            | Alarm::NoMemory { .. }
            | Alarm::SnapshotFailed(_)
            | Alarm::BackupFailed { .. } => false,
        }
    }

    /// What is wrong and what to do, in words.
    pub(super) fn message(&self) -> String {
        match self {
            Alarm::Quarantined { index } => format!(
                "this member's state differs from the majority's at index {index}: it serves \
                 nothing until it has another member's; look for faulty memory on its machine"
            ),
            Alarm::NoState => "none of this member's snapshots could be used: it serves nothing \
                               until the leader has sent it one; look at its disk"
                .to_owned(),
            Alarm::Corrupt { index } => format!(
                "the members hold different states at index {index} and no majority agrees: \
                 writes are refused; see docs/operations.md, \"The members disagree\""
            ),
            Alarm::NoRoom { free_bytes } => format!(
                "this member's disk is nearly full, {free_bytes} bytes are free: free space there. \
                 While too few members have room, writes that grow are refused; see \
                 docs/operations.md, \"A full disk\""
            ),
            Alarm::NoMemory { used_bytes, limit_bytes } => format!(
                "this member's state takes {used_bytes} bytes of memory, nearly all of the \
                 {limit_bytes} that it may: delete keys, or give it more. While too few members \
                 have memory, writes that grow are refused; see docs/operations.md, \
                 \"Too little memory\""
            ),
            Alarm::SnapshotFailed(SnapshotFailure { work, reason, ago_ms }) => format!(
                "the last attempt to {} a snapshot failed {} s ago: {reason}; it is tried again, \
                 and the log grows meanwhile: look at the disk",
                work.as_str().replace('_', " "),
                ago_ms / 1_000
            ),
            Alarm::BackupFailed { reason, ago_ms, newest_ago_ms } => format!(
                "the last attempt to make a backup failed {} s ago: {reason}; it is tried again. \
                 {}",
                ago_ms / 1_000,
                match newest_ago_ms {
                    Some(ago_ms) => format!("The newest backup is {} s old", ago_ms / 1_000),
                    None => "There is none that is known to be sound".to_owned(),
                }
            ),
        }
    }

    pub(super) fn json(&self) -> Value {
        let mut shown = json!({ "alarm": self.name(), "message": self.message() });
        match self {
            Alarm::Quarantined { index } | Alarm::Corrupt { index } => {
                shown["index"] = (*index).into();
            }
            Alarm::NoState => {}
            Alarm::NoRoom { free_bytes } => shown["free_bytes"] = (*free_bytes).into(),
            Alarm::NoMemory { used_bytes, limit_bytes } => {
                shown["used_bytes"] = (*used_bytes).into();
                shown["limit_bytes"] = (*limit_bytes).into();
            }
            Alarm::SnapshotFailed(SnapshotFailure { work, reason, ago_ms }) => {
                shown["work"] = work.as_str().into();
                shown["reason"] = reason.as_str().into();
                shown["ago_ms"] = (*ago_ms).into();
            }
            Alarm::BackupFailed { reason, ago_ms, newest_ago_ms } => {
                shown["reason"] = reason.as_str().into();
                shown["ago_ms"] = (*ago_ms).into();
                shown["newest_ago_ms"] = (*newest_ago_ms).into();
            }
        }
        shown
    }
}
