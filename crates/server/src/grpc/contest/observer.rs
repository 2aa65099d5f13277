//! Who leads, again and again.

use bytes::Bytes;
use proto::etcd::v3electionpb::LeaderResponse;
use replica::WatchRequest;
use store::KeyRange;
use tokio::sync::mpsc;
use tonic::Status;

use super::election::first;
use super::queue::{changed, prefix};
use crate::grpc::gate::Guest;
use crate::grpc::refusal::Refusal;

/// Tells of each leader, and of all that it proclaims, until the client has gone.
pub(super) async fn observe(
    guest: Guest,
    (name, needs_leader): (Bytes, bool),
    sender: mpsc::Sender<Result<LeaderResponse, Status>>,
) {
    tokio::select! {
        () = sender.closed() => {}
        Err(refusal) = tell(&guest, (&name, needs_leader), &sender) => {
            // If this fails the client has gone.
            let _ = sender.send(Err(refusal.into())).await;
        }
    }
}

/// The client has gone, if it ends well.
async fn tell(
    guest: &Guest,
    (name, needs_leader): (&[u8], bool),
    sender: &mpsc::Sender<Result<LeaderResponse, Status>>,
) -> Result<(), Refusal> {
    guest.catch_up().await?;
    let mut told = None;
    loop {
        let (leader, seen_at) = first(guest, name).await?;
        if let Some(leader) = leader {
            let mod_revision = leader.kv.as_ref().map(|key_value| key_value.mod_revision);
            if told != mod_revision {
                told = mod_revision;
                if sender.send(Ok(leader)).await.is_err() {
                    return Ok(());
                }
            }
        }
        let range = KeyRange::Prefix(prefix(name));
        let asked = WatchRequest { needs_leader, ..WatchRequest::new(range) };
        changed(guest, asked, seen_at).await?;
    }
}
