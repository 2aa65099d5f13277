//! Writes with a name, against members that follow a script.

use std::time::Duration;

use client::{Client, Condition, Error, ExactlyOnce, Options, Revision, WriteOptions};

use crate::fake::{Act, Member, Request, client, ok, refuse};

const COMMITTED: &str = r#"{"status":"committed","key":"k","revision":7}"#;
const OPENED: &str = r#"{"session":"12","life_ms":600000}"#;
const OPENED_LATER: &str = r#"{"session":"34","life_ms":600000}"#;
const OPEN: &str = "POST /session";
const PUT: &str = "PUT /kv/k";

fn named(exactly_once: ExactlyOnce, timeout: Duration) -> Options {
    Options { timeout, exactly_once, ..Options::default() }
}

fn in_session(members: &[&Member]) -> Client {
    client(members, named(ExactlyOnce::Session, Duration::from_secs(20)))
}

/// A header's value in each request that has it.
fn header(requests: &[Request], name: &str) -> Vec<String> {
    let value = |request: &Request| {
        let lines = request.headers.lines();
        let mut fields = lines.filter_map(|line| line.split_once(": "));
        fields.find(|(known, _)| *known == name).map(|(_, value)| value.to_owned())
    };
    requests.iter().filter_map(value).collect()
}

#[tokio::test]
async fn a_session_is_opened_with_the_first_write_and_kept() {
    let member = Member::start([ok(OPENED), ok(COMMITTED), ok(COMMITTED), ok(COMMITTED)]).await;
    let client = in_session(&[&member]);
    client.put("k", "v").await.unwrap();
    client.clone().put("k", "v").await.unwrap();
    client.put("k", "v").await.unwrap();
    assert_eq!(member.asked(), [OPEN, PUT, PUT, PUT]);
    assert_eq!(header(&member.requests(), "raftkv-session"), ["12;1;1", "12;2;2", "12;3;3"]);
}

#[tokio::test]
async fn a_write_that_was_left_unanswered_is_sent_again_under_its_number() {
    let script = [ok(OPENED), Act::Close, refuse(504, "outcome_unknown"), Act::CloseInTheMiddle];
    let member = Member::start(script.into_iter().chain([ok(COMMITTED), ok(COMMITTED)])).await;
    let client = in_session(&[&member]);
    client.put("k", "v").await.unwrap();
    client.put("k", "v").await.unwrap();
    assert_eq!(member.asked(), [OPEN, PUT, PUT, PUT, PUT, PUT]);
    let numbers = header(&member.requests(), "raftkv-session");
    assert_eq!(numbers, ["12;1;1", "12;1;1", "12;1;1", "12;1;1", "12;2;2"]);
}

#[tokio::test]
async fn a_silent_member_is_left_for_another_one() {
    let silent = Member::start([ok(OPENED), Act::Hang]).await;
    let other = Member::start([ok(COMMITTED)]).await;
    let options = named(ExactlyOnce::Session, Duration::from_secs(2));
    client(&[&silent, &other], options).put("k", "v").await.unwrap();
    assert_eq!((silent.asked().len(), other.asked()), (2, vec![PUT.to_owned()]));
    assert_eq!(header(&other.requests(), "raftkv-session"), ["12;1;1"]);
}

#[tokio::test]
async fn a_session_that_ended_before_a_write_was_sent_is_opened_anew() {
    let expired = || refuse(410, "session_expired");
    let script = [ok(OPENED), ok(COMMITTED), expired(), ok(OPENED_LATER), ok(COMMITTED)];
    let member = Member::start(script).await;
    let client = in_session(&[&member]);
    client.put("k", "v").await.unwrap();
    client.put("k", "v").await.unwrap();
    assert_eq!(header(&member.requests(), "raftkv-session"), ["12;1;1", "12;2;2", "34;1;1"]);
}

#[tokio::test]
async fn a_session_that_ended_after_a_write_was_sent_leaves_it_unknown() {
    let script = [ok(OPENED), Act::Close, refuse(410, "session_expired")];
    let member = Member::start(script.into_iter().chain([ok(OPENED_LATER), ok(COMMITTED)])).await;
    let client = in_session(&[&member]);
    let error = client.put("k", "v").await.unwrap_err();
    let Error::Unknown { reason } = &error else { panic!("{error:?}") };
    assert!(reason.contains("session_expired"), "{reason}");
    assert_eq!(member.asked(), [OPEN, PUT, PUT], "it is not sent in another session");
}

/// A refusal that is definite for one sending says nothing of an earlier one.
#[tokio::test]
async fn a_write_that_was_sent_once_stays_unknown_whatever_refuses_it_later() {
    for later in [refuse(503, "unavailable"), refuse(413, "value_too_large")] {
        let script = [ok(OPENED), Act::Close].into_iter();
        let member = Member::start(script.chain(std::iter::repeat_n(later, 50))).await;
        let options = named(ExactlyOnce::Session, Duration::from_millis(400));
        let error = client(&[&member], options).put("k", "v").await.unwrap_err();
        assert!(matches!(error, Error::Unknown { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn a_failed_condition_is_an_answer_whatever_was_sent_before() {
    let member = Member::start([ok(OPENED), Act::Close, refuse(412, "condition_failed")]).await;
    let error = in_session(&[&member]).put("k", "v").await.unwrap_err();
    assert_eq!(error.code(), Some("condition_failed"));
}

#[tokio::test]
async fn a_write_that_never_left_did_not_happen() {
    let away = Member::absent().await;
    let options = named(ExactlyOnce::Session, Duration::from_millis(300));
    let error = client(&[&away], options).put("k", "v").await.unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
}

#[tokio::test]
async fn many_first_writes_open_one_session() {
    let script = [ok(OPENED)].into_iter().chain(std::iter::repeat_n(ok(COMMITTED), 20));
    let member = Member::start(script).await;
    let client = in_session(&[&member]);
    let writes: Vec<_> = (0..20)
        .map(|_| client.clone())
        .map(|client| tokio::spawn(async move { client.put("k", "v").await }))
        .collect();
    for write in writes {
        write.await.unwrap().unwrap();
    }
    let asked = member.asked();
    assert_eq!(asked.iter().filter(|line| *line == OPEN).count(), 1);
    let mut numbers = header(&member.requests(), "raftkv-session");
    numbers.sort();
    numbers.dedup_by_key(|number| number.rsplit_once(';').unwrap().0.to_owned());
    assert_eq!(numbers.len(), 20, "each has a number of its own: {numbers:?}");
}

#[tokio::test]
async fn a_key_is_the_same_for_all_sendings_and_another_for_each_write() {
    let deleted = r#"{"status":"committed","key":"k","deleted":1,"revision":8}"#;
    let member = Member::start([Act::Close, ok(COMMITTED), ok(deleted)]).await;
    let client = client(&[&member], named(ExactlyOnce::Key, Duration::from_secs(20)));
    client.put("k", "v").await.unwrap();
    client.delete("k").await.unwrap();
    assert_eq!(member.asked(), [PUT, PUT, "DELETE /kv/k"]);
    let keys = header(&member.requests(), "idempotency-key");
    assert_eq!((keys.len(), keys[0].len()), (3, 32));
    assert_eq!(keys[0], keys[1]);
    assert_ne!(keys[1], keys[2]);
}

fn under(condition: Condition) -> WriteOptions {
    WriteOptions { condition: Some(condition), ..WriteOptions::default() }
}

#[tokio::test]
async fn a_condition_is_sent_with_the_name_of_the_write() {
    let deleted = r#"{"status":"committed","key":"k","deleted":1,"revision":8}"#;
    let member = Member::start([ok(COMMITTED), ok(COMMITTED), ok(deleted)]).await;
    let client = client(&[&member], named(ExactlyOnce::Key, Duration::from_secs(20)));
    client.put_with("k", "v", under(Condition::Revision(Revision(7)))).await.unwrap();
    client.put_with("k", "v", under(Condition::Absent)).await.unwrap();
    client.delete_with("k", under(Condition::Exists)).await.unwrap();
    let requests = member.requests();
    assert_eq!(header(&requests, "if-match"), ["\"7\"", "*"]);
    assert_eq!(header(&requests, "if-none-match"), ["*"]);
    assert_eq!(header(&requests, "idempotency-key").len(), 3);
}

/// The store knows every sending of a named write, so its word about the condition holds for all.
#[tokio::test]
async fn a_condition_that_failed_tells_the_key_as_it_is_and_is_definite() {
    let conflict = |current: &str| {
        let body = format!(
            r#"{{"error":"condition_failed","message":"m","revision":9,"current":{current}}}"#
        );
        Act::Answer { status: 412, headers: Vec::new(), body }
    };
    let there = r#"{"key":"k","value":"w","version":1,"create_revision":8,"mod_revision":8}"#;
    let member = Member::start([Act::Close, conflict(there), conflict("null")]).await;
    let client = client(&[&member], named(ExactlyOnce::Key, Duration::from_secs(20)));
    let failed = client.put_with("k", "v", under(Condition::Absent)).await.unwrap_err();
    let Error::ConditionFailed { current: Some(current), revision } = failed else {
        panic!("{failed:?}")
    };
    assert_eq!((&current.value[..], current.mod_revision), (&b"w"[..], Revision(8)));
    assert_eq!(revision, Revision(9));
    let failed = client.delete_with("k", under(Condition::Exists)).await.unwrap_err();
    assert_eq!(failed, Error::ConditionFailed { current: None, revision });
}

#[tokio::test]
async fn what_was_there_before_comes_with_the_answer_if_it_was_asked_for() {
    let before = r#"{"key":"k","value_base64":"/w==","version":2,"create_revision":3,
        "mod_revision":5}"#;
    let put = format!(r#"{{"status":"committed","key":"k","prev":{before},"revision":7}}"#);
    let gone = r#"{"status":"committed","key":"k","deleted":0,"prev":null,"revision":7}"#;
    let broken = r#"{"status":"committed","key":"k","revision":8,
        "prev":{"key":"k","value_base64":"?","version":1,"create_revision":7,"mod_revision":7}}"#;
    let member = Member::start([ok(&put), ok(gone), ok(broken)]).await;
    let client = client(&[&member], named(ExactlyOnce::Key, Duration::from_secs(20)));
    let options = WriteOptions { prev: true, ..WriteOptions::default() };
    let written = client.put_with("k", "v", options).await.unwrap();
    let prev = written.prev.unwrap();
    assert_eq!((&prev.value[..], prev.mod_revision), (&b"\xff"[..], Revision(5)));
    let deleted = client.delete_with("k", options).await.unwrap();
    assert_eq!((deleted.deleted, deleted.prev), (0, None));
    assert_eq!(member.asked(), ["PUT /kv/k", "DELETE /kv/k"]);
    assert!(member.requests()[0].line.starts_with("PUT /kv/k?prev=true&timeout_ms="));
    let strange = client.put_with("k", "v", options).await.unwrap_err();
    assert!(matches!(strange, Error::Unknown { .. }), "it was done, perhaps: {strange}");
}
