//! A watch that outlives the members it comes from, against members that follow a script.

use std::time::{Duration, Instant};

use client::{Change, Error, Keys, Options, Revision, Update, Watch, WatchOptions};

use crate::fake::{Act, Member, client, refuse};

fn patient() -> Options {
    Options { timeout: Duration::from_secs(20), ..Options::default() }
}

fn open(revision: u64, from: u64) -> String {
    let data = format!(r#"{{"revision":{revision},"from_revision":{from}}}"#);
    format!("id: {}\nevent: open\ndata: {data}\n\n", from - 1)
}

fn message(revision: u64) -> String {
    let numbers = format!(r#""version":1,"create_revision":{revision},"mod_revision":{revision}"#);
    let event = format!(r#"{{"type":"put","key":"k","value":"v",{numbers}}}"#);
    let data = format!(r#"{{"revision":{revision},"time_ms":5,"events":[{event}]}}"#);
    format!("id: {revision}\ndata: {data}\n\n")
}

fn progress(revision: u64) -> String {
    format!("id: {revision}\nevent: progress\ndata: {{\"revision\":{revision}}}\n\n")
}

fn error(code: &str) -> String {
    format!("event: error\ndata: {{\"error\":\"{code}\",\"message\":\"said the script\"}}\n\n")
}

fn stream(parts: &[String]) -> Act {
    Act::Stream { text: parts.concat(), goes_on: true }
}

fn cut_off(parts: &[String]) -> Act {
    Act::Stream { text: parts.concat(), goes_on: false }
}

fn key() -> WatchOptions {
    WatchOptions { keys: Keys::One("k".into()), ..WatchOptions::default() }
}

/// The revision of the next changes.
async fn revision(watch: &mut Watch) -> u64 {
    loop {
        if let Update::Changes(changes) = watch.next().await.expect("it goes on") {
            return changes.revision.0;
        }
    }
}

/// The revision that a member was asked to begin with.
fn asked_from(member: &Member) -> Vec<Option<String>> {
    let from = |line: &str| {
        let query = line.split_once('?').map_or("", |(_, query)| query).to_owned();
        let mut pairs = query.split('&');
        pairs.find_map(|pair| pair.strip_prefix("from_revision=").map(str::to_owned))
    };
    member.requests().iter().map(|request| from(&request.line)).collect()
}

#[tokio::test]
async fn changes_come_as_they_are_told() {
    let delete = "id: 8\ndata: {\"revision\":8,\"time_ms\":6,\"events\":[\n\
                  data: {\"type\":\"delete\",\"key_base64\":\"/w==\",\
                  \"prev\":{\"key_base64\":\"/w==\",\
                  \"value\":\"was\",\"version\":1,\"create_revision\":3,\"mod_revision\":3}}]}\n\n";
    let member = Member::start([stream(&[open(6, 7), message(7), delete.to_owned()])]).await;
    let options = WatchOptions { prev: true, no_put: true, ..key() };
    let mut watch = client(&[&member], patient()).watch(options).await.unwrap();
    assert_eq!(watch.told(), Revision(6));
    let Ok(Update::Changes(put)) = watch.next().await else { panic!("no changes") };
    assert_eq!((put.revision, put.time_ms), (Revision(7), 5));
    let [Change::Put { item, prev: None }] = &put.changes[..] else { panic!("{put:?}") };
    assert_eq!(
        (&item.key[..], &item.value[..], item.mod_revision),
        (&b"k"[..], &b"v"[..], Revision(7))
    );
    let Ok(Update::Changes(gone)) = watch.next().await else { panic!("no changes") };
    let [Change::Delete { key, prev: Some(prev) }] = &gone.changes[..] else { panic!("{gone:?}") };
    assert_eq!((&key[..], &prev.value[..]), (&b"\xff"[..], &b"was"[..]));
    assert_eq!(watch.told(), Revision(8));
    let line = &member.requests()[0].line;
    for part in ["GET /watch?", "key=k", "prev=true", "filter=noput", "progress_ms=", "timeout_ms="]
    {
        assert!(line.contains(part), "{part}: {line}");
    }
}

#[tokio::test]
async fn a_watch_that_breaks_goes_on_at_another_member_where_it_was() {
    // The last message of the first one was not whole; the second repeats what was told.
    let half = message(9).trim_end().to_owned();
    let first = Member::start([cut_off(&[open(6, 7), message(7), message(8), half])]).await;
    let second = Member::start([stream(&[open(9, 9), message(8), message(9), message(10)])]).await;
    let mut watch = client(&[&first, &second], patient()).watch(key()).await.unwrap();
    for expected in 7..=10 {
        assert_eq!(revision(&mut watch).await, expected);
    }
    assert_eq!(asked_from(&first), [None]);
    assert_eq!(asked_from(&second), [Some("9".to_owned())]);
}

#[tokio::test]
async fn what_was_never_told_begins_where_the_first_member_said() {
    let first = Member::start([cut_off(&[open(6, 7)])]).await;
    let second = Member::start([stream(&[open(9, 7), message(9)])]).await;
    let mut watch = client(&[&first, &second], patient()).watch(key()).await.unwrap();
    assert_eq!(revision(&mut watch).await, 9);
    assert_eq!(asked_from(&second), [Some("7".to_owned())]);
}

#[tokio::test]
async fn progress_moves_the_place_to_go_on() {
    let first = Member::start([cut_off(&[open(6, 7), progress(6), progress(40)])]).await;
    let second = Member::start([stream(&[open(50, 41), message(45)])]).await;
    let mut watch = client(&[&first, &second], patient()).watch(key()).await.unwrap();
    assert_eq!(watch.next().await, Ok(Update::Progress(Revision(40))), "6 says nothing new");
    assert_eq!(revision(&mut watch).await, 45);
    assert_eq!(asked_from(&second), [Some("41".to_owned())]);
}

#[tokio::test]
async fn members_that_do_not_serve_are_passed_over() {
    let absent = Member::absent().await;
    let first = Member::start([refuse(503, "unavailable")]).await;
    let second = Member::start([stream(&[open(6, 7), message(7), error("stopped")])]).await;
    let third = Member::start([stream(&[open(8, 8), message(8)])]).await;
    let client = client(&[&absent, &first, &second, &third], patient());
    let mut watch = client.watch(key()).await.unwrap();
    assert_eq!(revision(&mut watch).await, 7);
    assert_eq!(revision(&mut watch).await, 8);
    assert_eq!(asked_from(&third), [Some("8".to_owned())]);
}

#[tokio::test]
async fn what_is_compacted_is_the_callers_affair() {
    let first = Member::start([stream(&[open(6, 7), message(7), error("compacted")])]).await;
    let mut watch = client(&[&first], patient()).watch(key()).await.unwrap();
    assert_eq!(revision(&mut watch).await, 7);
    let compacted = watch.next().await.unwrap_err();
    assert_eq!(compacted.code(), Some("compacted"));
    let gone = Member::start([refuse(410, "compacted")]).await;
    let from_revision = Some(Revision(2));
    let refused = client(&[&gone], patient()).watch(WatchOptions { from_revision, ..key() }).await;
    assert_eq!(refused.unwrap_err().code(), Some("compacted"));
}

#[tokio::test]
async fn a_request_that_can_not_be_served_is_not_sent_again() {
    let member = Member::start([refuse(400, "bad_parameter")]).await;
    let other = Member::start([]).await;
    let refused = client(&[&member, &other], patient()).watch(key()).await.unwrap_err();
    assert_eq!(refused.code(), Some("bad_parameter"));
    assert_eq!((member.requests().len(), other.requests().len()), (1, 0));
}

#[tokio::test]
async fn when_nobody_serves_the_call_fails_and_the_next_one_goes_on() {
    let timeout = Duration::from_millis(300);
    let streams = [cut_off(&[open(6, 7), message(7)])];
    // Long enough for the first call to fail.
    let refusals = (0..6).map(|_| Act::Close);
    let script = streams.into_iter().chain(refusals);
    let member = Member::start(script.chain([stream(&[open(9, 8), message(8)])])).await;
    let options = Options { timeout, ..Options::default() };
    let mut watch = client(&[&member], options).watch(key()).await.unwrap();
    assert_eq!(revision(&mut watch).await, 7);
    let began = Instant::now();
    let failed = watch.next().await.unwrap_err();
    assert!(matches!(failed, Error::Unavailable { .. }), "{failed:?}");
    assert!(began.elapsed() < Duration::from_secs(10));
    let found = loop {
        match watch.next().await {
            Ok(Update::Changes(changes)) => break changes.revision,
            Ok(Update::Progress(_)) | Err(Error::Unavailable { .. }) => {}
            Err(other) => panic!("{other:?}"),
        }
        assert!(began.elapsed() < Duration::from_secs(20), "it never goes on");
    };
    assert_eq!(found, Revision(8));
}

#[tokio::test]
async fn a_strange_message_is_asked_for_again_and_not_passed_over() {
    let strange = "id: 7\ndata: {\"revision\":\"seven\"}\n\n".to_owned();
    let first =
        Member::start([stream(&[open(6, 7), strange]), stream(&[open(8, 7), message(7)])]).await;
    let mut watch = client(&[&first], patient()).watch(key()).await.unwrap();
    assert!(matches!(watch.next().await, Err(Error::Malformed { .. })));
    assert_eq!(revision(&mut watch).await, 7);
}
