//! How much the dashboard works: fed 20,000 writes a second by a played cluster, in Chromium.
//!
//! ```text
//! cargo xtask bench page [--minutes N]
//! ```
//!
//! A line a minute: script time a frame, how often it drew and was told, and what it holds after
//! garbage was collected. The last line is the whole as JSON.

#![allow(clippy::unwrap_used, reason = "a measurement that can not go on says where, and ends")]

use std::time::{Duration, Instant};

use browser_tests::{Browser, Mock};
use serde_json::{Value, json};
use system_tests::wait;

/// Writes a second.
const RATE: &str = "20000";

/// How long between two lines, at most.
const INTERVAL: Duration = Duration::from_secs(60);

const FIGURES: &str = "
    const { frames, stage, events } = window.raftkvPage;
    return { p50_ms: frames.percentile(0.5), p95_ms: frames.percentile(0.95),
        p99_ms: frames.percentile(0.99), frames: frames.count, events,
        kept: stage.live_history.end - stage.live_history.first,
        states: stage.live_history.states.length,
        elements: document.querySelectorAll('*').length };";

/// One look at the page.
fn look(browser: &Browser) -> Value {
    let mut figures = browser.run(FIGURES);
    browser.devtools("HeapProfiler.collectGarbage", &json!({}));
    let heap = browser.devtools("Runtime.getHeapUsage", &json!({}));
    figures["heap_mib"] = (heap["usedSize"].as_f64().unwrap() / f64::from(1 << 20)).into();
    figures
}

fn main() {
    let seconds = std::env::args().nth(1).map_or(60, |word| word.parse().expect("seconds"));
    let end = Instant::now() + Duration::from_secs(seconds);
    let (mock, browser) = (Mock::start(3, &["--rate", RATE]), Browser::start());
    browser.open(&mock.page(1));
    browser.wait_leader();
    let (begin, mut looks) = (Instant::now(), Vec::new());
    while Instant::now() < end {
        let next = end.min(Instant::now() + INTERVAL);
        while Instant::now() < next {
            wait::pause();
        }
        let figures = look(&browser);
        let elapsed_s = begin.elapsed().as_secs_f64();
        let rate = |name: &str| figures[name].as_f64().unwrap() / elapsed_s;
        println!(
            "{elapsed_s:4.0} s: script a frame p50 {:.1} ms, p95 {:.1} ms, p99 {:.1} ms; {:.0} \
             frames/s, {:.0} events/s; {:.1} MiB, {} events kept, {} elements",
            figures["p50_ms"].as_f64().unwrap(),
            figures["p95_ms"].as_f64().unwrap(),
            figures["p99_ms"].as_f64().unwrap(),
            rate("frames"),
            rate("events"),
            figures["heap_mib"].as_f64().unwrap(),
            figures["kept"],
            figures["elements"],
        );
        looks.push(figures);
    }
    println!("{}", json!({ "seconds": seconds, "rate": RATE, "looks": looks }));
}
