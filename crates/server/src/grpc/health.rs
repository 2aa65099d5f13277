//! `grpc.health.v1.Health`: whether this member serves, for load balancers.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use super::gate::Gate;
use crate::http::serves_nothing;
use crate::node::Phase;

/// How often a member looks whether it still serves, for those who watch that.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

pub(super) struct Serving {
    gate: Arc<Gate>,
}

/// The service.
pub(super) fn service(gate: Arc<Gate>) -> HealthServer<Serving> {
    HealthServer::new(Serving { gate })
}

#[tonic::async_trait]
impl Health for Serving {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        // One name stands for all services here, the empty one, as in etcd.
        match request.get_ref().service.as_str() {
            "" => Ok(Response::new(now(&self.gate))),
            _ => Err(Status::not_found("unknown service")),
        }
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let (sender, responses) = mpsc::channel(1);
        let known = request.get_ref().service.is_empty();
        tokio::spawn(follow(Arc::clone(&self.gate), known, sender));
        Ok(Response::new(Box::pin(ReceiverStream::new(responses))))
    }
}

/// Tells whether the member serves, and each change of that.
async fn follow(
    gate: Arc<Gate>,
    known: bool,
    sender: mpsc::Sender<Result<HealthCheckResponse, Status>>,
) {
    let mut told = None;
    while !sender.is_closed() {
        let current = match known {
            true => now(&gate),
            false => HealthCheckResponse { status: ServingStatus::ServiceUnknown.into() },
        };
        if told != Some(current.status) {
            told = Some(current.status);
            if sender.send(Ok(current)).await.is_err() {
                return;
            }
        }
        let _ = tokio::time::timeout(LOOK_INTERVAL, sender.closed()).await;
    }
}

fn now(gate: &Gate) -> HealthCheckResponse {
    let status = gate.node().status();
    let serves = matches!(status.phase, Phase::Running) && serves_nothing(&status).is_none();
    let serving = if serves { ServingStatus::Serving } else { ServingStatus::NotServing };
    HealthCheckResponse { status: serving.into() }
}
