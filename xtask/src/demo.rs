//! `cargo xtask demo`: the told scenes of docs/demo, which any web server can hand out.
//!
//! The dashboard's own files are there by links, so there is nothing to copy. The scenes are played
//! by the simulator and checked in; a test of the simulator plays them again.

use crate::failure::{Doing, Failure, Result};
use crate::shell::{cargo, root, run as succeeds};

/// Where the scenes are kept.
pub(crate) const TRACES: &str = "docs/demo/traces";

pub(crate) fn run() -> Result<bool> {
    let traces = root().join(TRACES);
    if traces.exists() {
        std::fs::remove_dir_all(&traces).doing(format!("remove {}", traces.display()))?;
    }
    let directory = traces.to_string_lossy().into_owned();
    let arguments = ["run", "--release", "-p", "sim", "--", "--scenes", &directory];
    if !succeeds(&mut cargo(&arguments))? {
        return Err(Failure::Unexpected("a scene went wrong".into()));
    }
    println!("{TRACES} is made anew; to look at it: python3 -m http.server -d docs/demo");
    Ok(true)
}
