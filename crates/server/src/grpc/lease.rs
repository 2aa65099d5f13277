//! `etcdserverpb.Lease`: what keys live as long as.

use std::sync::Arc;

use proto::etcd::etcdserverpb::{
    LeaseGrantRequest, LeaseGrantResponse, LeaseKeepAliveRequest, LeaseKeepAliveResponse,
    LeaseLeasesRequest, LeaseLeasesResponse, LeaseRevokeRequest, LeaseRevokeResponse, LeaseStatus,
    LeaseTimeToLiveRequest, LeaseTimeToLiveResponse, lease_server,
};
use replica::LeaseAsk;
use store::{Command, LEASE_TTL_S_MIN, LeaseId, Need, Outcome, TTL_S_MAX};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt as _};
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status, Streaming};

use super::gate::{Asks, Gate, Guest, number, on_own_thread};
use super::refusal::Refusal;

/// So many answers of one stream wait for its client.
const RESPONSES_MAX: usize = 16;

/// The service.
pub(super) struct Leases {
    gate: Arc<Gate>,
}

impl Leases {
    pub(super) fn new(gate: Arc<Gate>) -> Leases {
        Leases { gate }
    }

    /// Serves a stream of keep-alives, whatever they came in.
    pub(super) async fn keep_alive(
        &self,
        metadata: &MetadataMap,
        requests: impl Stream<Item = Result<LeaseKeepAliveRequest, Status>> + Send + 'static,
    ) -> Result<ReceiverStream<Result<LeaseKeepAliveResponse, Status>>, Status> {
        let guest = self.gate.admit(metadata, Asks::Voters).await?;
        let (sender, responses) = mpsc::channel(RESPONSES_MAX);
        tokio::spawn(keep_alive(guest, Box::pin(requests), sender));
        Ok(ReceiverStream::new(responses))
    }
}

#[tonic::async_trait]
impl lease_server::Lease for Leases {
    async fn lease_grant(
        &self,
        request: Request<LeaseGrantRequest>,
    ) -> Result<Response<LeaseGrantResponse>, Status> {
        let guest = self.gate.admit(request.metadata(), Asks::Voters).await?;
        let LeaseGrantRequest { ttl, id } = request.into_inner();
        let grant = Command::LeaseGrant { lease: LeaseId(id), ttl_s: ttl_s(ttl)? };
        match guest.write(grant).await? {
            Outcome::LeaseGranted { revision, lease, ttl_s } => {
                let header = Some(guest.header(revision));
                let (id, ttl) = (lease.0, number(ttl_s));
                Ok(Response::new(LeaseGrantResponse { header, id, ttl, error: String::new() }))
            }
            other => panic!("a grant came to {other:?}"),
        }
    }

    async fn lease_revoke(
        &self,
        request: Request<LeaseRevokeRequest>,
    ) -> Result<Response<LeaseRevokeResponse>, Status> {
        let guest = self.gate.admit(request.metadata(), Asks::Voters).await?;
        let lease = LeaseId(request.into_inner().id);
        match guest.write(Command::LeaseRevoke { lease }).await? {
            Outcome::LeaseRevoked { revision, .. } => {
                let header = Some(guest.header(revision));
                Ok(Response::new(LeaseRevokeResponse { header }))
            }
            other => panic!("a revocation came to {other:?}"),
        }
    }

    type LeaseKeepAliveStream = ReceiverStream<Result<LeaseKeepAliveResponse, Status>>;

    async fn lease_keep_alive(
        &self,
        request: Request<Streaming<LeaseKeepAliveRequest>>,
    ) -> Result<Response<Self::LeaseKeepAliveStream>, Status> {
        let (metadata, _, requests) = request.into_parts();
        self.keep_alive(&metadata, requests).await.map(Response::new)
    }

    async fn lease_time_to_live(
        &self,
        request: Request<LeaseTimeToLiveRequest>,
    ) -> Result<Response<LeaseTimeToLiveResponse>, Status> {
        let guest = self.gate.admit(request.metadata(), Asks::Voters).await?;
        let LeaseTimeToLiveRequest { id, keys } = request.into_inner();
        let standing = guest.lease(LeaseId(id), LeaseAsk::TimeToLive).await?;
        let header = Some(guest.header_now());
        let gone = LeaseTimeToLiveResponse { header, id, ttl: -1, ..Default::default() };
        let Some(standing) = standing else { return Ok(Response::new(gone)) };
        // The store here is as new as the leader's word; newer perhaps, and then it may be gone.
        let found = guest.reader(Need::Known)?.lease(LeaseId(id));
        let found = found.filter(|lease| lease.grant().index == standing.granted_index);
        let Some(found) = found else { return Ok(Response::new(gone)) };
        if keys {
            guest.permit(Need::KeysOf(&found)).await?;
        }
        let (ttl, granted_ttl) = (number(standing.left_ms / 1_000), number(standing.ttl_s));
        let all = move || Ok::<_, Refusal>(found.keys().cloned().collect());
        Ok(Response::new(LeaseTimeToLiveResponse {
            ttl,
            granted_ttl,
            keys: if keys { on_own_thread(all).await? } else { Vec::new() },
            ..gone
        }))
    }

    async fn lease_leases(
        &self,
        request: Request<LeaseLeasesRequest>,
    ) -> Result<Response<LeaseLeasesResponse>, Status> {
        let guest = self.gate.admit(request.metadata(), Asks::Voters).await?;
        let reader = guest.fresh(Need::Known, false).await?.clone();
        let leases = on_own_thread(move || {
            let leases = reader.leases(None, usize::MAX);
            Ok::<_, Refusal>(leases.iter().map(|lease| LeaseStatus { id: lease.id().0 }).collect())
        });
        let leases = leases.await?;
        let header = Some(guest.header_now());
        Ok(Response::new(LeaseLeasesResponse { header, leases }))
    }
}

/// What is below the least time to live is raised to it; what was never meant is no time.
fn ttl_s(ttl: i64) -> Result<u64, Refusal> {
    let ttl_s = u64::try_from(ttl).unwrap_or(0).max(LEASE_TTL_S_MIN);
    if ttl_s > TTL_S_MAX { Err(Refusal::LeaseTtlTooLarge) } else { Ok(ttl_s) }
}

/// Answers a stream of keep-alives one by one, in their order.
async fn keep_alive(
    guest: Guest,
    mut requests: impl Stream<Item = Result<LeaseKeepAliveRequest, Status>> + Unpin,
    sender: mpsc::Sender<Result<LeaseKeepAliveResponse, Status>>,
) {
    while let Some(request) = requests.next().await {
        let id = match request {
            Ok(request) => request.id,
            Err(status) => {
                // If this fails the client has gone.
                let _ = sender.send(Err(status)).await;
                return;
            }
        };
        // Before the renewal: whoever holds the lease sees nothing newer than what it rests on.
        let header = Some(guest.header_now());
        let answer = match guest.lease(LeaseId(id), LeaseAsk::KeepAlive).await {
            // A lease that is gone has no time left; that is no error.
            Ok(standing) => {
                let ttl = standing.map_or(0, |standing| number(standing.ttl_s));
                Ok(LeaseKeepAliveResponse { header, id, ttl })
            }
            Err(refusal) => Err(refusal.into()),
        };
        let failed = answer.is_err();
        if sender.send(answer).await.is_err() || failed {
            return;
        }
    }
}
