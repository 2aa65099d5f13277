//! Elections: one leader at a time, out of those who campaign, for as long as its lease lives.
//!
//! The queue is that of a lock ([`crate::Client::lock`]), and so are its limits: a leader should
//! show its [`Leadership::token`] to whatever it changes. What is more is that everybody sees who
//! leads, and what it proclaims.

use bytes::Bytes;

use crate::client::Client;
use crate::lock::{Claim, LockError, LockOptions, Place, front, wait_for};
use crate::watch::{Keys, Watch, WatchOptions};
use crate::{Error, KeyValue, Revision};

/// An office for which any number of clients campaign. It is free to make, and holds nothing.
#[derive(Debug, Clone)]
pub struct Election {
    client: Client,
    name: Bytes,
}

/// An office that is held. Dropped without [`Leadership::resign`] it goes when its time to live is
/// over.
#[derive(Debug)]
pub struct Leadership {
    claim: Claim,
}

/// Who leads, again and again.
#[derive(Debug)]
pub struct Observer {
    election: Election,
    /// What was told last: when it was written.
    told: Option<Revision>,
    /// News of the keys of those who campaign; none before the first look, and after it broke.
    watch: Option<Watch>,
}

impl Client {
    /// The election for the office `name`.
    pub fn election(&self, name: impl AsRef<[u8]>) -> Election {
        Election { client: self.clone(), name: Bytes::copy_from_slice(name.as_ref()) }
    }
}

impl Election {
    /// Waits until nobody is before this client, and leads, with [`LockOptions::value`] for its
    /// first proclamation.
    ///
    /// # Errors
    /// Those of [`Client::lock`].
    pub async fn campaign(&self, options: LockOptions) -> Result<Leadership, LockError> {
        let claim = wait_for(&self.client, &self.name, options).await?;
        Ok(Leadership { claim })
    }

    /// Who leads now: its key, and what it proclaims. Linearizable.
    pub async fn leader(&self) -> Result<Option<KeyValue>, Error> {
        front(&self.client, &self.name).await.map(|place| place.item)
    }

    /// Tells who leads, now and whenever that or what it proclaims is another.
    pub fn observe(&self) -> Observer {
        Observer { election: self.clone(), told: None, watch: None }
    }
}

impl Leadership {
    /// The key that stands for this leader.
    pub fn key(&self) -> &Bytes {
        &self.claim.key
    }

    /// The fencing token: larger than that of every leader before.
    pub fn token(&self) -> Revision {
        self.claim.created
    }

    /// Makes `value` what others see of this leader.
    ///
    /// # Errors
    /// [`LockError::Lost`] if it leads no more; then nothing was done.
    pub async fn proclaim(&self, value: impl Into<Bytes>) -> Result<(), LockError> {
        self.claim.set(value.into()).await
    }

    /// Resolves when the office is lost. May be dropped at any time.
    pub async fn lost(&self) {
        self.claim.lost().await;
    }

    /// Gives the office up: the next one has it when this returns.
    ///
    /// # Errors
    /// As of [`crate::Lock::unlock`].
    pub async fn resign(self) -> Result<(), LockError> {
        self.claim.give_up().await
    }
}

impl Observer {
    /// Waits until there is a leader, or a proclamation, that was not told yet. What was over
    /// before it could be told is passed over.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if no member serves for long; the next call goes on.
    pub async fn next(&mut self) -> Result<KeyValue, Error> {
        loop {
            let Election { client, name } = &self.election;
            let Place { item, revision } = front(client, name).await?;
            if let Some(leader) = item.filter(|leader| self.told != Some(leader.mod_revision)) {
                self.told = Some(leader.mod_revision);
                return Ok(leader);
            }
            self.change_after(revision).await?;
        }
    }

    /// Waits for anything to happen to those who campaign after `revision`.
    async fn change_after(&mut self, revision: Revision) -> Result<(), Error> {
        let mut watch = match self.watch.take() {
            Some(watch) => watch,
            None => {
                let options = WatchOptions {
                    keys: Keys::Prefix([&self.election.name[..], b"/"].concat().into()),
                    from_revision: Some(Revision(revision.0 + 1)),
                    ..WatchOptions::default()
                };
                self.election.client.watch(options).await?
            }
        };
        loop {
            match watch.next().await {
                // What was told up to what was looked at is known already.
                Ok(crate::Update::Changes(changes)) if changes.revision > revision => break,
                Ok(_) => {}
                // It is begun anew, at what the next look shows.
                Err(error) if error.code() == Some("compacted") => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        self.watch = Some(watch);
        Ok(())
    }
}
