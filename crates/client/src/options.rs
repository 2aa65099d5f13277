//! How patient a client is, and how a read is made.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::client::Query;
use crate::{LeaseId, Revision};

/// How a client treats every call.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// A call that is not answered after this long fails. More than [`Options::TIMEOUT_MAX`]
    /// counts as that.
    pub timeout: Duration,
    /// How often a call is sent at most, first sending included; at least once.
    pub attempts_max: u32,
    /// Whether a put or delete whose answer was lost is sent again.
    pub exactly_once: ExactlyOnce,
}

/// How a client makes sure that a put or delete is done at most once, however often it is sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ExactlyOnce {
    /// In a session, opened with the first write and shared by all clones of the client. The best
    /// for a client that lives on.
    #[default]
    Session,
    /// Under a random key for each write, which the store remembers for ten minutes. The best for
    /// a client that writes a few times and goes: it needs no session.
    Key,
    /// Not at all: a write whose answer was lost is not sent again, and [`crate::Error::Unknown`].
    No,
}

impl Options {
    /// The longest timeout that members accept.
    pub const TIMEOUT_MAX: Duration = Duration::from_secs(60);
}

impl Default for Options {
    /// Five seconds, as often as that allows, in a session.
    fn default() -> Options {
        Options {
            timeout: Duration::from_secs(5),
            attempts_max: u32::MAX,
            exactly_once: ExactlyOnce::default(),
        }
    }
}

/// How a key is written or removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WriteOptions {
    /// Do it only if this holds at that moment; otherwise [`crate::Error::ConditionFailed`].
    pub condition: Option<Condition>,
    /// Tell what the key was before.
    pub prev: bool,
    /// How long a key that is put lives; of no meaning to a delete.
    pub lifetime: Lifetime,
}

/// How long a key lives from its put on. The next put of the key says it anew.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Lifetime {
    /// Until it is deleted.
    #[default]
    Unbounded,
    /// For so long, to the millisecond, while the cluster has a leader.
    Ttl(Duration),
    /// As long as this lease.
    Lease(LeaseId),
}

impl Lifetime {
    pub(crate) fn describe(self, path: String) -> String {
        let mut query = Query::new(path);
        match self {
            Lifetime::Unbounded => {}
            Lifetime::Ttl(ttl) => query.add("ttl", seconds(ttl)),
            Lifetime::Lease(lease) => query.add("lease", lease.to_string()),
        }
        query.into_text()
    }
}

/// To the millisecond, as the door takes it.
pub(crate) fn seconds(time: Duration) -> String {
    format!("{}.{:03}", time.as_secs(), time.subsec_millis())
}

/// What a write of a key may depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// The key was last written at this revision.
    Revision(Revision),
    /// The key exists.
    Exists,
    /// The key does not exist.
    Absent,
}

impl Condition {
    /// The header that says it.
    pub(crate) fn header(self) -> (&'static str, String) {
        match self {
            Condition::Revision(revision) => ("if-match", format!("\"{revision}\"")),
            Condition::Exists => ("if-match", "*".to_owned()),
            Condition::Absent => ("if-none-match", "*".to_owned()),
        }
    }
}

/// How a value is read.
#[derive(Debug, Clone, Default)]
pub struct GetOptions {
    /// How fresh the answer must be.
    pub consistency: Consistency,
    /// Which moment it shows.
    pub moment: Moment,
}

impl GetOptions {
    pub(crate) fn describe(&self, query: &mut Query) {
        self.consistency.describe(query);
        self.moment.describe(query);
    }
}

/// Which moment of the store a read shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Moment {
    /// The newest state.
    #[default]
    Now,
    /// The state at this revision.
    Revision(Revision),
    /// The state at this time, by the leader's clock: the last revision that was written by then.
    /// As RFC 3339 has it, or the microseconds since 1970 in digits; made of a [`SystemTime`], it
    /// is the latter. Refused as `future_time` if the time is not over, and as `before_history` if
    /// it is no longer kept.
    Time(String),
}

impl Moment {
    pub(crate) fn describe(&self, query: &mut Query) {
        match self {
            Moment::Now => {}
            Moment::Revision(revision) => query.add("revision", revision.to_string()),
            Moment::Time(time) => query.add("at", time),
        }
    }
}

impl From<SystemTime> for Moment {
    fn from(time: SystemTime) -> Moment {
        let since_1970 = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Moment::Time(since_1970.as_micros().to_string())
    }
}

/// How fresh a read must be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Consistency {
    /// It sees every write that was acknowledged, anywhere, before the read began.
    #[default]
    Linearizable,
    /// It sees what the member asked happens to have applied. Works without a majority.
    Stale,
}

impl Consistency {
    pub(crate) fn describe(self, query: &mut Query) {
        if self == Consistency::Stale {
            query.add("consistency", "stale");
        }
    }
}
