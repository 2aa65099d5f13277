//! Reading and writing one key.

use std::time::Instant;

use serde_json::{Value, json};

use super::world::World;
use crate::config::Raw;
use crate::http::Limits;
use crate::node::testing;

#[tokio::test]
async fn what_is_put_can_be_read_and_deleted() {
    let world = World::new().await;
    let put = world.put("name", "RaftKV").await;
    let expected = json!({
        "status": "committed", "key": "name", "revision": 2, "log_index": 2, "term": 1
    });
    assert_eq!(put, expected);
    let expected = json!({
        "key": "name", "value": "RaftKV", "version": 1, "create_revision": 2, "mod_revision": 2
    });
    assert_eq!(world.get("/kv/name").await, expected);

    let deleted = world.ask("DELETE", "/kv/name").await;
    assert_eq!((deleted.status, deleted.json()["deleted"].as_u64()), (200, Some(1)));
    assert_eq!(deleted.json()["revision"], 3);
    world.ask("GET", "/kv/name").await.assert_refused(404, "not_found");
    let again = world.ask("DELETE", "/kv/name").await;
    assert_eq!((again.status, again.json()["deleted"].as_u64()), (200, Some(0)));
}

#[tokio::test]
async fn a_missing_key_is_named_with_the_revision_that_was_read() {
    let world = World::new().await;
    let body = world.ask("GET", "/kv/a%2Fb").await.assert_refused(404, "not_found");
    assert_eq!((&body["key"], &body["revision"]), (&json!("a/b"), &json!(1)));
}

#[tokio::test]
async fn a_key_is_everything_after_the_prefix_as_bytes() {
    let world = World::new().await;
    for (path, key) in [
        ("a/b/c", "a/b/c"),
        ("a%2Fb%2Fd", "a/b/d"),
        ("/leading", "/leading"),
        ("trailing/", "trailing/"),
        ("a/../b", "a/../b"),
        ("a+b", "a+b"),
        ("a%20b%25%3F", "a b%?"),
        ("a&b=c", "a&b=c"),
        ("%C3%A4", "ä"),
        ("ä", "ä"),
        ("%00", "\0"),
    ] {
        assert_eq!(world.put(path, path).await["key"], key);
        assert_eq!(world.get(&format!("/kv/{path}")).await["key"], key);
    }
}

#[tokio::test]
async fn bytes_that_are_no_text_come_out_in_base64() {
    let world = World::new().await;
    let raw = ["Content-Type: application/octet-stream"];
    let put = world.request("PUT", "/kv/%FF%00", &raw, b"\x00\xfe").await;
    assert_eq!((put.status, &put.json()["key_base64"]), (200, &json!("/wA=")));
    let got = world.get("/kv/%ff%00").await;
    assert_eq!((&got["key_base64"], &got["value_base64"]), (&json!("/wA="), &json!("AP4=")));
    assert!(got.get("key").is_none() && got.get("value").is_none());
    let missing = world.ask("GET", "/kv/%FE").await.assert_refused(404, "not_found");
    assert_eq!(missing["key_base64"], "/g==");
}

#[tokio::test]
async fn the_content_type_decides_how_a_body_is_read() {
    let world = World::new().await;
    for (content_type, body, value) in [
        (None, r#"{"value":"1"}"#, "1"),
        (Some("application/json"), r#"{"value":"2"}"#, "2"),
        (Some("Application/JSON; charset=utf-8"), r#"{"value":"3"}"#, "3"),
        (Some("application/x-www-form-urlencoded"), r#"{"value": "4"}"#, "4"),
        (None, r#"{"value_base64":"NQ=="}"#, "5"),
        (None, r#"{"value":"\u00e4\n\u0000"}"#, "ä\n\0"),
        (None, r#"{"value":""}"#, ""),
        (Some("application/octet-stream"), r#"{"value":"6"}"#, r#"{"value":"6"}"#),
        (Some("text/plain"), "7", "7"),
        (Some("text/yaml; charset=utf-8"), "a: 8", "a: 8"),
    ] {
        let header = content_type.map(|content_type| format!("Content-Type: {content_type}"));
        let headers: Vec<&str> = header.iter().map(String::as_str).collect();
        let put = world.request("PUT", "/kv/k", &headers, body.as_bytes()).await;
        assert_eq!(put.status, 200, "{}", put.text());
        assert_eq!(world.get("/kv/k").await["value"], value);
    }
    let empty = world.request("PUT", "/kv/k", &["Content-Type: text/plain"], b"").await;
    assert_eq!(empty.status, 200, "an empty value is a value");
    assert_eq!(world.get("/kv/k").await["value"], "");
}

#[tokio::test]
async fn a_value_as_large_as_allowed_fits_in_every_format() {
    let world = World::new().await;
    let value = "v".repeat((1_536 << 10) - 64);
    world.put("json", &value).await;
    let raw = ["Content-Type: application/octet-stream"];
    let put = world.request("PUT", "/kv/raw", &raw, value.as_bytes()).await;
    assert_eq!(put.status, 200);
    let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &value);
    let body = format!(r#"{{"value_base64":"{encoded}"}}"#);
    assert_eq!(world.request("PUT", "/kv/b64", &[], body.as_bytes()).await.status, 200);
    for key in ["json", "raw", "b64"] {
        assert_eq!(world.get(&format!("/kv/{key}")).await["value"], value);
    }
}

#[tokio::test]
async fn the_past_can_be_read_by_revision() {
    let world = World::new().await;
    world.put("k", "old").await;
    world.put("k", "new").await;
    let old = world.ask("GET", "/kv/k?revision=2").await;
    assert_eq!(old.json()["value"], "old");
    assert_eq!(old.header("raftkv-revision"), Some("2"));
    assert_eq!(world.ask("GET", "/kv/k").await.header("raftkv-revision"), Some("3"));
    world.ask("GET", "/kv/k?revision=1").await.assert_refused(404, "not_found");
    let future = world.ask("GET", "/kv/k?revision=4").await.assert_refused(400, "future_revision");
    assert_eq!(future["newest"], 3);
}

#[tokio::test]
async fn a_stale_read_says_how_stale_it_may_be() {
    let began = Instant::now();
    let world = World::new().await;
    world.put("k", "v").await;
    for target in ["/kv/k?consistency=stale", "/kv?consistency=stale"] {
        let stale = world.get(target).await;
        assert_eq!(stale["applied_index"], 2, "{stale}");
        let age_ms = stale["age_ms"].as_u64().expect("it has heard of itself");
        assert!(u128::from(age_ms) <= began.elapsed().as_millis(), "{stale}");
    }
    let fresh = world.get("/kv/k?consistency=linearizable").await;
    assert!(fresh.get("applied_index").is_none(), "{fresh}");
}

#[tokio::test]
async fn a_stale_read_of_a_member_that_has_heard_no_leader_says_that_nobody_knows() {
    let node = testing::showing(|status| status.replica.as_mut().unwrap().leader = None);
    let world = World::with(node, Raw::default(), Limits::default()).await;
    let stale = world.get("/kv?consistency=stale").await;
    assert_eq!((&stale["applied_index"], &stale["age_ms"]), (&1.into(), &Value::Null), "{stale}");
}

#[tokio::test]
async fn answers_may_not_be_cached_and_end_in_a_newline() {
    let world = World::new().await;
    world.put("k", "v").await;
    let answer = world.ask("GET", "/kv/k").await;
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert!(answer.text().ends_with("}\n"));
}
