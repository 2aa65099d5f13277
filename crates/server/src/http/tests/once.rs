//! Conditions, keys and sessions.

use serde_json::json;

use super::world::{Answer, World};

const VALUE: &[u8] = br#"{"value":"v"}"#;

async fn put(world: &World, headers: &[&str]) -> Answer {
    world.request("PUT", "/kv/k", headers, VALUE).await
}

async fn version(world: &World) -> u64 {
    world.get("/kv/k").await["version"].as_u64().unwrap()
}

#[tokio::test]
async fn a_write_may_depend_on_what_the_key_is() {
    let world = World::new().await;
    assert_eq!(put(&world, &["If-None-Match: *"]).await.status, 200);
    let refused = put(&world, &["If-None-Match: *"]).await.assert_refused(412, "condition_failed");
    let current = json!({
        "key": "k", "value": "v", "version": 1, "create_revision": 2, "mod_revision": 2
    });
    assert_eq!((&refused["current"], &refused["revision"]), (&current, &json!(2)));
    assert_eq!(put(&world, &["If-Match: \"2\""]).await.status, 200);
    put(&world, &["If-Match: 2"]).await.assert_refused(412, "condition_failed");
    assert_eq!(put(&world, &["If-Match: *"]).await.status, 200);
    let delete = async |headers: &[&str]| world.request("DELETE", "/kv/k", headers, b"").await;
    delete(&["If-Match: \"3\""]).await.assert_refused(412, "condition_failed");
    assert_eq!(delete(&["If-Match: \"4\""]).await.json()["deleted"], 1);
    let refused = delete(&["If-Match: *"]).await.assert_refused(412, "condition_failed");
    assert_eq!(refused["current"], json!(null));
}

#[tokio::test]
async fn a_write_with_a_key_is_done_once() {
    let world = World::new().await;
    let first = put(&world, &["Idempotency-Key: a1"]).await;
    assert_eq!((first.status, first.header("idempotency-window")), (200, Some("600")));
    assert_eq!(first.header("idempotent-replay"), None);
    world.put("other", "v").await;
    let again = put(&world, &["Idempotency-Key: a1"]).await;
    assert_eq!(again.json(), first.json(), "the first answer, down to its place in the log");
    assert_eq!(again.header("idempotent-replay"), Some("true"));
    assert_eq!(again.header("idempotency-window"), Some("600"));
    assert_eq!(version(&world).await, 1);
    put(&world, &["Idempotency-Key: a2"]).await;
    assert_eq!(version(&world).await, 2);
}

#[tokio::test]
async fn a_key_is_for_one_write_alone() {
    let world = World::new().await;
    put(&world, &["Idempotency-Key: a1"]).await;
    let other = world.request("PUT", "/kv/k", &["Idempotency-Key: a1"], br#"{"value":"w"}"#).await;
    other.assert_refused(422, "key_reused");
    let delete = world.request("DELETE", "/kv/k", &["Idempotency-Key: a1"], b"").await;
    delete.assert_refused(422, "key_reused");
    assert_eq!(version(&world).await, 1);
}

#[tokio::test]
async fn a_failed_condition_is_remembered_with_its_key() {
    let world = World::new().await;
    put(&world, &[]).await;
    let headers = ["Idempotency-Key: a1", "If-None-Match: *"];
    let first = put(&world, &headers).await.assert_refused(412, "condition_failed");
    world.ask("DELETE", "/kv/k").await;
    let again = put(&world, &headers).await;
    assert_eq!(again.assert_refused(412, "condition_failed"), first);
    assert_eq!(again.header("idempotent-replay"), Some("true"));
}

#[tokio::test]
async fn a_session_numbers_its_writes() {
    let world = World::new().await;
    let opened = world.ask("POST", "/session").await.json();
    assert_eq!(opened["life_ms"], 600_000);
    let session = opened["session"].as_str().unwrap().to_owned();
    let numbered = async |seq: u64, acked_below: u64| {
        put(&world, &[&format!("Raftkv-Session: {session};{seq};{acked_below}")]).await
    };
    let first = numbered(1, 1).await;
    assert_eq!((first.status, first.header("idempotency-window")), (200, None));
    let again = numbered(1, 1).await;
    assert_eq!((again.json(), again.header("idempotent-replay")), (first.json(), Some("true")));
    assert_eq!(numbered(2, 2).await.status, 200);
    numbered(1, 1).await.assert_refused(409, "stale_request");
    assert_eq!(version(&world).await, 2);

    // Another cluster at the same address numbers its sessions alike.
    let (id, _) = session.split_once('-').unwrap();
    let strange = format!("{id}-00000bad");
    put(&world, &[&format!("Raftkv-Session: {strange};3;3")])
        .await
        .assert_refused(410, "session_expired");
    let closed = world.ask("DELETE", &format!("/session/{strange}")).await.json();
    assert_eq!(closed, json!({ "closed": false }));

    let close = format!("/session/{session}");
    assert_eq!(world.ask("DELETE", &close).await.json(), json!({ "closed": true }));
    assert_eq!(world.ask("DELETE", &close).await.json(), json!({ "closed": false }));
    numbered(3, 2).await.assert_refused(410, "session_expired");
    assert_eq!(version(&world).await, 2);
}

#[tokio::test]
async fn odd_conditions_keys_and_sessions_are_refused() {
    let world = World::new().await;
    let opened = world.ask("POST", "/session").await.json();
    let session = opened["session"].as_str().unwrap();
    let in_session = |numbers: &str| format!("Raftkv-Session: {session};{numbers}");
    let long = format!("Idempotency-Key: {}", "k".repeat(129));
    for headers in [
        &["If-Match: x"][..],
        &["If-Match: \"0\""],
        &["If-Match: W/\"1\""],
        &["If-Match: \"1\", \"2\""],
        &["If-Match: \"1\"", "If-Match: \"2\""],
        &["If-None-Match: \"1\""],
        &["If-Match: *", "If-None-Match: *"],
        &["Idempotency-Key:"],
        &["Idempotency-Key: a b"],
        &["Idempotency-Key: \u{e4}"],
        &[&long],
        &["Idempotency-Key: a", "Raftkv-Session: 1-00000000;1;1"],
        &["Raftkv-Session: 1-00000000;1"],
        &["Raftkv-Session: 1-00000000;1;1;1"],
        &["Raftkv-Session: 1-00000000;-1;1"],
        &["Raftkv-Session: 1;1;1"],
        &["Raftkv-Session: 1-0;1;1"],
        &["Raftkv-Session: 1-+0000000;1;1"],
        &["Raftkv-Session: x-00000000;1;1"],
        &[&in_session("0;0")],
        &[&in_session("1;2")],
    ] {
        put(&world, headers).await.assert_refused(400, "bad_header");
    }
    world.ask("DELETE", "/session/x").await.assert_refused(400, "bad_parameter");
    world.ask("DELETE", "/session/-1").await.assert_refused(400, "bad_parameter");
    let (_, mark) = session.split_once('-').unwrap();
    let unknown = format!("Raftkv-Session: 999-{mark};1;1");
    put(&world, &[&unknown]).await.assert_refused(410, "session_expired");
    world.ask("GET", "/kv/k").await.assert_refused(404, "not_found");
}

#[tokio::test]
async fn a_write_tells_what_was_there_before_if_it_is_asked_to() {
    let world = World::new().await;
    let put = async |target: &str, headers: &[&str], value: &str| {
        let body = serde_json::json!({ "value": value }).to_string();
        world.request("PUT", target, headers, body.as_bytes()).await.json()
    };
    let first = put("/kv/k?prev=true", &[], "1").await;
    assert_eq!(first.get("prev"), Some(&serde_json::Value::Null), "{first}");
    assert_eq!(put("/kv/k", &[], "2").await.get("prev"), None, "it was not asked to");
    let third = put("/kv/k?prev", &["Idempotency-Key: three"], "3").await;
    assert_eq!((&third["prev"]["value"], &third["prev"]["version"]), (&"2".into(), &2.into()));
    let again = put("/kv/k?prev", &["Idempotency-Key: three"], "3").await;
    assert_eq!(again, third, "a repeated write tells the same");

    let large = "x".repeat(10_000);
    put("/kv/k", &[], &large).await;
    let done = put("/kv/k?prev", &["Idempotency-Key: five"], "5").await;
    assert_eq!(done["prev"]["value"], large);
    let again = put("/kv/k?prev", &["Idempotency-Key: five"], "5").await;
    assert_eq!((&again["revision"], again.get("prev")), (&done["revision"], None), "{again}");

    let deleted = world.ask("DELETE", "/kv/k?prev=true").await.json();
    assert_eq!((&deleted["deleted"], &deleted["prev"]["value"]), (&1.into(), &"5".into()));
    let nothing = world.ask("DELETE", "/kv/k?prev=true").await.json();
    assert_eq!((&nothing["deleted"], nothing.get("prev")), (&0.into(), Some(&().into())));
    world.ask("DELETE", "/kv/k?prev=maybe").await.assert_refused(400, "bad_parameter");
}
