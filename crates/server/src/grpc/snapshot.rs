//! `Maintenance.Snapshot`: the bytes of a backup, in the wrapping that etcd's clients check.
//!
//! ```text
//! a backup (docs/format/snapshot.md) │ zeros │ its length, 8 bytes │ SHA-256 of all before
//! └──────────────── a multiple of 512 bytes ─────────────────────┘
//! ```
//!
//! `etcdctl snapshot save` writes down what it is sent and sees that the length is right;
//! `raftkv snapshot status` and `restore` read the file.

use proto::etcd::etcdserverpb::SnapshotResponse;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;
use tonic::Status;

use super::maintenance::API_VERSION;
use crate::node::Piece;

/// So many bytes go into one message, at most.
const BLOB_BYTES_MAX: usize = 32 << 10;

/// What is before the digest has a multiple of so many bytes.
const PAGE_BYTES: u64 = 512;

/// The length of the backup takes so many.
const LENGTH_BYTES: u64 = 8;

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

/// What comes after a backup of so many bytes, before the digest.
fn ending(bytes: u64) -> Vec<u8> {
    let whole = (bytes + LENGTH_BYTES).next_multiple_of(PAGE_BYTES);
    let zeros = usize::try_from(whole - LENGTH_BYTES - bytes).expect("less than a page");
    let mut ending = vec![0; zeros];
    ending.extend_from_slice(&bytes.to_be_bytes());
    ending
}

fn response(blob: bytes::Bytes) -> SnapshotResponse {
    SnapshotResponse { header: None, remaining_bytes: 0, blob, version: API_VERSION.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_ends_on_a_page_and_says_what_it_was() {
        for bytes in [1, 503, 504, 505, 512, 513, 1 << 20] {
            let ending = ending(bytes);
            assert_eq!((bytes + ending.len() as u64) % PAGE_BYTES, 0, "{bytes}");
            assert_eq!(ending[ending.len() - 8..], bytes.to_be_bytes(), "{bytes}");
        }
    }
}
