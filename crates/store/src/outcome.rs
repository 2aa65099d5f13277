//! What an entry did: the answer to whoever proposed it.

use crate::auth::AuthRefused;
use crate::range::RangeResponse;
use crate::read::ReadError;
use crate::settings::Settings;
use crate::types::{KeyValue, LeaseId, Revision, SessionId};

/// What an entry did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It carried no command.
    Nothing,
    /// A key has a new value.
    Put {
        /// The write's revision.
        revision: Revision,
        /// What the key was before, if it existed and that was asked for.
        prev: Option<KeyValue>,
    },
    /// Keys were removed.
    Deleted {
        /// The write's revision, or the store's if nothing was there to remove: a delete without
        /// effect takes no revision.
        revision: Revision,
        /// How many keys were removed.
        count: u64,
        /// What they were, in key order, if that was asked for.
        prev: Vec<KeyValue>,
    },
    /// The condition did not hold: nothing was done.
    Conflict {
        /// The store's revision, at which that was found.
        revision: Revision,
        /// The key as it is, if it exists.
        current: Option<KeyValue>,
    },
    /// A transaction was done; what came of each operation is told with it.
    Txn(TxnResponse),
    /// Something that was asked for can not be done, so nothing was done.
    Refused {
        /// The store's revision, at which that was found.
        revision: Revision,
        /// Why.
        reason: Refused,
    },
    /// What only revisions before one need is given up.
    Compacted {
        /// The store's revision, which a compaction does not raise.
        revision: Revision,
        /// The oldest revision that can be read from now on.
        compact_revision: Revision,
    },
    /// A lease is granted.
    LeaseGranted {
        /// The store's revision, which a grant does not raise.
        revision: Revision,
        /// Its id.
        lease: LeaseId,
        /// Its time to live, in seconds.
        ttl_s: u64,
    },
    /// A lease is gone, with its keys.
    LeaseRevoked {
        /// The revision of their removal, or the store's if it had none.
        revision: Revision,
        /// How many keys were removed.
        count: u64,
    },
    /// Of what an expiry named, so much was still there, and is gone.
    Expired {
        /// The revision of the removal, or the store's if no key was removed.
        revision: Revision,
        /// How many leases.
        leases: u64,
        /// How many keys, those of the leases among them.
        keys: u64,
    },
    /// A session is open.
    SessionOpened {
        /// Its id.
        session: SessionId,
    },
    /// A session is closed.
    SessionClosed {
        /// Whether it was there.
        existed: bool,
    },
    /// The change was answered before: this is that answer, and nothing was done now.
    Repeated(Box<FirstAnswer>),
    /// The session is not there (any more), so nobody knows what was done in it; nothing was done
    /// now.
    SessionExpired,
    /// The change's number is below what its session has acknowledged, so its answer is no longer
    /// kept; nothing was done now.
    Stale,
    /// The key of the change was used for another change; nothing was done now.
    KeyReused,
    /// There is no room for another session, lease, key of a change or unacknowledged answer;
    /// nothing was done.
    TableFull,
    /// The settings were changed, or a seed came too late to change them.
    SettingsChanged {
        /// As they are now.
        settings: Settings,
    },
    /// Who may do what was changed.
    AuthChanged {
        /// The store's revision, which that does not raise.
        revision: Revision,
    },
    /// Somebody is logged in.
    LoggedIn {
        /// The store's revision, which that does not raise.
        revision: Revision,
        /// The entry that did it, by which the login is found.
        index: u64,
    },
    /// The state hash, exactly after this entry.
    Checked {
        /// The hash, of version [`crate::STATE_HASH_VERSION`].
        state_hash: u64,
    },
}

/// What came of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TxnResponse {
    /// The revision of its writes, or the store's if nothing was written.
    pub revision: Revision,
    /// Whether its comparisons held, and so which branch was taken.
    pub succeeded: bool,
    /// What came of the branch's operations, one by one.
    pub results: Vec<TxnResult>,
}

/// What came of one operation of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TxnResult {
    /// A key has a new value.
    Put {
        /// What the key was before, if it existed and that was asked for.
        prev: Option<KeyValue>,
    },
    /// Keys were removed.
    Deleted {
        /// How many.
        count: u64,
        /// What they were, in key order, if that was asked for.
        prev: Vec<KeyValue>,
    },
    /// Keys were read. Where the transaction went through the log the answer is bounded, and
    /// `more` is true if that cut it.
    Range(RangeResponse),
    /// A transaction within the transaction.
    Txn {
        /// Whether its comparisons held.
        succeeded: bool,
        /// What came of the branch's operations.
        results: Vec<TxnResult>,
    },
}

/// Why nothing was done, though the request was well formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// A key whose value or lifetime is to stay as it is does not exist.
    KeyNotFound,
    /// There is no such lease: it was never granted, was revoked, or has expired.
    LeaseNotFound,
    /// There is a lease of this id already.
    LeaseExists,
    /// A revision can not be read.
    Unreadable(ReadError),
    /// Whoever asked may not have it done, or the tables of who may do what can't be changed so.
    Auth(AuthRefused),
}

/// What a change was answered when it was done, and where that was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstAnswer {
    /// The log entry that did it.
    pub index: u64,
    /// Its term.
    pub term: u64,
    /// The leader's wall clock when it was appended, ms since 1970.
    pub stamp_ms: u64,
    /// What came of it.
    pub outcome: FirstOutcome,
}

/// What came of a change that was done before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FirstOutcome {
    /// The outcome as it was: [`Outcome::Put`], [`Outcome::Deleted`], [`Outcome::Txn`],
    /// [`Outcome::LeaseGranted`], [`Outcome::LeaseRevoked`], [`Outcome::Conflict`] or
    /// [`Outcome::Refused`].
    Kept(Outcome),
    /// It was done, and its result was too large to be kept.
    Done {
        /// The write's revision.
        revision: Revision,
    },
    /// It was a transaction, and its results were too large to be kept.
    TxnDone {
        /// The revision of its writes, or the store's if nothing was written.
        revision: Revision,
        /// Whether its comparisons held.
        succeeded: bool,
    },
    /// Its condition did not hold, and what the key was is too large to be kept.
    Conflict {
        /// The revision at which that was found.
        revision: Revision,
    },
}

impl Outcome {
    /// The outcome, or the first one of a change that was answered before; `None` where that was
    /// too large to be kept.
    pub fn first(&self) -> Option<&Outcome> {
        match self {
            Outcome::Repeated(answer) => match &answer.outcome {
                FirstOutcome::Kept(outcome) => Some(outcome),
                FirstOutcome::Done { .. }
                | FirstOutcome::TxnDone { .. }
                | FirstOutcome::Conflict { .. } => None,
            },
            outcome => Some(outcome),
        }
    }

    /// Bytes of keys and values that it tells.
    pub(crate) fn told_bytes(&self) -> usize {
        match self {
            Outcome::Put { prev: known, .. } | Outcome::Conflict { current: known, .. } => {
                known.iter().map(KeyValue::told_bytes).sum()
            }
            Outcome::Deleted { prev, .. } => prev.iter().map(KeyValue::told_bytes).sum(),
            Outcome::Txn(response) => response.results.iter().map(TxnResult::told_bytes).sum(),
            _ => 0,
        }
    }
}

impl TxnResult {
    /// What one result counts for in itself, so that many empty ones are something.
    const OWN_BYTES: usize = 16;

    fn told_bytes(&self) -> usize {
        let told: usize = match self {
            TxnResult::Put { prev } => prev.iter().map(KeyValue::told_bytes).sum(),
            TxnResult::Deleted { prev, .. } => prev.iter().map(KeyValue::told_bytes).sum(),
            TxnResult::Range(response) => response.items.iter().map(KeyValue::told_bytes).sum(),
            TxnResult::Txn { results, .. } => results.iter().map(TxnResult::told_bytes).sum(),
        };
        TxnResult::OWN_BYTES + told
    }
}
