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
pub fn probes_only(router: Router) -> Router {
    router.layer(from_fn(admit))
}

async fn admit(request: Request<Body>, next: Next) -> Response {
    let path = request.uri().path();
    if PATHS.contains(&path) {
        return next.run(request).await;
    }
    let message = "this address is for probes and metrics alone";
    Refusal::new(Code::UnknownPath, message).with("path", path).into_response()
}
