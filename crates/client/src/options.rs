//! How patient a client is, and how a read is made.

use std::time::Duration;

use crate::Revision;

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
#[derive(Debug, Clone, Copy, Default)]
pub struct GetOptions {
    /// How fresh the answer must be.
    pub consistency: Consistency,
    /// Read the store as it was at this revision.
    pub revision: Option<Revision>,
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
