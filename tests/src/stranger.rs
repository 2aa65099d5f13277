//! One who comes to a member's port with nothing to show, by plain text or TLS, and says whatever
//! there is to say there, in HTTP/1.1 and in HTTP/2; and what they are told.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::h2::{self, END_STREAM, Kind, PREFACE, frame, headers};
use crate::http;

/// An answer that has begun, and not ended after so long without a word, goes on.
const QUIET: Duration = Duration::from_secs(1);

/// Nobody listens for longer than this.
const LISTENS: Duration = Duration::from_secs(20);

/// How many letters the words have that [`Told::says`] can find.
pub const WORD_LETTERS: usize = 12;

/// Whoever comes.
#[derive(Clone, Debug)]
pub struct Stranger {
    port: u16,
    tls: Option<Arc<ClientConfig>>,
}

/// What a stranger was told.
#[derive(Debug)]
pub struct Told {
    bytes: Vec<u8>,
    /// It had not ended when the stranger went.
    pub goes_on: bool,
}

trait Socket: Read + Write {}
impl<S: Read + Write> Socket for S {}

impl Stranger {
    /// By plain text.
    pub fn plain(port: u16) -> Stranger {
        Stranger { port, tls: None }
    }

    /// By TLS, without a certificate, of one who trusts the CA in that file.
    pub fn by_tls(port: u16, ca: &Path) -> Stranger {
        let mut roots = RootCertStore::empty();
        let pem = fs::read(ca).unwrap();
        roots.add(CertificateDer::from_pem_slice(&pem).unwrap()).unwrap();
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        Stranger { port, tls: Some(Arc::new(config)) }
    }

    /// Says this on a connection of its own, and hears what is said until it is whole.
    fn say(&self, bytes: &[u8], is_whole: fn(&[u8]) -> bool) -> Told {
        let mut socket = self.connect();
        // Whoever is refused early is not heard to the end.
        socket.write_all(bytes).ok();
        socket.flush().ok();
        hear(&mut *socket, is_whole)
    }

    /// A request in HTTP/1.1, after which the connection ends.
    pub fn ask(&self, line: &str, headers: &str, body: &str) -> Told {
        let (length, names) = (body.len(), headers.to_ascii_lowercase());
        let unless = |name: &str, header: &'static str| {
            if names.contains(name) { "" } else { header }
        };
        let host = unless("host:", "Host: localhost\r\n");
        let close = unless("connection:", "Connection: close\r\n");
        let head = format!("{line} HTTP/1.1\r\n{host}{headers}{close}");
        let request = format!("{head}Content-Length: {length}\r\n\r\n{body}");
        self.say(request.as_bytes(), is_whole_answer)
    }

    /// A call of gRPC, with this block of headers and one message.
    pub fn call(&self, block: &[u8], message: &[u8]) -> Told {
        let length = u32::try_from(message.len()).unwrap();
        let said = [
            PREFACE.to_vec(),
            frame(Kind::Settings, 0, 0, &[]),
            headers(0, 1, block),
            frame(Kind::Data, END_STREAM, 1, &h2::message(length, message)),
        ];
        self.say(&said.concat(), is_whole_call)
    }

    fn connect(&self) -> Box<dyn Socket> {
        let socket = http::connect(self.port).unwrap();
        socket.set_read_timeout(Some(QUIET)).unwrap();
        match &self.tls {
            None => Box::new(socket),
            Some(config) => Box::new(secured(config, socket)),
        }
    }
}

fn secured(
    config: &Arc<ClientConfig>,
    socket: TcpStream,
) -> StreamOwned<ClientConnection, TcpStream> {
    let name = ServerName::try_from("localhost").unwrap();
    StreamOwned::new(ClientConnection::new(Arc::clone(config), name).unwrap(), socket)
}

fn hear(socket: &mut dyn Socket, is_whole: fn(&[u8]) -> bool) -> Told {
    let due = Instant::now() + LISTENS;
    let (mut bytes, mut buffer) = (Vec::new(), [0; 16 << 10]);
    loop {
        match socket.read(&mut buffer) {
            Ok(0) => return Told { bytes, goes_on: false },
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                // One that is slow to begin is waited for.
                if !bytes.is_empty() || Instant::now() > due {
                    return Told { bytes, goes_on: true };
                }
            }
            // A reset is a close, too.
            Err(_) => return Told { bytes, goes_on: false },
        }
        let is_over = is_whole(&bytes);
        if is_over || Instant::now() > due {
            return Told { bytes, goes_on: !is_over };
        }
    }
}

/// Whether these are all bytes of an answer in HTTP/1.1; what becomes something else has no end.
fn is_whole_answer(mut bytes: &[u8]) -> bool {
    let Ok(answer) = http::read_answer(&mut bytes) else { return false };
    let has_end = ["content-length", "transfer-encoding"].map(|name| answer.header(name).is_some());
    answer.status != 101 && has_end.contains(&true)
}

/// Whether the first call of HTTP/2 has been answered, or refused.
fn is_whole_call(bytes: &[u8]) -> bool {
    frames(bytes).any(|(kind, flags, _)| match kind {
        _ if kind == Kind::Reset as u8 || kind == Kind::GoAway as u8 => true,
        _ if kind == Kind::Headers as u8 || kind == Kind::Data as u8 => flags & END_STREAM != 0,
        _ => false,
    })
}

/// The frames of HTTP/2 that have begun: kind, flags and length.
fn frames(mut bytes: &[u8]) -> impl Iterator<Item = (u8, u8, usize)> {
    std::iter::from_fn(move || {
        let (head, rest) = bytes.split_first_chunk::<9>()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        bytes = rest.get(length..).unwrap_or_default();
        Some((head[3], head[4], length))
    })
}

impl Told {
    /// The status of an answer in HTTP/1.1.
    pub fn status(&self) -> Option<u16> {
        let line = self.bytes.strip_prefix(b"HTTP/1.1 ")?;
        str::from_utf8(line.get(..3)?).ok()?.parse().ok()
    }

    /// The body of such an answer, as JSON.
    pub fn json(&self) -> serde_json::Value {
        let text = self.text();
        let body = text.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
        serde_json::from_str(body).unwrap_or_default()
    }

    /// All of it, for people.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// Whether an answer in HTTP/2 has a body: a call that is refused has none.
    pub fn has_message(&self) -> bool {
        frames(&self.bytes).any(|(kind, _, length)| kind == Kind::Data as u8 && length > 0)
    }

    /// Whether it says this word of [`WORD_LETTERS`], as it is, as base64 of what begins with it,
    /// or in a header of HTTP/2. Of such words all characters must be in `012aceiost`, which are
    /// five bits each there (RFC 7541, appendix B).
    pub fn says(&self, word: &str) -> bool {
        let contains = |piece: &[u8]| self.bytes.windows(piece.len()).any(|window| window == piece);
        assert_eq!(word.len(), WORD_LETTERS, "{word}: three bytes are four letters of base64");
        contains(word.as_bytes())
            || contains(BASE64_STANDARD.encode(word).as_bytes())
            || contains_bits(&self.bytes, word)
    }
}

/// The characters whose codes are the numbers of their places.
const FIVE_BITS: &str = "012aceiost";

fn contains_bits(bytes: &[u8], word: &str) -> bool {
    let (mut wanted, mut mask) = (0_u64, 0_u64);
    for letter in word.chars() {
        let code = FIVE_BITS.find(letter).expect("a letter of five bits") as u64;
        (wanted, mask) = (wanted << 5 | code, mask << 5 | 0x1f);
    }
    let mut seen = 0_u64;
    let bits =
        bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| u64::from(byte >> bit & 1)));
    bits.enumerate().any(|(place, bit)| {
        seen = seen << 1 | bit;
        place + 1 >= 5 * word.len() && seen & mask == wanted
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(bytes: &[u8]) -> Told {
        Told { bytes: bytes.to_vec(), goes_on: false }
    }

    #[test]
    fn a_word_is_found_as_it_is_as_base64_and_in_headers_of_http_2() {
        let word = "coastiestoat";
        assert!(told(b"...coastiestoat/1").says(word));
        assert!(told(BASE64_STANDARD.encode("coastiestoat/1").as_bytes()).says(word));
        // The codes of its letters, after three bits of something else.
        let codes = word.chars().map(|letter| FIVE_BITS.find(letter).unwrap());
        let bits = codes.fold("101".to_owned(), |bits, code| format!("{bits}{code:05b}"));
        let bits = format!("{bits}1");
        let bytes: Vec<u8> = (0..bits.len())
            .step_by(8)
            .map(|at| u8::from_str_radix(&bits[at..at + 8], 2).unwrap())
            .collect();
        assert!(told(&bytes).says(word));
        assert!(!told(b"coastiestoa").says(word));
        assert!(!told(&bytes[1..]).says(word));
    }

    #[test]
    fn a_message_is_told_from_headers_alone() {
        let head = frame(Kind::Headers, 5, 1, b"x");
        assert!(!told(&head).has_message());
        assert!(told(&[head, frame(Kind::Data, 0, 1, b"m")].concat()).has_message());
    }
}
