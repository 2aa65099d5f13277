//! `/v3/…`: the services of gRPC as JSON, over HTTP/1.1.
//!
//! Bodies are objects of the fields that the messages have, nested as the input decides: a field
//! may have a value that is another's.

use std::net::SocketAddr;

use crate::Verdict;
use crate::doors::{Doors, Heard, wire};
use crate::http_door::{request, request_text, seed, word};
use crate::input::Input;

static DOORS: Doors = Doors::new();

/// Requests that are made on one connection.
const REQUESTS_MAX: usize = 3;

/// Fields of one object, and objects within each other.
const FIELDS_MAX: usize = 5;
const DEPTH_MAX: usize = 12;

#[rustfmt::skip] // a table reads in rows
const PATHS: [&str; 56] = [
    "/v3/kv/range", "/v3/kv/put", "/v3/kv/deleterange", "/v3/kv/txn", "/v3/kv/compaction",
    "/v3/lease/grant", "/v3/lease/revoke", "/v3/kv/lease/revoke", "/v3/lease/timetolive",
    "/v3/kv/lease/timetolive", "/v3/lease/leases", "/v3/kv/lease/leases", "/v3/lease/keepalive",
    "/v3/watch", "/v3/cluster/member/add", "/v3/cluster/member/remove",
    "/v3/cluster/member/update", "/v3/cluster/member/list", "/v3/cluster/member/promote",
    "/v3/maintenance/alarm", "/v3/maintenance/status", "/v3/maintenance/defragment",
    "/v3/maintenance/hash", "/v3/maintenance/hashkv", "/v3/maintenance/snapshot",
    "/v3/maintenance/transfer-leadership", "/v3/maintenance/downgrade", "/v3/auth/enable",
    "/v3/auth/disable", "/v3/auth/status", "/v3/auth/authenticate", "/v3/auth/user/add",
    "/v3/auth/user/get", "/v3/auth/user/list", "/v3/auth/user/delete", "/v3/auth/user/changepw",
    "/v3/auth/user/grant", "/v3/auth/user/revoke", "/v3/auth/role/add", "/v3/auth/role/get",
    "/v3/auth/role/list", "/v3/auth/role/delete", "/v3/auth/role/grant", "/v3/auth/role/revoke",
    "/v3/election/campaign", "/v3/election/proclaim", "/v3/election/leader",
    "/v3/election/observe", "/v3/election/resign", "/v3/lock/lock", "/v3/lock/unlock",
    "/v3/kv/range/", "/v3//kv/range", "/v3/", "/v3alpha/kv/range", "/v3/KV/Range",
];

#[rustfmt::skip] // a table reads in rows
const FIELDS: [&str; 48] = [
    "key", "range_end", "rangeEnd", "value", "lease", "limit", "revision", "sort_order",
    "sort_target", "serializable", "keys_only", "count_only", "min_mod_revision", "prev_kv",
    "ignore_value", "ignore_lease", "compare", "success", "failure", "result", "target", "version",
    "create_revision", "mod_revision", "request_range", "request_put", "request_delete_range",
    "request_txn", "physical", "TTL", "ID", "keys", "peerURLs", "isLearner", "linearizable",
    "action", "memberID", "alarm", "targetID", "name", "password", "perm", "permType", "role",
    "leader", "rev", "create_request", "cancel_request",
];

#[rustfmt::skip] // a table reads in rows
const SCALARS: [&str; 32] = [
    "\"YQ==\"", "\"Yg==\"", "\"AA==\"", "\"\"", "\"a\"", "\"YQ\"", "\"YQ=\"", "\"_-8=\"", "0", "1",
    "-1", "\"1\"", "\"-1\"", "\"9223372036854775807\"", "\"9223372036854775808\"", "1e400", "1.5",
    "\"1e2\"", "true", "false", "null", "\"EQUAL\"", "\"VERSION\"", "\"VALUE\"", "\"DESCEND\"",
    "\"KEY\"", "\"READWRITE\"", "\"ACTIVATE\"", "\"NOSPACE\"", "[]", "{}",
    "[\"http://localhost:1\"]",
];

/// Bodies that are sound, each with its path.
#[rustfmt::skip] // a table reads in rows
const SOUND: [(&str, &str); 12] = [
    ("/v3/kv/put", r#"{"key":"YQ==","value":"dg==","prev_kv":true}"#),
    ("/v3/kv/range", r#"{"key":"YQ==","range_end":"AA==","limit":"3","sort_order":"DESCEND"}"#),
    ("/v3/kv/deleterange", r#"{"key":"YQ==","prev_kv":true}"#),
    (
        "/v3/kv/txn",
        concat!(
            r#"{"compare":[{"key":"YQ==","target":"VERSION","result":"GREATER","version":"0"}],"#,
            r#""success":[{"request_put":{"key":"YQ==","value":"dw=="}}],"#,
            r#""failure":[{"request_range":{"key":"YQ=="}}]}"#
        ),
    ),
    ("/v3/lease/grant", r#"{"TTL":"60","ID":"7"}"#),
    ("/v3/lease/timetolive", r#"{"ID":"7","keys":true}"#),
    ("/v3/lease/keepalive", r#"{"ID":"7"}"#),
    ("/v3/watch", r#"{"create_request":{"key":"YQ==","start_revision":"1"}}"#),
    ("/v3/maintenance/status", "{}"),
    ("/v3/cluster/member/list", "{}"),
    ("/v3/auth/authenticate", r#"{"name":"a","password":"b"}"#),
    ("/v3/auth/role/grant", r#"{"name":"r","perm":{"permType":"READ","key":"YQ=="}}"#),
];

pub(crate) fn run(bytes: &[u8]) -> Verdict {
    DOORS.run(bytes, client)
}

fn client(address: SocketAddr, input: &mut Input<'_>) -> Heard {
    let is_made = input.chance(2);
    let step = 1 + input.short() as usize;
    let sent = if is_made { requests(input) } else { input.rest().to_vec() };
    wire::judged(wire::exchange(address, sent.chunks(step)))
}

fn requests(input: &mut Input<'_>) -> Vec<u8> {
    let mut sent = Vec::new();
    for number in (0..=input.below(REQUESTS_MAX)).rev() {
        let (path, body) = if input.chance(2) {
            (word(input, &PATHS), object(input, DEPTH_MAX).into_bytes())
        } else {
            let (path, body) = SOUND[input.below(SOUND.len())];
            (path.as_bytes().to_vec(), word(input, &[body]))
        };
        sent.extend(request(input, [b"POST", &path, &body], number == 0));
    }
    sent
}

/// An object; what it is to hold, and is not there any more, is nothing.
pub(crate) fn object(input: &mut Input<'_>, depth: usize) -> String {
    let mut fields = Vec::new();
    for _ in 0..input.below(FIELDS_MAX) {
        let name = FIELDS[input.below(FIELDS.len())];
        let value = match input.below(4) {
            0 if depth > 0 => object(input, depth - 1),
            1 if depth > 0 => format!("[{}]", object(input, depth - 1)),
            _ => String::from_utf8_lossy(&word(input, &SCALARS)).into_owned(),
        };
        fields.push(format!("\"{name}\":{value}"));
    }
    format!("{{{}}}", fields.join(","))
}

/// The sound ones, as they come, to either member.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let text =
        |(path, body): &(&str, &str)| request_text(&format!("POST {path} HTTP/1.1"), "", body);
    let each = SOUND.iter().map(text);
    each.flat_map(|text| [0, 1].map(|access| seed(access, text.as_bytes()))).collect()
}
