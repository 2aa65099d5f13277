//! The bodies of calls that have one message: whole within a time, or not taken.

use std::fmt;
use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::time::{Sleep, sleep};

/// A message is whole within this time of its call.
pub(super) const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The calls whose bodies go on for as long as their clients like.
const STREAMS: [&str; 2] = ["/etcdserverpb.Watch/Watch", "/etcdserverpb.Lease/LeaseKeepAlive"];

/// Gives the body of a call that has one message its deadline.
pub(super) async fn timed(request: Request<Body>) -> Request<Body> {
    match STREAMS.contains(&request.uri().path()) {
        true => request,
        false => {
            request.map(|body| Body::new(Timed { body, sleep: Box::pin(sleep(BODY_TIMEOUT)) }))
        }
    }
}

struct Timed {
    body: Body,
    sleep: Pin<Box<Sleep>>,
}

/// It was not whole in time.
#[derive(Debug)]
struct TooSlow;

impl fmt::Display for TooSlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the message was not whole within {BODY_TIMEOUT:?}")
    }
}

impl std::error::Error for TooSlow {}

impl hyper::body::Body for Timed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            return Poll::Ready(frame);
        }
        self.sleep.as_mut().poll(context).map(|()| Some(Err(axum::Error::new(TooSlow))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use proto::etcd::etcdserverpb::{lease_server, watch_server};
    use tokio::time::{Instant, timeout};

    use super::*;

    /// A call at `path` whose body never comes.
    async fn without_an_end(path: &str) -> Body {
        let nothing = tokio_stream::pending::<Result<Bytes, axum::Error>>();
        let request = Request::post(path).body(Body::from_stream(nothing));
        timed(request.expect("it is a request")).await.into_body()
    }

    #[tokio::test(start_paused = true)]
    async fn one_message_is_waited_for_so_long_and_no_longer() {
        let began = Instant::now();
        let body = without_an_end("/etcdserverpb.KV/Put").await;
        let error = body.collect().await.expect_err("it never comes");
        assert!(error.to_string().contains("not whole"), "{error}");
        assert_eq!(began.elapsed(), BODY_TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_goes_on_for_as_long_as_its_client_likes() {
        let watch = format!("/{}/Watch", watch_server::SERVICE_NAME);
        let keep_alive = format!("/{}/LeaseKeepAlive", lease_server::SERVICE_NAME);
        for path in [watch, keep_alive] {
            let body = without_an_end(&path).await;
            assert!(timeout(2 * BODY_TIMEOUT, body.collect()).await.is_err(), "{path}");
        }
    }
}
