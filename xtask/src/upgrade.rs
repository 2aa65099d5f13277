//! `cargo xtask test upgrade`: this version and the one before, in one cluster and on each other's
//! directories.
//!
//! The one before is built from its own sources, which git has: those of the last tag, or of a
//! commit that is named here while there is no tag. What was built is kept, so a second run needs
//! seconds.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::failure::{Doing, Failure, Result};
use crate::lanes::Count;
use crate::shell::{BINARY_VARIABLE, cargo, done, listen, release_binary, root, target_directory};
use crate::tools::{self, Tool};

/// What the lane needs beyond Rust.
pub(crate) const TOOLS: [&Tool; 1] = [&tools::GIT];

/// The version before, as long as none has a tag.
const BEFORE_TAGS: &str = "546da505a11c672c25539868642272a1ec67ecae";

/// Names a program of an earlier version, to be taken instead of one that is built; it also tells
/// the tests where it lies.
const OLD_BINARY_VARIABLE: &str = "RAFTKV_OLD_BIN";

/// Built in a few minutes, and as fast as it must be for tests.
const BUILD: [(&str, &str); 2] =
    [("CARGO_PROFILE_RELEASE_LTO", "off"), ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")];

/// The tests, beside the program of the version before.
pub(crate) fn lane() -> Result<Count> {
    let old = match env::var_os(OLD_BINARY_VARIABLE) {
        Some(named) => PathBuf::from(named),
        None if is_shallow() && old_commit().is_err() => return Ok(without_history()),
        None => old_binary()?,
    };
    let mut command = cargo(&["test", "--release", "--no-fail-fast", "-p", "system-tests"]);
    command.args(["--features", "upgrade", "--test", "upgrade"]);
    command.env(BINARY_VARIABLE, release_binary()?).env(OLD_BINARY_VARIABLE, old);
    listen(&mut command).map(|heard| Count::of_tests(&heard))
}

/// Whether this clone was made without its past.
fn is_shallow() -> bool {
    git(&["rev-parse", "--is-shallow-repository"]).is_some_and(|answer| answer == "true")
}

/// What is said where there is no version before to be had.
fn without_history() -> Count {
    let note = "not run: this clone is shallow, and the version before is not in it; `git fetch \
                --unshallow --tags` brings it";
    Count { notes: Vec::from([note.to_owned()]), ..Count::default() }
}

/// Builds it, unless that was done before.
fn old_binary() -> Result<PathBuf> {
    let commit = old_commit()?;
    let home = target_directory()?.join("upgrade").join(&commit);
    let kept = home.join("raftkv");
    if kept.exists() {
        return Ok(kept);
    }
    let (source, target) = (home.join("source"), home.join("target"));
    unpack(&commit, &home, &source)?;
    let mut build = cargo(&["build", "--release", "--locked", "-p", "raftkv"]);
    build.current_dir(&source).env("CARGO_TARGET_DIR", &target).envs(BUILD);
    done(&mut build, &format!("build the version before, {commit}"))?;
    // The last step, and in one: a build that was cut short is no program.
    let built = target.join("release").join("raftkv");
    fs::rename(&built, &kept).doing(format!("keep {}", built.display()))?;
    fs::remove_dir_all(&target).doing(format!("remove {}", target.display()))?;
    Ok(kept)
}

/// The last tag before what is checked out, or the commit that stands for one.
fn old_commit() -> Result<String> {
    let tag = git(&["describe", "--tags", "--abbrev=0", "--match", "v[0-9]*", "HEAD^"]);
    let named = tag.unwrap_or_else(|| BEFORE_TAGS.to_owned());
    let commit = git(&["rev-parse", "--verify", "--quiet", &format!("{named}^{{commit}}")]);
    let there = |commit: &String| git(&["cat-file", "-e", commit]).is_some();
    commit.filter(there).ok_or_else(|| {
        Failure::Unexpected(format!(
            "this clone does not have {named}, the version before: `git fetch --unshallow --tags`, \
             or name a program of it in {OLD_BINARY_VARIABLE}"
        ))
    })
}

/// What git answers; none if it says no.
fn git(arguments: &[&str]) -> Option<String> {
    let mut command = Command::new("git");
    let output = command.args(arguments).current_dir(root()).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success().then_some(text)
}

/// The sources as they were, without a trace in the repository.
fn unpack(commit: &str, home: &Path, source: &Path) -> Result<()> {
    if source.exists() {
        fs::remove_dir_all(source).doing(format!("remove {}", source.display()))?;
    }
    fs::create_dir_all(source).doing(format!("make {}", source.display()))?;
    let archive = home.join("source.tar");
    let mut pack = Command::new("git");
    pack.args(["archive", "--format=tar", "-o"]).arg(&archive).arg(commit).current_dir(root());
    done(&mut pack, &format!("take the sources of {commit} out of git"))?;
    let mut open = Command::new("tar");
    open.arg("-xf").arg(&archive).arg("-C").arg(source);
    done(&mut open, "unpack them")?;
    fs::remove_file(&archive).doing(format!("remove {}", archive.display()))
}
