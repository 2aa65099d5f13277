//! Random logs.

use bytes::Bytes;
use proptest::prelude::*;
use proptest::sample::Index;
use store::{
    Command, CompactionCause, Compare, Condition, DueKey, Filter, Grant, KeyRange, Lease, LeaseId,
    Limits, Operand, Origin, Put, PutLifetime, RangeRequest, Relation, Revision, SessionId,
    SettingsChange, Sort, SortBy, Store, Txn, TxnOp,
};

use super::{LIMITS, apply, entry};

/// What happens to the store.
#[derive(Clone, Debug)]
enum Step {
    Put(Put),
    /// Under an id, or of the store's choice.
    Grant {
        lease: LeaseId,
        ttl_s: u64,
    },
    KeyedGrant {
        key: u8,
        ttl_s: u64,
    },
    Revoke(LeaseId),
    /// What is due by then is named, some of it wrongly, and perhaps twice.
    Expire {
        early_ms: u64,
        wrong: Index,
        twice: bool,
    },
    /// Many keys in a row, so that leaves fill and split.
    Fill {
        prefix: Bytes,
        count: u8,
    },
    Delete {
        range: KeyRange,
        prev_kv: bool,
    },
    DeleteRecord(Bytes),
    Txn(Txn),
    KeyedTxn {
        key: u8,
        txn: Txn,
    },
    /// To this revision, if it is not one of the future.
    Compact(u64),
    Noop,
    Open,
    Close(Index),
    /// A change in one of the sessions that were opened.
    InSession {
        which: Index,
        seq: u64,
        acked: Index,
        change: Change,
    },
    Keyed {
        key: u8,
        change: Change,
    },
    Check,
    Settings(SettingsChange),
}

/// A put or delete of one key, perhaps with a condition.
#[derive(Clone, Debug)]
struct Change {
    key: Bytes,
    value: Option<Bytes>,
    prev_kv: bool,
    condition: Option<Condition>,
}

impl Change {
    fn into_command(self) -> Command {
        let Change { key, value, prev_kv, condition } = self;
        match value {
            Some(value) => Command::Put { put: Put { prev_kv, ..Put::new(key, value) }, condition },
            None => Command::Delete { range: KeyRange::Single(key), prev_kv, condition },
        }
    }
}

/// Few different bytes, so that keys meet, and the lowest and the highest among them; and a slash,
/// so that some are fields of records.
fn key() -> impl Strategy<Value = Bytes> {
    let byte = prop::sample::select(vec![0, b'/', b'a', b'b', 0xff]);
    prop::collection::vec(byte, 1..5).prop_map(Bytes::from)
}

fn range() -> impl Strategy<Value = KeyRange> {
    prop_oneof![
        key().prop_map(KeyRange::Single),
        key().prop_map(KeyRange::Prefix),
        key().prop_map(KeyRange::From),
        (key(), key()).prop_map(|(start, end)| KeyRange::Between { start, end }),
        Just(KeyRange::all()),
    ]
}

/// A read as of the newest revision.
pub(crate) fn request() -> impl Strategy<Value = RangeRequest> {
    let limit = prop::option::of(0..20usize);
    let shape = (any::<bool>(), any::<bool>(), sort(), filter());
    (range(), limit, shape).prop_map(|(range, limit, (keys_only, count_only, sort, filter))| {
        RangeRequest { range, limit, at: None, keys_only, count_only, sort, filter }
    })
}

fn sort() -> impl Strategy<Value = Sort> {
    let by = prop_oneof![
        4 => Just(SortBy::Key),
        1 => Just(SortBy::Version),
        1 => Just(SortBy::CreateRevision),
        1 => Just(SortBy::ModRevision),
        1 => Just(SortBy::Value),
    ];
    (by, prop::bool::weighted(0.3)).prop_map(|(by, descending)| Sort { by, descending })
}

fn filter() -> impl Strategy<Value = Filter> {
    let bound = || prop_oneof![6 => Just(0u64), 1 => 1u64..40].prop_map(Revision);
    (bound(), bound(), bound(), bound()).prop_map(|(a, b, c, d)| Filter {
        min_mod_revision: a,
        max_mod_revision: b,
        min_create_revision: c,
        max_create_revision: d,
    })
}

/// One that a gateway would let in.
pub(crate) fn txn() -> impl Strategy<Value = Txn> {
    let flat = |inner: BoxedStrategy<TxnOp>| {
        let ops = || prop::collection::vec(inner.clone(), 0..4);
        let compares = prop::collection::vec(compare(), 0..3);
        (compares, ops(), ops()).prop_map(|(compares, success, failure)| Txn {
            compares,
            success,
            failure,
        })
    };
    let nested = flat(txn_op().boxed()).prop_map(TxnOp::Txn);
    let op = prop_oneof![5 => txn_op(), 1 => nested];
    let admitted = |txn: &Txn| txn.validate(&Limits::default()).is_ok();
    flat(op.boxed()).prop_filter("a key is put once and not deleted too", admitted)
}

/// One that holds no transaction.
fn txn_op() -> impl Strategy<Value = TxnOp> {
    let value = prop::sample::select(vec!["", "v", "long value"]);
    let put = (key(), value, any::<bool>(), prop::bool::weighted(0.1), lifetime());
    let at = prop::option::weighted(0.1, (0u64..30).prop_map(Revision));
    prop_oneof![
        3 => put.prop_map(|(key, value, prev_kv, ignore_value, lifetime)| {
            let value = if ignore_value { Bytes::new() } else { value.into() };
            TxnOp::Put(Put { key, value, prev_kv, ignore_value, lifetime })
        }),
        1 => (range(), any::<bool>())
            .prop_map(|(range, prev_kv)| TxnOp::Delete { range, prev_kv }),
        2 => (request(), at).prop_map(|(request, at)| TxnOp::Range(RangeRequest { at, ..request })),
    ]
}

/// One of few leases, so that they meet; no entry of a log has such an index.
fn lease() -> impl Strategy<Value = LeaseId> {
    prop::sample::select(vec![-3_000_001, 3_000_000]).prop_map(LeaseId)
}

fn lifetime() -> impl Strategy<Value = PutLifetime> {
    prop_oneof![
        5 => Just(PutLifetime::Unbounded),
        3 => lease().prop_map(PutLifetime::Lease),
        3 => (1u64..6_000).prop_map(PutLifetime::TtlMs),
        1 => Just(PutLifetime::AsBefore),
    ]
}

fn compare() -> impl Strategy<Value = Compare> {
    let number = -1i64..12;
    let relations = vec![Relation::Equal, Relation::NotEqual, Relation::Less, Relation::Greater];
    let operand = prop_oneof![
        number.clone().prop_map(Operand::Version),
        number.clone().prop_map(Operand::CreateRevision),
        number.clone().prop_map(Operand::ModRevision),
        number.prop_map(Operand::Lease),
        lease().prop_map(|lease| Operand::Lease(lease.0)),
        prop::sample::select(vec!["", "v", "fill"]).prop_map(|value| Operand::Value(value.into())),
    ];
    (range(), prop::sample::select(relations), operand)
        .prop_map(|(range, relation, operand)| Compare { range, relation, operand })
}

fn change() -> impl Strategy<Value = Change> {
    let value = prop::option::weighted(0.8, prop::sample::select(vec!["", "v", "long value"]));
    let condition = prop_oneof![
        3 => Just(None),
        1 => Just(Some(Condition::Exists)),
        2 => (0u64..20).prop_map(|revision| Some(Condition::ModRevision(Revision(revision)))),
    ];
    (prop::sample::select(vec!["a", "b"]), value, any::<bool>(), condition).prop_map(
        |(key, value, prev_kv, condition)| {
            let (key, value) = (key.into(), value.map(Bytes::from));
            Change { key, value, prev_kv, condition }
        },
    )
}

fn lease_step() -> impl Strategy<Value = Step> {
    let early_ms = prop_oneof![Just(0), 0u64..3_000];
    prop_oneof![
        4 => (prop_oneof![6 => lease(), 1 => Just(LeaseId::NONE)], 1u64..5)
            .prop_map(|(lease, ttl_s)| Step::Grant { lease, ttl_s }),
        2 => lease().prop_map(Step::Revoke),
        5 => (early_ms, any::<Index>(), any::<bool>())
            .prop_map(|(early_ms, wrong, twice)| Step::Expire { early_ms, wrong, twice }),
    ]
}

/// What needs no session and no key.
fn plain_step() -> impl Strategy<Value = Step> {
    let value = prop::collection::vec(any::<u8>(), 0..4).prop_map(Bytes::from);
    prop_oneof![
        12 => (key(), value, any::<bool>(), lifetime()).prop_map(|(key, value, prev_kv, lifetime)| {
            Step::Put(Put { prev_kv, lifetime, ..Put::new(key, value) })
        }),
        6 => lease_step(),
        2 => (key(), any::<u8>()).prop_map(|(prefix, count)| Step::Fill { prefix, count }),
        4 => (range(), any::<bool>())
            .prop_map(|(range, prev_kv)| Step::Delete { range, prev_kv }),
        1 => key().prop_map(Step::DeleteRecord),
        4 => txn().prop_map(Step::Txn),
        1 => Just(Step::Noop),
    ]
}

fn settings() -> impl Strategy<Value = SettingsChange> {
    (any::<Option<u16>>(), prop::option::of(4_096u64..9_000), any::<bool>()).prop_map(
        |(age_ms, history_bytes, seed)| SettingsChange {
            history_age_ms: age_ms.map(u64::from),
            history_bytes,
            seed,
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let in_session = (any::<Index>(), 1u64..7, any::<Index>(), change());
    prop_oneof![
        8 => plain_step(),
        2 => lease_step(),
        1 => (0u64..60).prop_map(Step::Compact),
        1 => Just(Step::Open),
        1 => any::<Index>().prop_map(Step::Close),
        8 => in_session.prop_map(|(which, seq, acked, change)| Step::InSession {
            which,
            seq,
            acked,
            change
        }),
        4 => (0u8..7, change()).prop_map(|(key, change)| Step::Keyed { key, change }),
        1 => (0u8..7, txn()).prop_map(|(key, txn)| Step::KeyedTxn { key, txn }),
        1 => (0u8..7, 1u64..5).prop_map(|(key, ttl_s)| Step::KeyedGrant { key, ttl_s }),
        1 => Just(Step::Check),
        1 => settings().prop_map(Step::Settings),
    ]
}

/// The log that the steps make; `None` is an entry without a command.
fn log(steps: Vec<Step>) -> Vec<Option<Command>> {
    let mut log = Vec::new();
    // One that never was is among them, so that there always is one to choose.
    let mut opened = vec![SessionId(0)];
    // It only tells what there is to expire: what comes of it is for the model to say.
    let mut store = Store::with_limits(LIMITS);
    for step in steps {
        if matches!(step, Step::Open) {
            opened.push(SessionId(log.len() as u64 + 1));
        }
        for command in commands(step, &opened, &store) {
            apply(&mut store, &entry(log.len() as u64 + 1, command.as_ref()));
            log.push(command);
        }
    }
    log
}

/// Names all leases, and the keys that are due at this age; some of them not as they are.
fn expiry(store: &Store, age_ms: u64, wrong: Index, twice: bool) -> Command {
    let mut leases: Vec<Grant> = store.leases_after(None).map(Lease::grant).collect();
    let mut keys = Vec::new();
    store.due_keys(age_ms, |key, mod_revision| {
        keys.push(DueKey { key: Bytes::copy_from_slice(key), mod_revision });
        true
    });
    if twice {
        leases.extend_from_within(..);
        keys.extend_from_within(..);
    }
    let count = leases.len() + keys.len();
    match wrong.index(count + 1) {
        at if at < leases.len() => leases[at].index += 1,
        at if at < count => keys[at - leases.len()].mod_revision.0 -= 1,
        _ => {}
    }
    Command::Expire { leases, keys }
}

fn commands(step: Step, opened: &[SessionId], store: &Store) -> Vec<Option<Command>> {
    let once = |origin, change: Change| {
        vec![Some(Command::Once { origin, command: Box::new(change.into_command()) })]
    };
    match step {
        Step::Open => vec![Some(Command::OpenSession)],
        Step::Close(which) => vec![Some(Command::CloseSession { session: *which.get(opened) })],
        Step::InSession { which, seq, acked, change } => {
            let acked_below = acked.index(seq as usize + 1) as u64;
            once(Origin::Session { session: *which.get(opened), seq, acked_below }, change)
        }
        Step::Keyed { key, change } => once(Origin::Key(vec![key].into()), change),
        Step::DeleteRecord(record) => vec![Some(Command::DeleteRecord { record })],
        Step::Txn(txn) => vec![Some(Command::Txn(txn))],
        Step::KeyedTxn { key, txn } => {
            let command = Box::new(Command::Txn(txn));
            vec![Some(Command::Once { origin: Origin::Key(vec![key].into()), command })]
        }
        Step::Compact(revision) => {
            vec![Some(Command::Compact {
                revision: Revision(revision),
                cause: CompactionCause::Asked,
            })]
        }
        Step::Check => vec![Some(Command::Check)],
        Step::Settings(change) => vec![Some(Command::ChangeSettings(change))],
        Step::Put(put) => vec![Some(put.into())],
        Step::Grant { lease, ttl_s } => vec![Some(Command::LeaseGrant { lease, ttl_s })],
        Step::KeyedGrant { key, ttl_s } => {
            let command = Box::new(Command::LeaseGrant { lease: LeaseId::NONE, ttl_s });
            vec![Some(Command::Once { origin: Origin::Key(vec![key].into()), command })]
        }
        Step::Revoke(lease) => vec![Some(Command::LeaseRevoke { lease })],
        Step::Expire { early_ms, wrong, twice } => {
            let age_ms = entry(store.applied_index() + 1, None).age_ms + early_ms;
            vec![Some(expiry(store, age_ms, wrong, twice))]
        }
        Step::Fill { prefix, count } => (0..count)
            .map(|number| [prefix.as_ref(), &[number]].concat().into())
            .map(|key: Bytes| Some(Put::new(key, "fill").into()))
            .collect(),
        Step::Delete { range, prev_kv } => {
            vec![Some(Command::Delete { range, prev_kv, condition: None })]
        }
        Step::Noop => vec![None],
    }
}

pub(crate) fn logs() -> impl Strategy<Value = Vec<Option<Command>>> {
    prop::collection::vec(step(), 1..100).prop_map(log)
}

pub(crate) fn plain_logs() -> impl Strategy<Value = Vec<Option<Command>>> {
    prop::collection::vec(plain_step(), 1..60).prop_map(log)
}
