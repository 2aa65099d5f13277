//! The port that stands before a member.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

use crate::fault::{Link, Links};
use crate::head::{self, Head};
use crate::lane::Lane;

/// Connections to one member at once; one more is closed. Each of 30 other members has two streams
/// and a few requests open, and as many again that a cut link holds.
const CONNECTIONS_MAX: usize = 512;

/// The member is on this machine: it is there, or it is not.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// After a failed `accept` (too many open files, usually) the next one waits this long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What a dialler may send ahead while its link is cut, in bytes.
const AHEAD_BYTES_MAX: usize = 64 << 10;

/// The port, and every connection through it. All of them end when it is dropped.
#[derive(Debug)]
pub struct Proxy(JoinHandle<()>);

/// The member behind the port.
#[derive(Clone, Debug)]
struct Member {
    name: String,
    port: u16,
    links: Links,
}

impl Proxy {
    /// Stands at `listener` before the member `name`, whose own port is `port`.
    pub fn start(listener: TcpListener, name: &str, port: u16, links: &Links) -> Proxy {
        let member = Member { name: name.to_owned(), port, links: links.clone() };
        Proxy(tokio::spawn(accept(listener, member)))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn accept(listener: TcpListener, member: Member) {
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((dialler, _)) => {
                while connections.try_join_next().is_some() {}
                if connections.len() < CONNECTIONS_MAX {
                    let member = member.clone();
                    connections.spawn(async move {
                        // What broke a connection, both its ends know.
                        let _ = connect(dialler, &member).await;
                    });
                }
            }
            Err(_) => sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// One connection, from its first byte to its last.
async fn connect(mut dialler: TcpStream, member: &Member) -> io::Result<()> {
    dialler.set_nodelay(true)?;
    let mut first = BytesMut::new();
    let Some(Head { member: name }) = head::read(&mut dialler, &mut first).await else {
        return Ok(());
    };
    let (from, to) = (name.as_deref(), Some(member.name.as_str()));
    let mut there = member.links.link(from, to);
    let back = member.links.link(to, from);
    wait_for_link(&mut there, &mut dialler, &mut first).await?;
    let connected = timeout(CONNECT_TIMEOUT, TcpStream::connect(("127.0.0.1", member.port)));
    let mut stream = connected.await??;
    stream.set_nodelay(true)?;
    let (dialler_reads, dialler_writes) = dialler.split();
    let (reads, writes) = stream.split();
    let there = Lane::new(dialler_reads, writes, there, first.freeze());
    let back = Lane::new(reads, dialler_writes, back, BytesMut::new().freeze());
    tokio::join!(there.carry(), back.carry());
    Ok(())
}

/// Over a cut link nobody gets to the member at all. Whoever gives up is forgotten.
async fn wait_for_link(
    link: &mut Link,
    dialler: &mut TcpStream,
    ahead: &mut BytesMut,
) -> io::Result<()> {
    while !link.fault().passes() {
        tokio::select! {
            () = link.changed() => {}
            read = dialler.read_buf(ahead), if ahead.len() < AHEAD_BYTES_MAX => {
                if read? == 0 {
                    return Err(io::ErrorKind::ConnectionAborted.into());
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "proxy_tests.rs"]
mod tests;
