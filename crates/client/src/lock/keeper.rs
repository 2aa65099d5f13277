//! A lease that is kept alive for as long as somebody holds on to it.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout_at};

use crate::client::Client;
use crate::{Error, LeaseId};

/// A keep-alive that failed is tried again after this long.
const AGAIN_AFTER: Duration = Duration::from_millis(200);

/// A lease and the task that keeps it alive, which ends when this is dropped.
#[derive(Debug)]
pub(super) struct Keeper {
    pub(super) lease: LeaseId,
    /// Whether it is alive, as far as the clock of this machine can tell.
    alive: watch::Receiver<bool>,
    task: JoinHandle<()>,
}

impl Keeper {
    /// Grants a lease and begins to keep it alive.
    pub(super) async fn grant(client: &Client, ttl: Duration) -> Result<Keeper, Error> {
        let asked = Instant::now();
        let granted = client.grant(ttl, None).await?;
        let (sender, alive) = watch::channel(true);
        let lease = granted.lease;
        let task = tokio::spawn(keep(client.clone(), lease, asked, granted.ttl, sender));
        Ok(Keeper { lease, alive, task })
    }

    /// Resolves when it is not known to be alive any more.
    pub(super) async fn lost(&self) {
        let mut alive = self.alive.clone();
        // The sender goes only when the task has ended, which it says before.
        let _ = alive.wait_for(|alive| !alive).await;
    }

    pub(super) fn is_alive(&self) -> bool {
        *self.alive.borrow()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Its time counts from before each call that was answered: the leader's counts from later.
async fn keep(
    client: Client,
    lease: LeaseId,
    asked: Instant,
    ttl: Duration,
    alive: watch::Sender<bool>,
) {
    let mut until = asked + ttl;
    let mut pause = ttl / 3;
    loop {
        sleep(pause.min(until.saturating_duration_since(Instant::now()))).await;
        let asked = Instant::now();
        // A call may try for longer than the lease is known to live.
        match timeout_at(until, client.keep_alive(lease)).await {
            Ok(Ok(Some(standing))) => {
                until = asked + standing.ttl;
                pause = standing.ttl / 3;
            }
            Ok(Err(_)) if Instant::now() < until => pause = AGAIN_AFTER,
            Ok(Ok(None) | Err(_)) | Err(_) => {
                // Whoever would hear of it may have gone.
                let _ = alive.send(false);
                return;
            }
        }
    }
}
