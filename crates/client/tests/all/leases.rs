//! Leases and times to live, against members that follow a script.

use std::time::Duration;

use client::{
    Client, Consistency, Error, ExactlyOnce, GetOptions, LeaseId, Lifetime, Options, WriteOptions,
};
use serde_json::{Value, json};

use crate::fake::{Act, Member, client, ok, refuse};

const PUT: &str = r#"{"status":"committed","revision":7}"#;
const STANDING: &str = r#"{"lease":7,"ttl":10,"ttl_ms":8250}"#;
const LEASE: LeaseId = LeaseId(7);

fn keyed(members: &[&Member]) -> Client {
    let timeout = Duration::from_secs(20);
    client(members, Options { timeout, exactly_once: ExactlyOnce::Key, ..Options::default() })
}

fn body(member: &Member, request: usize) -> Value {
    serde_json::from_slice(&member.requests()[request].body).unwrap()
}

fn living(lifetime: Lifetime) -> WriteOptions {
    WriteOptions { lifetime, ..WriteOptions::default() }
}

#[tokio::test]
async fn a_put_says_how_long_its_key_lives_and_a_read_how_long_it_has_left() {
    let found = r#"{"key":"k","value":"v","version":1,"create_revision":2,"mod_revision":2,
        "ttl_ms":1500}"#;
    let member = Member::start([ok(PUT), ok(PUT), ok(found)]).await;
    let client = keyed(&[&member]);
    let ttl = living(Lifetime::Ttl(Duration::from_millis(1_500)));
    client.put_with("k", "v", ttl).await.unwrap();
    client.put_with("k", "v", living(Lifetime::Lease(LEASE))).await.unwrap();
    let item = client.get("k").await.unwrap().unwrap();
    assert_eq!((item.ttl, item.lease), (Some(Duration::from_millis(1_500)), None));
    let requests = member.requests();
    assert!(requests[0].line.starts_with("PUT /kv/k?ttl=1.500&"), "{}", requests[0].line);
    assert!(requests[1].line.starts_with("PUT /kv/k?lease=7&"), "{}", requests[1].line);
}

#[tokio::test]
async fn a_field_has_a_time_to_live_too() {
    let set = r#"{"success":true,"timestamp":5000,"revision":7}"#;
    let found = r#"{"success":true,"value":"v","timestamp":5000,"mod_revision":3,"ttl_ms":20}"#;
    let member = Member::start([ok(set), ok(found)]).await;
    let client = keyed(&[&member]);
    let ttl = Some(Duration::from_millis(250));
    client.set_field("r", "f", "v", None, ttl).await.unwrap();
    assert_eq!(body(&member, 0)["ttl"], json!(0.25));
    let field = client.field("r", "f", GetOptions::default()).await.unwrap().unwrap();
    assert_eq!(field.ttl, Some(Duration::from_millis(20)));
}

#[tokio::test]
async fn a_grant_and_a_revocation_are_sent_again_under_the_same_name() {
    let granted = r#"{"status":"committed","lease":7,"ttl":10,"revision":4}"#;
    let revoked = r#"{"status":"committed","lease":7,"deleted":2,"revision":5}"#;
    let member = Member::start([Act::Close, ok(granted), Act::Close, ok(revoked)]).await;
    let client = keyed(&[&member]);
    let granted = client.grant(Duration::from_secs(10), Some(LEASE)).await.unwrap();
    assert_eq!((granted.lease, granted.ttl), (LEASE, Duration::from_secs(10)));
    let revoked = client.revoke(LEASE).await.unwrap();
    assert_eq!(revoked.deleted, 2);
    let requests = member.requests();
    let lines: Vec<&str> =
        requests.iter().map(|request| request.line.split('?').next().unwrap()).collect();
    assert_eq!(lines, ["POST /leases", "POST /leases", "DELETE /leases/7", "DELETE /leases/7"]);
    assert_eq!(body(&member, 0), json!({"ttl": 10, "id": 7}));
    let name = |request: usize| {
        let headers = &requests[request].headers;
        headers.lines().find(|line| line.starts_with("idempotency-key")).unwrap().to_owned()
    };
    assert_eq!((name(0), name(2)), (name(1), name(3)));
    assert_ne!(name(0), name(2));
}

/// The store has answered, under that name: what it says of the lease holds for every sending.
#[tokio::test]
async fn that_there_is_no_such_lease_is_no_doubt_though_it_was_sent_twice() {
    let member = Member::start([Act::Close, refuse(404, "lease_not_found")]).await;
    let error = keyed(&[&member]).revoke(LEASE).await.unwrap_err();
    assert_eq!(error.code(), Some("lease_not_found"));
}

#[tokio::test]
async fn a_keep_alive_is_sent_until_it_is_answered_whatever_breaks() {
    let unknown = || refuse(504, "outcome_unknown");
    let member = Member::start([Act::Close, Act::CloseInTheMiddle, unknown(), ok(STANDING)]).await;
    let standing = keyed(&[&member]).keep_alive(LEASE).await.unwrap().unwrap();
    assert_eq!(standing.left, Duration::from_millis(8_250));
    assert_eq!(member.requests().len(), 4);
    assert!(member.requests()[3].line.starts_with("POST /leases/7/keepalive?timeout_ms="));
}

#[tokio::test]
async fn a_lease_that_is_gone_is_an_answer() {
    let gone = || refuse(404, "lease_not_found");
    let member = Member::start([gone(), gone(), refuse(400, "bad_parameter")]).await;
    let client = keyed(&[&member]);
    assert_eq!(client.keep_alive(LEASE).await, Ok(None));
    assert_eq!(client.time_to_live(LEASE, false).await, Ok(None));
    let error: Error = client.time_to_live(LEASE, false).await.unwrap_err();
    assert_eq!(error.code(), Some("bad_parameter"));
}

#[tokio::test]
async fn the_keys_of_a_lease_and_all_leases_are_told() {
    let with_keys = r#"{"lease":7,"ttl":10,"ttl_ms":8250,"count":2,
        "keys":[{"key":"a"},{"key_base64":"/w=="}],"more":false}"#;
    let page = r#"{"leases":[{"lease":7,"ttl":10,"keys":2}],"next":7}"#;
    let member = Member::start([ok(with_keys), ok(page), ok(r#"{"leases":[]}"#)]).await;
    let client = keyed(&[&member]);
    let standing = client.time_to_live(LEASE, true).await.unwrap().unwrap();
    assert_eq!((&standing.keys[1][..], standing.key_count), (&[255][..], 2));
    let first = client.leases(None, Consistency::default()).await.unwrap();
    assert_eq!((first[0].lease, first[0].keys), (LEASE, 2));
    let rest = client.leases(Some(LEASE), Consistency::Stale).await.unwrap();
    assert!(rest.is_empty());
    let lines: Vec<String> = member.requests().into_iter().map(|request| request.line).collect();
    assert!(lines[0].starts_with("GET /leases/7?keys=true&timeout_ms="), "{}", lines[0]);
    assert!(
        lines[2].starts_with("GET /leases?after=7&limit=1000&consistency=stale"),
        "{}",
        lines[2]
    );
}
