//! What a client is told that is not let in (`crate::admission`), in the words of the door that it
//! came to.

use std::time::Duration;

use axum::body::Body;
use axum::http::header::{HeaderName, HeaderValue, RETRY_AFTER};
use axum::http::{HeaderMap, Response, Version};
use axum::response::IntoResponse as _;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};

use super::error::Refusal;
use crate::admission::Refused;
use crate::grpc;

/// When to come again, as clients of gRPC that retry by themselves know it, in ms.
const PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");

/// So much of a body is taken before its request is refused, and for so long it is waited for.
const BODY_BYTES_MAX: usize = 64 << 10;
const BODY_TIMEOUT: Duration = Duration::from_secs(1);

/// The answer to a request that is refused for this. Nothing is looked at but its path and headers.
pub(super) fn answer(refused: Refused, path: &str, headers: &HeaderMap) -> Response<Body> {
    let wait_s = match refused {
        Refused::Busy | Refused::Share => 1,
        Refused::Rate(wait) => wait.as_secs() + u64::from(wait.subsec_nanos() > 0),
    };
    if grpc::is_call(headers) {
        let mut response = grpc::too_many_requests();
        response.headers_mut().insert(PUSHBACK, HeaderValue::from(wait_s * 1_000));
        return response;
    }
    let mut response = if grpc::is_json(path) {
        grpc::too_many_requests_in_json()
    } else {
        match refused {
            Refused::Busy => Refusal::overloaded(),
            Refused::Share => Refusal::over_its_share(),
            Refused::Rate(_) => Refusal::too_often(),
        }
        .into_response()
    };
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait_s));
    response
}

/// Takes what a refused request brings and does not look at it. On HTTP/2 an answer before the end
/// of a body resets the stream, and what comes of the body after that counts against the client,
/// who has done nothing wrong. Mostly all of it is there.
pub(super) async fn drain(version: Version, mut body: Incoming) {
    if version != Version::HTTP_2 || body.is_end_stream() {
        return;
    }
    let rest = async {
        let mut taken = 0;
        while let Some(Ok(frame)) = body.frame().await {
            taken += frame.data_ref().map_or(0, Bytes::len);
            if taken > BODY_BYTES_MAX {
                return;
            }
        }
    };
    // Whoever takes longer is answered all the same.
    let _ = tokio::time::timeout(BODY_TIMEOUT, rest).await;
}
