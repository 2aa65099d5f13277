//! What is asked of the store.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::encoded::EncodedTxn;
use crate::options::Lifetime;
use crate::watch::Keys;
use crate::{Error, LeaseId, Revision};

/// A transaction: if all comparisons hold the one list is done, otherwise the other.
///
/// Without comparisons the first list is done.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Txn {
    pub(super) compare: Vec<Compare>,
    pub(super) then: Vec<Operation>,
    pub(super) otherwise: Vec<Operation>,
}

impl Txn {
    /// One that does nothing yet.
    pub fn new() -> Txn {
        Txn::default()
    }

    /// The same, if this holds too.
    #[must_use]
    pub fn when(mut self, compare: Compare) -> Txn {
        self.compare.push(compare);
        self
    }

    /// The same, and then this, if the comparisons hold.
    #[must_use]
    pub fn then(mut self, operation: Operation) -> Txn {
        self.then.push(operation);
        self
    }

    /// The same, and then this, if a comparison does not hold.
    #[must_use]
    pub fn otherwise(mut self, operation: Operation) -> Txn {
        self.otherwise.push(operation);
        self
    }

    /// Reads a transaction as the body of `POST /txn` has it.
    ///
    /// # Errors
    /// [`Error::InvalidTxn`] names what is wrong: unknown fields, malformed base64, or keys that
    /// are not named.
    pub fn from_json(json: &[u8]) -> Result<Txn, Error> {
        EncodedTxn::read(json)?.decode()
    }

    /// The operations that are done if the comparisons hold, or those otherwise.
    pub fn operations(&self, succeeded: bool) -> &[Operation] {
        if succeeded { &self.then } else { &self.otherwise }
    }

    pub(super) fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(&EncodedTxn::of(self)).expect("its keys are text, so it is JSON")
    }

    /// Whether it changes nothing, whatever holds.
    pub(super) fn only_reads(&self) -> bool {
        self.then.iter().chain(&self.otherwise).all(|operation| match operation {
            Operation::Get(_) => true,
            Operation::Put(_) | Operation::Delete(_) => false,
            Operation::Txn(nested) => nested.only_reads(),
        })
    }
}

/// Something that must hold of each of these keys, as they were before the transaction.
///
/// Of a key that does not exist all numbers are 0, and nothing that is said of its value holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compare {
    /// Which keys.
    pub keys: Keys,
    /// How the key's own stands to the operand.
    pub relation: Relation,
    /// What is compared, and with what.
    pub operand: Operand,
}

impl Compare {
    /// That a key does not exist.
    pub fn absent(key: impl Into<Bytes>) -> Compare {
        let operand = Operand::CreateRevision(Revision(0));
        Compare { keys: Keys::One(key.into()), relation: Relation::Equal, operand }
    }

    /// That a key exists.
    pub fn exists(key: impl Into<Bytes>) -> Compare {
        Compare { relation: Relation::Greater, ..Compare::absent(key) }
    }

    /// That a key has this value.
    pub fn value(key: impl Into<Bytes>, value: impl Into<Bytes>) -> Compare {
        Compare { operand: Operand::Value(value.into()), ..Compare::absent(key) }
    }

    /// That a key was last written at this revision.
    pub fn mod_revision(key: impl Into<Bytes>, revision: Revision) -> Compare {
        Compare { operand: Operand::ModRevision(revision), ..Compare::absent(key) }
    }

    /// That a key was created at this revision.
    pub fn create_revision(key: impl Into<Bytes>, revision: Revision) -> Compare {
        Compare { operand: Operand::CreateRevision(revision), ..Compare::absent(key) }
    }
}

/// How what a key has stands to an operand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Relation {
    /// `=`
    #[default]
    #[serde(rename = "=")]
    Equal,
    /// `!=`
    #[serde(rename = "!=")]
    NotEqual,
    /// `<`
    #[serde(rename = "<")]
    Less,
    /// `>`
    #[serde(rename = ">")]
    Greater,
}

/// What of a key is compared, and with what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operand {
    /// Its value.
    Value(Bytes),
    /// How often it was written since it was created.
    Version(u64),
    /// When it was created.
    CreateRevision(Revision),
    /// When it was last written.
    ModRevision(Revision),
    /// Its lease; none is 0.
    Lease(i64),
}

/// One step of a transaction.
#[derive(Debug, Clone, PartialEq)]
pub enum Operation {
    /// Sets a key.
    Put(PutOperation),
    /// Removes keys.
    Delete(DeleteOperation),
    /// Reads keys, as the operations before it left them.
    Get(GetOperation),
    /// Another transaction, within the same revision.
    Txn(Txn),
}

impl Operation {
    /// Sets a key to a value, for good.
    pub fn put(key: impl Into<Bytes>, value: impl Into<Bytes>) -> Operation {
        Operation::Put(PutOperation {
            key: key.into(),
            value: Some(value.into()),
            ..PutOperation::default()
        })
    }

    /// Sets a key to a value, for as long as a lease lives.
    pub fn put_with_lease(
        key: impl Into<Bytes>,
        value: impl Into<Bytes>,
        lease: LeaseId,
    ) -> Operation {
        Operation::Put(PutOperation {
            key: key.into(),
            value: Some(value.into()),
            lifetime: Lifetime::Lease(lease),
            ..PutOperation::default()
        })
    }

    /// Removes a key.
    pub fn delete(key: impl Into<Bytes>) -> Operation {
        Operation::Delete(DeleteOperation { keys: Keys::One(key.into()), prev: false })
    }

    /// Reads a key.
    pub fn get(key: impl Into<Bytes>) -> Operation {
        let keys = Keys::One(key.into());
        Operation::Get(GetOperation { keys, ..GetOperation::default() })
    }
}

/// How a key is set.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PutOperation {
    /// Which key.
    pub key: Bytes,
    /// Its value; `None`: the one it has, so it must exist.
    pub value: Option<Bytes>,
    /// How long it lives.
    pub lifetime: Lifetime,
    /// Instead: as long as it did before, so it must exist.
    pub keep_lifetime: bool,
    /// Tell what the key was before.
    pub prev: bool,
}

/// Which keys are removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeleteOperation {
    /// Which keys.
    pub keys: Keys,
    /// Tell what they were before.
    pub prev: bool,
}

/// What is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GetOperation {
    /// Which keys.
    pub keys: Keys,
    /// At most so many, 1 to 1,000; `None`: 100.
    pub limit: Option<u64>,
    /// As they were at this revision.
    pub revision: Option<Revision>,
    /// Leave the values out.
    pub keys_only: bool,
    /// Only count.
    pub count_only: bool,
    /// By what they are sorted, before the limit counts.
    pub sort: SortBy,
    /// In which direction.
    pub order: Order,
    /// Only keys within these.
    pub bounds: RevisionBounds,
}

/// By what keys are sorted; ties in the order of keys.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SortBy {
    /// The keys, byte by byte.
    #[default]
    Key,
    /// How many writes they had since their creation.
    Version,
    /// When they were created.
    CreateRevision,
    /// When they were last written.
    ModRevision,
    /// Their values, byte by byte.
    Value,
}

/// A direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// The least first.
    #[default]
    #[serde(rename = "asc")]
    Ascending,
    /// The greatest first.
    #[serde(rename = "desc")]
    Descending,
}

/// When a key was written and created, both included; 0 is no bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RevisionBounds {
    /// Last written at this revision or later.
    pub min_mod_revision: Revision,
    /// Last written at this revision or earlier.
    pub max_mod_revision: Revision,
    /// Created at this revision or later.
    pub min_create_revision: Revision,
    /// Created at this revision or earlier.
    pub max_create_revision: Revision,
}
