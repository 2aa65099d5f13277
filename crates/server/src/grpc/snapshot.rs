//! `Maintenance.Snapshot`: the bytes of a backup, in the wrapping that etcd's clients check
//! (`wrapping.rs`).
//!
//! `etcdctl snapshot save` writes down what it is sent and sees that the length is right;
//! `raftkv snapshot status` and `restore` read the file.

use proto::etcd::etcdserverpb::SnapshotResponse;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;
use tonic::Status;

use super::maintenance::API_VERSION;
use crate::node::Piece;
use crate::wrapping::ending;

/// So many bytes go into one message, at most.
const BLOB_BYTES_MAX: usize = 32 << 10;

/// Sends a backup on, piece by piece, and what ends it.
pub(super) async fn wrap(
    mut pieces: mpsc::Receiver<Piece>,
    sender: mpsc::Sender<Result<SnapshotResponse, Status>>,
) {
    let (mut digest, mut bytes) = (Sha256::new(), 0);
    loop {
        let (piece, is_last) = match pieces.recv().await {
            Some(Piece::Bytes(piece)) => (piece, false),
            Some(Piece::End) => (ending(bytes).into(), true),
            None => {
                // If this fails the client has gone.
                let _ = sender.send(Err(Status::aborted("the snapshot was cut off"))).await;
                return;
            }
        };
        digest.update(&piece);
        bytes += piece.len() as u64;
        let mut left = piece;
        while !left.is_empty() {
            let blob = left.split_to(left.len().min(BLOB_BYTES_MAX));
            if sender.send(Ok(response(blob))).await.is_err() {
                return;
            }
        }
        if is_last {
            let _ = sender.send(Ok(response(digest.finalize().to_vec().into()))).await;
            return;
        }
    }
}

fn response(blob: bytes::Bytes) -> SnapshotResponse {
    SnapshotResponse { header: None, remaining_bytes: 0, blob, version: API_VERSION.to_owned() }
}
