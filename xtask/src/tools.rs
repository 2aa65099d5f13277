//! Tools beyond the Rust toolchain: is it here, and which line installs it.
//!
//! A lane that lacks a tool fails and prints that line. Only `--install` runs it: a test must not
//! change somebody's machine unasked.

use std::cell::Cell;
use std::process::{Command, Stdio};

use crate::failure::Result;
use crate::shell;

/// What to do about a tool that is missing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    /// Fail the lane and say which line installs it.
    Explain,
    /// Install it.
    Install,
}

/// Who installs a tool.
enum Source {
    /// Debian's package of that name.
    Apt(&'static str),
    /// The same, of a part of a program that may be here without it.
    AptPart(&'static str),
    /// The toolchain's component of that name.
    Rustup(&'static str),
}

/// A program that a lane needs.
pub(crate) struct Tool {
    /// A command that finds out whether it is here: the program and one harmless argument.
    probe: [&'static str; 2],
    source: Source,
}

pub(crate) const RUSTFMT: Tool =
    Tool { probe: ["cargo-fmt", "--version"], source: Source::Rustup("rustfmt") };
pub(crate) const CLIPPY: Tool =
    Tool { probe: ["cargo-clippy", "--version"], source: Source::Rustup("clippy") };
pub(crate) const CURL: Tool = Tool { probe: ["curl", "--version"], source: Source::Apt("curl") };
pub(crate) const GIT: Tool = Tool { probe: ["git", "--version"], source: Source::Apt("git") };
pub(crate) const ETCDCTL: Tool =
    Tool { probe: ["/usr/bin/etcdctl", "version"], source: Source::Apt("etcd-client") };
pub(crate) const PIP: Tool =
    Tool { probe: ["pip3", "--version"], source: Source::Apt("python3-pip") };
pub(crate) const VENV: Tool =
    Tool { probe: ["python3", "-cimport ensurepip"], source: Source::AptPart("python3-venv") };
pub(crate) const PROTOC: Tool =
    Tool { probe: ["protoc", "--version"], source: Source::Apt("protobuf-compiler") };
pub(crate) const CHROMIUM: Tool =
    Tool { probe: ["chromium", "--version"], source: Source::Apt("chromium") };
pub(crate) const CHROMEDRIVER: Tool =
    Tool { probe: ["chromedriver", "--version"], source: Source::Apt("chromium-driver") };
pub(crate) const NODE: Tool = Tool { probe: ["node", "--version"], source: Source::Apt("nodejs") };
pub(crate) const H2LOAD: Tool =
    Tool { probe: ["h2load", "--version"], source: Source::Apt("nghttp2-client") };
pub(crate) const PROMTOOL: Tool =
    Tool { probe: ["promtool", "--version"], source: Source::Apt("prometheus") };
pub(crate) const SYSTEMD_ANALYZE: Tool =
    Tool { probe: ["systemd-analyze", "--version"], source: Source::Apt("systemd") };
pub(crate) const DOCKER: Tool =
    Tool { probe: ["docker", "version"], source: Source::AptPart("docker.io") };
pub(crate) const COMPOSE: Tool =
    Tool { probe: ["docker-compose", "version"], source: Source::Apt("docker-compose") };
pub(crate) const IP: Tool = Tool { probe: ["ip", "-V"], source: Source::Apt("iproute2") };
pub(crate) const IPTABLES: Tool =
    Tool { probe: ["iptables", "-V"], source: Source::Apt("iptables") };
pub(crate) const WRK: Tool = Tool { probe: ["wrk", "--version"], source: Source::Apt("wrk") };

impl Tool {
    /// The line that installs the tool, if it is not here.
    ///
    /// A rustup proxy without its component exists but fails, so a component must answer well, and
    /// so must a part; a plain program need only start, because not every one has a `--version`
    /// that exits with 0.
    pub(crate) fn missing(&self) -> Option<String> {
        let [program, argument] = self.probe;
        let quiet = Stdio::null;
        let status = Command::new(program).arg(argument).stdout(quiet()).stderr(quiet()).status();
        let here = match self.source {
            Source::Apt(_) => status.is_ok(),
            Source::AptPart(_) | Source::Rustup(_) => status.is_ok_and(|status| status.success()),
        };
        (!here).then(|| format!("`{program}` is missing; install it: {}", self.install_line()))
    }

    fn install_line(&self) -> String {
        match self.source {
            Source::Apt(package) | Source::AptPart(package) => {
                format!("apt-get install -y {package}")
            }
            Source::Rustup(component) => format!("rustup component add {component}"),
        }
    }
}

/// Installs what is missing, refreshing the package index once.
pub(crate) struct Installer {
    policy: Policy,
    index_is_fresh: Cell<bool>,
}

impl Installer {
    pub(crate) fn new(policy: Policy) -> Installer {
        Installer { policy, index_is_fresh: Cell::new(false) }
    }

    /// Sees that the tools are here; otherwise answers what is missing and how to get it.
    pub(crate) fn provide(&self, tools: &[&Tool]) -> Result<Option<String>> {
        for tool in tools {
            if tool.missing().is_some() && self.policy == Policy::Install {
                self.install(tool)?;
            }
            if let Some(missing) = tool.missing() {
                return Ok(Some(missing));
            }
        }
        Ok(None)
    }

    fn install(&self, tool: &Tool) -> Result<()> {
        let is_packaged = matches!(tool.source, Source::Apt(_) | Source::AptPart(_));
        if is_packaged && !self.index_is_fresh.replace(true) {
            shell::run(&mut as_root("apt-get update"))?;
        }
        let line = tool.install_line();
        match tool.source {
            Source::Apt(_) | Source::AptPart(_) => shell::run(&mut as_root(&line))?,
            Source::Rustup(_) => shell::run(&mut of_line(&line))?,
        };
        Ok(())
    }
}

/// The line, through `sudo` unless we are root already.
fn as_root(line: &str) -> Command {
    let prefix = if rustix::process::geteuid().is_root() { "" } else { "sudo -n " };
    let mut command = of_line(&format!("{prefix}{line}"));
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}

fn of_line(line: &str) -> Command {
    let mut words = line.split(' ');
    let mut command = Command::new(words.next().expect("a line has a first word"));
    command.args(words);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOWHERE: Tool =
        Tool { probe: ["no-such-program-anywhere", "-v"], source: Source::Apt("nowhere") };

    #[test]
    fn a_missing_tool_comes_with_the_line_that_installs_it() {
        let missing = NOWHERE.missing().unwrap();
        assert!(missing.ends_with("install it: apt-get install -y nowhere"), "{missing}");
    }

    #[test]
    fn a_tool_that_is_here_is_not_missing() {
        let cargo = Tool { probe: ["cargo", "--version"], source: Source::Rustup("cargo") };
        assert_eq!(cargo.missing(), None);
    }

    #[test]
    fn a_part_is_missing_although_its_program_is_here() {
        let part =
            Tool { probe: ["cargo", "--no-such-option"], source: Source::AptPart("no-such-part") };
        assert!(part.missing().unwrap().ends_with("apt-get install -y no-such-part"));
    }

    #[test]
    fn nothing_is_installed_unasked() {
        let refused = Installer::new(Policy::Explain).provide(&[&NOWHERE]).unwrap();
        assert!(refused.unwrap().contains("apt-get install -y nowhere"));
    }
}
