//! `cargo xtask`: the project's own tasks. A fresh machine needs a Rust toolchain and no more.
//!
//! ```text
//! cargo xtask test              the gate: format, lints, tidy, docs, unit, simulator, processes
//! cargo xtask test etcd-diff    the etcd door beside a real etcd, and under its command line
//! cargo xtask test browser      the dashboard, in Chromium
//! cargo xtask test python       the client in Python: style, types, tests beside real members
//! cargo xtask test deploy       what Prometheus, Kubernetes and systemd are given
//! cargo xtask test upgrade      this version and the one before, in one cluster
//! cargo xtask test containers   the image and three members of it, under the Docker that is here
//! cargo xtask ci [--install]    `test`, then the lanes that need more tools than Rust
//! cargo xtask chaos             failures on real processes, under load, judged
//! cargo xtask tidy              our own style and layout rules, over the sources
//! cargo xtask demo              docs/demo: scenes to play on the dashboard's files
//! cargo xtask bench NAME        figures: `failover`, `http`, `overload` and others
//! cargo xtask mutants           planted bugs: does the simulator find each?
//! ```
//!
//! | room | what it holds |
//! |---|---|
//! | `lanes` | one lane: run it, count its tests, time it; the table that ends a run |
//! | `gate`, `ci` | which lanes there are |
//! | `etcd` | a real etcd, and the tests beside it |
//! | `browser` | the dashboard's tests: its modules under node, the page in Chromium |
//! | `chaos` | failures on real processes |
//! | `deploy` | the files of `deploy/`, and the tools of those who read them |
//! | `containers` | the image, and what stands in for the one that its build begins with |
//! | `upgrade` | the version before, built from its own sources |
//! | `python` | the client in Python, and what its tests need |
//! | `tools` | tools beyond Rust: is it here, which line installs it |
//! | `tidy` | the checks over our sources, each a pure function over text |
//! | `demo` | files that any web server can hand out |
//! | `bench` | figures taken from real members, started and stopped here |
//! | `mutants` | bugs planted in a copy of the sources, for the simulator to find |
//!
//! It is built first on every run, so it must compile in seconds: one dependency, no macros.
//!
//! What this does *not* do: change a source. `cargo fmt` and `cargo clippy --fix` do.

mod bench;
mod browser;
mod chaos;
mod ci;
mod containers;
mod demo;
mod deploy;
mod etcd;
mod failure;
mod gate;
mod lanes;
mod mutants;
mod patience;
mod python;
mod shell;
mod tidy;
mod tools;
mod upgrade;

use std::env;
use std::process::ExitCode;

use failure::{Failure, Result};

const USAGE: &str = "\
usage: cargo xtask test
       cargo xtask test etcd-diff
       cargo xtask test browser
       cargo xtask test python
       cargo xtask test deploy
       cargo xtask test containers
       cargo xtask test upgrade
       cargo xtask ci [--install]
       cargo xtask chaos --minutes N [--seed S] [--members 3|5]
       cargo xtask chaos --story NAME|all
       cargo xtask tidy
       cargo xtask demo
       cargo xtask bench store [ARGUMENT...]
       cargo xtask bench failover [--runs N] [--kind kill|term|stop|all] [--smoke]
       cargo xtask bench overload [--smoke]
       cargo xtask bench http [--smoke]
       cargo xtask bench page [--minutes N]
       cargo xtask bench versus-etcd [--quick | --smoke] [--etcd-bin DIR]
       cargo xtask mutants [--only NAME...] [--seeds N] [--from M] [--check]
       cargo xtask mutants --rotate HEX [--count N]";

/// The exit code of a command line that can not be understood, as the `raftkv` binary has it.
const EXIT_USAGE: u8 = 2;

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(Failure::Usage(message)) => {
            eprintln!("xtask: {message}\n{USAGE}");
            ExitCode::from(EXIT_USAGE)
        }
        Err(failure) => {
            eprintln!("xtask: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Answers whether everything that ran was good; an error says why it could not run.
fn run(words: &[&str]) -> Result<bool> {
    match words {
        ["test"] => gate::run(),
        ["test", "etcd" | "etcd-diff"] => ci::etcd_alone(),
        ["test", "browser"] => ci::browser_alone(),
        ["test", "python"] => ci::python_alone(),
        ["test", "deploy"] => ci::deploy_alone(),
        ["test", "containers"] => ci::containers_alone(),
        ["test", "upgrade"] => ci::upgrade_alone(),
        ["ci"] => ci::run(tools::Policy::Explain),
        ["ci", "--install"] => ci::run(tools::Policy::Install),
        ["chaos", arguments @ ..] => chaos::run(arguments),
        ["tidy"] => tidy::run(),
        ["demo"] => demo::run(),
        ["bench", name, options @ ..] => bench::run(name, options),
        ["mutants", options @ ..] => mutants::run(options),
        [] => Err(Failure::Usage("no task named".into())),
        _ => Err(Failure::Usage(format!("no such task: {}", words.join(" ")))),
    }
}
