//! The dashboard's files, as a browser gets them.

use super::world::World;

#[tokio::test]
async fn the_page_and_its_files_come_with_their_types_and_a_policy() {
    let world = World::new().await;
    for (target, content_type) in [
        ("/", "text/html; charset=utf-8"),
        ("/page/main.js", "text/javascript; charset=utf-8"),
        ("/page/css/tokens.css", "text/css; charset=utf-8"),
        ("/page/icon.svg", "image/svg+xml"),
    ] {
        let answer = world.ask("GET", target).await;
        assert_eq!(answer.status, 200, "{target}");
        assert_eq!(answer.header("content-type"), Some(content_type), "{target}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{target}");
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{target}");
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'none'; script-src 'self';"), "{policy}");
    }
}

#[tokio::test]
async fn a_file_that_the_browser_has_is_not_sent_again() {
    let world = World::new().await;
    let first = world.ask("GET", "/page/main.js").await;
    let tag = format!("If-None-Match: {}", first.header("etag").unwrap());
    let again = world.request("GET", "/page/main.js", &[&tag], b"").await;
    assert_eq!(again.status, 304);
    assert_eq!(again.text(), "");
    let other = ["If-None-Match: \"0\""];
    assert_eq!(world.request("GET", "/page/main.js", &other, b"").await.status, 200);
}

#[tokio::test]
async fn a_member_says_that_it_is_one() {
    let world = World::new().await;
    assert_eq!(world.get("/page/served.json").await["by"], "member");
}

#[tokio::test]
async fn there_is_nothing_but_the_files() {
    let world = World::new().await;
    for target in ["/page/none.js", "/page/", "/page/../index.html", "/page/page/main.js"] {
        world.ask("GET", target).await.assert_refused(404, "unknown_path");
    }
    world.ask("POST", "/").await.assert_refused(405, "method_not_allowed");
}
