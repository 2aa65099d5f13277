//! Bad input at the door of a real member: each is refused with a typed reason, and none of it
//! hurts. The refusals are those of docs/http.md; the crate `server` has more tests of each, and
//! this is one pass over all of them through real sockets.

use std::io::{BufReader, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::thread;

use system_tests::cluster::Cluster;
use system_tests::http::{self, Http};
use system_tests::ledger::Ledger;

/// The cluster serves as if nothing had happened, and holds what was written and nothing else.
fn check_unharmed(cluster: &Cluster, mut ledger: Ledger) {
    for number in cluster.numbers() {
        let (mut http, key) = (cluster.http(number), format!("after/{number}"));
        ledger.write_done(&mut http, &key, "unharmed");
        assert_eq!(http.get(&format!("/kv/{key}")).json()["value"], "unharmed");
        assert_eq!(http.get("/livez").status, 200);
    }
    ledger.check(cluster);
}

/// A request with this method, target, headers and body, and its length.
fn request(line: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    let host = if headers.contains("Host:") { "" } else { "Host: localhost\r\n" };
    let head = format!("{line} HTTP/1.1\r\n{host}{headers}Content-Length: {length}\r\n\r\n");
    [head.as_bytes(), body.as_bytes()].concat()
}

/// What is sent, what is answered.
struct Case {
    name: &'static str,
    request: Vec<u8>,
    status: u16,
    code: &'static str,
}

fn case(name: &'static str, request: Vec<u8>, status: u16, code: &'static str) -> Case {
    Case { name, request, status, code }
}

/// A body that is no JSON object with a value.
fn bad_bodies() -> Vec<Case> {
    let put = |body| request("PUT /kv/k", "", body);
    vec![
        case("broken JSON", put(r#"{"value": "#), 400, "malformed_json"),
        case("JSON that is no object", put("[]"), 400, "malformed_json"),
        case("a field twice", put(r#"{"value":"a","value":"b"}"#), 400, "malformed_json"),
        case("no body", put(""), 400, "malformed_json"),
        case("a missing value", put("{}"), 400, "missing_value"),
        case("a number for a value", put(r#"{"value": 5}"#), 400, "value_not_string"),
        case("null for a value", put(r#"{"value": null}"#), 400, "value_not_string"),
        case("a field nobody knows", put(r#"{"value":"v","tll":5}"#), 400, "unknown_field"),
        case("a life of no time", put(r#"{"value":"v","ttl":0}"#), 400, "bad_ttl"),
        case("broken base64", put(r#"{"value_base64":"?"}"#), 400, "bad_base64"),
    ]
}

/// A key, a path, a parameter that can not be.
fn bad_targets() -> Vec<Case> {
    let get = |target: &str| request(&format!("GET {target}"), "", "");
    let long = "k".repeat(65_536);
    vec![
        case("an empty key", request("PUT /kv/", "", r#"{"value":"v"}"#), 400, "empty_key"),
        case("a key over 64 KiB", get(&format!("/kv/{long}")), 414, "uri_too_long"),
        case("half an escape", get("/kv/%2"), 400, "bad_escape"),
        case("an escape of no digits", get("/kv/%zz"), 400, "bad_escape"),
        case("an unknown path", get("/nothing/here"), 404, "unknown_path"),
        case("a wrong method", request("POST /kv/k", "", "{}"), 405, "method_not_allowed"),
        case("an unknown method", request("FROB /kv/k", "", ""), 405, "method_not_allowed"),
        case("an unknown parameter", get("/kv/k?consistancy=stale"), 400, "bad_parameter"),
        case("a revision of no digits", get("/kv/k?revision=new"), 400, "bad_parameter"),
        case("a revision to come", get("/kv/k?revision=999999"), 400, "future_revision"),
        case("a cursor of nobody", get("/kv?after=xyz"), 400, "bad_cursor"),
        case("a member of nobody", request("POST /cluster/transfer", "", r#"{"to":"x"}"#), 404, {
            "unknown_member"
        }),
    ]
}

/// Headers that make a request one that a browser was tricked into, or none at all.
fn bad_headers() -> Vec<Case> {
    let with = |headers| request("GET /kv/k", headers, "");
    let put = |headers| request("PUT /kv/k", headers, r#"{"value":"v"}"#);
    vec![
        case("a foreign Origin", put("Origin: https://evil.example\r\n"), 403, "forbidden_origin"),
        case("an Origin of no page", put("Origin: null\r\n"), 403, "forbidden_origin"),
        case("a foreign Host", with("Host: evil.example\r\n"), 403, "forbidden_host"),
        case("an image", put("Content-Type: image/png\r\n"), 415, "unsupported_media_type"),
        case("a condition that is none", put("If-Match: \"a\"\r\n"), 400, "bad_header"),
        case("a session that is none", put("Raftkv-Session: 1;2\r\n"), 400, "bad_header"),
        case("a key of no bytes", put("Idempotency-Key:\r\n"), 400, "bad_header"),
        case("an odd header of ours", put("Raftkv-Forward: maybe\r\n"), 400, "bad_header"),
        case("too many headers", with(&"X: y\r\n".repeat(200)), 431, "headers_too_large"),
    ]
}

/// More than the limits, but not so much that it is not read.
fn too_much() -> Vec<Case> {
    let raw = "Content-Type: application/octet-stream\r\n";
    let value = "v".repeat(1_600_000);
    let body = "v".repeat(3_200_000);
    vec![
        case("a value over the limit", request("PUT /kv/k", raw, &value), 413, "value_too_large"),
        case("a body over the limit", request("PUT /kv/k", raw, &body), 413, "body_too_large"),
    ]
}

#[test]
fn every_kind_of_bad_request_is_refused_by_name() {
    let cluster = Cluster::start(3);
    let cases = [bad_bodies(), bad_targets(), bad_headers(), too_much()];
    for (number, case) in cases.into_iter().flatten().enumerate() {
        let Case { name, request, status, code } = case;
        // A connection each: some refusals end it.
        let answer = cluster.http(number % 3).send(&request).unwrap();
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{name}: {answer:?}");
        let message = answer.json()["message"].as_str().unwrap_or_default().to_owned();
        assert!(message.len() > 10, "{name} says what to do: {message:?}");
    }
    check_unharmed(&cluster, Ledger::default());
}

#[test]
fn the_longest_key_is_taken_and_a_longer_one_refused() {
    let cluster = Cluster::start(1);
    let mut http = cluster.http(0);
    let escaped = |length: usize| format!("/kv/{}", "%6b".repeat(length));
    let answer = http.request("PUT", &escaped(20_000), r#"{"value":"v"}"#).unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer = http.request("PUT", &escaped(22_000), r#"{"value":"v"}"#).unwrap();
    assert_eq!((answer.status, answer.code().as_str()), (414, "uri_too_long"));
}

#[test]
fn a_body_that_never_ends_is_cut_off() {
    let cluster = Cluster::start(1);
    let port = cluster.ports()[0];
    let head = "PUT /kv/k HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";

    // One that goes on and on: the limit ends it, and the member closes the connection.
    let mut stream = http::connect(port).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    let mut writer = stream.try_clone().unwrap();
    let sending = thread::spawn(move || {
        let chunk = format!("{:x}\r\n{}\r\n", 65_536, "x".repeat(65_536));
        let mut writes = std::iter::repeat_with(|| writer.write_all(chunk.as_bytes()));
        writes.find_map(Result::err).expect("it writes until it fails").kind()
    });
    let answer = http::read_answer(&mut BufReader::new(&stream)).unwrap();
    assert_eq!((answer.status, answer.code().as_str()), (413, "body_too_large"));
    let end = sending.join().unwrap();
    assert!(matches!(end, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{end}");

    // One that stands still: the time for a body ends it.
    let mut stalled = Http::new(port);
    let answer = stalled.send(head.as_bytes()).unwrap();
    assert_eq!((answer.status, answer.code().as_str()), (408, "body_timeout"));

    // One that breaks off.
    let mut broken = http::connect(port).unwrap();
    broken.write_all(&request("PUT /kv/k", "", "{}")[..60]).unwrap();
    broken.shutdown(Shutdown::Both).unwrap();
    check_unharmed(&cluster, Ledger::default());
}

/// A small generator: the same bytes in every run.
fn random_bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let bytes = (0..length).map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    });
    bytes.collect()
}

#[test]
fn random_bytes_and_other_protocols_end_in_a_refusal() {
    let cluster = Cluster::start(3);
    let others: [&[u8]; 6] = [
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a greeting of TLS",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nand then no frame of HTTP/2 at all",
        b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        &[0; 4_096],
    ];
    let random = (1..60).map(|seed| random_bytes(seed, seed as usize * 67));
    let all = others.iter().map(|bytes| bytes.to_vec()).chain(random);
    for (number, bytes) in all.enumerate() {
        let mut stream = http::connect(cluster.ports()[number % 3]).unwrap();
        // The member may have heard enough before it has all.
        stream.write_all(&bytes).ok();
        stream.shutdown(Shutdown::Write).ok();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok();
        let text = String::from_utf8_lossy(&answer);
        let served = text.starts_with("HTTP/1.1 2");
        assert!(!served, "{bytes:?} was taken for a request: {text}");
    }
    check_unharmed(&cluster, Ledger::default());
}

#[test]
fn a_follower_that_may_not_forward_names_the_leader() {
    let cluster = Cluster::start(3);
    let leader = cluster.leader();
    let follower = cluster.others(leader)[0];
    let put = request("PUT /kv/k", "Raftkv-Forward: never\r\n", r#"{"value":"v"}"#);
    let refused = cluster.http(follower).send(&put).unwrap();
    assert_eq!((refused.status, refused.code().as_str()), (421, "not_leader"), "{refused:?}");
    let address = format!("localhost:{}", cluster.ports()[leader]);
    assert_eq!(refused.header("raftkv-leader"), Some(address.as_str()));
    assert_eq!(cluster.http(leader).send(&put).unwrap().status, 200, "the leader takes it");
    assert_eq!(cluster.http(follower).get("/kv/k").json()["value"], "v");
}
