//! The dashboard of a real cluster, from whichever member it was loaded.

#![allow(clippy::unwrap_used, reason = "a test that can not go on says where, and ends")]

use std::time::Instant;

use browser_tests::{Browser, Dev, Look, Mock};
use serde_json::json;

#[test]
fn the_stand_itself_sees_what_it_should() {
    let browser = Browser::start();
    browser.look(Look { width: 390, height: 800, dark: true, still: true });
    browser.open("data:text/html,<p>hello<script>console.error('no')</script>");
    assert_eq!(browser.text().trim(), "hello");
    assert_eq!(browser.run("return matchMedia('(prefers-color-scheme: dark)').matches"), true);
    assert_eq!(browser.run("return matchMedia('(prefers-reduced-motion)').matches"), true);
    assert_eq!(browser.run("return innerWidth"), 390);
    assert_eq!(browser.complaints().len(), 1);
    assert_eq!(browser.asked_for().len(), 1, "the page itself");
}

#[test]
fn every_member_serves_it_and_it_crowns_the_right_one() {
    let (dev, browser) = (Dev::start(3, &[]), Browser::start());
    for member in 1..=3 {
        let page = dev.page(member);
        browser.open_dashboard(&page, 3);
        assert_eq!(browser.crowned(), dev.leader(member));
        browser.until("a heartbeat flies", "return document.querySelector('#ring .fly')");
        assert_eq!(browser.complaints(), [""; 0], "of {page}");
        // A page that listens to the leader listens to a second member, too: the first may die.
        let sockets = [1, 2, 3].map(|member| dev.page(member).replacen("http", "ws", 1));
        let is_ours = |url: &String| {
            url.starts_with(&page) || sockets.iter().any(|socket| url.starts_with(socket))
        };
        let asked = browser.asked_for();
        assert!(asked.iter().all(is_ours), "{page} asked for {asked:?}");
        assert!(asked.iter().any(|url| url.starts_with(&sockets[member - 1])), "{asked:?}");
    }
}

#[test]
fn a_put_through_the_api_is_seen() {
    let (dev, browser) = (Dev::start(3, &[]), Browser::start());
    browser.open_dashboard(&dev.page(1), 3);
    dev.put(2, "db.host", r#"{"value":"postgres.internal"}"#);
    let written = Instant::now();
    browser.until_with("the key is seen", "return document.body.innerText", |_| {
        (browser.row("db.host")? == "postgres.internal").then_some(())
    });
    println!("seen {} ms after the write was acknowledged", written.elapsed().as_millis());
    let told = "return document.querySelector('#strips').innerText.includes('applied')";
    browser.until("the logs are drawn", told);
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn a_page_that_loses_its_member_goes_on_with_another_and_says_so() {
    let (dev, browser) = (Dev::start(3, &[]), Browser::start());
    browser.open_dashboard(&dev.page(1), 3);
    dev.act(&json!({ "do": "crash", "member": "node-1" }));
    let says = "return document.querySelector('#notice').innerText.includes('lost node-1')";
    browser.until("the page says whom it lost", says);
    browser.wait_banner("2 of 3 members: writes work, one more failure stops them");
    assert!(browser.node("node-1").contains("not"), "{}", browser.node("node-1"));
    dev.put(3, "after", r#"{"value":"the fall"}"#);
    browser.until_with("keys are seen by another member", "return 1", |_| browser.row("after"));
}

#[test]
fn a_member_of_another_schema_is_not_drawn() {
    let (mock, browser) = (Mock::start(3, &["--schema", "2"]), Browser::start());
    browser.open(&mock.page(1));
    browser.wait_banner("This page is older than the member. Reload.");
    assert_eq!(browser.run("return document.querySelectorAll('#ring .node').length"), 0);
}

#[test]
fn users_log_in() {
    let (mock, browser) = (Mock::start(3, &["--auth"]), Browser::start());
    browser.open(&mock.page(1));
    browser.wait_banner("log in");
    assert_eq!(browser.nameless(), [""; 0]);
    assert_eq!(browser.run("return document.querySelectorAll('#ring .node').length"), 0);
}
