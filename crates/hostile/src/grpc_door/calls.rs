//! Calls that a sound client of HTTP/2 makes: only headers and bodies are hostile.

use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use super::message;
use crate::doors::{Heard, PATIENCE};
use crate::input::Input;

/// The calls of one input.
const CALLS_MAX: usize = 4;

/// A client that has heard nothing for so long goes on, and resets the call.
const QUIET: Duration = Duration::from_millis(8);

/// Pieces that are heard of one answer.
const PIECES_MAX: usize = 64;

#[rustfmt::skip] // a table reads in rows
pub(super) const PATHS: [&str; 56] = [
    "/etcdserverpb.KV/Range", "/etcdserverpb.KV/Put", "/etcdserverpb.KV/DeleteRange",
    "/etcdserverpb.KV/Txn", "/etcdserverpb.KV/Compact", "/etcdserverpb.Watch/Watch",
    "/etcdserverpb.Lease/LeaseGrant", "/etcdserverpb.Lease/LeaseRevoke",
    "/etcdserverpb.Lease/LeaseKeepAlive", "/etcdserverpb.Lease/LeaseTimeToLive",
    "/etcdserverpb.Lease/LeaseLeases", "/etcdserverpb.Cluster/MemberAdd",
    "/etcdserverpb.Cluster/MemberRemove", "/etcdserverpb.Cluster/MemberUpdate",
    "/etcdserverpb.Cluster/MemberList", "/etcdserverpb.Cluster/MemberPromote",
    "/etcdserverpb.Maintenance/Alarm", "/etcdserverpb.Maintenance/Status",
    "/etcdserverpb.Maintenance/Defragment", "/etcdserverpb.Maintenance/Hash",
    "/etcdserverpb.Maintenance/HashKV", "/etcdserverpb.Maintenance/Snapshot",
    "/etcdserverpb.Maintenance/MoveLeader", "/etcdserverpb.Maintenance/Downgrade",
    "/etcdserverpb.Auth/AuthEnable", "/etcdserverpb.Auth/AuthDisable",
    "/etcdserverpb.Auth/AuthStatus", "/etcdserverpb.Auth/Authenticate",
    "/etcdserverpb.Auth/UserAdd", "/etcdserverpb.Auth/UserGet", "/etcdserverpb.Auth/UserList",
    "/etcdserverpb.Auth/UserDelete", "/etcdserverpb.Auth/UserChangePassword",
    "/etcdserverpb.Auth/UserGrantRole", "/etcdserverpb.Auth/UserRevokeRole",
    "/etcdserverpb.Auth/RoleAdd", "/etcdserverpb.Auth/RoleGet", "/etcdserverpb.Auth/RoleList",
    "/etcdserverpb.Auth/RoleDelete", "/etcdserverpb.Auth/RoleGrantPermission",
    "/etcdserverpb.Auth/RoleRevokePermission", "/v3electionpb.Election/Campaign",
    "/v3electionpb.Election/Proclaim", "/v3electionpb.Election/Leader",
    "/v3electionpb.Election/Observe", "/v3electionpb.Election/Resign", "/v3lockpb.Lock/Lock",
    "/v3lockpb.Lock/Unlock", "/raftkv.v1.KV/Get", "/raftkv.v1.KV/Set", "/raftkv.v1.KV/Delete",
    "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch", "/etcdserverpb.KV/RangeStream",
    "/v3/kv/range", "/kv/a",
];

#[rustfmt::skip] // a table reads in rows
pub(super) const HEADERS: [(&str, &str); 20] = [
    ("te", "trailers"), ("te", "gzip"), ("grpc-encoding", "gzip"), ("grpc-encoding", "identity"),
    ("grpc-accept-encoding", "gzip,x"), ("grpc-timeout", "1S"), ("grpc-timeout", "0n"),
    ("grpc-timeout", "99999999H"), ("grpc-timeout", "x"), ("authorization", "x.1"),
    ("authorization", "Basic cm9vdDo="), ("token", "x.1"), ("hasleader", "true"),
    ("client-api-version", "3.5"), ("raftkv-forward", "never"), ("content-length", "7"),
    ("origin", "http://localhost"), ("origin", "http://example.org"), ("x-bin", "AA"),
    ("user-agent", "grpc-go/1.60"),
];

const METHODS: [&str; 4] = ["POST", "GET", "PUT", "OPTIONS"];

#[rustfmt::skip] // a table reads in rows
const CONTENT_TYPES: [&str; 6] = [
    "application/grpc", "application/grpc+proto", "application/grpc+json", "application/grpc-web",
    "application/json", "text/plain",
];

/// The codes with which nothing was done, for good.
const DEFINITE: [&str; 8] = ["3", "5", "6", "7", "9", "11", "12", "16"];

/// What drives clients.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.expect("a thread can be started")
});

pub(super) fn made(address: SocketAddr, input: &mut Input<'_>) -> Heard {
    let count = 1 + input.below(CALLS_MAX);
    let requests: Vec<_> = (0..count).filter_map(|_| request(input)).collect();
    RUNTIME.block_on(async {
        let heard = timeout(PATIENCE, converse(address, requests)).await;
        heard.expect("calls that go on are given up long before")
    })
}

/// The decisions that make one usual call at a path, by their numbers, with a sound message.
pub(super) fn usual(path: u8, message: u8) -> Vec<u8> {
    // One call; the usual method and type; no more headers; sound, and nothing wrong with it.
    vec![0, path, 0, 0, 0, 2, message, 6]
}

/// A call; none if HTTP knows no such words.
fn request(input: &mut Input<'_>) -> Option<Request<Full<Bytes>>> {
    let path = PATHS[input.below(PATHS.len())];
    let pick = |input: &mut Input<'_>, words: &[&'static str]| {
        if input.chance(8) { words[input.below(words.len())] } else { words[0] }
    };
    let mut request = Request::builder()
        .method(pick(input, &METHODS))
        .uri(format!("http://localhost{path}"))
        .header("content-type", pick(input, &CONTENT_TYPES));
    for _ in 0..input.below(4) {
        let (name, value) = HEADERS[input.below(HEADERS.len())];
        request = request.header(name, value);
    }
    request.body(Full::from(message::body(input))).ok()
}

async fn converse(address: SocketAddr, requests: Vec<Request<Full<Bytes>>>) -> Heard {
    let socket = TcpStream::connect(address).await.expect("a member takes a client");
    let connected = handshake(TokioExecutor::new(), TokioIo::new(socket)).await;
    let (mut sender, connection) = connected.expect("a member speaks HTTP/2");
    let connection = tokio::spawn(connection);
    let mut heard = Heard { refused: !requests.is_empty(), ..Heard::default() };
    for request in requests {
        let answered = call(&mut sender, request, &mut heard.bytes).await;
        heard.accepted |= answered == Some(true);
        heard.refused &= answered == Some(false);
    }
    drop(sender);
    connection.abort();
    heard
}

/// Makes a call; whether it was done, or refused for good. Nobody knows it of one that goes on.
async fn call(
    sender: &mut SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
    heard: &mut Vec<u8>,
) -> Option<bool> {
    sender.ready().await.ok()?;
    let response = timeout(QUIET, sender.send_request(request)).await.ok()?.ok()?;
    let (head, mut body) = Response::into_parts(response);
    let mut status = code(&head.headers);
    heard.extend(format!("{head:?}").into_bytes());
    let mut is_empty = true;
    for _ in 0..PIECES_MAX {
        match timeout(QUIET, body.frame()).await.ok()? {
            None => break,
            Some(frame) => match frame.ok()?.into_data() {
                Ok(data) => {
                    is_empty &= data.is_empty();
                    heard.extend_from_slice(&data);
                }
                Err(trailers) => {
                    heard.extend(format!("{trailers:?}").into_bytes());
                    status = trailers.trailers_ref().and_then(code);
                }
            },
        }
    }
    let status = status?;
    match (status.as_str(), is_empty) {
        ("0", _) | (_, false) => Some(true),
        (definite, true) => DEFINITE.contains(&definite).then_some(false),
    }
}

fn code(headers: &HeaderMap) -> Option<String> {
    headers.get("grpc-status").and_then(|status| status.to_str().ok()).map(str::to_owned)
}
