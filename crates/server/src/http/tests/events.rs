//! What happens, told at `/events` and `/ws`.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use serde_json::Value;
use store::{AuthChange, Command, Put};

use super::roles::{done, populated};
use super::websocket::{CLOSE, PING, PONG, SHAKE, Socket, TEXT};
use super::world::{Client, World, request};
use crate::access::{Seen, Shown, Visit};
use crate::config::Raw;
use crate::events::{READERS_MAX, Reader};
use crate::http::Limits;
use crate::node::{Node, testing};

/// A connection to one of the two doors, and all that came of it.
struct Looking {
    by: By,
    bytes: Vec<u8>,
    waiting: Vec<Value>,
}

enum By {
    Events(Client),
    Ws(Socket),
}

impl Looking {
    async fn at_events(world: &World, headers: &[&str]) -> Looking {
        let mut client = world.connect().await;
        client.send(&request("GET", "/events", headers, b"")).await;
        let head = client.head().await;
        assert_eq!(head.status, 200);
        assert_eq!(head.header("content-type"), Some("text/event-stream"));
        Looking { by: By::Events(client), bytes: Vec::new(), waiting: Vec::new() }
    }

    async fn at_ws(world: &World, headers: &[&str]) -> Looking {
        let (socket, _) = Socket::open_with(world, "/ws", headers).await;
        Looking { by: By::Ws(socket), bytes: Vec::new(), waiting: Vec::new() }
    }

    /// The next envelope.
    async fn envelope(&mut self) -> Value {
        let bytes = match &mut self.by {
            By::Events(client) => {
                let chunk = client.chunk().await.expect("it goes on");
                let text = chunk.strip_prefix(b"data: ").expect("it is a message");
                text.strip_suffix(b"\n\n").expect("a whole one").to_vec()
            }
            By::Ws(socket) => {
                let (first, bytes) = socket.frame().await;
                assert_eq!(first, TEXT, "{}", String::from_utf8_lossy(&bytes));
                bytes
            }
        };
        self.bytes.extend_from_slice(&bytes);
        let envelope: Value = serde_json::from_slice(&bytes).expect("it is JSON");
        assert_eq!(envelope["schema"], 1);
        envelope
    }

    /// The next event.
    async fn event(&mut self) -> Value {
        while self.waiting.is_empty() {
            let envelope = self.envelope().await;
            self.waiting = envelope["events"].as_array().expect("a list").clone();
        }
        self.waiting.remove(0)
    }

    /// The next event of a kind.
    async fn next(&mut self, kind: &str) -> Value {
        loop {
            let event = self.event().await;
            if event["kind"] == kind {
                return event;
            }
        }
    }
}

async fn put(node: &Node, key: &str) {
    done(node, Put::new(key.to_owned(), "v").into()).await;
}

async fn served(node: &Node) -> World {
    World::with(node.clone(), Raw::default(), Limits::default()).await
}

/// A member with users, and their tokens.
async fn with_users() -> (Node, World, BTreeMap<char, String>) {
    let node = testing::single();
    let tokens = populated(&node).await;
    let tokens = tokens.into_iter().filter_map(|(mark, token)| Some((mark, token?))).collect();
    let world = served(&node).await;
    (node, world, tokens)
}

#[tokio::test]
async fn who_looks_is_told_first_who_tells_and_then_how_it_stands() {
    let world = World::new().await;
    for mut looking in [Looking::at_events(&world, &[]).await, Looking::at_ws(&world, &[]).await] {
        let hello = looking.event().await;
        assert_eq!((&hello["kind"], &hello["member"]), (&"hello".into(), &"5157".into()));
        assert_eq!((&hello["auth"], &hello["user"]), (&false.into(), &Value::Null));
        let state = looking.event().await;
        assert_eq!((&state["kind"], &state["leader"]), (&"state".into(), &"5157".into()));
        let member = &state["members"][0];
        assert_eq!((&member["role"], &member["heard_ms"]), (&"leader".into(), &0.into()));
        assert_eq!(member["runs"], serde_json::json!([[1, 1]]));
    }
}

#[tokio::test]
async fn what_becomes_of_keys_is_told_without_any_value() {
    const VALUE: &str = "do-not-tell-this-to-anybody";
    let world = World::new().await;
    let (mut events, mut ws) =
        (Looking::at_events(&world, &[]).await, Looking::at_ws(&world, &[]).await);
    for looking in [&mut events, &mut ws] {
        looking.next("state").await;
        // From the next turn on all that happens is told.
        looking.next("state").await;
    }
    world.put("k", VALUE).await;
    world.put("k", VALUE).await;
    world.ask("DELETE", "/kv/k").await;
    for mut looking in [events, ws] {
        for (op, version, bytes) in
            [("put", 1, VALUE.len()), ("put", 2, VALUE.len()), ("delete", 0, 0)]
        {
            let key = looking.next("key").await;
            assert_eq!((&key["op"], &key["key"]), (&op.into(), &"k".into()), "{key}");
            assert_eq!((&key["version"], &key["bytes"]), (&version.into(), &bytes.into()));
        }
        looking.next("state").await;
        let all = String::from_utf8(looking.bytes).expect("it is text");
        let base64 = BASE64_STANDARD.encode(VALUE);
        assert!(!all.contains(VALUE) && !all.contains(base64.trim_end_matches('=')), "{all}");
    }
}

#[tokio::test]
async fn a_user_is_told_of_the_keys_that_are_theirs_to_read() {
    let (node, world, tokens) = with_users().await;
    let token = BASE64_URL_SAFE_NO_PAD.encode(&tokens[&'r']);
    let offered = format!("Sec-WebSocket-Protocol: raftkv.events.1, raftkv.token.{token}");
    let mut reader = Looking::at_ws(&world, &[&offered]).await;
    let shown = format!("Authorization: Bearer {}", tokens[&'R']);
    let mut root = Looking::at_events(&world, &[&shown]).await;
    for (looking, user) in [(&mut reader, "reader"), (&mut root, "root")] {
        let hello = looking.event().await;
        assert_eq!((&hello["auth"], &hello["user"]), (&true.into(), &user.into()));
        looking.next("state").await;
        looking.next("state").await;
    }
    for key in ["o/secret", "r/one", "w/secret", "r/two"] {
        put(&node, key).await;
    }
    for key in ["o/secret", "r/one", "w/secret", "r/two"] {
        assert_eq!(root.next("key").await["key"], key);
    }
    for key in ["r/one", "r/two"] {
        assert_eq!(reader.next("key").await["key"], key);
    }
    assert!(!String::from_utf8_lossy(&reader.bytes).contains("secret"));
}

#[tokio::test]
async fn a_token_is_a_protocol_that_is_never_taken_up() {
    let (_node, world, tokens) = with_users().await;
    let token = BASE64_URL_SAFE_NO_PAD.encode(&tokens[&'n']);
    for offered in [
        format!("raftkv.events.1, raftkv.token.{token}"),
        format!("raftkv.token.{token},raftkv.events.1"),
    ] {
        let header = format!("Sec-WebSocket-Protocol: {offered}");
        let (_socket, answer) = Socket::open_with(&world, "/ws", &[&header]).await;
        assert_eq!(answer.header("sec-websocket-protocol"), Some("raftkv.events.1"), "{offered}");
    }
    for offered in ["raftkv.events.1", "raftkv.events.1, raftkv.token.!", "raftkv.token.bm9uZQ"] {
        let header = format!("Sec-WebSocket-Protocol: {offered}");
        let headers = [&SHAKE[..], &[&header]].concat();
        let refused = world.request("GET", "/ws", &headers, b"").await;
        refused.assert_refused(401, "unauthenticated");
    }
}

#[tokio::test]
async fn whoever_may_look_no_more_is_told_so_at_once() {
    let node = testing::single();
    let world = served(&node).await;
    let (mut events, mut ws) =
        (Looking::at_events(&world, &[]).await, Looking::at_ws(&world, &[]).await);
    events.next("state").await;
    ws.next("state").await;
    populated(&node).await;
    let By::Events(client) = &mut events.by else { panic!("it is one") };
    let last = loop {
        let chunk = String::from_utf8(client.chunk().await.expect("it ends with a word")).unwrap();
        if chunk.starts_with("event: error\n") {
            break chunk;
        }
    };
    assert!(last.contains(r#""error":"unauthenticated""#), "{last}");
    assert_eq!(client.chunk().await, None);
    let By::Ws(mut socket) = ws.by else { panic!("it is one") };
    let code = loop {
        let (first, bytes) = socket.frame().await;
        if first == CLOSE {
            break u16::from_be_bytes(bytes.try_into().unwrap());
        }
    };
    assert_eq!(code, 4_401);
}

#[tokio::test]
async fn a_user_that_is_removed_looks_no_more() {
    let (node, world, tokens) = with_users().await;
    let shown = format!("Authorization: Bearer {}", tokens[&'r']);
    let (mut socket, _) = Socket::open_with(&world, "/ws", &[&shown]).await;
    assert_eq!(socket.frame().await.0, TEXT);
    done(&node, Command::Auth(AuthChange::DeleteUser { name: "reader".into() })).await;
    let last = loop {
        let (first, bytes) = socket.frame().await;
        if first == CLOSE {
            break bytes;
        }
    };
    assert_eq!(last, 4_401_u16.to_be_bytes());
}

#[tokio::test]
async fn one_more_than_may_look_is_refused() {
    let node = testing::single();
    let world = served(&node).await;
    let mut readers = Vec::new();
    for _ in 0..READERS_MAX {
        let visit = Visit::of(&node, Shown::Nothing).await.unwrap();
        readers.push(Reader::begin(visit, Seen::now(&node)).unwrap());
    }
    let metrics = world.ask("GET", "/metrics").await.text();
    assert!(metrics.contains(&format!("raftkv_events_readers {READERS_MAX}\n")), "{metrics}");
    world.ask("GET", "/events").await.assert_refused(503, "overloaded");
    world.request("GET", "/ws", &SHAKE, b"").await.assert_refused(503, "overloaded");
    readers.pop();
    Looking::at_ws(&world, &[]).await.next("hello").await;
}

#[tokio::test]
async fn pages_of_another_origin_may_not_look() {
    let world = World::new().await;
    let port = world.address.port();
    let own = [format!("Host: localhost:{port}"), format!("Origin: http://localhost:{port}")];
    let own = own.each_ref().map(String::as_str);
    Looking::at_ws(&world, &own).await.next("state").await;
    for origin in ["Origin: http://evil.example", "Origin: null"] {
        let headers = [&SHAKE[..], &[origin]].concat();
        world.request("GET", "/ws", &headers, b"").await.assert_refused(403, "forbidden_origin");
        let refused = world.request("GET", "/events", &[origin], b"").await;
        refused.assert_refused(403, "forbidden_origin");
    }
}

#[tokio::test]
async fn what_a_client_says_is_of_no_use_and_bounded() {
    let world = World::new().await;
    let (mut socket, _) = Socket::open_with(&world, "/ws", &[]).await;
    socket.send(TEXT, b"tell me more").await;
    socket.send(PING, b"there?").await;
    while socket.frame().await != (PONG, b"there?".to_vec()) {}
    socket.send(TEXT, &[b'x'; 5 << 10]).await;
    let last = loop {
        let (first, bytes) = socket.frame().await;
        if first == CLOSE {
            break bytes;
        }
    };
    assert_eq!(last, 1_009_u16.to_be_bytes());
}

#[tokio::test]
async fn without_a_handshake_there_is_no_websocket() {
    let world = World::new().await;
    world.ask("GET", "/ws").await.assert_refused(426, "upgrade_required");
    world.ask("GET", "/events?token=abc").await.assert_refused(400, "bad_parameter");
}

#[tokio::test]
async fn a_member_that_stops_says_so() {
    let node = testing::single();
    let world = served(&node).await;
    let (mut socket, _) = Socket::open_with(&world, "/ws", &[]).await;
    assert_eq!(socket.frame().await.0, TEXT);
    node.feed().close();
    let last = loop {
        let (first, bytes) = socket.frame().await;
        if first == CLOSE {
            break bytes;
        }
    };
    assert_eq!(last, 4_503_u16.to_be_bytes());
    world.ask("GET", "/events").await.assert_refused(503, "stopped");
}
