//! Messages about snapshots to bytes and back (docs/format/peer.md, section 6): one in each frame.

use bytes::{Bytes, BytesMut};
use prost::Message as _;
use proto::peer as wire;
use raft::Term;
use replica::{SNAPSHOT_CHUNK_BYTES_MAX, SnapshotId, SnapshotMessage, SnapshotOutcome};
use wire::snapshot_message::Body;

use super::codec::{log_id, number, read_log_id};
use super::frame::put_frame;
use super::malformed::Malformed;

/// Appends a frame with `message`.
pub(super) fn put_snapshot_message(buffer: &mut BytesMut, message: SnapshotMessage) {
    let message = wire::SnapshotMessage { body: Some(to_wire(message)) };
    put_frame(buffer, |body| message.encode_raw(body));
}

fn to_wire(message: SnapshotMessage) -> Body {
    match message {
        SnapshotMessage::Offer { term, id, bytes_total } => {
            let (term, id) = (term.0, snapshot_id(id));
            Body::Offer(wire::SnapshotOffer { term, id, bytes_total })
        }
        SnapshotMessage::Next { id, offset } => {
            Body::Next(wire::SnapshotNext { id: snapshot_id(id), offset })
        }
        SnapshotMessage::Chunk { id, offset, bytes } => {
            Body::Chunk(wire::SnapshotChunk { id: snapshot_id(id), offset, bytes })
        }
        SnapshotMessage::Done { id, outcome } => {
            let taken = outcome == SnapshotOutcome::Taken;
            Body::Done(wire::SnapshotDone { id: snapshot_id(id), taken })
        }
        SnapshotMessage::Want { term, at_least } => {
            Body::Want(wire::SnapshotWant { term: term.0, at_least: log_id(at_least) })
        }
    }
}

fn snapshot_id(SnapshotId { last, life }: SnapshotId) -> Option<wire::SnapshotId> {
    Some(wire::SnapshotId { last: log_id(last), life })
}

/// Reads the message in a frame's body; an empty one is a keep-alive.
pub(super) fn read_snapshot_message(body: Bytes) -> Result<Option<SnapshotMessage>, Malformed> {
    if body.is_empty() {
        return Ok(None);
    }
    let message = wire::SnapshotMessage::decode(body).map_err(|_| Malformed::Protobuf)?;
    Ok(Some(match message.body.ok_or(Malformed::NoBody)? {
        Body::Offer(wire::SnapshotOffer { term, id, bytes_total }) => SnapshotMessage::Offer {
            term: Term(number(term)?),
            id: read_snapshot_id(id)?,
            bytes_total: number(bytes_total)?,
        },
        Body::Next(wire::SnapshotNext { id, offset }) => {
            SnapshotMessage::Next { id: read_snapshot_id(id)?, offset: number(offset)? }
        }
        Body::Chunk(wire::SnapshotChunk { id, offset, bytes }) => {
            if bytes.is_empty() || bytes.len() > SNAPSHOT_CHUNK_BYTES_MAX {
                return Err(Malformed::SnapshotChunk(bytes.len()));
            }
            SnapshotMessage::Chunk { id: read_snapshot_id(id)?, offset: number(offset)?, bytes }
        }
        Body::Done(wire::SnapshotDone { id, taken }) => {
            let outcome = if taken { SnapshotOutcome::Taken } else { SnapshotOutcome::Failed };
            SnapshotMessage::Done { id: read_snapshot_id(id)?, outcome }
        }
        Body::Want(wire::SnapshotWant { term, at_least }) => {
            SnapshotMessage::Want { term: Term(number(term)?), at_least: read_log_id(at_least)? }
        }
    }))
}

fn read_snapshot_id(id: Option<wire::SnapshotId>) -> Result<SnapshotId, Malformed> {
    let wire::SnapshotId { last, life } = id.ok_or(Malformed::NoSnapshotId)?;
    Ok(SnapshotId { last: read_log_id(last)?, life })
}

#[cfg(test)]
mod tests {
    use raft::{Index, LogId};

    use super::*;
    use crate::peer::frame::{FRAME_BYTES_MAX, take_frame};

    fn read(bytes: &[u8]) -> Result<Option<SnapshotMessage>, Malformed> {
        let body = take_frame(&mut BytesMut::from(bytes), FRAME_BYTES_MAX).unwrap();
        read_snapshot_message(body.unwrap())
    }

    fn framed(message: SnapshotMessage) -> BytesMut {
        let mut buffer = BytesMut::new();
        put_snapshot_message(&mut buffer, message);
        buffer
    }

    #[test]
    fn every_message_is_read_back_as_written() {
        let last = LogId::new(Term(3), Index(70));
        let (term, id) = (Term(4), SnapshotId { last, life: u64::MAX });
        let bytes = Bytes::from(vec![7; SNAPSHOT_CHUNK_BYTES_MAX]);
        for message in [
            SnapshotMessage::Offer { term, id, bytes_total: 1 << 30 },
            SnapshotMessage::Next { id, offset: 9 },
            SnapshotMessage::Chunk { id, offset: 0, bytes },
            SnapshotMessage::Done { id, outcome: SnapshotOutcome::Taken },
            SnapshotMessage::Done { id, outcome: SnapshotOutcome::Failed },
            SnapshotMessage::Want { term, at_least: last },
        ] {
            assert_eq!(read(&framed(message.clone())), Ok(Some(message)));
        }
    }

    #[test]
    fn what_breaks_a_rule_is_refused_by_name() {
        let id = SnapshotId { last: LogId::new(Term(3), Index(70)), life: 1 };
        let chunk = |bytes| framed(SnapshotMessage::Chunk { id, offset: 0, bytes });
        assert_eq!(read(&chunk(Bytes::new())), Err(Malformed::SnapshotChunk(0)));
        let long = SNAPSHOT_CHUNK_BYTES_MAX + 1;
        let refused = Err(Malformed::SnapshotChunk(long));
        assert_eq!(read(&chunk(Bytes::from(vec![0; long]))), refused);
        let far = framed(SnapshotMessage::Next { id, offset: u64::MAX });
        assert_eq!(read(&far), Err(Malformed::NumberTooLarge));
        let half = SnapshotId { last: LogId::new(Term(0), Index(70)), life: 1 };
        assert_eq!(
            read(&framed(SnapshotMessage::Next { id: half, offset: 0 })),
            Err(Malformed::LogId)
        );
        assert_eq!(read_snapshot_message(Bytes::from_static(&[0xff])), Err(Malformed::Protobuf));
        let mut nothing = BytesMut::new();
        put_frame(&mut nothing, |_| {});
        assert_eq!(read(&nothing), Ok(None), "a keep-alive");
    }
}
