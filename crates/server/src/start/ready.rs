//! Tells whoever started this member that it serves: in the log, in the words that etcd has for it,
//! and to the supervisor that asked for it (`sd_notify`, systemd's).

use std::convert::Infallible;
use std::ffi::OsString;
use std::future::pending;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use tokio::time::sleep;
use tracing::{info, warn};

use crate::node::Node;

/// Names the socket at which a supervisor waits.
const SOCKET_VARIABLE: &str = "NOTIFY_SOCKET";

/// From one look to the next, and how long one may take.
const INTERVAL: Duration = Duration::from_millis(50);
const READ_TIMEOUT: Duration = Duration::from_secs(1);

/// Says so once it is so. Does nothing more then, and never ends.
pub(super) async fn tell(node: Node) -> Infallible {
    while !serves(&node).await {
        sleep(INTERVAL).await;
    }
    info!("ready to serve client requests");
    if let Some(socket) = std::env::var_os(SOCKET_VARIABLE) {
        notify(&socket).unwrap_or_else(|error| {
            warn!(%error, ?socket, "the supervisor can not be told that this member serves");
        });
    }
    pending().await
}

/// Whether a linearizable read would be answered; of a learner, who answers none, whether it has
/// heard of a leader and has the beginning of a state.
async fn serves(node: &Node) -> bool {
    let status = node.status();
    if status.is_learner() {
        return node.has_leader() && node.store().published().applied_index > 0;
    }
    status.configuration.is_some() && node.read_barrier(READ_TIMEOUT).await.is_ok()
}

fn notify(socket: &OsString) -> io::Result<()> {
    let address = match socket.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        path => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(path))?,
    };
    let sender = UnixDatagram::unbound()?;
    // A supervisor that does not read holds nobody up.
    sender.set_nonblocking(true)?;
    sender.send_to_addr(b"READY=1\n", &address).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(receiver: &UnixDatagram) -> Vec<u8> {
        let mut bytes = [0; 64];
        let length = receiver.recv(&mut bytes).unwrap();
        bytes[..length].to_vec()
    }

    #[test]
    fn a_supervisor_is_told_at_its_path_or_its_abstract_name() {
        let name = format!("raftkv-ready-{}", std::process::id());
        let path = std::env::temp_dir().join(&name);
        let receiver = UnixDatagram::bind(&path).unwrap();
        notify(&path.clone().into_os_string()).unwrap();
        assert_eq!(told(&receiver), b"READY=1\n");
        std::fs::remove_file(&path).unwrap();
        assert!(notify(&path.into_os_string()).is_err(), "nobody is there any more");

        let address = SocketAddr::from_abstract_name(name.as_bytes()).unwrap();
        let receiver = UnixDatagram::bind_addr(&address).unwrap();
        notify(&format!("@{name}").into()).unwrap();
        assert_eq!(told(&receiver), b"READY=1\n");
    }
}
