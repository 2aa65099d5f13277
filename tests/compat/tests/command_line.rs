//! The same command lines to a real etcd and to `raftkv etcd`: what they found has the same ids and
//! the same members, and what is wrong is told in the same words.

#![allow(clippy::unwrap_used, reason = "a test that can not go on says where, and ends")]

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use compat::etcd::program;
use serde_json::Value;
use system_tests::etcd::post;
use system_tests::http::Http;
use system_tests::ports::Ports;
use system_tests::scratch::Scratch;
use system_tests::{program as raftkv, wait};

/// What is started with etcd's flags.
#[derive(Clone, Copy, Debug)]
enum Server {
    Etcd,
    Raftkv,
}

const BOTH: [Server; 2] = [Server::Etcd, Server::Raftkv];

impl Server {
    fn command(self) -> Command {
        let (path, words): (PathBuf, &[&str]) = match self {
            Server::Etcd => (program("etcd"), &[]),
            Server::Raftkv => (raftkv::path(), &["etcd"]),
        };
        let mut command = Command::new(path);
        command.args(words).stdin(Stdio::null());
        for (variable, _) in std::env::vars_os() {
            if variable.to_string_lossy().starts_with("ETCD") {
                command.env_remove(variable);
            }
        }
        command
    }
}

/// Members that run. Dropped, they are killed.
struct Running(Vec<Child>);

impl Drop for Running {
    fn drop(&mut self) {
        for process in &mut self.0 {
            // It may have ended already.
            process.kill().ok();
            process.wait().ok();
        }
    }
}

fn start(server: Server, lines: &[Vec<String>], directory: &Path) -> Running {
    let lines = lines.iter().enumerate();
    let started = lines.map(|(number, line)| {
        let mut command = server.command();
        command.args(line).current_dir(directory);
        let log = File::create(directory.join(format!("{server:?}-{number}.log"))).unwrap();
        command.stdout(log.try_clone().unwrap()).stderr(log);
        command.spawn().unwrap()
    });
    Running(started.collect())
}

/// The id of the cluster, and its members by their ids.
#[derive(Debug, PartialEq)]
struct Cluster {
    id: Value,
    members: BTreeMap<String, Value>,
}

/// What the member at `port` tells, once all of them have said who they are.
fn told(port: u16, count: usize) -> Cluster {
    wait::until("all members are known", || {
        let answer = Http::new(port).request("GET", "/health", "").ok()?;
        if !answer.body.contains("\"true\"") {
            return None;
        }
        let list = post(port, "/v3/cluster/member/list", &serde_json::json!({})).json();
        let members = list["members"].as_array()?;
        let started = |member: &&Value| member["clientURLs"].is_array();
        if members.iter().filter(started).count() < count {
            return None;
        }
        let by_id = |member: &Value| (member["ID"].as_str().unwrap().to_owned(), member.clone());
        let members = members.iter().map(by_id).collect();
        Some(Cluster { id: list["header"]["cluster_id"].clone(), members })
    })
}

#[test]
fn clusters_of_the_same_flags_have_the_same_ids_and_members() {
    for (count, more) in
        [(1, &[][..]), (3, &["--initial-cluster-token", "of-three", "-pre-vote=true"])]
    {
        let ports = Ports::in_a_row(2 * count);
        let url = |port: u16| format!("http://localhost:{}", ports.numbers()[usize::from(port)]);
        let (client, peer) = (|number| url(2 * number), |number| url(2 * number + 1));
        let founders: Vec<String> =
            (0..count).map(|number| format!("m{number}={}", peer(number))).collect();
        let line = |server: Server, number: u16| -> Vec<String> {
            let mut line = vec![
                format!("--name=m{number}"),
                format!("-data-dir={server:?}-{number}"),
                format!("--listen-client-urls={}", client(number)),
                format!("--advertise-client-urls={}", client(number)),
                format!("--listen-peer-urls={}", peer(number)),
                format!("--initial-advertise-peer-urls={}", peer(number)),
                "--initial-cluster".to_owned(),
                founders.join(","),
            ];
            line.extend(more.iter().map(|&flag| flag.to_owned()));
            line
        };
        let scratch = Scratch::new();
        let [etcd, raftkv] = BOTH.map(|server| {
            let lines: Vec<Vec<String>> = (0..count).map(|number| line(server, number)).collect();
            let _running = start(server, &lines, scratch.path());
            told(ports.numbers()[0], usize::from(count))
        });
        assert_eq!(raftkv, etcd);
        assert_eq!(etcd.members.len(), usize::from(count));
    }
}

#[test]
fn what_is_no_flag_is_refused_in_the_same_words() {
    for line in [
        &["--nosuch"][..],
        &["-nosuch=1"],
        &["--name"],
        &["---name=a"],
        &["--=a"],
        &["--strict-reconfig-check=maybe"],
        &["--heartbeat-interval=often"],
        &["--heartbeat-interval", "-5"],
        &["--quota-backend-bytes=1.5"],
        &["--grpc-keepalive-interval=5"],
        &["--max-wals=0x"],
    ] {
        let [etcd, raftkv] = BOTH.map(|server| {
            let ended = server.command().args(line).output().unwrap();
            (ended.status.code(), String::from_utf8(ended.stderr).unwrap())
        });
        let said = etcd.1.lines().next().unwrap();
        assert_eq!(raftkv.0, etcd.0, "{line:?}");
        assert!(raftkv.1.contains(said), "{line:?}: {said} | {}", raftkv.1);
    }
}

#[test]
fn versions_are_told_in_the_same_way() {
    for word in ["--version", "-version"] {
        for server in BOTH {
            let ended = server.command().arg(word).output().unwrap();
            assert_eq!(ended.status.code(), Some(0));
            let told = String::from_utf8(ended.stdout).unwrap();
            let version = told.lines().next().and_then(|line| line.strip_prefix("etcd Version: "));
            let parts = version.map(|version| version.split('.').count());
            assert_eq!(parts, Some(3), "{told}");
        }
    }
}
