//! Connections that break off, stall, flood or speak something else.

use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::Request;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use super::world::{Client, DEADLINE, World, request};
use crate::http::Limits;

fn impatient() -> Limits {
    let soon = Duration::from_millis(100);
    Limits { header_timeout: soon, body_timeout: soon, ..Limits::default() }
}

#[tokio::test]
async fn bytes_that_are_no_http_are_refused_in_words() {
    let world = World::new().await;
    for bytes in [
        &b"hello\r\n\r\n"[..],
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS client hello\r\n\r\n",
        b"GET /kv/k\x00 HTTP/1.1\r\n\r\n        ",
        b"GET  /kv/k HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /kv/k HTTP/9.9\r\nHost: localhost\r\n\r\n",
        b"GET /kv/k HTTP/1.1\r\nHost localhost\r\n\r\n",
        b"PUT /kv/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
        b"PUT /kv/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    ] {
        let mut client = world.connect().await;
        client.send(bytes).await;
        let answer = client.answer().await;
        answer.assert_refused(400, "malformed_request");
        assert_eq!(answer.header("connection"), Some("close"));
        assert_eq!(client.closed().await, b"");
    }
    world.put("k", "still here").await;
}

#[tokio::test]
async fn random_bytes_never_hurt() {
    let world = World::limited(impatient()).await;
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for length in (1..400).step_by(13) {
        let noise: Vec<u8> = (0..length)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 32) as u8
            })
            .collect();
        let mut client = world.connect().await;
        client.send(&noise).await;
        // Refused, or silently waited for and then closed.
        let answer = client.closed().await;
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 400"), "{answer:?}");
    }
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let mut client = world.connect().await;
    client.send(&[&preface[..], &[0xff; 200]].concat()).await;
    client.closed().await;
    world.put("k", "still here").await;
}

#[tokio::test]
async fn a_client_that_stalls_is_let_go() {
    let world = World::limited(impatient()).await;
    for start in
        [&b""[..], b"P", b"PRI * HTTP/2.0\r\n", b"GET /kv/k HTTP/1.1\r\nHost: localhost\r\n"]
    {
        let mut client = world.connect().await;
        client.send(start).await;
        assert_eq!(client.closed().await, b"", "{start:?}");
    }
}

/// The byte at a time of a slow loris: each comes long before the time for the whole is over.
#[tokio::test]
async fn a_client_that_trickles_is_let_go() {
    let world = World::limited(impatient()).await;
    let head = "GET /kv/k HTTP/1.1\r\nHost: localhost\r\nX-Long: ";
    for start in ["", head] {
        let mut client = world.connect().await;
        client.send(start.as_bytes()).await;
        assert_eq!(client.closed_while_sending(b"x").await, b"", "{start:?}");
    }
    let head = "PUT /kv/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n";
    let mut client = world.connect().await;
    client.send(head.as_bytes()).await;
    let answer = String::from_utf8(client.closed_while_sending(b" ").await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

/// Of HTTP/2 a connection may be idle for as long as it answers pings; one that does not is gone,
/// and with it what it has begun and not ended.
#[tokio::test]
async fn a_client_of_http2_that_falls_silent_is_let_go() {
    let world = World::limited(impatient()).await;
    let begin = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    // Headers that go on, of stream 1: END_HEADERS is not set.
    let half_headers = [0, 0, 1, 1, 0, 0, 0, 0, 1, 0x82];
    for said in [&b""[..], &half_headers] {
        let mut client = world.connect().await;
        client.send(&[begin, said].concat()).await;
        client.closed().await;
    }
}

#[tokio::test]
async fn an_idle_connection_is_let_go() {
    let world = World::limited(impatient()).await;
    let mut client = world.connect().await;
    client.send(&request("GET", "/livez", &[], b"")).await;
    assert_eq!(client.answer().await.status, 200);
    assert_eq!(client.closed().await, b"");
}

#[tokio::test]
async fn a_body_that_stalls_is_answered() {
    let world = World::limited(impatient()).await;
    let head = "PUT /kv/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{\"value\":";
    let mut client = world.connect().await;
    client.send(head.as_bytes()).await;
    client.answer().await.assert_refused(408, "body_timeout");
    client.closed().await;
    world.ask("GET", "/kv/k").await.assert_refused(404, "not_found");
}

#[tokio::test]
async fn a_body_that_never_ends_is_answered() {
    let world = World::new().await;
    let head = "PUT /kv/k HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut client = world.connect().await;
    client.send(head.as_bytes()).await;
    let chunk = [&b"10000\r\n"[..], &[b'x'; 0x10000], b"\r\n"].concat();
    for _ in 0..((3 << 20) / 0x10000 + 1) {
        client.send(&chunk).await;
    }
    client.answer().await.assert_refused(413, "body_too_large");
    client.closed().await;
}

#[tokio::test]
async fn a_body_that_breaks_is_answered() {
    let world = World::new().await;
    let head = "PUT /kv/k HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut client = world.connect().await;
    client.send(format!("{head}5\r\nabcdeXX\r\n").as_bytes()).await;
    client.answer().await.assert_refused(400, "incomplete_body");
}

/// A client that sends a long body and stops before its end, and so many bytes are there.
async fn stalled(world: &World, target: &str, bytes: usize) -> Client {
    let mut client = world.connect().await;
    let head = format!("POST {target} HTTP/1.1\r\nHost: localhost\r\n");
    client.send(format!("{head}Content-Length: {}\r\n\r\n", 2 * bytes).as_bytes()).await;
    client.send(&vec![b' '; bytes]).await;
    client
}

#[tokio::test]
async fn bodies_that_are_being_read_have_so_much_memory_and_no_more() {
    let limits = Limits { read_bytes_max: 200 << 10, ..Limits::default() };
    let world = World::limited(limits).await;
    let large = vec![b' '; 100 << 10];
    for target in ["/txn", "/v3/kv/put"] {
        let stalls = stalled(&world, target, 100 << 10).await;
        let deadline = Instant::now() + DEADLINE;
        let answer = loop {
            let answer = world.request("POST", "/txn", &[], &large).await;
            if answer.status == 503 {
                break answer;
            }
            assert!(Instant::now() < deadline, "{target}: a body is not counted");
        };
        answer.assert_refused(503, "overloaded");
        let refused = world.request("POST", "/v3/kv/put", &[], &large).await;
        assert_eq!(refused.json()["message"], "etcdserver: too many requests");
        let mut stream = world.connect().await;
        stream.send(&request("POST", "/v3/lease/keepalive", &[], &large_message())).await;
        stream.head().await;
        let line = String::from_utf8(stream.chunk().await.unwrap()).unwrap();
        assert!(line.contains("etcdserver: too many requests"), "{line}");
        // Short ones are taken all the same.
        world.put("k", "v").await;
        drop(stalls);
        let deadline = Instant::now() + DEADLINE;
        while world.request("POST", "/txn", &[], &large).await.status == 503 {
            assert!(Instant::now() < deadline, "{target}: its room is never given back");
        }
    }
}

fn large_message() -> Vec<u8> {
    [br#"{"ID":"1"#, &vec![b'1'; 100 << 10][..]].concat()
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let world = World::new().await;
    let put = |key: &str| request("PUT", &format!("/kv/{key}"), &[], br#"{"value":"v"}"#);
    let get = |key: &str| request("GET", &format!("/kv/{key}"), &[], b"");
    let mut client = world.connect().await;
    let requests =
        [put("a"), get("a"), get("none"), put("b"), get("b"), b"nonsense\r\n\r\n".into()];
    client.send(&requests.concat()).await;
    for (status, key) in [(200, "a"), (200, "a"), (404, "none"), (200, "b"), (200, "b")] {
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.json()["key"].as_str()), (status, Some(key)));
    }
    assert_eq!(client.answer().await.status, 400);
    client.closed().await;
}

#[tokio::test]
async fn connections_beyond_the_limit_are_told_so_but_members_get_through() {
    let limits = Limits { connections_max: 1, connections_spare: 2, ..Limits::default() };
    let world = World::limited(limits).await;
    let mut first = world.connect().await;
    first.send(&request("GET", "/livez", &[], b"")).await;
    assert_eq!(first.answer().await.status, 200);

    let mut crowded = world.connect().await;
    crowded.send(&request("GET", "/livez", &[], b"")).await;
    let answer = crowded.answer().await;
    answer.assert_refused(503, "overloaded");
    assert_eq!(
        (answer.header("retry-after"), answer.header("connection")),
        (Some("1"), Some("close"))
    );
    crowded.closed().await;
    assert_eq!(world.ask("GET", "/raft/hello").await.text(), "hello");

    // The first connection is as good as ever.
    first.send(&request("GET", "/livez", &[], b"")).await;
    assert_eq!(first.answer().await.status, 200);
}

#[tokio::test]
async fn connections_beyond_the_limit_do_not_stay() {
    let limits = Limits { connections_max: 1, connections_spare: 1, ..Limits::default() };
    let world = World::limited(limits).await;
    let mut first = world.connect().await;
    first.send(&request("GET", "/livez", &[], b"")).await;
    assert_eq!(first.answer().await.status, 200);

    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    let mut crowded = world.connect().await;
    crowded.send(&[&preface[..], &settings].concat()).await;
    crowded.closed().await;
    assert_eq!(world.ask("GET", "/raft/hello").await.text(), "hello");
}

/// A client that asks and never reads would hold its answer in memory, and its connection.
#[tokio::test]
async fn a_client_that_does_not_read_its_answers_is_let_go() {
    let limits = Limits { connections_max: 1, connections_spare: 1, ..impatient() };
    let world = World::limited(limits).await;
    let value = "v".repeat(1 << 20);
    world.put("k", &value).await;
    let mut deaf = world.connect().await;
    for _ in 0..64 {
        deaf.send(&request("GET", "/kv/k", &[], b"")).await;
    }
    let deadline = Instant::now() + DEADLINE;
    while world.ask("GET", "/livez").await.status != 200 {
        assert!(Instant::now() < deadline, "its connection is never free again");
        tokio::task::yield_now().await;
    }
    drop(deaf);
}

#[tokio::test]
async fn stopping_lets_a_running_request_end() {
    let mut world = World::new().await;
    let body = br#"{"value":"v"}"#;
    let whole = request("PUT", "/kv/k", &["Expect: 100-continue"], body);
    let mut client = world.connect().await;
    client.send(&whole[..whole.len() - body.len()]).await;
    assert_eq!(client.answer().await.status, 100, "the request is being worked on");
    world.begin_to_stop();
    client.send(body).await;
    assert_eq!(client.answer().await.status, 200);
    client.closed().await;
}

#[tokio::test]
async fn stopping_does_not_wait_for_idle_connections() {
    let world = World::new().await;
    let mut idle = world.connect().await;
    idle.send(&request("GET", "/livez", &[], b"")).await;
    assert_eq!(idle.answer().await.status, 200);
    world.stop().await;
    assert_eq!(idle.closed().await, b"");
}

#[tokio::test]
async fn http2_is_spoken_on_the_same_port() {
    let world = World::new().await;
    world.put("k", "v").await;
    let socket = TokioIo::new(TcpStream::connect(world.address).await.unwrap());
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), socket);
    let (mut client, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    for (host, status) in [("localhost", 200), ("evil.example", 403)] {
        let request = Request::get(format!("http://{host}/kv/k")).body(Body::empty()).unwrap();
        let answer = client.send_request(request).await.unwrap();
        assert_eq!(answer.status(), status, "{host}");
    }
}
