//! Our manifests and the lock file, as far as the rules need them: sections, keys, reasons.
//!
//! A reader of lines, because all of these files are our own: each dependency is one line.

use super::tree::Tree;

/// Which of a package's dependencies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// What ships, build scripts included.
    Normal,
    /// What only tests, examples and benchmarks use.
    Dev,
}

/// One line of a manifest that names a dependency.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Dependency<'a> {
    pub(crate) name: &'a str,
    pub(crate) kind: Kind,
    pub(crate) line: usize,
    /// What stands right of the name, comment apart.
    pub(crate) value: &'a str,
    /// The comment behind it, or nothing.
    pub(crate) comment: &'a str,
}

/// One of our packages.
pub(crate) struct Package<'a> {
    pub(crate) name: &'a str,
    /// The path of its manifest.
    pub(crate) path: &'a str,
    pub(crate) dependencies: Vec<Dependency<'a>>,
}

/// The workspace's manifest.
pub(crate) const ROOT: &str = "Cargo.toml";

/// The manifests that list what packages may inherit: ours, and that of the fuzz targets, which
/// need another toolchain.
pub(crate) const WORKSPACES: &[&str] = &[ROOT, "fuzz/Cargo.toml"];

/// The section with that list.
const SHARED: &str = "workspace.dependencies";

/// The lock file.
pub(crate) const LOCK: &str = "Cargo.lock";

/// The lock files of both workspaces.
pub(crate) const LOCKS: &[&str] = &[LOCK, "fuzz/Cargo.lock"];

/// One package of a lock file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Locked<'a> {
    /// The line of its version.
    pub(crate) line: usize,
    pub(crate) name: &'a str,
    pub(crate) version: &'a str,
    /// Where it comes from; what has none lies in a directory.
    pub(crate) source: Option<&'a str>,
    /// Whether its content is pinned.
    pub(crate) has_checksum: bool,
}

/// Every package of ours, in order of path.
pub(crate) fn packages(tree: &Tree) -> Vec<Package<'_>> {
    let manifests = tree.texts_ending("/Cargo.toml");
    manifests.filter_map(|(path, text)| package(path, text)).collect()
}

fn package<'a>(path: &'a str, text: &'a str) -> Option<Package<'a>> {
    let (_, name) = entries(text).find_map(|(section, _, key, value, _)| {
        (section == "package" && key == "name").then_some((key, value.trim_matches('"')))
    })?;
    Some(Package { name, path, dependencies: dependencies(text).collect() })
}

/// The dependencies that a package may inherit: `[workspace.dependencies]`.
pub(crate) fn shared(text: &str) -> impl Iterator<Item = Dependency<'_>> {
    let shared = entries(text).filter(|(section, ..)| *section == SHARED);
    shared.map(|(_, line, name, value, comment)| Dependency {
        name,
        kind: Kind::Normal,
        line,
        value,
        comment,
    })
}

fn dependencies(text: &str) -> impl Iterator<Item = Dependency<'_>> {
    entries(text).filter_map(|(section, line, key, value, comment)| {
        let last = section.rsplit('.').next().filter(|_| section != SHARED)?;
        let kind = match last {
            "dependencies" | "build-dependencies" => Kind::Normal,
            "dev-dependencies" => Kind::Dev,
            _ => return None,
        };
        // `name.workspace = true` has the name before the dot; keep `workspace` in the value.
        let name = key.split('.').next()?;
        let value = if key.ends_with(".workspace") { "workspace = true" } else { value };
        Some(Dependency { name, kind, line, value, comment })
    })
}

/// The keys of one section, each with its line.
pub(crate) fn entries_of<'a>(
    text: &'a str,
    section: &'a str,
) -> impl Iterator<Item = (usize, &'a str)> {
    let here = entries(text).filter(move |(name, ..)| *name == section);
    here.map(|(_, line, key, ..)| (line, key))
}

/// Every `key = value # comment`: its section, line number and parts.
fn entries(text: &str) -> impl Iterator<Item = (&str, usize, &str, &str, &str)> {
    let mut section = "";
    text.lines().zip(1..).filter_map(move |(line, number)| {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = header.trim_matches(['[', ']']);
            return None;
        }
        let (key, rest) = line.split_once('=').filter(|_| !line.starts_with('#'))?;
        let (value, comment) = rest.split_once(" #").unwrap_or((rest, ""));
        Some((section, number, key.trim().trim_matches('"'), value.trim(), comment.trim()))
    })
}

/// Every package of a lock file.
pub(crate) fn locked(text: &str) -> Vec<Locked<'_>> {
    let mut packages: Vec<Locked<'_>> = Vec::new();
    let mut name = "";
    let entries = entries(text).filter(|(section, ..)| *section == "package");
    for (_, line, key, value, _) in entries {
        let value = value.trim_matches('"');
        match (key, packages.last_mut()) {
            ("name", _) => name = value,
            ("version", _) => {
                let (version, source, has_checksum) = (value, None, false);
                packages.push(Locked { line, name, version, source, has_checksum });
            }
            ("source", Some(package)) => package.source = Some(value),
            ("checksum", Some(package)) => package.has_checksum = true,
            _ => {}
        }
    }
    packages
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "\
[package]
name = \"wal\"
version.workspace = true

[dependencies]
disk.workspace = true
bytes = { workspace = true, features = [\"serde\"] } # why
[target.'cfg(unix)'.dependencies]
rustix = \"1\"
[dev-dependencies]
# proptest = \"1\"
goldenscript.workspace = true
";

    #[test]
    fn dependencies_are_read_with_kind_and_line() {
        let tree = Tree::of(&[("crates/wal/Cargo.toml", MANIFEST)]);
        let packages = packages(&tree);
        assert_eq!(packages[0].name, "wal");
        let read: Vec<_> =
            packages[0].dependencies.iter().map(|d| (d.name, d.kind, d.line)).collect();
        let expected = [
            ("disk", Kind::Normal, 6),
            ("bytes", Kind::Normal, 7),
            ("rustix", Kind::Normal, 9),
            ("goldenscript", Kind::Dev, 12),
        ];
        assert_eq!(read, expected);
        assert_eq!(packages[0].dependencies[1].comment, "why");
    }

    #[test]
    fn what_a_workspace_lists_is_no_dependency_of_the_package_beside_it() {
        let text = "[workspace.dependencies]\na = \"1\"\n[dependencies]\nb.workspace = true\n";
        let names: Vec<&str> = dependencies(text).map(|dependency| dependency.name).collect();
        assert_eq!(names, ["b"]);
    }

    #[test]
    fn shared_dependencies_keep_value_and_reason() {
        let text = "[workspace.dependencies]\nbytes = \"1.12\" # shared payloads\n[profile.dev]\n";
        let read: Vec<_> = shared(text).map(|d| (d.name, d.value, d.comment)).collect();
        assert_eq!(read, [("bytes", "\"1.12\"", "shared payloads")]);
    }

    #[test]
    fn the_lock_file_gives_versions_and_where_they_come_from() {
        let text = "version = 4\n\
            [[package]]\nname = \"a\"\nversion = \"1.2.3\"\nsource = \"s\"\nchecksum = \"c\"\n\
            [[package]]\nname = \"b\"\nversion = \"2.0.0\"\ndependencies = [\n \"a\",\n]\n";
        let package = |line, name, version, source, has_checksum| Locked {
            line,
            name,
            version,
            source,
            has_checksum,
        };
        let read =
            [package(4, "a", "1.2.3", Some("s"), true), package(9, "b", "2.0.0", None, false)];
        assert_eq!(locked(text), read);
    }
}
