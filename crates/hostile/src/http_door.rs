//! HTTP/1.1: requests as they come, or made of the words that the door knows.
//!
//! Requests as they come are what is left of the input, cut into pieces. Those that are made have
//! a method, a target, parameters, headers and a body of the tables below, most of the time; any
//! part may be the input's own bytes instead.

use std::net::SocketAddr;

use crate::Verdict;
use crate::doors::{Doors, Heard, wire};
use crate::input::Input;

static DOORS: Doors = Doors::new();

/// Requests that are made on one connection.
const REQUESTS_MAX: usize = 4;

/// Parameters and headers of one request.
const EXTRAS_MAX: usize = 4;

#[rustfmt::skip] // a table reads in rows
const METHODS: [&str; 11] = [
    "GET", "PUT", "POST", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "CONNECT", "get", "PRI",
];

#[rustfmt::skip] // a table reads in rows
const TARGETS: [&str; 65] = [
    "/", "/page/main.js", "/page/..%2f..", "/kv", "/kv/", "/kv/a", "/kv/b%00", "/kv/a%2fb",
    "/kv/%C3%28", "/kv-store", "/history/a", "/history/", "/txn", "/watch", "/events", "/ws",
    "/snapshot", "/compact", "/session", "/session/17-9f3c01aa", "/leases", "/leases/7",
    "/leases/-1/keepalive", "/cluster/status", "/cluster/leader", "/cluster/members",
    "/cluster/members/1", "/cluster/members/1/promote", "/cluster/members/1/replace",
    "/cluster/settings", "/cluster/transfer", "/auth", "/auth/enable", "/auth/disable",
    "/auth/login", "/auth/logout", "/users", "/users/root", "/users/a/password", "/users/a/roles/b",
    "/roles", "/roles/b", "/roles/b/permissions", "/raft/vote", "/raft/append", "/raft/hello",
    "/raft/snapshot", "/raft/events", "/health", "/livez", "/livez/x", "/readyz",
    "/readyz/linearizable_read", "/version", "/metrics", "/v3/kv/range", "/v3/kv/put", "/v3/watch",
    "/etcdserverpb.KV/Range", "//kv/a", "/kv/../users", "/KV/a", "*", "/debug/pprof",
    "http://localhost/kv/a",
];

#[rustfmt::skip] // a table reads in rows
const PARAMETERS: [&str; 24] = [
    "prefix", "from", "to", "after", "limit", "revision", "at", "consistency", "timeout_ms", "key",
    "field", "prev", "lease", "ttl", "keys", "count_only", "keys_only", "raw", "access", "wait",
    "exclude", "serializable", "order", "start_revision",
];

#[rustfmt::skip] // a table reads in rows
const VALUES: [&str; 24] = [
    "", "a", "0", "1", "-1", "7", "true", "false", "stale", "linearizable",
    "18446744073709551615", "18446744073709551616", "9223372036854775807", "1e9", "%00", "%zz",
    "%", "%f0%28", "a%26b=c", "2026-01-01T00:00:00Z", "-5m", "5m", "99999999999999999999h", "*",
];

#[rustfmt::skip] // a table reads in rows
const HEADERS: [&str; 36] = [
    "Host: localhost", "Host: example.org", "Host: a:b:c", "Origin: http://localhost",
    "Origin: http://example.org", "Origin: null", "Content-Type: application/json",
    "Content-Type: application/octet-stream", "Content-Type: application/grpc",
    "Content-Type: application/grpc-web", "Content-Type: text/plain; charset=x",
    "Accept: application/octet-stream", "Accept: text/event-stream", "If-Match: \"1\"",
    "If-Match: *", "If-None-Match: *", "If-Match: W/\"x", "Idempotency-Key: k",
    "Idempotency-Key: ", "Raftkv-Session: 17-9f3c01aa; seq=1", "Raftkv-Session: x",
    "Raftkv-Forward: never", "Last-Event-ID: 3", "Authorization: Basic cm9vdDo=",
    "Authorization: Bearer x.1", "Authorization: x", "Upgrade: websocket", "Upgrade: h2c",
    "Connection: upgrade", "Connection: close", "Transfer-Encoding: chunked",
    "Transfer-Encoding: gzip", "Expect: 100-continue", "TE: trailers",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13",
];

#[rustfmt::skip] // a table reads in rows
const BODIES: [&str; 24] = [
    "", "{}", "null", "[]", r#"{"value":"v"}"#, r#"{"value_base64":"dg=="}"#,
    r#"{"value":"v","ttl":5}"#, r#"{"value":"v","lease":7}"#, r#"{"ttl":60,"id":7}"#,
    r#"{"type":"set","key":"r","field":"f","value":"v"}"#, r#"{"type":"delete","key":"r"}"#,
    concat!(
        r#"{"compare":[{"key":"a","version":0,"op":">"}],"#,
        r#""then":[{"put":{"key":"a","value":"x"}}],"else":[{"get":{"key":"a"}}]}"#
    ),
    r#"{"then":[{"txn":{"then":[{"delete":{"prefix":"a"}}]}}]}"#, r#"{"revision":1}"#,
    r#"{"revision":18446744073709551616}"#, r#"{"address":"localhost:1"}"#, r#"{"with":"9"}"#,
    r#"{"history_age_ms":5}"#, r#"{"history_bytes":-1}"#, r#"{"user":"a","password":"b"}"#,
    r#"{"name":"a","password":"b"}"#, r#"{"name":"a\u0000"}"#, r#"{"key":"YQ=="}"#,
    r#"{"key":"YQ==","value":"dg==","lease":"x"}"#,
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

/// Some requests, the last of which closes the connection.
fn requests(input: &mut Input<'_>) -> Vec<u8> {
    let mut sent = Vec::new();
    for number in (0..=input.below(REQUESTS_MAX)).rev() {
        let method = word(input, &METHODS);
        let target = [word(input, &TARGETS), parameters(input)].concat();
        let body = word(input, &BODIES);
        sent.extend(request(input, [&method, &target, &body], number == 0));
    }
    sent
}

/// One request, perhaps with a body that is longer or shorter than it says.
pub(crate) fn request(
    input: &mut Input<'_>,
    [method, target, body]: [&[u8]; 3],
    is_last: bool,
) -> Vec<u8> {
    let mut request = [method, b" ", target, b" HTTP/1.1\r\nHost: localhost\r\n"].concat();
    for _ in 0..input.below(EXTRAS_MAX) {
        request.extend([word(input, &HEADERS), b"\r\n".to_vec()].concat());
    }
    if is_last {
        request.extend(b"Connection: close\r\n");
    }
    match input.below(8) {
        0 => request.extend(b"\r\n"),
        1 => {
            let said = input.special();
            request.extend(format!("Content-Length: {said}\r\n\r\n").into_bytes());
        }
        2 => {
            let chunk = format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n", body.len());
            request.extend([chunk.as_bytes(), body, b"\r\n0\r\n\r\n"].concat());
            return request;
        }
        _ => request.extend(format!("Content-Length: {}\r\n\r\n", body.len()).into_bytes()),
    }
    request.extend_from_slice(body);
    request
}

fn parameters(input: &mut Input<'_>) -> Vec<u8> {
    let mut query = Vec::new();
    for number in 0..input.below(EXTRAS_MAX) {
        query.push(if number == 0 { b'?' } else { b'&' });
        query.extend([word(input, &PARAMETERS), b"=".to_vec(), word(input, &VALUES)].concat());
    }
    query
}

/// One of these, at times with a byte of it changed; or bytes of the input.
pub(crate) fn word(input: &mut Input<'_>, words: &[&str]) -> Vec<u8> {
    let mut word = words[input.below(words.len())].as_bytes().to_vec();
    match input.below(16) {
        0 => {
            let length = input.below(64);
            word = input.take(length).to_vec();
        }
        1 if !word.is_empty() => {
            let place = input.below(word.len());
            word[place] = input.byte();
        }
        2 => word.extend(input.take(4)),
        _ => {}
    }
    word
}

/// Sound requests, as they come: most go deep, with either member.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let texts = [
        request_text("GET /kv/a HTTP/1.1", "", ""),
        request_text("PUT /kv/a?prev=true HTTP/1.1", "Idempotency-Key: x\r\n", BODIES[4]),
        request_text("DELETE /kv?prefix=a HTTP/1.1", "", ""),
        request_text("GET /kv?prefix=a&limit=2&consistency=stale HTTP/1.1", "", ""),
        request_text("POST /txn HTTP/1.1", "Content-Type: application/json\r\n", BODIES[11]),
        request_text("POST /kv-store HTTP/1.1", "", BODIES[9]),
        request_text("POST /leases HTTP/1.1", "", r#"{"ttl":60}"#),
        request_text("GET /cluster/status HTTP/1.1", "", ""),
        request_text("GET /metrics HTTP/1.1", "", ""),
        request_text("GET /page/main.js HTTP/1.1", "", ""),
        request_text("GET /history/a HTTP/1.1", "", ""),
        request_text("POST /auth/login HTTP/1.1", "", BODIES[19]),
        request_text("POST /auth/logout HTTP/1.1", "Authorization: Bearer abc.7\r\n", ""),
        request_text("PATCH /cluster/settings HTTP/1.1", "", BODIES[17]),
        request_text("POST /session HTTP/1.1", "", ""),
        request_text("GET /watch?prefix=a&start_revision=1 HTTP/1.1", "", ""),
    ];
    let each_member = |text: String| [0, 1].map(|access| seed(access, text.as_bytes()));
    texts.into_iter().flat_map(each_member).collect()
}

/// A sound request that closes the connection.
pub(crate) fn request_text(line: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    let headers = format!("Host: localhost\r\n{headers}Connection: close\r\n");
    format!("{line}\r\n{headers}Content-Length: {length}\r\n\r\n{body}")
}

/// An input that sends these bytes as they are, to one of the two members.
pub(crate) fn seed(access: u8, sent: &[u8]) -> Vec<u8> {
    [&[access, 0, 0xff, 0xff], sent].concat()
}
