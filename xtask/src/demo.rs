//! `cargo xtask demo`: docs/demo, which any web server can hand out.
//!
//! It is made of two things that are kept elsewhere: the dashboard's own files, and the simulator's
//! told scenes. Both copies are checked in; that they are true is checked by `tidy` (the files) and
//! by a test of the simulator (the scenes).

use std::fs;
use std::path::Path;

use crate::failure::{Doing, Failure, Result};
use crate::shell::{cargo, root, run as succeeds};

/// Where the dashboard's files are kept.
pub(crate) const ASSETS: &str = "crates/server/src/dashboard/assets";
/// Where they are handed out, with what is theirs alone.
pub(crate) const DEMO: &str = "docs/demo";
pub(crate) const TRACES: &str = "traces";
pub(crate) const README: &str = "README.md";

pub(crate) fn run() -> Result<bool> {
    let root = root();
    let traces = root.join(DEMO).join(TRACES);
    remove(&traces)?;
    let directory = traces.to_string_lossy().into_owned();
    let arguments = ["run", "--release", "-p", "sim", "--", "--scenes", &directory];
    if !succeeds(&mut cargo(&arguments))? {
        return Err(Failure::Unexpected("a scene went wrong".into()));
    }
    let copied = copy_assets(&root.join(ASSETS), &root.join(DEMO))?;
    println!("{DEMO}: {copied} files of the dashboard; python3 -m http.server -d {DEMO}");
    Ok(true)
}

/// Puts the dashboard's files in the place of those that are there; how many they are. Without a
/// dashboard there are none.
fn copy_assets(assets: &Path, demo: &Path) -> Result<u64> {
    fs::create_dir_all(demo).doing(format!("make {}", demo.display()))?;
    for name in names(demo)? {
        if name != TRACES && name != README {
            remove(&demo.join(name))?;
        }
    }
    if assets.is_dir() { copy(assets, demo) } else { Ok(0) }
}

fn copy(from: &Path, to: &Path) -> Result<u64> {
    fs::create_dir_all(to).doing(format!("make {}", to.display()))?;
    let mut copied = 0;
    for name in names(from)? {
        let (source, target) = (from.join(&name), to.join(&name));
        if source.is_dir() {
            copied += copy(&source, &target)?;
        } else {
            fs::copy(&source, &target).doing(format!("copy {}", source.display()))?;
            copied += 1;
        }
    }
    Ok(copied)
}

fn names(directory: &Path) -> Result<Vec<String>> {
    let doing = || format!("list {}", directory.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).doing(doing())? {
        names.push(entry.doing(doing())?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

fn remove(path: &Path) -> Result<()> {
    let removed = match (path.is_dir(), path.exists()) {
        (true, _) => fs::remove_dir_all(path),
        (false, true) => fs::remove_file(path),
        (false, false) => Ok(()),
    };
    removed.doing(format!("remove {}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::path::PathBuf;
    use std::process;

    use super::*;

    /// A directory of this test's own.
    fn place(name: &str) -> PathBuf {
        let place = env::temp_dir().join(format!("xtask-demo-{}-{name}", process::id()));
        remove(&place).unwrap();
        fs::create_dir_all(&place).unwrap();
        place
    }

    fn write(path: PathBuf, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn the_dashboards_files_take_the_place_of_old_ones_and_leave_the_rest() {
        let place = place("copy");
        let (assets, demo) = (place.join("assets"), place.join("demo"));
        write(assets.join("index.html"), "new");
        write(assets.join("ring/ring.js"), "ring");
        write(demo.join("index.html"), "old");
        write(demo.join("gone/gone.js"), "gone");
        write(demo.join(README), "how to play");
        write(demo.join(TRACES).join("index.json"), "[]");
        assert_eq!(copy_assets(&assets, &demo).unwrap(), 2);
        assert_eq!(fs::read_to_string(demo.join("index.html")).unwrap(), "new");
        assert_eq!(fs::read_to_string(demo.join("ring/ring.js")).unwrap(), "ring");
        assert_eq!(names(&demo).unwrap(), ["README.md", "index.html", "ring", "traces"]);
        remove(&place).unwrap();
    }

    #[test]
    fn without_a_dashboard_there_is_nothing_to_copy() {
        let place = place("none");
        assert_eq!(copy_assets(&place.join("assets"), &place.join("demo")).unwrap(), 0);
        remove(&place).unwrap();
    }
}
