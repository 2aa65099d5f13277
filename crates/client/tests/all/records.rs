//! Records, against members that follow a script.

use std::time::Duration;

use client::{Client, Condition, Error, ExactlyOnce, FieldsOptions, GetOptions, Options, Revision};
use serde_json::{Value, json};

use crate::fake::{Act, Member, client, ok, refuse};

const SET: &str = r#"{"success":true,"timestamp":1760000000123000,"revision":7}"#;

fn keyed(member: &Member) -> Client {
    let timeout = Duration::from_secs(20);
    client(&[member], Options { timeout, exactly_once: ExactlyOnce::Key, ..Options::default() })
}

fn bodies(member: &Member) -> Vec<Value> {
    let requests = member.requests();
    requests.iter().map(|request| serde_json::from_slice(&request.body).unwrap()).collect()
}

#[tokio::test]
async fn a_field_is_set_as_text_or_in_base64() {
    let member = Member::start([ok(SET), ok(SET)]).await;
    let client = keyed(&member);
    let written = client.set_field("user1", "name", "Ada", None, None).await.unwrap();
    assert_eq!(written.written, Duration::from_millis(1_760_000_000_123));
    assert_eq!(written.revision, Revision(7));
    let condition = Some(Condition::Absent);
    client.set_field(b"\xff", b"\xfe", b"\x00\xff", condition, None).await.unwrap();
    assert_eq!(member.asked(), ["POST /kv-store", "POST /kv-store"]);
    let expected = [
        json!({"type": "set", "key": "user1", "field": "name", "value": "Ada"}),
        json!({
            "type": "set", "key_base64": "/w==", "field_base64": "/g==", "value_base64": "AP8=",
        }),
    ];
    assert_eq!(bodies(&member), expected);
    assert!(member.requests()[1].headers.contains("if-none-match: *"));
    assert!(member.requests()[0].headers.contains("idempotency-key: "));
}

#[tokio::test]
async fn a_field_is_read_or_is_not_there() {
    let found = r#"{"success":true,"value_base64":"/w==","timestamp":5000,"mod_revision":3}"#;
    let member =
        Member::start([ok(found), refuse(404, "not_found"), refuse(400, "empty_key")]).await;
    let client = keyed(&member);
    let field = client.field("a/b", "c d", GetOptions::default()).await.unwrap().unwrap();
    assert_eq!((&field.value[..], field.written), (&b"\xff"[..], Duration::from_millis(5)));
    assert_eq!(client.field("k", "f", GetOptions::default()).await, Ok(None));
    let refused = client.field("", "f", GetOptions::default()).await.unwrap_err();
    assert_eq!(refused.code(), Some("empty_key"));
    let line = &member.requests()[0].line;
    assert!(line.starts_with("GET /kv-store?key=a%2Fb&field=c%20d&timeout_ms="), "{line}");
}

#[tokio::test]
async fn what_is_not_there_to_be_deleted_is_no_failure_even_after_doubt() {
    let deleted = r#"{"success":true,"deleted":12}"#;
    let script = [ok(deleted), Act::Close, refuse(404, "not_found")];
    let member = Member::start(script).await;
    let client = keyed(&member);
    assert_eq!(client.delete_record("r").await.unwrap().deleted, 12);
    let gone = client.delete_field("r", "f", None).await.unwrap();
    assert_eq!(gone.deleted, 0, "the store knows the first sending, and had nothing to delete");
    let expected = [
        json!({"type": "delete", "key": "r"}),
        json!({"type": "delete", "key": "r", "field": "f"}),
        json!({"type": "delete", "key": "r", "field": "f"}),
    ];
    assert_eq!(bodies(&member), expected);
}

#[tokio::test]
async fn a_condition_that_fails_tells_the_field_as_it_is() {
    let body = r#"{"error":"condition_failed","message":"m","success":false,"revision":9,
        "current":{"key":"r/f","value":"v","version":1,"create_revision":4,"mod_revision":4}}"#;
    let conflict = Act::Answer { status: 412, headers: Vec::new(), body: body.to_owned() };
    let member = Member::start([conflict]).await;
    let condition = Some(Condition::Revision(Revision(3)));
    let error = keyed(&member).set_field("r", "f", "w", condition, None).await.unwrap_err();
    let Error::ConditionFailed { current, .. } = error else { panic!("{error}") };
    assert_eq!(current.unwrap().mod_revision, Revision(4));
}

#[tokio::test]
async fn fields_come_page_by_page_in_the_order_of_their_names() {
    let first = r#"{"success":true,"key":"r","fields":{"a":"1","c":"3"},
        "fields_base64":{"Yg==":"/w=="},"next":"cursor","revision":9}"#;
    let empty = r#"{"success":true,"key":"r","fields":{},"next":"more","revision":9}"#;
    let last = r#"{"success":true,"key":"r","fields":{"d":"4"},"revision":9}"#;
    let member = Member::start([ok(first), ok(empty), ok(last)]).await;
    let options = FieldsOptions { prefix: "p/".into(), ..FieldsOptions::default() };
    let mut listing = keyed(&member).fields("r", options);
    let mut names = Vec::new();
    while let Some(page) = listing.next_page().await.unwrap() {
        assert_eq!(page.revision, Revision(9));
        names.extend(page.fields.into_iter().map(|(name, _)| name));
    }
    assert_eq!(names, ["a", "b", "c", "d"]);
    let lines: Vec<_> = member.requests().into_iter().map(|request| request.line).collect();
    assert!(lines[0].contains("key=r&prefix=p%2F&limit=1000&"), "{lines:?}");
    assert!(!lines[0].contains("after") && lines[2].contains("after=more"), "{lines:?}");
}

#[tokio::test]
async fn a_record_that_is_not_there_has_no_page() {
    let member = Member::start([refuse(404, "not_found")]).await;
    let mut listing = keyed(&member).fields("r", FieldsOptions::default());
    assert_eq!(listing.next_page().await, Ok(None));
    assert_eq!(listing.next_page().await, Ok(None));
    assert_eq!(member.asked().len(), 1);
}
