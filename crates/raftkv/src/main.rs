//! The program: one member (`start`), a cluster to try things out (`dev`), and a client of either.
//!
//! | file | what it holds |
//! |---|---|
//! | `args.rs` | the command line as written, and all of `--help` |
//! | `log.rs`, `say.rs` | how a member's log lines leave it, and a command's words |
//! | `start.rs` | one member; everything else about members is in the crate `server` |
//! | `etcd/` | the same, started with etcd's own command line |
//! | `dev/` | a cluster of child processes on this machine |
//! | `kv.rs`, `render.rs`, `past.rs`, `text.rs` | keys and values, and how they are printed |
//! | `txn.rs`, `txn/` | transactions, as JSON and as people write them |
//! | `record.rs` | records and their fields |
//! | `lease.rs` | leases |
//! | `lock.rs` | a command while a lock is held |
//! | `export.rs`, `import.rs`, `lines.rs` | keys and values as lines of a file |
//! | `snapshot.rs`, `snapshot/` | backups, and new clusters out of them |
//! | `aside.rs`, `progress.rs` | files that are whole or not there; how far a command is |
//! | `watch.rs` | changes of keys as they happen |
//! | `cluster.rs`, `diagnosis.rs` | the cluster, and what is wrong with it in words |
//! | `top/` | the cluster at work, in a terminal |
//! | `member.rs` | who is in the cluster, and changes of that |
//! | `auth.rs`, `auth/`, `password.rs` | users and roles; `--user`, and passwords that are typed |
//! | `cert.rs` | a CA for development, and its certificates |
//! | `bench/` | throughput and latency of a cluster, ours or one of etcd's |
//! | `offline/` | `check`, `wal dump`, `recover`: a directory in which no member runs |
//! | `failure.rs` | exit codes |
//!
//! Answers go to standard output, everything else to standard error. Exit codes: 0 done, 1 not
//! found or condition failed, 2 wrong usage, 3 unavailable or outcome unknown, 4 (of `start`)
//! removed from the cluster, 5 (of `lock`) the lock was lost.

// What panics where nobody takes it has no place here: see `say.rs`.
#![deny(clippy::print_stderr, clippy::print_stdout)]

#[macro_use]
mod say;

mod args;
mod aside;
mod auth;
mod bench;
mod cert;
mod cluster;
mod dev;
mod diagnosis;
mod etcd;
mod export;
mod failure;
mod import;
mod kv;
mod lease;
mod lines;
mod lock;
mod log;
mod member;
mod offline;
mod password;
mod past;
mod progress;
mod record;
mod render;
mod settings;
mod signals;
mod snapshot;
mod start;
mod text;
mod top;
mod txn;
mod watch;

use std::io::{self, BufWriter, Write as _};
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use crate::args::{Cli, Command, WalCommand};
use crate::failure::Failure;

/// Every request is a dozen small allocations that another thread may free.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let command = match etcd::called_so(std::env::args_os()) {
        Some(flags) => Command::Etcd { flags },
        None => Cli::parse().command,
    };
    match run(command).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.is_silent() {
                complain!("raftkv: {failure}");
            }
            failure.exit_code()
        }
    }
}

async fn run(command: Command) -> Result<(), Failure> {
    let mut out = BufWriter::new(io::stdout());
    let result = match command {
        Command::Start(args) => start::run(args).await,
        Command::Etcd { flags } => etcd::run(flags, &mut out).await,
        Command::Dev(args) => dev::run(args).await,
        Command::LetGo { pid } => Ok(dev::let_go(pid)?),
        Command::Put(args) => kv::put(args, &mut out).await,
        Command::Get(args) => kv::get(args, &mut out).await,
        Command::Delete(args) => kv::delete(args, &mut out).await,
        Command::History(args) => kv::history(args, &mut out).await,
        Command::Watch(args) => watch::run(args, &mut out).await,
        Command::List(args) => kv::list(args, &mut out).await,
        Command::Txn(args) => txn::run(args, &mut out).await,
        Command::Record(command) => record::run(command, &mut out).await,
        Command::Lease(command) => lease::run(command, &mut out).await,
        Command::Lock(args) => lock::run(args).await,
        Command::Export(args) => export::run(args, &mut out).await,
        Command::Import(args) => import::run(args, &mut out).await,
        Command::Snapshot(command) => snapshot::run(command, &mut out).await,
        Command::Compact(args) => kv::compact(args, &mut out).await,
        Command::Settings(args) => settings::run(args, &mut out).await,
        Command::Status(args) => cluster::status(args, &mut out).await,
        Command::Top(args) => top::run(args, &mut out).await,
        Command::Leader(args) => cluster::leader(args, &mut out).await,
        Command::Health(args) => cluster::health(args, &mut out).await,
        Command::Transfer(args) => cluster::transfer(args, &mut out).await,
        Command::Member(command) => member::run(command, &mut out).await,
        Command::Auth(command) => auth::run(command, &mut out).await,
        Command::User(command) => auth::user(command, &mut out).await,
        Command::Role(command) => auth::role(command, &mut out).await,
        Command::Cert(command) => cert::run(command, &mut out),
        Command::Bench(command) => bench::run(command, &mut out).await,
        Command::Check(args) => offline::check(&args, &mut out),
        Command::Wal(WalCommand::Dump(args)) => offline::dump(&args, &mut out),
        Command::Recover(args) => offline::recover(&args, &mut out),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "raftkv", &mut out);
            Ok(())
        }
    };
    // What was printed before a failure belongs to the answer.
    let flushed = out.flush();
    result?;
    Ok(flushed?)
}
