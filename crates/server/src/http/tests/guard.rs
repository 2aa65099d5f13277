//! What a browser may do on behalf of a page, and what it may not.

use super::world::World;
use crate::config::Raw;
use crate::http::Limits;
use crate::node::testing;

async fn with_settings(settings: Raw) -> World {
    World::with(testing::single(), settings, Limits::default()).await
}

#[tokio::test]
async fn pages_of_another_origin_may_do_nothing() {
    let world = World::new().await;
    for origin in [
        "http://evil.example",
        "https://localhost",
        "http://localhost:1",
        "null",
        "http://localhost.evil.example",
        "http://",
        "\u{e4}",
    ] {
        let header = format!("Origin: {origin}");
        for (method, target) in
            [("GET", "/kv/k"), ("PUT", "/kv/k"), ("POST", "/cluster/transfer"), ("GET", "/none")]
        {
            let answer = world.request(method, target, &[&header], b"").await;
            answer.assert_refused(403, "forbidden_origin");
        }
        let peers = world.request("GET", "/raft/hello", &[&header], b"").await;
        peers.assert_refused(403, "forbidden_origin");
    }
    world.ask("GET", "/kv/k").await.assert_refused(404, "not_found");
}

#[tokio::test]
async fn pages_of_the_member_itself_may_do_everything() {
    let world = World::new().await;
    let port = world.address.port();
    for host in [format!("localhost:{port}"), format!("127.0.0.1:{port}"), format!("[::1]:{port}")]
    {
        let headers = [format!("Host: {host}"), format!("Origin: http://{host}")];
        let headers = headers.each_ref().map(String::as_str);
        let answer = world.request("PUT", "/kv/k", &headers, br#"{"value":"v"}"#).await;
        assert_eq!(answer.status, 200, "{host}: {}", answer.text());
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
}

#[tokio::test]
async fn pages_of_an_allowed_origin_may_read_the_answers() {
    let allow_origin = Some(vec!["https://app.example".to_owned()]);
    let world = with_settings(Raw { allow_origin, ..Raw::default() }).await;
    let origin = "Origin: https://app.example";
    let put = world.request("PUT", "/kv/k", &[origin], br#"{"value":"v"}"#).await;
    assert_eq!(put.status, 200);
    assert_eq!(put.header("access-control-allow-origin"), Some("https://app.example"));
    assert_eq!(put.header("vary"), Some("Origin"));

    let asks = [origin, "Access-Control-Request-Method: PUT"];
    let preflight = world.request("OPTIONS", "/kv/k", &asks, b"").await;
    assert_eq!(preflight.status, 204);
    assert!(preflight.header("access-control-allow-methods").unwrap().contains("PUT"));
    let other = ["Origin: https://other.example", asks[1]];
    let refused = world.request("OPTIONS", "/kv/k", &other, b"").await;
    refused.assert_refused(403, "forbidden_origin");
    assert_eq!(refused.header("access-control-allow-origin"), None);
}

/// So that a page goes on with another member when the one that served it dies.
#[tokio::test]
async fn pages_of_the_clusters_other_members_may_do_as_ones_own() {
    let world = World::with(testing::of_two(), Raw::default(), Limits::default()).await;
    for origin in ["http://localhost:8002", "http://127.0.0.1:8002", "https://kv.example"] {
        let header = format!("Origin: {origin}");
        let answer = world.request("GET", "/cluster/leader", &[&header], b"").await;
        assert_eq!(answer.status, 200, "{origin}: {}", answer.text());
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
        let rebound = [&header[..], "Host: evil.example"];
        let refused = world.request("GET", "/cluster/leader", &rebound, b"").await;
        refused.assert_refused(403, "forbidden_host");
    }
    for origin in
        ["https://localhost:8002", "http://localhost:8003", "http://kv.example", "http://localhost"]
    {
        let header = format!("Origin: {origin}");
        let answer = world.request("GET", "/cluster/leader", &[&header], b"").await;
        answer.assert_refused(403, "forbidden_origin");
    }
}

#[tokio::test]
async fn a_member_on_loopback_is_reached_by_its_own_names_only() {
    let advertise = Some("kv.internal:8001".to_owned());
    let world = with_settings(Raw { advertise, insecure: Some(true), ..Raw::default() }).await;
    for host in
        ["localhost", "LOCALHOST:9", "127.0.0.1:8001", "[::1]", "kv.internal", "KV.internal:1"]
    {
        let answer = world.request("GET", "/livez", &[&format!("Host: {host}")], b"").await;
        assert_eq!(answer.status, 200, "{host}");
    }
    for host in
        ["evil.example", "localhost.evil.example", "10.0.0.1:8001", "", "a b", "127.0.0.1.x"]
    {
        let answer = world.request("GET", "/livez", &[&format!("Host: {host}")], b"").await;
        answer.assert_refused(403, "forbidden_host");
    }
    let two = ["Host: localhost", "Host: evil.example"];
    world.request("GET", "/livez", &two, b"").await.assert_refused(403, "forbidden_host");
    let absolute = world.ask("GET", "http://evil.example/livez").await;
    absolute.assert_refused(403, "forbidden_host");
}

#[tokio::test]
async fn what_peers_use_is_behind_the_same_door() {
    let world = World::new().await;
    assert_eq!(world.ask("GET", "/raft/hello").await.text(), "hello");
    let rebound = world.request("GET", "/raft/hello", &["Host: evil.example"], b"").await;
    rebound.assert_refused(403, "forbidden_host");
}

#[tokio::test]
async fn an_address_for_probes_is_reached_by_any_name_and_has_nothing_else() {
    let world = World::of_probes().await;
    let host = ["Host: kv-0.example"];
    for path in ["/health", "/livez", "/livez/serializable_read", "/readyz", "/version", "/metrics"]
    {
        assert_eq!(world.request("GET", path, &host, b"").await.status, 200, "{path}");
    }
    for path in ["/kv/k", "/", "/healthy", "/livezz", "/auth", "/v3/kv/range", "/raft/hello"] {
        let refused = world.request("GET", path, &host, b"").await;
        refused.assert_refused(404, "unknown_path");
    }
}
