//! The door of the parent: the dashboard's files, and what may be done by hand.
//!
//! | path | |
//! |---|---|
//! | `GET /dev/state` | members, links and load (`view.rs`) |
//! | `POST /dev/do` | does something (`action.rs`), and answers the state after it |
//! | `GET /…` | the dashboard's files |
//!
//! It is on this machine's loopback alone. Whoever can have it do something can end processes, so
//! whatever a browser might be talked into is refused: a foreign `Host` or `Origin` anywhere, and
//! below `/dev/` whoever does not send the token of this run. The token is in the fragment of the
//! URL that is printed, which a browser sends to nobody; the page sends it as a header, which no
//! form can.

mod token;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use serde::Serialize;
use serde_json::json;
use server::dashboard::{Asset, asset};
use server::http::{Limits, refuse_foreign_pages};
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::action::{Action, Refused};
use super::cluster::Cluster;
pub(super) use token::Token;

/// The header with the token.
const TOKEN_HEADER: &str = "raftkv-dev-token";

/// What is to be done is said in so many bytes at most.
const BODY_BYTES_MAX: usize = 16 << 10;
/// And in this time.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// Connections at once, and a few more that are told so.
const CONNECTIONS_MAX: usize = 64;
const CONNECTIONS_SPARE: usize = 8;

/// The page runs what it came with and nothing else, and speaks to this machine alone: to the
/// members, some of which may be added after it was loaded, and to this door.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self' data:; connect-src 'self' http://localhost:* ws://localhost:*; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What is behind the door.
struct Door {
    cluster: Arc<Cluster>,
    token: Token,
}

/// Serves until it is dropped.
pub(super) async fn serve(listener: TcpListener, cluster: Arc<Cluster>, token: Token) {
    let limits = Limits {
        connections_max: CONNECTIONS_MAX,
        connections_spare: CONNECTIONS_SPARE,
        ..Limits::default()
    };
    let door = Arc::new(Door { cluster, token });
    server::http::serve(listener, router(door), limits, std::future::pending()).await;
}

/// The URL to open, with the token where no server gets to see it.
pub(super) fn url(address: SocketAddr, token: &Token) -> String {
    format!("{}/#token={}", origin(address), token.as_str())
}

/// The web origin of the dashboard's page.
pub(super) fn origin(address: SocketAddr) -> String {
    format!("http://localhost:{}", address.port())
}

fn router(door: Arc<Door>) -> Router {
    let hands = Router::new()
        .route("/dev/state", get(state))
        .route("/dev/do", post(act))
        .route_layer(from_fn_with_state(Arc::clone(&door), with_token));
    hands.fallback(page).layer(from_fn(from_own_pages)).with_state(door)
}

async fn from_own_pages(request: Request, next: Next) -> Response {
    let mut response = match refuse_foreign_pages(request.uri(), request.headers()) {
        Some(refused) => refused,
        None => next.run(request).await,
    };
    let headers: [(HeaderName, &'static str); 4] = [
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, PAGE_POLICY),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn with_token(State(door): State<Arc<Door>>, request: Request, next: Next) -> Response {
    let sent = request.headers().get(TOKEN_HEADER);
    match sent.is_some_and(|sent| door.token.is(sent.as_bytes())) {
        true => next.run(request).await,
        false => {
            let message = "open the URL that this run of `raftkv dev` has printed, with all that \
                           is behind the #";
            answer(Refused::new(403, "forbidden_token", message))
        }
    }
}

async fn state(State(door): State<Arc<Door>>) -> Response {
    json_answer(StatusCode::OK, &door.cluster.view())
}

async fn act(State(door): State<Arc<Door>>, headers: HeaderMap, body: Body) -> Response {
    let cluster = Arc::clone(&door.cluster);
    let done = async {
        let action = Action::read(&read(&headers, body).await?)?;
        // A task of its own: whoever asked may hang up, and nothing is left half done for that.
        let acting = tokio::spawn(async move { cluster.act(action).await });
        let done = acting.await.map_err(|_| {
            Refused::new(500, "failed", "it went wrong half way; look at what this terminal says")
        })??;
        say!("{done}");
        Ok(())
    };
    match done.await {
        Ok(()) => json_answer(StatusCode::OK, &door.cluster.view()),
        Err(refused) => answer(refused),
    }
}

async fn read(headers: &HeaderMap, body: Body) -> Result<Bytes, Refused> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = content_type.and_then(|value| value.split(';').next()).unwrap_or_default();
    if !media_type.trim().eq_ignore_ascii_case("application/json") {
        let message = "say what to do as JSON, with Content-Type: application/json";
        return Err(Refused::new(415, "not_json", message));
    }
    match timeout(BODY_TIMEOUT, to_bytes(body, BODY_BYTES_MAX)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => {
            let message = format!("at most {BODY_BYTES_MAX} bytes say what to do");
            Err(Refused::new(413, "body_too_large", message))
        }
        Err(_) => Err(Refused::new(408, "body_too_slow", "the body did not come in time")),
    }
}

async fn page(request: Request) -> Response {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let message = "there are only files here; what can be done is at dev/do";
        return answer(Refused::new(405, "method_not_allowed", message));
    }
    match asset(request.uri().path().trim_start_matches('/')) {
        Some(Asset { content_type, bytes }) => {
            ([(CONTENT_TYPE, content_type)], bytes).into_response()
        }
        None => answer(Refused::new(404, "not_found", "the dashboard has no such file")),
    }
}

fn answer(refused: Refused) -> Response {
    let Refused { status, code, message } = refused;
    let status = StatusCode::from_u16(status).expect("they are constants of this crate");
    json_answer(status, &json!({ "error": code, "message": message }))
}

fn json_answer(status: StatusCode, body: &impl Serialize) -> Response {
    let body = serde_json::to_vec(body).expect("names and numbers are always JSON");
    (status, [(CONTENT_TYPE, "application/json")], body).into_response()
}

#[cfg(test)]
mod tests;
