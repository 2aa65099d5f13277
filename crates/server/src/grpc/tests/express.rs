//! The short way of most calls answers as the general one does.
//!
//! `application/grpc+proto` means the same as `application/grpc` and goes the general way: the same
//! calls are made of two members that are alike, of each one way, and their answers compared.

use std::net::SocketAddr;

use axum::http::header::{CONTENT_TYPE, DATE};
use axum::http::{HeaderMap, Method, Request, StatusCode, Version};
use bytes::{BufMut as _, Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use proto::etcd::etcdserverpb::{
    DeleteRangeRequest, PutRequest, RangeRequest, RequestOp, TxnRequest, request_op,
};
use tokio::net::TcpStream;

use super::super::express::{Form, Swift};
use super::world::{opened, opened_to};
use crate::node::testing;
use crate::tls::Arrival;

pub(super) const SHORT: &str = "application/grpc";
pub(super) const GENERAL: &str = "application/grpc+proto";

/// All that a client sees.
#[derive(Debug, PartialEq)]
pub(super) struct Answered {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    trailers: Option<HeaderMap>,
}

impl Answered {
    /// Whether it was a call, and was done.
    pub(super) fn is_done(&self) -> bool {
        self.trailers.as_ref().is_some_and(|trailers| trailers["grpc-status"] == "0")
    }
}

pub(super) struct Caller {
    sender: SendRequest<Full<Bytes>>,
    address: SocketAddr,
    content_type: &'static str,
}

impl Caller {
    /// Of a new member.
    pub(super) async fn new(content_type: &'static str) -> Caller {
        Caller::at(opened(testing::single()).await, content_type).await
    }

    async fn at(address: SocketAddr, content_type: &'static str) -> Caller {
        let socket = TcpStream::connect(address).await.unwrap();
        socket.set_nodelay(true).unwrap();
        let shaken = handshake(TokioExecutor::new(), TokioIo::new(socket)).await;
        let (sender, connection) = shaken.unwrap();
        tokio::spawn(connection);
        Caller { sender, address, content_type }
    }

    async fn call(&mut self, path: &str, body: Bytes) -> Answered {
        self.call_with(path, &[("te", "trailers")], body).await
    }

    pub(super) async fn call_with(
        &mut self,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Answered {
        let request = Request::post(format!("http://{}{path}", self.address))
            .version(Version::HTTP_2)
            .header(CONTENT_TYPE, self.content_type);
        let request =
            headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let request = request.body(Full::new(body)).unwrap();
        let answer = self.sender.send_request(request).await.unwrap();
        let (mut head, body) = answer.into_parts();
        head.headers.remove(DATE);
        let body = body.collect().await.unwrap();
        let trailers = body.trailers().cloned();
        Answered { status: head.status, headers: head.headers, body: body.to_bytes(), trailers }
    }
}

pub(super) fn framed(message: &impl Message) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_u8(0);
    bytes.put_u32(u32::try_from(message.encoded_len()).unwrap());
    message.encode(&mut bytes).unwrap();
    bytes.freeze()
}

/// Calls in an order in which each has something to find, and what is no call.
fn calls() -> Vec<(&'static str, Bytes)> {
    let put = PutRequest { key: "k".into(), value: "v".into(), ..PutRequest::default() };
    let range = RangeRequest { key: "k".into(), ..RangeRequest::default() };
    let stale = RangeRequest { serializable: true, ..range.clone() };
    let delete = DeleteRangeRequest { key: "k".into(), prev_kv: true, ..Default::default() };
    let again = request_op::Request::RequestPut(put.clone());
    let txn =
        TxnRequest { success: vec![RequestOp { request: Some(again) }], ..TxnRequest::default() };
    let nameless = PutRequest::default();
    let leased = PutRequest { lease: 77, ..put.clone() };
    let two = [&framed(&put)[..], &framed(&put)].concat();
    vec![
        (Swift::Put.path(), framed(&put)),
        (Swift::Range.path(), framed(&range)),
        (Swift::Range.path(), framed(&stale)),
        (Swift::DeleteRange.path(), framed(&delete)),
        (Swift::Range.path(), framed(&range)),
        (Swift::Txn.path(), framed(&txn)),
        (Swift::Txn.path(), framed(&TxnRequest::default())),
        (Swift::Put.path(), framed(&nameless)),
        (Swift::Put.path(), framed(&leased)),
        (Swift::Put.path(), two.into()),
        (Swift::Put.path(), Bytes::new()),
        (Swift::Put.path(), Bytes::from_static(&[0, 0, 0])),
        (Swift::Put.path(), Bytes::from_static(&[0, 0, 0, 0, 9, 1])),
        (Swift::Put.path(), Bytes::from_static(&[0, 0, 0, 0, 2, 0xff, 0xff])),
        (Swift::Put.path(), Bytes::from_static(&[1, 0, 0, 0, 1, 7])),
        (Swift::Put.path(), Bytes::from_static(&[9, 0, 0, 0, 1, 7])),
        (Swift::Put.path(), Bytes::from_static(&[0, 0xff, 0xff, 0xff, 0xff, 7])),
        (Swift::Range.path(), framed(&range)),
    ]
}

#[tokio::test]
async fn both_ways_answer_alike() {
    let (mut short, mut general) = (Caller::new(SHORT).await, Caller::new(GENERAL).await);
    for (path, body) in calls() {
        let [by_short, by_general] =
            [short.call(path, body.clone()).await, general.call(path, body.clone()).await];
        assert_eq!(by_short, by_general, "{path} {body:02x?}");
    }
}

#[tokio::test]
async fn who_may_not_come_comes_no_shorter_way() {
    let of_members_alone = Arrival { tls: true, peer: true, client: false };
    let address = opened_to(of_members_alone, testing::single()).await;
    let range = framed(&RangeRequest { key: "k".into(), ..RangeRequest::default() });
    for content_type in [SHORT, GENERAL] {
        let mut caller = Caller::at(address, content_type).await;
        for path in [Swift::Range.path(), "/v3/kv/range"] {
            let refused = caller.call(path, range.clone()).await;
            assert_eq!(refused.status, StatusCode::FORBIDDEN, "{content_type} {path}");
            let said = String::from_utf8_lossy(&refused.body);
            assert!(said.contains("peers_only"), "{content_type} {path}: {said}");
        }
    }
}

#[test]
fn only_what_is_usual_goes_the_short_way() {
    let request = || Request::post(Swift::Put.path()).version(Version::HTTP_2);
    let call = || request().header(CONTENT_TYPE, SHORT);
    let form = |request: axum::http::request::Builder| Form::of(&request.body(()).unwrap());
    assert_eq!(form(call()), Some(Form::Grpc(Swift::Put)));
    assert_eq!(form(call().header("grpc-timeout", "1S")), Some(Form::Grpc(Swift::Put)));
    for unusual in [
        request(),
        request().header(CONTENT_TYPE, GENERAL),
        call().header("grpc-encoding", "gzip"),
        call().version(Version::HTTP_11),
        call().method(Method::PUT),
        call().uri("/etcdserverpb.KV/Compact"),
    ] {
        assert_eq!(form(unusual), None);
    }
    assert_eq!(form(Request::post("/v3/kv/range")), Some(Form::Json(Swift::Range)));
    assert_eq!(form(Request::get("/v3/kv/range")), None);
    assert_eq!(form(Request::post("/v3/kv/compaction")), None);
    assert_eq!(form(Request::post("/v3/watch")), None);
}
