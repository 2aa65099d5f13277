//! The state of one moment as the bytes of a snapshot's file, for whoever wants to keep it.

use bytes::Bytes;
use raft::{LogId, SnapshotPoint};
use store::{Capture, Published};
use wal::snapshot::SnapshotEncoder;

use super::PIECE_BYTES;
use super::files::meta_of;

/// A snapshot on its way to a client. It holds the state of its moment; what is written meanwhile
/// goes on beside it. May be moved to another thread.
#[derive(Debug)]
pub struct Backup {
    last: LogId,
    state: Published,
    stage: Stage,
    capture: Capture,
}

#[derive(Debug)]
enum Stage {
    Header(SnapshotEncoder, Bytes),
    Content(SnapshotEncoder),
    Over,
}

impl Backup {
    /// The backup of the state in `capture`, which is the one after `point`.
    pub fn new(point: &SnapshotPoint, cluster_id: u128, capture: Capture) -> Backup {
        let (encoder, header) = SnapshotEncoder::begin(&meta_of(point, cluster_id));
        let (last, state) = (point.last, capture.state());
        Backup { last, state, stage: Stage::Header(encoder, header.into()), capture }
    }

    /// The last entry that it stands for.
    pub fn last(&self) -> LogId {
        self.last
    }

    /// The state in numbers.
    pub fn state(&self) -> &Published {
        &self.state
    }

    /// The next bytes of the file, a quarter of a MiB or so; `None` after the last.
    pub fn next_piece(&mut self) -> Option<Bytes> {
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Header(encoder, header) => {
                self.stage = Stage::Content(encoder);
                Some(header)
            }
            Stage::Content(mut encoder) => Some(match self.capture.next_chunk(PIECE_BYTES) {
                Some(content) => {
                    let bytes = encoder.chunk(&content);
                    self.stage = Stage::Content(encoder);
                    bytes.into()
                }
                None => encoder.end().into(),
            }),
            Stage::Over => None,
        }
    }
}
