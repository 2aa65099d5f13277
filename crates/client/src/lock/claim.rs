//! A place in the queue for a name.

use std::time::Duration;

use bytes::Bytes;

use super::keeper::Keeper;
use super::{LockError, LockOptions};
use crate::client::Client;
use crate::txn::{
    Compare, GetOperation, Operation, Order, RevisionBounds, SortBy, Txn, TxnDone, TxnResult,
};
use crate::watch::{Change, Keys, Update, WatchOptions};
use crate::{Error, KeyValue, Revision};

/// A key below the name, attached to a lease that is kept alive.
#[derive(Debug)]
pub(crate) struct Claim {
    client: Client,
    pub(crate) key: Bytes,
    /// When the key was created: what decides whose turn it is.
    pub(crate) created: Revision,
    prefix: Bytes,
    keeper: Keeper,
}

/// What stands before a claim.
#[derive(Debug)]
pub(crate) struct Place {
    /// The key whose turn it is or, for a claim, the key just before it.
    pub(crate) item: Option<KeyValue>,
    /// The revision of the store at which that is so.
    pub(crate) revision: Revision,
}

/// Keys below `name` are those that begin with this.
fn prefix_of(name: &[u8]) -> Bytes {
    [name, b"/"].concat().into()
}

impl Claim {
    /// Takes the last place.
    pub(super) async fn make(
        client: &Client,
        name: &[u8],
        options: LockOptions,
    ) -> Result<Claim, LockError> {
        let ttl = options.ttl.unwrap_or(LockOptions::TTL_DEFAULT);
        // The store counts whole seconds.
        let ttl = Duration::from_secs(ttl.as_secs().max(1));
        let keeper = Keeper::grant(client, ttl).await?;
        let prefix = prefix_of(name);
        let key: Bytes =
            [&prefix[..], format!("{:016x}", keeper.lease.0).as_bytes()].concat().into();
        let put = Operation::put_with_lease(key.clone(), options.value, keeper.lease);
        // The name of a lease is new, so the key is, too.
        let claim = Txn::new().when(Compare::absent(key.clone())).then(put);
        let done = client.txn(&claim).await?;
        if !done.succeeded {
            return Err(LockError::Failed(malformed("somebody else has the key of this lease")));
        }
        Ok(Claim { client: client.clone(), key, created: done.revision, prefix, keeper })
    }

    /// Waits until nobody is before this claim.
    pub(super) async fn turn(&self) -> Result<(), LockError> {
        tokio::select! {
            () = self.keeper.lost() => Err(LockError::Lost),
            waited = self.wait() => waited,
        }
    }

    async fn wait(&self) -> Result<(), LockError> {
        loop {
            match self.predecessor().await {
                Ok(Place { item: None, .. }) => return Ok(()),
                Ok(Place { item: Some(before), revision }) => {
                    self.wait_for_end_of(before.key, revision).await?;
                }
                // The lease says how long it is worth waiting.
                Err(LockError::Failed(Error::Unavailable { .. })) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The key just before this claim; and that the claim's own is there still.
    async fn predecessor(&self) -> Result<Place, LockError> {
        let before = RevisionBounds {
            max_create_revision: Revision(self.created.0 - 1),
            ..RevisionBounds::default()
        };
        let own = Compare::create_revision(self.key.clone(), self.created);
        let read =
            Txn::new().when(own).then(newest(self.prefix.clone(), before, Order::Descending));
        let done = self.client.txn(&read).await?;
        if done.succeeded { Ok(place(&done)?) } else { Err(LockError::Lost) }
    }

    /// Waits until a key has gone that was there at `revision`, or nobody can tell any more.
    async fn wait_for_end_of(&self, key: Bytes, revision: Revision) -> Result<(), Error> {
        let options = WatchOptions {
            keys: Keys::One(key),
            from_revision: Some(Revision(revision.0 + 1)),
            no_put: true,
            ..WatchOptions::default()
        };
        let mut watch = match self.client.watch(options).await {
            Ok(watch) => watch,
            Err(error) => return passing(error),
        };
        loop {
            match watch.next().await {
                Ok(Update::Changes(changes)) => {
                    let gone = |change: &Change| matches!(change, Change::Delete { .. });
                    if changes.changes.iter().any(gone) {
                        return Ok(());
                    }
                }
                Ok(Update::Progress(_)) => {}
                Err(error) => return passing(error),
            }
        }
    }

    /// Gives the claim another value, if it still stands.
    pub(crate) async fn set(&self, value: Bytes) -> Result<(), LockError> {
        let own = Compare::create_revision(self.key.clone(), self.created);
        let put = Operation::put_with_lease(self.key.clone(), value, self.keeper.lease);
        let done = self.client.txn(&Txn::new().when(own).then(put)).await?;
        if done.succeeded { Ok(()) } else { Err(LockError::Lost) }
    }

    /// Resolves when the claim is lost.
    pub(crate) async fn lost(&self) {
        self.keeper.lost().await;
    }

    /// Gives the place up, at once.
    pub(crate) async fn give_up(self) -> Result<(), LockError> {
        let was_alive = self.keeper.is_alive();
        match self.client.revoke(self.keeper.lease).await {
            Ok(_) if was_alive => Ok(()),
            Ok(_) => Err(LockError::Lost),
            Err(error) if error.code() == Some("lease_not_found") => Err(LockError::Lost),
            Err(error) => Err(LockError::Failed(error)),
        }
    }
}

/// The claim whose turn it is.
pub(crate) async fn front(client: &Client, name: &[u8]) -> Result<Place, Error> {
    let read = newest(prefix_of(name), RevisionBounds::default(), Order::Ascending);
    place(&client.txn(&Txn::new().then(read)).await?)
}

/// Reads the first or the last key by create revision.
fn newest(prefix: Bytes, bounds: RevisionBounds, order: Order) -> Operation {
    Operation::Get(GetOperation {
        keys: Keys::Prefix(prefix),
        limit: Some(1),
        sort: SortBy::CreateRevision,
        order,
        bounds,
        ..GetOperation::default()
    })
}

fn place(done: &TxnDone) -> Result<Place, Error> {
    match done.results.as_deref() {
        Some([TxnResult::Got { items, .. }]) => {
            Ok(Place { item: items.first().cloned(), revision: done.revision })
        }
        _ => Err(malformed("one read has one result")),
    }
}

/// Whatever it was, looking again tells more; a refusal of what was asked for is none of these.
fn passing(error: Error) -> Result<(), Error> {
    match error {
        Error::Unavailable { .. } => Ok(()),
        error if error.code() == Some("compacted") => Ok(()),
        error => Err(error),
    }
}

fn malformed(reason: &str) -> Error {
    Error::Malformed { reason: reason.to_owned() }
}
