//! Messages out of a body that goes on: one JSON object after another.

use axum::body::Body;
use bytes::BytesMut;
use http_body_util::BodyExt as _;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

/// So many messages wait to be taken; then the body waits too.
const MESSAGES_MAX: usize = 16;

/// The messages of a body, as they come; an error is the last. None has more than so many bytes.
pub(super) fn messages<Q>(body: Body, bytes_max: usize) -> impl Stream<Item = Result<Q, Status>>
where
    Q: DeserializeOwned + Send + 'static,
{
    let (sender, messages) = mpsc::channel(MESSAGES_MAX);
    tokio::spawn(read(body, bytes_max, sender));
    ReceiverStream::new(messages)
}

async fn read<Q: DeserializeOwned>(
    mut body: Body,
    bytes_max: usize,
    sender: mpsc::Sender<Result<Q, Status>>,
) {
    let mut pending = BytesMut::new();
    while let Some(Ok(frame)) = body.frame().await {
        let Ok(data) = frame.into_data() else { continue };
        pending.extend_from_slice(&data);
        let taken = take(&mut pending);
        let too_long = pending.len() > bytes_max;
        let refused = too_long.then(|| Err(Status::invalid_argument("the message is too long")));
        for message in taken.into_iter().chain(refused) {
            let over = message.is_err();
            if sender.send(message).await.is_err() || over {
                return;
            }
        }
    }
}

/// The whole messages at the beginning.
fn take<Q: DeserializeOwned>(pending: &mut BytesMut) -> Vec<Result<Q, Status>> {
    let mut messages = Vec::new();
    let mut whole = 0;
    let mut stream = serde_json::Deserializer::from_slice(pending).into_iter();
    while let Some(next) = stream.next() {
        match next {
            Ok(message) => messages.push(Ok(message)),
            Err(error) if error.is_eof() => break,
            Err(error) => {
                messages.push(Err(Status::invalid_argument(error.to_string())));
                break;
            }
        }
        whole = stream.byte_offset();
    }
    let _done = pending.split_to(whole);
    messages
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_message_counts_once_it_is_whole() {
        let mut pending = BytesMut::from(&br#"{"a":1} {"b"#[..]);
        let first: Vec<_> = take::<Value>(&mut pending).into_iter().map(Result::unwrap).collect();
        assert_eq!(first, [serde_json::json!({"a": 1})]);
        assert!(take::<Value>(&mut pending).is_empty());
        pending.extend_from_slice(br#"":2}"#);
        let second: Vec<_> = take::<Value>(&mut pending).into_iter().map(Result::unwrap).collect();
        assert_eq!(second, [serde_json::json!({"b": 2})]);
        assert!(pending.is_empty());
    }

    #[test]
    fn what_is_no_message_ends_it() {
        let mut pending = BytesMut::from(&br#"{"a":1} nonsense {"b":2}"#[..]);
        let taken = take::<Value>(&mut pending);
        assert!(taken[0].is_ok() && taken[1].is_err() && taken.len() == 2);
    }
}
