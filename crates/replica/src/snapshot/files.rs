//! The worker: carries requests out on the files.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use disk::{Disk, File};
use raft::{Index, LogId, MemberId, SnapshotPoint, Term};
use store::{Capture, Restore, Store};
use wal::snapshot::{
    Incoming, SnapshotError, SnapshotInfo, SnapshotMeta, SnapshotReader, Snapshots,
};

use super::{KeptSnapshot, PIECE_BYTES, SnapshotId, SnapshotReply, SnapshotRequest};
use crate::{Configuration, ConfigurationError, Recovered};

/// Owns the snapshot files and does what is asked.
pub struct SnapshotWorker<D: Disk> {
    files: Snapshots<D>,
}

/// What a start finds: the state to begin with, and the snapshots that the log vouches for.
pub struct FoundSnapshots {
    /// The state of the newest snapshot that can be used; None if there is none.
    pub store: Option<Store>,
    /// The configuration in force at that state, and its place in the log.
    pub configuration: (Index, Bytes),
    /// Those that the log vouches for, the one that the state is of among them.
    pub kept: Vec<KeptSnapshot>,
    /// Files that were passed over, and why.
    pub skipped: Vec<(PathBuf, String)>,
    /// One of them is of a cluster that uses more than this program knows: it must not go on as if
    /// there were none.
    pub newer: Option<ConfigurationError>,
}

/// Opens the snapshots in `directory` of the member whose log was `recovered`, and completes what
/// the log alone could not tell: the configuration and the times at its start.
///
/// A snapshot counts only if the log vouches for it (rule 2.4): it holds the snapshot's last
/// entry, or begins after it. Any other was never installed, or is of a past that the log has left
/// behind.
///
/// # Errors
/// Only of the disk: a snapshot that can not be used is passed over, for the one before.
pub fn open_snapshots<D: Disk>(
    disk: D,
    directory: &Path,
    recovered: &mut Recovered,
) -> Result<(SnapshotWorker<D>, FoundSnapshots), disk::Error> {
    let files = Snapshots::open(disk, directory)?;
    let damaged = files.skipped().iter();
    let damaged = damaged.map(|skipped| (skipped.path.clone(), skipped.error.to_string()));
    let mut found = FoundSnapshots {
        store: None,
        configuration: (Index(0), Bytes::new()),
        kept: Vec::new(),
        skipped: damaged.collect(),
        newer: None,
    };
    for info in files.good() {
        if let Err(reason) = found.consider(&files, info, recovered)? {
            found.skipped.push((info.path.clone(), reason));
        }
    }
    Ok((SnapshotWorker { files }, found))
}

impl FoundSnapshots {
    /// Looks at the next older one. The inner error says why it is passed over.
    fn consider<D: Disk>(
        &mut self,
        files: &Snapshots<D>,
        info: &SnapshotInfo,
        recovered: &mut Recovered,
    ) -> Result<Result<(), String>, disk::Error> {
        let point = point_of(&info.meta);
        if !recovered.restored.log.holds(point.last) {
            return Ok(Err("the log does not vouch for it".to_owned()));
        }
        if self.store.is_none() {
            match load(files, info) {
                Ok(store) => self.store = Some(store),
                Err(LoadError::File(SnapshotError::Disk(error))) => return Err(error),
                Err(LoadError::Newer(error)) => {
                    let reason = error.to_string();
                    self.newer = Some(error);
                    return Ok(Err(reason));
                }
                Err(error) => return Ok(Err(error.to_string())),
            }
            self.configuration = point.configuration.clone();
        }
        recovered.learn_start(&point);
        let SnapshotPoint { last, stamp_ms, .. } = point;
        self.kept.push(KeptSnapshot { last, bytes: info.bytes, stamp_ms });
        Ok(Ok(()))
    }
}

/// Why a file makes no store.
#[derive(Debug)]
pub(crate) enum LoadError {
    File(SnapshotError),
    State(store::SnapshotError),
    /// It is of a cluster that uses more than this program knows.
    Newer(ConfigurationError),
    /// The file and the state in it name different entries.
    OtherEntry,
}

impl From<SnapshotError> for LoadError {
    fn from(error: SnapshotError) -> LoadError {
        LoadError::File(error)
    }
}

impl From<store::SnapshotError> for LoadError {
    fn from(error: store::SnapshotError) -> LoadError {
        LoadError::State(error)
    }
}

impl std::fmt::Display for LoadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            LoadError::File(error) => error.fmt(f),
            LoadError::State(error) => error.fmt(f),
            LoadError::Newer(error) => error.fmt(f),
            LoadError::OtherEntry => write!(f, "its state is that of another entry than it says"),
        }
    }
}

fn load<D: Disk>(files: &Snapshots<D>, info: &SnapshotInfo) -> Result<Store, LoadError> {
    load_from(&mut files.reader(info)?)
}

/// Reads a whole snapshot into a store.
pub(crate) fn load_from<F: File>(reader: &mut SnapshotReader<F>) -> Result<Store, LoadError> {
    let configuration = Configuration::decode(reader.meta().configuration.clone());
    if let Err(error @ ConfigurationError::Newer { .. }) = configuration {
        return Err(LoadError::Newer(error));
    }
    let mut restore = Restore::new();
    while let Some(chunk) = reader.next_chunk()? {
        restore.chunk(&chunk)?;
    }
    let store = restore.finish()?;
    let state = store.reader().published();
    if (state.applied_index, state.applied_term) != (reader.meta().last.1, reader.meta().last.0) {
        return Err(LoadError::OtherEntry);
    }
    Ok(store)
}

impl<D: Disk> SnapshotWorker<D> {
    /// Does what is asked, and answers if that has an answer.
    pub fn handle(&mut self, request: SnapshotRequest) -> Option<SnapshotReply> {
        match request {
            SnapshotRequest::Write { point, cluster_id, capture } => {
                let written = self.write(&point, cluster_id, *capture);
                Some(match written {
                    Ok(bytes) => {
                        let SnapshotPoint { last, stamp_ms, .. } = point;
                        SnapshotReply::Written { last, bytes, stamp_ms }
                    }
                    Err(error) => {
                        let (last, reason) = (point.last, error.to_string());
                        SnapshotReply::WriteFailed { last, reason }
                    }
                })
            }
            SnapshotRequest::Read { member, id, offset, bytes_max } => {
                Some(match self.read(id, offset, bytes_max) {
                    Ok(bytes) => SnapshotReply::Read { member, id, offset, bytes },
                    Err(reason) => SnapshotReply::ReadFailed { member, id, reason },
                })
            }
            SnapshotRequest::Receive { from, id, bytes_total } => {
                let last = log_id_of(id.last);
                let incoming = Incoming { sender: from.0, life: id.life, last, bytes_total };
                let receiving = self.files.receive(incoming);
                Some(receiving_reply(from, id, receiving))
            }
            SnapshotRequest::Store { from, id, offset, bytes } => {
                let written = self.files.write_received(offset, &bytes);
                Some(receiving_reply(from, id, written))
            }
            SnapshotRequest::Finish { from, id, cluster_id } => {
                Some(match self.finish(cluster_id) {
                    Ok((info, store)) => {
                        let (bytes, point) = (info.bytes, point_of(&info.meta));
                        SnapshotReply::Received { from, id, bytes, point, store: Box::new(store) }
                    }
                    Err(error) => {
                        SnapshotReply::ReceiveFailed { from, id, reason: error.to_string() }
                    }
                })
            }
            SnapshotRequest::Retain { keep } => {
                let keep: Vec<(u64, u64)> = keep.into_iter().map(log_id_of).collect();
                // What can not be removed only takes room; it is tried again at the next start.
                let _in_the_way = self.files.retain(&keep);
                None
            }
            SnapshotRequest::SetAside { doubtful } => Some(self.set_aside(doubtful)),
            SnapshotRequest::RemoveAside => {
                // As above.
                let _in_the_way = self.files.remove_aside();
                None
            }
            SnapshotRequest::Free(retired) => {
                drop(retired);
                None
            }
        }
    }

    /// Writes a snapshot, durably, and reads it back; answers the size of its file.
    pub(crate) fn write(
        &mut self,
        point: &SnapshotPoint,
        cluster_id: u128,
        mut capture: Capture,
    ) -> Result<u64, SnapshotError> {
        let mut writer = self.files.create(meta_of(point, cluster_id))?;
        while let Some(piece) = capture.next_chunk(PIECE_BYTES) {
            if let Err(error) = writer.write_content(&piece) {
                self.files.abandon(writer);
                return Err(error);
            }
        }
        Ok(self.files.finish(writer)?.bytes)
    }

    /// Removes all snapshots but the one at `last`.
    pub(crate) fn keep_only(&mut self, last: LogId) -> Result<(), disk::Error> {
        self.files.retain(&[log_id_of(last)])
    }

    fn set_aside(&mut self, doubtful: Vec<LogId>) -> SnapshotReply {
        let doubtful: Vec<(u64, u64)> = doubtful.into_iter().map(log_id_of).collect();
        match self.files.set_aside(&doubtful) {
            Ok(()) => SnapshotReply::SetAside,
            Err(error) => SnapshotReply::SetAsideFailed { reason: error.to_string() },
        }
    }

    fn read(&self, id: SnapshotId, offset: u64, bytes_max: usize) -> Result<Bytes, String> {
        let info = self.files.find(log_id_of(id.last)).ok_or("it is gone")?;
        let read = self.files.read_raw(info, offset, bytes_max);
        let bytes = read.map_err(|error| error.to_string())?;
        if bytes.is_empty() { Err("it ends before that".to_owned()) } else { Ok(bytes) }
    }

    /// Verifies what was received, and makes a store of it.
    fn finish(&mut self, cluster_id: u128) -> Result<(SnapshotInfo, Store), LoadError> {
        let info = self.files.finish_received(cluster_id)?;
        let store = load(&self.files, &info)?;
        Ok((info, store))
    }
}

fn receiving_reply(
    from: MemberId,
    id: SnapshotId,
    offset: Result<u64, SnapshotError>,
) -> SnapshotReply {
    match offset {
        Ok(offset) => SnapshotReply::Receiving { from, id, offset },
        Err(error) => SnapshotReply::ReceiveFailed { from, id, reason: error.to_string() },
    }
}

fn log_id_of(last: LogId) -> (u64, u64) {
    (last.term.0, last.index.0)
}

fn point_of(meta: &SnapshotMeta) -> SnapshotPoint {
    SnapshotPoint {
        last: LogId::new(Term(meta.last.0), Index(meta.last.1)),
        stamp_ms: meta.stamp_ms,
        age_ms: meta.age_ms,
        configuration: (Index(meta.configuration_index), meta.configuration.clone()),
    }
}

pub(super) fn meta_of(point: &SnapshotPoint, cluster_id: u128) -> SnapshotMeta {
    SnapshotMeta {
        cluster_id,
        last: log_id_of(point.last),
        stamp_ms: point.stamp_ms,
        age_ms: point.age_ms,
        configuration_index: point.configuration.0.0,
        configuration: point.configuration.1.clone(),
    }
}
