//! Reads that wait together.
//!
//! A read barrier holds for everything that was acknowledged before it was asked for, so all who
//! ask before the replica thread takes the question may have one answer. A round is that question:
//! the first reader puts it into the inbox, others join it there until it is taken.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use replica::{Done, Failure};
use tokio::sync::Notify;

/// What a round came to: the time, ms since 1970, of before which the store holds all that it ever
/// will.
pub(crate) type RoundResult = Result<u64, Failure>;

/// One question, and who waits for its answer.
#[derive(Debug)]
pub(crate) struct Round {
    /// For how long each of them waits.
    timeout: Duration,
    result: OnceLock<RoundResult>,
    told: Notify,
}

/// A round in the hands of whoever has to answer it. Dropped without an answer, it can not be done.
#[derive(Debug)]
pub(crate) struct OpenRound {
    round: Arc<Round>,
    readers: usize,
}

impl Round {
    /// Waits for the answer. It comes unless the replica thread is stuck.
    pub(crate) async fn result(&self) -> RoundResult {
        // Made before the look at the result, so that what is told in between is not missed.
        let told = self.told.notified();
        if let Some(result) = self.result.get() {
            return *result;
        }
        told.await;
        *self.result.get().expect("it is there before anybody is told")
    }
}

impl OpenRound {
    /// With its first reader.
    pub(crate) fn begin(timeout: Duration) -> OpenRound {
        let round = Round { timeout, result: OnceLock::new(), told: Notify::new() };
        OpenRound { round: Arc::new(round), readers: 1 }
    }

    /// Another reader, if it waits for as long as the others.
    pub(crate) fn join(&mut self, timeout: Duration) -> Option<Arc<Round>> {
        if self.round.timeout != timeout {
            return None;
        }
        self.readers += 1;
        Some(self.round())
    }

    pub(crate) fn round(&self) -> Arc<Round> {
        Arc::clone(&self.round)
    }

    /// How many wait.
    pub(crate) fn readers(&self) -> usize {
        self.readers
    }

    /// For how long.
    pub(crate) fn timeout(&self) -> Duration {
        self.round.timeout
    }

    /// Tells all who wait.
    pub(crate) fn tell(self, result: Result<Done, Failure>) {
        self.settle(match result {
            Ok(Done::ReadReady { settled_ms }) => Ok(settled_ms),
            Ok(other) => panic!("a read was answered with {other:?}"),
            Err(failure) => Err(failure),
        });
    }

    fn settle(&self, result: RoundResult) {
        // What was told stays.
        if self.round.result.set(result).is_ok() {
            self.round.told.notify_waiters();
        }
    }
}

impl Drop for OpenRound {
    fn drop(&mut self) {
        self.settle(Err(Failure::Unavailable));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(1);

    #[tokio::test]
    async fn all_readers_have_the_same_answer() {
        let mut open = OpenRound::begin(TIMEOUT);
        let first = open.round();
        let second = open.join(TIMEOUT).unwrap();
        assert!(open.join(2 * TIMEOUT).is_none(), "it would wait for another time");
        assert_eq!(open.readers(), 2);
        let waiting = tokio::spawn(async move { second.result().await });
        tokio::task::yield_now().await;
        open.tell(Ok(Done::ReadReady { settled_ms: 7 }));
        assert_eq!(waiting.await.unwrap(), Ok(7));
        assert_eq!(first.result().await, Ok(7), "whoever looks late has it too");
    }

    #[tokio::test]
    async fn a_round_that_is_given_up_can_not_be_done() {
        let open = OpenRound::begin(TIMEOUT);
        let round = open.round();
        drop(open);
        assert_eq!(round.result().await, Err(Failure::Unavailable));
    }
}
