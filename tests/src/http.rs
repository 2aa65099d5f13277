//! A blocking HTTP/1.1 client: one kept-alive connection, every read under a deadline. What was
//! not answered is told apart by whether it was sent, because that decides what it may have done.
//!
//! What this does *not* do: redirect, retry, pipeline.

use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Result, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::time::Duration;

use rustix::net::{self, AddressFamily, SocketType};
use serde_json::Value;

/// How long to wait for bytes. Members answer every request within 5 s unless they are told
/// otherwise, and take 10 s to give up on a body.
const PATIENCE: Duration = Duration::from_secs(40);

/// What a member answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body, which is text in all our answers but raw values.
    pub body: String,
}

impl Answer {
    /// The body as JSON; `null` if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// The code of a refusal.
    pub fn code(&self) -> String {
        self.json()["error"].as_str().unwrap_or_default().to_owned()
    }

    /// The first header of this name, which is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Lost {
    /// Nobody was there to send it to: it had no effect.
    Unsent(Error),
    /// It was sent, perhaps in part: nobody knows.
    Unanswered(Error),
}

/// A client of one port on loopback.
#[derive(Debug)]
pub struct Http {
    from: Ipv4Addr,
    port: u16,
    connection: Option<BufReader<TcpStream>>,
}

impl Http {
    /// Connects when there is something to send.
    pub fn new(port: u16) -> Http {
        Http::from(Ipv4Addr::LOCALHOST, port)
    }

    /// The same of somebody at another address of this machine's loopback.
    pub fn from(from: Ipv4Addr, port: u16) -> Http {
        Http { from, port, connection: None }
    }

    /// Reads a page; panics without an answer.
    pub fn get(&mut self, target: &str) -> Answer {
        self.request("GET", target, "").unwrap()
    }

    /// One request, with what `curl -d` would send as its body.
    pub fn request(
        &mut self,
        method: &str,
        target: &str,
        body: &str,
    ) -> std::result::Result<Answer, Lost> {
        let (port, length) = (self.port, body.len());
        let head = format!("{method} {target} HTTP/1.1\r\nHost: localhost:{port}\r\n");
        self.send(format!("{head}Content-Length: {length}\r\n\r\n{body}").as_bytes())
    }

    /// Sends a request as it is, whatever it is, and reads the answer.
    pub fn send(&mut self, request: &[u8]) -> std::result::Result<Answer, Lost> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => BufReader::new(connect_from(self.from, self.port).map_err(Lost::Unsent)?),
        };
        // A member that refuses a request may close before it has all of it; the answer counts.
        let written = connection.get_mut().write_all(request);
        let answer = match (read_answer(&mut connection), written) {
            (Ok(answer), _) => answer,
            (Err(_), Err(error)) | (Err(error), Ok(())) => return Err(Lost::Unanswered(error)),
        };
        let closing = answer.header("connection") == Some("close");
        self.connection = (!closing).then_some(connection);
        Ok(answer)
    }
}

/// A connection with deadlines on it.
pub fn connect(port: u16) -> Result<TcpStream> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    with_deadlines(TcpStream::connect_timeout(&address, PATIENCE)?)
}

/// The same from another address on loopback.
pub fn connect_from(from: Ipv4Addr, port: u16) -> Result<TcpStream> {
    let socket = net::socket(AddressFamily::INET, SocketType::STREAM, None)?;
    net::bind(&socket, &SocketAddrV4::new(from, 0))?;
    net::connect(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))?;
    with_deadlines(TcpStream::from(socket))
}

fn with_deadlines(stream: TcpStream) -> Result<TcpStream> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Reads one answer, and nothing after it.
pub fn read_answer(from: &mut impl BufRead) -> Result<Answer> {
    let (status, headers) = read_head(from)?;
    let mut answer = Answer { status, headers, body: String::new() };
    let body = match answer.header("content-length") {
        Some(length) => {
            let length = length.parse().map_err(|_| odd("a length that is no number"))?;
            read_bytes(from, length)?
        }
        None if answer.header("transfer-encoding") == Some("chunked") => read_chunks(from)?,
        None => Vec::new(),
    };
    answer.body = String::from_utf8_lossy(&body).into_owned();
    Ok(answer)
}

/// Reads the status and the headers of an answer.
pub fn read_head(from: &mut impl BufRead) -> Result<(u16, Vec<(String, String)>)> {
    let first = read_line(from)?;
    let status = first.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    let status = status.ok_or_else(|| odd(&format!("not an HTTP answer: {first:?}")))?;
    let mut headers = Vec::new();
    loop {
        let line = read_line(from)?;
        let Some((name, value)) = line.split_once(':') else { return Ok((status, headers)) };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
}

/// A line without its end; a stream that ends before it is an error.
fn read_line(from: &mut impl BufRead) -> Result<String> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    match line.strip_suffix('\n') {
        Some(line) => Ok(line.trim_end_matches('\r').to_owned()),
        None => Err(Error::new(ErrorKind::UnexpectedEof, "the answer ended in the middle")),
    }
}

fn read_bytes(from: &mut impl BufRead, length: u64) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    match from.take(length).read_to_end(&mut body)? as u64 == length {
        true => Ok(body),
        false => Err(Error::new(ErrorKind::UnexpectedEof, "the body ended in the middle")),
    }
}

fn read_chunks(from: &mut impl BufRead) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let chunk = read_chunk(from)?;
        if chunk.is_empty() {
            return Ok(body);
        }
        body.extend(chunk);
    }
}

/// Reads the next piece of a body that comes in chunks; the last one is empty.
pub fn read_chunk(from: &mut impl BufRead) -> Result<Vec<u8>> {
    let size = u64::from_str_radix(read_line(from)?.trim(), 16);
    let chunk = read_bytes(from, size.map_err(|_| odd("a chunk without a size"))?)?;
    read_line(from)?;
    Ok(chunk)
}

fn odd(message: &str) -> Error {
    Error::new(ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Answer> {
        read_answer(&mut text.as_bytes())
    }

    #[test]
    fn a_body_ends_by_its_length_or_comes_in_chunks() {
        let whole =
            read("HTTP/1.1 503 No\r\nContent-Length: 13\r\n\r\n{\"error\":\"x\"}rest").unwrap();
        assert_eq!((whole.status, whole.code()), (503, "x".into()));
        let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                      3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n";
        assert_eq!(read(chunks).unwrap().body, "abcd");
    }

    #[test]
    fn an_answer_that_ends_in_the_middle_is_none() {
        let whole = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        for end in 0..whole.len() {
            assert!(read(&whole[..end]).is_err(), "{:?}", &whole[..end]);
        }
    }
}
