//! The program under test.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf, absolute};
use std::process::{Child, Command, Stdio};
use std::{env, io};

use rustix::process::{Pid, Signal, kill_process};

use crate::wait;

/// Names the program; without it, the one built beside the tests is taken.
const BINARY_VARIABLE: &str = "RAFTKV_BIN";

/// Where the program lies, wherever members are started.
pub fn path() -> PathBuf {
    if let Some(named) = env::var_os(BINARY_VARIABLE) {
        return absolute(named).unwrap();
    }
    // The tests lie in `TARGET/PROFILE/deps/`, the program in `TARGET/PROFILE/`.
    let tests = env::current_exe().unwrap();
    let built = tests.ancestors().nth(2).unwrap().join("raftkv");
    let built = built.with_extension(env::consts::EXE_EXTENSION);
    let path = built.display();
    assert!(
        built.exists(),
        "{path} is missing: build it as these tests were built (`cargo build --release -p raftkv` \
         for `cargo test --release`), or name another one in {BINARY_VARIABLE}"
    );
    built
}

/// Names the program of an earlier version.
const OLD_BINARY_VARIABLE: &str = "RAFTKV_OLD_BIN";

/// Where the program of an earlier version lies, to be tested beside the one under test.
pub fn old_path() -> PathBuf {
    let named = env::var_os(OLD_BINARY_VARIABLE);
    named.expect("`cargo xtask test upgrade` builds it, and names it in RAFTKV_OLD_BIN").into()
}

/// A program, without the settings that the environment of the tests may hold.
pub fn command_of<S: AsRef<OsStr>>(program: &Path, directory: &Path, arguments: &[S]) -> Command {
    prepared(Command::new(program), directory, arguments)
}

/// The program, without the settings that the environment of the tests may hold.
pub fn command<S: AsRef<OsStr>>(directory: &Path, arguments: &[S]) -> Command {
    prepared(Command::new(path()), directory, arguments)
}

/// The same, allowed to have so many files and connections open and no more.
pub fn command_with_files<S: AsRef<OsStr>>(
    files_max: u64,
    directory: &Path,
    arguments: &[S],
) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -n \"$0\" && exec \"$@\"", &files_max.to_string()]).arg(path());
    prepared(shell, directory, arguments)
}

/// The same, started by another program: its words come first, and it runs what comes after them.
pub fn command_through<L: AsRef<OsStr>, S: AsRef<OsStr>>(
    launcher: &[L],
    directory: &Path,
    arguments: &[S],
) -> Command {
    let (first, rest) = launcher.split_first().expect("a launcher has a name");
    let mut command = Command::new(first);
    command.args(rest).arg(path());
    prepared(command, directory, arguments)
}

fn prepared<S: AsRef<OsStr>>(mut command: Command, directory: &Path, arguments: &[S]) -> Command {
    command.args(arguments).current_dir(directory).stdin(Stdio::null());
    for (variable, _) in env::vars_os() {
        let variable = variable.to_string_lossy().into_owned();
        let ours = ["RAFTKV_", "ETCD_", "NOTIFY_SOCKET"];
        if ours.iter().any(|prefix| variable.starts_with(prefix)) {
            command.env_remove(variable);
        }
    }
    command
}

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    /// The exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

/// Runs the program to its end, which comes by itself.
pub fn run<S: AsRef<OsStr>>(directory: &Path, arguments: &[S]) -> Ended {
    let mut running = Running::start(directory, arguments).unwrap();
    let code = running.wait();
    Ended { code, stdout: running.stdout(), stderr: running.stderr() }
}

/// A run that goes on, its output in two files. Dropped, it is killed.
#[derive(Debug)]
pub struct Running {
    process: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Running {
    /// Starts the program in `directory`; the files are put there too.
    pub fn start<S: AsRef<OsStr>>(directory: &Path, arguments: &[S]) -> io::Result<Running> {
        let (stdout, stderr) = (directory.join("stdout"), directory.join("stderr"));
        let mut command = command(directory, arguments);
        command.stdout(File::create(&stdout)?).stderr(File::create(&stderr)?);
        Ok(Running { process: command.spawn()?, stdout, stderr })
    }

    /// The number of the process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Kills it, and waits until it is gone.
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Asks it to end in good order.
    pub fn terminate(&self) {
        let pid = Pid::from_child(&self.process);
        kill_process(pid, Signal::TERM).unwrap();
    }

    /// Waits until it ends by itself; the exit code, none if a signal ended it.
    pub fn wait(&mut self) -> Option<i32> {
        wait::until("the program ends", || self.process.try_wait().unwrap()).code()
    }

    /// What it has written to standard output so far.
    pub fn stdout(&self) -> String {
        fs::read_to_string(&self.stdout).unwrap()
    }

    /// What it has written to standard error so far.
    pub fn stderr(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}
