//! Where members run. If the machine allows, this program starts itself anew in namespaces of its
//! own, for network, mounts and processes: whatever is made in there (links, rules, mounts,
//! members) is the kernel's to take away once this program has ended, however it ended. Root may do
//! that, and on most machines so may everybody, as root of a namespace for users.
//!
//! Otherwise members run on loopback, behind links of ours, and what can not be done to them there
//! is said. `CHAOS_LOOPBACK=WHY` has it so on any machine.

use std::env;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

/// Tells the program that was started anew that it was.
const INSIDE: &str = "CHAOS_INSIDE";

/// Tells a run on loopback why it is none of namespaces.
const WHY_NOT: &str = "CHAOS_LOOPBACK";

/// Namespaces that go with the processes in them.
const NAMESPACES: [&str; 6] =
    ["--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"];

/// What every run in namespaces needs, tried in them before anything begins.
const TRIAL: &str = "mount -t tmpfs run /run && ip link add veth-a type veth peer name veth-b && \
                     ip netns add m && iptables -S && tc qdisc show dev veth-a";

/// Where the members of this run are to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ground {
    /// Each on a machine of its own, as far as its network is concerned.
    Namespaces,
    /// All on loopback, for this reason.
    Loopback(String),
}

/// Finds the ground; does not return from the process that starts the one inside.
pub(crate) fn enter() -> Ground {
    if env::var_os(INSIDE).is_some() {
        return Ground::Namespaces;
    }
    if let Ok(why) = env::var(WHY_NOT) {
        return Ground::Loopback(why);
    }
    let mut complaints = Vec::new();
    for user in [&[][..], &["--user", "--map-root-user"]] {
        match trial(user) {
            Ok(()) => return Ground::Loopback(start_inside(user)),
            Err(complaint) => complaints.push(complaint),
        }
    }
    Ground::Loopback(complaints.join("; "))
}

fn unshare(user: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    command.args(user).args(NAMESPACES);
    command
}

fn trial(user: &[&str]) -> Result<(), String> {
    let mut command = unshare(user);
    let tried = command.args(["sh", "-c", TRIAL]).stdin(Stdio::null()).output();
    match tried {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Err(format!("unshare: {error}")),
    }
}

/// Becomes the program inside; returns only to say why it can not.
fn start_inside(user: &[&str]) -> String {
    let program = match env::current_exe() {
        Ok(program) => program,
        Err(error) => return error.to_string(),
    };
    let mut command = unshare(user);
    command.arg(program).args(env::args_os().skip(1)).env(INSIDE, "1");
    command.exec().to_string()
}
