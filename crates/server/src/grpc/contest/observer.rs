//! Who leads, again and again.

use std::sync::Arc;

use bytes::Bytes;
use proto::etcd::v3electionpb::LeaderResponse;
use replica::WatchRequest;
use store::KeyRange;
use tokio::sync::mpsc;
use tonic::Status;

use super::election::first;
use super::queue::prefix;
use crate::grpc::gate::Gate;
use crate::grpc::refusal::Refusal;
use crate::watch::{ConnectionWatches, News, Notices, QUIET_DEFAULT};

/// Tells of each leader, and of all that it proclaims, until the client has gone.
pub(super) async fn observe(
    gate: Arc<Gate>,
    name: Bytes,
    sender: mpsc::Sender<Result<LeaderResponse, Status>>,
) {
    tokio::select! {
        () = sender.closed() => {}
        Err(refusal) = tell(&gate, &name, &sender) => {
            // If this fails the client has gone.
            let _ = sender.send(Err(refusal.into())).await;
        }
    }
}

/// The client has gone, if it ends well.
async fn tell(
    gate: &Gate,
    name: &[u8],
    sender: &mpsc::Sender<Result<LeaderResponse, Status>>,
) -> Result<(), Refusal> {
    gate.ready_to_read(false).await?;
    let mut told = None;
    loop {
        let (leader, seen_at) = first(gate, name)?;
        if let Some(leader) = leader {
            let mod_revision = leader.kv.as_ref().map(|key_value| key_value.mod_revision);
            if told != mod_revision {
                told = mod_revision;
                if sender.send(Ok(leader)).await.is_err() {
                    return Ok(());
                }
            }
        }
        changed(gate, name, seen_at).await?;
    }
}

/// Waits until something happened in the queue after a revision.
async fn changed(gate: &Gate, name: &[u8], seen_at: store::Revision) -> Result<(), Refusal> {
    let mut asked = WatchRequest::new(KeyRange::Prefix(prefix(name)));
    asked.from = Some(seen_at.next());
    let notices = Notices { quiet: QUIET_DEFAULT, progress: false };
    let opened = gate.node().watches().open(&asked, &ConnectionWatches::default(), notices);
    let mut subscription = opened.map_err(|_| Refusal::TooManyRequests)?;
    loop {
        match subscription.next().await {
            // Where the past is gone another look tells what is there now.
            Ok(News::Batch(_)) | Err(replica::WatchEnd::Compacted { .. }) => return Ok(()),
            Ok(News::Progress(_) | News::Quiet) => {}
            Err(replica::WatchEnd::Unserved(_)) => return Err(Refusal::Stopped),
        }
    }
}
