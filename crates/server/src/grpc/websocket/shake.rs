//! How a request becomes a WebSocket, and what is asked of the gateway then.

use axum::body::Body;
use axum::http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING, UPGRADE,
};
use axum::http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

/// The one version that there is.
const VERSION: &str = "13";

/// What a key is mixed with (RFC 6455, 1.3).
const SALT: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A browser can send no header of its own with a WebSocket, so a token comes as a protocol behind
/// this one, as etcd's gateway takes it.
const BEARER: &str = "Bearer";

/// Whether a request asks to become a WebSocket.
pub(super) fn asks(request: &Request<Body>) -> bool {
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
pub(super) fn answer(headers: &HeaderMap) -> Response<Body> {
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
    if token(headers).is_some() {
        shown.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(BEARER));
    }
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

/// The token that comes as a protocol, with the name of its kind.
fn token(headers: &HeaderMap) -> Option<HeaderValue> {
    let protocols = headers.get(SEC_WEBSOCKET_PROTOCOL)?.to_str().ok()?;
    let (kind, token) = protocols.split_once(',')?;
    (kind.trim() == BEARER).then(|| format!("{BEARER} {}", token.trim()))?.try_into().ok()
}

/// What is asked of the gateway: all that was said, but for the WebSocket itself.
pub(super) fn request(asked: Request<Body>, body: Body) -> Request<Body> {
    let (mut head, _) = asked.into_parts();
    head.method = Method::POST;
    if let Some(token) = token(&head.headers) {
        head.headers.insert(AUTHORIZATION, token);
    }
    for of_connection in [
        CONNECTION,
        UPGRADE,
        CONTENT_LENGTH,
        TRANSFER_ENCODING,
        SEC_WEBSOCKET_KEY,
        SEC_WEBSOCKET_VERSION,
        SEC_WEBSOCKET_PROTOCOL,
    ] {
        head.headers.remove(of_connection);
    }
    Request::from_parts(head, body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_to_a_key_is_that_of_the_rfc() {
        assert_eq!(accepted(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn a_token_comes_as_a_protocol() {
        let asked = Request::get("/v3/watch")
            .header(SEC_WEBSOCKET_PROTOCOL, "Bearer, abc.7")
            .header(UPGRADE, "websocket")
            .header("grpc-metadata-hasleader", "true");
        let asked = request(asked.body(Body::empty()).expect("it is a request"), Body::empty());
        assert_eq!(asked.headers()[AUTHORIZATION], "Bearer abc.7");
        assert_eq!(asked.headers()["grpc-metadata-hasleader"], "true");
        assert_eq!((asked.method(), asked.headers().len()), (&Method::POST, 2));
    }
}
