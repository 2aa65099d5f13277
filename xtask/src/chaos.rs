//! `cargo xtask chaos`: failures on real processes. What is done to them, and how they are judged,
//! is the package `chaos`; here it is built, beside the binary that it starts.

use std::process::Command;

use crate::failure::Result;
use crate::lanes::Count;
use crate::shell::{BINARY_VARIABLE, cargo, commit, listen, release_binary, run as succeeds};
use crate::tools::{self, Tool};

/// What the lane needs beyond Rust: members get networks of their own.
pub(crate) const TOOLS: [&Tool; 3] = [&tools::GIT, &tools::IP, &tools::IPTABLES];

/// How long the lane lets lives go on, of three and of five members in turn.
const MINUTES: &str = "5";

/// What is told once more where members have no networks of their own: it needs a cut that holds.
const ON_LOOPBACK: &str = "leadership-lost-in-a-write";

/// With the arguments of the program itself.
pub(crate) fn run(arguments: &[&str]) -> Result<bool> {
    succeeds(&mut chaos(arguments)?)
}

/// The failures that have a name, and then lives whose seed the commit decides.
pub(crate) fn lane() -> Result<Count> {
    let commit = commit()?;
    let stories = listen(&mut chaos(&["--story", "all"])?)?;
    let lives = listen(&mut chaos(&["--minutes", MINUTES, "--from-hash", &commit])?)?;
    let mut beside = chaos(&["--story", ON_LOOPBACK])?;
    let beside = listen(beside.env("CHAOS_LOOPBACK", "as where no networks are given away"))?;
    let counts = [stories, lives, beside].map(|heard| Count::of_closing_line(&heard));
    Ok(counts.into_iter().fold(Count::default(), Count::and))
}

fn chaos(arguments: &[&str]) -> Result<Command> {
    let mut command = cargo(&["run", "--release", "-p", "chaos", "--"]);
    command.args(arguments).env(BINARY_VARIABLE, release_binary()?);
    Ok(command)
}
