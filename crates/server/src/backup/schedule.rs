//! A member's own backups: one whenever it is due, for as long as the member runs.
//!
//! ```text
//!   state ─▶ reader (a thread) ─▶ here, with a deadline a piece ─▶ writer (a thread) ─▶ directory
//! ```
//!
//! What is due follows from what is in the directory, so a start makes none that is not. The writer
//! is a thread that nobody waits for without a deadline: a share that hangs holds up that thread
//! alone, and the state is let go.

use std::convert::Infallible;
use std::future::pending;
use std::mem::take;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use replica::KeptSnapshot;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::{
    BackupDirectory, BackupError, BackupFailure, BackupStatus, KeptBackup, KnownFiles, Maker,
    Retained,
};
use crate::config::BackupPlan;
use crate::node::{Node, Piece, pieces};

/// How soon what failed is tried again, unless a backup is due sooner.
const RETRY: Duration = Duration::from_secs(60);

/// From one look to the next at whether the member has a cluster.
const LOOK: Duration = Duration::from_millis(100);

/// To find out that the state is up to date.
const BARRIER_TIMEOUT: Duration = Duration::from_secs(10);

/// A target that takes nothing for so long hangs.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// Making a backup durable and reading it back takes no longer.
const FINISH_TIME_MAX: Duration = Duration::from_secs(30 * 60);

/// So many pieces, of a quarter of a MiB or so, wait for the target.
const PIECES_MAX: usize = 4;

/// Left to the log on the member's own disk: so many segments, and the next snapshot, as the
/// member itself reckons with (`replica`'s `room.rs`), and some more.
const SEGMENTS_RESERVED: u64 = 8;

/// Makes the member's backups, if it is to. Never ends.
pub(crate) async fn keep(
    node: Node,
    plan: Option<BackupPlan>,
    data_dir: PathBuf,
    segment_bytes: u64,
) -> Infallible {
    let Some(plan) = plan else { return pending().await };
    let (known, writing) = (KnownFiles::default(), None);
    let board = BackupStatus::new(plan.clone());
    let mut keeper = Keeper { node, plan, data_dir, segment_bytes, known, writing, board };
    keeper.show();
    let mut looked = false;
    loop {
        let Some(maker) = keeper.maker() else {
            sleep(LOOK).await;
            continue;
        };
        let done = match looked {
            false => keeper.look(maker).await,
            true => keeper.make(maker).await,
        };
        looked |= done.is_ok();
        sleep(keeper.after(done)).await;
    }
}

struct Keeper {
    node: Node,
    plan: BackupPlan,
    data_dir: PathBuf,
    segment_bytes: u64,
    /// Away while a thread has it.
    known: KnownFiles,
    /// A thread that was given up, because the target hangs.
    writing: Option<oneshot::Receiver<Told>>,
    board: BackupStatus,
}

/// What a thread comes back with.
struct Told {
    known: KnownFiles,
    outcome: Result<Outcome, BackupError>,
}

struct Outcome {
    /// What was made, if that was asked for.
    made: Option<KeptBackup>,
    found: Retained,
    /// Why old ones could not be looked after.
    trouble: Option<BackupError>,
}

/// What a writer is told.
enum Part {
    Bytes(bytes::Bytes),
    End,
}

impl Keeper {
    /// Whose backups these are; none before the member has a cluster.
    fn maker(&self) -> Option<Maker> {
        let status = self.node.status();
        let cluster = status.configuration.as_ref().filter(|_| self.node.is_running())?;
        Some(Maker::of_member(cluster.cluster_id, &status.about.name))
    }

    /// Finds what is there.
    async fn look(&mut self, maker: Maker) -> Result<Outcome, BackupError> {
        let path = self.plan.directory.clone();
        let look = move |known: &mut KnownFiles| {
            let found = BackupDirectory::open(&path, maker)?.look(known)?;
            Ok(Outcome { made: None, found, trouble: None })
        };
        let told = self.begin(look)?;
        self.hear(told, FINISH_TIME_MAX).await
    }

    /// Makes one, and lets old ones go.
    async fn make(&mut self, maker: Maker) -> Result<Outcome, BackupError> {
        let permit = self.node.admit_backup().ok_or(BackupError::Busy)?;
        let settled = self.node.read_barrier(BARRIER_TIMEOUT).await;
        settled.map_err(BackupError::Member)?;
        let backup = self.node.backup(BARRIER_TIMEOUT).await.map_err(BackupError::Member)?;
        let (parts, written) = mpsc::channel(PIECES_MAX);
        let job = Job {
            path: self.plan.directory.clone(),
            maker,
            keep: self.plan.keep,
            data_dir: self.data_dir.clone(),
            reserve_bytes: self.reserve_bytes(),
        };
        let told = self.begin(move |known| job.run(written, known))?;
        let pumped = pump(pieces(backup, permit), parts).await;
        match pumped {
            Ok(()) => self.hear(told, FINISH_TIME_MAX).await,
            // Why it takes no more is what it says itself, if it says anything.
            Err(error) => self.hear(told, LOOK).await.and(Err(error)),
        }
    }

    fn reserve_bytes(&self) -> u64 {
        let status = self.node.status();
        let newest = status.replica.as_ref().and_then(|replica| replica.snapshots.newest);
        let snapshot_bytes = newest.map_or(0, |KeptSnapshot { bytes, .. }| bytes);
        self.segment_bytes.saturating_mul(SEGMENTS_RESERVED).saturating_add(snapshot_bytes)
    }

    /// Starts a thread that does `work`, unless an earlier one still hangs.
    fn begin(
        &mut self,
        work: impl FnOnce(&mut KnownFiles) -> Result<Outcome, BackupError> + Send + 'static,
    ) -> Result<oneshot::Receiver<Told>, BackupError> {
        if let Some(earlier) = &mut self.writing {
            match earlier.try_recv() {
                Err(oneshot::error::TryRecvError::Empty) => {
                    return Err(BackupError::Hangs(SILENCE_MAX));
                }
                Ok(told) => self.known = told.known,
                Err(oneshot::error::TryRecvError::Closed) => {}
            }
            self.writing = None;
        }
        let (sender, told) = oneshot::channel();
        let mut known = take(&mut self.known);
        let thread = std::thread::Builder::new().name("backup".to_owned());
        let spawned = thread.spawn(move || {
            let outcome = work(&mut known);
            // It fails if nobody waits any more.
            let _ = sender.send(Told { known, outcome });
        });
        spawned.map(|_detached| told).map_err(BackupError::Thread)
    }

    /// Waits for a thread, and no longer than that.
    async fn hear(
        &mut self,
        mut told: oneshot::Receiver<Told>,
        patience: Duration,
    ) -> Result<Outcome, BackupError> {
        let first = patience.min(SILENCE_MAX);
        let mut heard = timeout(first, &mut told).await;
        if heard.is_err() && first < patience {
            // It may be reading many large files. It may hang as well, and that is to be known.
            let reason = BackupError::Slow(first).to_string();
            self.board.failure = Some(BackupFailure { reason, at: Instant::now() });
            self.show();
            heard = timeout(patience - first, &mut told).await;
        }
        match heard {
            Ok(Ok(Told { known, outcome })) => {
                self.known = known;
                outcome
            }
            // A thread that is gone without a word has panicked, and said so.
            Ok(Err(_)) => Err(BackupError::CutOff),
            Err(_) => {
                self.writing = Some(told);
                Err(BackupError::Hangs(SILENCE_MAX.max(patience)))
            }
        }
    }

    /// Says what came of it; answers how long there is nothing to do.
    fn after(&mut self, done: Result<Outcome, BackupError>) -> Duration {
        let every = Duration::from_millis(self.plan.every_ms);
        let trouble = match done {
            Ok(Outcome { made, found, trouble }) => {
                self.found(made, &found);
                trouble
            }
            Err(error) => Some(error),
        };
        let failed = trouble.is_some();
        self.board.failure = trouble.map(|error| {
            let reason = error.to_string();
            warn!(reason, "the member's own backups: this failed, and is tried again");
            BackupFailure { reason, at: Instant::now() }
        });
        self.board.failed += u64::from(failed);
        self.show();
        match self.board.age_ms(wall_ms()) {
            _ if failed => RETRY.min(every),
            Some(age_ms) => every.saturating_sub(Duration::from_millis(age_ms)),
            None => Duration::ZERO,
        }
    }

    fn found(&mut self, made: Option<KeptBackup>, found: &Retained) {
        for path in &found.unsound {
            warn!(path = %path.display(), "this backup is not sound, and is left where it is");
        }
        if let Some(made) = &made {
            let (path, removed) = (made.path.display(), found.removed.len());
            info!(%path, bytes = made.bytes, index = made.index, removed, "made a backup");
            self.board.made += 1;
        }
        self.board.newest = made.or_else(|| found.kept.first().cloned());
        self.board.kept = found.kept.len() as u64;
        self.board.unsound = found.unsound.len() as u64;
    }

    fn show(&self) {
        self.node.show_backups(Arc::new(self.board.clone()));
    }
}

/// What the writing thread does.
struct Job {
    path: PathBuf,
    maker: Maker,
    keep: usize,
    data_dir: PathBuf,
    reserve_bytes: u64,
}

impl Job {
    fn run(
        self,
        mut parts: mpsc::Receiver<Part>,
        known: &mut KnownFiles,
    ) -> Result<Outcome, BackupError> {
        let directory = BackupDirectory::open(&self.path, self.maker)?;
        let shares_disk = directory.shares_disk_with(&self.data_dir);
        let reserve_bytes = if shares_disk { self.reserve_bytes } else { 0 };
        let mut draft = directory.draft(wall_ms(), reserve_bytes)?;
        loop {
            match parts.blocking_recv() {
                Some(Part::Bytes(bytes)) => draft.write(&bytes)?,
                Some(Part::End) => break,
                None => return Err(BackupError::CutOff),
            }
        }
        let made = draft.finish()?;
        // The new one counts whatever becomes of the old ones.
        let (found, trouble) = match directory.retain(self.keep, &made, known) {
            Ok(found) => (found, None),
            Err(error) => {
                (Retained { kept: vec![made.clone()], ..Retained::default() }, Some(error))
            }
        };
        Ok(Outcome { made: Some(made), found, trouble })
    }
}

/// Hands the state on, piece by piece, as fast as the target takes it.
async fn pump(
    mut pieces: mpsc::Receiver<Piece>,
    parts: mpsc::Sender<Part>,
) -> Result<(), BackupError> {
    loop {
        let part = match pieces.recv().await {
            Some(Piece::Bytes(bytes)) => Part::Bytes(bytes),
            Some(Piece::End) => Part::End,
            None => return Err(BackupError::CutOff),
        };
        let is_end = matches!(part, Part::End);
        match timeout(SILENCE_MAX, parts.send(part)).await {
            Ok(Ok(())) if is_end => return Ok(()),
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(BackupError::CutOff),
            Err(_) => return Err(BackupError::Hangs(SILENCE_MAX)),
        }
    }
}

fn wall_ms() -> u64 {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    u64::try_from(since_1970.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}
