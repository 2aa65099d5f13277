//! The pages about the member and its cluster, and the probes.

use serde_json::json;

use super::world::World;
use crate::config::Raw;
use crate::http::Limits;
use crate::node::testing;

#[tokio::test]
async fn the_status_tells_who_this_is_and_how_far_it_has_come() {
    let world = World::new().await;
    world.put("k", "v").await;
    let status = world.get("/cluster/status").await;
    for (field, value) in [
        ("id", json!("5157")),
        ("name", json!("node-1")),
        ("address", json!("localhost:8001")),
        ("phase", json!("running")),
        ("role", json!("leader")),
        ("term", json!(1)),
        ("vote", json!("5157")),
        ("revision", json!(2)),
        ("keys", json!(1)),
        ("unsafe_no_fsync", json!(false)),
        ("health", json!("1 of 1 members answer")),
        ("version", json!(env!("CARGO_PKG_VERSION"))),
        ("incarnation", json!("00000000000000000000000000000001")),
        ("cluster_id", json!("00000000000000000000000000000002")),
    ] {
        assert_eq!(status[field], value, "{field}");
    }
    assert_eq!(status["leader"]["name"], "node-1");
    assert_eq!(
        status["log"],
        json!({
            "start": 0,
            "last_index": 2, "last_term": 1, "durable": 2, "commit": 2, "applied": 2
        })
    );
    let hash = status["state_hash"].as_str().unwrap();
    assert!(hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()), "{hash}");
    assert_eq!(status["members"][0]["role"], "leader");
    assert_eq!(status["members"][0]["standing"], "voter");
    assert_eq!(status["members_told_by"]["name"], "node-1");
    assert_eq!((&status["alarms"], &status["joint"]), (&json!([]), &json!(false)));
    assert_eq!(status["snapshot"], json!(null));
}

#[tokio::test]
async fn leader_and_members() {
    let world = World::new().await;
    let me = json!({ "id": "5157", "name": "node-1", "address": "localhost:8001",
        "client_urls": [] });
    assert_eq!(world.get("/cluster/leader").await, json!({ "leader": me, "term": 1 }));
    let members = world.get("/cluster/members").await;
    assert_eq!(members["cluster_id"], "00000000000000000000000000000002");
    assert_eq!(members["members"][0]["name"], "node-1");
    assert_eq!(members["members"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn leadership_is_handed_to_a_member_by_id_or_name_or_to_any() {
    let world = World::new().await;
    for body in ["", "{}", r#"{"to":"node-1"}"#, r#"{"to":"5157"}"#] {
        let answer = world.request("POST", "/cluster/transfer", &[], body.as_bytes()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.json()["leader"]["name"], "node-1");
    }
    for (body, status, code) in [
        (r#"{"to":"node-9"}"#, 404, "unknown_member"),
        (r#"{"to":1}"#, 400, "bad_member"),
        (r#"{"from":"node-1"}"#, 400, "unknown_field"),
        ("node-1", 400, "malformed_json"),
    ] {
        let answer = world.request("POST", "/cluster/transfer", &[], body.as_bytes()).await;
        answer.assert_refused(status, code);
    }
}

#[tokio::test]
async fn a_member_with_a_leader_is_alive_ready_and_healthy() {
    let world = World::new().await;
    assert_eq!(world.get("/health").await, json!({ "health": "true", "reason": "" }));
    for probe in ["/livez", "/readyz", "/readyz?timeout_ms=50"] {
        let answer = world.ask("GET", probe).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "ok\n"), "{probe}");
    }
    let version = world.get("/version").await;
    assert_eq!(version["name"], "raftkv");
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(version["etcdserver"], crate::grpc::API_VERSION);
}

#[tokio::test]
async fn a_member_that_waits_for_its_peers_is_alive_and_says_for_whom() {
    let world = World::with(testing::waiting(), Raw::default(), Limits::default()).await;
    assert_eq!(world.ask("GET", "/livez").await.status, 200);
    let health = world.ask("GET", "/health").await;
    assert_eq!(health.status, 503);
    assert!(health.json()["reason"].as_str().unwrap().contains("localhost:8002"));
    for (method, target) in [
        ("GET", "/readyz"),
        ("GET", "/kv/k"),
        ("GET", "/kv/k?consistency=stale"),
        ("GET", "/kv"),
        ("DELETE", "/kv/k"),
        ("GET", "/cluster/leader"),
        ("GET", "/cluster/members"),
        ("POST", "/cluster/transfer"),
    ] {
        let refused = world.ask(method, target).await.assert_refused(503, "unavailable");
        let message = refused["message"].as_str().unwrap();
        assert!(message.contains("localhost:8002"), "{target}: {message}");
    }
    let status = world.get("/cluster/status").await;
    assert_eq!((&status["phase"], &status["cluster_id"]), (&json!("waiting"), &json!(null)));
}

#[tokio::test]
async fn metrics_count_requests_by_route_and_show_the_member() {
    let world = World::new().await;
    world.put("a", "v").await;
    world.put("b", "v").await;
    world.ask("GET", "/kv/none").await;
    world.ask("BREW", "/nowhere").await;
    let page = world.ask("GET", "/metrics").await;
    assert!(page.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    let page = page.text();
    for line in [
        r#"raftkv_http_requests_total{route="/kv/{*key}",method="PUT",code="200"} 2"#,
        r#"raftkv_http_requests_total{route="/kv/{*key}",method="GET",code="404"} 1"#,
        r#"raftkv_http_requests_total{route="unknown",method="other",code="404"} 1"#,
        r#"raftkv_http_request_duration_seconds_count{route="/kv/{*key}",method="PUT"} 2"#,
        "raftkv_is_leader 1",
        "raftkv_log_applied_index 3",
        "raftkv_store_keys 2",
        "# HELP raftkv_term The member's current term.",
        "# TYPE raftkv_log_flushes counter",
    ] {
        assert!(page.lines().any(|shown| shown == line), "{line} is missing in:\n{page}");
    }
    assert!(page.ends_with("# EOF\n"));
}

#[tokio::test]
async fn metrics_show_what_etcd_has_a_name_for_under_that_name() {
    let world = World::new().await;
    let page = world.ask("GET", "/metrics").await.text();
    for line in [
        "etcd_server_has_leader 1",
        "etcd_server_is_leader 1",
        "etcd_server_is_learner 0",
        "etcd_debugging_mvcc_keys_total 0",
        "etcd_debugging_mvcc_current_revision 1",
        "etcd_network_known_peers 0",
        "etcd_cluster_version{cluster_version=\"3.6.0\"} 1",
    ] {
        assert!(page.lines().any(|found| found == line), "{line}\n{page}");
    }
    assert_eq!(page.matches("# EOF").count(), 1);
}
