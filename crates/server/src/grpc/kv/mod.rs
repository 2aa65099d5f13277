//! `etcdserverpb.KV`: reads, writes, transactions, compaction.
//!
//! A range of many keys is read on a thread for such work, so that no other request waits for it.
//! A transaction that only reads takes no place in the log, as in etcd.

mod answer;
mod request;

use std::pin::Pin;
use std::sync::Arc;

use proto::etcd::etcdserverpb::{
    CompactionRequest, CompactionResponse, DeleteRangeRequest, DeleteRangeResponse, PutRequest,
    PutResponse, RangeRequest, RangeResponse, RangeStreamResponse, TxnRequest, TxnResponse,
    kv_server,
};
use store::{Command, CompactionCause, Limits, Outcome, Revision};
use tokio_stream::Stream;
use tonic::{Request, Response, Status};

use super::gate::{Asks, Gate, on_own_thread};
use super::range::range;
use super::refusal::Refusal;

/// The service.
pub(super) struct Kv {
    gate: Arc<Gate>,
}

impl Kv {
    pub(super) fn new(gate: Arc<Gate>) -> Kv {
        Kv { gate }
    }

    async fn txn(&self, request: Request<TxnRequest>) -> Result<TxnResponse, Refusal> {
        let gate = &self.gate;
        gate.admit(request.metadata(), Asks::Voters)?;
        let request = request.into_inner();
        let serializable = request::is_serializable(&request);
        let txn = request::txn(request)?;
        let response = if txn.is_read_only() {
            txn.validate(&Limits::default())?;
            gate.ready_to_read(serializable).await?;
            let reader = gate.node().store().clone();
            on_own_thread(move || reader.txn(&txn)).await?
        } else {
            match gate.write(Command::Txn(txn)).await? {
                Outcome::Txn(response) => response,
                other => panic!("a transaction came to {other:?}"),
            }
        };
        let header = gate.header(response.revision);
        Ok(answer::txn(header, response))
    }
}

#[tonic::async_trait]
impl kv_server::Kv for Kv {
    async fn range(
        &self,
        request: Request<RangeRequest>,
    ) -> Result<Response<RangeResponse>, Status> {
        let gate = &self.gate;
        let serializable = request.get_ref().serializable;
        let asks = if serializable { Asks::Anybody } else { Asks::Voters };
        gate.admit(request.metadata(), asks)?;
        let asked = request::range(request.into_inner())?;
        gate.ready_to_read(serializable).await?;
        let found = range(gate.node().store(), asked).await?;
        // The header tells the newest revision, whichever one was read.
        let newest = gate.node().store().published().revision.max(found.revision);
        Ok(Response::new(answer::range(gate.header(newest), found)))
    }

    type RangeStreamStream =
        Pin<Box<dyn Stream<Item = Result<RangeStreamResponse, Status>> + Send>>;

    async fn range_stream(
        &self,
        _: Request<RangeRequest>,
    ) -> Result<Response<Self::RangeStreamStream>, Status> {
        // As older servers answer: clients then ask for the range as a whole.
        Err(Status::unimplemented("unknown method RangeStream for service etcdserverpb.KV"))
    }

    async fn put(&self, request: Request<PutRequest>) -> Result<Response<PutResponse>, Status> {
        self.gate.admit(request.metadata(), Asks::Voters)?;
        let put = request::put(request.into_inner())?;
        match self.gate.write(put.into()).await? {
            Outcome::Put { revision, prev } => {
                Ok(Response::new(answer::put(Some(self.gate.header(revision)), prev)))
            }
            other => panic!("a put came to {other:?}"),
        }
    }

    async fn delete_range(
        &self,
        request: Request<DeleteRangeRequest>,
    ) -> Result<Response<DeleteRangeResponse>, Status> {
        self.gate.admit(request.metadata(), Asks::Voters)?;
        let (range, prev_kv) = request::delete(request.into_inner())?;
        let delete = Command::Delete { range, prev_kv, condition: None };
        match self.gate.write(delete).await? {
            Outcome::Deleted { revision, count, prev } => {
                let header = Some(self.gate.header(revision));
                Ok(Response::new(answer::delete(header, count, prev)))
            }
            other => panic!("a delete came to {other:?}"),
        }
    }

    async fn txn(&self, request: Request<TxnRequest>) -> Result<Response<TxnResponse>, Status> {
        Ok(Response::new(Kv::txn(self, request).await?))
    }

    async fn compact(
        &self,
        request: Request<CompactionRequest>,
    ) -> Result<Response<CompactionResponse>, Status> {
        self.gate.admit(request.metadata(), Asks::Voters)?;
        let revision = request.get_ref().revision;
        // What is gone is removed in the background, and nothing reads it meanwhile: whoever wants
        // to wait for that (`physical`) waits for nothing.
        let revision = Revision(u64::try_from(revision).map_err(|_| Refusal::Compacted)?);
        if revision == Revision(0) {
            self.nothing_was_compacted().await?;
            return Ok(Response::new(CompactionResponse { header: Some(self.gate.header_now()) }));
        }
        let compact = Command::Compact { revision, cause: CompactionCause::Asked };
        match self.gate.write(compact).await? {
            Outcome::Compacted { revision, .. } => {
                Ok(Response::new(CompactionResponse { header: Some(self.gate.header(revision)) }))
            }
            other => panic!("a compaction came to {other:?}"),
        }
    }
}

impl Kv {
    /// A compaction up to revision 0 gives up nothing, and may be had as long as that is so.
    async fn nothing_was_compacted(&self) -> Result<(), Refusal> {
        self.gate.catch_up().await?;
        match self.gate.node().store().published().compact_revision {
            Revision(0) => Ok(()),
            _ => Err(Refusal::Compacted),
        }
    }
}
