//! A copy of the sources, where bugs are planted and pulled out again. The user's own tree is only
//! read. What is built from the copy is kept, so that a planted bug costs the crates it touches.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::patch::Patch;
use crate::failure::{Doing, Failure, Result};
use crate::shell::{cargo, run as succeeds, target_directory};

/// What is not copied beside all dotted names: what was built, and what members wrote.
const SKIPPED: &[&str] = &["target", "raftkv-dev"];

/// Less optimised than what ships, but built again in a second or two after a change of a few
/// lines; the lives are the same.
const BUILD: &[(&str, &str)] = &[
    ("CARGO_INCREMENTAL", "1"),
    ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "256"),
    ("CARGO_PROFILE_RELEASE_LTO", "off"),
    ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1"),
];

/// The copy.
pub(crate) struct Scratch {
    tree: PathBuf,
    target: PathBuf,
}

/// A bug that is planted; what the files were before.
pub(crate) struct Planted {
    files: Vec<(PathBuf, Vec<u8>)>,
}

impl Scratch {
    /// Copies the tree at `root`, or brings an earlier copy up to date.
    pub(crate) fn of(root: &Path) -> Result<Scratch> {
        let home = target_directory()?.join("mutants");
        let scratch = Scratch { tree: home.join("tree"), target: home.join("target") };
        mirror(root, &scratch.tree)?;
        Ok(scratch)
    }

    /// The patches, as they were when the copy was made: the user's may change meanwhile.
    pub(crate) fn patches(&self) -> PathBuf {
        self.tree.join(super::DIRECTORY)
    }

    /// Applies a patch to the copy.
    pub(crate) fn plant(&self, patch: &Patch) -> Result<Planted> {
        let paths = patch.files.iter().map(|file| self.tree.join(file));
        let read = |path: PathBuf| {
            let bytes = fs::read(&path).doing(format!("read {}", path.display()))?;
            Ok((path, bytes))
        };
        let files = paths.map(read).collect::<Result<_>>()?;
        apply(&self.tree, patch, &[])?;
        Ok(Planted { files })
    }

    /// Takes a bug out again.
    pub(crate) fn pull_out(&self, planted: Planted) -> Result<()> {
        for (path, bytes) in planted.files {
            fs::write(&path, bytes).doing(format!("write {}", path.display()))?;
        }
        Ok(())
    }

    /// Builds the simulator from the copy as it is, and keeps it under that name; answers where.
    pub(crate) fn build_as(&self, name: &str) -> Result<PathBuf> {
        let (built, kept) = (self.build()?, self.target.join(name));
        fs::copy(built, &kept).doing(format!("write {}", kept.display()))?;
        Ok(kept)
    }

    /// Builds the simulator from the copy as it is; answers where it lies.
    pub(crate) fn build(&self) -> Result<PathBuf> {
        let mut command = cargo(&["build", "--release", "--quiet", "-p", "sim"]);
        command.current_dir(&self.tree).envs(BUILD.iter().copied());
        command.env("CARGO_TARGET_DIR", &self.target).env("RUSTFLAGS", "-Awarnings");
        if !succeeds(&mut command)? {
            return Err(Failure::Unexpected("it does not compile".into()));
        }
        Ok(self.target.join("release").join("sim"))
    }
}

/// Whether the patch applies to the tree at `root`, which is not changed.
pub(crate) fn check(root: &Path, patch: &Patch) -> Result<()> {
    apply(root, patch, &["--check"])
}

/// A patch finds its place by one line of context on either side: code around it may change.
fn apply(tree: &Path, patch: &Patch, options: &[&str]) -> Result<()> {
    let mut command = Command::new("git");
    command.args(["apply", "--recount", "-C1"]).args(options).arg(&patch.path).current_dir(tree);
    // The copy lies within a repository, usually, and is none itself.
    command.env("GIT_CEILING_DIRECTORIES", tree.parent().unwrap_or(tree));
    let Output { status, stderr, .. } = command.output().doing("start git")?;
    if status.success() {
        return Ok(());
    }
    let reason = String::from_utf8_lossy(&stderr);
    Err(Failure::Unexpected(format!("it does not apply: {}", reason.trim())))
}

/// Makes `copy` the same as `original`. Files that are the same keep their time of change, so that
/// nothing is built again for nothing.
fn mirror(original: &Path, copy: &Path) -> Result<()> {
    fs::create_dir_all(copy).doing(format!("make {}", copy.display()))?;
    let wanted = names(original)?;
    for name in names(copy)?.difference(&wanted) {
        remove(&copy.join(name))?;
    }
    for name in wanted {
        let (from, to) = (original.join(&name), copy.join(&name));
        if from.is_dir() {
            mirror(&from, &to)?;
        } else {
            copy_file(&from, &to)?;
        }
    }
    Ok(())
}

fn names(directory: &Path) -> Result<BTreeSet<OsString>> {
    let listing = || format!("list {}", directory.display());
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(directory).doing(listing())? {
        let name = entry.doing(listing())?.file_name();
        let text = name.to_string_lossy();
        if !text.starts_with('.') && !SKIPPED.contains(&&*text) {
            names.insert(name);
        }
    }
    Ok(names)
}

fn remove(path: &Path) -> Result<()> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    removed.doing(format!("remove {}", path.display()))
}

fn copy_file(from: &Path, to: &Path) -> Result<()> {
    let bytes = fs::read(from).doing(format!("read {}", from.display()))?;
    if fs::read(to).is_ok_and(|present| present == bytes) {
        return Ok(());
    }
    fs::write(to, bytes).doing(format!("write {}", to.display()))
}
