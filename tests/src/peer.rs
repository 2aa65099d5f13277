//! The peers' handshake, spoken by hand as docs/format/peer.md has it: the members' own code would
//! only show that it agrees with itself.

use std::io::{BufReader, Read, Write};
use std::net::TcpStream;

use crate::http;

/// What a member is told by whoever dials it. The field numbers never change.
#[derive(Clone, Debug)]
pub struct Hello {
    /// Of the peer protocol.
    pub protocol_version: u8,
    /// What the dialler's program knows.
    pub feature_level: u8,
    /// The dialler's cluster.
    pub cluster_id: u128,
    /// The dialler.
    pub member_id: u64,
    /// Of the dialler's data directory.
    pub incarnation: u128,
    /// Whom the dialler means to reach.
    pub to_member_id: u64,
}

/// What a member answers.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply {
    /// The stream is accepted.
    Welcome,
    /// It is refused.
    Refusal {
        /// The number of the reason.
        reason: u8,
        /// In words.
        detail: String,
    },
}

/// The numbers of the reasons.
pub const PROTOCOL_VERSION: u8 = 1;
/// The dialler is of another cluster.
pub const OTHER_CLUSTER: u8 = 2;
/// Another member lives at the address.
pub const WRONG_MEMBER: u8 = 3;
/// That can be no other member's id.
pub const UNKNOWN_MEMBER: u8 = 4;
/// The dialler's data directory is another than it was.
pub const OTHER_INCARNATION: u8 = 5;
/// The handshake is none.
pub const MALFORMED: u8 = 7;
/// Too many streams are open whom no configuration names.
pub const TOO_MANY_STRANGERS: u8 = 9;
/// The dialler's program does not know what the cluster uses.
pub const FEATURE_LEVEL: u8 = 10;

/// Streams of strangers that a member lets in at once.
pub const STRANGERS_MAX: u64 = 64;

/// A stream of a peer, upgraded from HTTP.
#[derive(Debug)]
pub struct PeerStream {
    stream: BufReader<TcpStream>,
}

impl PeerStream {
    /// Asks a member for a stream.
    pub fn open(port: u16) -> PeerStream {
        let mut stream = http::connect(port).unwrap();
        let request = format!(
            "GET /raft/append HTTP/1.1\r\nHost: localhost:{port}\r\n\
             Connection: Upgrade\r\nUpgrade: raftkv-peer/1\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut stream = BufReader::new(stream);
        assert_eq!(http::read_answer(&mut stream).unwrap().status, 101);
        PeerStream { stream }
    }

    /// Introduces itself.
    pub fn introduce(&mut self, hello: &Hello) -> Reply {
        self.send(&frame(&hello.encode()));
        self.reply()
    }

    /// Sends bytes as they are. The member may have closed the stream already.
    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).ok();
    }

    /// Reads the answer to a handshake.
    pub fn reply(&mut self) -> Reply {
        let mut header = [0; 8];
        self.stream.read_exact(&mut header).unwrap();
        let [length, checksum] =
            [0, 4].map(|at| u32::from_le_bytes(header[at..at + 4].try_into().expect("four bytes")));
        let mut body = vec![0; length as usize];
        self.stream.read_exact(&mut body).unwrap();
        assert_eq!(crc32c::crc32c(&body), checksum, "the checksum of a frame");
        Reply::decode(&body)
    }

    /// Whether the member closes the stream, and says nothing more.
    pub fn is_closed(&mut self) -> bool {
        // A reset is a close, too: what was sent may not have been read.
        self.stream.read(&mut [0; 1]).map_or(true, |read| read == 0)
    }
}

impl Hello {
    /// A protobuf `Handshake` of one `Hello`: fields 1 and 2 are varints, 3 and 5 bytes, 4 and 6
    /// fixed64.
    fn encode(&self) -> Vec<u8> {
        let mut hello = vec![0x08, self.protocol_version, 0x10, self.feature_level];
        hello.extend([0x1a, 16]);
        hello.extend(self.cluster_id.to_be_bytes());
        hello.push(0x21);
        hello.extend(self.member_id.to_le_bytes());
        hello.extend([0x2a, 16]);
        hello.extend(self.incarnation.to_be_bytes());
        hello.push(0x31);
        hello.extend(self.to_member_id.to_le_bytes());
        [&[0x0a, hello.len() as u8], &hello[..]].concat()
    }
}

impl Reply {
    /// A protobuf `Handshake`: field 2 is a `Welcome`, field 3 a `Refusal` of a varint and a text.
    fn decode(body: &[u8]) -> Reply {
        match body {
            [0x12, ..] => Reply::Welcome,
            [0x1a, _, 0x08, reason, 0x12, _, detail @ ..] => Reply::Refusal {
                reason: *reason,
                detail: String::from_utf8(detail.into()).unwrap(),
            },
            other => panic!("not an answer to a handshake: {other:02x?}"),
        }
    }
}

/// A frame: length, checksum, body.
pub fn frame(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect("a small body");
    [&length.to_le_bytes()[..], &crc32c::crc32c(body).to_le_bytes(), body].concat()
}
