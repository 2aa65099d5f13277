//! Every command of README.md, run word for word in a shell, with the program on the `PATH` and
//! the real curl, against the cluster that the README starts.
//!
//! Three things are not what they are for a reader:
//!
//! - The directory is a temporary one, so that no `raftkv-dev` of anybody is touched.
//! - `cargo` is a stand-in. `cargo run --release -- …` is the program that was just built by
//!   `cargo build --release -p raftkv`, which is what cargo would build and run, because the
//!   workspace's only default member is `crates/raftkv` (checked here). `cargo install --path …`
//!   only checks that there is such a package: the program is on the `PATH` already.
//! - `cargo xtask …` is checked to be a task, and not run: it would run this test.
//!
//! The ports 8001 to 8003 must be free, because the README names them.

#![allow(clippy::unwrap_used, reason = "a test that can not go on says where, and ends")]

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::{env, ffi::OsString};

use rustix::process::{Pid, Signal, kill_process_group};
use system_tests::cluster::leader_named_by;
use system_tests::document::{Block, Step, blocks, matches};
use system_tests::http::Http;
use system_tests::scratch::Scratch;
use system_tests::{ports, program, wait};

/// The ports that the README names.
const PORTS: [u16; 3] = [8001, 8002, 8003];

/// Ends the output of a command.
const MARK: &str = "@@ the command above ended with ";

/// What cargo does, as far as the README asks for it.
const CARGO: &str = r#"#!/bin/sh
case "$*" in
"run --release -- "*)
    grep -qF 'default-members = ["crates/raftkv"]' "$REPOSITORY/Cargo.toml" || exit 99
    shift 3
    exec raftkv "$@" ;;
"install --path "*)
    grep -qF 'name = "raftkv"' "$REPOSITORY/$3/Cargo.toml" ;;
*)
    echo "the README's test knows no cargo $*" >&2
    exit 99 ;;
esac
"#;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Where the commands are typed.
struct Desk {
    scratch: Scratch,
    path: OsString,
    /// Commands that stay up.
    background: Vec<Background>,
}

/// A command that stays up. Dropped, it gets what Ctrl-C sends, and is waited for.
struct Background {
    command: String,
    process: Child,
    output: PathBuf,
}

impl Desk {
    fn new() -> Desk {
        let scratch = Scratch::new();
        let programs = scratch.path().join("bin");
        fs::create_dir(&programs).unwrap();
        symlink(program::path(), programs.join("raftkv")).unwrap();
        fs::write(programs.join("cargo"), CARGO).unwrap();
        fs::set_permissions(programs.join("cargo"), fs::Permissions::from_mode(0o755)).unwrap();
        let others = env::var_os("PATH").unwrap_or_default();
        let all = [programs].into_iter().chain(env::split_paths(&others));
        let path = env::join_paths(all).unwrap();
        Desk { scratch, path, background: Vec::new() }
    }

    fn shell(&self, script: &str) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", script]).current_dir(self.scratch.path()).stdin(Stdio::null());
        shell.env("PATH", &self.path).env("REPOSITORY", repository());
        shell
    }

    /// Runs the commands of a block in one shell, and compares what each prints.
    fn run(&mut self, steps: &[Step]) {
        let (staying, ending): (Vec<&Step>, Vec<&Step>) =
            steps.iter().partition(|step| step.command.ends_with('&'));
        for step in staying {
            self.start(step.command.trim_end_matches(['&', ' ']), &step.output);
        }
        let marked = ending.iter().map(|step| format!("{}\necho \"{MARK}$?\"\n", step.command));
        let ended = self.shell(&marked.collect::<String>()).output().unwrap();
        let printed = String::from_utf8(ended.stdout).unwrap();
        let errors = String::from_utf8_lossy(&ended.stderr).into_owned();
        let mut parts = printed.split(MARK);
        let mut printed = parts.next().unwrap_or_default();
        for step in ending {
            let (code, next) = parts.next().and_then(|part| part.split_once('\n')).unwrap();
            let Step { command, output } = step;
            println!("$ {command}\n{printed}");
            assert_eq!(code, "0", "{command}: {errors}");
            assert!(matches(output, printed), "{command} printed\n{printed}instead of\n{output}");
            printed = next;
        }
    }

    /// Starts a command that stays up, and waits until it has printed what it is to print.
    fn start(&mut self, command: &str, expected: &str) {
        let output = self.scratch.path().join(format!("output-{}", self.background.len()));
        let file = File::create(&output).unwrap();
        let mut shell = self.shell(command);
        shell.process_group(0).stdout(file.try_clone().unwrap()).stderr(file);
        let process = shell.spawn().unwrap();
        let command = command.to_owned();
        self.background.push(Background { command, process, output: output.clone() });
        let started = self.background.last_mut().unwrap();
        wait::until_true("a command that stays up prints what it is to print", || {
            let printed = fs::read_to_string(&output).unwrap();
            let ended = started.process.try_wait().unwrap();
            assert!(ended.is_none(), "{} ended:\n{printed}", started.command);
            matches(expected, &printed)
        });
    }

    /// Ends all that stays up.
    fn clear(&mut self) {
        self.background.clear();
        wait::until_true("the ports of the README are free", || {
            PORTS.into_iter().all(ports::is_free)
        });
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let printed = fs::read_to_string(&self.output).unwrap_or_default();
            eprintln!("--- $ {}\n{printed}", self.command);
        }
        // It may have ended already.
        kill_process_group(Pid::from_child(&self.process), Signal::INT).ok();
        self.process.wait().ok();
    }
}

#[test]
fn every_command_of_the_readme_does_what_it_says() {
    for port in PORTS {
        assert!(ports::is_free(port), "port {port} is taken: the README needs {PORTS:?}");
    }
    let text = fs::read_to_string(repository().join("README.md")).unwrap();
    let mut desk = Desk::new();
    let mut alone = Vec::new();
    for block in blocks(&text) {
        match block {
            Block::Console(steps) => desk.run(&steps),
            Block::Sh(commands) => alone.extend(commands),
        }
    }
    assert!(!desk.background.is_empty(), "the README starts a cluster");
    desk.clear();
    let (starts, tasks): (Vec<String>, Vec<String>) =
        alone.into_iter().partition(|command| command.starts_with("raftkv start "));
    start_members(&mut desk, &starts);
    tasks.iter().for_each(|task| check_task(task));
}

/// A cluster of single commands, one a terminal.
fn start_members(desk: &mut Desk, commands: &[String]) {
    assert_eq!(commands.len(), PORTS.len(), "the README starts a cluster without `dev`");
    for command in commands {
        desk.start(command, "…");
    }
    let leaders = || PORTS.map(|port| leader_named_by(&mut Http::new(port)));
    wait::until_true("the members of the README agree on a leader", || {
        let [first, others @ ..] = leaders();
        first.is_some() && others.iter().all(|other| *other == first)
    });
    let put = Http::new(PORTS[0]).request("PUT", "/kv/k", r#"{"value":"v"}"#).unwrap();
    assert_eq!(put.status, 200, "{put:?}");
    assert_eq!(Http::new(PORTS[2]).get("/kv/k").json()["value"], "v");
    desk.clear();
}

/// `cargo xtask NAME` names a task that there is.
fn check_task(command: &str) {
    let task = command.strip_prefix("cargo xtask ").expect("a command that this test knows");
    let tasks = fs::read_to_string(repository().join("xtask/src/main.rs")).unwrap();
    assert!(tasks.contains(&format!("\"{task}\"")), "there is no `{command}`");
}
