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

/// With the arguments of the program itself.
pub(crate) fn run(arguments: &[&str]) -> Result<bool> {
    succeeds(&mut chaos(arguments)?)
}

/// The failures that have a name, and then lives whose seed the commit decides.
pub(crate) fn lane() -> Result<Count> {
    let commit = commit()?;
    let stories = listen(&mut chaos(&["--story", "all"])?)?;
    let lives = listen(&mut chaos(&["--minutes", MINUTES, "--from-hash", &commit])?)?;
    Ok(Count::of_closing_line(&stories).and(Count::of_closing_line(&lives)))
}

fn chaos(arguments: &[&str]) -> Result<Command> {
    let mut command = cargo(&["run", "--release", "-p", "chaos", "--"]);
    command.args(arguments).env(BINARY_VARIABLE, release_binary()?);
    Ok(command)
}
