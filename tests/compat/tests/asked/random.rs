//! Requests that chance makes, of few keys and small numbers, so that they meet.

use compat::ask::Ask;
use compat::words::{a_delete, a_put, a_range, compact, compare, grant, op, revoke, txn};
use fastrand::Rng;
use proto::etcd::etcdserverpb::compare::{CompareResult, TargetUnion};
use proto::etcd::etcdserverpb::{
    Compare, LeaseKeepAliveRequest, LeaseTimeToLiveRequest, PutRequest, RangeRequest, RequestOp,
};

const KEYS: [&str; 7] = ["a", "a\0", "aa", "ab", "b", "c", "cc"];
const ENDS: [&str; 6] = ["", "", "\0", "b", "ab", "d"];
const VALUES: [&str; 4] = ["", "1", "2", "long enough to be another one"];
const LEASES: i64 = 6;

/// Never ends.
pub(crate) struct Chance {
    rng: Rng,
    /// About how far the store is.
    revision: i64,
}

impl Chance {
    pub(crate) fn of(seed: u64) -> Chance {
        Chance { rng: Rng::with_seed(seed), revision: 1 }
    }

    fn key(&mut self) -> &'static str {
        if self.rng.u8(..) < 3 { "" } else { self.rng.choice(KEYS).unwrap() }
    }

    fn end(&mut self) -> &'static str {
        self.rng.choice(ENDS).unwrap()
    }

    fn value(&mut self) -> &'static str {
        self.rng.choice(VALUES).unwrap()
    }

    fn lease(&mut self) -> i64 {
        self.rng.i64(1..=LEASES)
    }

    fn seldom(&mut self) -> bool {
        self.rng.u8(..) < 40
    }

    /// Mostly one that there is.
    fn some_revision(&mut self) -> i64 {
        match self.rng.u8(..8) {
            0 => self.rng.i64(-2..=2),
            1 => self.revision + self.rng.i64(-3..=3),
            _ => self.rng.i64(1..=self.revision.max(2)),
        }
    }

    fn range(&mut self) -> RangeRequest {
        let seldom = |this: &mut Chance, value: i64| if this.seldom() { value } else { 0 };
        let revision = self.some_revision();
        let revision = seldom(self, revision);
        let [one, two, three] = [(); 3].map(|()| self.some_revision());
        RangeRequest {
            limit: self.rng.i64(-1..5),
            revision,
            sort_order: self.rng.i32(0..3),
            // Equal ones stand in etcd's answers as its sorting left them; no two keys are equal.
            sort_target: 0,
            serializable: self.rng.bool(),
            keys_only: self.seldom(),
            count_only: self.seldom(),
            min_mod_revision: seldom(self, one),
            max_mod_revision: seldom(self, two),
            min_create_revision: seldom(self, three),
            max_create_revision: seldom(self, two),
            ..a_range(self.key(), self.end())
        }
    }

    /// Whether a revision below 0 is refused within a transaction depends on more in etcd.
    fn range_within(&mut self) -> RangeRequest {
        let range = self.range();
        RangeRequest { revision: range.revision.max(0), ..range }
    }

    fn put(&mut self) -> PutRequest {
        let ignore_value = self.seldom();
        let value = if ignore_value && !self.seldom() { "" } else { self.value() };
        let lease = if self.seldom() { self.lease() } else { 0 };
        PutRequest {
            lease,
            prev_kv: self.rng.bool(),
            ignore_value,
            ignore_lease: self.seldom() && (lease == 0 || self.seldom()),
            ..a_put(self.key(), value)
        }
    }

    fn compare(&mut self) -> Compare {
        let number = match self.rng.bool() {
            true => self.rng.i64(-1..4),
            false => self.some_revision(),
        };
        let operand = match self.rng.u8(..5) {
            0 => TargetUnion::Version(number),
            1 => TargetUnion::CreateRevision(number),
            2 => TargetUnion::ModRevision(number),
            3 => TargetUnion::Lease(number),
            _ => TargetUnion::Value(self.value().into()),
        };
        let result = CompareResult::try_from(self.rng.i32(0..4)).unwrap();
        Compare { range_end: self.end().into(), ..compare(self.key(), result, operand) }
    }

    /// One transaction within it at most: etcd does not see where two of them meet, and does what
    /// both say; the stores would differ from there on.
    fn ops(&mut self, depth: usize) -> Vec<RequestOp> {
        let mut asks: Vec<Ask> = (0..self.rng.usize(..4)).map(|_| self.op(depth)).collect();
        let mut txns = 0;
        asks.retain(|ask| {
            txns += usize::from(matches!(ask, Ask::Txn(_)));
            txns <= 1 || !matches!(ask, Ask::Txn(_))
        });
        asks.into_iter().map(op).collect()
    }

    fn op(&mut self, depth: usize) -> Ask {
        match self.rng.u8(..8) {
            0..=2 => Ask::Range(self.range_within()),
            3..=5 => Ask::Put(self.put()),
            6 if depth < 3 => self.txn(depth + 1),
            _ => self.delete_within(),
        }
    }

    /// etcd does not see that a put of the same transaction meets the removal of all keys from one
    /// on, and does both; the stores would differ from there on.
    fn delete_within(&mut self) -> Ask {
        let mut delete = a_delete(self.key(), self.rng.choice(["", "b", "ab", "d"]).unwrap());
        delete.prev_kv = self.rng.bool();
        Ask::Delete(delete)
    }

    fn txn(&mut self, depth: usize) -> Ask {
        let compares = (0..self.rng.usize(..3)).map(|_| self.compare()).collect();
        txn(compares, self.ops(depth), self.ops(depth))
    }

    fn delete(&mut self) -> Ask {
        let mut delete = a_delete(self.key(), self.end());
        delete.prev_kv = self.rng.bool();
        Ask::Delete(delete)
    }
}

impl Iterator for Chance {
    type Item = Ask;

    fn next(&mut self) -> Option<Ask> {
        Some(match self.rng.u8(..32) {
            0..=8 => Ask::Range(self.range()),
            9..=17 => {
                self.revision += 1;
                Ask::Put(self.put())
            }
            18..=25 => {
                self.revision += 1;
                self.txn(0)
            }
            26..=27 => self.delete(),
            28 => grant(self.lease(), self.rng.i64(100..1_000)),
            29 => revoke(self.lease()),
            30 => match self.rng.bool() {
                true => Ask::KeepAlive(LeaseKeepAliveRequest { id: self.lease() }),
                false => Ask::TimeToLive(LeaseTimeToLiveRequest { id: self.lease(), keys: true }),
            },
            // Not too much of the past, or nothing can be read there.
            _ => compact(self.revision * 2 / 3 + self.rng.i64(-2..2)),
        })
    }
}
