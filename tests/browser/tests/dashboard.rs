//! The dashboard, as it is used.

#![allow(clippy::unwrap_used, reason = "a test that can not go on says where, and ends")]

use browser_tests::{Browser, Look};

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
