//! The doors for those who only look after a member: probes and metrics, and nothing of what is
//! stored.

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};

use super::error::{Code, Refusal};

const PATHS: [&str; 5] = ["/health", "/livez", "/readyz", "/version", "/metrics"];

/// The same doors, of which these alone are open.
pub(super) fn probes_only(router: Router) -> Router {
    router.layer(from_fn(admit))
}

/// A request that came to such an address, which says nothing of the host that it is reached as.
#[derive(Clone, Copy)]
pub(super) struct AnyHost;

async fn admit(mut request: Request<Body>, next: Next) -> Response {
    request.extensions_mut().insert(AnyHost);
    let path = request.uri().path();
    // Single checks stand under their probe.
    let is_open = |known: &str| path.strip_prefix(known).is_some_and(is_end_of_a_path);
    if PATHS.iter().any(|known| is_open(known)) {
        return next.run(request).await;
    }
    let message = "this address is for probes and metrics alone";
    Refusal::new(Code::UnknownPath, message).with("path", path).into_response()
}

fn is_end_of_a_path(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with('/')
}
