//! How a member stands, as it tells of itself: to whoever looks, and to the other members. The same
//! type reads what another one tells; what does not fit it is refused.

use replica::Status;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::event::Role;
use super::id::Id;
use super::rates::Rates;
use super::sight::{Sight, TERMS_MAX};
use crate::http::alarms;
use crate::node::NodeStatus;

/// So many alarms of one member are passed on, and a code has at most so many bytes.
const ALARMS_MAX: usize = 16;
const CODE_BYTES_MAX: usize = 32;

/// A member by its own word.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct MemberState {
    pub(crate) role: Role,
    pub(crate) term: u64,
    pub(crate) vote: Option<Id>,
    pub(crate) leader: Option<Id>,
    pub(crate) log: LogState,
    #[serde(deserialize_with = "bounded_runs")]
    pub(crate) runs: Vec<(u64, u64)>,
    pub(crate) election: Option<Election>,
    pub(crate) revision: u64,
    pub(crate) compact_revision: u64,
    pub(crate) keys: u64,
    pub(crate) rates: Rates,
    pub(crate) pending: u64,
    #[serde(deserialize_with = "checked_codes")]
    pub(crate) alarms: Vec<String>,
}

/// The pointers into its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LogState {
    pub(crate) start: u64,
    pub(crate) applied: u64,
    pub(crate) commit: u64,
    pub(crate) durable: u64,
    pub(crate) last_index: u64,
    pub(crate) last_term: u64,
}

/// How long it waits for a leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Election {
    pub(crate) elapsed_ms: u64,
    pub(crate) timeout_ms: u64,
}

impl MemberState {
    /// Of the member that is looked at.
    pub(crate) fn of(sight: &Sight, node: &NodeStatus, rates: Rates) -> MemberState {
        let Sight { status, runs, election } = sight;
        MemberState {
            role: status.role.into(),
            term: status.term.0,
            vote: status.vote.map(Id),
            leader: status.leader.map(Id),
            log: LogState::of(status),
            runs: runs.clone(),
            election: election
                .map(|wait| Election { elapsed_ms: wait.elapsed_ms, timeout_ms: wait.timeout_ms }),
            revision: status.published.revision.0,
            compact_revision: status.published.compact_revision.0,
            keys: status.published.keys,
            rates,
            pending: status.pending as u64,
            alarms: alarms(node).iter().map(|alarm| alarm.name().to_owned()).collect(),
        }
    }

    /// Whether it says that it leads.
    pub(crate) fn leads(&self) -> bool {
        self.role == Role::Leader
    }
}

impl LogState {
    fn of(status: &Status) -> LogState {
        LogState {
            start: status.snapshots.log_start.index.0,
            applied: status.published.applied_index,
            commit: status.commit,
            durable: status.durable,
            last_index: status.last.index.0,
            last_term: status.last.term.0,
        }
    }
}

fn bounded_runs<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(u64, u64)>, D::Error> {
    let runs = Vec::<(u64, u64)>::deserialize(deserializer)?;
    match runs.len() <= TERMS_MAX {
        true => Ok(runs),
        false => Err(D::Error::custom("there are too many terms")),
    }
}

fn checked_codes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let codes = Vec::<String>::deserialize(deserializer)?;
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    let is_code = |code: &String| code.len() <= CODE_BYTES_MAX && code.bytes().all(is_letter);
    match codes.len() <= ALARMS_MAX && codes.iter().all(is_code) {
        true => Ok(codes),
        false => Err(D::Error::custom("these are no codes of alarms")),
    }
}
