//! A process that stands still, and never longer than this program lives.
//!
//! A stopped process does not see that its parent is gone: its standard input ends, and it does not
//! read. So each pause has a keeper, a second process that does nothing but read a pipe from here.
//! When the pipe ends, because the pause is over or because this program died, it lets the stopped
//! one go on, which then sees the end of its own standard input.

use std::env;
use std::io::{self, Read as _};
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

/// A process stands still until this is dropped.
#[derive(Debug)]
pub(super) struct Pause {
    pid: Pid,
    keeper: Option<Child>,
}

impl Pause {
    /// Stops the process, a child of this one that was not waited for yet.
    pub(super) fn begin(pid: u32) -> io::Result<Pause> {
        let pid = pid_of(pid)?;
        let mut command = Command::new(env::current_exe()?);
        command.args(["let-go", &pid.as_raw_nonzero().to_string()]);
        // Signals of the terminal are for the parent.
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        // First of all, so that there is no moment at which nobody would let it go.
        let keeper = command.spawn()?;
        let pause = Pause { pid, keeper: Some(keeper) };
        kill_process(pid, Signal::STOP)?;
        Ok(pause)
    }

    /// Lets it go on.
    pub(super) async fn end(mut self) {
        let keeper = self.keeper.take();
        // It goes on at once; the keeper's own signal changes nothing more.
        drop(self);
        if let Some(mut keeper) = keeper {
            drop(keeper.stdin.take());
            keeper.wait().await.ok();
        }
    }
}

impl Drop for Pause {
    fn drop(&mut self) {
        // It may have been killed.
        kill_process(self.pid, Signal::CONT).ok();
    }
}

/// The keeper's part, `raftkv let-go PID`: waits until standard input ends.
pub(crate) fn let_go(pid: u32) -> io::Result<()> {
    let mut ignored = [0; 64];
    while matches!(io::stdin().read(&mut ignored), Ok(count) if count > 0) {}
    // It may have gone.
    kill_process(pid_of(pid)?, Signal::CONT).ok();
    Ok(())
}

fn pid_of(pid: u32) -> io::Result<Pid> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))
}
