//! Accepting connections, with a limit on everything a client could take without giving.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONNECTION, HeaderValue};
use axum::http::{Method, Request, Version};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Router};
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tower::ServiceExt as _;
use tracing::{debug, warn};

use super::Site;
use super::error::Refusal;
use super::express::{Answer, Express};
use super::listeners::Listeners;
use super::prompt::Prompt;
use super::refused;
use super::untaken::{Pieces, Untaken};
use super::wire::Wire;
use crate::access::name_by_certificate;
use crate::admission::{Admission, Refused, UnderWay, Visitor};
use crate::grpc;
use crate::reading::{self, Reading};
use crate::tls::{Arrival, Entered, Entrance, NoEntry};
use crate::watch::ConnectionWatches;

/// What a client may take. `Limits::default()` is the published contract.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections that are served. Those beyond are told `overloaded` and closed.
    pub connections_max: usize,
    /// Connections beyond that are let in: members come through the same port, and a flood of
    /// clients must not keep them from each other. Past them, connecting has to wait.
    pub connections_spare: usize,
    /// The request line and headers, in bytes.
    pub header_bytes_max: usize,
    /// How many headers.
    pub headers_max: usize,
    /// How long the headers of a request may take, how long a connection may be idle, and how long
    /// a client may take nothing of its answer.
    pub header_timeout: Duration,
    /// How long the body of a request may take.
    pub body_timeout: Duration,
    /// Requests at once on one HTTP/2 connection.
    pub streams_max: u32,
    /// Answers that wait to be taken by their clients, of all connections together, in bytes.
    pub untaken_bytes_max: usize,
    /// Bodies of requests that are being read, of all connections together, in bytes.
    pub read_bytes_max: usize,
    /// How long requests may take to end when the member stops.
    pub shutdown_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections_max: 8_192,
            connections_spare: 256,
            header_bytes_max: 128 << 10,
            headers_max: 100,
            header_timeout: Duration::from_secs(60),
            body_timeout: Duration::from_secs(10),
            streams_max: 1_024,
            untaken_bytes_max: 256 << 20,
            read_bytes_max: reading::BYTES_MAX,
            shutdown_timeout: Duration::from_secs(2),
        }
    }
}

impl Limits {
    /// As far as this process can have `connections` of clients, at least four, open at once.
    pub fn affording(connections: usize) -> Limits {
        let limits = Limits::default();
        let connections_spare = limits.connections_spare.min(connections / 4);
        let connections_max = limits.connections_max.min(connections - connections_spare);
        Limits { connections_max, connections_spare, ..limits }
    }

    /// Whether there is no place for a connection that has come in, while there would be so many
    /// more. Where others have filled the house, who has few may have half of the spare places.
    fn are_used_up(&self, places: usize, visitor: Option<&Visitor>) -> bool {
        let few = self.connections_max / FEW_SHARE;
        let has_few = visitor.is_some_and(|visitor| visitor.connections() <= few);
        let spare = self.connections_spare;
        places < spare && !(has_few && places >= spare / 2)
    }
}

/// After a failed `accept` (too many open files, usually) the next one waits this long: at once
/// it would only fail again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A connection beyond the limit is told so; it lasts this long at most, whatever it speaks. A peer
/// has long become a stream by then, which is no HTTP connection any more.
const CROWDED_TIMEOUT: Duration = Duration::from_secs(2);

/// A client may send so much of all its bodies on an HTTP/2 connection before the member looks at
/// it. What nobody looks at is the one thing here that no count of ours sees.
pub(super) const WINDOW_BYTES: u32 = 256 << 10;

/// Requests on an HTTP/2 connection that were reset before they were looked at. Who has more of
/// them wait begins requests in order to reset them (CVE-2023-44487), and is closed. As many as may
/// be under way: a client whose member lags gives up all of them at once, and has done no wrong.
pub(super) const RESET_UNSEEN_MAX: usize = 1_024;

/// Requests on an HTTP/2 connection that the member has reset for what the client did wrong, those
/// beyond the limit among them. Who goes on all the same is closed.
const RESET_BY_MEMBER_MAX: usize = 1_024;

/// What one request's answer may have handed to HTTP/2 before it waits for the client.
const SEND_BYTES_MAX: usize = 400 << 10;

/// Who has no more than this part of all connections has few of them.
const FEW_SHARE: usize = 64;

/// Where a connection comes from of which the system does not know it any more.
const NOWHERE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// The paths that members use among each other.
pub(super) const PEER_PATHS: &str = "/raft/";

/// Serves `site` on `listeners` until `shutdown` is done; then lets running requests end.
pub async fn serve(
    listeners: impl Into<Listeners>,
    site: impl Into<Site>,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) {
    let mut listeners = listeners.into();
    let permits = Arc::new(Semaphore::new(limits.connections_max + limits.connections_spare));
    let untaken = Untaken::new(limits.untaken_bytes_max);
    let reading = Arc::new(Reading::new(limits.read_bytes_max));
    let site = site.into();
    let router = site.router.clone().layer(Extension(Arc::clone(&reading)));
    let Site { express, admission, .. } = site;
    let served = Service { router, express, admission, reading };
    let graceful = GracefulShutdown::new();
    let (open, closed) = watch::channel(());
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut shutdown => break,
            accepted = accept(&mut listeners, &permits) => accepted,
        };
        match accepted {
            Ok((socket, entrance, permit)) => {
                let visitor = served.admission.as_ref().map(|it| it.visitor(address_of(&socket)));
                let crowded = limits.are_used_up(permits.available_permits(), visitor.as_ref());
                let pieces = Pieces::new(&untaken);
                let (crowded, served) = (Crowded(crowded), served.clone());
                let serving = Serving { visitor, pieces, crowded, permit, served, limits };
                serving.spawn(socket, entrance, graceful.watcher(), closed.clone());
            }
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
    drop((listeners, open));
    // Connections that are still busy after this are cut when the process ends.
    let _ = tokio::time::timeout(limits.shutdown_timeout, graceful.shutdown()).await;
}

/// The place that a connection has among those that are served, for whoever goes on with it as
/// something else than HTTP.
#[derive(Clone, Debug)]
pub(crate) struct Seat {
    _permit: Arc<OwnedSemaphorePermit>,
    /// Counts the connection for where it comes from.
    _visitor: Option<Arc<Visitor>>,
    pieces: Arc<Pieces>,
    patience: Duration,
}

impl Seat {
    /// Done when the client has left a part of an answer there for too long, and others need the
    /// room.
    pub(crate) async fn overstay(&self) {
        self.pieces.overstay(self.patience).await;
    }

    /// Counts what is to be sent, until the socket has it; nothing if there is no room for it.
    pub(crate) fn hold(&self, data: Bytes) -> Option<Bytes> {
        self.pieces.hold(data).ok()
    }
}

/// Where a connection comes from.
fn address_of(socket: &TcpStream) -> IpAddr {
    socket.peer_addr().map_or(NOWHERE, |address| address.ip())
}

/// Whether a connection came in beyond the limit.
#[derive(Clone, Copy)]
struct Crowded(bool);

impl Crowded {
    /// How long the client may keep the member waiting.
    fn patience(self, limits: &Limits) -> Duration {
        if self.0 { CROWDED_TIMEOUT } else { limits.header_timeout }
    }
}

async fn accept(
    listeners: &mut Listeners,
    permits: &Arc<Semaphore>,
) -> io::Result<(TcpStream, Entrance, OwnedSemaphorePermit)> {
    let permit = Arc::clone(permits).acquire_owned().await.expect("it is never closed");
    let (socket, entrance) = listeners.accept().await?;
    socket.set_nodelay(true)?;
    Ok((socket, entrance, permit))
}

/// A connection that was accepted, and what it takes to serve it.
struct Serving {
    visitor: Option<Visitor>,
    pieces: Arc<Pieces>,
    crowded: Crowded,
    permit: OwnedSemaphorePermit,
    served: Service,
    limits: Limits,
}

impl Serving {
    /// A handshake of TLS takes the connection's place among all, but not the accepting loop's
    /// time.
    fn spawn(
        self,
        socket: TcpStream,
        entrance: Entrance,
        watcher: Watcher,
        mut closed: watch::Receiver<()>,
    ) {
        if let Entrance::Plain(arrival) = entrance {
            tokio::spawn(self.run(Entered::plain(socket, arrival), watcher));
            return;
        }
        tokio::spawn(async move {
            let admitted = tokio::select! {
                admitted = entrance.admit(socket, self.crowded.patience(&self.limits)) => admitted,
                // Only its end is told.
                _ = closed.changed() => return,
            };
            match admitted {
                Ok(entered) => self.run(entered, watcher).await,
                Err(NoEntry::Handshake { peer: true, error }) => {
                    warn!(%error, "refused a peer: its TLS handshake failed");
                }
                Err(why) => debug!(?why, "a TLS handshake came to nothing"),
            }
        });
    }

    async fn run(self, Entered { stream, arrival, user }: Entered, watcher: Watcher) {
        let Serving { visitor, pieces, crowded, permit, served, limits } = self;
        let visitor = visitor.map(Arc::new);
        let patience = crowded.patience(&limits);
        let watches = ConnectionWatches::default();
        let seat = Seat {
            _permit: Arc::new(permit),
            _visitor: visitor.clone(),
            pieces: Arc::clone(&pieces),
            patience,
        };
        let shared = Connection { served, crowded, arrival, visitor, user, watches, seat };
        let (shared, prompt) = (Arc::new(shared), Prompt::default());
        let wire = TokioIo::new(Wire::new(stream, patience));
        let builder = builder(&limits, patience, prompt.clone());
        let ours = prompt.clone();
        let service = service_fn(move |request| Connection::take(&shared, &prompt, request));
        let connection = builder.serve_connection_with_upgrades(wire, service).into_owned();
        let connection = ours.beside(watcher.watch(connection));
        // A connection that ends in an error is the client's affair, and it has been told.
        if crowded.0 {
            let _ = tokio::time::timeout(CROWDED_TIMEOUT, connection).await;
        } else {
            tokio::select! {
                _ = connection => {}
                () = pieces.overstay(patience) => {}
            }
        }
    }
}

/// Whether what was asked for is done, as far as the head of its answer tells.
fn is_done(response: &Response<Answer>) -> bool {
    let is_call_that_failed =
        response.headers().get("grpc-status").is_some_and(|status| status != "0");
    response.status().is_success() && !is_call_that_failed
}

fn builder(limits: &Limits, patience: Duration, executor: Prompt) -> Builder<Prompt> {
    let mut builder = Builder::new(executor);
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(patience)
        .max_headers(limits.headers_max)
        .max_buf_size(limits.header_bytes_max);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(limits.header_timeout / 2)
        .keep_alive_timeout(limits.header_timeout / 2)
        .max_header_list_size(u32::try_from(limits.header_bytes_max).unwrap_or(u32::MAX))
        .max_concurrent_streams(limits.streams_max)
        .max_pending_accept_reset_streams(RESET_UNSEEN_MAX)
        .max_local_error_reset_streams(RESET_BY_MEMBER_MAX)
        .initial_connection_window_size(WINDOW_BYTES)
        .initial_stream_window_size(WINDOW_BYTES)
        .max_send_buf_size(SEND_BYTES_MAX);
    builder
}

/// What is served on every connection.
#[derive(Clone)]
struct Service {
    router: Router,
    express: Option<Arc<Express>>,
    admission: Option<Arc<Admission>>,
    reading: Arc<Reading>,
}

/// What the requests of one connection have in common.
struct Connection {
    served: Service,
    crowded: Crowded,
    arrival: Arrival,
    /// Who is there; none where everybody may ask for anything.
    visitor: Option<Arc<Visitor>>,
    /// Whom its certificate names.
    user: Option<HeaderValue>,
    watches: ConnectionWatches,
    seat: Seat,
}

impl Connection {
    /// Lets a request in or refuses it, at once: what is done later is of one that is let in.
    fn take(
        shared: &Arc<Self>,
        prompt: &Prompt,
        mut request: Request<Incoming>,
    ) -> impl Future<Output = Result<Response<Answer>, Infallible>> + use<> {
        name_by_certificate(request.headers_mut(), shared.user.as_ref());
        let admitted = shared.admit(&request);
        if admitted.is_err() && request.version() == Version::HTTP_2 {
            prompt.next_is_ready();
        }
        let shared = Arc::clone(shared);
        async move {
            let under_way = match admitted {
                Ok(under_way) => under_way,
                Err(refused) => return Ok(shared.refuse(refused, request).await),
            };
            let response = shared.answer(request).await;
            if let Some(under_way) = under_way.filter(|_| is_done(&response)) {
                under_way.done();
            }
            Ok(response)
        }
    }

    async fn refuse(&self, refused: Refused, request: Request<Incoming>) -> Response<Answer> {
        let (head, body) = request.into_parts();
        refused::drain(head.version, body).await;
        let mut response = refused::answer(refused, head.uri.path(), &head.headers);
        if let Some(express) = &self.served.express {
            express.mark(&head, self.arrival, &mut response);
        }
        response.map(Answer::Other)
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Answer> {
        let express = self.served.express.as_deref().filter(|_| !self.crowded.0);
        let call = express.and_then(|it| Some((it, it.call(&request, self.arrival)?)));
        // Boxed: they are large, and this is moved about before it runs.
        if let Some((express, form)) = call {
            let (reading, pieces) = (&self.served.reading, &self.seat.pieces);
            return Box::pin(express.answer(form, request, reading, pieces)).await;
        }
        Box::pin(self.general(request)).await.map(Answer::Other)
    }

    /// Before anything else, so that a refusal costs next to nothing.
    fn admit(&self, request: &Request<Incoming>) -> Result<Option<UnderWay>, Refused> {
        let rules = self.served.admission.as_ref().zip(self.visitor.as_ref());
        let Some((admission, visitor)) = rules else { return Ok(None) };
        admission.enter(visitor, request.uri().path(), request.headers()).map(Some)
    }

    async fn general(&self, mut request: Request<Incoming>) -> Response {
        request.extensions_mut().insert(self.watches.clone());
        request.extensions_mut().insert(self.seat.clone());
        request.extensions_mut().insert(self.arrival);
        if self.crowded.0 && !request.uri().path().starts_with(PEER_PATHS) {
            let mut response = Refusal::overloaded().into_response();
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            return response;
        }
        let (is_call, is_get) = (grpc::is_call(request.headers()), request.method() == Method::GET);
        let Ok(response) = self.served.router.clone().oneshot(request.map(Body::new)).await;
        let pieces = &self.seat.pieces;
        // What was asked has been done, but for a `GET` that is nothing.
        if is_get && !pieces.have_room_for(&response) {
            return Refusal::overloaded().into_response();
        }
        response.map(|body| pieces.count(body, is_call))
    }
}
