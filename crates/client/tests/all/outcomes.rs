//! The three outcomes of a call, each against members that follow a script.

use std::time::{Duration, Instant};

use client::{Client, Error, ExactlyOnce, ListOptions, Options};

use crate::fake::{Act, Member, client, not_leader, ok, refuse};

const COMMITTED: &str = r#"{"status":"committed","key":"k","revision":7}"#;
const FOUND: &str = r#"{"key":"k","value":"v","version":2,"create_revision":5,"mod_revision":7}"#;
const PUT: &str = "PUT /kv/k";
const GET: &str = "GET /kv/k";

/// Long enough for anything that is going to happen.
fn patient() -> Options {
    nameless(Duration::from_secs(20))
}

/// For calls that must run into their deadline.
fn impatient() -> Options {
    nameless(Duration::from_millis(300))
}

/// Here writes have no names; `exactly_once.rs` has those with names.
fn nameless(timeout: Duration) -> Options {
    Options { timeout, exactly_once: ExactlyOnce::No, ..Options::default() }
}

fn unknown_reason(error: Error) -> String {
    assert!(!error.is_retryable(), "an unknown write must not be sent again");
    match error {
        Error::Unknown { reason } => reason,
        other => panic!("the outcome is unknown, not {other:?}"),
    }
}

#[tokio::test]
async fn a_served_write_is_done() {
    let member = Member::start([ok(COMMITTED)]).await;
    let written = client(&[&member], patient()).put("a/b c", vec![0, 255]).await.unwrap();
    assert_eq!(written.revision.0, 7);
    let requests = member.requests();
    assert_eq!(requests.len(), 1);
    assert!(requests[0].line.starts_with("PUT /kv/a/b%20c?timeout_ms="), "{}", requests[0].line);
    assert!(requests[0].headers.contains("content-type: application/octet-stream"));
    assert_eq!(requests[0].body, [0, 255]);
}

#[tokio::test]
async fn a_definite_refusal_is_sent_again_until_it_is_served() {
    let script = [
        refuse(503, "unavailable"),
        refuse(503, "overloaded"),
        refuse(503, "superseded"),
        refuse(503, "no_leader"),
        ok(COMMITTED),
    ];
    let member = Member::start(script).await;
    client(&[&member], patient()).put("k", "v").await.unwrap();
    assert_eq!(member.asked(), [PUT; 5]);
}

#[tokio::test]
async fn a_member_that_is_away_is_passed_over_without_a_pause() {
    let (away, present) = (Member::absent().await, Member::start([ok(COMMITTED)]).await);
    client(&[&away, &present], patient()).put("k", "v").await.unwrap();
    assert_eq!(present.asked(), [PUT]);
}

#[tokio::test]
async fn with_all_members_away_a_write_definitely_did_not_happen() {
    let (one, two) = (Member::absent().await, Member::absent().await);
    let error = client(&[&one, &two], impatient()).put("k", "v").await.unwrap_err();
    assert!(error.is_retryable());
    let Error::Unavailable { reasons, .. } = &error else { panic!("{error:?}") };
    let known: Vec<_> =
        reasons.iter().map(|(endpoint, why)| (endpoint.address(), &why[..])).collect();
    let why = "connection refused";
    assert_eq!(known, [(&one.address[..], why), (&two.address[..], why)]);
}

#[tokio::test]
async fn a_write_follows_the_leader_that_is_named() {
    let leader = Member::start([ok(COMMITTED), ok(COMMITTED)]).await;
    let follower = Member::start([not_leader(&leader)]).await;
    let client = client(&[&follower], patient());
    client.put("k", "v").await.unwrap();
    client.put("k", "v").await.unwrap();
    assert_eq!(follower.asked(), [PUT], "the second write goes to the leader at once");
    assert_eq!(leader.asked(), [PUT, PUT]);
}

#[tokio::test]
async fn a_write_that_was_left_unanswered_is_unknown_and_never_sent_again() {
    for act in [Act::Close, Act::CloseInTheMiddle, refuse(504, "outcome_unknown")] {
        let (member, other) = (Member::start([act]).await, Member::start([ok(COMMITTED)]).await);
        let error = client(&[&member, &other], patient()).put("k", "v").await.unwrap_err();
        unknown_reason(error);
        assert_eq!(member.asked(), [PUT]);
        assert!(other.asked().is_empty(), "an unknown write was sent again");
    }
}

#[tokio::test]
async fn a_write_that_meets_silence_is_unknown() {
    let (member, other) = (Member::start([Act::Hang]).await, Member::start([ok(COMMITTED)]).await);
    let error = client(&[&member, &other], impatient()).put("k", "v").await.unwrap_err();
    assert!(unknown_reason(error).contains("no answer within"));
    assert!(other.asked().is_empty());
}

#[tokio::test]
async fn what_no_member_said_proves_nothing_about_a_write() {
    let proxy = |status| Act::Answer { status, headers: vec![], body: "<h1>sorry</h1>".into() };
    for act in [proxy(502), proxy(503), proxy(404), refuse(500, "internal"), ok("no json")] {
        let member = Member::start([act]).await;
        unknown_reason(client(&[&member], patient()).put("k", "v").await.unwrap_err());
        assert_eq!(member.asked(), [PUT]);
    }
}

#[tokio::test]
async fn a_delete_is_as_careful_as_a_put() {
    let member = Member::start([refuse(503, "superseded"), Act::Close]).await;
    unknown_reason(client(&[&member], patient()).delete("k").await.unwrap_err());
    assert_eq!(member.asked(), ["DELETE /kv/k"; 2]);
}

#[tokio::test]
async fn a_read_is_sent_again_whatever_happened_to_it() {
    let script = [
        Act::Close,
        Act::CloseInTheMiddle,
        refuse(504, "outcome_unknown"),
        refuse(500, "internal"),
        refuse(503, "unavailable"),
        ok(FOUND),
    ];
    let member = Member::start(script).await;
    let found = client(&[&member], patient()).get("k").await.unwrap().unwrap();
    assert_eq!((&found.key[..], &found.value[..]), (&b"k"[..], &b"v"[..]));
    assert_eq!((found.version, found.create_revision.0, found.mod_revision.0), (2, 5, 7));
    assert_eq!(member.asked(), [GET; 6]);
}

#[tokio::test]
async fn a_read_turns_away_from_a_silent_member_in_time() {
    let (silent, other) = (Member::start([Act::Hang]).await, Member::start([ok(FOUND)]).await);
    let options = Options { timeout: Duration::from_secs(2), ..Options::default() };
    let begin = Instant::now();
    client(&[&silent, &other], options).get("k").await.unwrap().unwrap();
    assert!(begin.elapsed() < Duration::from_secs(2));
    assert_eq!((silent.asked(), other.asked()), (vec![GET.to_owned()], vec![GET.to_owned()]));
}

#[tokio::test]
async fn a_missing_key_is_an_answer() {
    let member = Member::start([refuse(404, "not_found"), refuse(404, "not_found")]).await;
    let client = client(&[&member], patient());
    assert_eq!(client.get("k").await, Ok(None));
    assert_eq!(client.delete("k").await.unwrap().deleted, 0);
}

#[tokio::test]
async fn a_refusal_for_good_is_not_sent_again() {
    let member = Member::start([refuse(413, "value_too_large")]).await;
    let error = client(&[&member], patient()).put("k", "v").await.unwrap_err();
    assert_eq!(error.code(), Some("value_too_large"));
    assert!(!error.is_retryable());
    assert_eq!(member.asked(), [PUT]);
}

#[tokio::test]
async fn a_longer_wait_than_the_deadline_ends_the_call_at_once() {
    let Act::Answer { status, body, .. } = refuse(503, "overloaded") else { unreachable!() };
    let headers = vec!["Retry-After: 3600".to_owned()];
    let member = Member::start([Act::Answer { status, headers, body }]).await;
    let error = client(&[&member], patient()).put("k", "v").await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
    assert_eq!(member.asked(), [PUT]);
}

#[tokio::test]
async fn attempts_are_counted() {
    let member = Member::start(vec![refuse(503, "unavailable"); 5]).await;
    let options = Options { attempts_max: 3, ..patient() };
    let error = client(&[&member], options).get("k").await.unwrap_err();
    assert!(error.to_string().contains("said the script"), "{error}");
    assert_eq!(member.asked(), [GET; 3]);
}

#[tokio::test]
async fn an_empty_key_is_never_sent() {
    let member = Member::start([]).await;
    assert_eq!(client(&[&member], patient()).put("", "v").await, Err(Error::EmptyKey));
    assert!(member.asked().is_empty());
}

#[tokio::test]
async fn connecting_finds_the_other_members_and_the_leader() {
    let leader = Member::start([ok(COMMITTED)]).await;
    let describe = |id: &str, member: &Member| {
        format!(r#"{{"id":"{id}","name":"node-{id}","address":"{}"}}"#, member.address)
    };
    let first = Member::start([]).await;
    let members =
        format!(r#"{{"members":[{},{}]}}"#, describe("1", &first), describe("2", &leader));
    let leads = format!(r#"{{"leader":{},"term":3}}"#, describe("2", &leader));
    let door = Member::start([ok(&members), ok(&leads)]).await;
    let client = Client::connect(vec![door.endpoint()], patient()).await.unwrap();
    client.put("k", "v").await.unwrap();
    assert_eq!(door.asked(), ["GET /cluster/members", "GET /cluster/leader"]);
    assert_eq!(leader.asked(), [PUT]);
    assert_eq!(client.endpoints().len(), 3);
}

#[tokio::test]
async fn a_transfer_names_its_target_and_makes_it_the_first_choice() {
    let target = Member::start([ok(COMMITTED)]).await;
    let moved = format!(
        r#"{{"status":"transferred","leader":{{"id":"2","name":"node-2","address":"{}"}}}}"#,
        target.address
    );
    let member = Member::start([ok(&moved)]).await;
    let client = client(&[&member], patient());
    assert_eq!(client.transfer(Some("node-2")).await.unwrap().name, "node-2");
    client.put("k", "v").await.unwrap();
    assert_eq!(member.requests()[0].body, br#"{"to":"node-2"}"#);
    assert_eq!((member.asked().len(), target.asked()), (1, vec![PUT.to_owned()]));
}

#[tokio::test]
async fn a_cluster_without_a_leader_can_be_connected_to() {
    let member = Member::start([ok(r#"{"members":[]}"#), refuse(503, "no_leader")]).await;
    Client::connect(vec![member.endpoint()], patient()).await.unwrap();
    assert_eq!(member.asked(), ["GET /cluster/members", "GET /cluster/leader"]);
}

#[tokio::test]
async fn a_list_is_read_page_by_page_up_to_its_limit() {
    let page = |keys: &[&str], next: &str| {
        let kvs: Vec<_> =
            keys.iter().map(|key| FOUND.replace(r#""k""#, &format!("{key:?}"))).collect();
        ok(&format!(r#"{{"items":[{}],"revision":9{next}}}"#, kvs.join(",")))
    };
    let more = r#","next":"cur/sor""#;
    let member = Member::start([page(&["a", "b"], more), page(&["c"], more)]).await;
    let options = ListOptions { prefix: "p/".into(), limit: Some(3), ..ListOptions::default() };
    let mut listing = client(&[&member], patient()).list(options);
    let mut keys = Vec::new();
    while let Some(page) = listing.next_page().await.unwrap() {
        keys.extend(page.items.into_iter().map(|item| item.key));
    }
    assert_eq!(keys, ["a", "b", "c"]);
    let lines: Vec<_> = member.requests().into_iter().map(|request| request.line).collect();
    assert!(lines[0].starts_with("GET /kv?prefix=p%2F&limit=3&timeout_ms="), "{lines:?}");
    assert!(lines[1].starts_with("GET /kv?prefix=p%2F&limit=1&after=cur%2Fsor&"), "{lines:?}");
    assert_eq!(lines.len(), 2);
}
