//! Breaking a real cluster by the page's own buttons.

#![allow(clippy::unwrap_used, reason = "a test that can not go on says where, and ends")]

use std::time::Instant;

use browser_tests::{Browser, Dev};
use system_tests::wait;

fn writes_done(dev: &Dev) -> u64 {
    dev.state()["load"]["done"].as_u64().unwrap()
}

#[test]
fn the_leader_is_crashed_by_its_button_and_the_writer_goes_on() {
    let (dev, browser) = (Dev::start(3, &[]), Browser::start());
    browser.open_dashboard(&dev.dashboard(), 3);
    browser.click_named("#hands button", "Write load");
    let leader = browser.wait_leader();
    browser.act(&leader, "Crash");
    let crashed = Instant::now();
    let next = browser.wait_other_leader(&leader);
    println!("{next} is crowned {} ms after {leader} was crashed", crashed.elapsed().as_millis());
    browser.wait_banner("2 of 3 members: writes work");
    assert!(browser.node(&leader).contains("not running"), "{}", browser.node(&leader));
    let done = writes_done(&dev);
    wait::until_true("the writer goes on", || writes_done(&dev) > done + 10);

    browser.act(&leader, "Restart");
    browser.wait_banner("3 of 3 members work");
    assert_eq!(browser.complaints().iter().filter(|said| !is_refusal(said)).count(), 0);
}

/// A member that is down refuses connections, and the browser notes that by itself.
fn is_refusal(said: &str) -> bool {
    said.contains("ERR_CONNECTION_REFUSED") || said.contains("WebSocket connection")
}

#[test]
fn a_leader_that_is_isolated_is_replaced_and_comes_back_when_all_is_healed() {
    let (dev, browser) = (Dev::start(3, &[]), Browser::start());
    browser.open_dashboard(&dev.dashboard(), 3);
    let leader = browser.wait_leader();
    browser.act(&leader, "Isolate");
    let next = browser.wait_other_leader(&leader);
    browser.click_named("#hands button", "Heal all");
    browser.wait_banner("3 of 3 members work");
    let follows = || browser.node(&leader).contains("follower");
    wait::until_true("the old leader follows", follows);
    assert_ne!(next, leader);
}

#[test]
fn a_member_is_paused_and_goes_on_and_another_is_added() {
    let (dev, browser) = (Dev::start(3, &[]), Browser::start());
    browser.open_dashboard(&dev.dashboard(), 3);
    let leader = browser.wait_leader();
    let follower = ["node-1", "node-2"].into_iter().find(|name| *name != leader).unwrap();
    browser.act(follower, "Pause");
    browser.wait_banner("2 of 3 members: writes work");
    browser.act(follower, "Resume");
    browser.wait_banner("3 of 3 members work");
    browser.click_named("#hands button", "Add a member");
    browser.wait_banner("4 of 4 members work");
    assert!(browser.node("node-4").contains("follower"), "{}", browser.node("node-4"));
}

#[test]
fn members_pages_have_no_hands() {
    let (dev, browser) = (Dev::start(1, &[]), Browser::start());
    browser.open_dashboard(&dev.page(1), 1);
    assert_eq!(browser.run("return document.querySelector('#hands').hidden"), true);
    browser.click("#ring .node[aria-label^='node-1,']");
    browser.until("the card is open", "return document.querySelector('#member-card h3').innerText");
    assert_eq!(browser.run("return document.querySelector('.deeds').hidden"), true);
}
