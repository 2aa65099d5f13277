//! A real etcd.

use std::env;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use system_tests::http::Http;
use system_tests::ports::Ports;
use system_tests::scratch::Scratch;
use system_tests::wait;

/// Names the directory in which `etcd` and `etcdctl` are.
const DIRECTORY_VARIABLE: &str = "ETCD_BIN_DIR";

/// One member, alone in its cluster. Dropped, it is killed.
#[derive(Debug)]
pub struct Etcd {
    process: Child,
    ports: Ports,
    _scratch: Scratch,
}

/// A program of etcd's.
pub fn program(name: &str) -> PathBuf {
    let directory = env::var_os(DIRECTORY_VARIABLE).unwrap_or_else(|| {
        panic!("set {DIRECTORY_VARIABLE}, or run `cargo xtask test etcd-diff`, which gets an etcd")
    });
    PathBuf::from(directory).join(name)
}

impl Etcd {
    /// A fresh one, that serves.
    pub fn start() -> Etcd {
        let (scratch, ports) = (Scratch::new(), Ports::in_a_row(2));
        let url = |number: usize| format!("http://127.0.0.1:{}", ports.numbers()[number]);
        let log = File::create(scratch.path().join("log")).unwrap();
        let mut command = Command::new(program("etcd"));
        command.args(["--name", "reference", "--data-dir"]).arg(scratch.path().join("data"));
        command.args(["--listen-client-urls", &url(0), "--advertise-client-urls", &url(0)]);
        command.args(["--listen-peer-urls", &url(1), "--initial-advertise-peer-urls", &url(1)]);
        command.args(["--initial-cluster", &format!("reference={}", url(1))]);
        // It names each variable that it does not know.
        command.env_remove(DIRECTORY_VARIABLE);
        // No guarantee is measured here, only answers.
        command.arg("--unsafe-no-fsync");
        let process = command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let etcd = Etcd { process, ports, _scratch: scratch };
        wait::until("etcd serves", || {
            let answer = Http::new(etcd.port()).request("GET", "/health", "").ok()?;
            answer.body.contains("true").then_some(())
        });
        etcd
    }

    /// Where clients reach it.
    pub fn port(&self) -> u16 {
        self.ports.numbers()[0]
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        // It may have ended already.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}
