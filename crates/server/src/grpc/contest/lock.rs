//! `v3lockpb.Lock`.

use std::sync::Arc;

use bytes::Bytes;
use proto::etcd::v3lockpb::{
    LockRequest, LockResponse, UnlockRequest, UnlockResponse, lock_server,
};
use store::{Command, KeyRange, Outcome};
use tonic::{Request, Response, Status};

use super::session::Session;
use super::{plain, queue};
use crate::grpc::gate::{Asks, Gate};
use crate::grpc::refusal::Refusal;

/// The service.
pub(in crate::grpc) struct Locks {
    gate: Arc<Gate>,
}

impl Locks {
    pub(in crate::grpc) fn new(gate: Arc<Gate>) -> Locks {
        Locks { gate }
    }
}

#[tonic::async_trait]
impl lock_server::Lock for Locks {
    async fn lock(&self, request: Request<LockRequest>) -> Result<Response<LockResponse>, Status> {
        let guest = self.gate.admit(request.metadata(), Asks::Voters).await?;
        let LockRequest { name, lease } = request.into_inner();
        let session = Session::of(&guest, lease).await.map_err(plain)?;
        let entered = queue::enter(&guest, &name, &session, Bytes::new()).await;
        let waiting = entered.map_err(plain)?.waiting;
        let header = session.alive(&guest, waiting.turn(&name)).await?;
        let key = waiting.keep().key;
        Ok(Response::new(LockResponse { header: Some(header), key }))
    }

    async fn unlock(
        &self,
        request: Request<UnlockRequest>,
    ) -> Result<Response<UnlockResponse>, Status> {
        let guest = self.gate.admit(request.metadata(), Asks::Voters).await?;
        let key = request.into_inner().key;
        if key.is_empty() {
            return Err(plain(Refusal::EmptyKey));
        }
        let range = KeyRange::Single(key);
        match guest.write(Command::Delete { range, prev_kv: false, condition: None }).await? {
            Outcome::Deleted { revision, .. } => {
                Ok(Response::new(UnlockResponse { header: Some(guest.header(revision)) }))
            }
            other => panic!("a delete came to {other:?}"),
        }
    }
}
