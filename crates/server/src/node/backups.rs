//! How many backups a member gives at once, whatever door they leave by, and the reading of one.
//!
//! A thread of its own reads the state, as fast as the client takes it and no faster. Compaction
//! removes nothing from under it, so a backup that lasts holds history up, and its time is bounded.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use replica::Backup;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, timeout_at};

/// So many backups a member gives at once: each reads all of the state, and holds history up.
pub(crate) const BACKUPS_MAX: usize = 2;

/// So many pieces, of a quarter of a MiB or so, wait for the client.
const PIECES_MAX: usize = 4;

/// A backup that takes longer is cut off, so that the history that it holds up is bounded.
const BACKUP_TIME_MAX: Duration = Duration::from_secs(3_600);

/// Who may take a backup.
#[derive(Debug)]
pub(super) struct Backups(Arc<Semaphore>);

/// That one may be taken.
#[derive(Debug)]
pub(crate) struct BackupPermit(OwnedSemaphorePermit);

/// A part of a backup.
#[derive(Debug)]
pub(crate) enum Piece {
    /// The next bytes.
    Bytes(Bytes),
    /// That nothing is missing. Without it the state was not read to its end.
    End,
}

impl Default for Backups {
    fn default() -> Backups {
        Backups(Arc::new(Semaphore::new(BACKUPS_MAX)))
    }
}

impl Backups {
    /// Leave to take one, if there are not too many.
    pub(super) fn admit(&self) -> Option<BackupPermit> {
        Arc::clone(&self.0).try_acquire_owned().ok().map(BackupPermit)
    }
}

/// Reads the state to its end, or until nobody wants it any more.
pub(crate) fn pieces(backup: Backup, permit: BackupPermit) -> mpsc::Receiver<Piece> {
    let (sender, pieces) = mpsc::channel(PIECES_MAX);
    tokio::task::spawn_blocking(move || read(backup, &sender, permit));
    pieces
}

fn read(mut backup: Backup, sender: &mpsc::Sender<Piece>, BackupPermit(_permit): BackupPermit) {
    let (runtime, deadline) = (Handle::current(), Instant::now() + BACKUP_TIME_MAX);
    // Whoever takes nothing for all of that time is let go, whatever the connection looks like.
    let sent = |piece| {
        let sent = runtime.block_on(timeout_at(deadline, sender.send(piece)));
        matches!(sent, Ok(Ok(())))
    };
    while let Some(bytes) = backup.next_piece() {
        if !sent(Piece::Bytes(bytes)) {
            return;
        }
    }
    // If this fails the client has gone.
    sent(Piece::End);
}
