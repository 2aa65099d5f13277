//! `v3electionpb.Election`.

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use proto::etcd::etcdserverpb::ResponseHeader;
use proto::etcd::v3electionpb::{
    CampaignRequest, CampaignResponse, LeaderKey, LeaderRequest, LeaderResponse, ProclaimRequest,
    ProclaimResponse, ResignRequest, ResignResponse, election_server,
};
use store::{
    Command, KeyRange, LeaseId, Limits, Need, Outcome, Put, PutLifetime, RangeRequest, Revision,
    Sort, SortBy, Txn, TxnOp,
};
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::observer::observe;
use super::plain;
use super::queue::{self, Entered, Place};
use super::session::Session;
use crate::grpc::gate::{Asks, Gate, Guest, needs_leader, number};
use crate::grpc::keys::shown;
use crate::grpc::range::range;
use crate::grpc::refusal::Refusal;

/// So many leaders wait for one who observes.
const RESPONSES_MAX: usize = 16;

/// The service.
pub(in crate::grpc) struct Elections {
    gate: Arc<Gate>,
}

impl Elections {
    pub(in crate::grpc) fn new(gate: Arc<Gate>) -> Elections {
        Elections { gate }
    }

    /// Does something if the place still is what it was; whether it was, and the header of that.
    async fn if_held(
        guest: &Guest,
        place: &Place,
        then: TxnOp,
    ) -> Result<(bool, ResponseHeader), Refusal> {
        let compares = vec![queue::holds(place)];
        let txn = Txn { compares, success: vec![then], failure: Vec::new() };
        match guest.write(Command::Txn(txn)).await? {
            Outcome::Txn(response) => Ok((response.succeeded, guest.header(response.revision))),
            other => panic!("a transaction came to {other:?}"),
        }
    }

    async fn proclaim(
        guest: &Guest,
        place: &Place,
        lease: LeaseId,
        value: Bytes,
    ) -> Result<ResponseHeader, Status> {
        let lifetime = PutLifetime::Lease(lease);
        let put = TxnOp::Put(Put { lifetime, ..Put::new(place.key.clone(), value) });
        match Elections::if_held(guest, place, put).await? {
            (true, header) => Ok(header),
            (false, _) => Err(Status::unknown("election: not leader")),
        }
    }
}

#[tonic::async_trait]
impl election_server::Election for Elections {
    async fn campaign(
        &self,
        request: Request<CampaignRequest>,
    ) -> Result<Response<CampaignResponse>, Status> {
        let guest = self.gate.admit(request.metadata(), Asks::Voters).await?;
        let CampaignRequest { name, lease, value } = request.into_inner();
        let session = Session::of(&guest, lease).await.map_err(plain)?;
        let entered = queue::enter(&guest, &name, &session, value.clone()).await;
        let Entered { waiting, value: found, revision } = entered.map_err(plain)?;
        if found != value {
            Elections::proclaim(&guest, waiting.place(), session.lease(), value).await?;
        }
        session.alive(&guest, waiting.turn(&name)).await?;
        let header = guest.header(revision);
        let Place { key, revision } = waiting.keep();
        let leader = LeaderKey { name, key, rev: number(revision.0), lease: session.lease().0 };
        Ok(Response::new(CampaignResponse { header: Some(header), leader: Some(leader) }))
    }

    async fn proclaim(
        &self,
        request: Request<ProclaimRequest>,
    ) -> Result<Response<ProclaimResponse>, Status> {
        let guest = self.gate.admit(request.metadata(), Asks::Voters).await?;
        let ProclaimRequest { leader, value } = request.into_inner();
        let leader = leader.ok_or_else(no_leader_key)?;
        let lease = LeaseId(leader.lease);
        let header = Elections::proclaim(&guest, &place_of(leader)?, lease, value).await?;
        Ok(Response::new(ProclaimResponse { header: Some(header) }))
    }

    async fn leader(
        &self,
        request: Request<LeaderRequest>,
    ) -> Result<Response<LeaderResponse>, Status> {
        let guest = self.gate.admit(request.metadata(), Asks::Voters).await?;
        guest.catch_up().await?;
        match first(&guest, &request.get_ref().name).await? {
            (Some(response), _) => Ok(Response::new(response)),
            (None, _) => Err(Status::unknown("election: no leader")),
        }
    }

    type ObserveStream = Pin<Box<dyn Stream<Item = Result<LeaderResponse, Status>> + Send>>;

    async fn observe(
        &self,
        request: Request<LeaderRequest>,
    ) -> Result<Response<Self::ObserveStream>, Status> {
        let guest = self.gate.admit(request.metadata(), Asks::Voters).await?;
        let needs_leader = needs_leader(request.metadata());
        let name = checked(request.into_inner().name)?;
        let (sender, responses) = mpsc::channel(RESPONSES_MAX);
        tokio::spawn(observe(guest, (name, needs_leader), sender));
        Ok(Response::new(Box::pin(ReceiverStream::new(responses))))
    }

    async fn resign(
        &self,
        request: Request<ResignRequest>,
    ) -> Result<Response<ResignResponse>, Status> {
        let guest = self.gate.admit(request.metadata(), Asks::Voters).await?;
        let leader = request.into_inner().leader.ok_or_else(no_leader_key)?;
        let place = place_of(leader)?;
        let range = KeyRange::Single(place.key.clone());
        // Who does not lead any more has nothing to give up, and that is no error.
        let (_, header) =
            Elections::if_held(&guest, &place, TxnOp::Delete { range, prev_kv: false }).await?;
        Ok(Response::new(ResignResponse { header: Some(header) }))
    }
}

/// A name is the beginning of a key, and no longer than one.
fn checked(name: Bytes) -> Result<Bytes, Refusal> {
    let fits = name.len() <= Limits::default().key_bytes_max;
    if fits { Ok(name) } else { Err(Refusal::RequestTooLarge) }
}

fn no_leader_key() -> Status {
    Status::unknown("\"leader\" field must be provided")
}

fn place_of(leader: LeaderKey) -> Result<Place, Refusal> {
    if leader.key.is_empty() {
        return Err(Refusal::EmptyKey);
    }
    // A revision that never was is held by nobody.
    let revision = u64::try_from(leader.rev).unwrap_or(u64::MAX);
    Ok(Place { key: leader.key, revision: Revision(revision) })
}

/// Who comes first in the queue, if anybody is in it, as of which revision.
pub(super) async fn first(
    guest: &Guest,
    name: &[u8],
) -> Result<(Option<LeaderResponse>, Revision), Refusal> {
    let queue = KeyRange::Prefix(queue::prefix(name));
    let reader = guest.reader(Need::Read(&queue))?;
    let asked = RangeRequest {
        limit: Some(1),
        sort: Sort { by: SortBy::CreateRevision, descending: false },
        ..RangeRequest::new(queue.clone())
    };
    let found = range(reader, asked).await?;
    let header = guest.header(found.revision);
    let leader = found
        .items
        .into_iter()
        .next()
        .map(|leader| LeaderResponse { header: Some(header), kv: Some(shown(leader)) });
    Ok((leader, found.revision))
}
