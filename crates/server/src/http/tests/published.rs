//! What `docs/http.md` promises is what the code does.

use crate::admission::CLIENTS_MAX;
use crate::http::error::Code;
use crate::http::leaders_page::WAITING_MAX;
use crate::http::serve::{RESET_UNSEEN_MAX, WINDOW_BYTES};
use crate::http::{Limits, body, list, query, wire};
use crate::node::{WAIT_MAX, WAITING_MIN};

const PAGE: &str = include_str!("../../../../../docs/http.md");

#[test]
fn every_code_is_published_with_its_status() {
    let table =
        Code::ALL.iter().map(|code| code.row()).map(|(code, status)| (code, status.as_u16()));
    for (code, status) in table.chain(wire::REFUSALS_PUBLISHED) {
        assert!(PAGE.contains(&format!("| `{code}` | {status} | ")), "{code} {status}");
    }
    let rows = PAGE
        .lines()
        .filter(|line| line.starts_with("| `") && line.contains("` | "))
        .filter(|line| line.split(" | ").nth(1).is_some_and(|cell| cell.parse::<u16>().is_ok()));
    assert_eq!(rows.count(), Code::ALL.len() + wire::REFUSALS_PUBLISHED.len());
}

#[test]
fn every_limit_is_published() {
    let limits = Limits::default();
    let store = store::Limits::default();
    for (name, limit) in [
        ("key", store.key_bytes_max),
        ("key and value, encoded", store.request_bytes_max),
        ("body", body::BODY_BYTES_MAX),
        ("request line and headers", limits.header_bytes_max),
        ("connections", limits.connections_max),
        ("requests at once on an HTTP/2 connection", limits.streams_max as usize),
        ("requests begun and reset on one before the member has seen them", RESET_UNSEEN_MAX),
        ("bytes of bodies that were sent on one and not looked at yet", WINDOW_BYTES as usize),
        ("answers that wait to be taken, of all clients, in bytes", limits.untaken_bytes_max),
        ("bodies of requests that are being read, of all clients, in bytes", limits.read_bytes_max),
        ("changes of members that a follower hands on at once", crate::ask::ASKS_MAX),
        ("requests for `/cluster/status` that wait for the leader's word", WAITING_MAX),
        ("watches of a member", replica::WATCHERS_MAX),
        ("watches of a connection", crate::watch::WATCHERS_PER_CONNECTION_MAX),
        ("requests that wait for a member's answer", WAITING_MIN),
        ("clients that are told apart", CLIENTS_MAX),
        ("page", list::LIMIT_MAX as usize),
    ] {
        let shown = with_commas(limit);
        assert!(PAGE.contains(&format!("| {name} | {shown}")), "{name}: {shown}");
    }
    assert_eq!(limits.body_timeout.as_secs(), 10);
    assert_eq!(limits.header_timeout.as_secs(), 60);
    assert_eq!(WAIT_MAX.as_millis(), 250);
    assert_eq!((limits.headers_max, list::PAGE_BYTES_MAX), (100, 4 << 20));
    assert_eq!((query::TIMEOUT_MS_DEFAULT, query::TIMEOUT_MS_MAX), (5_000, 60_000));
    assert_eq!(list::LIMIT_DEFAULT, 100);
}

fn with_commas(number: usize) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy);
    groups.collect::<Vec<_>>().join(",")
}
