//! The replicated settings, and how much of the past and of memory there is.

use replica::MemoryUse;
use serde_json::json;
use store::Settings;

use super::world::World;
use crate::config::Raw;
use crate::http::Limits;
use crate::node::testing;

const PATH: &str = "/cluster/settings";

#[tokio::test]
async fn settings_are_shown_and_changed_one_by_one() {
    let world = World::new().await;
    let Settings { history_age_ms, history_bytes, .. } = Settings::default();
    let shown = world.get(PATH).await;
    let expected = json!({
        "history_age_ms": history_age_ms, "history_bytes": history_bytes, "changed_index": 0,
    });
    assert_eq!(shown, expected);
    let answer = world.request("PATCH", PATH, &[], r#"{"history_bytes": 8192}"#.as_bytes()).await;
    assert_eq!(answer.status, 200);
    let expected = json!({
        "history_age_ms": history_age_ms, "history_bytes": 8_192, "changed_index": 2,
        "log_index": 2, "term": 1,
    });
    assert_eq!(answer.json(), expected);
    world.request("PATCH", PATH, &[], r#"{"history_age_ms": 0}"#.as_bytes()).await;
    let shown = world.get(PATH).await;
    assert_eq!((&shown["history_age_ms"], &shown["history_bytes"]), (&json!(0), &json!(8_192)));
}

#[tokio::test]
async fn what_is_no_setting_or_out_of_bounds_changes_nothing() {
    let world = World::new().await;
    for (body, code) in [
        (r#"{"history_bytes": 8192, "histroy_age_ms": 1}"#, "unknown_field"),
        (r#"{"history_bytes": 4095}"#, "bad_parameter"),
        (r#"{"history_age_ms": 99999999999999}"#, "bad_parameter"),
        (r#"{"history_age_ms": "1h"}"#, "bad_parameter"),
        (r#"{"history_bytes": 8192, "history_bytes": 9000}"#, "malformed_json"),
        ("{}", "missing_field"),
        ("[]", "malformed_json"),
    ] {
        world.request("PATCH", PATH, &[], body.as_bytes()).await.assert_refused(400, code);
    }
    assert_eq!(world.get(PATH).await["changed_index"], 0);
    world.ask("PUT", PATH).await.assert_refused(405, "method_not_allowed");
    let answer = world.ask("GET", &format!("{PATH}?x=1")).await;
    answer.assert_refused(400, "bad_parameter");
}

#[tokio::test]
async fn the_status_shows_the_window_in_force() {
    let world = World::new().await;
    world.put("k", "1").await;
    let history = world.get("/cluster/status").await["history"].clone();
    assert_eq!((&history["oldest_revision"], &history["limited_by"]), (&json!(1), &json!(null)));
    world.put("k", "2").await;
    world.put("k", "3").await;
    world.request("POST", "/compact", &[], r#"{"revision": 3}"#.as_bytes()).await;
    let status = world.get("/cluster/status").await;
    let history = &status["history"];
    assert_eq!((&history["oldest_revision"], &history["limited_by"]), (&json!(3), &json!("asked")));
    assert_eq!(history["oldest_time"], "1970-01-01T00:00:01.003Z");
    assert_eq!(
        (&history["bytes_max"], &history["age_ms_max"]),
        (&json!(256 << 20), &json!(3_600_000))
    );
    assert!(history["bytes"].as_u64().unwrap() > 0);
    let memory = json!({ "has_memory": true, "used_bytes": 0, "limit_bytes": null });
    assert_eq!(status["memory"], memory);
}

#[tokio::test]
async fn a_member_without_memory_goes_on_and_raises_an_alarm() {
    let node = testing::showing(|status| {
        let memory = MemoryUse { used_bytes: 950, limit_bytes: 1_000, lacks: true };
        status.replica.as_mut().unwrap().memory = memory;
    });
    let world = World::with(node, Raw::default(), Limits::default()).await;
    let status = world.get("/cluster/status").await;
    let memory = json!({ "has_memory": false, "used_bytes": 950, "limit_bytes": 1_000 });
    assert_eq!(status["memory"], memory);
    let alarm = &status["alarms"][0];
    assert_eq!((&alarm["alarm"], &alarm["used_bytes"]), (&json!("no_memory"), &json!(950)));
    assert_eq!(world.ask("GET", "/health").await.status, 503);
    assert_eq!(world.ask("GET", "/health?exclude=NOSPACE").await.status, 200);
    let page = world.ask("GET", "/metrics").await.text();
    for line in [
        r#"raftkv_alarm{alarm="no_memory"} 1"#,
        "raftkv_has_memory 0",
        "raftkv_memory_used_bytes 950",
        "raftkv_memory_limit_bytes 1000",
    ] {
        assert!(page.lines().any(|shown| shown == line), "{line} is missing in:\n{page}");
    }
}
