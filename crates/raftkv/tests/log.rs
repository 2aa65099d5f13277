//! A member and whoever reads what it logs.

#![allow(clippy::unwrap_used, reason = "test support: a failure here fails the test")]

use std::io::{Read as _, Write as _, pipe};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};

/// A member of a cluster of one. Dropped, it is killed.
struct Member {
    process: Child,
    port: u16,
    directory: PathBuf,
}

impl Member {
    fn start(name: &str, log: impl Into<Stdio>) -> Member {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let name = format!("raftkv-log-test-{name}-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        let process = Command::new(env!("CARGO_BIN_EXE_raftkv"))
            .args(["start", "--port", &port.to_string(), "--data-dir"])
            .arg(&directory)
            .stderr(log)
            .spawn()
            .unwrap();
        Member { process, port, directory }
    }

    /// Puts a key, within a time that is enough on any machine.
    fn serves(&self) -> bool {
        let node = format!("localhost:{}", self.port);
        let mut put = Command::new(env!("CARGO_BIN_EXE_raftkv"));
        put.args(["put", "k", "v", "--timeout", "30s", "--node", &node]);
        put.status().unwrap().success()
    }

    fn stop(&mut self) {
        let pid = Pid::from_child(&self.process);
        kill_process(pid, Signal::TERM).unwrap();
        assert!(self.process.wait().unwrap().success());
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
        std::fs::remove_dir_all(&self.directory).ok();
    }
}

/// A terminal that was stopped, a pager that is not scrolled, a log collector that hangs.
#[test]
fn a_member_whose_log_nobody_reads_serves_and_stops() {
    let (unread, log) = pipe().unwrap();
    let mut filler = log.try_clone().unwrap();
    // Waits for ever once the pipe is full, as would whoever else writes to it.
    let filling = thread::spawn(move || filler.write_all(&[b'.'; 1 << 20]));
    let mut member = Member::start("unread", log);
    assert!(member.serves());
    member.stop();
    drop(unread);
    assert!(filling.join().unwrap().is_err(), "the pipe was full to the end");
}

#[test]
fn the_last_words_are_written_before_the_process_ends() {
    let (mut read, log) = pipe().unwrap();
    let mut member = Member::start("read", log);
    assert!(member.serves());
    member.stop();
    let mut said = String::new();
    read.read_to_string(&mut said).unwrap();
    assert!(said.trim_end().ends_with("stopped"), "{said}");
}
