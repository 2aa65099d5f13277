//! `/v3/…`: the gRPC services as JSON over HTTP, in the form that etcd's gateway gives them.
//!
//! The messages are those of the .proto files, as protobuf writes them in JSON: names as they stand
//! there, 64-bit numbers as strings, bytes as base64, and nothing that is unset. A stream is one
//! `{"result":{…}}` a line. Behind each path is the very method that a gRPC call would reach.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use axum::http::{HeaderMap, Request, Response, StatusCode};
use axum::routing::post;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use proto::etcd::etcdserverpb::auth_server::Auth as _;
use proto::etcd::etcdserverpb::cluster_server::Cluster as _;
use proto::etcd::etcdserverpb::kv_server::Kv as _;
use proto::etcd::etcdserverpb::lease_server::Lease as _;
use proto::etcd::etcdserverpb::maintenance_server::Maintenance as _;
use proto::etcd::v3electionpb::election_server::Election as _;
use proto::etcd::v3lockpb::lock_server::Lock as _;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::time::timeout;
use tokio_stream::{Stream, StreamExt as _};
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};

use super::body::BODY_TIMEOUT;
use super::refusal::Refusal;
use super::{Services, lines, message_bytes_max};
use crate::access::name_as;
use crate::reading::Share;

/// So much longer is a message in base64 and in words.
pub(super) const JSON_FACTOR: usize = 2;

/// The paths whose bodies go on for as long as their clients like.
pub(super) const STREAMS: [&str; 2] = ["/v3/watch", "/v3/lease/keepalive"];

/// A message of such a body; no key of any is longer than this in base64, twice.
pub(super) const STREAM_MESSAGE_BYTES_MAX: usize = 256 << 10;

/// Headers with this in front are handed on as metadata, as etcd's gateway does it.
const METADATA_PREFIX: &str = "grpc-metadata-";

/// The paths. What stands behind each is a method of a service.
pub(super) fn routes(services: &Services) -> Router {
    let mut router = Router::new();
    macro_rules! unary {
        ($service:ident: $($path:literal => $method:ident,)+) => {$(
            let service = Arc::clone(&services.$service);
            router = router.route($path, post(async move |request: Request<Body>| {
                unary(request, async |asked| service.$method(asked).await).await
            }));
        )+};
    }
    unary!(kv:
        "/v3/kv/range" => range,
        "/v3/kv/put" => put,
        "/v3/kv/deleterange" => delete_range,
        "/v3/kv/txn" => txn,
        "/v3/kv/compaction" => compact,
    );
    unary!(leases:
        "/v3/lease/grant" => lease_grant,
        "/v3/lease/revoke" => lease_revoke,
        "/v3/kv/lease/revoke" => lease_revoke,
        "/v3/lease/timetolive" => lease_time_to_live,
        "/v3/kv/lease/timetolive" => lease_time_to_live,
        "/v3/lease/leases" => lease_leases,
        "/v3/kv/lease/leases" => lease_leases,
    );
    unary!(cluster:
        "/v3/cluster/member/add" => member_add,
        "/v3/cluster/member/remove" => member_remove,
        "/v3/cluster/member/update" => member_update,
        "/v3/cluster/member/list" => member_list,
        "/v3/cluster/member/promote" => member_promote,
    );
    unary!(maintenance:
        "/v3/maintenance/alarm" => alarm,
        "/v3/maintenance/status" => status,
        "/v3/maintenance/defragment" => defragment,
        "/v3/maintenance/hash" => hash,
        "/v3/maintenance/hashkv" => hash_kv,
        "/v3/maintenance/transfer-leadership" => move_leader,
        "/v3/maintenance/downgrade" => downgrade,
    );
    unary!(users:
        "/v3/auth/enable" => auth_enable,
        "/v3/auth/disable" => auth_disable,
        "/v3/auth/status" => auth_status,
        "/v3/auth/authenticate" => authenticate,
        "/v3/auth/user/add" => user_add,
        "/v3/auth/user/get" => user_get,
        "/v3/auth/user/list" => user_list,
        "/v3/auth/user/delete" => user_delete,
        "/v3/auth/user/changepw" => user_change_password,
        "/v3/auth/user/grant" => user_grant_role,
        "/v3/auth/user/revoke" => user_revoke_role,
        "/v3/auth/role/add" => role_add,
        "/v3/auth/role/get" => role_get,
        "/v3/auth/role/list" => role_list,
        "/v3/auth/role/delete" => role_delete,
        "/v3/auth/role/grant" => role_grant_permission,
        "/v3/auth/role/revoke" => role_revoke_permission,
    );
    unary!(elections:
        "/v3/election/campaign" => campaign,
        "/v3/election/proclaim" => proclaim,
        "/v3/election/leader" => leader,
        "/v3/election/resign" => resign,
    );
    unary!(locks: "/v3/lock/lock" => lock, "/v3/lock/unlock" => unlock,);
    streams(router, services).fallback(async || refused(&Status::not_found("Not Found")))
}

fn streams(router: Router, services: &Services) -> Router {
    let watches = Arc::clone(&services.watches);
    let leases = Arc::clone(&services.leases);
    let elections = Arc::clone(&services.elections);
    router
        .route(
            "/v3/watch",
            post(async move |request: Request<Body>| {
                let (metadata, requests) = spoken(request);
                told(watches.open(&metadata, requests))
            }),
        )
        .route(
            "/v3/lease/keepalive",
            post(async move |request: Request<Body>| {
                let (metadata, requests) = spoken(request);
                told(leases.keep_alive(&metadata, requests).await)
            }),
        )
        .route(
            "/v3/election/observe",
            post(async move |request: Request<Body>| {
                let answer = match asked(request).await {
                    Ok(asked) => elections.observe(asked).await,
                    Err(refused) => return refused,
                };
                told(answer.map(tonic::Response::into_inner))
            }),
        )
}

/// One call: a message in, a message out.
async fn unary<Q, A, F>(
    request: Request<Body>,
    call: impl FnOnce(tonic::Request<Q>) -> F,
) -> Response<Body>
where
    Q: DeserializeOwned,
    A: Serialize,
    F: Future<Output = Result<tonic::Response<A>, Status>>,
{
    match asked(request).await {
        Ok(asked) => said(call(asked).await.map(tonic::Response::into_inner)),
        Err(refused) => refused,
    }
}

/// The same, of a request that came past the router: what is read of it counts in `share`.
pub(super) async fn express<Q, A, F>(
    request: Request<Incoming>,
    share: Share,
    call: impl FnOnce(MetadataMap, Q) -> F,
) -> Response<Body>
where
    Q: DeserializeOwned,
    A: Serialize,
    F: Future<Output = Result<A, Status>>,
{
    let (head, body) = request.into_parts();
    match message(body, share).await {
        Ok(message) => said(call(metadata_of(&head.headers), message).await),
        Err(refused) => refused,
    }
}

fn said(answer: Result<impl Serialize, Status>) -> Response<Body> {
    match answer {
        Ok(answer) => json_body(StatusCode::OK, &answer),
        Err(status) => refused(&status),
    }
}

/// The message of a call, or the answer to one that is none.
async fn asked<Q: DeserializeOwned>(
    request: Request<Body>,
) -> Result<tonic::Request<Q>, Response<Body>> {
    let (head, body) = request.into_parts();
    let mut asked = tonic::Request::new(message(body, Share::of(&head.extensions)).await?);
    *asked.metadata_mut() = metadata_of(&head.headers);
    Ok(asked)
}

/// The message that a body is, or the answer to one that is none.
async fn message<Q: DeserializeOwned, B>(body: B, share: Share) -> Result<Q, Response<Body>>
where
    B: hyper::body::Body<Data = Bytes, Error: fmt::Display> + Unpin,
{
    let body = timeout(BODY_TIMEOUT, whole(body, share)).await;
    let body = body.unwrap_or_else(|_| {
        Err(Status::deadline_exceeded(format!("the body was not whole in {BODY_TIMEOUT:?}")))
    });
    let body = body.map_err(|status| refused(&status))?;
    // No body is a message with nothing set, as in etcd's gateway.
    let body: &[u8] = if body.is_empty() { b"{}" } else { &body };
    serde_json::from_slice(body)
        .map_err(|error| refused(&Status::invalid_argument(error.to_string())))
}

/// All of a body.
async fn whole<B>(mut body: B, mut share: Share) -> Result<BytesMut, Status>
where
    B: hyper::body::Body<Data = Bytes, Error: fmt::Display> + Unpin,
{
    let mut read = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            Status::invalid_argument(format!("the body can not be read: {error}"))
        })?;
        let Ok(data) = frame.into_data() else { continue };
        share.grow(data.len()).map_err(|_| Refusal::TooManyRequests)?;
        if read.len() + data.len() > message_bytes_max() * JSON_FACTOR {
            return Err(Status::invalid_argument("the body is too long"));
        }
        read.extend_from_slice(&data);
    }
    Ok(read)
}

/// The messages of a stream, as they come.
fn spoken<Q: DeserializeOwned + Send + 'static>(
    request: Request<Body>,
) -> (MetadataMap, impl Stream<Item = Result<Q, Status>>) {
    let (head, body) = request.into_parts();
    let share = Share::of(&head.extensions);
    (metadata_of(&head.headers), lines::messages(body, STREAM_MESSAGE_BYTES_MAX, share))
}

/// What a client sends beside a call: `hasleader` and the like, with the gateway's prefix; and who
/// it is.
fn metadata_of(headers: &HeaderMap) -> MetadataMap {
    let named = headers.iter().filter_map(|(name, value)| {
        if name == AUTHORIZATION {
            return Some((AUTHORIZATION, value.clone()));
        }
        let name = name.as_str().strip_prefix(METADATA_PREFIX)?;
        Some((HeaderName::from_bytes(name.as_bytes()).ok()?, value.clone()))
    });
    let mut metadata: HeaderMap = named.collect();
    // With the prefix a client may say anything but whom its certificate names.
    name_as(headers, &mut metadata);
    MetadataMap::from_headers(metadata)
}

/// One line of a stream.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Line<A> {
    Result(A),
    Error(serde_json::Value),
}

/// One line for each message of a stream.
fn told<A: Serialize>(
    stream: Result<impl Stream<Item = Result<A, Status>> + Send + 'static, Status>,
) -> Response<Body> {
    let lines = match stream {
        Ok(stream) => stream.map(|told| {
            let line = match told {
                Ok(message) => Line::Result(message),
                Err(status) => Line::Error(error_of(&status)),
            };
            let mut line = serde_json::to_vec(&line).unwrap_or_default();
            line.push(b'\n');
            Ok::<_, Infallible>(Bytes::from(line))
        }),
        Err(status) => return refused(&status),
    };
    with_type(StatusCode::OK, Body::from_stream(lines))
}

pub(super) fn refused(status: &Status) -> Response<Body> {
    json_body(http_status(status.code()), &error_of(status))
}

fn error_of(status: &Status) -> serde_json::Value {
    json!({ "code": i32::from(status.code()), "message": status.message() })
}

/// As grpc-gateway has it.
fn http_status(code: Code) -> StatusCode {
    match code {
        Code::Ok => StatusCode::OK,
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => {
            StatusCode::BAD_REQUEST
        }
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::AlreadyExists | Code::Aborted => StatusCode::CONFLICT,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        Code::Cancelled | Code::Unknown | Code::Internal | Code::DataLoss => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
    }
}

fn json_body(status: StatusCode, message: &impl Serialize) -> Response<Body> {
    match serde_json::to_vec(message) {
        Ok(body) => with_type(status, body.into()),
        // An enum of another version is the one thing that has no JSON.
        Err(error) => {
            let body = json!({ "code": i32::from(Code::Internal), "message": error.to_string() });
            with_type(StatusCode::INTERNAL_SERVER_ERROR, body.to_string().into())
        }
    }
}

fn with_type(status: StatusCode, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}
