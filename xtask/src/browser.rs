//! `cargo xtask test browser`: the dashboard. First what of it needs no browser, under node; then
//! the whole of it in Chromium, before real members.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Doing, Result};
use crate::lanes::Count;
use crate::shell::{BINARY_VARIABLE, cargo, listen, release_binary, root, run};
use crate::tools::{self, Tool};

/// What the tests need beyond Rust.
pub(crate) const TOOLS: [&Tool; 3] = [&tools::CHROMIUM, &tools::CHROMEDRIVER, &tools::NODE];

/// Long enough to fail if it has rotted.
pub(crate) const SMOKE_SECONDS: u64 = 3;

/// Where the tests without a browser are, below the root.
const MODULES: &str = "crates/server/src/dashboard/tests";

pub(crate) fn lane() -> Result<Count> {
    let count = modules()?;
    let arguments = ["test", "--release", "--no-fail-fast", "-p", "browser-tests", "--features"];
    let mut command = cargo(&arguments);
    command.arg("browser").env(BINARY_VARIABLE, release_binary()?);
    let heard = listen(&mut command)?;
    // The benchmark too, too short for a figure, so that it can not rot.
    let smoke = Count::one(measure(SMOKE_SECONDS)?);
    Ok(count.and(Count::of_tests(&heard)).and(smoke))
}

/// Prints how much the page works, for so long.
pub(crate) fn measure(seconds: u64) -> Result<bool> {
    let arguments = ["run", "--release", "-p", "browser-tests", "--features", "browser", "--bin"];
    let mut command = cargo(&arguments);
    run(command.args(["page-bench", "--", &seconds.to_string()]))
}

/// The page's own modules, each function by itself.
fn modules() -> Result<Count> {
    let directory = root().join(MODULES);
    let entries = fs::read_dir(&directory).doing(format!("list {}", directory.display()))?;
    let paths = entries.flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> = paths.filter(|path| is_test(path)).collect();
    files.sort();
    let mut command = Command::new("node");
    command.args(["--test", "--test-reporter=tap"]).args(files).current_dir(root());
    listen(&mut command).map(|heard| Count::of_tap(&heard))
}

fn is_test(path: &Path) -> bool {
    path.to_string_lossy().ends_with(".test.mjs")
}
