//! `cargo xtask test containers`: the `Dockerfile` and `compose.yaml` at the root, built and run by
//! the Docker that is here.
//!
//! Where the image that the build begins with can not be fetched, a stand-in of the same name is
//! made of what this machine has: its Rust toolchain, its C compiler, and the crates that
//! `Cargo.lock` names. The `Dockerfile` is the same either way.

use std::collections::BTreeSet;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::failure::{Doing, Failure, Result};
use crate::lanes::Count;
use crate::shell::{cargo, done, listen, root, run, target_directory};
use crate::tools::{self, Tool};

/// What the lane needs beyond Rust: Docker, with compose as its plugin or as a program of its own.
pub(crate) fn tools() -> Vec<&'static Tool> {
    let mut plugin = Command::new("docker");
    plugin.args(["compose", "version"]).stdout(Stdio::null()).stderr(Stdio::null());
    match plugin.status() {
        Ok(status) if status.success() => vec![&tools::DOCKER],
        _ => vec![&tools::DOCKER, &tools::COMPOSE],
    }
}

/// Debian's packages of which the stand-in is made, with all that they need.
const PACKAGES: [&str; 11] = [
    "coreutils",
    "dash",
    "sed",
    "grep",
    "mawk",
    "diffutils",
    "gcc",
    "make",
    "libc6-dev",
    "binutils",
    "base-files",
];

/// Links that no package owns.
const LINKS: [&str; 5] =
    ["usr/bin/sh", "usr/bin/cc", "etc/alternatives/cc", "usr/bin/awk", "etc/alternatives/awk"];

/// Directories of old that are links today.
const MERGED: [&str; 4] = ["bin", "sbin", "lib", "lib64"];

/// Marks a stand-in, and says what it was made of.
const LABEL: &str = "raftkv.stand-in";

/// What the toolchain has and a build does not need.
const NOT_NEEDED: [&str; 2] = ["--exclude=*/share", "--exclude=*/etc"];

/// Makes cargo take the crates that lie beside it, as nothing can be fetched.
const CARGO_CONFIG: &str = "\
[source.crates-io]
replace-with = 'beside'
[source.beside]
directory = '/usr/local/cargo/vendor'
[net]
offline = true
";

/// The tests on the image, which they build.
pub(crate) fn lane() -> Result<Count> {
    let image = base_image()?;
    let crates = crates()?;
    match stands_in(&image)? {
        Some(made_of) if made_of.is_empty() || made_of == crates => {}
        Some(_) => make_stand_in(&image, &crates)?,
        None if run(Command::new("docker").args(["pull", "--quiet", &image]))? => {}
        None => make_stand_in(&image, &crates)?,
    }
    let arguments = ["test", "--release", "-p", "system-tests", "--test", "containers"];
    let mut command = cargo(&arguments);
    command.args(["--features", "containers", "--", "--test-threads", "1"]);
    listen(&mut command).map(|heard| Count::of_tests(&heard))
}

/// The image that the build begins with: the first that the `Dockerfile` names.
fn base_image() -> Result<String> {
    let text = fs::read_to_string(root().join("Dockerfile")).doing("read the Dockerfile")?;
    let named = text.lines().find_map(|line| line.strip_prefix("FROM ")?.split(' ').next());
    let image = named.map(str::to_owned);
    image.ok_or_else(|| Failure::Unexpected("the Dockerfile begins with no image".into()))
}

/// What a stand-in was made of, if `image` is here; nothing if it is the true one.
fn stands_in(image: &str) -> Result<Option<String>> {
    let format = format!("{{{{index .Config.Labels {LABEL:?}}}}}");
    let mut command = Command::new("docker");
    command.args(["image", "inspect", "--format", &format, image]);
    let output = command.stderr(Stdio::null()).output().doing("start docker")?;
    let label = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Ok(output.status.success().then_some(label))
}

/// Names the crates that a build needs: a stand-in that was made of others is made anew.
fn crates() -> Result<String> {
    let lock = fs::read(root().join("Cargo.lock")).doing("read Cargo.lock")?;
    let mut hasher = DefaultHasher::new();
    lock.hash(&mut hasher);
    Ok(format!("{:016x}", hasher.finish()))
}

/// Imports what this machine has under the name of `image`.
fn make_stand_in(image: &str, crates: &str) -> Result<()> {
    let stage = target_directory()?.join("containers");
    if stage.exists() {
        fs::remove_dir_all(&stage).doing("clear the stand-in's directory")?;
    }
    let cargo_home = stage.join("usr/local/cargo");
    fs::create_dir_all(&cargo_home).doing("make the stand-in's directory")?;
    let mut vendor = cargo(&["vendor", "--locked", "--quiet", "--versioned-dirs"]);
    vendor.arg(cargo_home.join("vendor")).stdout(Stdio::null());
    done(&mut vendor, "gather the crates")?;
    fs::write(cargo_home.join("config.toml"), CARGO_CONFIG).doing("write cargo's settings")?;
    fs::create_dir_all(stage.join("tmp")).doing("make /tmp")?;
    for name in MERGED {
        symlink(format!("usr/{name}"), stage.join(name)).doing("link the directories of old")?;
    }
    let list = target_directory()?.join("containers.files");
    // An archive that has a path twice is refused.
    let mut files = system_files()?;
    files.retain(|file| stage.join(file).symlink_metadata().is_err());
    fs::write(&list, files.join("\n")).doing("list the system's files")?;
    let archive = target_directory()?.join("containers.tar");
    archive_all(&archive, &stage, &list)?;
    let mut import = Command::new("docker");
    import.args(["import", "--change", "ENV CARGO_HOME=/usr/local/cargo"]);
    import.args(["--change", "ENV PATH=/usr/local/rust/bin:/usr/sbin:/usr/bin"]);
    // What is tested is what is packed, not how fast it is: most of the time goes into that.
    import.args(["--change", "ENV CARGO_PROFILE_RELEASE_LTO=off"]);
    import.args(["--change", "ENV CARGO_PROFILE_RELEASE_OPT_LEVEL=1"]);
    import.args(["--change", &format!("LABEL {LABEL}={crates}")]);
    done(import.arg(&archive).arg(image), "import the stand-in")?;
    fs::remove_file(&archive).doing("remove the archive")
}

/// The stage, the system's files at their places, the toolchain at `usr/local/rust`.
fn archive_all(archive: &Path, stage: &Path, list: &Path) -> Result<()> {
    let tar = |arguments: &[&str]| {
        let mut command = Command::new("tar");
        command.args(arguments).arg("--file").arg(archive);
        command.args(["--owner=0", "--group=0"]);
        command
    };
    done(tar(&["--create"]).arg("--directory").arg(stage).arg("."), "archive the crates")?;
    let mut system = tar(&["--append", "--no-recursion", "--directory=/"]);
    done(system.arg("--files-from").arg(list), "archive the system's files")?;
    let sysroot = line_of(Command::new("rustc").args(["--print", "sysroot"]))?;
    let mut toolchain = tar(&["--append", "--transform=s,^\\./,usr/local/rust/,"]);
    toolchain.args(NOT_NEEDED).args(["--directory", &sysroot, "./bin", "./lib"]);
    done(&mut toolchain, "archive the toolchain")
}

/// The files of the packages and of all that they need: their true places, without the first `/`.
fn system_files() -> Result<Vec<String>> {
    let mut closure = Command::new("apt-cache");
    closure.args(["depends", "--recurse", "--installed", "--no-recommends", "--no-suggests"]);
    closure.args(["--no-conflicts", "--no-breaks", "--no-replaces", "--no-enhances"]);
    let closure = output_of(closure.args(PACKAGES))?;
    let packages = closure.lines().filter(|line| !line.starts_with([' ', '<', '|']));
    let packages: BTreeSet<&str> = packages.collect();
    let listed = output_of(Command::new("dpkg-query").arg("--listfiles").args(packages))?;
    let mut files: BTreeSet<String> = LINKS.iter().map(|link| (*link).to_owned()).collect();
    for line in listed.lines().filter(|line| line.starts_with('/') && !line.contains("/doc/")) {
        let path = Path::new(line);
        let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else { continue };
        let Ok(directory) = directory.canonicalize() else { continue };
        let place: PathBuf = directory.join(name);
        let merged = MERGED.iter().any(|merged| place == Path::new("/").join(merged));
        if place.symlink_metadata().is_ok() && !merged {
            files.insert(place.to_string_lossy().trim_start_matches('/').to_owned());
        }
    }
    Ok(files.into_iter().filter(|file| !file.is_empty()).collect())
}

fn output_of(command: &mut Command) -> Result<String> {
    let output = command.output().doing(format!("start {:?}", command.get_program()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(Failure::Unexpected(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}

fn line_of(command: &mut Command) -> Result<String> {
    output_of(command).map(|text| text.trim().to_owned())
}
