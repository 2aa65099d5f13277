//! The etcd door's gateway by WebSocket.

use std::net::Ipv4Addr;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::overload::{ask, connect_from, get};
use super::world::{Answer, Client, DEADLINE, World, request};
use crate::http::Limits;

pub(super) const SHAKE: [&str; 4] = [
    "Connection: keep-alive, Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];

pub(super) const TEXT: u8 = 0x81;
pub(super) const CLOSE: u8 = 0x88;
pub(super) const PING: u8 = 0x89;
pub(super) const PONG: u8 = 0x8a;

/// A WebSocket to a path.
pub(super) struct Socket(Client);

impl Socket {
    async fn open(world: &World, path: &str) -> Socket {
        let (socket, _) = Socket::open_with(world, path, &[]).await;
        socket
    }

    /// With more headers; and the answer's.
    pub(super) async fn open_with(world: &World, path: &str, headers: &[&str]) -> (Socket, Answer) {
        let mut client = world.connect().await;
        client.send(&request("GET", path, &[&SHAKE, headers].concat(), b"")).await;
        let head = client.head().await;
        assert_eq!(head.status, 101, "{path}");
        assert_eq!(head.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        (Socket(client), head)
    }

    /// Sends a frame, masked as clients mask them.
    pub(super) async fn send(&mut self, first: u8, bytes: &[u8]) {
        let mask = [7, 77, 177, 250];
        let mut frame = vec![first];
        match u16::try_from(bytes.len()) {
            Ok(short @ ..126) => frame.push(0x80 | short as u8),
            Ok(longer) => {
                frame.push(0x80 | 126);
                frame.extend(longer.to_be_bytes());
            }
            Err(_) => {
                frame.push(0x80 | 127);
                frame.extend((bytes.len() as u64).to_be_bytes());
            }
        }
        frame.extend(mask);
        frame.extend(bytes.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        self.0.send(&frame).await;
    }

    async fn say(&mut self, message: &Value) {
        self.send(TEXT, message.to_string().as_bytes()).await;
    }

    /// The next frame.
    pub(super) async fn frame(&mut self) -> (u8, Vec<u8>) {
        let head = self.0.take(2).await;
        let length = match head[1] {
            126 => u16::from_be_bytes(self.0.take(2).await.try_into().unwrap()).into(),
            127 => u64::from_be_bytes(self.0.take(8).await.try_into().unwrap()) as usize,
            short => usize::from(short),
        };
        (head[0], self.0.take(length).await)
    }

    /// The next message.
    async fn told(&mut self) -> Value {
        let (first, bytes) = self.frame().await;
        assert_eq!(first, TEXT, "{bytes:?}");
        serde_json::from_slice(&bytes).unwrap()
    }

    /// The last word: its code.
    pub(super) async fn closed(mut self) -> u16 {
        let (first, bytes) = self.frame().await;
        assert_eq!(first, CLOSE, "{}", String::from_utf8_lossy(&bytes));
        assert_eq!(self.0.closed().await, b"");
        u16::from_be_bytes(bytes.try_into().unwrap())
    }
}

fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

#[tokio::test]
async fn a_watch_tells_each_answer_in_a_message() {
    let world = World::new().await;
    let mut socket = Socket::open(&world, "/v3/watch").await;
    socket.say(&json!({ "create_request": { "key": base64(b"k") } })).await;
    assert_eq!(socket.told().await["result"]["created"], true);
    for value in ["one", "two"] {
        world.put("k", value).await;
        let told = socket.told().await;
        assert_eq!(told["result"]["events"][0]["kv"]["value"], base64(value.as_bytes()), "{told}");
    }
    socket.say(&json!({ "create_request": { "key": base64(b"other"), "watch_id": "7" } })).await;
    assert_eq!(socket.told().await["result"]["watch_id"], "7");
    socket.say(&json!({ "cancel_request": { "watch_id": "7" } })).await;
    assert_eq!(socket.told().await["result"]["canceled"], true);
    socket.send(CLOSE, &1000_u16.to_be_bytes()).await;
    assert_eq!(socket.closed().await, 1000);
}

#[tokio::test]
async fn a_lease_is_kept_alive_message_by_message() {
    let world = World::new().await;
    let grant = br#"{"ID":"7","TTL":"100"}"#;
    assert_eq!(world.request("POST", "/v3/lease/grant", &[], grant).await.status, 200);
    let mut socket = Socket::open(&world, "/v3/lease/keepalive").await;
    for _ in 0..3 {
        socket.say(&json!({ "ID": "7" })).await;
        assert_eq!(socket.told().await["result"]["TTL"], "100");
    }
    socket.send(TEXT, b"nonsense").await;
    assert_eq!(socket.told().await["error"]["code"], 3);
    assert_eq!(socket.closed().await, 1000);
}

#[tokio::test]
async fn a_call_of_one_request_is_answered_and_closed() {
    let world = World::new().await;
    world.put("k", "v").await;
    let mut socket = Socket::open(&world, "/v3/kv/range").await;
    socket.say(&json!({ "key": base64(b"k") })).await;
    assert_eq!(socket.told().await["kvs"][0]["value"], base64(b"v"));
    assert_eq!(socket.closed().await, 1000);
    let mut socket = Socket::open(&world, "/v3/kv/range").await;
    socket.say(&json!({})).await;
    assert_eq!(socket.told().await["message"], "etcdserver: key is not provided");
    assert_eq!(socket.closed().await, 1000);
    let mut socket = Socket::open(&world, "/v3/none").await;
    assert_eq!(socket.told().await["code"], 5);
    assert_eq!(socket.closed().await, 1000);
}

#[tokio::test]
async fn pings_are_answered_between_messages() {
    let world = World::new().await;
    let mut socket = Socket::open(&world, "/v3/watch").await;
    socket.send(PING, b"there?").await;
    assert_eq!(socket.frame().await, (PONG, b"there?".to_vec()));
    socket.send(0x01, br#"{"create_request":"#).await;
    socket.send(PING, b"").await;
    assert_eq!(socket.frame().await, (PONG, vec![]));
    socket.send(0x80, br#"{"key":"aw=="}}"#).await;
    assert_eq!(socket.told().await["result"]["created"], true);
}

#[tokio::test]
async fn what_a_client_may_not_say_closes_with_a_code() {
    let world = World::new().await;
    let too_long = vec![b' '; 5 << 20];
    for (first, bytes, code) in
        [(0x83, &b"x"[..], 1002), (TEXT, &[0xff], 1007), (TEXT, &too_long, 1009)]
    {
        let mut socket = Socket::open(&world, "/v3/watch").await;
        socket.send(first, bytes).await;
        assert_eq!(socket.closed().await, code);
    }
    let mut bare = Socket::open(&world, "/v3/watch").await;
    bare.0.send(&[TEXT, 2, b'{', b'}']).await;
    assert_eq!(bare.closed().await, 1002);
    world.put("k", "still here").await;
}

#[tokio::test]
async fn what_asks_for_no_websocket_gets_none() {
    let world = World::new().await;
    for (name, status) in [
        ("Connection", 405),
        ("Upgrade", 405),
        ("Sec-WebSocket-Version", 426),
        ("Sec-WebSocket-Key", 400),
    ] {
        let without = |header: &&str| !header.starts_with(name);
        let headers: Vec<&str> = SHAKE.into_iter().filter(without).collect();
        let answer = world.request("GET", "/v3/watch", &headers, b"").await;
        assert_eq!(answer.status, status, "without {name}");
    }
}

/// Browsers ask nobody before they open one, so it is looked at here (rule 15.1).
#[tokio::test]
async fn pages_of_another_origin_get_none() {
    let world = World::new().await;
    let port = world.address.port();
    let (host, own) =
        (format!("Host: localhost:{port}"), format!("Origin: http://localhost:{port}"));
    for (origin, status) in
        [("Origin: http://evil.example", 403), ("Origin: null", 403), (&own, 101)]
    {
        for path in ["/v3/watch", "/v3/lease/keepalive", "/v3/kv/put"] {
            let headers = [&SHAKE[..], &[origin, &host]].concat();
            let mut client = world.connect().await;
            client.send(&request("GET", path, &headers, b"")).await;
            assert_eq!(client.head().await.status, status, "{path}, {origin}");
        }
    }
}

#[tokio::test]
async fn what_there_is_no_room_to_send_is_the_end() {
    let world = World::limited(Limits { untaken_bytes_max: 10 << 10, ..Limits::default() }).await;
    world.put("k", &"v".repeat(20 << 10)).await;
    let mut socket = Socket::open(&world, "/v3/kv/range").await;
    socket.say(&json!({ "key": base64(b"k") })).await;
    assert_eq!(socket.closed().await, 1013);
}

#[tokio::test]
async fn a_websocket_counts_as_a_connection_until_it_is_closed() {
    let limits = Limits { connections_max: 1, connections_spare: 1, ..Limits::default() };
    let world = World::limited(limits).await;
    let mut socket = Socket::open(&world, "/v3/watch").await;
    socket.say(&json!({ "create_request": { "key": base64(b"k") } })).await;
    assert_eq!(socket.told().await["result"]["created"], true);
    world.ask("GET", "/version").await.assert_refused(503, "overloaded");
    drop(socket);
    let deadline = Instant::now() + DEADLINE;
    while world.ask("GET", "/version").await.status != 200 {
        assert!(Instant::now() < deadline, "its place is never free again");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_websocket_counts_for_where_it_comes_from() {
    let limits = Limits { connections_max: 64, connections_spare: 8, ..Limits::default() };
    let world = World::limited(limits).await;
    let mut sockets = Vec::new();
    for _ in 0..64 {
        sockets.push(Socket::open(&world, "/v3/watch").await);
    }
    world.ask("GET", "/version").await.assert_refused(503, "overloaded");
    let mut other = connect_from(&world, Ipv4Addr::new(127, 0, 0, 2)).await;
    assert_eq!(ask(&mut other, get("/version")).await.status(), 200);
}
