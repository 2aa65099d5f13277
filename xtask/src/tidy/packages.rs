//! The walls between our rooms, and the third parties that may come in.

use std::collections::BTreeSet;

use super::Violation;
use super::manifests::{Dependency, Kind, Package, WORKSPACES, packages, shared};
use super::outsiders::silent_rows;
use super::tree::Tree;

/// What a room of ours may depend on.
struct Room {
    name: &'static str,
    /// Rooms it may use in what ships.
    uses: &'static [&'static str],
    /// Rooms that its tests, examples and benchmarks may use besides.
    tests_use: &'static [&'static str],
}

/// The allowed edges. An edge that is not here is a change of the architecture: argue for it first.
const ROOMS: &[Room] = &[
    Room { name: "raft", uses: &[], tests_use: &[] },
    Room { name: "disk", uses: &[], tests_use: &[] },
    Room { name: "wal", uses: &["disk"], tests_use: &["disk"] },
    Room { name: "store", uses: &[], tests_use: &[] },
    Room { name: "replica", uses: &["raft", "wal", "store", "disk"], tests_use: &["disk"] },
    // It shares nothing with what it judges.
    Room { name: "judge", uses: &[], tests_use: &[] },
    Room {
        name: "sim",
        uses: &["judge", "replica", "raft", "wal", "store", "disk"],
        tests_use: &[],
    },
    Room { name: "proto", uses: &[], tests_use: &[] },
    Room {
        name: "server",
        uses: &["replica", "store", "raft", "proto", "disk"],
        tests_use: &["client"],
    },
    Room { name: "client", uses: &["proto"], tests_use: &[] },
    Room { name: "links", uses: &[], tests_use: &[] },
    // The tools for a stopped member's directory read and recover its log without a server; `bench`
    // speaks etcd's API by gRPC, which the client library does not, to any server that has it.
    Room {
        name: "raftkv",
        uses: &["server", "client", "links", "proto", "replica", "raft", "wal", "disk"],
        tests_use: &[],
    },
    Room {
        name: "hostile",
        uses: &["disk", "raft", "replica", "server", "store", "wal"],
        tests_use: &[],
    },
    Room { name: "fuzz", uses: &["hostile"], tests_use: &[] },
    Room { name: "system-tests", uses: &[], tests_use: &[] },
    Room { name: "browser-tests", uses: &["system-tests"], tests_use: &[] },
    Room { name: "compat", uses: &["proto", "system-tests"], tests_use: &[] },
    Room { name: "chaos", uses: &["client", "judge", "links", "system-tests"], tests_use: &[] },
    Room { name: "xtask", uses: &[], tests_use: &[] },
];

/// The third parties that may ship in the core: each small, synchronous and without a global.
const CORE_THIRD_PARTIES: &[(&str, &[&str])] = &[
    ("raft", &["bytes"]),
    ("disk", &["rustix"]),
    ("wal", &["bytes", "crc32c"]),
    ("store", &["bytes", "prost", "xxhash-rust", "parking_lot", "imbl", "arc-swap", "triomphe"]),
    ("replica", &["bytes", "prost", "parking_lot"]),
];

/// A reason is more than a mark: this many characters at least.
pub(crate) const REASON_CHARS_MIN: usize = 8;

fn is_ours(name: &str) -> bool {
    ROOMS.iter().any(|room| room.name == name)
}

/// Each dependency of each package, with what decides about it.
fn each_dependency<'a>(
    packages: &'a [Package<'a>],
    judge: impl Fn(&Package<'_>, &Dependency<'_>) -> Option<String>,
    rule: &'static str,
) -> Vec<Violation> {
    let pairs = packages.iter().flat_map(|package| {
        package.dependencies.iter().map(move |dependency| (package, dependency))
    });
    pairs
        .filter_map(|(package, dependency)| {
            let message = judge(package, dependency)?;
            let subject = format!("{} -> {}", package.name, dependency.name);
            Some(Violation::new(rule, package.path, dependency.line, message).about(subject))
        })
        .collect()
}

pub(crate) fn edges(tree: &Tree) -> Vec<Violation> {
    let packages = packages(tree);
    let strangers = packages.iter().filter(|package| !is_ours(package.name)).map(|package| {
        let message = format!("`{}` has no row in the table of allowed edges", package.name);
        Violation::new("edge", package.path, 0, message).about(package.name)
    });
    let broken = each_dependency(&packages, forbidden_edge, "edge");
    strangers.chain(broken).collect()
}

fn forbidden_edge(package: &Package<'_>, dependency: &Dependency<'_>) -> Option<String> {
    let Room { name, uses, tests_use } = ROOMS.iter().find(|room| room.name == package.name)?;
    let by_tests = dependency.kind == Kind::Dev && tests_use.contains(&dependency.name);
    let allowed = by_tests || uses.contains(&dependency.name);
    (is_ours(dependency.name) && !allowed)
        .then(|| format!("`{name}` may not depend on `{}`", dependency.name))
}

pub(crate) fn third_parties(tree: &Tree) -> Vec<Violation> {
    let stranger = |package: &Package<'_>, dependency: &Dependency<'_>| {
        let (core, allowed) = CORE_THIRD_PARTIES.iter().find(|(core, _)| *core == package.name)?;
        let ships = dependency.kind == Kind::Normal && !is_ours(dependency.name);
        (ships && !allowed.contains(&dependency.name))
            .then(|| format!("`{}` may not ship in `{core}`, which is core", dependency.name))
    };
    each_dependency(&packages(tree), stranger, "third-party")
}

/// Every dependency is inherited from the workspace, so that each has one version and one reason.
pub(crate) fn inherited(tree: &Tree) -> Vec<Violation> {
    let alone = |_: &Package<'_>, dependency: &Dependency<'_>| {
        (!dependency.value.contains("workspace = true"))
            .then(|| format!("write `{}.workspace = true`", dependency.name))
    };
    each_dependency(&packages(tree), alone, "inherited")
}

/// The third parties that the workspaces' manifests list, each with the manifest.
fn listed(tree: &Tree) -> impl Iterator<Item = (&'static str, Dependency<'_>)> {
    WORKSPACES.iter().flat_map(|manifest| {
        let listed = shared(tree.text(manifest).unwrap_or_default());
        let third = listed.filter(|dependency| !dependency.value.contains("path = "));
        third.map(|dependency| (*manifest, dependency))
    })
}

pub(crate) fn reasons(tree: &Tree) -> Vec<Violation> {
    let silent = listed(tree).filter(|(_, d)| d.comment.chars().count() < REASON_CHARS_MIN);
    silent
        .map(|(manifest, Dependency { name, line, .. })| {
            let message = format!("say in a comment behind it why `{name}` is here");
            Violation::new("reason", manifest, line, message).about(name)
        })
        .chain(silent_rows(tree))
        .collect()
}

pub(crate) fn unused(tree: &Tree) -> Vec<Violation> {
    let packages = packages(tree);
    let used: BTreeSet<&str> =
        packages.iter().flat_map(|package| package.dependencies.iter().map(|d| d.name)).collect();
    listed(tree)
        .filter(|(_, dependency)| !used.contains(dependency.name))
        .map(|(manifest, Dependency { name, line, .. })| {
            let message = format!("no package uses `{name}`");
            Violation::new("unused", manifest, line, message).about(name)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::manifests::ROOT;
    use super::*;

    /// A tree of one manifest: the package's name and what follows its `[dependencies]`.
    fn manifest(name: &str, dependencies: &str) -> Tree {
        let text = format!("[package]\nname = \"{name}\"\n[dependencies]\n{dependencies}");
        Tree::of(&[("crates/some/Cargo.toml", &text)])
    }

    fn root(dependencies: &str) -> Tree {
        Tree::of(&[(ROOT, &format!("[workspace.dependencies]\n{dependencies}"))])
    }

    #[test]
    fn a_forbidden_edge_is_found() {
        let found = edges(&manifest("raft", "store.workspace = true\n"));
        assert_eq!((found.len(), found[0].line), (1, 4));
        assert_eq!(edges(&manifest("wal", "disk.workspace = true\nbytes.workspace = true\n")), []);
    }

    #[test]
    fn tests_have_edges_of_their_own() {
        let tests = "[dev-dependencies]\nclient.workspace = true\n";
        assert_eq!(edges(&manifest("server", tests)), []);
        assert_eq!(edges(&manifest("server", "client.workspace = true\n")).len(), 1);
        assert_eq!(edges(&manifest("store", tests)).len(), 1);
    }

    #[test]
    fn a_new_package_needs_its_row() {
        assert_eq!(edges(&manifest("newcomer", "")).len(), 1);
    }

    #[test]
    fn the_core_takes_only_its_third_parties() {
        assert_eq!(third_parties(&manifest("raft", "bytes.workspace = true\n")), []);
        assert_eq!(third_parties(&manifest("raft", "tokio.workspace = true\n")).len(), 1);
        let tests = "[dev-dependencies]\nproptest.workspace = true\n";
        assert_eq!(third_parties(&manifest("raft", tests)), []);
        assert_eq!(third_parties(&manifest("server", "tokio.workspace = true\n")), []);
    }

    #[test]
    fn a_version_of_ones_own_is_found() {
        assert_eq!(inherited(&manifest("server", "tokio = \"1\"\n")).len(), 1);
        let good = "a.workspace = true\nb = { workspace = true, features = [] }\n";
        assert_eq!(inherited(&manifest("server", good)), []);
    }

    #[test]
    fn a_third_party_without_a_reason_is_found() {
        let found = reasons(&root("a = \"1\"\nb = \"1\" # why not\nc = { path = \"c\" }\n"));
        let names: Vec<&str> = found.iter().map(|v| v.subject.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(reasons(&root("a = \"1\" # checksums of log frames\n")), []);
    }

    #[test]
    fn a_third_party_that_nobody_uses_is_found() {
        assert_eq!(unused(&root("a = \"1\" # checksums of log frames\n")).len(), 1);
    }
}
