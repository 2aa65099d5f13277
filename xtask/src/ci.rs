//! `cargo xtask ci [--install]`: `cargo xtask test`, exactly, and then the lanes that need tools
//! beyond Rust.

use std::time::Duration;

use crate::bench;
use crate::browser;
use crate::chaos;
use crate::containers;
use crate::deploy;
use crate::etcd;
use crate::failure::Result;
use crate::gate;
use crate::lanes::{Count, Lanes};
use crate::mutants;
use crate::patience::LANE_MAX;
use crate::python;
use crate::shell::{cargo, commit, listen, listen_for, run as succeeds};
use crate::tools::{self, Installer, Policy, Tool};
use crate::upgrade;

/// The task that the README names, and that this one begins with.
const GATE: &str = "test";

/// Its lanes end by themselves, each in its own time.
const GATE_MAX: Duration = LANE_MAX.saturating_mul(4);

pub(crate) fn run(policy: Policy) -> Result<bool> {
    let installer = Installer::new(policy);
    let mut lanes = Lanes::default();
    if policy == Policy::Install {
        // The gate never installs: what it lacks of the toolchain is added before it starts.
        installer.provide(&[&tools::RUSTFMT, &tools::CLIPPY, &tools::GIT])?;
    }
    let heard = listen_for(GATE_MAX, &mut cargo(&["xtask", GATE]))?;
    if !lanes.adopt(&heard.text) || (lanes.clean() && !heard.success) {
        lanes.skip(&[GATE], "it failed outside of its lanes: see its output");
    }
    lanes.run("sim-fresh", || with_tools(&installer, &[&tools::GIT], fresh_seeds));
    lanes.run("chaos", || with_tools(&installer, &chaos::TOOLS, chaos::lane));
    lanes.run("mutants", || with_tools(&installer, &[&tools::GIT], rotated_mutants));
    lanes.run("etcd", || with_tools(&installer, &etcd::TOOLS, etcd::lane));
    lanes.run("browser", || with_tools(&installer, &browser::TOOLS, browser::lane));
    lanes.run("python", || with_tools(&installer, &python::TOOLS, python::lane));
    lanes.run("deploy", || with_tools(&installer, &deploy::TOOLS, deploy::lane));
    lanes.run("containers", || with_tools(&installer, &containers::tools(), containers::lane));
    lanes.run("upgrade", || with_tools(&installer, &upgrade::TOOLS, upgrade::lane));
    lanes.run("readme", || with_tools(&installer, &[&tools::CURL], readme));
    lanes.run("bench-smoke", || with_tools(&installer, &bench::TOOLS, bench_smoke));
    println!("{}", lanes.report());
    Ok(lanes.clean())
}

/// The lane beside a real etcd, alone.
pub(crate) fn etcd_alone() -> Result<bool> {
    alone("etcd", &etcd::TOOLS, etcd::lane)
}

/// The dashboard's lane, alone.
pub(crate) fn browser_alone() -> Result<bool> {
    alone("browser", &browser::TOOLS, browser::lane)
}

/// The lane of the client in Python, alone.
pub(crate) fn python_alone() -> Result<bool> {
    alone("python", &python::TOOLS, python::lane)
}

/// The lane of what lies in `deploy/`, alone.
pub(crate) fn deploy_alone() -> Result<bool> {
    alone("deploy", &deploy::TOOLS, deploy::lane)
}

/// The lane of the image and of `compose.yaml`, alone.
pub(crate) fn containers_alone() -> Result<bool> {
    alone("containers", &containers::tools(), containers::lane)
}

/// The lane of this version and the one before, alone.
pub(crate) fn upgrade_alone() -> Result<bool> {
    alone("upgrade", &upgrade::TOOLS, upgrade::lane)
}

fn alone(name: &str, tools: &[&Tool], lane: impl FnOnce() -> Result<Count>) -> Result<bool> {
    let installer = Installer::new(Policy::Explain);
    let mut lanes = Lanes::default();
    lanes.run(name, || with_tools(&installer, tools, lane));
    println!("{}", lanes.report());
    Ok(lanes.clean())
}

fn with_tools(
    installer: &Installer,
    tools: &[&Tool],
    body: impl FnOnce() -> Result<Count>,
) -> Result<Count> {
    match installer.provide(tools)? {
        Some(missing) => Ok(Count::failed(missing)),
        None => body(),
    }
}

/// How long the simulator lives lives that nobody has lived before.
const FRESH_SECONDS: &str = "60";

/// Seeds that the commit decides: others with each, and the same for everyone who has it.
fn fresh_seeds() -> Result<Count> {
    let commit = commit()?;
    let arguments = ["--seconds", FRESH_SECONDS, "--from-hash", &commit];
    let mut command = cargo(&["run", "--release", "-p", "sim", "--"]);
    listen(command.args(arguments)).map(|heard| Count::of_closing_line(&heard))
}

/// Two of the planted bugs, others with each commit, and fresh seeds with them.
fn rotated_mutants() -> Result<Count> {
    mutants::rotated_lane(&commit()?)
}

/// Every command line of the README, verbatim, with the real binary and the real curl.
fn readme() -> Result<Count> {
    gate::system(&["--features", "readme", "--test", "readme"])
}

/// Each benchmark, too short for a figure, so that none can rot.
fn bench_smoke() -> Result<Count> {
    let mut count = Count::default();
    for name in bench::NAMES {
        if succeeds(&mut cargo(&["xtask", "bench", name, "--smoke"]))? {
            count.passed += 1;
        } else {
            count.failed += 1;
            count.notes.push(format!("`cargo xtask bench {name} --smoke` failed"));
        }
    }
    Ok(count)
}
