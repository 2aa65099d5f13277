//! In: a stream of chunks, into a store.

use bytes::{Buf, Bytes, BytesMut};
use xxhash_rust::xxh3::Xxh3;

use super::builder::Builder;
use super::wire::{Kind, Record};
use super::{LENGTH_BYTES, RECORD_BYTES_MAX, SnapshotError};
use crate::apply::Store;

/// A store in the making. Chunks go in by [`Restore::chunk`], in the order in which
/// [`crate::Capture::next_chunk`] gave them and cut in any way; [`Restore::finish`] answers the
/// store, if the stream was whole and sound.
pub struct Restore {
    /// The bytes of a record that is not complete yet.
    buffer: BytesMut,
    digest: Box<Xxh3>,
    /// There from the head on.
    builder: Option<Box<Builder>>,
    ended: bool,
    failed: Option<SnapshotError>,
}

impl Default for Restore {
    fn default() -> Restore {
        Restore::new()
    }
}

impl Restore {
    /// Nothing read yet.
    pub fn new() -> Restore {
        Restore {
            buffer: BytesMut::new(),
            digest: Box::default(),
            builder: None,
            ended: false,
            failed: None,
        }
    }

    /// Takes the next piece of the stream. An error is final: the same comes back from then on.
    pub fn chunk(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        if let Some(failed) = self.failed {
            return Err(failed);
        }
        self.buffer.extend_from_slice(bytes);
        let read = self.read_records();
        self.failed = read.err();
        read
    }

    /// The store, after the last chunk: its state hash is the one that was captured.
    pub fn finish(self) -> Result<Store, SnapshotError> {
        if let Some(failed) = self.failed {
            return Err(failed);
        }
        let whole = self.ended && self.buffer.is_empty();
        let builder = self.builder.filter(|_| whole).ok_or(SnapshotError::Unfinished)?;
        builder.into_store()
    }

    fn read_records(&mut self) -> Result<(), SnapshotError> {
        while let Some(mut frame) = self.next_frame()? {
            if self.ended {
                return Err(SnapshotError::OutOfOrder { rule: "nothing follows the end" });
            }
            let whole = frame.clone();
            frame.advance(LENGTH_BYTES);
            let record = Record::read(frame)?;
            if !matches!(record, Kind::End(_)) {
                self.digest.update(&whole);
            }
            self.read_record(record)?;
        }
        Ok(())
    }

    /// The next record with its length, if all of it is there.
    fn next_frame(&mut self) -> Result<Option<Bytes>, SnapshotError> {
        let Some(length) = self.buffer.first_chunk::<LENGTH_BYTES>() else { return Ok(None) };
        let bytes = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
        if bytes > RECORD_BYTES_MAX {
            return Err(SnapshotError::RecordTooLong { bytes });
        }
        let frame = LENGTH_BYTES + bytes;
        Ok((self.buffer.len() >= frame).then(|| self.buffer.split_to(frame).freeze()))
    }

    fn read_record(&mut self, record: Kind) -> Result<(), SnapshotError> {
        match (&mut self.builder, record) {
            (None, Kind::Head(head)) => self.builder = Some(Box::new(Builder::new(head)?)),
            (None, _) => return Err(SnapshotError::OutOfOrder { rule: "the head comes first" }),
            (Some(_), Kind::Head(_)) => {
                return Err(SnapshotError::OutOfOrder { rule: "there is one head" });
            }
            (Some(builder), Kind::User(user)) => builder.read_user(user)?,
            (Some(builder), Kind::Role(role)) => builder.read_role(role)?,
            (Some(builder), Kind::Login(login)) => builder.read_login(login)?,
            (Some(builder), Kind::Lease(lease)) => builder.read_lease(lease)?,
            (Some(builder), Kind::Key(key)) => builder.read_key(key)?,
            (Some(builder), Kind::Events(events)) => builder.read_events(events)?,
            (Some(builder), Kind::Session(session)) => builder.read_session(session)?,
            (Some(builder), Kind::OnceKey(once_key)) => builder.read_once_key(once_key)?,
            (Some(builder), Kind::End(end)) => {
                builder.end(end, self.digest.digest())?;
                self.ended = true;
            }
        }
        Ok(())
    }
}
