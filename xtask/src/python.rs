//! `cargo xtask test python`: the client in Python: its style, its types, and its tests beside
//! real members.
//!
//! Everything it runs with is pinned, and lies in a virtual environment below the target directory,
//! which is kept: only the first run fetches.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::Result;
use crate::lanes::Count;
use crate::shell::{BINARY_VARIABLE, done, listen, release_binary, root, run, target_directory};
use crate::tools::{self, Tool};

/// What the lane needs beyond Rust; the rest it fetches.
pub(crate) const TOOLS: [&Tool; 1] = [&tools::VENV];

/// Where the client is, from the root.
const PACKAGE: &str = "clients/python";

/// The programs that look at the sources, and how each is told where to keep what it knows.
const CHECKS: [&[&str]; 3] = [
    &["ruff", "format", "--check", ".", "--cache-dir"],
    &["ruff", "check", ".", "--cache-dir"],
    &["mypy", "--strict", "--cache-dir"],
];

/// What the client is installed with: it alone, as it is now, by what is there already.
const INSTALL: [&str; 5] =
    ["install", "--quiet", "--no-deps", "--no-build-isolation", "--force-reinstall"];

/// The checks, one each, and the tests.
pub(crate) fn lane() -> Result<Count> {
    let environment = Environment::ready()?;
    let mut failed = Vec::new();
    for words in CHECKS {
        let cache = environment.place.join(words[0]);
        if !run(environment.program(words[0]).args(&words[1..]).arg(cache))? {
            failed.push(format!("`{}` failed", words[..2].join(" ")));
        }
    }
    let mut tests = environment.program("pytest");
    tests.args(["-q", "-p", "no:cacheprovider"]).env(BINARY_VARIABLE, release_binary()?);
    let mut count = Count::of_closing_line(&listen(&mut tests)?);
    count.passed += (CHECKS.len() - failed.len()) as u64;
    count.failed += failed.len() as u64;
    count.notes.extend(failed);
    Ok(count)
}

/// A virtual environment with the client and all that its tests need.
struct Environment {
    place: PathBuf,
}

impl Environment {
    fn ready() -> Result<Environment> {
        let environment = Environment { place: target_directory()?.join("python") };
        if !environment.path("pip").exists() {
            let mut make = Command::new("python3");
            done(make.args(["-m", "venv"]).arg(environment.place.join("venv")), "make a venv")?;
        }
        let mut fetch = environment.program("pip");
        done(fetch.args(["install", "--quiet", "-r", "requirements-test.txt"]), "fetch")?;
        done(environment.program("pip").args(INSTALL).arg("."), "install the client")?;
        Ok(environment)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.join("venv").join("bin").join(name)
    }

    /// A program of the environment, at the client's place, that leaves nothing there.
    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.path(name));
        command.current_dir(root().join(Path::new(PACKAGE))).env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }
}
