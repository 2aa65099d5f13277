//! `raftkv.v1.KV`: get, set, delete.

use std::sync::Arc;

use proto::raftkv::{
    DeleteRequest, DeleteResponse, GetRequest, GetResponse, SetRequest, SetResponse, kv_server,
};
use replica::Failure;
use store::{Command, KeyRange, Need, Outcome, Put, PutLifetime};
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Request, Response, Status};

use super::gate::{Asks, Gate, REQUEST_TIMEOUT, may_forward};
use super::refusal::Refusal;
use crate::access::NotDone;
use crate::node::WriteOptions;

/// Says who leads, as `host:port`, with a refusal to hand a write on.
const LEADER: &str = "raftkv-leader";

/// The service.
pub(super) struct Plain {
    gate: Arc<Gate>,
}

impl Plain {
    pub(super) fn new(gate: Arc<Gate>) -> Plain {
        Plain { gate }
    }

    async fn write(&self, metadata: &MetadataMap, command: Command) -> Result<Outcome, Status> {
        let guest = self.gate.admit(metadata, Asks::Voters).await?;
        let options = WriteOptions { timeout: REQUEST_TIMEOUT, forward: may_forward(metadata) };
        match guest.write_with(command, options).await {
            Ok(outcome) => Ok(outcome?),
            Err(NotDone::Failed(Failure::NotLeader { leader })) => Err(self.not_leader(leader)),
            Err(not_done) => Err(Refusal::from(not_done).into()),
        }
    }

    fn not_leader(&self, leader: Option<raft::MemberId>) -> Status {
        let mut refusal = Status::from(Refusal::NotLeader);
        let status = self.gate.node().status();
        let leader = leader.and_then(|leader| status.member(leader));
        let address =
            leader.and_then(|leader| MetadataValue::try_from(leader.client_address()).ok());
        if let Some(address) = address {
            refusal.metadata_mut().insert(LEADER, address);
        }
        refusal
    }
}

#[tonic::async_trait]
impl kv_server::Kv for Plain {
    async fn get(&self, request: Request<GetRequest>) -> Result<Response<GetResponse>, Status> {
        let guest = self.gate.admit(request.metadata(), Asks::Voters).await?;
        let key = request.into_inner().key;
        if key.is_empty() {
            return Err(Refusal::EmptyKey.into());
        }
        let range = KeyRange::Single(key.clone());
        let reader = guest.fresh(Need::Read(&range), false).await?;
        let (found, revision) = reader.get(&key, None).map_err(Refusal::from)?;
        let found = found.ok_or_else(|| Status::not_found("there is no such key"))?;
        Ok(Response::new(GetResponse {
            value: found.value,
            version: found.version,
            create_revision: found.create_revision.0,
            mod_revision: found.mod_revision.0,
            revision: revision.0,
        }))
    }

    async fn set(&self, request: Request<SetRequest>) -> Result<Response<SetResponse>, Status> {
        let (metadata, _, SetRequest { key, value, ttl_ms }) = request.into_parts();
        let lifetime = match ttl_ms {
            0 => PutLifetime::Unbounded,
            ttl_ms => PutLifetime::TtlMs(ttl_ms),
        };
        let put = Put { lifetime, ..Put::new(key, value) };
        match self.write(&metadata, put.into()).await? {
            Outcome::Put { revision, .. } => {
                Ok(Response::new(SetResponse { revision: revision.0 }))
            }
            other => panic!("a put came to {other:?}"),
        }
    }

    async fn delete(
        &self,
        request: Request<DeleteRequest>,
    ) -> Result<Response<DeleteResponse>, Status> {
        let (metadata, _, DeleteRequest { key }) = request.into_parts();
        let range = KeyRange::Single(key);
        let delete = Command::Delete { range, prev_kv: false, condition: None };
        match self.write(&metadata, delete).await? {
            Outcome::Deleted { revision, count, .. } => {
                Ok(Response::new(DeleteResponse { deleted: count > 0, revision: revision.0 }))
            }
            other => panic!("a delete came to {other:?}"),
        }
    }
}
