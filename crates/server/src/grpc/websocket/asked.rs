//! What is asked of the gateway by a request that became a WebSocket.

use axum::body::Body;
use axum::http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HeaderValue, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING, UPGRADE,
};
use axum::http::{HeaderMap, Method, Request, Response};

/// A browser can send no header of its own with a WebSocket, so a token comes as a protocol behind
/// this one, as etcd's gateway takes it.
const BEARER: &str = "Bearer";

/// Takes up the protocol of a token, if there is one.
pub(super) fn take_up(headers: &HeaderMap, answer: &mut Response<Body>) {
    if token(headers).is_some() {
        answer.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(BEARER));
    }
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
