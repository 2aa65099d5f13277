//! Locks: one holder at a time, in the order in which they came, for as long as a lease lives.
//!
//! Whoever wants the lock `NAME` puts a key `NAME/LEASE` of its own, attached to a lease. The key
//! with the lowest create revision holds the lock; each of the others waits for the one just before
//! it to go, so that one release wakes one waiter (etcd's recipe). The lease is kept alive while
//! the lock is held or waited for; if that ends, however it ends, the key goes with it.
//!
//! **A lock alone does not exclude.** A holder that is paused for longer than its time to live
//! finds out only when it goes on. So what it guards should refuse whoever comes with a lower
//! [`Lock::token`] than it has seen: tokens only grow.

mod claim;
mod keeper;

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, timeout_at};

pub(crate) use self::claim::{Claim, Place, front};
use crate::client::Client;
use crate::{Error, Revision};

/// How a lock is asked for, or an office campaigned for.
#[derive(Debug, Clone, Default)]
pub struct LockOptions {
    /// For how long the lock outlives a holder that says nothing: whole seconds, 2 at least;
    /// `None`: 10 s.
    pub ttl: Option<Duration>,
    /// Give up waiting after so long; `None`: never.
    pub wait: Option<Duration>,
    /// What others find as the value of the key.
    pub value: Bytes,
}

impl LockOptions {
    /// What [`LockOptions::ttl`] is if it is not said.
    pub const TTL_DEFAULT: Duration = Duration::from_secs(10);
}

/// Why a lock is not held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockError {
    /// Others held it all the time, and it is not waited for any more.
    TimedOut,
    /// The lease ended: it was not kept alive in time, or somebody revoked it.
    Lost,
    /// The cluster did not serve.
    Failed(Error),
}

impl fmt::Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LockError::TimedOut => f.write_str("others held the lock for all of that time"),
            LockError::Lost => f.write_str("the lease of the lock has ended, and the lock with it"),
            LockError::Failed(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for LockError {}

impl From<Error> for LockError {
    fn from(error: Error) -> LockError {
        LockError::Failed(error)
    }
}

/// A lock that is held. Dropped without [`Lock::unlock`] it goes when its time to live is over.
#[derive(Debug)]
pub struct Lock {
    claim: Claim,
}

impl Client {
    /// Waits for the lock `name`, and takes it.
    ///
    /// # Errors
    /// [`LockError::TimedOut`] after [`LockOptions::wait`]; then the place in the queue is given
    /// up. [`LockError::Lost`] if the cluster did not serve for as long as the time to live.
    pub async fn lock(
        &self,
        name: impl AsRef<[u8]>,
        options: LockOptions,
    ) -> Result<Lock, LockError> {
        let claim = wait_for(self, name.as_ref(), options).await?;
        Ok(Lock { claim })
    }
}

/// Queues up and waits for its turn. A place that was not waited for is given up.
pub(crate) async fn wait_for(
    client: &Client,
    name: &[u8],
    options: LockOptions,
) -> Result<Claim, LockError> {
    if name.is_empty() {
        return Err(LockError::Failed(Error::EmptyKey));
    }
    let until = options.wait.map(|wait| Instant::now() + wait);
    let claim = Claim::make(client, name, options).await?;
    let waited = match until {
        None => claim.turn().await,
        Some(until) => timeout_at(until, claim.turn()).await.unwrap_or(Err(LockError::TimedOut)),
    };
    match waited {
        Ok(()) => Ok(claim),
        Err(error) => {
            // If this fails it goes with its lease.
            let _ = claim.give_up().await;
            Err(error)
        }
    }
}

impl Lock {
    /// The key that stands for this holder.
    pub fn key(&self) -> &Bytes {
        &self.claim.key
    }

    /// The fencing token: larger than that of every holder before, and smaller than that of every
    /// holder after. It is the revision at which the key was created.
    pub fn token(&self) -> Revision {
        self.claim.created
    }

    /// Resolves when the lock is lost: its lease was not kept alive in time, or is gone. May be
    /// dropped at any time.
    pub async fn lost(&self) {
        self.claim.lost().await;
    }

    /// Gives the lock up: the next one has it when this returns.
    ///
    /// # Errors
    /// [`LockError::Lost`] if it was lost meanwhile; [`LockError::Failed`] if nobody knows, then
    /// it goes when its time to live is over.
    pub async fn unlock(self) -> Result<(), LockError> {
        self.claim.give_up().await
    }
}
