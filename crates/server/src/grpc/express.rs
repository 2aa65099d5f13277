//! The calls that most requests are, without the machinery for all others.
//!
//! A unary call is one message in and one out. tonic and the router around it give each a stream
//! of messages, codecs, layers and boxes of their own, which for a call that takes microseconds is
//! most of its processor time (docs/decisions/011-the-way-of-most-requests.md). Here a call is its
//! message's bytes, and so is its answer; what is done in between is what the services do.
//!
//! Whatever is unusual (another content type, compression, a page's request) goes the general way.

use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderMap};
use axum::http::{Method, Request, Response, Version};
use bytes::{BufMut as _, Bytes, BytesMut};
use hyper::body::Incoming;
use prost::Message;
use tonic::Status;
use tonic::metadata::MetadataMap;

use super::body::{OnlyMessage, PREFIX_BYTES};
use super::gate::Gate;
use super::gateway;
use super::kv::Kv;
use crate::node::Node;
use crate::reading::Share;

/// What all paths of JSON begin with.
pub(super) const JSON_PATHS: &str = "/v3/";

/// Names how messages are compressed.
const ENCODING: &str = "grpc-encoding";

/// How a call is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// As gRPC has it.
    Grpc(Swift),
    /// As JSON, under `/v3/`.
    Json(Swift),
}

/// A call that is served here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Swift {
    /// `KV.Range`.
    Range,
    /// `KV.Put`.
    Put,
    /// `KV.DeleteRange`.
    DeleteRange,
    /// `KV.Txn`.
    Txn,
}

impl Swift {
    /// All of them, in the order of their discriminants.
    pub(crate) const ALL: [Swift; 4] = [Swift::Range, Swift::Put, Swift::DeleteRange, Swift::Txn];

    pub(crate) fn path(self) -> &'static str {
        match self {
            Swift::Range => "/etcdserverpb.KV/Range",
            Swift::Put => "/etcdserverpb.KV/Put",
            Swift::DeleteRange => "/etcdserverpb.KV/DeleteRange",
            Swift::Txn => "/etcdserverpb.KV/Txn",
        }
    }

    fn json_path(self) -> &'static str {
        match self {
            Swift::Range => "/v3/kv/range",
            Swift::Put => "/v3/kv/put",
            Swift::DeleteRange => "/v3/kv/deleterange",
            Swift::Txn => "/v3/kv/txn",
        }
    }
}

impl Form {
    /// The call that a request is, if nothing about it is unusual.
    pub(crate) fn of<B>(request: &Request<B>) -> Option<Form> {
        if request.method() != Method::POST {
            return None;
        }
        let (path, headers) = (request.uri().path(), request.headers());
        if path.starts_with(JSON_PATHS) {
            return Swift::ALL.into_iter().find(|call| call.json_path() == path).map(Form::Json);
        }
        let is_plain = request.version() == Version::HTTP_2
            && headers.get(CONTENT_TYPE).is_some_and(|it| it == "application/grpc")
            && !headers.contains_key(ENCODING);
        let found = Swift::ALL.into_iter().find(|call| call.path() == path);
        found.filter(|_| is_plain).map(Form::Grpc)
    }
}

/// Serves them.
pub(crate) struct Express {
    kv: Kv,
}

impl Express {
    /// The calls of one member.
    pub(crate) fn new(node: Node) -> Express {
        Express { kv: Kv::new(Arc::new(Gate::new(node))) }
    }

    /// Does what a message asks for; answers the message of the answer, prefix and all.
    pub(crate) async fn serve(
        &self,
        call: Swift,
        headers: HeaderMap,
        message: OnlyMessage,
    ) -> Result<Bytes, Status> {
        let metadata = MetadataMap::from_headers(headers);
        match call {
            Swift::Range => answer(&self.kv.range_for(&metadata, message.read()?).await?),
            Swift::Put => answer(&self.kv.put_for(&metadata, message.read()?).await?),
            Swift::DeleteRange => {
                answer(&self.kv.delete_range_for(&metadata, message.read()?).await?)
            }
            Swift::Txn => answer(&self.kv.txn_for(&metadata, message.read()?).await?),
        }
    }
}

macro_rules! by_json {
    ($self:ident, $request:ident, $share:ident, $method:ident) => {
        gateway::express($request, $share, async |metadata, asked| {
            $self.kv.$method(&metadata, asked).await
        })
        .await
    };
}

impl Express {
    /// Does what a request asks for in JSON; what is read of it counts in `share`.
    pub(crate) async fn serve_json(
        &self,
        call: Swift,
        request: Request<Incoming>,
        share: Share,
    ) -> Response<Body> {
        match call {
            Swift::Range => by_json!(self, request, share, range_for),
            Swift::Put => by_json!(self, request, share, put_for),
            Swift::DeleteRange => by_json!(self, request, share, delete_range_for),
            Swift::Txn => by_json!(self, request, share, txn_for),
        }
    }
}

fn answer(answer: &impl Message) -> Result<Bytes, Status> {
    let length = answer.encoded_len();
    let mut bytes = BytesMut::with_capacity(PREFIX_BYTES + length);
    bytes.put_u8(0);
    bytes.put_u32(u32::try_from(length).map_err(|_| {
        Status::resource_exhausted("the answer is longer than a message of gRPC can be")
    })?);
    answer.encode(&mut bytes).expect("there is room for all of it");
    Ok(bytes.freeze())
}
