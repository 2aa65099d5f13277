//! Transactions: what they compare, do and tell.

use serde_json::{Value, json};

use super::world::{Answer, World};

async fn ask(world: &World, body: &Value) -> Answer {
    world.request("POST", "/txn", &[], body.to_string().as_bytes()).await
}

async fn done(world: &World, body: &Value) -> Value {
    let answer = ask(world, body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn put(key: &str, value: &str) -> Value {
    json!({"put": {"key": key, "value": value}})
}

#[tokio::test]
async fn one_branch_is_done_in_one_revision() {
    let world = World::new().await;
    let create = json!({
        "compare": [{"key": "a", "version": 0}],
        "then": [put("a", "1"), put("b", "2")],
        "else": [{"get": {"key": "a"}}],
    });
    let first = done(&world, &create).await;
    assert_eq!((&first["status"], &first["succeeded"]), (&json!("committed"), &json!(true)));
    assert_eq!(
        (&first["results"], &first["revision"]),
        (&json!([{"put": {}}, {"put": {}}]), &json!(2))
    );
    assert!(first["log_index"].is_u64() && first["term"].is_u64());
    assert_eq!(world.get("/kv/b").await["mod_revision"], 2, "both in one revision");
    // What only one branch would write goes through the log all the same, and reads there.
    let second = done(&world, &create).await;
    let found = json!([{"get": {
        "items": [{
            "key": "a", "value": "1", "version": 1, "create_revision": 2, "mod_revision": 2
        }],
        "count": 1, "more": false,
    }}]);
    assert_eq!((&second["succeeded"], &second["results"]), (&json!(false), &found));
    assert_eq!(second["revision"], 2, "nothing was written");
}

#[tokio::test]
async fn every_kind_of_operation_tells_what_it_did() {
    let world = World::new().await;
    for key in ["p/1", "p/2", "q"] {
        world.put(key, key).await;
    }
    let all = json!({"then": [
        {"put": {"key": "q", "value_base64": "/w==", "prev": true}},
        {"get": {"prefix": "p/", "limit": 1, "sort": "key", "order": "desc", "keys_only": true}},
        {"delete": {"from": "p/1", "to": "p/2", "prev": true}},
        {"delete": {"prefix": "none"}},
        {"get": {"from": "p", "to": "r", "count_only": true}},
        {"txn": {"compare": [{"prefix": "p/", "value": "p/", "op": ">"}],
                 "then": [{"put": {"key": "r", "value": ""}}]}},
    ]});
    let results = done(&world, &all).await["results"].take();
    assert_eq!(results[0]["put"]["prev"]["value"], "q");
    let page = &results[1]["get"];
    assert_eq!((&page["items"][0]["key"], &page["more"]), (&json!("p/2"), &json!(true)));
    assert!(page["items"][0].get("value").is_none() && page["count"] == 2);
    assert_eq!(results[2]["delete"]["deleted"], 1);
    assert_eq!(results[2]["delete"]["prev"][0]["value"], "p/1");
    assert_eq!(results[3], json!({"delete": {"deleted": 0}}));
    assert_eq!(
        results[4]["get"],
        json!({"items": [], "count": 2, "more": false}),
        "after the delete"
    );
    assert_eq!(results[5], json!({"txn": {"succeeded": true, "results": [{"put": {}}]}}));
    assert_eq!(world.get("/kv/q").await["value_base64"], "/w==");
    assert_eq!(world.get("/kv/r").await["mod_revision"], 5, "nested, and the same revision");
}

#[tokio::test]
async fn what_only_reads_takes_no_place_in_the_log() {
    let world = World::new().await;
    world.put("a", "1").await;
    let before = world.get("/cluster/status").await["log"]["last_index"].clone();
    let read = json!({"compare": [{"key": "a", "lease": 0}], "then": [{"get": {"key": "a"}}]});
    let answer = done(&world, &read).await;
    assert_eq!((&answer["status"], &answer["revision"]), (&json!("read"), &json!(2)));
    assert_eq!((answer.get("log_index"), answer.get("applied_index")), (None, None));
    assert_eq!(answer["results"][0]["get"]["items"][0]["value"], "1");
    let body = read.to_string();
    let stale = world.request("POST", "/txn?consistency=stale", &[], body.as_bytes()).await.json();
    assert!(stale["applied_index"].is_u64());
    assert_eq!(world.get("/cluster/status").await["log"]["last_index"], before);
    let write = json!({"then": [put("a", "2")]}).to_string();
    let refused = world.request("POST", "/txn?consistency=stale", &[], write.as_bytes()).await;
    refused.assert_refused(400, "bad_parameter");
}

#[tokio::test]
async fn a_transaction_with_a_name_is_done_once() {
    let world = World::new().await;
    let body = json!({"then": [put("a", "1")]}).to_string();
    let send = async |body: &str| {
        world.request("POST", "/txn", &["Idempotency-Key: t"], body.as_bytes()).await
    };
    let first = send(&body).await;
    let again = send(&body).await;
    assert_eq!((again.json(), again.header("idempotent-replay")), (first.json(), Some("true")));
    assert_eq!(world.get("/kv/a").await["version"], 1);
    send(&json!({"then": [put("a", "2")]}).to_string()).await.assert_refused(422, "key_reused");
    let other = world.request("PUT", "/kv/a", &["Idempotency-Key: t"], br#"{"value":"1"}"#).await;
    other.assert_refused(422, "key_reused");
}

#[tokio::test]
async fn a_value_may_stay_as_it_is() {
    let world = World::new().await;
    world.put("a", "1").await;
    let keep =
        |key: &str| json!({"then": [{"put": {"key": key, "keep_value": true}}, put("z", "")]});
    done(&world, &keep("a")).await;
    let kept = world.get("/kv/a").await;
    assert_eq!((&kept["value"], &kept["version"]), (&json!("1"), &json!(2)));
    ask(&world, &keep("none")).await.assert_refused(404, "not_found");
    world.get("/kv/z").await;
    assert_eq!(world.get("/kv/z").await["version"], 1, "nothing of the refused one was done");
}

#[tokio::test]
async fn what_is_no_transaction_is_refused_by_name_and_does_nothing() {
    let world = World::new().await;
    let many: Vec<Value> = (0..129).map(|n| put(&format!("k{n}"), "v")).collect();
    let mut deep = json!({"then": [put("k", "v")]});
    for _ in 0..16 {
        deep = json!({"then": [{"txn": deep}]});
    }
    for (body, status, code) in [
        (json!([]), 400, "malformed_json"),
        (json!({"if": []}), 400, "malformed_json"),
        (json!({"then": [{}]}), 400, "malformed_json"),
        (json!({"then": [{"set": {"key": "k"}}]}), 400, "malformed_json"),
        (json!({"then": [{"put": {"key": "k", "value": 1}}]}), 400, "malformed_json"),
        (json!({"then": [{"put": {"key": "k", "key_base64": "aw==", "value": "v"}}]}), 400, {
            "malformed_json"
        }),
        (json!({"then": [{"put": {"value": "v"}}]}), 400, "missing_field"),
        (json!({"then": [{"put": {"key": "k"}}]}), 400, "missing_field"),
        (json!({"then": [{"put": {"key": "", "value": "v"}}]}), 400, "empty_key"),
        (json!({"then": [{"put": {"key": "k", "value_base64": "%"}}]}), 400, "bad_base64"),
        (json!({"then": [{"put": {"key": "k", "value": "v", "keep_value": true}}]}), 400, {
            "bad_parameter"
        }),
        (json!({"then": [{"delete": {}}]}), 400, "missing_field"),
        (json!({"then": [{"delete": {"key": "k", "prefix": "k"}}]}), 400, "missing_field"),
        (json!({"then": [{"get": {"key": "k", "limit": 0}}]}), 400, "bad_parameter"),
        (json!({"compare": [{"key": "k"}]}), 400, "missing_field"),
        (json!({"compare": [{"key": "k", "version": 1, "lease": 0}]}), 400, "missing_field"),
        (json!({"compare": [{"key": "k", "version": 1, "op": ">="}]}), 400, "malformed_json"),
        (json!({"then": [put("k", "1"), put("k", "2")]}), 400, "duplicate_key"),
        (json!({"then": [put("k", "1"), {"delete": {"prefix": ""}}]}), 400, "duplicate_key"),
        (json!({"then": many}), 400, "too_many_operations"),
        (deep, 400, "too_deep"),
        (json!({"then": [{"get": {"key": "k", "revision": 9}}, put("k", "1")]}), 400, {
            "future_revision"
        }),
    ] {
        ask(&world, &body).await.assert_refused(status, code);
    }
    let twice = br#"{"then": [], "then": []}"#;
    world.request("POST", "/txn", &[], twice).await.assert_refused(400, "malformed_json");
    assert_eq!(world.get("/kv?count_only").await["count"], 0);
}
