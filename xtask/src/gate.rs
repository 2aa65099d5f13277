//! `cargo xtask test`: what must hold before a change is shared. It needs the Rust toolchain alone
//! and never root; warm, it takes at most three minutes.
//!
//! Every lane runs even if one before it failed; only a workspace that does not build skips the
//! lanes that would fail for that same reason.

use crate::failure::{Failure, Result};
use crate::lanes::{Count, Lanes};
use crate::shell::{BINARY_VARIABLE, cargo, listen, release_binary, run as succeeds};
use crate::{mutants, tidy, tools};

/// The package of the whole-system tests: they start real members and have a lane of their own.
const SYSTEM_TESTS: &str = "system-tests";

/// How many seeds the simulator runs here. Longer runs have their own task.
const SIMULATOR_SEEDS: &str = "1000";

pub(crate) fn run() -> Result<bool> {
    let mut lanes = Lanes::default();
    lanes.run("fmt", fmt);
    lanes.run("tidy", tidy::lane);
    lanes.run("patches", patches);
    if lanes.run("build", build) {
        lanes.run("clippy", clippy);
        lanes.run("doc", doc);
        lanes.run("unit", unit);
        lanes.run("sim", sim);
        lanes.run("system", || system(&[]));
    } else {
        lanes.skip(&["clippy", "doc", "unit", "sim", "system"], "not run: the build is broken");
    }
    println!("{}", lanes.report());
    Ok(lanes.clean())
}

fn fmt() -> Result<Count> {
    if let Some(missing) = tools::RUSTFMT.missing() {
        return Ok(Count::failed(missing));
    }
    succeeds(&mut cargo(&["fmt", "--all", "--check"])).map(Count::one)
}

/// Every planted bug still has its place in the sources.
fn patches() -> Result<Count> {
    if let Some(missing) = tools::GIT.missing() {
        return Ok(Count::failed(missing));
    }
    mutants::check_lane()
}

/// Everything the unit lane runs, with its tests: a failure here is the build, nothing else.
fn build() -> Result<Count> {
    let arguments = ["test", "--workspace", "--exclude", SYSTEM_TESTS, "--no-run", "--quiet"];
    succeeds(&mut cargo(&arguments)).map(Count::one)
}

fn clippy() -> Result<Count> {
    if let Some(missing) = tools::CLIPPY.missing() {
        return Ok(Count::failed(missing));
    }
    // With the features that only add tests, or those would never be looked at.
    let features = "browser-tests/browser,compat/etcd,system-tests/containers,\
                    system-tests/readme,system-tests/upgrade";
    let mut command = cargo(&["clippy", "--workspace", "--all-targets"]);
    command.args(["--features", features]).args(["--", "-D", "warnings"]);
    succeeds(&mut command).map(Count::one)
}

fn doc() -> Result<Count> {
    let mut command = cargo(&["doc", "--workspace", "--no-deps"]);
    succeeds(command.env("RUSTDOCFLAGS", "-D warnings")).map(Count::one)
}

/// Unit, golden, model and documentation tests of every package but the whole-system one.
fn unit() -> Result<Count> {
    let arguments = ["test", "--workspace", "--exclude", SYSTEM_TESTS, "--no-fail-fast"];
    listen(&mut cargo(&arguments)).map(|heard| Count::of_tests(&heard))
}

fn sim() -> Result<Count> {
    let arguments = ["run", "--release", "-p", "sim", "--", "--seeds", SIMULATOR_SEEDS];
    listen(&mut cargo(&arguments)).map(|heard| Count::of_closing_line(&heard))
}

/// Whole-system tests on the binary as it ships.
pub(crate) fn system(features: &[&str]) -> Result<Count> {
    if !succeeds(&mut cargo(&["pkgid", "-p", SYSTEM_TESTS]))? {
        let why = format!("the workspace has no package `{SYSTEM_TESTS}`");
        return Err(Failure::Unexpected(why));
    }
    let mut command = cargo(&["test", "--release", "--no-fail-fast", "-p", SYSTEM_TESTS]);
    command.args(features).env(BINARY_VARIABLE, release_binary()?);
    listen(&mut command).map(|heard| Count::of_tests(&heard))
}
