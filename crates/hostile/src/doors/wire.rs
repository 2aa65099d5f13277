//! A client's socket: what it sends, however it is cut, and what it hears, under deadlines.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use super::PATIENCE;

/// After so long without a word the client says that it is done.
const QUIET: Duration = Duration::from_millis(8);

/// A client that is done waits so long for the member to end the connection, and then goes. The
/// member may not know yet that it is done: what it has sent behind a call that waits is not read.
const LINGERS: Duration = Duration::from_millis(60);

/// Who hears more than this hangs up.
const HEARD_BYTES_MAX: usize = 1 << 20;

/// What came back on a connection.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// All of it, as it came.
    pub(crate) bytes: Vec<u8>,
    /// Something that was asked for was done, or shown.
    pub(crate) accepted: bool,
    /// All that was asked for was refused, for good.
    pub(crate) refused: bool,
}

/// Sends these bytes in pieces, and hears what the member says until one of both is done; whether
/// the end was the member's own doing.
pub(crate) fn exchange<'a>(
    address: SocketAddr,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<u8>, bool) {
    let mut socket = connect(address);
    for piece in pieces {
        // Whoever is refused early is not heard to the end.
        if socket.write_all(piece).is_err() {
            break;
        }
    }
    let mut heard = Vec::new();
    if hear(&mut socket, QUIET, &mut heard) {
        return (heard, true);
    }
    let _gone = socket.shutdown(Shutdown::Write);
    let _ended = hear(&mut socket, LINGERS, &mut heard);
    (heard, false)
}

/// Hears what the member says until it ends the connection, which is answered with true, says
/// nothing for so long, or has said too much.
fn hear(socket: &mut TcpStream, patience: Duration, heard: &mut Vec<u8>) -> bool {
    let mut buffer = [0; 16 << 10];
    set_patience(socket, patience);
    while heard.len() < HEARD_BYTES_MAX {
        match socket.read(&mut buffer) {
            Ok(0) => return true,
            Ok(count) => heard.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => {
                let is_quiet = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
                return !is_quiet;
            }
        }
    }
    false
}

fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect_timeout(&address, PATIENCE).expect("a member takes a client");
    socket.set_nodelay(true).expect("it is a socket");
    socket.set_write_timeout(Some(PATIENCE)).expect("it is a socket");
    socket
}

fn set_patience(socket: &TcpStream, patience: Duration) {
    socket.set_read_timeout(Some(patience)).expect("it is a socket");
}

/// What the answers in HTTP/1.1 come to, that were heard.
pub(crate) fn judged((bytes, ended_by_member): (Vec<u8>, bool)) -> Heard {
    let mut statuses = statuses(&bytes).peekable();
    let any = statuses.peek().is_some();
    let (mut accepted, mut refused) = (false, ended_by_member && any);
    for class in statuses {
        accepted |= matches!(class, b'1' | b'2' | b'3');
        // What failed otherwise may have been done.
        refused &= class == b'4';
    }
    Heard { bytes, accepted, refused }
}

/// The first digit of each status.
fn statuses(bytes: &[u8]) -> impl Iterator<Item = u8> {
    const LINE: &[u8] = b"HTTP/1.1 ";
    bytes
        .windows(LINE.len() + 1)
        .filter_map(|window| window.strip_prefix(LINE).and_then(|rest| rest.first().copied()))
}

/// A sound request on a connection of its own, and the body of the answer.
pub(crate) fn ask(address: SocketAddr, request: &str, body: &str) -> (u16, String) {
    let length = body.len();
    let head = format!("{request} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
    let mut socket = connect(address);
    set_patience(&socket, PATIENCE);
    let asked = format!("{head}content-length: {length}\r\n\r\n{body}");
    socket.write_all(asked.as_bytes()).expect("a sound request is taken");
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).expect("a sound request is answered");
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.get(9..12).and_then(|status| status.parse().ok());
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    (status.expect("an answer begins with a status"), body.unwrap_or_default())
}
