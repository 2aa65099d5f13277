//! Child processes and the places of the repository.

use std::env;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf, absolute};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use crate::failure::{Doing, Failure, Result};
use crate::patience::{LANE_MAX, Patience};

/// The root of the repository: where the workspace's `Cargo.toml` is. Cargo names it when it runs
/// us; the place where we were built is another one if two checkouts share a target directory.
pub(crate) fn root() -> PathBuf {
    let named = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let package = named.unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    package.parent().expect("this package is a directory of the workspace").to_path_buf()
}

/// Where cargo puts what it builds. This very program lies in `TARGET/PROFILE/`.
pub(crate) fn target_directory() -> Result<PathBuf> {
    let program = env::current_exe().doing("find this program")?;
    let target = program.parent().and_then(Path::parent);
    target.map(Path::to_path_buf).ok_or_else(|| {
        Failure::Unexpected(format!("{} lies in no target directory", program.display()))
    })
}

/// The `cargo` that runs us, at the root of the repository.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let program = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root());
    command
}

/// Names a `raftkv` binary to test or measure instead of the one that we would build; it also tells
/// the whole-system tests which binary to start.
pub(crate) const BINARY_VARIABLE: &str = "RAFTKV_BIN";

/// Builds the `raftkv` binary as it ships, unless another is named, and says where it lies.
pub(crate) fn release_binary() -> Result<PathBuf> {
    if let Some(named) = env::var_os(BINARY_VARIABLE) {
        return absolute(&named).doing(format!("find {}", named.display()));
    }
    let arguments = ["build", "--release", "-p", "raftkv"];
    if !run(&mut cargo(&arguments))? {
        return Err(Failure::Unexpected(format!("`cargo {}` failed", arguments.join(" "))));
    }
    Ok(target_directory()?.join("release").join("raftkv"))
}

/// The hash of the commit that is checked out.
pub(crate) fn commit() -> Result<String> {
    let mut command = Command::new("git");
    command.args(["rev-parse", "HEAD"]).current_dir(root());
    let output = command.output().doing("start git")?;
    let hash = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if output.status.success() {
        return Ok(hash);
    }
    Err(Failure::Unexpected(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}

/// Runs a command on our own terminal; answers whether it succeeded.
pub(crate) fn run(command: &mut Command) -> Result<bool> {
    eprintln!("$ {}", spelled(command));
    let status = command.status().doing(format!("start {}", spelled(command)))?;
    Ok(status.success())
}

/// Runs a command without which the caller can not go on; `what` says what could not be done.
pub(crate) fn done(command: &mut Command, what: &str) -> Result<()> {
    if run(command)? { Ok(()) } else { Err(Failure::Unexpected(format!("could not {what}"))) }
}

/// What a command printed, and whether it succeeded.
pub(crate) struct Heard {
    pub(crate) text: String,
    pub(crate) success: bool,
}

/// Runs a command, passes on what it prints, and keeps its standard output; ends it when it takes
/// longer than any lane does.
pub(crate) fn listen(command: &mut Command) -> Result<Heard> {
    listen_for(LANE_MAX, command)
}

/// The same, with another patience.
pub(crate) fn listen_for(most: Duration, command: &mut Command) -> Result<Heard> {
    eprintln!("$ {}", spelled(command));
    let doing = format!("run {}", spelled(command));
    let mut child = command.stdout(Stdio::piped()).spawn().doing(doing.as_str())?;
    let patience = Patience::with(&child, most);
    let output = child.stdout.take().expect("standard output was asked for as a pipe");
    let mut text = String::new();
    for line in BufReader::new(output).split(b'\n') {
        let line = line.doing(doing.as_str())?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        text.push_str(&line);
        text.push('\n');
    }
    // Its output may end long before it does. Until it is reaped nobody else has its number.
    let pid = Pid::from_child(&child);
    let ended = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
    ended.map_err(io::Error::from).doing(doing.as_str())?;
    let ran_out = patience.ran_out();
    let ended_well = child.wait().doing(doing)?.success();
    if ran_out {
        let line = format!("`{}` was ended: it took longer than {most:?}", spelled(command));
        eprintln!("{line}");
    }
    Ok(Heard { text, success: ended_well && !ran_out })
}

/// The command as one would type it.
fn spelled(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
