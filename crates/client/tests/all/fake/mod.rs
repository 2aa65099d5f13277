//! A member that follows a script: what it was asked is kept, what it answers is given.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use client::{Client, Endpoint, Options};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What a fake member does with one request.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// Answers; headers are whole lines.
    Answer { status: u16, headers: Vec<String>, body: String },
    /// Reads the request and says nothing, with the connection open.
    Hang,
    /// Reads the request and closes the connection.
    Close,
    /// Sends half of an answer and closes the connection.
    CloseInTheMiddle,
    /// Streams server-sent events; then goes on saying nothing, or closes the connection.
    Stream { text: String, goes_on: bool },
}

pub(crate) fn ok(body: &str) -> Act {
    Act::Answer { status: 200, headers: Vec::new(), body: body.to_owned() }
}

pub(crate) fn refuse(status: u16, code: &str) -> Act {
    let body = format!(r#"{{"error":"{code}","message":"said the script"}}"#);
    Act::Answer { status, headers: Vec::new(), body }
}

pub(crate) fn not_leader(leader: &Member) -> Act {
    let Act::Answer { status, body, .. } = refuse(421, "not_leader") else { unreachable!() };
    Act::Answer { status, headers: vec![format!("Raftkv-Leader: {}", leader.address)], body }
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) line: String,
    pub(crate) headers: String,
    pub(crate) body: Vec<u8>,
}

/// A fake member. It plays its script once, over any number of connections; a request beyond the
/// script is kept like the others and answered 500.
pub(crate) struct Member {
    pub(crate) address: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Member {
    pub(crate) async fn start(script: impl IntoIterator<Item = Act>) -> Member {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let script = Arc::new(Mutex::new(script.into_iter().collect::<VecDeque<_>>()));
        let kept = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&script), Arc::clone(&kept)));
            }
        });
        Member { address, requests }
    }

    /// An address that nobody listens on.
    pub(crate) async fn absent() -> Member {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        Member { address, requests: Arc::default() }
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        self.address.parse().unwrap()
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// Method and path of each request, without the query.
    pub(crate) fn asked(&self) -> Vec<String> {
        let line = |request: Request| request.line.split('?').next().unwrap_or_default().to_owned();
        self.requests().into_iter().map(line).collect()
    }
}

pub(crate) fn client(members: &[&Member], options: Options) -> Client {
    Client::new(members.iter().map(|member| member.endpoint()).collect(), options)
}

async fn serve(
    mut stream: TcpStream,
    script: Arc<Mutex<VecDeque<Act>>>,
    requests: Arc<Mutex<Vec<Request>>>,
) {
    while let Some(request) = receive(&mut stream).await {
        requests.lock().unwrap().push(request);
        let act = script.lock().unwrap().pop_front();
        let act = act.unwrap_or_else(|| refuse(500, "the_script_is_over"));
        if !play(&mut stream, act).await {
            return;
        }
    }
}

/// Whether the connection goes on.
async fn play(stream: &mut TcpStream, act: Act) -> bool {
    match act {
        Act::Answer { status, headers, body } => {
            let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 {status} As Scripted\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
            );
            stream.write_all(answer.as_bytes()).await.is_ok()
        }
        Act::Hang => {
            // Until the other side gives up.
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).await.ok();
            false
        }
        Act::Close => false,
        Act::Stream { text, goes_on } => {
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
                        Transfer-Encoding: chunked\r\n\r\n";
            let chunk = format!("{head}{:x}\r\n{text}\r\n", text.len());
            stream.write_all(chunk.as_bytes()).await.ok();
            if goes_on {
                let mut rest = Vec::new();
                stream.read_to_end(&mut rest).await.ok();
            }
            false
        }
        Act::CloseInTheMiddle => {
            let half = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"status\":\"comm";
            stream.write_all(half.as_bytes()).await.ok();
            false
        }
    }
}

async fn receive(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let head_bytes = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..head_bytes].to_vec()).unwrap().to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let body_bytes: usize = length.map_or(0, |length| length.parse().unwrap());
    while bytes.len() < head_bytes + body_bytes {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let line = String::from_utf8_lossy(&bytes).lines().next().unwrap_or_default().to_owned();
    let line = line.trim_end_matches(" HTTP/1.1").to_owned();
    Some(Request { line, headers: head, body: bytes[head_bytes..].to_vec() })
}
