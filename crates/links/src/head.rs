//! Who dials: the header in which members name themselves, at the beginning of what they send.

use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::time::timeout;

/// The header (docs/format/peer.md).
const MEMBER_HEADER: &str = "raftkv-member";

/// A head that is longer is not one of a member's.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// So many headers at most.
const HEADERS_MAX: usize = 64;

/// A member sends the head of its request as soon as it is connected.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// What a connection begins with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// The name of the member that dials, if it says one.
    pub(crate) member: Option<String>,
}

/// Reads until the whole head is in `buffer`, and perhaps more; none if what comes is no HTTP
/// request, or not in time.
pub(crate) async fn read(
    from: &mut (impl AsyncRead + Unpin),
    buffer: &mut BytesMut,
) -> Option<Head> {
    timeout(HEAD_TIMEOUT, read_whole(from, buffer)).await.ok().flatten()
}

async fn read_whole(from: &mut (impl AsyncRead + Unpin), buffer: &mut BytesMut) -> Option<Head> {
    loop {
        match parse(buffer) {
            Parsed::Whole(head) => return Some(head),
            Parsed::Strange => return None,
            Parsed::Part if buffer.len() >= HEAD_BYTES_MAX => return None,
            Parsed::Part => {}
        }
        match from.read_buf(buffer).await {
            Ok(count) if count > 0 => {}
            Ok(_) | Err(_) => return None,
        }
    }
}

enum Parsed {
    Whole(Head),
    /// More is to come.
    Part,
    /// No request of HTTP/1.
    Strange,
}

fn parse(bytes: &[u8]) -> Parsed {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(bytes) {
        Ok(httparse::Status::Partial) => Parsed::Part,
        Ok(httparse::Status::Complete(_)) => {
            let named = request
                .headers
                .iter()
                .find(|header| header.name.eq_ignore_ascii_case(MEMBER_HEADER));
            let member = named.and_then(|header| str::from_utf8(header.value).ok());
            Parsed::Whole(Head { member: member.map(str::to_owned) })
        }
        Err(_) => Parsed::Strange,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn head_of(text: &str) -> (Option<Head>, BytesMut) {
        let mut buffer = BytesMut::new();
        let head = read(&mut text.as_bytes(), &mut buffer).await;
        (head, buffer)
    }

    #[tokio::test]
    async fn a_member_says_who_it_is() {
        let text = "GET /raft/append HTTP/1.1\r\nHost: a\r\nRaftkv-Member: node-1\r\n\r\nmore";
        let (head, kept) = head_of(text).await;
        assert_eq!(head.unwrap().member.as_deref(), Some("node-1"));
        assert!(text.as_bytes().starts_with(&kept), "what was read is there to be handed on");
    }

    #[tokio::test]
    async fn whoever_does_not_say_is_nobody() {
        let (head, _) = head_of("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert_eq!(head, Some(Head { member: None }));
    }

    #[tokio::test]
    async fn what_is_no_request_is_none() {
        let long = format!("GET / HTTP/1.1\r\nA: {}", "x".repeat(2 * HEAD_BYTES_MAX));
        for text in ["", "GET / HTTP/1.1\r\n", "\u{1}\u{2}\u{3}\r\n\r\n", &long] {
            assert_eq!(head_of(text).await.0, None, "{text:.40}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_is_not_waited_for_for_ever() {
        let (_silent, mut theirs) = tokio::io::duplex(1);
        assert_eq!(read(&mut theirs, &mut BytesMut::new()).await, None);
    }
}
