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
use store::{Command, CompactionCause, Limits, Need, Outcome, Revision};
use tokio_stream::Stream;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

use super::gate::{Asks, Gate, Guest, on_own_thread};
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

    pub(super) async fn range_for(
        &self,
        metadata: &MetadataMap,
        request: RangeRequest,
    ) -> Result<RangeResponse, Status> {
        let serializable = request.serializable;
        let asks = if serializable { Asks::Anybody } else { Asks::Voters };
        let guest = self.gate.admit(metadata, asks).await?;
        let asked = request::range(request)?;
        let reader = guest.fresh(Need::Read(&asked.range), serializable).await?;
        let found = range(reader, asked.clone()).await?;
        // It may have taken its time: what was read is of a moment at which it was theirs to read.
        guest.reader(Need::Read(&asked.range))?;
        // The header tells the newest revision, whichever one was read.
        let newest = guest.published().revision.max(found.revision);
        Ok(answer::range(guest.header(newest), found))
    }

    pub(super) async fn put_for(
        &self,
        metadata: &MetadataMap,
        request: PutRequest,
    ) -> Result<PutResponse, Status> {
        let guest = self.gate.admit(metadata, Asks::Voters).await?;
        let put = request::put(request)?;
        match guest.write(put.into()).await? {
            Outcome::Put { revision, prev } => Ok(answer::put(Some(guest.header(revision)), prev)),
            other => panic!("a put came to {other:?}"),
        }
    }

    pub(super) async fn delete_range_for(
        &self,
        metadata: &MetadataMap,
        request: DeleteRangeRequest,
    ) -> Result<DeleteRangeResponse, Status> {
        let guest = self.gate.admit(metadata, Asks::Voters).await?;
        let (range, prev_kv) = request::delete(request)?;
        let delete = Command::Delete { range, prev_kv, condition: None };
        match guest.write(delete).await? {
            Outcome::Deleted { revision, count, prev } => {
                Ok(answer::delete(Some(guest.header(revision)), count, prev))
            }
            other => panic!("a delete came to {other:?}"),
        }
    }

    pub(super) async fn txn_for(
        &self,
        metadata: &MetadataMap,
        request: TxnRequest,
    ) -> Result<TxnResponse, Status> {
        let guest = self.gate.admit(metadata, Asks::Voters).await?;
        let serializable = request::is_serializable(&request);
        let txn = request::txn(request)?;
        let response = if txn.is_read_only() {
            txn.validate(&Limits::default()).map_err(Refusal::from)?;
            let reader = guest.fresh(Need::ReadTxn(&txn), serializable).await?.clone();
            on_own_thread(move || reader.txn(&txn)).await?
        } else {
            match guest.write(Command::Txn(txn)).await? {
                Outcome::Txn(response) => response,
                other => panic!("a transaction came to {other:?}"),
            }
        };
        let header = guest.header(response.revision);
        Ok(answer::txn(header, response))
    }
}

#[tonic::async_trait]
impl kv_server::Kv for Kv {
    async fn range(
        &self,
        request: Request<RangeRequest>,
    ) -> Result<Response<RangeResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        Ok(Response::new(self.range_for(&metadata, request).await?))
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
        let (metadata, _, request) = request.into_parts();
        Ok(Response::new(self.put_for(&metadata, request).await?))
    }

    async fn delete_range(
        &self,
        request: Request<DeleteRangeRequest>,
    ) -> Result<Response<DeleteRangeResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        Ok(Response::new(self.delete_range_for(&metadata, request).await?))
    }

    async fn txn(&self, request: Request<TxnRequest>) -> Result<Response<TxnResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        Ok(Response::new(self.txn_for(&metadata, request).await?))
    }

    async fn compact(
        &self,
        request: Request<CompactionRequest>,
    ) -> Result<Response<CompactionResponse>, Status> {
        let guest = self.gate.admit(request.metadata(), Asks::Voters).await?;
        let revision = request.get_ref().revision;
        // What is gone is removed in the background, and nothing reads it meanwhile: whoever wants
        // to wait for that (`physical`) waits for nothing.
        let revision = Revision(u64::try_from(revision).map_err(|_| Refusal::Compacted)?);
        if revision == Revision(0) {
            nothing_was_compacted(&guest).await?;
            return Ok(Response::new(CompactionResponse { header: Some(guest.header_now()) }));
        }
        let compact = Command::Compact { revision, cause: CompactionCause::Asked };
        match guest.write(compact).await? {
            Outcome::Compacted { revision, .. } => {
                Ok(Response::new(CompactionResponse { header: Some(guest.header(revision)) }))
            }
            other => panic!("a compaction came to {other:?}"),
        }
    }
}

/// A compaction up to revision 0 gives up nothing, and may be had as long as that is so.
async fn nothing_was_compacted(guest: &Guest) -> Result<(), Refusal> {
    guest.fresh(Need::Root, false).await?;
    match guest.published().compact_revision {
        Revision(0) => Ok(()),
        _ => Err(Refusal::Compacted),
    }
}
