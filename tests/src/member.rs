//! One member: a process, its data directory, its log.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use crate::program;
use crate::wait;

/// So many lines of a member's log are repeated when a test fails.
const LAST_LINES: usize = 25;

/// A member that may or may not run. Dropped, it is killed.
#[derive(Debug)]
pub struct Member {
    name: String,
    port: u16,
    directory: PathBuf,
    /// Besides what every member of the cluster is given.
    arguments: Vec<OsString>,
    /// It is started with the arguments alone, which are etcd's.
    etcd: bool,
    /// It may have so many files and connections open, if not as many as these tests.
    files_max: Option<u64>,
    /// Words before the program's own, which start it somewhere else.
    launcher: Vec<OsString>,
    /// Another program than the one under test.
    program: Option<PathBuf>,
    process: Option<Child>,
}

impl Member {
    /// A member with its data and its log below `directory`; it does not run yet.
    pub fn new(name: String, port: u16, directory: &Path, arguments: &[&str]) -> Member {
        let arguments = arguments.iter().map(OsString::from).collect();
        let (directory, etcd, files_max) = (directory.to_owned(), false, None);
        let (launcher, program, process) = (Vec::new(), None, None);
        Member { name, port, directory, arguments, etcd, files_max, launcher, program, process }
    }

    /// A member that is started with these flags of etcd's, and none but them.
    pub fn etcd(name: String, port: u16, directory: &Path, flags: &[&str]) -> Member {
        let mut member = Member::new(name, port, directory, flags);
        member.etcd = true;
        member
    }

    /// It will be started with these from now on.
    pub fn give(&mut self, arguments: &[&str]) {
        assert!(self.process.is_none(), "{} runs", self.name);
        self.arguments = arguments.iter().map(OsString::from).collect();
    }

    /// It will be started with these as well.
    pub fn give_also(&mut self, arguments: &[&str]) {
        assert!(self.process.is_none(), "{} runs", self.name);
        self.arguments.extend(arguments.iter().map(OsString::from));
    }

    /// It will not have more files and connections open than so many, once it is started.
    pub fn limit_files(&mut self, files_max: u64) {
        self.files_max = Some(files_max);
    }

    /// It will be started by another program, whose words these are.
    pub fn launch_through(&mut self, launcher: Vec<OsString>) {
        self.launcher = launcher;
    }

    /// It will be run by this program, once it is started again.
    pub fn run_by(&mut self, program: &Path) {
        assert!(self.process.is_none(), "{} runs", self.name);
        self.program = Some(program.to_owned());
    }

    /// What people call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its one port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// It will run at another port, once it is started again.
    pub fn move_to(&mut self, port: u16) {
        assert!(self.process.is_none(), "{} runs", self.name);
        self.port = port;
    }

    /// Its data directory.
    pub fn data(&self) -> PathBuf {
        self.directory.join(&self.name)
    }

    /// Everything it has said, in all its lives.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// The end of it.
    pub fn last_words(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
    }

    /// What `raftkv` is given to start it.
    pub fn command_line(&self) -> Vec<OsString> {
        if self.etcd {
            return [OsString::from("etcd")].iter().chain(&self.arguments).cloned().collect();
        }
        let mut line: Vec<OsString> = ["start", "--node-id"].map(OsString::from).into();
        line.extend([self.name.clone().into(), "--port".into(), self.port.to_string().into()]);
        line.extend(["--data-dir".into(), self.data().into()]);
        line.extend(self.arguments.iter().cloned());
        line
    }

    /// Starts it, or starts it again on what it left.
    pub fn start(&mut self) {
        assert!(self.process.is_none(), "{} runs already", self.name);
        let log = File::options().create(true).append(true).open(self.log_path()).unwrap();
        let (directory, line) = (&self.directory, self.command_line());
        let mut command = match self.files_max {
            None if self.launcher.is_empty() => {
                let own = self.program.clone().unwrap_or_else(program::path);
                program::command_of(&own, directory, &line)
            }
            None => program::command_through(&self.launcher, directory, &line),
            Some(files_max) => program::command_with_files(files_max, directory, &line),
        };
        if !self.etcd {
            // So that it ends with the tests, however they end.
            command.arg("--stop-with-stdin").stdin(Stdio::piped());
        }
        command.stdout(log.try_clone().unwrap()).stderr(log);
        self.process = Some(command.spawn().unwrap());
    }

    /// Whether a process was started and has not been ended since.
    pub fn runs(&self) -> bool {
        self.process.is_some()
    }

    /// How many bytes of memory its process has.
    pub fn resident_bytes(&self) -> u64 {
        self.status_bytes("VmRSS:")
    }

    /// The most that it ever had.
    pub fn resident_bytes_max(&self) -> u64 {
        self.status_bytes("VmHWM:")
    }

    fn status_bytes(&self, name: &str) -> u64 {
        let path = format!("/proc/{}/status", self.pid().as_raw_nonzero());
        let status = fs::read_to_string(path).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
        kilobytes.and_then(|kilobytes| kilobytes.parse::<u64>().ok()).expect("a number") << 10
    }

    /// How many files and connections its process has open.
    pub fn open_files(&self) -> usize {
        let path = format!("/proc/{}/fd", self.pid().as_raw_nonzero());
        fs::read_dir(path).expect("it runs").count()
    }

    /// `kill -9`, and nothing else: whoever kills several waits for each afterwards.
    pub fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// Asks it to stop in good order.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Waits until it has ended, by whatever it was told.
    pub fn ended(&mut self) -> ExitStatus {
        let mut process = self.process.take().expect("it was started");
        wait::until(&format!("{} ends", self.name), || process.try_wait().unwrap())
    }

    /// How it has ended, if it has, by whatever it was told or by itself.
    pub fn try_ended(&mut self) -> Option<ExitStatus> {
        let status = self.process.as_mut()?.try_wait().unwrap()?;
        self.process = None;
        Some(status)
    }

    /// Whether its process has ended, by whatever it was told or by itself. It may be asked again.
    pub fn has_ended(&self) -> bool {
        use rustix::process::WaitIdOptions as Options;
        let Some(process) = &self.process else { return true };
        let options = Options::EXITED | Options::NOHANG | Options::NOWAIT;
        waitid(WaitId::Pid(Pid::from_child(process)), options).is_ok_and(|found| found.is_some())
    }

    /// Makes it fall silent in the middle of whatever it does; its connections stay open.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
        waitid(WaitId::Pid(self.pid()), WaitIdOptions::STOPPED | WaitIdOptions::NOWAIT).unwrap();
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// While it runs: it may open nothing more unless it has fewer than so many files and
    /// connections open. Those that are open stay so.
    #[cfg(target_os = "linux")]
    pub fn change_file_limit(&self, files_max: u64) {
        use rustix::process::{Resource, Rlimit, getrlimit, prlimit};
        // The hard limit is the one that it has from here.
        let limit = Rlimit { current: Some(files_max), ..getrlimit(Resource::Nofile) };
        prlimit(Some(self.pid()), Resource::Nofile, limit).unwrap();
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    fn pid(&self) -> Pid {
        Pid::from_child(self.process.as_ref().expect("it was started"))
    }

    fn log_path(&self) -> PathBuf {
        self.directory.join(format!("{}.log", self.name))
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // It may have ended already.
            process.kill().ok();
            process.wait().ok();
        }
    }
}
