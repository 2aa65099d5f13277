//! A file of the page as an answer to a browser.

use std::fmt::Write as _;

use axum::body::Body;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName, HeaderValue,
    IF_NONE_MATCH, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, Response, StatusCode};

use super::asset::Asset;
use crate::config::Origin;

/// Members that the policy names; more than a cluster may have. So the header stays short.
const MEMBERS_MAX: usize = 64;

/// No page of another origin learns anything of this one by having opened it.
const CROSS_ORIGIN_OPENER_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-opener-policy");

/// The file as an answer to a request with these headers: 304 if the browser has it.
///
/// `members` are the URLs of the members in force, such as `http://localhost:8001`: the page may
/// speak to these, and to whoever served it. What is no URL of an origin is left out.
pub fn answer<'a>(
    asset: &Asset,
    request: &HeaderMap,
    members: impl Iterator<Item = &'a str>,
) -> Response<Body> {
    let etag = asset.etag();
    let known = request.get(IF_NONE_MATCH).is_some_and(|tags| {
        tags.to_str().is_ok_and(|tags| tags.split(',').any(|tag| tag.trim() == etag))
    });
    let body = if known { Body::empty() } else { Body::from(asset.bytes) };
    let mut response = Response::new(body);
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let text = |text: String| HeaderValue::from_str(&text).expect("an origin is visible ASCII");
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
    headers.insert(ETAG, text(etag));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(CONTENT_SECURITY_POLICY, text(policy(members)));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(CROSS_ORIGIN_OPENER_POLICY, HeaderValue::from_static("same-origin"));
    response
}

/// What the page may do: run its own scripts, and speak to the members.
fn policy<'a>(members: impl Iterator<Item = &'a str>) -> String {
    let mut connect = String::new();
    for origin in members.filter_map(origin_of).take(MEMBERS_MAX) {
        let socket = origin.replacen("http", "ws", 1);
        let _ = write!(connect, " {origin} {socket}");
    }
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
         connect-src 'self'{connect}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

/// The origin of a URL, which may have a path.
fn origin_of(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split('/').next()?;
    Origin::parse(&format!("{scheme}://{authority}")).map(|origin| origin.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dashboard::asset;

    #[test]
    fn the_page_may_speak_to_members_and_to_nobody_else() {
        let members = ["http://localhost:8001", "https://kv.example/x", "ftp://a", "http://a; b"];
        let policy = policy(members.into_iter());
        let connect = "connect-src 'self' http://localhost:8001 ws://localhost:8001 \
                       https://kv.example wss://kv.example;";
        assert!(policy.contains(connect), "{policy}");
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
    }

    #[test]
    fn a_browser_that_has_the_file_is_not_sent_it_again() {
        let asset = asset("page/main.js").unwrap();
        let mut request = HeaderMap::new();
        let first = answer(&asset, &request, [].into_iter());
        assert_eq!(first.status(), StatusCode::OK);
        request.insert(IF_NONE_MATCH, first.headers()[ETAG].clone());
        assert_eq!(answer(&asset, &request, [].into_iter()).status(), StatusCode::NOT_MODIFIED);
    }
}
