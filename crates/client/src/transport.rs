//! One request to one member: what left, what came back. Connections are kept and shared.
//!
//! The difference between "not sent" and "perhaps sent" is made here and must err to one side
//! alone: `NotSent` only where no connection came about. The pool sends a request again by itself
//! only when it was not begun to be written to a connection that turned out to be closed.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use hyper::{Method, Request, Response};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{HttpConnector, capture_connection};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;
use tokio::time::timeout;

use crate::verdict::{Answer, Attempt};
use crate::{Credentials, Endpoint, tls};

/// A member that does not accept a connection for this long counts as unreachable.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// A connection that nobody used for this long is closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// A longer answer is not read on. A page of a list is the largest that members give.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// A request, but for the member that it goes to.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) method: Method,
    /// Escaped.
    pub(crate) path_and_query: String,
    /// Headers and their values, which are visible ASCII.
    pub(crate) headers: Vec<(&'static str, String)>,
    /// The bytes and their media type.
    pub(crate) body: Option<(Bytes, &'static str)>,
}

/// What came of asking for a stream.
pub(crate) enum Opened {
    /// It comes.
    Stream(Incoming),
    /// It does not.
    Not(Attempt),
}

/// The connections of a client, and whom it speaks for. Whatever is sent is sent from here, so no
/// request of any kind forgets to say so.
#[derive(Debug, Clone)]
pub(crate) struct Transport {
    http: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    credentials: Option<Credentials>,
}

impl Transport {
    pub(crate) fn new(tls: ClientConfig) -> Transport {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        // Of this one, https is another's business.
        connector.enforce_http(false);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let http = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_timer(TokioTimer::new())
            .build(connector);
        Transport { http, credentials: None }
    }

    /// Connections of their own, with this for TLS, on behalf of the same user.
    pub(crate) fn with_tls(&self, tls: ClientConfig) -> Transport {
        Transport { credentials: self.credentials.clone(), ..Transport::new(tls) }
    }

    /// The same connections, on behalf of somebody.
    pub(crate) fn on_behalf_of(&self, credentials: Credentials) -> Transport {
        Transport { credentials: Some(credentials), ..self.clone() }
    }

    /// Sends `message` to `endpoint` and waits for the whole answer, at most for `patience`.
    pub(crate) async fn send(
        &self,
        endpoint: &Endpoint,
        message: &Message,
        patience: Duration,
    ) -> Attempt {
        let mut request = self.request(endpoint, message);
        let connection = capture_connection(&mut request);
        let answered = timeout(patience, self.exchange(request)).await;
        answered.unwrap_or_else(|_| {
            let reason = format!("no answer within {patience:.1?}");
            // The pool marks the request with its connection before it writes a byte of it.
            let has_connection = connection.connection_metadata().is_some();
            if has_connection { Attempt::Broken(reason) } else { Attempt::NotSent(reason) }
        })
    }

    /// Sends `message` to `endpoint` and waits for the head of its answer, at most for `patience`:
    /// the body of one that is served comes as it comes.
    pub(crate) async fn open(
        &self,
        endpoint: &Endpoint,
        message: &Message,
        patience: Duration,
    ) -> Opened {
        let opening = async {
            match self.http.request(self.request(endpoint, message)).await {
                Ok(response) if response.status().is_success() => {
                    Opened::Stream(response.into_body())
                }
                Ok(response) => Opened::Not(read(response).await),
                Err(error) => Opened::Not(failed(&error)),
            }
        };
        timeout(patience, opening).await.unwrap_or_else(|_| {
            Opened::Not(Attempt::Broken(format!("no answer within {patience:.1?}")))
        })
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Attempt {
        match self.http.request(request).await {
            Ok(response) => read(response).await,
            Err(error) if error.is_connect() => Attempt::NotSent(root_cause(&error)),
            Err(error) => failed(&error),
        }
    }

    fn request(&self, endpoint: &Endpoint, message: &Message) -> Request<Full<Bytes>> {
        let mut request = Request::builder()
            .method(message.method.clone())
            .uri(endpoint.uri(&message.path_and_query));
        for (name, value) in &message.headers {
            request = request.header(*name, value);
        }
        if let Some(credentials) = &self.credentials {
            request = request.header(AUTHORIZATION, credentials.header());
        }
        let body = match &message.body {
            Some((bytes, media_type)) => {
                request = request.header(CONTENT_TYPE, *media_type);
                bytes.clone()
            }
            None => Bytes::new(),
        };
        request.body(Full::new(body)).expect("every part of the request is valid on its own")
    }
}

/// A request that has left. With TLS 1.3 a client learns only then that its certificate, or that it
/// has none, is refused; the member has read nothing of the request.
fn failed(error: &(dyn StdError + 'static)) -> Attempt {
    let reason = root_cause(error);
    match below_all(error) {
        Some(error) if tls::is_refusal(error) => Attempt::NotSent(reason),
        _ => Attempt::Broken(reason),
    }
}

/// What rustls says at the bottom of a chain of errors.
fn below_all<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref::<io::Error>().and_then(tls::below) {
            return Some(found);
        }
        cause = error.source();
    }
    None
}

async fn read(response: Response<Incoming>) -> Attempt {
    let (head, body) = response.into_parts();
    match Limited::new(body, ANSWER_BYTES_MAX).collect().await {
        Ok(body) => Attempt::Answered(Answer {
            status: head.status.as_u16(),
            body: body.to_bytes(),
            leader: text(&head.headers, "raftkv-leader").and_then(|leader| leader.parse().ok()),
            retry_after: text(&head.headers, RETRY_AFTER.as_str())
                .and_then(|seconds| seconds.parse().ok())
                .map(Duration::from_secs),
        }),
        Err(error) => Attempt::Broken(root_cause(error.as_ref())),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// What lies at the bottom of a chain of errors, in words without numbers of the system.
pub(crate) fn root_cause(error: &(dyn StdError + 'static)) -> String {
    if let Some(error) = below_all(error) {
        return tls::in_words(error);
    }
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    match cause.downcast_ref::<io::Error>() {
        Some(error) if error.raw_os_error().is_some() => error.kind().to_string(),
        _ => cause.to_string(),
    }
}
