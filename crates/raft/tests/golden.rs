//! The golden scripts: each file below `tests/scripts` is one scenario and one test, named by its
//! path. They are the specification of the protocol; see `harness` for their verbs.
//!
//! `UPDATE_GOLDENFILES=1 cargo test -p raft --test golden` rewrites them; read the difference.

#[expect(dead_code, reason = "the random test uses the rest of it")]
mod cluster;
mod harness;

use std::path::{Path, PathBuf};

use libtest_mimic::{Arguments, Failed, Trial};

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scripts");

fn main() {
    let arguments = Arguments::from_args();
    let trials = scripts(Path::new(SCRIPTS)).into_iter().map(trial).collect();
    libtest_mimic::run(&arguments, trials).exit();
}

fn trial(path: PathBuf) -> Trial {
    let name = path.strip_prefix(SCRIPTS).expect("it was found there").display().to_string();
    Trial::test(name, move || harness::run(&path).map_err(Failed::from))
}

/// All files below a directory, in order.
fn scripts(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).expect("the scripts are readable");
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| entry.expect("the scripts are readable").path()).collect();
    paths.sort();
    paths.into_iter().flat_map(|p| if p.is_dir() { scripts(&p) } else { vec![p] }).collect()
}
