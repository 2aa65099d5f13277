//! What a client is told that is not let in (`crate::admission`), in the words of the door that it
//! came to.

use axum::body::Body;
use axum::http::header::{HeaderName, HeaderValue, RETRY_AFTER};
use axum::http::{Request, Response};
use axum::response::IntoResponse as _;

use super::error::Refusal;
use crate::admission::Refused;
use crate::grpc;

/// When to come again, as clients of gRPC that retry by themselves know it, in ms.
const PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");

/// The answer to a request that is refused for this. Nothing was looked at but its headers.
pub(super) fn answer<B>(refused: Refused, request: &Request<B>) -> Response<Body> {
    let wait_s = match refused {
        Refused::Busy | Refused::Share => 1,
        Refused::Rate(wait) => wait.as_secs() + u64::from(wait.subsec_nanos() > 0),
    };
    if grpc::is_call(request.headers()) {
        let mut response = grpc::too_many_requests();
        response.headers_mut().insert(PUSHBACK, HeaderValue::from(wait_s * 1_000));
        return response;
    }
    let mut response = if grpc::is_json(request.uri().path()) {
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
