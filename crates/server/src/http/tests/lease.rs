//! Leases and times to live, as far as a door knows of them. In these tests the cluster is as many
//! ms old as its log is long, and nothing expires.

use serde_json::{Value, json};

use super::world::{Answer, World};

async fn post(world: &World, target: &str, body: &Value) -> Answer {
    world.request("POST", target, &[], body.to_string().as_bytes()).await
}

async fn granted(world: &World, body: Value) -> i64 {
    let answer = post(world, "/leases", &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["lease"].as_i64().expect("a lease has a number")
}

async fn put(world: &World, target: &str, body: &Value) -> Answer {
    world.request("PUT", target, &[], body.to_string().as_bytes()).await
}

#[tokio::test]
async fn a_key_with_a_time_to_live_shows_what_is_left_of_it_everywhere() {
    let world = World::new().await;
    let answer = put(&world, "/kv/k", &json!({"value": "v", "ttl": 1.5})).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let item = world.get("/kv/k").await;
    assert_eq!(item["ttl_ms"], 1_500);
    world.put("other", "takes a place in the log").await;
    assert_eq!(world.get("/kv/k").await["ttl_ms"], 1_499);
    assert_eq!(world.get("/kv?prefix=k").await["items"][0]["ttl_ms"], 1_499);
    assert_eq!(world.get("/kv?prefix=k&keys_only").await["items"][0]["ttl_ms"], 1_499);
    let read = post(&world, "/txn", &json!({"then": [{"get": {"key": "k"}}]})).await.json();
    assert_eq!(read["results"][0]["get"]["items"][0]["ttl_ms"], 1_499);
    let failed = world.request("PUT", "/kv/k", &["If-None-Match: *"], br#"{"value":"w"}"#).await;
    assert_eq!(failed.assert_refused(412, "condition_failed")["current"]["ttl_ms"], 1_498);
    put(&world, "/kv/k", &json!({"value": "v"})).await;
    assert_eq!(world.get("/kv/k").await.get("ttl_ms"), None, "the put that said nothing of it");
}

#[tokio::test]
async fn a_raw_value_has_its_lifetime_in_parameters() {
    let world = World::new().await;
    let raw = ["Content-Type: application/octet-stream"];
    assert_eq!(world.request("PUT", "/kv/k?ttl=30", &raw, b"v").await.status, 200);
    assert_eq!(world.get("/kv/k").await["ttl_ms"], 30_000);
    let lease = granted(&world, json!({"ttl": 60})).await;
    let target = format!("/kv/k?lease={lease}");
    assert_eq!(world.request("PUT", &target, &raw, b"v").await.status, 200);
    let item = world.get("/kv/k").await;
    assert_eq!((item.get("ttl_ms"), item["lease"].as_i64()), (None, Some(lease)));
}

#[tokio::test]
async fn what_can_be_no_lifetime_is_refused_and_nothing_is_written() {
    let world = World::new().await;
    for (target, body, code) in [
        ("/kv/k", json!({"value": "v", "ttl": 0}), "bad_ttl"),
        ("/kv/k", json!({"value": "v", "ttl": -1}), "bad_ttl"),
        ("/kv/k", json!({"value": "v", "ttl": 9_000_000_001_u64}), "bad_ttl"),
        ("/kv/k", json!({"value": "v", "ttl": 0.0001}), "bad_ttl"),
        ("/kv/k", json!({"value": "v", "ttl": "30"}), "bad_ttl"),
        ("/kv/k", json!({"value": "v", "ttl": null}), "bad_ttl"),
        ("/kv/k?ttl=0", json!({"value": "v"}), "bad_ttl"),
        ("/kv/k?ttl=30s", json!({"value": "v"}), "bad_ttl"),
        ("/kv/k?ttl=1", json!({"value": "v", "ttl": 1}), "bad_parameter"),
        ("/kv/k", json!({"value": "v", "ttl": 1, "lease": 7}), "bad_parameter"),
        ("/kv/k", json!({"value": "v", "lease": 0}), "bad_parameter"),
        ("/kv/k?lease=x", json!({"value": "v"}), "bad_parameter"),
    ] {
        put(&world, target, &body).await.assert_refused(400, code);
    }
    put(&world, "/kv/k", &json!({"value": "v", "lease": 7}))
        .await
        .assert_refused(404, "lease_not_found");
    world.ask("DELETE", "/kv/k?ttl=1").await.assert_refused(400, "bad_parameter");
    assert_eq!(world.get("/kv?count_only").await["count"], 0);
}

#[tokio::test]
async fn a_lease_is_granted_told_kept_alive_and_revoked() {
    let world = World::new().await;
    let granted = post(&world, "/leases", &json!({"ttl": 10, "id": 7})).await.json();
    assert_eq!((&granted["lease"], &granted["ttl"]), (&json!(7), &json!(10)));
    for key in ["b", "a"] {
        put(&world, &format!("/kv/{key}"), &json!({"value": "v", "lease": 7})).await;
    }
    let told = world.get("/leases/7").await;
    assert_eq!(told, json!({"lease": 7, "ttl": 10, "ttl_ms": 9_998}));
    let with_keys = world.get("/leases/7?keys").await;
    assert_eq!(with_keys["keys"], json!([{"key": "a"}, {"key": "b"}]));
    assert_eq!((&with_keys["count"], &with_keys["more"]), (&json!(2), &json!(false)));
    let kept = post(&world, "/leases/7/keepalive", &json!({})).await.json();
    assert_eq!(kept, json!({"lease": 7, "ttl": 10, "ttl_ms": 10_000}));
    let revoked = world.ask("DELETE", "/leases/7").await.json();
    assert_eq!((&revoked["status"], &revoked["deleted"]), (&json!("committed"), &json!(2)));
    assert_eq!(world.get("/kv?count_only").await["count"], 0);
    world.ask("GET", "/leases/7").await.assert_refused(404, "lease_not_found");
    world.ask("DELETE", "/leases/7").await.assert_refused(404, "lease_not_found");
    world.ask("POST", "/leases/7/keepalive").await.assert_refused(404, "lease_not_found");
}

#[tokio::test]
async fn a_grant_is_refused_where_it_is_none() {
    let world = World::new().await;
    granted(&world, json!({"ttl": 10, "id": 7})).await;
    for (body, status, code) in [
        (json!({}), 400, "missing_field"),
        (json!({"ttl": 0}), 400, "bad_ttl"),
        (json!({"ttl": -3}), 400, "bad_ttl"),
        (json!({"ttl": 1.5}), 400, "bad_ttl"),
        (json!({"ttl": 9_000_000_001_u64}), 400, "bad_ttl"),
        (json!({"ttl": 10, "id": 0}), 400, "bad_parameter"),
        (json!({"ttl": 10, "id": "a"}), 400, "bad_parameter"),
        (json!({"ttl": 10, "name": "a"}), 400, "unknown_field"),
        (json!({"ttl": 10, "id": 7}), 409, "lease_exists"),
    ] {
        post(&world, "/leases", &body).await.assert_refused(status, code);
    }
    let short = post(&world, "/leases", &json!({"ttl": 1})).await.json();
    assert_eq!(short["ttl"], 2, "the shortest there is");
    for target in ["/leases/0", "/leases/a"] {
        world.ask("GET", target).await.assert_refused(400, "bad_parameter");
    }
}

#[tokio::test]
async fn a_grant_and_a_revocation_are_done_once_under_a_name() {
    let world = World::new().await;
    let grant = async |body: &Value| {
        let body = body.to_string();
        world.request("POST", "/leases", &["Idempotency-Key: grant"], body.as_bytes()).await
    };
    let first = grant(&json!({"ttl": 10})).await;
    let again = grant(&json!({"ttl": 10})).await;
    assert_eq!(again.header("idempotent-replay"), Some("true"));
    assert_eq!(first.json(), again.json());
    grant(&json!({"ttl": 11})).await.assert_refused(422, "key_reused");
    let target = format!("/leases/{}", first.json()["lease"]);
    let revoke = || world.request("DELETE", &target, &["Idempotency-Key: revoke"], b"");
    assert_eq!(revoke().await.json(), revoke().await.json());
    let put = world.request("PUT", "/kv/k", &["Idempotency-Key: grant"], br#"{"value":"v"}"#);
    put.await.assert_refused(422, "key_reused");
}

#[tokio::test]
async fn all_leases_are_listed_by_id_a_page_at_a_time() {
    let world = World::new().await;
    for id in [30, 10, 20] {
        granted(&world, json!({"ttl": id, "id": id})).await;
    }
    put(&world, "/kv/k", &json!({"value": "v", "lease": 20})).await;
    let first = world.get("/leases?limit=2").await;
    let item = |id: u64, keys: u64| json!({"lease": id, "ttl": id, "keys": keys});
    assert_eq!(first, json!({"leases": [item(10, 0), item(20, 1)], "next": 20}));
    let last = world.get("/leases?limit=2&after=20").await;
    assert_eq!(last, json!({"leases": [item(30, 0)]}));
    assert!(world.get("/leases?consistency=stale").await["applied_index"].is_u64());
    world.ask("GET", "/leases?after=x").await.assert_refused(400, "bad_parameter");
}

#[tokio::test]
async fn a_transaction_puts_with_lifetimes_and_compares_leases() {
    let world = World::new().await;
    granted(&world, json!({"ttl": 60, "id": 7})).await;
    let txn = json!({"then": [
        {"put": {"key": "leased", "value": "v", "lease": 7}},
        {"put": {"key": "short", "value": "v", "ttl": 2}},
    ]});
    assert_eq!(post(&world, "/txn", &txn).await.status, 200);
    assert_eq!(world.get("/kv/leased").await["lease"], 7);
    assert_eq!(world.get("/kv/short").await["ttl_ms"], 2_000);
    let keep = json!({
        "compare": [{"key": "leased", "lease": 7}],
        "then": [{"put": {"key": "leased", "value": "w", "keep_lifetime": true}}],
    });
    assert_eq!(post(&world, "/txn", &keep).await.json()["succeeded"], true);
    let item = world.get("/kv/leased").await;
    assert_eq!((&item["value"], &item["lease"]), (&json!("w"), &json!(7)));
    for (put, status, code) in [
        (json!({"key": "k", "value": "v", "lease": 8}), 404, "lease_not_found"),
        (json!({"key": "k", "value": "v", "ttl": 0}), 400, "bad_ttl"),
        (json!({"key": "k", "value": "v", "ttl": 1, "lease": 7}), 400, "bad_parameter"),
        (json!({"key": "k", "value": "v", "ttl": 1, "keep_lifetime": true}), 400, "bad_parameter"),
        (json!({"key": "k", "value": "v", "keep_lifetime": true}), 404, "not_found"),
    ] {
        let txn = json!({"then": [{"put": put}]});
        post(&world, "/txn", &txn).await.assert_refused(status, code);
    }
}

#[tokio::test]
async fn fields_of_records_have_times_to_live() {
    let world = World::new().await;
    let set = json!({"type": "set", "key": "user1", "field": "code", "value": "42", "ttl": 0.5});
    let set = post(&world, "/kv-store", &set).await.json();
    assert_eq!((&set["success"], &set["ttl"]), (&json!(true), &json!(0.5)));
    let for_good = json!({"type": "set", "key": "user1", "field": "name", "value": "Ada"});
    post(&world, "/kv-store", &for_good).await;
    assert_eq!(world.get("/kv-store?key=user1&field=code").await["ttl_ms"], 499);
    assert_eq!(world.get("/kv-store?key=user1&field=name").await.get("ttl_ms"), None);
    let scan = world.get("/kv-store?key=user1").await;
    assert_eq!(scan["ttl_ms"], json!({"code": 499}));
    assert_eq!(scan["fields"], json!({"code": "42", "name": "Ada"}));
    for (body, code) in [
        (r#"{"type":"set","key":"r","field":"a","value":"v","ttl":0}"#, "bad_ttl"),
        (r#"{"type":"set","key":"r","field":"a","value":"v","ttl":"1"}"#, "bad_ttl"),
        (r#"{"type":"delete","key":"r","field":"a","ttl":1}"#, "bad_parameter"),
    ] {
        let answer = world.request("POST", "/kv-store", &[], body.as_bytes()).await;
        assert_eq!(answer.assert_refused(400, code)["success"], false, "{body}");
    }
}
