//! The encoded form of what came of a transaction, or of why nothing was done, in a kept answer.

use super::reply::{WireDeleted, WireKeyValue, WirePut, told};
use crate::outcome::{Refused, TxnResponse, TxnResult};
use crate::range::RangeResponse;
use crate::read::ReadError;
use crate::types::Revision;

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct WireTxn {
    #[prost(uint64, tag = "1")]
    revision: u64,
    #[prost(bool, tag = "2")]
    succeeded: bool,
    #[prost(message, repeated, tag = "3")]
    results: Vec<WireResult>,
}

/// In a put or delete here the revision is left out: it is the transaction's.
#[derive(Clone, PartialEq, prost::Message)]
struct WireResult {
    #[prost(oneof = "Kind", tags = "1, 2, 3, 4")]
    kind: Option<Kind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Kind {
    #[prost(message, tag = "1")]
    Put(WirePut),
    #[prost(message, tag = "2")]
    Deleted(WireDeleted),
    #[prost(message, tag = "3")]
    Range(WireRange),
    #[prost(message, tag = "4")]
    Txn(WireTxn),
}

#[derive(Clone, PartialEq, prost::Message)]
struct WireRange {
    #[prost(uint64, tag = "1")]
    revision: u64,
    #[prost(uint64, tag = "2")]
    count: u64,
    #[prost(bool, tag = "3")]
    more: bool,
    #[prost(message, repeated, tag = "4")]
    items: Vec<WireKeyValue>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct WireTxnDone {
    #[prost(uint64, tag = "1")]
    pub(super) revision: u64,
    #[prost(bool, tag = "2")]
    pub(super) succeeded: bool,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct WireRefused {
    #[prost(uint64, tag = "1")]
    pub(super) revision: u64,
    #[prost(oneof = "Reason", tags = "2, 3, 4, 5, 6")]
    reason: Option<Reason>,
}

#[derive(Clone, Copy, PartialEq, prost::Oneof)]
enum Reason {
    #[prost(message, tag = "2")]
    KeyNotFound(WireEmpty),
    #[prost(message, tag = "3")]
    Future(WireBeyond),
    #[prost(message, tag = "4")]
    Compacted(WireBeyond),
    #[prost(message, tag = "5")]
    LeaseNotFound(WireEmpty),
    #[prost(message, tag = "6")]
    LeaseExists(WireEmpty),
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct WireEmpty {}

/// A revision that can not be read, and the nearest one that can.
#[derive(Clone, Copy, PartialEq, prost::Message)]
struct WireBeyond {
    #[prost(uint64, tag = "1")]
    requested: u64,
    #[prost(uint64, tag = "2")]
    bound: u64,
}

impl From<&TxnResponse> for WireTxn {
    fn from(response: &TxnResponse) -> WireTxn {
        WireTxn {
            revision: response.revision.0,
            succeeded: response.succeeded,
            results: response.results.iter().map(Into::into).collect(),
        }
    }
}

impl From<&TxnResult> for WireResult {
    fn from(result: &TxnResult) -> WireResult {
        let revision = 0;
        let kind = match result {
            TxnResult::Put { prev } => {
                Kind::Put(WirePut { revision, prev: prev.as_ref().map(told) })
            }
            TxnResult::Deleted { count, prev } => {
                let prev = prev.iter().map(told).collect();
                Kind::Deleted(WireDeleted { revision, count: *count, prev })
            }
            TxnResult::Range(RangeResponse { items, more, count, revision }) => {
                Kind::Range(WireRange {
                    revision: revision.0,
                    count: *count,
                    more: *more,
                    items: items.iter().map(told).collect(),
                })
            }
            TxnResult::Txn { succeeded, results } => Kind::Txn(WireTxn {
                revision,
                succeeded: *succeeded,
                results: results.iter().map(Into::into).collect(),
            }),
        };
        WireResult { kind: Some(kind) }
    }
}

impl WireTxn {
    /// Whether every result in it is one of those above.
    pub(super) fn is_whole(&self) -> bool {
        self.results.iter().all(|result| match &result.kind {
            Some(Kind::Txn(txn)) => txn.is_whole(),
            kind => kind.is_some(),
        })
    }
}

impl From<WireTxn> for TxnResponse {
    fn from(txn: WireTxn) -> TxnResponse {
        TxnResponse {
            revision: Revision(txn.revision),
            succeeded: txn.succeeded,
            results: txn.results.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<WireResult> for TxnResult {
    fn from(result: WireResult) -> TxnResult {
        let items = |items: Vec<WireKeyValue>| items.into_iter().map(Into::into).collect();
        match result.kind.expect("what is kept was whole when it was read") {
            Kind::Put(put) => TxnResult::Put { prev: put.prev.map(Into::into) },
            Kind::Deleted(WireDeleted { count, prev, .. }) => {
                TxnResult::Deleted { count, prev: items(prev) }
            }
            Kind::Range(range) => TxnResult::Range(RangeResponse {
                items: items(range.items),
                more: range.more,
                count: range.count,
                revision: Revision(range.revision),
            }),
            Kind::Txn(txn) => TxnResult::Txn {
                succeeded: txn.succeeded,
                results: txn.results.into_iter().map(Into::into).collect(),
            },
        }
    }
}

impl WireRefused {
    pub(super) fn new(revision: Revision, reason: Refused) -> WireRefused {
        let beyond = |requested: Revision, bound: Revision| WireBeyond {
            requested: requested.0,
            bound: bound.0,
        };
        let reason = match reason {
            Refused::KeyNotFound => Reason::KeyNotFound(WireEmpty {}),
            Refused::LeaseNotFound => Reason::LeaseNotFound(WireEmpty {}),
            Refused::LeaseExists => Reason::LeaseExists(WireEmpty {}),
            Refused::Auth(refused) => panic!("{refused} is said before a change is begun"),
            Refused::Unreadable(ReadError::FutureRevision { requested, newest }) => {
                Reason::Future(beyond(requested, newest))
            }
            Refused::Unreadable(ReadError::Compacted { requested, oldest }) => {
                Reason::Compacted(beyond(requested, oldest))
            }
        };
        WireRefused { revision: revision.0, reason: Some(reason) }
    }

    /// Why; `None` if it is no reason that this version knows.
    pub(super) fn reason(&self) -> Option<Refused> {
        Some(match self.reason? {
            Reason::KeyNotFound(WireEmpty {}) => Refused::KeyNotFound,
            Reason::LeaseNotFound(WireEmpty {}) => Refused::LeaseNotFound,
            Reason::LeaseExists(WireEmpty {}) => Refused::LeaseExists,
            Reason::Future(WireBeyond { requested, bound }) => {
                let (requested, newest) = (Revision(requested), Revision(bound));
                Refused::Unreadable(ReadError::FutureRevision { requested, newest })
            }
            Reason::Compacted(WireBeyond { requested, bound }) => {
                let (requested, oldest) = (Revision(requested), Revision(bound));
                Refused::Unreadable(ReadError::Compacted { requested, oldest })
            }
        })
    }
}
