//! The door before a cluster without members, asked as browsers and others would.

use axum::http::header::{HOST, ORIGIN};
use serde_json::Value;
use tower::ServiceExt as _;

use super::*;
use crate::dev::directory::Directory;
use crate::dev::plan::Plan;
use crate::dev::saved::Saved;
use crate::dev::testing::args;

const HOME: &str = "localhost:8101";
const JSON: (HeaderName, &str) = (CONTENT_TYPE, "application/json");

/// A door, and the token that opens it.
struct World {
    door: Arc<Door>,
    directory: std::path::PathBuf,
}

impl World {
    async fn new(name: &str) -> World {
        let directory =
            std::env::temp_dir().join(format!("raftkv-door-{}-{name}", std::process::id()));
        let held = Directory::open(&directory).unwrap();
        let plan = Plan::new(&args(), Some(Saved::in_a_row(0, 8_001)), |_| true).unwrap();
        let cluster = Arc::new(Cluster::start(held, plan).await.unwrap());
        World { door: Arc::new(Door { cluster, token: Token::draw().unwrap() }), directory }
    }

    /// What is answered to a request with these headers besides `Host`.
    async fn ask<const N: usize>(
        &self,
        (method, path): (Method, &str),
        headers: [(HeaderName, &str); N],
        body: impl Into<Body>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        let has_host = headers.iter().any(|(name, _)| *name == HOST);
        if !has_host {
            request = request.header(HOST, HOME);
        }
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request.body(body.into()).unwrap();
        let response = router(Arc::clone(&self.door)).oneshot(request).await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        Answer { status, headers, body }
    }

    fn token(&self) -> (HeaderName, &str) {
        (HeaderName::from_static(TOKEN_HEADER), self.door.token.as_str())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.directory).ok();
    }
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn refusal(&self) -> (u16, String) {
        (self.status, self.json()["error"].as_str().unwrap().to_owned())
    }
}

const STATE: (Method, &str) = (Method::GET, "/dev/state");
const DO: (Method, &str) = (Method::POST, "/dev/do");
const HEAL: &str = r#"{"do":"heal"}"#;

#[tokio::test]
async fn the_page_comes_with_a_policy_that_lets_it_speak_to_this_machine_alone() {
    let world = World::new("page").await;
    let page = world.ask((Method::GET, "/"), [], "").await;
    assert_eq!(page.status, 200);
    assert!(page.body.starts_with(b"<!doctype html>"));
    let module = world.ask((Method::GET, "/page/main.js"), [], "").await;
    assert_eq!(module.status, 200);
    assert_eq!(module.headers[CONTENT_TYPE], "text/javascript; charset=utf-8");
    let policy = page.headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
    assert!(policy.contains("connect-src 'self' http://localhost:* ws://localhost:*;"), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains("https:"), "{policy}");
    let other = world.ask((Method::GET, "/other.js"), [], "").await;
    assert_eq!(other.refusal(), (404, "not_found".into()));
    let posted = world.ask((Method::POST, "/"), [], "").await;
    assert_eq!(posted.refusal(), (405, "method_not_allowed".into()));
}

#[tokio::test]
async fn whoever_has_the_token_sees_the_state_and_acts() {
    let world = World::new("state").await;
    let load = json!({ "on": false, "per_second": 0, "done": 0, "failed": 0, "unknown": 0 });
    let expected = json!({ "members": [], "links": [], "load": load });
    assert_eq!(world.ask(STATE, [world.token()], "").await.json(), expected);
    let done = world.ask(DO, [world.token(), JSON], HEAL).await;
    assert_eq!((done.status, done.json()), (200, expected));
    let own = (ORIGIN, "http://localhost:8101");
    assert_eq!(world.ask(DO, [world.token(), JSON, own], HEAL).await.status, 200);
}

#[tokio::test]
async fn without_the_token_nothing_is_seen_or_done() {
    let world = World::new("token").await;
    let wrong = (HeaderName::from_static(TOKEN_HEADER), "00000000000000000000000000000000");
    let forbidden = (403, "forbidden_token".to_owned());
    assert_eq!(world.ask(STATE, [], "").await.refusal(), forbidden);
    assert_eq!(world.ask(STATE, [wrong.clone()], "").await.refusal(), forbidden);
    assert_eq!(world.ask(DO, [JSON], HEAL).await.refusal(), forbidden);
    assert_eq!(world.ask(DO, [wrong, JSON], HEAL).await.refusal(), forbidden);
}

#[tokio::test]
async fn foreign_pages_and_foreign_names_are_let_in_nowhere() {
    let world = World::new("foreign").await;
    for origin in ["http://evil.example", "null", "http://localhost:8001"] {
        let origin = (ORIGIN, origin);
        let refused = world.ask(DO, [world.token(), JSON, origin.clone()], HEAL).await;
        assert_eq!(refused.refusal(), (403, "forbidden_origin".into()));
        assert_eq!(world.ask((Method::GET, "/"), [origin], "").await.status, 403);
    }
    let host = (HOST, "evil.example:8101");
    let refused = world.ask(STATE, [world.token(), host.clone()], "").await;
    assert_eq!(refused.refusal(), (403, "forbidden_host".into()));
    assert_eq!(world.ask((Method::GET, "/"), [host], "").await.status, 403);
}

#[tokio::test]
async fn a_form_does_nothing_not_even_with_the_token() {
    let world = World::new("form").await;
    for form in ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain"] {
        let form = (CONTENT_TYPE, form);
        assert_eq!(world.ask(DO, [form.clone()], HEAL).await.status, 403);
        let refused = world.ask(DO, [world.token(), form], HEAL).await;
        assert_eq!(refused.refusal(), (415, "not_json".into()));
    }
}

#[tokio::test]
async fn a_body_is_small_and_says_what_is_known() {
    let world = World::new("body").await;
    let large = format!("{HEAL}{}", " ".repeat(BODY_BYTES_MAX));
    let refused = world.ask(DO, [world.token(), JSON], large).await;
    assert_eq!(refused.refusal(), (413, "body_too_large".into()));
    let refused = world.ask(DO, [world.token(), JSON], r#"{"do":"explode"}"#).await;
    assert_eq!(refused.refusal(), (400, "bad_action".into()));
    let nobody = r#"{"do":"crash","member":"node-1"}"#;
    let refused = world.ask(DO, [world.token(), JSON], nobody).await;
    assert_eq!(refused.refusal(), (404, "unknown_member".into()));
}
