//! Which moment a read shows: now, a revision, or a time (rule 8.3).
//!
//! A time is looked up once the store holds all that it will ever hold of it, and becomes a
//! revision; the answer names that, and reads of it show the same again.

use store::{BeforeHistory, Need, Revision};

use super::error::{Code, Refusal};
use super::kv::{Staleness, await_store};
use super::query::{Query, bad};
use super::time;
use crate::access::Visit;

/// The moment that a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// The newest state.
    Now,
    /// The state of a revision.
    Revision(Revision),
    /// The state at the end of a millisecond since 1970, by the leader's clock.
    Time {
        /// Which.
        at_ms: u64,
    },
}

/// A store that may be read, and where in it.
pub(super) struct Ready {
    /// How old the answer may be, if it need not be the newest.
    pub(super) stale: Option<Staleness>,
    /// `None` is the newest.
    pub(super) at: Option<Revision>,
}

impl Moment {
    /// The parameters `revision` and `at`.
    pub(super) fn of(query: &Query) -> Result<Moment, Refusal> {
        match (query.revision()?, query.bytes("at")) {
            (Some(_), Some(_)) => Err(bad("at", "and revision exclude each other")),
            (Some(revision), None) => Ok(Moment::Revision(revision)),
            (None, None) => Ok(Moment::Now),
            (None, Some(written)) => {
                let at_ms = time::parse(&written).ok_or_else(|| {
                    bad("at", "is a time as 2026-08-04T12:00:00Z, or microseconds since 1970")
                })?;
                Ok(Moment::Time { at_ms })
            }
        }
    }

    /// Whether a time was asked for.
    pub(super) fn is_time(self) -> bool {
        matches!(self, Moment::Time { .. })
    }

    /// Waits until this member's store may be read at that moment, by whoever may read this
    /// of it.
    pub(super) async fn ready(
        self,
        visit: &Visit,
        need: Need<'_>,
        query: &Query,
    ) -> Result<Ready, Refusal> {
        let (consistency, timeout) = (query.consistency()?, query.timeout()?);
        let (stale, settled_ms) = await_store(visit.node(), consistency, timeout).await?;
        visit.permit(need).await?;
        let reader = visit.reader(need)?;
        let at = match self {
            Moment::Now => None,
            Moment::Revision(revision) => Some(revision),
            Moment::Time { at_ms } if at_ms >= settled_ms => return Err(not_over(settled_ms)),
            Moment::Time { at_ms } => Some(reader.revision_at(at_ms)?),
        };
        Ok(Ready { stale, at })
    }
}

fn not_over(settled_ms: u64) -> Refusal {
    let settled = time::format(settled_ms);
    let message = format!(
        "at is not over yet: what was written before {settled}, by the leader's clock, is known, \
         and more may still be written after it"
    );
    Refusal::new(Code::FutureTime, message).with("settled", settled)
}

impl From<BeforeHistory> for Refusal {
    fn from(BeforeHistory { oldest }: BeforeHistory) -> Refusal {
        let message = format!(
            "nothing is kept of that time any more: the oldest revision to read is {oldest}"
        );
        Refusal::new(Code::BeforeHistory, message).with("oldest", oldest.0)
    }
}
