//! Transactions: what they compare, what they do, and what none may do.

use compat::ask::Ask;
use compat::words::{
    a_delete, a_put, a_range, compare, delete, get, grant, op, put, range, revoke, txn,
};
use proto::etcd::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use proto::etcd::etcdserverpb::{
    Compare, LeaseGrantRequest, PutRequest, RangeRequest, RequestOp, TxnRequest,
};

pub(crate) fn script() -> Vec<Ask> {
    let mut asks = vec![
        Ask::Grant(LeaseGrantRequest { id: 80, ttl: 100 }),
        put("t/a", "m"),
        put("t/a", "n"),
        Ask::Put(PutRequest { lease: 80, ..a_put("t/b", "leased") }),
    ];
    asks.extend(compares());
    asks.extend(of_ranges());
    asks.extend(operations());
    asks.extend(nested());
    asks.extend(refused());
    asks.extend([delete("t/", "t0"), revoke(80)]);
    asks
}

/// Tells which branch was taken.
fn asked(compares: Vec<Compare>) -> Ask {
    txn(compares, vec![op(get("t/a"))], vec![op(get("t/b"))])
}

fn compares() -> Vec<Ask> {
    let operands = [
        TargetUnion::Version(0),
        TargetUnion::Version(2),
        TargetUnion::Version(-1),
        TargetUnion::CreateRevision(0),
        TargetUnion::CreateRevision(1 << 40),
        TargetUnion::ModRevision(0),
        TargetUnion::ModRevision(1 << 40),
        TargetUnion::Value("n".into()),
        TargetUnion::Value("".into()),
        TargetUnion::Lease(0),
        TargetUnion::Lease(80),
    ];
    let results = [
        CompareResult::Equal,
        CompareResult::NotEqual,
        CompareResult::Greater,
        CompareResult::Less,
    ];
    let mut asks = Vec::new();
    for key in ["t/a", "t/b", "t/none"] {
        for operand in &operands {
            asks.extend(results.map(|result| asked(vec![compare(key, result, operand.clone())])));
        }
    }
    let bare = |target: CompareTarget| Compare {
        key: "t/a".into(),
        target: target.into(),
        ..Compare::default()
    };
    asks.push(asked(vec![bare(CompareTarget::Version)]));
    asks.push(asked(vec![bare(CompareTarget::Value)]));
    let crossed =
        Compare { target_union: Some(TargetUnion::Value("x".into())), ..bare(CompareTarget::Mod) };
    asks.push(asked(vec![crossed]));
    asks
}

fn of_ranges() -> Vec<Ask> {
    let over = |end: &'static str, compare: Compare| {
        asked(vec![Compare { range_end: end.into(), ..compare }])
    };
    let version = |number| compare("t/", CompareResult::Greater, TargetUnion::Version(number));
    let unlike = compare("t/", CompareResult::NotEqual, TargetUnion::Value("m".into()));
    let nothing = compare("t/x", CompareResult::Equal, TargetUnion::Version(0));
    let nothing_value = compare("t/x", CompareResult::NotEqual, TargetUnion::Value("".into()));
    vec![
        over("t0", version(0)),
        over("t0", version(1)),
        over("\0", version(0)),
        over("t0", unlike),
        over("t/y", nothing.clone()),
        over("t/y", nothing_value),
        over("a", nothing),
    ]
}

fn operations() -> Vec<Ask> {
    let first = || vec![compare("t/a", CompareResult::Greater, TargetUnion::Version(0))];
    let with_prev =
        |key: &'static str| op(Ask::Put(PutRequest { prev_kv: true, ..a_put(key, "new") }));
    let mut deletes = a_delete("t/", "t0");
    deletes.prev_kv = true;
    let at = |revision| op(Ask::Range(RangeRequest { revision, ..a_range("t/a", "") }));
    vec![
        txn(first(), vec![op(put("t/c", "1")), op(get("t/c")), op(range("t/", "t0"))], vec![]),
        txn(first(), vec![op(get("t/d")), op(put("t/d", "2")), with_prev("t/e")], vec![]),
        txn(first(), vec![with_prev("t/c"), op(put("t/f", "3")), op(delete("t/d", ""))], vec![]),
        txn(first(), vec![op(delete("t/none", "")), op(get("t/a"))], vec![]),
        txn(vec![], vec![op(delete("t/c", "t/d")), op(delete("t/c", "t/e"))], vec![]),
        txn(first(), vec![], vec![op(put("t/z", "never"))]),
        txn(first(), vec![at(2), at(3), at(0)], vec![]),
        txn(first(), vec![op(put("t/g", "x")), at(1 << 40)], vec![]),
        txn(first(), vec![op(put("t/g", "x")), at(-1)], vec![]),
        get("t/g"),
        txn(first(), vec![at(1 << 40)], vec![]),
        txn(first(), vec![op(Ask::Delete(deletes)), op(range("t/", "t0"))], vec![]),
        range("t/", "t0"),
        put("t/a", "back"),
        put("t/a", "back"),
        grant(81, 50),
        txn(
            first(),
            vec![op(Ask::Put(PutRequest { lease: 81, ..a_put("t/l", "leased") }))],
            vec![],
        ),
        txn(
            first(),
            vec![
                op(put("t/m", "x")),
                op(Ask::Put(PutRequest { lease: 82, ..a_put("t/n", "no such lease") })),
            ],
            vec![],
        ),
        txn(
            first(),
            vec![
                op(put("t/m", "x")),
                op(Ask::Put(PutRequest { ignore_value: true, ..a_put("t/none", "") })),
            ],
            vec![],
        ),
        get("t/m"),
        revoke(81),
        get("t/l"),
    ]
}

fn nested() -> Vec<Ask> {
    let holds = || vec![compare("t/a", CompareResult::Greater, TargetUnion::Version(0))];
    let fails = || vec![compare("t/a", CompareResult::Equal, TargetUnion::Version(0))];
    let inner = |compares, key: &'static str| {
        op(txn(compares, vec![op(put(key, "then"))], vec![op(put(key, "else"))]))
    };
    vec![
        txn(holds(), vec![inner(holds(), "t/i"), inner(fails(), "t/j")], vec![]),
        range("t/i", "t/k"),
        txn(holds(), vec![op(txn(vec![], vec![op(get("t/i"))], vec![]))], vec![]),
        txn(
            vec![],
            vec![op(txn(
                vec![],
                vec![op(txn(vec![], vec![inner(holds(), "t/k")], vec![]))],
                vec![],
            ))],
            vec![],
        ),
        txn(vec![], vec![inner(holds(), "t/i"), op(put("t/i", "twice"))], vec![]),
        txn(vec![], vec![inner(holds(), "t/i"), op(delete("t/", "t0"))], vec![]),
        txn(vec![], vec![inner(holds(), "t/i")], vec![inner(holds(), "t/i")]),
        // What is compared within is the state before all of it.
        txn(
            vec![],
            vec![
                op(put("t/q", "1")),
                op(txn(
                    vec![compare("t/q", CompareResult::Equal, TargetUnion::Version(0))],
                    vec![op(put("t/r", "before"))],
                    vec![op(put("t/r", "after"))],
                )),
            ],
            vec![],
        ),
        get("t/r"),
    ]
}

fn refused() -> Vec<Ask> {
    let gets = |count: usize| (0..count).map(|_| op(get("t/a"))).collect::<Vec<RequestOp>>();
    let puts = |count: usize| {
        (0..count).map(|number| op(put(format!("t/p{number}"), "v"))).collect::<Vec<RequestOp>>()
    };
    let compares = |count: usize| {
        let one = || compare("t/a", CompareResult::Equal, TargetUnion::Version(0));
        (0..count).map(|_| one()).collect::<Vec<Compare>>()
    };
    vec![
        txn(vec![], gets(128), vec![]),
        txn(vec![], gets(129), vec![]),
        txn(vec![], puts(128), vec![]),
        txn(vec![], puts(129), vec![]),
        txn(vec![], vec![], gets(129)),
        txn(compares(129), vec![], vec![]),
        txn(vec![], vec![op(txn(vec![], gets(127), vec![]))], vec![]),
        txn(vec![], vec![op(txn(vec![], gets(128), vec![]))], vec![]),
        txn(vec![], vec![op(put("t/x", "1")), op(put("t/x", "2"))], vec![]),
        txn(vec![], vec![op(put("t/x", "1")), op(delete("t/x", ""))], vec![]),
        txn(vec![], vec![op(delete("t/", "t0")), op(put("t/x", "1"))], vec![]),
        txn(vec![], vec![op(put("t/x", "1"))], vec![op(put("t/x", "2"))]),
        txn(vec![], vec![op(put("", "1"))], vec![]),
        txn(vec![], vec![op(get(""))], vec![]),
        txn(vec![], vec![], vec![op(delete("", ""))]),
        txn(vec![], vec![RequestOp { request: None }], vec![]),
        txn(vec![Compare::default()], vec![], vec![]),
        txn(
            vec![],
            vec![op(Ask::Put(PutRequest { ignore_value: true, ..a_put("t/x", "given") }))],
            vec![],
        ),
        txn(
            vec![],
            vec![op(Ask::Put(PutRequest { ignore_lease: true, lease: 80, ..a_put("t/x", "1") }))],
            vec![],
        ),
        Ask::Txn(TxnRequest::default()),
        range("t/", "t0"),
    ]
}
