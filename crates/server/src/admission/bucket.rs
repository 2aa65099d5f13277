//! A bucket of tokens, in one number: until when what was asked for is paid.
//!
//! Each request pays for an interval, from now on or from where the last one paid to. Who is paid
//! up for more than [`BURST`] is ahead of its rate, and has to wait. (The generic cell rate
//! algorithm of ATM, ITU-T I.371.)

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A client that was silent may ask for so much at once.
const BURST: Duration = Duration::from_secs(1);

/// How often somebody may ask.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    interval_ns: u64,
}

impl Rate {
    /// So often a second, at least once; more than once in a ns is as good as always.
    pub(super) fn per_second(requests: u64) -> Rate {
        assert!(requests > 0, "a rate of nothing is a setting that was resolved wrongly");
        Rate { interval_ns: (BURST_NS / requests).max(1) }
    }
}

const BURST_NS: u64 = BURST.as_nanos() as u64;

/// Of one client.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    paid_until_ns: AtomicU64,
}

impl Bucket {
    /// Takes a token, or says after which time there is one again.
    pub(super) fn take(&self, rate: &Rate, now_ns: u64) -> Result<(), Duration> {
        let order = Ordering::Relaxed;
        let pay = |paid_until: u64| {
            let paid_until = paid_until.max(now_ns) + rate.interval_ns;
            (paid_until - now_ns <= BURST_NS).then_some(paid_until)
        };
        let taken = self.paid_until_ns.fetch_update(order, order, pay);
        taken.map(drop).map_err(|paid_until| {
            let ahead = (paid_until.max(now_ns) + rate.interval_ns) - now_ns;
            Duration::from_nanos(ahead - BURST_NS)
        })
    }

    /// Whether the client has been silent for so long that its bucket is as a new one.
    pub(super) fn is_full(&self, now_ns: u64) -> bool {
        self.paid_until_ns.load(Ordering::Relaxed) <= now_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_NS: u64 = 1_000_000_000;

    /// How many of so many tokens there are at a time.
    fn take(bucket: &Bucket, per_second: u64, tokens: usize, now_ns: u64) -> usize {
        let rate = Rate::per_second(per_second);
        (0..tokens).filter(|_| bucket.take(&rate, now_ns).is_ok()).count()
    }

    #[test]
    fn a_second_of_tokens_is_there_at_once_and_no_more() {
        for per_second in [1, 3, 100, 1_000_000] {
            let (bucket, per) = (Bucket::default(), per_second as usize);
            let at = 7 * SECOND_NS;
            assert_eq!(take(&bucket, per_second, 2 * per, at), per, "{per_second}");
            assert_eq!(take(&bucket, per_second, per, at + SECOND_NS / 2), per / 2);
            assert_eq!(take(&bucket, per_second, 9 * per, at + 9 * SECOND_NS), per, "no hoard");
        }
    }

    #[test]
    fn who_has_to_wait_is_told_how_long() {
        let (bucket, rate) = (Bucket::default(), Rate::per_second(2));
        assert_eq!([bucket.take(&rate, 0), bucket.take(&rate, 0)], [Ok(()), Ok(())]);
        let wait = bucket.take(&rate, SECOND_NS / 10).unwrap_err();
        assert_eq!(wait, Duration::from_millis(400));
        let then = SECOND_NS / 10 + u64::try_from(wait.as_nanos()).unwrap();
        assert!(bucket.take(&rate, then - 1).is_err(), "refusals cost nothing");
        assert_eq!(bucket.take(&rate, then), Ok(()));
    }

    #[test]
    fn a_bucket_is_full_when_all_is_paid() {
        let (bucket, rate) = (Bucket::default(), Rate::per_second(4));
        assert!(bucket.is_full(0));
        bucket.take(&rate, 0).unwrap();
        assert!(!bucket.is_full(SECOND_NS / 4 - 1) && bucket.is_full(SECOND_NS / 4));
    }
}
