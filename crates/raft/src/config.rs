//! The settings of one core. Everything that could vary is here, and nothing else is read.

use crate::{ConfigurationCodec, MemberId};

/// The settings of one core; `Config::new` gives the defaults of the published contract.
#[derive(Clone, Debug)]
pub struct Config {
    /// This member.
    pub id: MemberId,
    /// What the payloads of configuration entries mean.
    pub codec: ConfigurationCodec,
    /// Feeds the core's own generator, which draws election timeouts and nothing else.
    pub seed: u64,
    /// A leader speaks at least this often, in ms.
    pub heartbeat_ms: u64,
    /// Without a word from a leader for this long a member may campaign, in ms; each waits
    /// between once and twice this time, by chance.
    pub election_timeout_ms: u64,
    /// After the leader's process died a member waits this long before it campaigns, in ms, by
    /// chance in `[low, high)` (rule 5.2).
    pub failover_delay_ms: (u64, u64),
    /// ... and this long after each of its first tries that failed.
    pub failover_retry_ms: (u64, u64),
    /// Entries of one `Append` hold at most this many bytes (but at least one entry).
    pub message_bytes_max: usize,
    /// A follower has at most this many unanswered bytes in flight (but at least one message).
    pub inflight_bytes_max: usize,
    /// The core keeps about this many bytes of the newest entries in memory; older ones are asked
    /// for (rule 12.1).
    pub tail_bytes_max: usize,
    /// A leader refuses proposals while it has this many uncommitted bytes.
    pub uncommitted_bytes_max: usize,
}

impl Config {
    /// The defaults.
    pub fn new(id: MemberId, codec: ConfigurationCodec, seed: u64) -> Config {
        Config {
            id,
            codec,
            seed,
            heartbeat_ms: 100,
            election_timeout_ms: 1_000,
            failover_delay_ms: (10, 50),
            failover_retry_ms: (50, 150),
            message_bytes_max: 1 << 20,
            inflight_bytes_max: 8 << 20,
            tail_bytes_max: 16 << 20,
            uncommitted_bytes_max: 16 << 20,
        }
    }

    /// Panics on settings that contradict each other: they come from our own code, which has
    /// checked what a user wrote before.
    pub(crate) fn assert_valid(&self) {
        assert!(self.id.0 != 0, "a member id is never 0");
        assert!(self.heartbeat_ms > 0, "a leader must speak");
        assert!(
            self.election_timeout_ms >= 2 * self.heartbeat_ms,
            "a follower must be able to miss a heartbeat"
        );
        for (low, high) in [self.failover_delay_ms, self.failover_retry_ms] {
            assert!(low < high, "a delay is drawn from a range that holds something");
        }
        assert!(self.message_bytes_max > 0, "a message must hold something");
        assert!(self.inflight_bytes_max >= self.message_bytes_max, "a message must fit in flight");
        assert!(self.tail_bytes_max >= self.message_bytes_max, "the tail must hold a message");
    }
}
