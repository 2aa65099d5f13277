//! What a client of `/ws` offers in `Sec-WebSocket-Protocol`.
//!
//! A browser can send no header of its own with a WebSocket, and a token in a URL would stand in
//! logs and histories. So a page offers two protocols: the one that is spoken, and its token as the
//! name of another one, which is never taken up.

use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

/// What is spoken here.
pub(super) const EVENTS: &str = "raftkv.events.1";

/// Before a token: base64url of it, without padding, as the names of protocols allow.
const TOKEN_PREFIX: &str = "raftkv.token.";

/// A token that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Whether the client offers to speak what is spoken here.
pub(super) fn offers_events(headers: &HeaderMap) -> bool {
    offered(headers).any(|protocol| protocol == EVENTS)
}

/// Shows the token that is among the protocols as a program would show it; one in `Authorization`
/// stands.
pub(super) fn show_token(headers: &mut HeaderMap) -> Result<(), Malformed> {
    let token = offered(headers).find_map(|protocol| protocol.strip_prefix(TOKEN_PREFIX));
    let Some(token) = token.filter(|_| !headers.contains_key(AUTHORIZATION)) else {
        return Ok(());
    };
    let token = BASE64_URL_SAFE_NO_PAD.decode(token).map_err(|_| Malformed)?;
    let token = String::from_utf8(token).map_err(|_| Malformed)?;
    let mut shown = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| Malformed)?;
    shown.set_sensitive(true);
    headers.insert(AUTHORIZATION, shown);
    Ok(())
}

fn offered(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(SEC_WEBSOCKET_PROTOCOL).into_iter();
    values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offering(protocols: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocols));
        headers
    }

    fn shown(protocols: &'static str) -> Result<Option<String>, Malformed> {
        let mut headers = offering(protocols);
        show_token(&mut headers)?;
        let shown = headers.get(AUTHORIZATION).and_then(|shown| shown.to_str().ok());
        Ok(shown.map(str::to_owned))
    }

    #[test]
    fn a_token_is_shown_as_a_program_would() {
        assert_eq!(shown("raftkv.events.1"), Ok(None));
        let token = shown("raftkv.events.1, raftkv.token.YWJjLjc");
        assert_eq!(token, Ok(Some("Bearer abc.7".to_owned())));
        for wrong in
            ["raftkv.token.YWJjLjc=", "raftkv.token.!", "raftkv.token._w", "raftkv.token.Cg"]
        {
            assert_eq!(shown(wrong), Err(Malformed), "{wrong}");
        }
    }

    #[test]
    fn what_a_program_shows_by_itself_stands() {
        let mut headers = offering("raftkv.token.YWJjLjc");
        headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer own.1"));
        assert_eq!(show_token(&mut headers), Ok(()));
        assert_eq!(headers[AUTHORIZATION], "Bearer own.1");
    }

    #[test]
    fn what_is_spoken_is_found_among_what_is_offered() {
        assert!(offers_events(&offering("raftkv.token.YWJjLjc,raftkv.events.1")));
        assert!(!offers_events(&offering("raftkv.events.2, chat")));
        assert!(!offers_events(&HeaderMap::new()));
    }
}
