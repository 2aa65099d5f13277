//! Records over HTTP.

use serde_json::{Value, json};

use super::world::{Answer, World};

async fn post(world: &World, body: Value) -> Answer {
    world.request("POST", "/kv-store", &[], body.to_string().as_bytes()).await
}

async fn set(world: &World, key: &str, field: &str, value: &str) -> Value {
    let body = json!({"type": "set", "key": key, "field": field, "value": value});
    let answer = post(world, body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// The fields of a page as they stand there.
fn names(page: &Value) -> Vec<&String> {
    page["fields"].as_object().unwrap().keys().collect()
}

fn assert_missing(answer: &Answer) -> Value {
    let body = answer.assert_refused(404, "not_found");
    assert_eq!(body["success"], false, "{body}");
    body
}

#[tokio::test]
async fn a_field_is_set_read_and_deleted() {
    let world = World::new().await;
    let done = set(&world, "user1", "name", "Ada").await;
    let expected = json!({
        "success": true, "message": "the field is set", "key": "user1", "field": "name",
        "value": "Ada", "timestamp": 1_002_000, "revision": 2, "log_index": 2, "term": 1,
    });
    assert_eq!(done, expected);

    let found = world.get("/kv-store?key=user1&field=name").await;
    let expected = json!({
        "success": true, "message": "found", "value": "Ada", "timestamp": 1_002_000,
        "mod_revision": 2,
    });
    assert_eq!(found, expected);

    let delete = json!({"type": "delete", "key": "user1", "field": "name"});
    let done = post(&world, delete.clone()).await.json();
    assert_eq!((&done["success"], &done["deleted"]), (&json!(true), &json!(1)), "{done}");
    assert_eq!((&done["timestamp"], &done["log_index"]), (&json!(1_003_000), &json!(3)));
    let body = assert_missing(&world.ask("GET", "/kv-store?key=user1&field=name").await);
    assert_eq!((&body["key"], &body["field"]), (&json!("user1"), &json!("name")));
    assert_missing(&post(&world, delete).await);
}

#[tokio::test]
async fn a_record_is_plain_keys() {
    let world = World::new().await;
    set(&world, "user/1", "a%b", "x").await;
    set(&world, "user/1", "c/d", "y").await;
    assert_eq!(world.get("/kv/user%252F1/a%2525b").await["key"], "user%2F1/a%25b");
    assert_eq!(world.get("/kv/user%252F1/c%252Fd").await["value"], "y");
    world.put("user1/plain", "put as a key").await;
    assert_eq!(world.get("/kv-store?key=user1&field=plain").await["value"], "put as a key");
}

#[tokio::test]
async fn scans_show_fields_by_name_and_pass_over_other_keys() {
    let world = World::new().await;
    for (field, value) in [("b", "2"), ("a/x", "1"), ("a.", "0"), ("a", "3")] {
        set(&world, "r", field, value).await;
    }
    for key in ["r/nested/key", "r/%2541", "r", "r2/a"] {
        world.put(key, "no field").await;
    }
    let page = world.get("/kv-store?key=r").await;
    let shown = r#""fields":{"a":"3","a.":"0","a/x":"1","b":"2"}"#;
    let text = world.ask("GET", "/kv-store?key=r").await.text();
    assert!(text.contains(shown), "{text}");
    assert_eq!((&page["message"], &page["key"]), (&json!("4 fields"), &json!("r")));
    assert_eq!((page.get("next"), &page["revision"]), (None, &json!(9)));
    let page = world.get("/kv-store?key=r&prefix=a").await;
    assert_eq!(names(&page), ["a", "a.", "a/x"]);
    let page = world.get("/kv-store?key=r&prefix=a%2F").await;
    assert_eq!(names(&page), ["a/x"]);
    let page = world.get("/kv-store?key=r&prefix=zz").await;
    assert_eq!((&page["success"], &page["fields"]), (&json!(true), &json!({})));
    assert_missing(&world.ask("GET", "/kv-store?key=none").await);
    assert_missing(&world.ask("GET", "/kv-store?key=none&prefix=a").await);
    assert_missing(&world.ask("GET", "/kv-store?key=r&revision=1").await);
}

#[tokio::test]
async fn pages_meet_without_a_gap_and_show_one_revision() {
    let world = World::new().await;
    let long = "l".repeat(40_000);
    let fields = ["a", "b/", "b.", &long, &format!("{long}/"), &format!("{long}0"), "z"];
    for field in fields {
        set(&world, "r", field, "v").await;
    }
    let mut expected = fields.to_vec();
    expected.sort_unstable();
    let mut page = world.get("/kv-store?key=r&limit=1").await;
    set(&world, "r", "aa", "later").await;
    let mut seen: Vec<String> = names(&page).into_iter().cloned().collect();
    while let Some(next) = page["next"].as_str() {
        page = world.get(&format!("/kv-store?key=r&limit=1&after={next}")).await;
        assert_eq!(page["revision"], 8);
        seen.extend(names(&page).into_iter().cloned());
    }
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn a_cursor_is_good_for_its_own_record_only() {
    let world = World::new().await;
    for field in ["a", "b"] {
        set(&world, "r", field, "v").await;
        set(&world, "s", field, "v").await;
    }
    let page = world.get("/kv-store?key=r&limit=1").await;
    let next = page["next"].as_str().unwrap();
    for query in [
        format!("key=s&after={next}"),
        format!("key=r&prefix=a&after={next}"),
        "key=r&after=AAAA".to_owned(),
    ] {
        let answer = world.ask("GET", &format!("/kv-store?{query}")).await;
        answer.assert_refused(400, "bad_cursor");
    }
    let answer = world.ask("GET", &format!("/kv-store?key=r&revision=2&after={next}")).await;
    answer.assert_refused(400, "bad_parameter");
    let list = world.get("/kv?limit=1").await;
    let other = list["next"].as_str().unwrap();
    let answer = world.ask("GET", &format!("/kv-store?key=r&after={other}")).await;
    answer.assert_refused(400, "bad_cursor");
}

#[tokio::test]
async fn a_record_is_deleted_as_a_whole() {
    let world = World::new().await;
    for number in 0..200 {
        set(&world, "r", &format!("field{number}"), "v").await;
    }
    world.put("r/nested/key", "stays").await;
    let done = world.ask("DELETE", "/kv-store?key=r").await.json();
    assert_eq!((&done["success"], &done["deleted"]), (&json!(true), &json!(200)), "{done}");
    assert_eq!(done["message"], "the record is deleted, 200 fields");
    assert_eq!(done["revision"], 203, "in one revision");
    assert_missing(&world.ask("GET", "/kv-store?key=r").await);
    assert_missing(&world.ask("DELETE", "/kv-store?key=r").await);
    assert_eq!(world.get("/kv/r/nested/key").await["value"], "stays");
    set(&world, "r", "a", "1").await;
    let done = post(&world, json!({"type": "delete", "key": "r"})).await.json();
    assert_eq!(done["message"], "the record is deleted, 1 field");
    set(&world, "r", "a", "1").await;
    let done = world.ask("DELETE", "/kv-store?key=r&field=a").await.json();
    assert_eq!(done["message"], "the field is deleted");
}

#[tokio::test]
async fn the_past_of_a_record() {
    let world = World::new().await;
    set(&world, "r", "a", "1").await;
    set(&world, "r", "a", "2").await;
    set(&world, "r", "b", "1").await;
    let then = world.get("/kv-store?key=r&field=a&revision=2").await;
    assert_eq!((&then["value"], &then["timestamp"]), (&json!("1"), &json!(1_002_000)));
    let then = world.get("/kv-store?key=r&revision=3").await;
    assert_eq!(then["fields"], json!({"a": "2"}));
    let answer = world.ask("GET", "/kv-store?key=r&revision=9").await;
    assert_eq!(answer.assert_refused(400, "future_revision")["success"], false);
}

#[tokio::test]
async fn what_is_no_text_travels_in_base64() {
    let world = World::new().await;
    let body = json!({
        "type": "set", "key_base64": "/w==", "field_base64": "/g==", "value_base64": "AP8=",
    });
    let done = post(&world, body).await.json();
    let shown = (&done["key_base64"], &done["field_base64"], &done["value_base64"]);
    assert_eq!(shown, (&json!("/w=="), &json!("/g=="), &json!("AP8=")));
    assert_eq!(done.get("key"), None);
    let body = json!({"type": "set", "key_base64": "/w==", "field": "t", "value": "text"});
    post(&world, body).await;
    let found = world.get("/kv-store?key=%FF&field=%FE").await;
    assert_eq!((found.get("value"), &found["value_base64"]), (None, &json!("AP8=")));
    let page = world.get("/kv-store?key=%FF").await;
    assert_eq!(page["fields"], json!({"t": "text"}));
    assert_eq!(page["fields_base64"], json!({"/g==": "AP8="}));
}

#[tokio::test]
async fn a_change_is_done_once_and_under_its_condition() {
    let world = World::new().await;
    let send = async |headers: &[&str], body: Value| {
        world.request("POST", "/kv-store", headers, body.to_string().as_bytes()).await
    };
    let put = json!({"type": "set", "key": "r", "field": "a", "value": "1"});
    let first = send(&["Idempotency-Key: one"], put.clone()).await;
    let again = send(&["Idempotency-Key: one"], put.clone()).await;
    assert_eq!(again.json(), first.json(), "down to the time");
    assert_eq!(again.header("idempotent-replay"), Some("true"));
    let other = json!({"type": "set", "key": "r", "field": "a", "value": "2"});
    let reused = send(&["Idempotency-Key: one"], other.clone()).await;
    assert_eq!(reused.assert_refused(422, "key_reused")["success"], false);

    let conflict = send(&["If-None-Match: *"], other.clone()).await;
    let body = conflict.assert_refused(412, "condition_failed");
    assert_eq!((&body["success"], &body["current"]["value"]), (&json!(false), &json!("1")));
    assert_eq!(send(&["If-Match: \"2\""], other).await.json()["revision"], 3);

    let delete = json!({"type": "delete", "key": "r"});
    send(&["If-Match: *"], delete.clone()).await.assert_refused(400, "bad_header");
    let first = send(&["Idempotency-Key: two"], delete.clone()).await;
    set(&world, "r", "a", "3").await;
    let again = send(&["Idempotency-Key: two"], delete).await;
    assert_eq!((again.status, again.json()), (200, first.json()));
    assert_eq!(world.get("/kv-store?key=r&field=a").await["value"], "3");
}

#[tokio::test]
async fn bodies_that_say_something_else_are_refused_and_change_nothing() {
    let world = World::new().await;
    for (body, code) in [
        ("", "malformed_json"),
        ("[]", "malformed_json"),
        (r#"{"key":"r","field":"a","value":"v"}"#, "missing_field"),
        (r#"{"type":"get","key":"r","field":"a"}"#, "bad_parameter"),
        (r#"{"type":"set","field":"a","value":"v"}"#, "missing_field"),
        (r#"{"type":"set","key":"r","value":"v"}"#, "missing_field"),
        (r#"{"type":"set","key":"r","field":"a"}"#, "missing_field"),
        (r#"{"type":"set","key":"","field":"a","value":"v"}"#, "empty_key"),
        (r#"{"type":"set","key":"r","field":"","value":"v"}"#, "empty_field"),
        (r#"{"type":"delete","key":""}"#, "empty_key"),
        (r#"{"type":"delete","key":"r","field":""}"#, "empty_field"),
        (r#"{"type":"delete","key":"r","field":"a","value":"v"}"#, "bad_parameter"),
        (r#"{"type":"set","key":1,"field":"a","value":"v"}"#, "value_not_string"),
        (r#"{"type":"set","key":"r","field":"a","value":1}"#, "value_not_string"),
        (
            r#"{"type":"set","key":"r","key_base64":"cg==","field":"a","value":"v"}"#,
            "malformed_json",
        ),
        (r#"{"type":"set","key":"r","field":"a","value":"v","value":"w"}"#, "malformed_json"),
        (r#"{"type":"set","key_base64":"?","field":"a","value":"v"}"#, "bad_base64"),
        (r#"{"type":"set","key":"r","field":"a","value":"v","timestamp":1}"#, "unknown_field"),
        (r#"{"type":"set","key":"r","field":"a","value":"v","x":1}"#, "unknown_field"),
    ] {
        let answer = world.request("POST", "/kv-store", &[], body.as_bytes()).await;
        assert_eq!(answer.assert_refused(400, code)["success"], false, "{body}");
    }
    let raw = ["Content-Type: application/octet-stream"];
    let answer = world.request("POST", "/kv-store", &raw, b"{}").await;
    answer.assert_refused(415, "unsupported_media_type");
    assert_eq!(world.get("/kv?count_only").await["count"], 0);
    let ignored = json!({
        "type": "set", "command": "SET r.a=v", "key": "r", "field": "a", "value": "v",
    });
    assert_eq!(post(&world, ignored).await.status, 200);
}

#[tokio::test]
async fn queries_that_mean_nothing_are_refused() {
    let world = World::new().await;
    set(&world, "r", "a", "v").await;
    for (target, code) in [
        ("/kv-store", "missing_field"),
        ("/kv-store?key=", "empty_key"),
        ("/kv-store?key=r&field=", "empty_field"),
        ("/kv-store?key=r&field=a&prefix=a", "bad_parameter"),
        ("/kv-store?key=r&field=a&limit=1", "bad_parameter"),
        ("/kv-store?key=r&limit=0", "bad_parameter"),
        ("/kv-store?key=r&limit=1001", "bad_parameter"),
        ("/kv-store?key=r&key=s", "bad_parameter"),
        ("/kv-store?key=%zz", "bad_escape"),
        ("/kv-store?key=r&frield=a", "bad_parameter"),
    ] {
        let refused = world.ask("GET", target).await.assert_refused(400, code);
        assert_eq!(refused["success"], false, "{target}");
    }
    world.ask("DELETE", "/kv-store?key=r&prefix=a").await.assert_refused(400, "bad_parameter");
    world.ask("PUT", "/kv-store?key=r").await.assert_refused(405, "method_not_allowed");
    assert_eq!(world.get("/kv-store?key=r").await["fields"], json!({"a": "v"}));
}

#[tokio::test]
async fn a_stale_read_says_how_stale_it_may_be() {
    let world = World::new().await;
    set(&world, "r", "a", "v").await;
    let found = world.get("/kv-store?key=r&field=a&consistency=stale").await;
    assert_eq!((&found["value"], &found["applied_index"]), (&json!("v"), &json!(2)));
    let page = world.get("/kv-store?key=r&consistency=stale").await;
    assert!(page["age_ms"].is_u64(), "{page}");
}

#[tokio::test]
async fn a_record_as_it_was_at_a_time() {
    let world = World::new().await;
    // Entry n has the stamp 1000 + n ms.
    set(&world, "r", "a", "1").await;
    set(&world, "r", "a", "2").await;
    set(&world, "r", "b", "3").await;
    world.put("other", "so that the time of the last field is over").await;
    let then = world.get("/kv-store?key=r&field=a&timestamp=1002999").await;
    assert_eq!((&then["value"], &then["timestamp"]), (&json!("1"), &json!(1_002_000)));
    let then = world.get("/kv-store?key=r&field=a&timestamp=1003000").await;
    assert_eq!(then["value"], "2");
    let page = world.get("/kv-store?key=r&timestamp=1003000").await;
    assert_eq!((&page["fields"], &page["revision"]), (&json!({"a": "2"}), &json!(3)));
    assert_eq!(world.get("/kv-store?key=r&at=1003000").await, page);
    let page = world.get("/kv-store?key=r&timestamp=1004000&limit=1").await;
    let next = page["next"].as_str().unwrap();
    let last = world.get(&format!("/kv-store?key=r&after={next}")).await;
    assert_eq!((&last["fields"], &last["revision"]), (&json!({"b": "3"}), &json!(4)));

    assert_missing(&world.ask("GET", "/kv-store?key=r&timestamp=0").await);
    assert_missing(&world.ask("GET", "/kv-store?key=r&field=b&timestamp=1003000").await);
    let future = world.ask("GET", "/kv-store?key=r&timestamp=99999999999999999").await;
    assert_eq!(future.assert_refused(400, "future_time")["success"], false);
    for query in [
        "timestamp=1003000&revision=2".to_owned(),
        "timestamp=1003000&at=1003000".to_owned(),
        "timestamp=2026-08-04T12:00:00Z".to_owned(),
        "timestamp=-1".to_owned(),
        format!("timestamp=1003000&after={next}"),
    ] {
        let answer = world.ask("GET", &format!("/kv-store?key=r&{query}")).await;
        answer.assert_refused(400, "bad_parameter");
    }
}
