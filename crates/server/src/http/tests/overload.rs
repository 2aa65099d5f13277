//! More than a member can do: what is refused, to whom, and in which words.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::time::Instant;

use axum::body::Body;
use axum::http::{Request, Response};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use http_body_util::channel::Channel;
use hyper::body::Incoming;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpSocket;
use tokio::task::JoinSet;

use super::roles::populated;
use super::world::{DEADLINE, World, request};
use crate::config::Raw;
use crate::http::Limits;
use crate::node::{Node, WAITING_MIN, testing};

/// The message of a put.
const PUT: &[u8] = b"\0\0\0\0\x06\x0a\x01k\x12\x01v";

/// Requests at once on one connection.
const STREAMS: usize = 1_000;

/// A connection of HTTP/2 from an address on loopback.
pub(super) async fn connect_from(world: &World, from: Ipv4Addr) -> SendRequest<Body> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((from, 0).into()).unwrap();
    let socket = socket.connect(world.address).await.unwrap();
    socket.set_nodelay(true).unwrap();
    let socket = TokioIo::new(socket);
    let (client, connection) = handshake(TokioExecutor::new(), socket).await.unwrap();
    tokio::spawn(connection);
    client
}

pub(super) async fn ask(
    client: &mut SendRequest<Body>,
    request: Request<Body>,
) -> Response<Incoming> {
    client.ready().await.unwrap();
    client.send_request(request).await.unwrap()
}

pub(super) fn get(path: &str) -> Request<Body> {
    Request::get(format!("http://localhost{path}")).body(Body::empty()).unwrap()
}

fn put_call() -> Request<Body> {
    let put = Request::post("http://localhost/etcdserverpb.KV/Put");
    let put = put.header("content-type", "application/grpc").header("te", "trailers");
    put.body(Body::from(PUT)).unwrap()
}

/// A member of whose replica nobody hears, and reads that wait for it: as many as may.
struct Stuck {
    world: World,
    node: Node,
    _waiting: JoinSet<()>,
}

impl Stuck {
    async fn new() -> Stuck {
        let node = testing::showing(|_| {});
        let world = World::with(node.clone(), Raw::default(), Limits::default()).await;
        let mut waiting = JoinSet::new();
        for begun in (0..WAITING_MIN).step_by(STREAMS) {
            let client = connect_from(&world, Ipv4Addr::LOCALHOST).await;
            for _ in begun..WAITING_MIN.min(begun + STREAMS) {
                let mut client = client.clone();
                waiting.spawn(async move {
                    client.ready().await.unwrap();
                    // It comes to nothing before the test ends.
                    let _ = client.send_request(get("/kv/k?timeout_ms=60000")).await;
                });
            }
        }
        let deadline = Instant::now() + DEADLINE;
        while node.load().waiting < WAITING_MIN {
            assert!(Instant::now() < deadline, "only {:?}", node.load());
            tokio::task::yield_now().await;
        }
        Stuck { world, node, _waiting: waiting }
    }
}

#[tokio::test]
async fn who_asks_a_busy_member_is_told_at_once_that_it_is_not_done() {
    let stuck = Stuck::new().await;
    let refused = stuck.world.ask("GET", "/kv/k").await;
    refused.assert_refused(503, "overloaded");
    assert_eq!(refused.header("retry-after"), Some("1"));
    let write = stuck.world.request("PUT", "/kv/k", &[], br#"{"value":"v"}"#).await;
    write.assert_refused(503, "overloaded");
    let json = stuck.world.request("POST", "/v3/kv/put", &[], br#"{"key":"aw=="}"#).await;
    assert_eq!((json.status, json.json()["code"].as_u64()), (429, Some(8)));
    assert_eq!(json.json()["message"], "etcdserver: too many requests");
    let mut client = connect_from(&stuck.world, Ipv4Addr::LOCALHOST).await;
    let call = ask(&mut client, put_call()).await;
    let header = |name: &str| call.headers()[name].to_str().unwrap();
    assert_eq!((call.status().as_u16(), header("grpc-status")), (200, "8"));
    assert_eq!(header("grpc-message"), "etcdserver:%20too%20many%20requests");
    assert_eq!(header("grpc-retry-pushback-ms"), "1000");
    let overloaded = stuck.node.counters().overloaded.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(overloaded, 4);
    let metrics = stuck.world.ask("GET", "/metrics").await.text();
    for line in [
        r#"raftkv_requests_refused_total{reason="busy"} 4"#,
        &format!("raftkv_requests_limit {WAITING_MIN}"),
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
}

/// Bodies that come late are taken along: a client whose calls are refused keeps its connection.
#[tokio::test]
async fn a_call_that_is_refused_costs_its_client_no_connection() {
    const CALLS: usize = 3_000;
    let stuck = Stuck::new().await;
    let mut client = connect_from(&stuck.world, Ipv4Addr::LOCALHOST).await;
    for call in 0..CALLS {
        let (mut sender, body) = Channel::<Bytes, Infallible>::new(1);
        let (head, _) = put_call().into_parts();
        client.ready().await.unwrap();
        let answer = client.send_request(Request::from_parts(head, Body::new(body)));
        let late = async {
            tokio::task::yield_now().await;
            // Whoever is answered before need not send it.
            let _ = sender.send_data(Bytes::from_static(PUT)).await;
            drop(sender);
        };
        let (answer, ()) = tokio::join!(answer, late);
        assert_eq!(answer.unwrap().headers()["grpc-status"], "8", "call {call}");
    }
}

#[tokio::test]
async fn a_page_that_may_read_answers_may_read_refusals() {
    let settings = Raw {
        max_requests_per_second: Some(1),
        allow_origin: Some(vec!["http://example.com".to_owned()]),
        ..Raw::default()
    };
    let world = World::with(testing::single(), settings, Limits::default()).await;
    let mut refused = None;
    while refused.is_none() {
        let header = "Origin: http://example.com";
        let answer = world.request("GET", "/kv/k", &[header], b"").await;
        refused = (answer.status == 429).then_some(answer);
    }
    let refused = refused.expect("it was just found");
    assert_eq!(refused.header("access-control-allow-origin"), Some("http://example.com"));
}

#[tokio::test]
async fn a_busy_member_is_seen_and_mended() {
    let stuck = Stuck::new().await;
    for path in ["/livez", "/metrics", "/version", "/cluster/members", "/", "/raft/hello"] {
        assert_eq!(stuck.world.ask("GET", path).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn who_has_little_under_way_is_let_in_where_another_has_too_much() {
    let stuck = Stuck::new().await;
    stuck.world.ask("GET", "/kv/k").await.assert_refused(503, "overloaded");
    let before = stuck.node.load().waiting;
    let client = connect_from(&stuck.world, Ipv4Addr::new(127, 0, 0, 2)).await;
    let mut other = client.clone();
    let waits = tokio::spawn(async move { ask(&mut other, put_call()).await.status() });
    let deadline = Instant::now() + DEADLINE;
    while stuck.node.load().waiting == before {
        assert!(!waits.is_finished(), "it was refused");
        assert!(Instant::now() < deadline, "it is not taken");
        tokio::task::yield_now().await;
    }
    waits.abort();
}

#[tokio::test]
async fn who_asks_too_often_is_told_when_to_come_again() {
    let settings = Raw { max_requests_per_second: Some(2), ..Raw::default() };
    let world = World::with(testing::single(), settings, Limits::default()).await;
    assert_eq!(world.ask("GET", "/kv/k").await.status, 404);
    assert_eq!(world.ask("GET", "/kv/k").await.status, 404);
    let refused = world.ask("GET", "/kv/k").await;
    refused.assert_refused(429, "too_many_requests");
    assert_eq!(refused.header("retry-after"), Some("1"));
    for _ in 0..10 {
        assert_eq!(world.ask("GET", "/livez").await.status, 200);
    }
    let mut other = connect_from(&world, Ipv4Addr::new(127, 0, 0, 2)).await;
    let put = ask(&mut other, put_call()).await.into_body().collect().await.unwrap();
    assert_eq!(put.trailers().unwrap()["grpc-status"], "0");
    let metrics = world.ask("GET", "/metrics").await.text();
    assert!(metrics.contains(r#"raftkv_requests_refused_total{reason="rate"} 1"#), "{metrics}");
}

#[tokio::test]
async fn a_user_is_one_client_wherever_it_comes_from() {
    let settings = Raw { max_requests_per_second: Some(3), ..Raw::default() };
    let node = testing::single();
    let tokens = populated(&node).await;
    let root = tokens.into_iter().find(|(mark, _)| *mark == 'R').and_then(|(_, token)| token);
    let token = root.expect("root has one");
    let world = World::with(node, settings, Limits::default()).await;
    let header = format!("Authorization: Bearer {token}");
    for status in [404, 404, 404, 429] {
        let mut client = world.connect().await;
        client.send(&request("GET", "/kv/k", &[&header], b"")).await;
        assert_eq!(client.answer().await.status, status);
    }
    // Somebody else at the same address, who shows nothing, or what is none.
    for (shown, status) in [(None, 401), (Some("Authorization: Bearer a.1"), 401)] {
        let headers: Vec<&str> = shown.into_iter().collect();
        assert_eq!(world.request("GET", "/kv/k", &headers, b"").await.status, status);
    }
    let mut elsewhere = connect_from(&world, Ipv4Addr::new(127, 0, 0, 2)).await;
    let mut asked = get("/kv/k");
    asked.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    assert_eq!(ask(&mut elsewhere, asked).await.status(), 429);
}

#[tokio::test]
async fn a_place_is_left_for_who_has_few_connections() {
    let limits = Limits { connections_max: 64, connections_spare: 8, ..Limits::default() };
    let world = World::limited(limits).await;
    let mut held = Vec::new();
    for _ in 0..64 {
        let mut client = connect_from(&world, Ipv4Addr::LOCALHOST).await;
        assert_eq!(ask(&mut client, get("/livez")).await.status(), 200);
        held.push(client);
    }
    let mut greedy = connect_from(&world, Ipv4Addr::LOCALHOST).await;
    assert_eq!(ask(&mut greedy, get("/livez")).await.status(), 503);
    let mut other = connect_from(&world, Ipv4Addr::new(127, 0, 0, 2)).await;
    assert_eq!(ask(&mut other, get("/livez")).await.status(), 200);
}
