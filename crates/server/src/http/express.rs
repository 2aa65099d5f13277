//! The way of most requests: calls of gRPC with one message each way, straight from the connection
//! to their service.
//!
//! All that holds of other requests holds here: who may come in, how long a body may be and take,
//! what waits to be taken, what is counted. Only layers are missing, and boxes.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::{Body, HttpBody};
use axum::http::header::{CONTENT_TYPE, HeaderValue, ORIGIN};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Request, Response};
use bytes::Bytes;
use hyper::body::{Frame, Incoming, SizeHint};
use tonic::{Code, Status};

use super::guard::Admitted;
use super::metrics::{Call, CallCounts};
use super::untaken::Pieces;
use super::{Doors, GRPC_ROUTE};
use crate::grpc::{self, Form, Swift};
use crate::reading::{Reading, Share};
use crate::tls::Arrival;

const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");

/// Serves them.
pub(super) struct Express {
    doors: Arc<Doors>,
    calls: grpc::Express,
    /// By call.
    counts: [Arc<CallCounts>; Swift::ALL.len()],
}

/// An answer on its way to the client.
pub(super) enum Answer {
    /// Of a call that went this way.
    Call(CallAnswer),
    /// Of any other request.
    Other(Body),
}

/// One message, and how the call ended.
pub(super) struct CallAnswer {
    message: Option<Bytes>,
    trailers: Option<HeaderMap>,
    counts: Arc<CallCounts>,
    code: Code,
}

impl Express {
    pub(super) fn new(doors: Arc<Doors>) -> Express {
        let calls = grpc::Express::new(doors.node.clone());
        let counts = Swift::ALL.map(|call| {
            let counts = doors.metrics.of_call(GRPC_ROUTE, Call::at(call.path()));
            Arc::new(counts)
        });
        Express { doors, calls, counts }
    }

    /// The call that a request is, if it can go this way.
    pub(super) fn call(&self, request: &Request<Incoming>, arrival: Arrival) -> Option<Form> {
        let form = Form::of(request)?;
        let admitted = self.doors.guard.admit(request.uri(), request.headers(), arrival, false);
        matches!(admitted, Ok(Admitted::Plain)).then_some(form)
    }

    /// Lets the page that a refused request comes from read the answer, if it may.
    pub(super) fn mark<B>(&self, head: &Parts, arrival: Arrival, response: &mut Response<B>) {
        if head.headers.contains_key(ORIGIN) {
            let admitted = self.doors.guard.admit(&head.uri, &head.headers, arrival, false);
            let _ = admitted.map(|admitted| admitted.mark(response));
        }
    }

    /// Answers it.
    pub(super) async fn answer(
        &self,
        form: Form,
        request: Request<Incoming>,
        reading: &Arc<Reading>,
        pieces: &Arc<Pieces>,
    ) -> Response<Answer> {
        match form {
            Form::Grpc(call) => self.answer_call(call, request, reading, pieces).await,
            Form::Json(call) => self.answer_json(call, request, reading, pieces).await,
        }
    }

    async fn answer_json(
        &self,
        call: Swift,
        request: Request<Incoming>,
        reading: &Arc<Reading>,
        pieces: &Arc<Pieces>,
    ) -> Response<Answer> {
        let arrived = Instant::now();
        let response = self.calls.serve_json(call, request, Share::among(reading)).await;
        let metrics = &self.doors.metrics;
        metrics.answered(GRPC_ROUTE, &Method::POST, response.status(), arrived.elapsed());
        response.map(|body| Answer::Other(pieces.count(body, false)))
    }

    async fn answer_call(
        &self,
        call: Swift,
        request: Request<Incoming>,
        reading: &Arc<Reading>,
        pieces: &Arc<Pieces>,
    ) -> Response<Answer> {
        let arrived = Instant::now();
        let counts = &self.counts[call as usize];
        let (head, body) = request.into_parts();
        let served = match grpc::OnlyMessage::of(body, Share::among(reading)).await {
            Ok(message) => self.calls.serve(call, head.headers, message).await,
            Err(status) => Err(status),
        };
        counts.answered(arrived.elapsed());
        match served {
            Ok(message) => {
                let counts = Arc::clone(counts);
                let answer = match pieces.hold(message) {
                    Ok(held) => CallAnswer::done(held, counts),
                    Err(_) => CallAnswer::without_room(counts),
                };
                let mut response = Response::new(Answer::Call(answer));
                response.headers_mut().insert(CONTENT_TYPE, GRPC);
                response
            }
            Err(status) => {
                counts.ended(status.code());
                status.into_http::<Body>().map(Answer::Other)
            }
        }
    }
}

/// What ends a call that was done.
fn done() -> HeaderMap {
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert(Status::GRPC_STATUS, HeaderValue::from_static("0"));
    trailers
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match self.get_mut() {
            Answer::Call(call) => Poll::Ready(call.next().map(Ok)),
            Answer::Other(body) => Pin::new(body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Answer::Call(call) => call.message.is_none() && call.trailers.is_none(),
            Answer::Other(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            // One that is known would be told as the length of the content, which no call has.
            Answer::Call(_) => SizeHint::default(),
            Answer::Other(body) => body.size_hint(),
        }
    }
}

impl CallAnswer {
    fn done(message: Bytes, counts: Arc<CallCounts>) -> CallAnswer {
        let (message, trailers) = (Some(message), Some(done()));
        CallAnswer { message, trailers, counts, code: Code::Ok }
    }

    fn without_room(counts: Arc<CallCounts>) -> CallAnswer {
        let (code, trailers) = grpc::unknown_outcome();
        CallAnswer { message: None, trailers: Some(trailers), counts, code }
    }

    fn next(&mut self) -> Option<Frame<Bytes>> {
        if let Some(message) = self.message.take() {
            return Some(Frame::data(message));
        }
        let trailers = self.trailers.take()?;
        self.counts.ended(self.code);
        Some(Frame::trailers(trailers))
    }
}

/// One that the client does not take to its end is canceled.
impl Drop for CallAnswer {
    fn drop(&mut self) {
        if self.trailers.is_some() {
            self.counts.ended(Code::Cancelled);
        }
    }
}
