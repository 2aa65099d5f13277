//! Reading many keys: every order, filter and limit.

use compat::ask::Ask;
use compat::words::{a_range, delete, put, range};
use proto::etcd::etcdserverpb::RangeRequest;
use proto::etcd::etcdserverpb::range_request::{SortOrder, SortTarget};

const KEYS: [&str; 8] = ["r/a", "r/ab", "r/b", "r/b\0", "r/c", "r/d", "r/e", "r/f"];

pub(crate) fn script() -> Vec<Ask> {
    let mut asks = vec![delete("r/", "r0")];
    // Values, versions and revisions each in an order of their own.
    // (Those that are equal in an order stand in etcd's answers as its sorting left them.)
    let order = [5, 2, 7, 0, 3, 6, 1, 4];
    asks.extend(KEYS.iter().rev().map(|key| put(*key, "first")));
    asks.extend([delete("r/e", ""), put("r/e", "reborn")]);
    for (writes, number) in (1..).zip(order) {
        let value = |round| format!("{}", (number * 3 + round) % 8);
        asks.extend((0..writes).map(|round| put(KEYS[number], value(round))));
    }
    asks.extend((0..KEYS.len()).map(|number| put(KEYS[number], format!("{}", (number * 3) % 8))));
    asks.extend(stretches());
    asks.extend(orders());
    asks.extend(filters());
    asks.extend([delete("r/c", ""), range("r/", "r0")]);
    asks
}

fn all() -> RangeRequest {
    a_range("r/", "r0")
}

fn stretches() -> Vec<Ask> {
    let ends = ["", "\0", "r/", "r/a", "r/b", "r/b\0", "r/c", "r0", "s"];
    let keys = ["r/", "r/a", "r/b", "r/z"];
    let both = keys.iter().flat_map(|key| ends.iter().map(|end| range(*key, *end)));
    let mut asks: Vec<Ask> = both.collect();
    for limit in [-1, 0, 1, 2, 7, 8, 9] {
        asks.push(Ask::Range(RangeRequest { limit, ..all() }));
        asks.push(Ask::Range(RangeRequest { limit, count_only: true, ..all() }));
        asks.push(Ask::Range(RangeRequest { limit, keys_only: true, ..all() }));
    }
    asks
}

fn orders() -> Vec<Ask> {
    let orders = [SortOrder::None, SortOrder::Ascend, SortOrder::Descend];
    let targets = [
        SortTarget::Key,
        SortTarget::Version,
        SortTarget::Create,
        SortTarget::Mod,
        SortTarget::Value,
    ];
    let mut asks = Vec::new();
    for sort_order in orders.map(i32::from) {
        for sort_target in targets.map(i32::from) {
            let unordered = sort_order == 0 && sort_target != 0;
            // Without an order etcd takes the first keys, and sorts those.
            for limit in if unordered { vec![0] } else { vec![0, 3] } {
                asks.push(Ask::Range(RangeRequest { sort_order, sort_target, limit, ..all() }));
            }
            let limit = if unordered { 0 } else { 2 };
            asks.push(Ask::Range(RangeRequest {
                sort_order,
                sort_target,
                keys_only: true,
                limit,
                ..all()
            }));
        }
    }
    // An unknown target ends etcd 3.5 with a nil pointer, so that one is not asked.
    asks.push(Ask::Range(RangeRequest { sort_order: 9, ..all() }));
    asks
}

fn filters() -> Vec<Ask> {
    // Whatever revision the script is at, bounds around it are met.
    let bounds = [-1, 1, 30, 60, 80, 1 << 40];
    let mut asks = Vec::new();
    for bound in bounds {
        asks.push(Ask::Range(RangeRequest { min_mod_revision: bound, ..all() }));
        asks.push(Ask::Range(RangeRequest { max_mod_revision: bound, ..all() }));
        asks.push(Ask::Range(RangeRequest { min_create_revision: bound, ..all() }));
        asks.push(Ask::Range(RangeRequest { max_create_revision: bound, limit: 2, ..all() }));
        asks.push(Ask::Range(RangeRequest { min_mod_revision: bound, count_only: true, ..all() }));
    }
    asks
}
