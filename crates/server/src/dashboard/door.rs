//! The files of the page, as a member serves them.

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use axum::http::{HeaderMap, Response};
use replica::Member;

use super::answer::answer;
use super::asset::{PAGE, asset};
use crate::node::NodeStatus;

/// A file that is not embedded, since it differs: it tells the page by whom it is served.
const SERVED: &str = "page/served.json";

/// The page itself, for a request with these headers.
pub(crate) fn page(status: &NodeStatus, request: &HeaderMap) -> Option<Response<Body>> {
    file(status, PAGE, request)
}

/// The file at a path, without the slash at its beginning; `None` if there is none.
pub(crate) fn file(status: &NodeStatus, path: &str, request: &HeaderMap) -> Option<Response<Body>> {
    if path == SERVED {
        return Some(served());
    }
    let members = status
        .configuration
        .iter()
        .flat_map(|configuration| configuration.members.values().map(Member::url));
    let members: Vec<_> = members.collect();
    Some(answer(&asset(path)?, request, members.iter().map(String::as_str)))
}

fn served() -> Response<Body> {
    let mut response = Response::new(Body::from("{\"by\":\"member\"}\n"));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
