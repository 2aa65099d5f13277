use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};

use super::*;
use crate::access::{Seen, Shown, Visit};
use crate::events::reader::{Ended, Reader};
use crate::events::turns::TURN;
use crate::node::testing;

const DEADLINE: Duration = Duration::from_secs(20);

async fn look(node: &Node) -> Reader {
    let visit = Visit::of(node, Shown::Nothing).await.expect("nobody is asked who they are");
    Reader::begin(visit, Seen::now(node)).expect("there is room")
}

async fn next(reader: &mut Reader) -> Value {
    let text = timeout(DEADLINE, reader.next()).await.expect("in time").expect("it goes on");
    serde_json::from_slice(&text).expect("it is JSON")
}

#[tokio::test(start_paused = true)]
async fn nothing_runs_while_nobody_looks() {
    let node = testing::single();
    assert!(!node.feed().desk().is_looked_at());
    let reader = look(&node).await;
    assert!(node.feed().desk().is_looked_at());
    assert_eq!(node.feed().audience(), Audience { readers: 1, listeners: 0 });
    drop(reader);
    let deadline = Instant::now() + DEADLINE;
    while node.feed().desk().is_looked_at() {
        assert!(Instant::now() < deadline, "it goes on for nobody");
        sleep(TURN).await;
    }
    assert_eq!(node.feed().audience(), Audience::default());
}

#[tokio::test(start_paused = true)]
async fn whoever_does_not_read_loses_the_oldest_and_is_told_how_much() {
    let node = testing::single();
    let (mut slow, mut quick) = (look(&node).await, look(&node).await);
    next(&mut slow).await;
    let began = Instant::now();
    let mut told = 0;
    while told < 3 * WAITING_MAX {
        let envelope = next(&mut quick).await;
        assert_eq!(envelope["lost"], 0);
        told += 1;
    }
    assert!(began.elapsed() >= TURN * told as u32 / 2, "at most ten a second");
    let first = next(&mut slow).await;
    let lost = first["lost"].as_u64().expect("a number");
    assert!(lost >= 2 * WAITING_MAX as u64, "{first}");
    assert_eq!(node.feed().lost(), lost);
    for _ in 1..WAITING_MAX {
        assert_eq!(next(&mut slow).await["lost"], 0, "what waited is told");
    }
}

#[tokio::test(start_paused = true)]
async fn envelopes_come_ten_times_a_second_at_most() {
    let node = testing::single();
    let mut reader = look(&node).await;
    next(&mut reader).await;
    next(&mut reader).await;
    let began = Instant::now();
    for _ in 0..10 {
        next(&mut reader).await;
    }
    assert!(began.elapsed() >= 9 * TURN, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn when_the_member_stops_nobody_is_told_more() {
    let node = testing::single();
    let mut reader = look(&node).await;
    next(&mut reader).await;
    node.feed().close();
    let ended = loop {
        match timeout(DEADLINE, reader.next()).await.expect("in time") {
            Ok(_) => {}
            Err(ended) => break ended,
        }
    };
    assert_eq!(ended, Ended::Stopped);
    let visit = Visit::of(&node, Shown::Nothing).await.expect("nobody is asked");
    assert_eq!(Reader::begin(visit, Seen::now(&node)).err(), Some(NotLooking::Stopped));
}
