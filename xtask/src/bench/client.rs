//! A blocking HTTP/1.1 client, as small as measuring needs: one kept-alive connection, one request
//! at a time, every read under a deadline. It sends a request in one write and waits for nothing
//! but the answer, so its own share of a latency is a few microseconds.
//!
//! What this does *not* do: redirect, retry, pipeline, compress, encrypt.

use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Result, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// A head longer than this is none of ours, in bytes.
const HEAD_BYTES_MAX: u64 = 64 * 1024;

/// A body longer than this is none of ours, in bytes.
const BODY_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: String,
}

/// A client of one loopback port.
pub(super) struct Client {
    port: u16,
    /// How long to wait for a connection, and for each read of an answer.
    patience: Duration,
    connection: Option<BufReader<TcpStream>>,
}

impl Client {
    pub(super) fn new(port: u16, patience: Duration) -> Client {
        Client { port, patience, connection: None }
    }

    pub(super) fn get(&mut self, path: &str) -> Result<Answer> {
        self.request("GET", path, "")
    }

    pub(super) fn put(&mut self, path: &str, json: &str) -> Result<Answer> {
        self.request("PUT", path, json)
    }

    pub(super) fn post(&mut self, path: &str, json: &str) -> Result<Answer> {
        self.request("POST", path, json)
    }

    /// One request and its answer. After an error the connection is gone, and the next request
    /// makes a new one.
    pub(super) fn request(&mut self, method: &str, path: &str, json: &str) -> Result<Answer> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect()?,
        };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost:{}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{json}",
            self.port,
            json.len(),
        );
        connection.get_mut().write_all(request.as_bytes())?;
        let (answer, keep) = read_answer(&mut connection)?;
        self.connection = keep.then_some(connection);
        Ok(answer)
    }

    fn connect(&self) -> Result<BufReader<TcpStream>> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let stream = TcpStream::connect_timeout(&address, self.patience)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(self.patience))?;
        stream.set_write_timeout(Some(self.patience))?;
        Ok(BufReader::new(stream))
    }
}

/// How the end of a body is told.
enum Length {
    Bytes(u64),
    Chunks,
}

/// What a head says.
struct Head {
    status: u16,
    length: Length,
    keep: bool,
}

/// An answer, and whether the connection may be used again.
fn read_answer(from: &mut impl BufRead) -> Result<(Answer, bool)> {
    let head = read_head(from)?;
    let body = match head.length {
        Length::Bytes(bytes) => read_bytes(from, bytes)?,
        Length::Chunks => read_chunks(from)?,
    };
    let body = String::from_utf8_lossy(&body).into_owned();
    Ok((Answer { status: head.status, body }, head.keep))
}

fn read_head(from: &mut impl BufRead) -> Result<Head> {
    let mut from = from.take(HEAD_BYTES_MAX);
    let first = read_line(&mut from)?;
    let status = first.split(' ').nth(1).and_then(|word| word.parse().ok());
    let status = status.ok_or_else(|| odd(&format!("not an HTTP answer: {first:?}")))?;
    let mut head = Head { status, length: Length::Bytes(0), keep: true };
    loop {
        let line = read_line(&mut from)?.to_ascii_lowercase();
        let Some((name, value)) = line.split_once(':') else {
            return if line.is_empty() { Ok(head) } else { Err(odd("a header without a colon")) };
        };
        match (name, value.trim()) {
            ("content-length", bytes) => {
                let bytes = bytes.parse().map_err(|_| odd("a length that is no number"))?;
                head.length = Length::Bytes(bytes);
            }
            ("transfer-encoding", "chunked") => head.length = Length::Chunks,
            ("connection", "close") => head.keep = false,
            _ => {}
        }
    }
}

/// A line without its end; a stream that ends before it is an error.
fn read_line(from: &mut impl BufRead) -> Result<String> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    match line.strip_suffix('\n') {
        Some(line) => Ok(line.trim_end_matches('\r').to_string()),
        None => Err(Error::new(ErrorKind::UnexpectedEof, "the answer ended in the middle")),
    }
}

fn read_bytes(from: &mut impl BufRead, bytes: u64) -> Result<Vec<u8>> {
    if bytes > BODY_BYTES_MAX {
        return Err(odd("a body too long"));
    }
    let mut body = Vec::new();
    let read = from.take(bytes).read_to_end(&mut body)?;
    if read as u64 == bytes {
        Ok(body)
    } else {
        Err(Error::new(ErrorKind::UnexpectedEof, "the body ended in the middle"))
    }
}

fn read_chunks(from: &mut impl BufRead) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let size = read_line(from)?;
        let size = size.split(';').next().unwrap_or_default().trim();
        let size = u64::from_str_radix(size, 16).map_err(|_| odd("a chunk without a size"))?;
        body.extend(read_bytes(from, size)?);
        read_line(from)?;
        if size == 0 {
            return Ok(body);
        }
        if body.len() as u64 > BODY_BYTES_MAX {
            return Err(odd("a body too long"));
        }
    }
}

fn odd(message: &str) -> Error {
    Error::new(ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    fn read(text: &str) -> Result<(Answer, bool)> {
        read_answer(&mut text.as_bytes())
    }

    #[test]
    fn a_body_ends_by_its_length() {
        let (answer, keep) = read("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokrest").unwrap();
        assert_eq!(answer, Answer { status: 200, body: "ok".into() });
        assert!(keep);
    }

    #[test]
    fn a_body_may_come_in_chunks() {
        let text = "HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n\
                    3\r\nabc\r\n1;x=y\r\nd\r\n0\r\n\r\n";
        let (answer, keep) = read(text).unwrap();
        assert_eq!(answer, Answer { status: 503, body: "abcd".into() });
        assert!(!keep);
    }

    #[test]
    fn an_answer_that_ends_in_the_middle_is_an_error() {
        let whole = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        for end in 0..whole.len() {
            assert!(read(&whole[..end]).is_err(), "{:?}", &whole[..end]);
        }
    }

    #[test]
    fn nonsense_is_an_error() {
        for text in ["SSH-2.0\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n"] {
            assert_eq!(read(text).unwrap_err().kind(), ErrorKind::InvalidData, "{text}");
        }
    }

    #[test]
    fn a_connection_is_kept_and_a_broken_one_replaced() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = thread::spawn(move || {
            // Two answers on the first connection, which then closes; one on the second.
            for answers in [2, 1] {
                let mut stream = BufReader::new(listener.accept().unwrap().0);
                for _ in 0..answers {
                    while !read_line(&mut stream).unwrap().is_empty() {}
                    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
                    stream.get_mut().write_all(answer).unwrap();
                }
            }
        });
        let mut client = Client::new(port, Duration::from_secs(10));
        assert_eq!(client.get("/1").unwrap().status, 200);
        assert_eq!(client.get("/2").unwrap().status, 200);
        assert!(client.get("/lost").is_err());
        assert_eq!(client.get("/3").unwrap().status, 200);
        server.join().unwrap();
    }
}
