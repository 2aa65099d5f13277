//! The lease that a place in the queue lives as long as.

use std::future::Future;
use std::time::Duration;

use replica::LeaseAsk;
use store::{Command, LeaseId, Outcome};
use tokio::time::{Instant, sleep_until};

use crate::grpc::gate::Guest;
use crate::grpc::refusal::Refusal;

/// For how long the lease lives of one who brings none, in s.
const TTL_S: u64 = 60;

/// A lease, of the client's or of its own.
pub(super) struct Session {
    lease: LeaseId,
    /// How often it is kept alive here; a client keeps its own.
    keep_alive: Option<Duration>,
}

impl Session {
    /// With the client's lease; a new one if it names none.
    pub(super) async fn of(guest: &Guest, lease: i64) -> Result<Session, Refusal> {
        if lease != 0 {
            return Ok(Session { lease: LeaseId(lease), keep_alive: None });
        }
        match guest.write(Command::LeaseGrant { lease: LeaseId::NONE, ttl_s: TTL_S }).await? {
            Outcome::LeaseGranted { lease, .. } => {
                Ok(Session { lease, keep_alive: Some(Duration::from_secs(TTL_S / 3)) })
            }
            other => panic!("a grant came to {other:?}"),
        }
    }

    pub(super) fn lease(&self) -> LeaseId {
        self.lease
    }

    /// Does something that may take long, and keeps the lease alive meanwhile.
    pub(super) async fn alive<T>(&self, guest: &Guest, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        let Some(interval) = self.keep_alive else { return work.await };
        loop {
            let due = Instant::now() + interval;
            tokio::select! {
                done = &mut work => return done,
                () = sleep_until(due) => {
                    // If it fails the next one is tried; if all do the place is lost, and the work
                    // finds that out.
                    let _ = guest.lease(self.lease, LeaseAsk::KeepAlive).await;
                }
            }
        }
    }
}
