//! What clients ask for by transactions, and of records.
//!
//! A transaction compares with what is there at the moment, as far as the committed log tells, so
//! that either branch is taken often. Everything that it writes is told from all other writes by
//! its name.

use bytes::Bytes;
use store::{
    Command, Compare, KeyRange, KeyValue, LeaseId, Limits, Operand, Origin, Put, PutLifetime,
    RangeRequest, Relation, Revision, Txn, TxnOp,
};

use crate::model::Model;
use crate::random::Random;
use crate::workload::{TTL_MS_MAX, key, some_lease, timed_key};

/// Records have these names, one of which stands in keys as another.
const RECORDS: [&str; 2] = ["user", "50%/a"];
/// What follows the name and a slash: the last two make no field.
const FIELDS: [&str; 5] = ["name", "mail", "of%2Fall", "deep/er", "odd%41"];

/// A transaction compares so much at most, and does so much in a branch.
const COMPARES_MAX: u64 = 3;
const OPS_MAX: u64 = 3;
/// Transactions stand within transactions so deep.
const DEPTH_MAX: u64 = 3;
/// An operation is so often in a thousand a transaction.
const NESTED_PER_MILLE: u64 = 120;
/// A range is so often in a thousand one of the past, and so often one that nobody can read.
const OF_THE_PAST_PER_MILLE: u64 = 250;
const UNREADABLE_PER_MILLE: u64 = 15;
/// Few have a key twice; after so many of them one that does little is made instead.
const TRIES: usize = 4;

/// Draws one transaction, or what is about a record.
pub(crate) struct Drawer<'a> {
    pub(crate) random: &'a mut Random,
    pub(crate) model: &'a Model,
    /// Clients use so many distinct keys.
    pub(crate) keys: u64,
    /// Tells what it writes from all that others write.
    pub(crate) name: String,
    puts: u64,
}

impl<'a> Drawer<'a> {
    pub(crate) fn new(
        random: &'a mut Random,
        model: &'a Model,
        keys: u64,
        name: impl Into<String>,
    ) -> Drawer<'a> {
        Drawer { random, model, keys, name: name.into(), puts: 0 }
    }

    /// One that also puts `counter`, in either branch.
    pub(crate) fn counting(mut self, counter: &Bytes) -> Txn {
        let mut txn = self.txn();
        for ops in [&mut txn.success, &mut txn.failure] {
            let put = Put { prev_kv: true, ..Put::new(counter.clone(), self.value()) };
            ops.insert(self.random.below(ops.len() as u64 + 1) as usize, TxnOp::Put(put));
        }
        txn
    }

    /// One that may write.
    pub(crate) fn txn(&mut self) -> Txn {
        for _ in 0..TRIES {
            let txn = self.any_txn(1, true);
            if txn.validate(&Limits::default()).is_ok() {
                return txn;
            }
        }
        let (range, value) = (KeyRange::Single(self.key()), self.value());
        let put = TxnOp::Put(Put::new(key(0), value));
        let delete = TxnOp::Delete { range, prev_kv: true };
        Txn { compares: vec![self.compare()], success: vec![put], failure: vec![delete] }
    }

    /// One that only reads.
    pub(crate) fn reading(&mut self) -> Txn {
        self.any_txn(1, false)
    }

    /// No two are alike, though it has no name: it compares a key that is never there.
    pub(crate) fn unique(&mut self) -> Txn {
        let mut txn = self.txn();
        let range = KeyRange::Single(format!("never {}", self.name).into());
        let compare = Compare { range, relation: Relation::Equal, operand: Operand::Version(0) };
        txn.compares.push(compare);
        txn
    }

    /// A field gets a value, or all of them go.
    pub(crate) fn of_a_record(&mut self) -> Command {
        match self.random.below(4) {
            0 => Command::DeleteRecord { record: self.random.pick(&RECORDS).into() },
            _ => {
                let prev_kv = self.random.coin();
                Put { prev_kv, ..Put::new(self.field(), self.value()) }.into()
            }
        }
    }

    fn any_txn(&mut self, depth: u64, writes: bool) -> Txn {
        let compares = self.random.between(0, COMPARES_MAX);
        let compares = (0..compares).map(|_| self.compare()).collect();
        let (least, success) = (u64::from(depth == 1), Vec::new());
        let mut txn = Txn { compares, success, failure: Vec::new() };
        for _ in 0..self.random.between(least, OPS_MAX) {
            txn.success.push(self.op(depth, writes));
        }
        for _ in 0..self.random.between(0, OPS_MAX) {
            txn.failure.push(self.op(depth, writes));
        }
        txn
    }

    fn op(&mut self, depth: u64, writes: bool) -> TxnOp {
        if depth < DEPTH_MAX && self.random.chance(NESTED_PER_MILLE) {
            return TxnOp::Txn(self.any_txn(depth + 1, writes));
        }
        let kind = if writes { self.random.below(10) } else { 9 };
        match kind {
            0..6 => TxnOp::Put(self.put()),
            6..8 => {
                let (range, prev_kv) = (self.range(), self.random.coin());
                TxnOp::Delete { range, prev_kv }
            }
            _ => TxnOp::Range(self.request()),
        }
    }

    fn put(&mut self) -> Put {
        let (key, prev_kv) = (self.key(), self.random.coin());
        let lives_on = !key.starts_with(b"t") && self.random.chance(850);
        let lifetime = match self.random.below(4) {
            _ if lives_on => PutLifetime::Unbounded,
            0 => PutLifetime::Lease(some_lease(self.random)),
            1 => PutLifetime::AsBefore,
            _ => PutLifetime::TtlMs(self.random.between(1, TTL_MS_MAX)),
        };
        let ignore_value = self.random.chance(100);
        let value = if ignore_value { Bytes::new() } else { self.value() };
        Put { key, value, prev_kv, ignore_value, lifetime }
    }

    fn value(&mut self) -> Bytes {
        self.puts += 1;
        format!("{}.{}", self.name, self.puts).into()
    }

    fn request(&mut self) -> RangeRequest {
        let (newest, oldest) = (self.model.revision(), self.model.compacted());
        let at = if self.random.chance(UNREADABLE_PER_MILLE) {
            Some(self.random.pick(&[Revision(newest.0 + 1_000), Revision(oldest.0 / 2 + 1)]))
        } else if self.random.chance(OF_THE_PAST_PER_MILLE) {
            Some(Revision(self.random.between(oldest.0.max(1), newest.0)))
        } else {
            None
        };
        let limit = self.random.chance(200).then(|| self.random.between(1, 3) as usize);
        let (keys_only, count_only) = (self.random.chance(100), self.random.chance(100));
        RangeRequest { limit, at, keys_only, count_only, ..RangeRequest::new(self.range()) }
    }

    fn compare(&mut self) -> Compare {
        let range = match self.random.below(4) {
            0 => self.range(),
            _ => KeyRange::Single(self.key()),
        };
        let there = self.model.range(&range, self.model.revision());
        let operand = self.operand(there.first());
        let relations = [Relation::Equal, Relation::NotEqual, Relation::Less, Relation::Greater];
        // Mostly one that holds, as things are.
        let relation = match self.random.coin() {
            true => Relation::Equal,
            false => self.random.pick(&relations),
        };
        Compare { range, relation, operand }
    }

    /// Something of a key, as it is or nearly so.
    fn operand(&mut self, kv: Option<&KeyValue>) -> Operand {
        let number = |own: fn(&KeyValue) -> u64| kv.map_or(0, own) as i64;
        let off = if self.random.chance(700) { 0 } else { self.random.below(3) as i64 - 1 };
        match self.random.below(5) {
            0 => Operand::Version(number(|kv| kv.version) + off),
            1 => Operand::CreateRevision(number(|kv| kv.create_revision.0) + off),
            2 => Operand::ModRevision(number(|kv| kv.mod_revision.0) + off),
            3 => {
                let own = kv.map_or(LeaseId::NONE, |kv| kv.lifetime.lease());
                Operand::Lease(own.0 + off)
            }
            _ => Operand::Value(kv.map_or(Bytes::new(), |kv| kv.value.clone())),
        }
    }

    fn range(&mut self) -> KeyRange {
        match self.random.below(8) {
            0..4 => KeyRange::Single(self.key()),
            4 => KeyRange::Prefix(self.random.pick(&["t0", "t1", "user/"]).into()),
            5 => KeyRange::From(self.random.pick(&["t05", "user"]).into()),
            _ => {
                let first = self.random.below(self.keys);
                let last = self.random.between(first, self.keys);
                KeyRange::Between { start: key(first), end: key(last) }
            }
        }
    }

    fn key(&mut self) -> Bytes {
        match self.random.below(20) {
            0..12 => key(self.random.below(self.keys)),
            12..16 => timed_key(self.random),
            _ => self.field(),
        }
    }

    /// A key of a record, in form at least.
    fn field(&mut self) -> Bytes {
        let (record, field) = (self.random.pick(&RECORDS), self.random.pick(&FIELDS));
        let record = record.replace('%', "%25").replace('/', "%2F");
        format!("{record}/{field}").into()
    }
}

/// The change under a name of its own: no two are alike, and copies are known for copies.
pub(crate) fn by_name(name: &str, command: Command) -> Bytes {
    let origin = Origin::Key(format!("name {name}").into());
    Command::Once { origin, command: Box::new(command) }.encode()
}
