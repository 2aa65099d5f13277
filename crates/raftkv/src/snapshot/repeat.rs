//! `raftkv snapshot save DIR`: backups named after their time, once or again and again, of which so
//! many are kept (`server::backup`).

use std::io::Write;
use std::time::{Duration, SystemTime};

use server::backup::{BackupDirectory, BackupError, KeptBackup, KnownFiles};
use tokio::time::sleep;

use super::save::Saved;
use crate::args::SaveArgs;
use crate::failure::Failure;
use crate::kv::connect;
use crate::progress::Progress;
use crate::signals::Signals;

/// How soon what failed is tried again, unless a backup is due sooner.
const RETRY: Duration = Duration::from_secs(60);

pub(super) async fn run(args: &SaveArgs, out: &mut impl Write) -> Result<(), Failure> {
    let mut known = KnownFiles::default();
    let Some(every) = args.every else { return save(args, &mut known, out).await };
    let mut signals = Signals::listen()?;
    tokio::select! {
        ended = again_and_again(args, every, out) => ended,
        // What was being written is removed, as of any other end.
        () = signals.next() => Ok(()),
    }
}

/// Ends only with what no other attempt would make better.
async fn again_and_again(
    args: &SaveArgs,
    every: Duration,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let mut known = KnownFiles::default();
    // A start makes none that is not due.
    let mut pause = match newest_age(args, &mut known) {
        Ok(age) => age.map_or(Duration::ZERO, |age| every.saturating_sub(age)),
        Err(failure) => tried_again(failure, every)?,
    };
    loop {
        sleep(pause).await;
        pause = match save(args, &mut known, out).await {
            Ok(()) => every,
            Err(failure) => tried_again(failure, every)?,
        };
    }
}

/// After how long, unless it would end no better.
fn tried_again(failure: Failure, every: Duration) -> Result<Duration, Failure> {
    match failure {
        Failure::Usage(_) | Failure::Output(_) => Err(failure),
        failure => {
            let pause = RETRY.min(every);
            complain!("raftkv: no backup: {failure}; tried again in {} s", pause.as_secs());
            Ok(pause)
        }
    }
}

/// How old the newest sound backup in the directory is.
fn newest_age(args: &SaveArgs, known: &mut KnownFiles) -> Result<Option<Duration>, Failure> {
    let found = open(args)?.look(known).map_err(failure)?;
    let newest_ms = found.kept.first().map(|newest| newest.time_ms);
    Ok(newest_ms.map(|ms| Duration::from_millis(now_ms().saturating_sub(ms))))
}

/// One backup, and then those that are too many go.
async fn save(
    args: &SaveArgs,
    known: &mut KnownFiles,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let directory = open(args)?;
    let made = receive(args, &directory).await?;
    let KeptBackup { path, bytes, term, index, cluster_id, .. } = &made;
    let saved =
        Saved { file: path, bytes: *bytes, term: *term, index: *index, cluster_id: *cluster_id };
    saved.say(args, out)?;
    let Some(keep) = args.keep else { return Ok(()) };
    let found = directory.retain(usize::from(keep), &made, known).map_err(failure)?;
    for path in found.unsound {
        complain!("raftkv: {} is no sound backup, and is left where it is", path.display());
    }
    Ok(())
}

async fn receive(args: &SaveArgs, directory: &BackupDirectory) -> Result<KeptBackup, Failure> {
    let mut backup = connect(&args.connect)?.backup().await?;
    let mut draft = directory.draft(now_ms(), 0).map_err(failure)?;
    let progress = Progress::bytes(None);
    while let Some(bytes) = backup.next().await? {
        draft.write(&bytes).map_err(failure)?;
        progress.add(bytes.len() as u64);
    }
    drop(progress);
    draft.finish().map_err(failure)
}

fn open(args: &SaveArgs) -> Result<BackupDirectory, Failure> {
    BackupDirectory::open(&args.target, args.name.clone()).map_err(failure)
}

fn failure(error: BackupError) -> Failure {
    match error {
        // What came was not whole.
        BackupError::Unsound(_) => Failure::Unavailable(error.to_string()),
        error => Failure::Negative(error.to_string()),
    }
}

fn now_ms() -> u64 {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    u64::try_from(since_1970.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}
