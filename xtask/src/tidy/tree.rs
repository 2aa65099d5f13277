//! The tree under test: every text of the repository in memory, read once.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::source::Source;
use crate::failure::{Doing, Failure, Result};
use crate::shell::cargo;

/// Directories that hold nothing we wrote. The last three are a fuzzer's.
const SKIPPED: &[&str] =
    &["target", "raftkv-dev", "__pycache__", "corpus", "artifacts", "coverage"];

/// Dotted directories that are ours; all others belong to somebody's tools.
const DOTTED: &[&str] = &[".ci", ".cargo", ".github"];

/// The licences of all that is locked, one package a line: name, version and licence, with tabs
/// between. No file: cargo tells them when the tree is read, for the manifests of others hold them.
pub(crate) const LICENCES: &str = "(cargo metadata)";

/// Every file by its path from the root, with `/` between the names.
pub(crate) struct Tree {
    files: BTreeMap<String, String>,
    sources: BTreeMap<String, Source>,
}

impl Tree {
    /// Reads the repository.
    pub(crate) fn read(root: &Path) -> Result<Tree> {
        let mut files = BTreeMap::new();
        read_directory(root, "", &mut files)?;
        files.insert(LICENCES.into(), licences()?);
        Ok(Tree::new(files))
    }

    /// A tree of a few texts, for the tests of the checks.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Tree {
        let owned = files.iter().map(|(path, text)| (path.to_string(), text.to_string()));
        Tree::new(owned.collect())
    }

    fn new(files: BTreeMap<String, String>) -> Tree {
        let rust = files.iter().filter(|(path, _)| path.ends_with(".rs"));
        let mut sources: BTreeMap<String, Source> =
            rust.map(|(path, text)| (path.clone(), Source::parse(path, text))).collect();
        let tests: Vec<String> = sources.values().flat_map(Source::test_modules).collect();
        for path in tests {
            if let Some(source) = sources.get_mut(&path) {
                source.mark_as_test();
            }
        }
        Tree { files, sources }
    }

    pub(crate) fn len(&self) -> usize {
        self.files.len()
    }

    /// Every text, in order of path.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// The texts whose path ends so.
    pub(crate) fn texts_ending(&self, ending: &str) -> impl Iterator<Item = (&str, &str)> {
        self.texts().filter(move |(path, _)| path.ends_with(ending))
    }

    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// The Rust sources, in order of path.
    pub(crate) fn sources(&self) -> impl Iterator<Item = &Source> {
        self.sources.values()
    }

    pub(crate) fn source(&self, path: &str) -> Option<&Source> {
        self.sources.get(path)
    }

    /// Whether there is a file or a directory of that path.
    pub(crate) fn exists(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        let inside = format!("{path}/");
        path.is_empty()
            || self.files.contains_key(path)
            || self
                .files
                .range(inside.clone()..)
                .next()
                .is_some_and(|(p, _)| p.starts_with(&inside))
    }
}

fn read_directory(root: &Path, prefix: &str, files: &mut BTreeMap<String, String>) -> Result<()> {
    let place = root.join(prefix);
    for entry in fs::read_dir(&place).doing(format!("list {}", place.display()))? {
        let entry = entry.doing(format!("list {}", place.display()))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
        let kind = entry.file_type().doing(format!("look at {path}"))?;
        if kind.is_dir() && is_ours(&name) {
            read_directory(root, &path, files)?;
        } else if kind.is_file() && name != ".git" {
            // (In a second working tree of a repository, `.git` is a file that names the first.)
            let bytes = fs::read(entry.path()).doing(format!("read {path}"))?;
            // What is not text has a name that exists and nothing to check.
            files.insert(path, String::from_utf8(bytes).unwrap_or_default());
        }
    }
    Ok(())
}

/// Asks cargo, which fetches what is locked and not yet here.
fn licences() -> Result<String> {
    let mut command = cargo(&["metadata", "--locked", "--all-features", "--format-version", "1"]);
    let output = command.output().doing("start cargo metadata")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Failure::Unexpected(format!("cargo metadata: {}", said.trim())));
    }
    let metadata: Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| Failure::Unexpected(format!("cargo metadata: {error}")))?;
    let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let line = |package: &Value| {
        let field = |name: &str| package[name].as_str().unwrap_or_default();
        format!("{}\t{}\t{}\n", field("name"), field("version"), field("license"))
    };
    Ok(packages.iter().map(line).collect())
}

fn is_ours(directory: &str) -> bool {
    if directory.starts_with('.') {
        DOTTED.contains(&directory)
    } else {
        !SKIPPED.contains(&directory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_exists_through_its_files() {
        let tree = Tree::of(&[("crates/raft/src/lib.rs", "")]);
        for path in ["crates", "crates/raft/", "crates/raft/src/lib.rs"] {
            assert!(tree.exists(path), "{path}");
        }
        for path in ["crates/raf", "crates/raft/src/lib", "docs"] {
            assert!(!tree.exists(path), "{path}");
        }
    }

    #[test]
    fn a_module_declared_for_tests_is_a_test_file() {
        let tree = Tree::of(&[
            ("crates/raft/src/log.rs", "#[cfg(test)]\nmod model;\nmod runs;\n"),
            ("crates/raft/src/log/model.rs", "fn f() {}\n"),
            ("crates/raft/src/log/runs.rs", "fn f() {}\n"),
        ]);
        assert!(tree.source("crates/raft/src/log/model.rs").unwrap().is_test());
        assert!(!tree.source("crates/raft/src/log/runs.rs").unwrap().is_test());
    }
}
