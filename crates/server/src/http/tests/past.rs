//! Reads of the past: by revision, by time, and all versions of a key.

use serde_json::{Value, json};

use super::world::World;
use crate::config::Raw;
use crate::http::{Limits, time};
use crate::node::testing;

/// `k` is 1, 2, gone, 3 at revisions 2 to 5; the entry of a revision is stamped 1,000 ms after 1970
/// and as many as its index, which is the revision's.
async fn world() -> World {
    let world = World::new().await;
    world.put("k", "1").await;
    world.put("k", "2").await;
    world.ask("DELETE", "/kv/k").await;
    world.put("k", "3").await;
    world
}

/// The stamp of the entry that made a revision.
fn stamp_ms(revision: u64) -> u64 {
    1_000 + revision
}

/// That moment, in µs.
fn us(revision: u64) -> u64 {
    stamp_ms(revision) * 1_000
}

#[tokio::test]
async fn a_time_shows_the_last_revision_written_by_then_and_names_it() {
    let world = world().await;
    let shown = world.get(&format!("/kv/k?at={}", us(3))).await;
    assert_eq!((&shown["value"], &shown["revision"]), (&json!("2"), &json!(3)));
    // To the end of its millisecond.
    let shown = world.get(&format!("/kv/k?at={}", us(3) + 999)).await;
    assert_eq!(shown["revision"], 3);
    let shown = world.get(&format!("/kv/k?at={}", time::format(stamp_ms(2)))).await;
    assert_eq!((&shown["value"], &shown["revision"]), (&json!("1"), &json!(2)));
    let answer = world.ask("GET", &format!("/kv/k?at={}", us(4))).await;
    assert_eq!(answer.assert_refused(404, "not_found")["revision"], 4);
    // Before the first write the store was empty, which is a revision too.
    let answer = world.ask("GET", "/kv/k?at=1970-01-01T00:00:00Z").await;
    assert_eq!(answer.assert_refused(404, "not_found")["revision"], 1);
}

#[tokio::test]
async fn the_same_in_a_listing_page_by_page() {
    let world = world().await;
    world.put("a", "1").await;
    let at = format!("at={}", us(6));
    world.put("b", "1").await;
    let page = world.get(&format!("/kv?limit=1&{at}")).await;
    assert_eq!((&page["items"][0]["key"], &page["revision"]), (&json!("a"), &json!(6)));
    let next = page["next"].as_str().unwrap();
    let page = world.get(&format!("/kv?limit=1&{at}&after={next}")).await;
    assert_eq!((&page["items"][0]["key"], page.get("next")), (&json!("k"), None));
    let count = world.get(&format!("/kv?count_only&{at}")).await;
    assert_eq!(count, json!({ "count": 2, "revision": 6 }));
    let answer = world.ask("GET", &format!("/kv?limit=1&at={}&after={next}", us(5))).await;
    assert_eq!(answer.assert_refused(400, "bad_parameter")["parameter"], "at");
    let answer = world.ask("GET", &format!("/kv?limit=1&revision=5&after={next}")).await;
    assert_eq!(answer.assert_refused(400, "bad_parameter")["parameter"], "revision");
}

#[tokio::test]
async fn a_time_that_is_not_over_is_refused() {
    let world = world().await;
    for at_ms in [stamp_ms(6), stamp_ms(7), 1 << 50] {
        let answer = world.ask("GET", &format!("/kv/k?at={}", at_ms * 1_000)).await;
        let body = answer.assert_refused(400, "future_time");
        assert_eq!(body["settled"], time::format(stamp_ms(6)));
    }
    assert_eq!(world.get(&format!("/kv/k?at={}", us(5))).await["value"], "3");
    // What a member has by itself ends with what it applied.
    let stale = |revision| format!("/kv/k?consistency=stale&at={}", us(revision));
    world.ask("GET", &stale(5)).await.assert_refused(400, "future_time");
    let shown = world.get(&stale(3)).await;
    assert_eq!((&shown["value"], &shown["revision"]), (&json!("2"), &json!(3)));
    assert!(shown["applied_index"].is_u64());
}

#[tokio::test]
async fn what_is_no_moment_is_refused() {
    let world = world().await;
    for at in ["", "yesterday", "-1", "1.5", "2026-02-30T00:00:00Z", "2026-08-04", "%FF"] {
        for target in [format!("/kv/k?at={at}"), format!("/kv?at={at}")] {
            let body = world.ask("GET", &target).await.assert_refused(400, "bad_parameter");
            assert_eq!(body["parameter"], "at", "{target}");
        }
    }
    let both = format!("/kv/k?at={}&revision=3", us(3));
    world.ask("GET", &both).await.assert_refused(400, "bad_parameter");
}

#[tokio::test]
async fn the_versions_of_a_key_the_newest_first() {
    let world = world().await;
    let history = world.get("/history/k").await;
    let written = |revision: u64, left: Value| {
        let mut shown = json!({
            "revision": revision,
            "time": time::format(stamp_ms(revision)),
            "timestamp": us(revision),
        });
        shown.as_object_mut().unwrap().extend(left.as_object().unwrap().clone());
        shown
    };
    let expected = json!({
        "key": "k",
        "versions": [
            written(5, json!({ "value": "3", "version": 1, "create_revision": 5 })),
            written(4, json!({ "deleted": true })),
            written(3, json!({ "value": "2", "version": 2, "create_revision": 2 })),
            written(2, json!({ "value": "1", "version": 1, "create_revision": 2 })),
        ],
        "revision": 5,
        "oldest": 1,
    });
    assert_eq!(history, expected);
    // A time of it is one to read at.
    let time = history["versions"][2]["time"].as_str().unwrap();
    assert_eq!(world.get(&format!("/kv/k?at={time}")).await["value"], "2");
}

#[tokio::test]
async fn a_past_is_told_in_pages() {
    let world = world().await;
    let mut page = world.get("/history/k?limit=3").await;
    assert_eq!((page["versions"].as_array().unwrap().len(), &page["next"]), (3, &json!(3)));
    world.put("k", "4").await;
    page = world.get("/history/k?limit=3&before=3").await;
    assert_eq!((&page["versions"][0]["revision"], page.get("next")), (&json!(2), None));
    page = world.get("/history/k?before=2").await;
    assert_eq!(page["versions"], json!([]));
    for target in ["/history/k?limit=0", "/history/k?limit=1001", "/history/k?before=0"] {
        world.ask("GET", target).await.assert_refused(400, "bad_parameter");
    }
    world.ask("GET", "/history/other").await.assert_refused(404, "not_found");
    world.ask("GET", "/history/").await.assert_refused(400, "empty_key");
    world.ask("GET", "/history/%zz").await.assert_refused(400, "bad_escape");
    world.ask("PUT", "/history/k").await.assert_refused(405, "method_not_allowed");
    world.ask("GET", "/history/k?at=5").await.assert_refused(400, "bad_parameter");
    let stale = world.get("/history/k?consistency=stale").await;
    assert!(stale["applied_index"].is_u64());
}

#[tokio::test]
async fn a_member_without_a_cluster_shows_no_past() {
    let world = World::with(testing::waiting(), Raw::default(), Limits::default()).await;
    for target in ["/history/k", "/kv/k?at=1", "/kv?at=1", "/history/k?consistency=stale"] {
        world.ask("GET", target).await.assert_refused(503, "unavailable");
    }
}

/// `POST /compact` to a revision.
async fn compact(world: &World, revision: u64) -> crate::http::tests::world::Answer {
    let body = json!({ "revision": revision }).to_string();
    world.request("POST", "/compact", &[], body.as_bytes()).await
}

#[tokio::test]
async fn what_is_compacted_is_refused_from_then_on() {
    let world = world().await;
    let answer = compact(&world, 3).await;
    let expected = json!({
        "status": "compacted", "compact_revision": 3, "revision": 5, "log_index": 6, "term": 1,
    });
    assert_eq!((answer.status, answer.json()), (200, expected));
    assert_eq!(world.get("/kv/k?revision=3").await["value"], "2");
    for target in ["/kv/k?revision=2", "/kv?revision=2"] {
        assert_eq!(world.ask("GET", target).await.assert_refused(410, "compacted")["oldest"], 3);
    }
    for target in [format!("/kv/k?at={}", us(2)), format!("/kv?at={}", us(2)), "/kv?at=0".into()] {
        let body = world.ask("GET", &target).await.assert_refused(410, "before_history");
        assert_eq!(body["oldest"], 3, "{target}");
    }
    assert_eq!(world.get(&format!("/kv/k?at={}", us(3))).await["value"], "2");
    let history = world.get("/history/k").await;
    assert_eq!((&history["oldest"], &history["versions"][2]["revision"]), (&json!(3), &json!(3)));
    assert_eq!(history["versions"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_compaction_of_the_future_or_of_the_compacted_does_nothing() {
    let world = world().await;
    assert_eq!(compact(&world, 6).await.assert_refused(400, "future_revision")["newest"], 5);
    assert_eq!(compact(&world, 4).await.status, 200);
    for revision in [3, 4] {
        let body = compact(&world, revision).await.assert_refused(410, "compacted");
        assert_eq!(body["oldest"], 4);
    }
    let status = world.get("/cluster/status").await;
    assert_eq!((&status["compact_revision"], &status["revision"]), (&json!(4), &json!(5)));
}

#[tokio::test]
async fn a_compaction_that_makes_no_sense_is_refused() {
    let world = world().await;
    for (body, status, code) in [
        ("", 400, "malformed_json"),
        ("{}", 400, "missing_field"),
        (r#"{"revision":0}"#, 400, "bad_parameter"),
        (r#"{"revision":-1}"#, 400, "bad_parameter"),
        (r#"{"revision":"3"}"#, 400, "bad_parameter"),
        (r#"{"revision":1.5}"#, 400, "bad_parameter"),
        (r#"{"revision":3,"revision":4}"#, 400, "malformed_json"),
        (r#"{"revision":3,"physical":1}"#, 400, "unknown_field"),
        ("[3]", 400, "malformed_json"),
    ] {
        let answer = world.request("POST", "/compact", &[], body.as_bytes()).await;
        answer.assert_refused(status, code);
    }
    let body = br#"{"revision":3}"#;
    let named = world.request("POST", "/compact", &["Idempotency-Key: n"], body).await;
    named.assert_refused(400, "bad_header");
    world
        .request("POST", "/compact?revision=3", &[], body)
        .await
        .assert_refused(400, "bad_parameter");
    assert_eq!(world.get("/cluster/status").await["compact_revision"], 0);
}
