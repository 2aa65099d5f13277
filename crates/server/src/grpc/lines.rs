//! Messages out of a body that goes on: one JSON object after another.
//!
//! Where one ends is found by its brackets, each byte being looked at once however many pieces it
//! comes in; only what is whole is parsed.

use axum::body::Body;
use bytes::{Buf as _, Bytes, BytesMut};
use http_body_util::BodyExt as _;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::refusal::Refusal;
use crate::reading::Share;

/// So many messages wait to be taken; then the body waits too.
const MESSAGES_MAX: usize = 16;

/// The messages of a body, as they come; an error is the last. None has more than so many bytes.
pub(super) fn messages<Q>(
    body: Body,
    bytes_max: usize,
    share: Share,
) -> impl Stream<Item = Result<Q, Status>>
where
    Q: DeserializeOwned + Send + 'static,
{
    let (sender, messages) = mpsc::channel(MESSAGES_MAX);
    tokio::spawn(read(body, Objects::new(bytes_max), share, sender));
    ReceiverStream::new(messages)
}

async fn read<Q: DeserializeOwned>(
    mut body: Body,
    mut objects: Objects,
    mut share: Share,
    sender: mpsc::Sender<Result<Q, Status>>,
) {
    while let Some(Ok(frame)) = body.frame().await {
        let Ok(data) = frame.into_data() else { continue };
        objects.pending.extend_from_slice(&data);
        if share.set(objects.pending.len()).is_err() {
            // Whoever is gone does not hear it.
            let _heard = sender.send(Err(Refusal::TooManyRequests.into())).await;
            return;
        }
        while let Some(object) = objects.next() {
            let message = object.and_then(|object| parsed(&object));
            let over = message.is_err();
            if sender.send(message).await.is_err() || over {
                return;
            }
        }
        share.set(objects.pending.len()).expect("it has become no more");
    }
}

/// The message that an object is.
pub(super) fn parsed<Q: DeserializeOwned>(object: &[u8]) -> Result<Q, Status> {
    serde_json::from_slice(object).map_err(|error| Status::invalid_argument(error.to_string()))
}

/// What of a body is not taken yet.
struct Objects {
    bytes_max: usize,
    pending: BytesMut,
    /// So much of it was looked at: up to there is one object at most, and it is not whole.
    seen: usize,
    place: Place,
    #[cfg(test)]
    looked_at: usize,
}

/// Where in an object one is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Place {
    /// So many brackets are open.
    depth: usize,
    in_string: bool,
    /// After a backslash.
    escaped: bool,
}

impl Objects {
    fn new(bytes_max: usize) -> Objects {
        Objects {
            bytes_max,
            pending: BytesMut::new(),
            seen: 0,
            place: Place::default(),
            #[cfg(test)]
            looked_at: 0,
        }
    }

    /// The next object, once it is whole; an error is the last.
    fn next(&mut self) -> Option<Result<Bytes, Status>> {
        while let Some(&byte) = self.pending.get(self.seen) {
            #[cfg(test)]
            {
                self.looked_at += 1;
            }
            if self.place.depth == 0 && byte.is_ascii_whitespace() {
                self.pending.advance(1);
                continue;
            }
            if self.place.depth == 0 && byte != b'{' {
                return Some(Err(Status::invalid_argument("a message is a JSON object")));
            }
            self.seen += 1;
            if self.seen > self.bytes_max {
                return Some(Err(Status::invalid_argument("the message is too long")));
            }
            if self.place.ends_with(byte) {
                let whole = self.pending.split_to(std::mem::take(&mut self.seen));
                return Some(Ok(whole.freeze()));
            }
        }
        None
    }
}

impl Place {
    /// Goes on by a byte; whether the object ends with it.
    fn ends_with(&mut self, byte: u8) -> bool {
        match byte {
            _ if self.escaped => self.escaped = false,
            b'\\' if self.in_string => self.escaped = true,
            b'"' => self.in_string = !self.in_string,
            _ if self.in_string => {}
            b'{' | b'[' => self.depth += 1,
            // Whether each closes one of its kind is for the parser to say.
            b'}' | b']' => {
                self.depth -= 1;
                return self.depth == 0;
            }
            _ => {}
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use tonic::Code;

    use super::*;

    /// All that is whole when `text` has come in pieces of so many bytes, and the work it took.
    fn taken(
        text: &str,
        piece_bytes: usize,
        bytes_max: usize,
    ) -> (Vec<Result<Value, Code>>, usize) {
        let (mut objects, mut taken) = (Objects::new(bytes_max), Vec::new());
        for piece in text.as_bytes().chunks(piece_bytes) {
            objects.pending.extend_from_slice(piece);
            while let Some(object) = objects.next() {
                let message = object.and_then(|object| parsed(&object));
                let over = message.is_err();
                taken.push(message.map_err(|status| status.code()));
                if over {
                    return (taken, objects.looked_at);
                }
            }
        }
        (taken, objects.looked_at)
    }

    #[test]
    fn a_message_counts_once_it_is_whole_however_it_is_cut() {
        let text = r#" {"a":1}{"b":{"c":[{}, "}]\"\\"]}}
            {"d":"\u007d"} {"half":"#;
        let all = [json!({"a": 1}), json!({"b": {"c": [{}, "}]\"\\"]}}), json!({"d": "}"})];
        for piece_bytes in 1..=text.len() {
            let (taken, _) = taken(text, piece_bytes, 1_000);
            let taken: Vec<Value> = taken.into_iter().map(Result::unwrap).collect();
            assert_eq!(taken, all, "in pieces of {piece_bytes}");
        }
    }

    #[test]
    fn what_is_no_message_ends_it() {
        for text in [
            r#"{"a":1} nonsense {"b":2}"#,
            r#"{"a":1} [{}] {"b":2}"#,
            r#"{"a":1} {"c":]} {"b":2}"#,
            r#"{"a":1} }"#,
        ] {
            let (taken, _) = taken(text, text.len(), 1_000);
            assert_eq!(taken, [Ok(json!({"a": 1})), Err(Code::InvalidArgument)], "{text}");
        }
    }

    #[test]
    fn a_message_has_a_length_and_space_between_messages_has_none() {
        let fits = format!("{{\"a\":\"{}\"}}", "x".repeat(92));
        assert_eq!(taken(&fits, 7, 100).0.len(), 1);
        let (taken_of_longer, _) = taken(&fits.replacen('x', "xx", 1), 7, 100);
        assert_eq!(taken_of_longer, [Err(Code::InvalidArgument)]);
        let spaced = format!("{}{{}}", " ".repeat(90));
        assert_eq!(taken(&spaced.repeat(9), 45, 100).0.len(), 9);
    }

    #[test]
    fn each_byte_is_looked_at_once() {
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(1 << 20));
        for piece_bytes in [1, 1_000, long.len()] {
            let (taken, looked_at) = taken(&long, piece_bytes, 2 << 20);
            assert_eq!((taken.len(), looked_at), (1, long.len()), "in pieces of {piece_bytes}");
        }
    }
}
