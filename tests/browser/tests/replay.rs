//! The last minute once more, and files of events.

#![allow(clippy::unwrap_used, reason = "a test that can not go on says where, and ends")]

use std::path::Path;

use browser_tests::{Browser, Dev};
use serde_json::Value;
use system_tests::wait;

/// The guided tour, below this package.
const TRACES: &str = "../../docs/demo/traces";

#[test]
fn an_election_that_is_over_can_be_watched() {
    let (dev, browser) = (Dev::start(3, &[]), Browser::start());
    browser.open_dashboard(&dev.dashboard(), 3);
    let leader = browser.wait_leader();
    browser.act(&leader, "Crash");
    let next = browser.wait_other_leader(&leader);
    browser.click("#watch-election");
    let live = "return document.querySelector('.live').getAttribute('aria-pressed') === 'false'";
    browser.until("it is a replay", live);
    wait::until_true("the old leader is crowned again", || {
        browser.crowned() == Some(leader.clone())
    });
    browser
        .until("a vote is asked for", "return document.querySelector('.fly.vote, .fly.prevote')");
    wait::until_true("and loses its crown", || browser.crowned() == Some(next.clone()));
    browser.click(".live");
    browser.wait_banner("2 of 3 members: writes work");
}

#[test]
fn each_story_of_the_tour_plays_to_its_end() {
    let (dev, browser) = (Dev::start(1, &[]), Browser::start());
    browser.open_dashboard(&dev.page(1), 1);
    let traces = Path::new(env!("CARGO_MANIFEST_DIR")).join(TRACES).canonicalize().unwrap();
    let index = std::fs::read_to_string(traces.join("index.json")).unwrap();
    let index: Value = serde_json::from_str(&index).unwrap();
    let tours = index.as_array().unwrap();
    assert_eq!(tours.len(), 6);
    for tour in tours {
        let file = traces.join(tour["file"].as_str().unwrap());
        browser.click("#open-traces");
        browser.press("dialog input[type=file]", &file.display().to_string());
        let members = &tour["members"];
        let nodes = "return document.querySelectorAll('#ring .node').length";
        browser
            .until_with("its members are drawn", nodes, |count| (count == members).then_some(()));
        browser
            .until("a caption is read", "return document.querySelector('#caption-text').innerText");
        let to_end = "const slider = document.querySelector('#player input[type=range]');
            slider.value = 1000; slider.dispatchEvent(new Event('input'));
            slider.dispatchEvent(new Event('change'));";
        browser.run(to_end);
        wait::until_true("somebody leads in the end", || browser.crowned().is_some());
    }
    browser.click(".live");
    browser.wait_banner("The only member works");
    assert_eq!(browser.complaints(), [""; 0]);
    browser.until("no caption is left", "return document.querySelector('#caption').hidden");
}
