//! Calls of gRPC, counted as `go-grpc-prometheus` counts them for etcd: those that came, and those
//! that were answered, by code.
//!
//! The code of a call that failed at once stands in the answer's headers; of all others it comes
//! behind the answer, so it is counted when that has been sent.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use axum::http::{HeaderMap, Response};
use bytes::Bytes;
use hyper::body::Frame;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use tonic::Code;

const STATUS: &str = "grpc-status";

/// The counts of one member.
#[derive(Clone, Default)]
pub(in crate::http) struct Calls {
    started: Family<Call, Counter>,
    handled: Family<Answered, Counter>,
}

/// Which call it is. What is no call of ours is counted under one name: no client makes up names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(in crate::http) struct Call {
    grpc_service: &'static str,
    grpc_method: &'static str,
    grpc_type: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    grpc_service: &'static str,
    grpc_method: &'static str,
    grpc_type: &'static str,
    grpc_code: String,
}

const UNKNOWN: Call = Call { grpc_service: "unknown", grpc_method: "unknown", grpc_type: "unary" };

/// The calls that no .proto file here has.
const HEALTH: [proto::Call; 2] = [
    proto::Call {
        service: "grpc.health.v1.Health",
        method: "Check",
        asks_on: false,
        answers_on: false,
    },
    proto::Call {
        service: "grpc.health.v1.Health",
        method: "Watch",
        asks_on: false,
        answers_on: true,
    },
];

impl Call {
    /// The call at a path.
    pub(in crate::http) fn at(path: &str) -> Call {
        let named = path.strip_prefix('/').and_then(|path| path.split_once('/'));
        let Some((service, method)) = named else { return UNKNOWN };
        let mut calls = proto::CALLS.iter().chain(&HEALTH);
        let found = calls.find(|call| call.method == method && call.service == service);
        found.map_or(UNKNOWN, |call| Call {
            grpc_service: call.service,
            grpc_method: call.method,
            grpc_type: kind_of(call),
        })
    }
}

fn kind_of(call: &proto::Call) -> &'static str {
    match (call.asks_on, call.answers_on) {
        (true, true) => "bidi_stream",
        (true, false) => "client_stream",
        (false, true) => "server_stream",
        (false, false) => "unary",
    }
}

impl Calls {
    pub(super) fn register(&self, registry: &mut Registry) {
        let started = "Calls of gRPC that came, by service and method";
        registry.register("grpc_server_started", started, self.started.clone());
        let handled = "Calls of gRPC that were answered, by service, method and code";
        registry.register("grpc_server_handled", handled, self.handled.clone());
    }

    /// A call was answered, or its answer begins; it is counted with its code.
    pub(in crate::http) fn answered(&self, call: Call, response: Response<Body>) -> Response<Body> {
        let code = code_in(response.headers());
        self.started.get_or_create(&call).inc();
        if code.is_some() || call == UNKNOWN {
            self.handled(call, code.unwrap_or(Code::Unknown));
            return response;
        }
        let calls = self.clone();
        response.map(|body| Body::new(Told { body, open: Some((calls, call)) }))
    }

    /// To be kept by whoever has many calls of one kind.
    pub(super) fn of(&self, call: Call) -> (Counter, Counter) {
        let done = self.handled.get_or_create(&Answered::of(call, Code::Ok)).clone();
        (self.started.get_or_create(&call).clone(), done)
    }

    pub(super) fn handled(&self, call: Call, code: Code) {
        self.handled.get_or_create(&Answered::of(call, code)).inc();
    }
}

impl Answered {
    fn of(call: Call, code: Code) -> Answered {
        let Call { grpc_service, grpc_method, grpc_type } = call;
        // As Go has the names.
        let grpc_code = match code {
            Code::Ok => "OK".to_owned(),
            Code::Cancelled => "Canceled".to_owned(),
            code => format!("{code:?}"),
        };
        Answered { grpc_service, grpc_method, grpc_type, grpc_code }
    }
}

fn code_in(headers: &HeaderMap) -> Option<Code> {
    headers.get(STATUS).map(|code| Code::from_bytes(code.as_bytes()))
}

/// An answer whose code comes at its end. One that the client does not take to its end is canceled.
struct Told {
    body: Body,
    open: Option<(Calls, Call)>,
}

impl Told {
    fn over(&mut self, code: Code) {
        if let Some((calls, call)) = self.open.take() {
            calls.handled(call, code);
        }
    }
}

impl hyper::body::Body for Told {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(code) = frame.trailers_ref().and_then(code_in) {
                    self.over(code);
                }
            }
            Some(Err(_)) | None => self.over(Code::Unknown),
        }
        Poll::Ready(frame)
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        self.over(Code::Cancelled);
    }
}
