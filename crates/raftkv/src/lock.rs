//! `raftkv lock`: runs a command while a lock is held.

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::Duration;

use client::{Lock, LockError, LockOptions, Options};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::args::LockArgs;
use crate::failure::Failure;
use crate::kv::connect_with;
use crate::signals::Signals;

/// A command that was told to end gets so long; then it is killed.
const COMMAND_PATIENCE: Duration = Duration::from_secs(10);

/// What shells make of a signal that ended a command.
const SIGNAL_BASE: i32 = 128;

/// Waits for the lock, runs the command, gives the lock up. The exit code is the command's.
pub(crate) async fn run(args: LockArgs) -> Result<(), Failure> {
    let client = connect_with(&args.connect, Options::default())?;
    let mut signals = Signals::listen()?;
    let options = LockOptions { ttl: Some(args.ttl), wait: args.wait, value: value() };
    let lock = tokio::select! {
        lock = client.lock(&args.name, options) => lock.map_err(Failure::from)?,
        // Whatever was asked for goes with its lease.
        () = signals.next() => return Err(Failure::Negative("stopped waiting".to_owned())),
    };
    let ran = hold(&lock, &args, &mut signals).await;
    let unlocked = lock.unlock().await;
    let ended = ran?;
    match (ended, unlocked) {
        (Ended::Lost, _) | (Ended::ByItself(_), Err(LockError::Lost)) => {
            let message = "the lock was lost while the command ran: others may have had it";
            Err(Failure::Lost(message.to_owned()))
        }
        (Ended::ByItself(status), unlocked) => {
            if let Err(error) = unlocked {
                complain!("raftkv: the lock goes when its time to live is over: {error}");
            }
            match code(status) {
                0 => Ok(()),
                code => Err(Failure::Command(code)),
            }
        }
    }
}

/// Others see which process has the lock.
fn value() -> bytes::Bytes {
    format!("pid {}", std::process::id()).into()
}

enum Ended {
    ByItself(ExitStatus),
    /// It was told to, because the lock was lost.
    Lost,
}

async fn hold(lock: &Lock, args: &LockArgs, signals: &mut Signals) -> Result<Ended, Failure> {
    let (program, arguments) = args.command.split_first().expect("clap asks for one at least");
    let mut command = Command::new(program);
    command.args(arguments).kill_on_drop(true);
    command.env("RAFTKV_FENCING_TOKEN", lock.token().to_string());
    command.env("RAFTKV_LOCK_KEY", String::from_utf8_lossy(lock.key()).into_owned());
    let failed =
        |error: io::Error| Failure::Usage(format!("{}: {error}", program.to_string_lossy()));
    let mut child = command.spawn().map_err(failed)?;
    loop {
        tokio::select! {
            status = child.wait() => return status.map(Ended::ByItself).map_err(failed),
            () = lock.lost() => {
                end(&mut child).await.map_err(failed)?;
                return Ok(Ended::Lost);
            }
            // What is asked of this process is asked of its command, which says when it is over.
            () = signals.next() => terminate(&child),
        }
    }
}

/// Asks a command to end, and sees to it.
async fn end(child: &mut Child) -> io::Result<()> {
    terminate(child);
    match timeout(COMMAND_PATIENCE, child.wait()).await {
        Ok(ended) => ended.map(drop),
        Err(_) => child.kill().await,
    }
}

fn terminate(child: &Child) {
    let pid = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    if let Some(pid) = pid {
        // It may be ending just now.
        let _ = kill_process(pid, Signal::TERM);
    }
}

fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| SIGNAL_BASE + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}
