//! One member as a child process.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::{env, fmt, io};

use tokio::process::{self, Command};

use super::pause::Pause;
use crate::failure::Failure;

/// The last words of a member that are repeated when it died.
const LAST_LINES_MAX: usize = 5;
/// They are looked for in so much of the end of its log.
const LAST_BYTES_MAX: u64 = 16 << 10;

/// A member that runs. Dropping it kills it.
#[derive(Debug)]
pub(super) struct Child {
    name: String,
    /// It stands still. Before the process, so that a killed one ends.
    pause: Option<Pause>,
    process: process::Child,
    log: PathBuf,
    /// What earlier runs wrote to the log, in bytes.
    log_begin: u64,
}

impl Child {
    /// Starts this very program with `arguments`; its output is added to the file `log`.
    pub(super) fn start(
        name: String,
        log: &Path,
        arguments: &[OsString],
    ) -> Result<Child, Failure> {
        let spawn = || -> io::Result<(process::Child, u64)> {
            let output = File::options().append(true).create(true).open(log)?;
            let log_begin = output.metadata()?.len();
            let mut command = Command::new(env::current_exe()?);
            command.args(arguments).stdin(Stdio::piped());
            command.stdout(output.try_clone()?).stderr(output);
            // Signals of the terminal are for the parent.
            command.process_group(0).kill_on_drop(true);
            // The parent says everything that is to be said.
            for (variable, _) in env::vars_os() {
                if variable.to_string_lossy().starts_with("RAFTKV_") {
                    command.env_remove(variable);
                }
            }
            Ok((command.spawn()?, log_begin))
        };
        let (process, log_begin) = spawn()
            .map_err(|error| Failure::Negative(format!("{name} can not be started: {error}")))?;
        Ok(Child { name, pause: None, process, log: log.to_owned(), log_begin })
    }

    /// How the member ended, if it has.
    pub(super) fn poll(&mut self) -> io::Result<Option<Ended>> {
        let status = self.process.try_wait()?;
        Ok(status.map(|status| Ended {
            last_lines: last_lines(&self.log, self.log_begin),
            name: self.name.clone(),
            status,
            log: self.log.clone(),
        }))
    }

    pub(super) fn is_paused(&self) -> bool {
        self.pause.is_some()
    }

    /// Makes it stand still; one that does already goes on doing so.
    pub(super) fn pause(&mut self) -> io::Result<()> {
        if let (None, Some(pid)) = (&self.pause, self.pid()) {
            self.pause = Some(Pause::begin(pid)?);
        }
        Ok(())
    }

    /// The end of its standing still is for the caller to await; none if it does not.
    pub(super) fn take_pause(&mut self) -> Option<Pause> {
        self.pause.take()
    }

    /// `kill -9`; answers when it is gone.
    pub(super) async fn kill(mut self) -> io::Result<()> {
        self.process.start_kill()?;
        if let Some(pause) = self.pause.take() {
            pause.end().await;
        }
        self.process.wait().await.map(drop)
    }

    /// The process, while it runs.
    pub(super) fn pid(&self) -> Option<u32> {
        self.process.id()
    }

    /// Ends the member's standard input, which stops it, and waits.
    pub(super) async fn stop(mut self) {
        drop(self.process.stdin.take());
        if let Some(pause) = self.pause.take() {
            pause.end().await;
        }
        self.process.wait().await.ok();
    }
}

/// How a member ended, though nobody asked it to.
pub(super) struct Ended {
    name: String,
    status: ExitStatus,
    log: PathBuf,
    last_lines: Vec<String>,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ended: {}. Its last words, from {}:",
            self.name,
            self.status,
            self.log.display()
        )?;
        self.last_lines.iter().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

/// The end of what this run wrote; a log that can not be read has nothing to say.
fn last_lines(log: &Path, begin: u64) -> Vec<String> {
    let read = || -> io::Result<Vec<u8>> {
        let end = fs::metadata(log)?.len();
        let mut file = File::open(log)?;
        file.seek(SeekFrom::Start(begin.max(end.saturating_sub(LAST_BYTES_MAX))))?;
        let mut bytes = Vec::new();
        file.take(LAST_BYTES_MAX).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    let first = lines.len().saturating_sub(LAST_LINES_MAX);
    lines[first..].iter().map(|line| (*line).to_owned()).collect()
}
