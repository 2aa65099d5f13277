//! The key browser: what is there, what was, what goes.

#![allow(clippy::unwrap_used, reason = "a test that can not go on says where, and ends")]

use browser_tests::{Browser, Dev};
use system_tests::wait;

fn wait_row(browser: &Browser, key: &str, value: &str) {
    wait::until_true(&format!("{key} = {value} is seen"), || {
        browser.row(key).as_deref() == Some(value)
    });
}

#[test]
fn a_time_to_live_counts_down_and_the_key_goes() {
    let (dev, browser) = (Dev::start(3, &[]), Browser::start());
    browser.open_dashboard(&dev.page(1), 3);
    dev.put(1, "short", r#"{"value":"life","ttl":4}"#);
    wait_row(&browser, "short", "life");
    let left = "return document.querySelector('#keys-rows .key-ttl').innerText";
    let first = browser.until("its time is seen", left);
    browser.until_with("it counts down", left, |now| (*now != first).then_some(()));
    wait::until_true("it is gone", || browser.row("short").is_none());
}

/// Moves the slider, and waits until what was then is shown.
fn slide(browser: &Browser, moment: u32) {
    let fetched = "return performance.getEntriesByType('resource')
        .filter(({ name, responseEnd }) => name.includes('at=') && responseEnd > 0).length";
    let before = browser.run(fetched);
    let script = "const slider = document.querySelector('#past-slider');
        slider.value = arguments[0]; slider.dispatchEvent(new Event('input'));";
    browser.run_with(script, &[moment.into()]);
    browser.until_with("the past is fetched", fetched, |now| (*now != before).then_some(()));
    browser.until("and shown", "return document.body.innerText.includes('as of revision')");
}

#[test]
fn the_slider_shows_a_value_as_it_was() {
    let (dev, browser) = (Dev::start(1, &[]), Browser::start());
    browser.open_dashboard(&dev.page(1), 1);
    dev.put(1, "k", r#"{"value":"old"}"#);
    wait_row(&browser, "k", "old");
    dev.put(1, "k", r#"{"value":"new"}"#);
    wait_row(&browser, "k", "new");
    let status = "return performance.getEntriesByType('resource')
        .filter(({ name }) => name.endsWith('/cluster/status')).length";
    let asked = browser.run(status);
    browser.run("document.querySelector('#past-slider').focus()");
    browser
        .until_with("how far the past goes is known", status, |now| (*now != asked).then_some(()));
    // The moment is looked for between the one before the key and the one after it was changed.
    let (mut before, mut after) = (0, 1_000);
    while browser.row("k").as_deref() != Some("old") {
        assert!(after - before > 1, "there was a moment with the old value");
        let moment = (before + after) / 2;
        slide(&browser, moment);
        match browser.row("k").as_deref() {
            Some("new") => after = moment,
            Some(_) => {}
            None => before = moment,
        }
    }
    assert!(browser.text().contains("as of revision"));
    browser.click("#past-now");
    wait_row(&browser, "k", "new");
}

#[test]
fn keys_are_added_changed_and_deleted_and_nobody_overwrites_what_they_have_not_seen() {
    let (dev, browser) = (Dev::start(1, &[]), Browser::start());
    browser.open_dashboard(&dev.page(1), 1);
    browser.click("#keys-add");
    browser.fill("#key-detail input.mono", "config/level");
    browser.fill("#key-detail textarea", "debug");
    browser.click_named("#key-detail button", "Save");
    wait_row(&browser, "config/level", "debug");

    browser.click_named("#key-detail button", "Edit");
    dev.put(1, "config/level", r#"{"value":"warn"}"#);
    browser.fill("#key-detail textarea", "info");
    browser.click_named("#key-detail button", "Save");
    let says =
        "return document.querySelector('#key-detail').innerText.includes('Somebody changed')";
    browser.until("the conflict is told", says);
    assert_eq!(dev.http(1).get("/kv/config/level").json()["value"], "warn");
    browser.click_named("#key-detail button", "I have seen it");
    browser.click_named("#key-detail button", "Save");
    wait_row(&browser, "config/level", "info");

    browser.click_named("#key-detail button", "Delete");
    wait::until_true("the key is gone", || browser.row("config/level").is_none());
    assert_eq!(dev.http(1).get("/kv/config/level").code(), "not_found");
}

#[test]
fn pages_and_prefixes() {
    let (dev, browser) = (Dev::start(1, &[]), Browser::start());
    for number in 0..30 {
        dev.put(1, &format!("many/{number:02}"), r#"{"value":"v"}"#);
    }
    dev.put(1, "other", r#"{"value":"v"}"#);
    browser.open_dashboard(&dev.page(1), 1);
    wait_row(&browser, "many/00", "v");
    assert_eq!(browser.row("many/29"), None, "it is on the next page");
    browser.click("#keys-next");
    wait_row(&browser, "many/29", "v");
    browser.fill("#keys-prefix", "oth");
    wait_row(&browser, "other", "v");
    wait::until_true("the others are left out", || browser.row("many/29").is_none());
}
