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
}

impl Options {
    /// The longest timeout that members accept.
    pub const TIMEOUT_MAX: Duration = Duration::from_secs(60);
}

impl Default for Options {
    /// Five seconds, as often as that allows.
    fn default() -> Options {
        Options { timeout: Duration::from_secs(5), attempts_max: u32::MAX }
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
