//! Every kind of nonsense gets a typed answer, and the member goes on.

use super::world::{World, request};

#[tokio::test]
async fn bodies_that_hold_no_value() {
    let world = World::new().await;
    for (body, code) in [
        ("", "malformed_json"),
        ("hello", "malformed_json"),
        (r#"{"value":"v""#, "malformed_json"),
        (r#"{"value":"v"} x"#, "malformed_json"),
        (r#""v""#, "malformed_json"),
        (r#"["v"]"#, "malformed_json"),
        ("null", "malformed_json"),
        (r#"{"value":"\ud800"}"#, "malformed_json"),
        (r#"{"value":"a","value":"b"}"#, "malformed_json"),
        (r#"{"value":"a","value_base64":"YQ=="}"#, "malformed_json"),
        ("{}", "missing_value"),
        (r#"{"value":1}"#, "value_not_string"),
        (r#"{"value":null}"#, "value_not_string"),
        (r#"{"value":{"a":1}}"#, "value_not_string"),
        (r#"{"value":[]}"#, "value_not_string"),
        (r#"{"value":true}"#, "value_not_string"),
        (r#"{"value_base64":1}"#, "value_not_string"),
        (r#"{"value_base64":"*"}"#, "bad_base64"),
        (r#"{"value_base64":"YQ"}"#, "bad_base64"),
        (r#"{"value":"v","colour":"red"}"#, "unknown_field"),
        (r#"{"Value":"v"}"#, "unknown_field"),
    ] {
        let answer = world.request("PUT", "/kv/k", &[], body.as_bytes()).await;
        answer.assert_refused(400, code);
    }
    let deep = "[".repeat(100_000);
    world.request("PUT", "/kv/k", &[], deep.as_bytes()).await.assert_refused(400, "malformed_json");
    let not_text = world.request("PUT", "/kv/k", &[], b"{\"value\":\"\xff\"}").await;
    not_text.assert_refused(400, "malformed_json");
    world.ask("GET", "/kv/k").await.assert_refused(404, "not_found");
}

#[tokio::test]
async fn a_value_that_is_no_string_learns_how_to_be_sent_as_it_is() {
    let world = World::new().await;
    let answer = world.request("PUT", "/kv/k", &[], br#"{"value":42}"#).await;
    let body = answer.assert_refused(400, "value_not_string");
    let message = body["message"].as_str().unwrap();
    assert!(message.contains("a number") && message.contains("application/octet-stream"));
}

#[tokio::test]
async fn content_types_that_say_nothing_about_a_value() {
    let world = World::new().await;
    for content_type in ["multipart/form-data", "application/xml", "json", "image/png", ""] {
        let header = format!("Content-Type: {content_type}");
        let answer = world.request("PUT", "/kv/k", &[&header], br#"{"value":"v"}"#).await;
        answer.assert_refused(415, "unsupported_media_type");
    }
}

#[tokio::test]
async fn keys_that_are_none() {
    let world = World::new().await;
    for method in ["GET", "PUT", "DELETE"] {
        world.ask(method, "/kv/").await.assert_refused(400, "empty_key");
        for (target, at) in [("/kv/%", 0), ("/kv/a%2", 1), ("/kv/%zz", 0), ("/kv/ab%C3%%", 5)] {
            let answer = world.ask(method, target).await;
            assert_eq!(answer.assert_refused(400, "bad_escape")["at"], at, "{target}");
        }
    }
}

#[tokio::test]
async fn sizes_over_the_limit() {
    let world = World::new().await;
    // Longer than a URL may be, before it is a key at all.
    let long = format!("/kv/{}", "k".repeat((64 << 10) + 1));
    for method in ["GET", "PUT", "DELETE"] {
        world.ask(method, &long).await.assert_refused(414, "uri_too_long");
    }
    let headers: Vec<String> = (0..99).map(|i| format!("X-{i}: {}", "h".repeat(2_000))).collect();
    let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
    let answer = world.request("GET", "/kv/k", &headers, b"").await;
    answer.assert_refused(431, "headers_too_large");

    let value = "v".repeat(1_536 << 10);
    let raw = ["Content-Type: application/octet-stream"];
    let answer = world.request("PUT", "/kv/k", &raw, value.as_bytes()).await;
    let refused = answer.assert_refused(413, "value_too_large");
    assert_eq!(refused["bytes_max"], 1_536 << 10);

    let body = "x".repeat((3 << 20) + 1);
    let answer = world.request("PUT", "/kv/k", &raw, body.as_bytes()).await;
    assert_eq!(answer.assert_refused(413, "body_too_large")["bytes_max"], 3 << 20);
    let patient = [raw[0], "Expect: 100-continue"];
    let head = request("PUT", "/kv/k", &patient, body.as_bytes());
    let mut client = world.connect().await;
    client.send(&head[..head.len() - body.len()]).await;
    client.answer().await.assert_refused(413, "body_too_large");
    world.ask("GET", "/kv/k").await.assert_refused(404, "not_found");
}

#[tokio::test]
async fn parameters_that_nobody_knows_or_nobody_understands() {
    let world = World::new().await;
    for (target, parameter) in [
        ("/kv/k?colour=red", "colour"),
        ("/kv/k?limit=1", "limit"),
        ("/kv?limits=1", "limits"),
        ("/kv?keys_only=maybe", "keys_only"),
        ("/kv?limit=1&limit=2", "limit"),
        ("/kv/k?consistency=eventual", "consistency"),
        ("/kv/k?revision=0", "revision"),
        ("/kv/k?revision=-1", "revision"),
        ("/kv/k?revision=1.5", "revision"),
        ("/kv/k?timeout_ms=0", "timeout_ms"),
        ("/kv/k?timeout_ms=60001", "timeout_ms"),
        ("/cluster/status?verbose=1", "verbose"),
    ] {
        let refused = world.ask("GET", target).await.assert_refused(400, "bad_parameter");
        assert_eq!(refused["parameter"], parameter);
    }
    world.ask("GET", "/kv?prefix=%zz").await.assert_refused(400, "bad_escape");
    assert_eq!(world.ask("DELETE", "/kv/k?revision=1").await.status, 400);
}

#[tokio::test]
async fn a_header_that_can_not_be_is_refused_by_name() {
    let world = World::new().await;
    let value = br#"{"value":"v"}"#;
    let forward = world.request("PUT", "/kv/k", &["Raftkv-Forward: maybe"], value).await;
    forward.assert_refused(400, "bad_header");
    world.ask("GET", "/kv/k").await.assert_refused(404, "not_found");
    let never = world.request("PUT", "/kv/k", &["Raftkv-Forward: never"], value).await;
    assert_eq!(never.status, 200, "the leader need not forward");
}

#[tokio::test]
async fn wrong_methods_and_unknown_paths() {
    let world = World::new().await;
    for (method, target, allowed) in [
        ("POST", "/kv/k", "GET,HEAD,PUT,DELETE"),
        ("PATCH", "/kv/", "GET,HEAD,PUT,DELETE"),
        ("PUT", "/kv", "GET,HEAD"),
        ("DELETE", "/cluster/status", "GET,HEAD"),
        ("GET", "/cluster/transfer", "POST"),
        ("BREW", "/health", "GET,HEAD"),
        ("OPTIONS", "/kv/k", "GET,HEAD,PUT,DELETE"),
    ] {
        let answer = world.ask(method, target).await;
        answer.assert_refused(405, "method_not_allowed");
        assert_eq!(answer.header("allow"), Some(allowed), "{method} {target}");
    }
    for target in
        ["/pages", "/kvs", "/KV/k", "/cluster", "/cluster/", "/kv-store/", "/..%2f", "/health/"]
    {
        let refused = world.ask("GET", target).await.assert_refused(404, "unknown_path");
        assert_eq!(refused["path"], target);
    }
}
