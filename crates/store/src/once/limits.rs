//! How much the tables of exactly-once hold, and for how long.

/// How much the tables hold, and for how long. Every member must have the same: what they decide
/// is part of the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OnceLimits {
    /// So many leases; another one is refused.
    pub leases_max: usize,
    /// So many sessions; another one is refused.
    pub sessions_max: usize,
    /// A session goes after so long without use, ms of age.
    pub session_life_ms: u64,
    /// So many keys of changes; another one is refused.
    pub keys_max: usize,
    /// A key goes so long after its change was done, ms of age.
    pub key_life_ms: u64,
    /// A change's number is less than this above the lowest one that is not acknowledged; others
    /// are refused.
    pub unacknowledged_max: u64,
    /// So many answers of all sessions wait to be acknowledged; further changes are refused, but
    /// for the one that its session waits for longest.
    pub replies_max: usize,
    /// An answer that tells more bytes of keys and values is kept as its revision only.
    pub told_bytes_max: usize,
    /// Once all kept answers have so many bytes, further ones are kept as their revision only.
    pub reply_bytes_max: u64,
}

impl Default for OnceLimits {
    fn default() -> OnceLimits {
        OnceLimits {
            leases_max: 1_000_000,
            sessions_max: 100_000,
            session_life_ms: 10 * 60 * 1_000,
            keys_max: 1_000_000,
            key_life_ms: 10 * 60 * 1_000,
            unacknowledged_max: 1_024,
            replies_max: 1_000_000,
            told_bytes_max: 4 << 10,
            reply_bytes_max: 256 << 20,
        }
    }
}

impl OnceLimits {
    /// Whether a session that was last used at `used_ms` is over at `age_ms`.
    pub(crate) fn session_is_over(&self, used_ms: u64, age_ms: u64) -> bool {
        age_ms.saturating_sub(used_ms) > self.session_life_ms
    }

    /// Whether a key whose change was done at `done_ms` is over at `age_ms`.
    pub(crate) fn key_is_over(&self, done_ms: u64, age_ms: u64) -> bool {
        age_ms.saturating_sub(done_ms) > self.key_life_ms
    }
}
