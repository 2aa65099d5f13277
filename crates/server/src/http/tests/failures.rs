//! What a client is told for each way in which a member can fail it.

use axum::http::HeaderMap;
use axum::response::IntoResponse as _;
use http_body_util::BodyExt as _;
use raft::MemberId;
use replica::Failure;
use serde_json::{Value, json};
use store::{CommandError, ReadError, Revision};

use crate::http::error::Refusal;
use crate::node::testing;

async fn told(refusal: Refusal) -> (u16, HeaderMap, Value) {
    let (head, body) = refusal.into_response().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (head.status.as_u16(), head.headers, serde_json::from_slice(&body).unwrap())
}

async fn told_of(failure: Failure) -> (u16, HeaderMap, Value) {
    told(Refusal::of_failure(failure, &testing::single().status())).await
}

#[tokio::test]
async fn every_definite_failure_says_that_nothing_was_done() {
    for (failure, status, code) in [
        (Failure::Unavailable, 503, "unavailable"),
        (Failure::Overloaded, 503, "overloaded"),
        (Failure::Corrupt, 503, "corrupt"),
        (Failure::Superseded, 503, "superseded"),
        (Failure::NotLeader { leader: None }, 421, "not_leader"),
        (Failure::NoSpace, 507, "no_space"),
        (Failure::NoMemory, 507, "no_space"),
    ] {
        let (told_status, _, body) = told_of(failure).await;
        assert_eq!((told_status, &body["error"]), (status, &json!(code)));
        assert!(body["message"].as_str().unwrap().contains("it was not done"), "{body}");
    }
}

#[tokio::test]
async fn an_unknown_outcome_is_called_unknown() {
    let (status, _, body) = told_of(Failure::Unknown).await;
    assert_eq!((status, &body["error"]), (504, &json!("outcome_unknown")));
    assert!(body["message"].as_str().unwrap().contains("may have been done"), "{body}");
}

/// The target may have been told to campaign by the time that nobody waits for it any more.
#[tokio::test]
async fn a_transfer_that_is_given_up_may_still_come_about() {
    let (status, _, body) = told_of(Failure::TransferFailed).await;
    assert_eq!((status, &body["error"]), (504, &json!("transfer_failed")));
    assert!(body["message"].as_str().unwrap().contains("may yet"), "{body}");
}

#[tokio::test]
async fn a_follower_names_the_leader_in_body_and_header() {
    let leader = Some(MemberId(0x5157));
    let (status, headers, body) = told_of(Failure::NotLeader { leader }).await;
    assert_eq!(status, 421);
    assert_eq!(headers["raftkv-leader"], "localhost:8001");
    let member =
        json!({ "id": "5157", "name": "node-1", "address": "localhost:8001", "client_urls": [] });
    assert_eq!(body["leader"], member);

    let (_, headers, body) = told_of(Failure::NotLeader { leader: None }).await;
    assert!(!headers.contains_key("raftkv-leader") && body["leader"].is_null());
}

#[tokio::test]
async fn overload_says_when_to_come_again() {
    let (_, headers, _) = told_of(Failure::Overloaded).await;
    assert_eq!(headers["retry-after"], "1");
}

#[tokio::test]
async fn errors_of_the_store_carry_their_bounds() {
    let too_large = CommandError::KeyTooLarge { bytes: 70_000, bytes_max: 65_536 };
    let (status, _, body) = told(too_large.into()).await;
    assert_eq!((status, &body["error"]), (413, &json!("key_too_large")));
    assert_eq!((&body["bytes"], &body["bytes_max"]), (&json!(70_000), &json!(65_536)));

    let compacted = ReadError::Compacted { requested: Revision(3), oldest: Revision(9) };
    let (status, _, body) = told(compacted.into()).await;
    assert_eq!((status, &body["error"], &body["oldest"]), (410, &json!("compacted"), &json!(9)));
}
