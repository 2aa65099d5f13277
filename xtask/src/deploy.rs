//! `cargo xtask test deploy`: what lies in `deploy/`, looked at by the tools of those who will read
//! it: Prometheus' own parser and its tests of alerts, Kubernetes' schemas, systemd.
//!
//! That it fits the program, tests on real members show: `tests/tests/system/deploy.rs`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Doing, Result};
use crate::lanes::Count;
use crate::shell::{done, release_binary, root, run, target_directory};
use crate::tools::{self, Tool};

/// What the lane needs beyond Rust; the rest it fetches.
pub(crate) const TOOLS: [&Tool; 3] = [&tools::PROMTOOL, &tools::SYSTEMD_ANALYZE, &tools::VENV];

/// The versions of Kubernetes by whose schemas the manifests are checked: an old one and a new one.
const KUBERNETES: [&str; 2] = ["1.29", "1.37"];

/// Whatever lists others is none of Kubernetes' own kinds.
const NO_MANIFEST: &str = "kustomization.yaml";

/// As `systemd-analyze security` counts, from 0 (nothing is exposed) to 100.
const EXPOSURE_MAX: &str = "--threshold=20";

/// Where the unit expects the program.
const INSTALLED: &str = "/usr/local/bin/raftkv";

/// Each check counts as one.
pub(crate) fn lane() -> Result<Count> {
    let mut checks = vec![promtool(&["check", "config", "prometheus.yml"])];
    checks.push(promtool(&["test", "rules", "rules_test.yml"]));
    let unit = unit()?;
    checks.push(systemd(&["verify"], &unit));
    checks.push(systemd(&["security", "--offline=yes", EXPOSURE_MAX], &unit));
    let validator = validator()?;
    for version in KUBERNETES {
        let mut check = Command::new(&validator);
        check.args(["--strict", "--no-warn", "-k", version]).args(manifests()?);
        checks.push(check);
    }
    let mut count = Count::default();
    for mut check in checks {
        count = count.and(Count::one(run(&mut check)?));
    }
    Ok(count)
}

fn place(name: &str) -> PathBuf {
    root().join("deploy").join(name)
}

fn promtool(arguments: &[&str]) -> Command {
    let mut command = Command::new("promtool");
    command.args(arguments).current_dir(place("prometheus"));
    command
}

fn systemd(arguments: &[&str], unit: &Path) -> Command {
    let mut command = Command::new("systemd-analyze");
    command.args(arguments).arg(unit);
    command
}

/// The unit as it would be installed, except that the program lies where it was built: a unit whose
/// program is missing is refused.
fn unit() -> Result<PathBuf> {
    let unit = place("systemd").join("raftkv.service");
    let text = fs::read_to_string(&unit).doing(format!("read {}", unit.display()))?;
    let program = release_binary()?.display().to_string();
    let scratch = target_directory()?.join("deploy");
    fs::create_dir_all(&scratch).doing(format!("make {}", scratch.display()))?;
    let copy = scratch.join("raftkv.service");
    fs::write(&copy, text.replace(INSTALLED, &program)).doing("copy the unit")?;
    Ok(copy)
}

fn manifests() -> Result<Vec<PathBuf>> {
    let directory = place("kubernetes");
    let doing = format!("list {}", directory.display());
    let entries = fs::read_dir(&directory).doing(doing.as_str())?;
    let mut paths = Vec::new();
    for entry in entries {
        let entry = entry.doing(doing.as_str())?;
        if entry.file_name() != NO_MANIFEST {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

/// The program that knows Kubernetes' schemas, in a virtual environment that is kept.
fn validator() -> Result<PathBuf> {
    let environment = target_directory()?.join("deploy").join("venv");
    let pip = environment.join("bin").join("pip");
    if !pip.exists() {
        done(Command::new("python3").args(["-m", "venv"]).arg(&environment), "make a venv")?;
    }
    let requirements = place("requirements-test.txt");
    done(Command::new(&pip).args(["install", "--quiet", "-r"]).arg(requirements), "fetch")?;
    Ok(environment.join("bin").join("kubernetes-validate"))
}
