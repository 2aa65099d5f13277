//! What a transaction came to.

use serde::Deserialize;

use crate::Error;
use crate::types::{EncodedKeyValue, KeyValue, Revision, Staleness};

/// A transaction that is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TxnDone {
    /// Whether the comparisons held, so that the first list was done.
    pub succeeded: bool,
    /// A result for each operation of the list that was done, in their order. `None` where they
    /// are larger than the store keeps (4 KiB) and the transaction was sent more than once.
    pub results: Option<Vec<TxnResult>>,
    /// The store's revision after it.
    pub revision: Revision,
    /// How old the answer is; `None` if it is linearizable.
    pub stale: Option<Staleness>,
}

/// What one operation came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TxnResult {
    /// A key was set.
    Put {
        /// What it was before, if that was asked for and it existed.
        prev: Option<KeyValue>,
    },
    /// Keys were removed.
    Deleted {
        /// How many.
        deleted: u64,
        /// What they were before, if that was asked for.
        prev: Vec<KeyValue>,
    },
    /// Keys were read.
    Got {
        /// The keys, within the limit.
        items: Vec<KeyValue>,
        /// How many there are, whatever the limit.
        count: u64,
        /// Whether there are more than the limit let through.
        more: bool,
    },
    /// A transaction within.
    Txn {
        /// Whether its comparisons held.
        succeeded: bool,
        /// A result for each operation of the list that was done.
        results: Vec<TxnResult>,
    },
}

#[derive(Deserialize)]
pub(super) struct EncodedDone {
    succeeded: bool,
    results: Option<Vec<EncodedResult>>,
    revision: Revision,
    #[serde(flatten)]
    stale: Option<Staleness>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum EncodedResult {
    Put {
        prev: Option<EncodedKeyValue>,
    },
    Delete {
        deleted: u64,
        #[serde(default)]
        prev: Vec<EncodedKeyValue>,
    },
    Get {
        items: Vec<EncodedKeyValue>,
        count: u64,
        more: bool,
    },
    Txn {
        succeeded: bool,
        results: Vec<EncodedResult>,
    },
}

impl EncodedDone {
    pub(super) fn decode(self) -> Result<TxnDone, Error> {
        let EncodedDone { succeeded, results, revision, stale } = self;
        Ok(TxnDone { succeeded, results: results.map(decoded).transpose()?, revision, stale })
    }
}

impl EncodedResult {
    fn decode(self) -> Result<TxnResult, Error> {
        Ok(match self {
            EncodedResult::Put { prev } => {
                TxnResult::Put { prev: prev.map(EncodedKeyValue::decode).transpose()? }
            }
            EncodedResult::Delete { deleted, prev } => {
                TxnResult::Deleted { deleted, prev: items(prev)? }
            }
            EncodedResult::Get { items: found, count, more } => {
                TxnResult::Got { items: items(found)?, count, more }
            }
            EncodedResult::Txn { succeeded, results } => {
                TxnResult::Txn { succeeded, results: decoded(results)? }
            }
        })
    }
}

fn decoded(results: Vec<EncodedResult>) -> Result<Vec<TxnResult>, Error> {
    results.into_iter().map(EncodedResult::decode).collect()
}

fn items(encoded: Vec<EncodedKeyValue>) -> Result<Vec<KeyValue>, Error> {
    encoded.into_iter().map(EncodedKeyValue::decode).collect()
}
