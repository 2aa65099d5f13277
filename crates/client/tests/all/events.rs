//! Events of the cluster, from members that follow a script.

use std::time::Duration;

use client::{Endpoint, Error, Events, Happened, Heard, Options};

use crate::fake::{Act, Member, client, refuse};

fn patient() -> Options {
    Options { timeout: Duration::from_secs(20), ..Options::default() }
}

fn envelope(events: &str) -> String {
    format!("data: {{\"schema\":1,\"lost\":0,\"events\":[{events}]}}\n\n")
}

fn committed(index: u64) -> String {
    envelope(&format!(r#"{{"kind":"committed","t_us":7,"member":"a","index":{index}}}"#))
}

/// The state of a cluster with these members.
fn state(members: &[&Member]) -> String {
    let member = |member: &&Member| format!(r#"{{"id":"a","url":"http://{}"}}"#, member.address);
    let members: Vec<String> = members.iter().map(member).collect();
    let members = members.join(",");
    envelope(&format!(r#"{{"kind":"state","t_us":7,"member":"a","members":[{members}]}}"#))
}

fn stream(parts: &[String]) -> Act {
    Act::Stream { text: parts.concat(), goes_on: true }
}

fn cut_off(parts: &[String]) -> Act {
    Act::Stream { text: parts.concat(), goes_on: false }
}

/// Which entry is committed, by the next envelope that says it; members that come and go are
/// passed over, and so is what is no news of that.
async fn next_committed(events: &mut Events) -> u64 {
    loop {
        let heard = events.next().await.expect("it goes on");
        let Heard::Envelope(envelope) = heard else { continue };
        let first = envelope.events.first().map(|event| &event.happened);
        if let Some(Happened::Committed { index }) = first {
            return *index;
        }
    }
}

#[tokio::test]
async fn it_is_told_who_tells_and_then_what() {
    let member = Member::start([stream(&[committed(7)])]).await;
    let mut events = client(&[&member], patient()).events();
    assert_eq!(events.next().await, Ok(Heard::From(member.endpoint())));
    assert_eq!(next_committed(&mut events).await, 7);
    assert_eq!(member.requests()[0].line, "GET /events");
}

#[tokio::test]
async fn when_a_member_dies_another_one_tells() {
    let first = Member::start([cut_off(&[committed(7)])]).await;
    let second = Member::start([stream(&[committed(9)])]).await;
    let mut events = client(&[&first, &second], patient()).events();
    assert_eq!(next_committed(&mut events).await, 7);
    let Ok(Heard::Lost { endpoint, .. }) = events.next().await else { panic!("not lost") };
    assert_eq!(endpoint, first.endpoint());
    assert_eq!(events.next().await, Ok(Heard::From(second.endpoint())));
    assert_eq!(next_committed(&mut events).await, 9);
}

#[tokio::test]
async fn members_that_were_only_heard_of_tell_when_the_one_that_was_named_is_gone() {
    let second = Member::start([stream(&[committed(9)])]).await;
    let first = Member::start([cut_off(&[state(&[&second]), committed(7)])]).await;
    let mut events = client(&[&first], patient()).events();
    assert_eq!(next_committed(&mut events).await, 7);
    assert_eq!(next_committed(&mut events).await, 9);
    assert_eq!(second.requests().len(), 1);
}

#[tokio::test]
async fn members_that_do_not_serve_are_passed_over() {
    let absent = Member::absent().await;
    let full = Member::start([refuse(503, "overloaded")]).await;
    let stopped = "event: error\ndata: {\"error\":\"stopped\",\"message\":\"it stops\"}\n\n";
    let stops = Member::start([stream(&[committed(3), stopped.to_owned()])]).await;
    let last = Member::start([stream(&[committed(4)])]).await;
    let mut events = client(&[&absent, &full, &stops, &last], patient()).events();
    assert_eq!(next_committed(&mut events).await, 3);
    let Ok(Heard::Lost { reason, .. }) = events.next().await else { panic!("not lost") };
    assert_eq!(reason, "it stops");
    assert_eq!(next_committed(&mut events).await, 4);
}

#[tokio::test]
async fn another_schema_is_an_error_that_names_the_way_out() {
    let member =
        Member::start([stream(&["data: {\"schema\":2,\"new\":true}\n\n".to_owned()])]).await;
    let mut events = client(&[&member], patient()).events();
    assert_eq!(events.next().await, Ok(Heard::From(member.endpoint())));
    let error = events.next().await.unwrap_err();
    assert_eq!(error, Error::UnknownSchema { endpoint: member.endpoint(), schema: 2 });
    assert!(error.to_string().contains("upgrade"), "{error}");
}

/// What is sent by something that is no member, or by one that is broken.
#[tokio::test]
async fn hostile_streams_are_given_up_and_another_member_tells() {
    let huge = format!("data: {}", "x".repeat(3 << 20));
    let huge_of_lines = "data: x\n".repeat(2 << 20);
    let not_json = "data: <script>alert(1)</script>\n\n".to_owned();
    let no_envelope = "data: [1,2,3]\n\n".to_owned();
    for hostile in [huge, huge_of_lines, not_json, no_envelope] {
        let begin: String = hostile.chars().take(40).collect();
        let bad = Member::start([stream(&[hostile])]).await;
        let good = Member::start([stream(&[committed(9)])]).await;
        let mut events = client(&[&bad, &good], patient()).events();
        assert_eq!(events.next().await, Ok(Heard::From(bad.endpoint())), "{begin}");
        assert_eq!(next_committed(&mut events).await, 9, "{begin}");
    }
}

#[tokio::test]
async fn when_nobody_tells_the_call_fails_in_time_and_the_next_one_goes_on() {
    let member = Member::start((0..1_000).map(|_| Act::Close)).await;
    let options = Options { timeout: Duration::from_millis(300), ..Options::default() };
    let mut events = client(&[&member], options).events();
    for _ in 0..2 {
        let error = events.next().await.unwrap_err();
        assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
    }
    let asked = member.requests().len();
    assert!((2..100).contains(&asked), "it pauses between attempts: {asked}");
}

#[tokio::test]
async fn what_no_member_will_serve_is_an_error_at_once() {
    let member = Member::start([refuse(401, "unauthenticated")]).await;
    let other: Endpoint = Member::absent().await.endpoint();
    let endpoints = vec![member.endpoint(), other];
    let mut events = client::Client::new(endpoints, patient()).events();
    let error = events.next().await.unwrap_err();
    assert!(matches!(error, Error::Unauthenticated { .. }), "{error:?}");
}
