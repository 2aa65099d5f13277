//! How a request becomes a WebSocket.

use axum::body::Body;
use axum::http::header::{
    CONNECTION, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use axum::http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

/// The one version that there is.
const VERSION: &str = "13";

/// What a key is mixed with (RFC 6455, 1.3).
const SALT: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Whether a request asks to become a WebSocket.
pub(crate) fn asks(request: &Request<Body>) -> bool {
    let headers = request.headers();
    request.method() == Method::GET
        && request.version() == Version::HTTP_11
        && names(headers, &UPGRADE, "websocket")
        && names(headers, &CONNECTION, "upgrade")
}

/// Whether a header that is a list has this among it.
fn names(headers: &HeaderMap, header: &HeaderName, wanted: &str) -> bool {
    let values = headers.get_all(header).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|name| name.trim().eq_ignore_ascii_case(wanted))
}

/// The answer to one that does; of another status if it can not be had so.
pub(crate) fn answer(headers: &HeaderMap) -> Response<Body> {
    let mut answer = Response::new(Body::empty());
    let key = headers.get(SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes).filter(|key| is_key(key));
    let version = headers.get(SEC_WEBSOCKET_VERSION).map(HeaderValue::as_bytes);
    if version != Some(VERSION.as_bytes()) {
        *answer.status_mut() = StatusCode::UPGRADE_REQUIRED;
        let version = HeaderValue::from_static(VERSION);
        answer.headers_mut().insert(SEC_WEBSOCKET_VERSION, version);
        return answer;
    }
    let Some(key) = key else {
        *answer.status_mut() = StatusCode::BAD_REQUEST;
        return answer;
    };
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let shown = answer.headers_mut();
    shown.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    shown.insert(UPGRADE, HeaderValue::from_static("websocket"));
    shown.insert(SEC_WEBSOCKET_ACCEPT, accepted(key));
    answer
}

/// Sixteen bytes in base64.
fn is_key(key: &[u8]) -> bool {
    STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == 16)
}

fn accepted(key: &[u8]) -> HeaderValue {
    let digest = Sha1::new().chain_update(key).chain_update(SALT).finalize();
    HeaderValue::try_from(STANDARD.encode(digest)).expect("base64 is text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_to_a_key_is_that_of_the_rfc() {
        assert_eq!(accepted(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
