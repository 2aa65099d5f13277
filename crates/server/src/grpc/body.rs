//! The bodies of calls: whole within a time, or not taken; and no longer than a message may be.

use std::fmt;
use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Frame, SizeHint};
use tokio::time::{Sleep, sleep, timeout};
use tonic::Status;

use super::message_bytes_max;
use super::refusal::Refusal;
use crate::reading::Share;

/// A message is whole within this time of its call.
pub(super) const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The calls whose bodies go on for as long as their clients like.
const STREAMS: [&str; 2] = ["/etcdserverpb.Watch/Watch", "/etcdserverpb.Lease/LeaseKeepAlive"];

/// What stands in front of each message: whether it is compressed, and its length.
pub(super) const PREFIX_BYTES: usize = 5;

/// Gives the body of a call its bounds.
pub(super) async fn bounded(request: Request<Body>) -> Request<Body> {
    let goes_on = STREAMS.contains(&request.uri().path());
    let share = Share::of(request.extensions());
    request.map(|body| {
        let sleep = (!goes_on).then(|| Box::pin(sleep(BODY_TIMEOUT)));
        Body::new(Bounded { body, sleep, message: Message::default(), share })
    })
}

/// The body of a call that has one message, within the same bounds; what is wrong with it is
/// refused as tonic refuses it.
pub(crate) struct OnlyMessage(Bytes);

impl OnlyMessage {
    /// All of a body, which may still hold anything.
    pub(crate) async fn of<B>(body: B, share: Share) -> Result<OnlyMessage, Status>
    where
        B: hyper::body::Body<Data = Bytes, Error = hyper::Error> + Unpin,
    {
        let whole = timeout(BODY_TIMEOUT, gather(body, share)).await;
        let bytes = whole.unwrap_or_else(|_| Err(Status::from_error(Box::new(TooSlow))))?;
        Ok(OnlyMessage(bytes))
    }

    /// The message. What comes behind it is nothing that anybody asked for, and must be sound.
    pub(super) fn read<M: prost::Message + Default>(self) -> Result<M, Status> {
        let OnlyMessage(mut bytes) = self;
        // In tonic's words.
        let read =
            |message| M::decode(message).map_err(|error| Status::internal(error.to_string()));
        let first = next(&mut bytes)?;
        let asked = read(first.ok_or_else(|| Status::internal("Missing request message."))?)?;
        while let Some(behind) = next(&mut bytes)? {
            let _nobodys: M = read(behind)?;
        }
        Ok(asked)
    }
}

/// Takes a message off the front, if there is one. A prefix with nothing behind it is none.
fn next(bytes: &mut Bytes) -> Result<Option<Bytes>, Status> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let prefix = take(bytes, PREFIX_BYTES)?;
    match prefix[0] {
        0 => {}
        1 => {
            return Err(Status::internal(
                "protocol error: received message with compressed-flag but no grpc-encoding was \
                 specified",
            ));
        }
        flag => {
            return Err(Status::internal(format!(
                "protocol error: received message with invalid compression flag: {flag} (valid \
                 flags are 0 and 1), while sending request"
            )));
        }
    }
    let length = u32::from_be_bytes(prefix[1..].try_into().expect("it has five bytes"));
    if length > 0 && bytes.is_empty() {
        return Ok(None);
    }
    take(bytes, usize::try_from(length).unwrap_or(usize::MAX)).map(Some)
}

/// Takes so many bytes off the front, if there are as many.
fn take(bytes: &mut Bytes, count: usize) -> Result<Bytes, Status> {
    if count > bytes.len() {
        return Err(Status::internal("Unexpected EOF decoding stream."));
    }
    Ok(bytes.split_to(count))
}

/// All bytes of a body. Most come in one piece, which is not copied.
async fn gather<B>(mut body: B, mut share: Share) -> Result<Bytes, Status>
where
    B: hyper::body::Body<Data = Bytes, Error = hyper::Error> + Unpin,
{
    let mut message = Message::default();
    let (mut first, mut all) = (Bytes::new(), BytesMut::new());
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Status::from_error(Box::new(error)))?;
        let Ok(data) = frame.into_data() else { continue };
        message.go_on(&data)?;
        share.grow(data.len()).map_err(|_| Status::from(Refusal::TooManyRequests))?;
        if first.is_empty() {
            first = data;
            continue;
        }
        if all.is_empty() {
            all.extend_from_slice(&first);
        }
        all.extend_from_slice(&data);
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

struct Bounded {
    body: Body,
    /// Until when it is to be whole, if it has one message.
    sleep: Option<Pin<Box<Sleep>>>,
    message: Message,
    share: Share,
}

/// The message that a body is in.
#[derive(Debug, Default)]
struct Message {
    prefix: [u8; PREFIX_BYTES],
    /// So many bytes of it are there, the prefix among them.
    bytes: usize,
}

/// It was not whole in time.
#[derive(Debug)]
struct TooSlow;

impl Message {
    /// Goes on by what came; how many bytes are there of a message that is not whole.
    fn go_on(&mut self, mut data: &[u8]) -> Result<usize, Status> {
        while !data.is_empty() {
            let missing = match PREFIX_BYTES.checked_sub(self.bytes) {
                Some(missing @ 1..) => missing,
                _ => PREFIX_BYTES + self.length()? - self.bytes,
            };
            let (now, later) = data.split_at(missing.min(data.len()));
            if let Some(prefix) = self.prefix.get_mut(self.bytes..self.bytes + now.len()) {
                prefix.copy_from_slice(now);
            }
            self.bytes += now.len();
            data = later;
            if self.bytes >= PREFIX_BYTES && self.bytes == PREFIX_BYTES + self.length()? {
                self.bytes = 0;
            }
        }
        Ok(self.bytes)
    }

    /// How long it is to be; a refusal, in the words of etcd's own library, if that is too long.
    fn length(&self) -> Result<usize, Status> {
        let [_, length @ ..] = self.prefix;
        let (length, max) = (u32::from_be_bytes(length), message_bytes_max());
        match usize::try_from(length) {
            Ok(length) if length <= max => Ok(length),
            _ => Err(Status::resource_exhausted(format!(
                "grpc: received message larger than max ({length} vs. {max})"
            ))),
        }
    }
}

impl Bounded {
    fn look_at(&mut self, data: &[u8]) -> Result<(), Status> {
        let unfinished = self.message.go_on(data)?;
        let room = match self.sleep {
            // It is taken when it is whole.
            Some(_) => self.share.grow(data.len()),
            None => self.share.set(unfinished),
        };
        room.map_err(|_| Refusal::TooManyRequests.into())
    }
}

impl fmt::Display for TooSlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the message was not whole within {BODY_TIMEOUT:?}")
    }
}

impl std::error::Error for TooSlow {}

impl hyper::body::Body for Bounded {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            let data = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref());
            let looked_at = data.map_or(Ok(()), |data| self.look_at(data));
            return Poll::Ready(match looked_at {
                Ok(()) => frame,
                Err(refused) => Some(Err(axum::Error::new(refused))),
            });
        }
        match &mut self.sleep {
            None => Poll::Pending,
            Some(sleep) => {
                ready!(sleep.as_mut().poll(context));
                Poll::Ready(Some(Err(axum::Error::new(TooSlow))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proto::etcd::etcdserverpb::{PutRequest, lease_server, watch_server};
    use tokio::time::{Instant, timeout};
    use tokio_stream::StreamExt as _;

    use super::*;
    use crate::reading::Reading;

    const PUT: &str = "/etcdserverpb.KV/Put";

    /// The body of a call at `path` that brings these pieces and then nothing, on a member that may
    /// have read so many bytes.
    async fn without_an_end(path: &str, pieces: &[&[u8]], bytes_max: usize) -> Body {
        let pieces: Vec<_> = pieces.iter().map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        let nothing = tokio_stream::pending::<Result<Bytes, axum::Error>>();
        let body = Body::from_stream(tokio_stream::iter(pieces).chain(nothing));
        let request = Request::post(path).extension(Arc::new(Reading::new(bytes_max)));
        bounded(request.body(body).expect("it is a request")).await.into_body()
    }

    /// What a body is refused with, after so many pieces.
    async fn refused(mut body: Body) -> (usize, String) {
        for taken in 0.. {
            match body.frame().await.expect("it has no end") {
                Ok(_) => {}
                Err(error) => return (taken, Status::from_error(Box::new(error)).message().into()),
            }
        }
        unreachable!("it ends or goes on")
    }

    #[tokio::test(start_paused = true)]
    async fn one_message_is_waited_for_so_long_and_no_longer() {
        let began = Instant::now();
        let body = without_an_end(PUT, &[], 100).await;
        let error = body.collect().await.expect_err("it never comes");
        assert!(error.to_string().contains("not whole"), "{error}");
        assert_eq!(began.elapsed(), BODY_TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_goes_on_for_as_long_as_its_client_likes() {
        let watch = format!("/{}/Watch", watch_server::SERVICE_NAME);
        let keep_alive = format!("/{}/LeaseKeepAlive", lease_server::SERVICE_NAME);
        for path in [watch, keep_alive] {
            let body = without_an_end(&path, &[], 100).await;
            assert!(timeout(2 * BODY_TIMEOUT, body.collect()).await.is_err(), "{path}");
        }
    }

    #[tokio::test]
    async fn a_message_that_is_too_long_is_refused_before_it_comes() {
        for path in [PUT, STREAMS[0]] {
            let (whole, long) = ([0, 0, 0, 0, 1, 7], [0, 0xff, 0xff, 0xff, 0xff, 7]);
            let pieces = [&whole[..], &long[..2], &long[2..]];
            let (taken, message) = refused(without_an_end(path, &pieces, 100).await).await;
            let max = message_bytes_max();
            assert_eq!(taken, 2, "{path}");
            let words = format!("grpc: received message larger than max (4294967295 vs. {max})");
            assert_eq!(message, words);
        }
    }

    #[tokio::test]
    async fn bytes_of_one_message_count_until_it_is_taken() {
        let pieces: [&[u8]; 3] = [&[0, 0, 0, 0, 99], &[7; 50], &[7; 49]];
        let (taken, message) = refused(without_an_end(PUT, &pieces, 100).await).await;
        assert_eq!((taken, message.as_str()), (2, "etcdserver: too many requests"));
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_of_a_stream_count_until_their_message_is_whole() {
        let ten_bytes: &[u8] = &[0, 0, 0, 0, 5, 7, 7, 7, 7, 7];
        let begun: &[u8] = &[0, 0, 0, 0, 99, 7];
        let many = vec![ten_bytes; 100];
        let body = without_an_end(STREAMS[0], &many, 20).await;
        assert!(timeout(BODY_TIMEOUT, body.collect()).await.is_err(), "it was refused");
        let body = without_an_end(STREAMS[0], &[&many[..], &[begun, &[7; 20]]].concat(), 20).await;
        assert_eq!(refused(body).await, (101, "etcdserver: too many requests".into()));
    }

    /// The key that a put with such a body, in these pieces, is about.
    async fn only(pieces: &[&[u8]], bytes_max: usize) -> Result<Bytes, Status> {
        let pieces: Vec<Result<Frame<Bytes>, hyper::Error>> =
            pieces.iter().map(|piece| Ok(Frame::data(Bytes::copy_from_slice(piece)))).collect();
        let body = http_body_util::StreamBody::new(tokio_stream::iter(pieces));
        let share = Share::among(&Arc::new(Reading::new(bytes_max)));
        OnlyMessage::of(body, share).await?.read::<PutRequest>().map(|put| put.key)
    }

    #[tokio::test(start_paused = true)]
    async fn the_only_message_is_waited_for_no_longer_either() {
        let begun = Ok::<_, hyper::Error>(Frame::data(Bytes::from_static(&[0, 0, 0])));
        let frames = tokio_stream::once(begun).chain(tokio_stream::pending());
        let (began, body) = (Instant::now(), http_body_util::StreamBody::new(frames));
        let share = Share::among(&Arc::new(Reading::new(100)));
        let refused = OnlyMessage::of(body, share).await.map(|_| ()).unwrap_err();
        assert!(refused.message().contains("not whole"), "{refused}");
        assert_eq!(began.elapsed(), BODY_TIMEOUT);
    }

    #[tokio::test]
    async fn the_only_message_is_found_however_it_is_cut() {
        let bytes = [&[0, 0, 0, 0, 5][..], b"\x0a\x03abc"].concat();
        for piece_bytes in 1..=bytes.len() {
            let pieces: Vec<&[u8]> = bytes.chunks(piece_bytes).collect();
            assert_eq!(&only(&pieces, 100).await.unwrap()[..], b"abc", "pieces of {piece_bytes}");
        }
        assert_eq!(&only(&[&[0; 5]], 100).await.unwrap()[..], b"", "an empty one is one too");
        let two = [&bytes[..], &[0; 5]].concat();
        assert_eq!(&only(&[&two], 100).await.unwrap()[..], b"abc", "the second is nobody's");
    }

    #[tokio::test]
    async fn what_comes_behind_the_only_message_must_be_one() {
        let bytes = [&[0, 0, 0, 0, 5][..], b"\x0a\x03abc"].concat();
        for (broken, told) in [
            (&[0, 0, 0][..], "Unexpected EOF"),
            (&[0, 0, 0, 0, 3, 7], "Unexpected EOF"),
            (&[0, 0, 0, 0, 1, 7], "decode"),
            (&[2, 0, 0, 0, 0], "compression flag"),
        ] {
            let refused = only(&[&bytes, broken], 100).await.unwrap_err();
            assert!(refused.message().contains(told), "{broken:?}: {refused}");
        }
    }

    #[tokio::test]
    async fn what_is_no_message_is_refused_in_tonics_words() {
        let refused = async |bytes: &[u8]| only(&[bytes], 100).await.unwrap_err();
        for nothing in [&b""[..], &[0, 0, 0, 0, 3]] {
            assert_eq!(refused(nothing).await.message(), "Missing request message.");
        }
        for cut in [&[0, 0, 0][..], &[0, 0, 0, 0, 3, 7, 7]] {
            assert_eq!(refused(cut).await.message(), "Unexpected EOF decoding stream.");
        }
        let compressed = refused(&[1, 0, 0, 0, 1, 7]).await;
        assert!(compressed.message().contains("no grpc-encoding was specified"));
        let odd = refused(&[9, 0, 0, 0, 1, 7]).await;
        assert!(odd.message().contains("invalid compression flag: 9"), "{odd}");
        let long = refused(&[0, 0xff, 0xff, 0xff, 0xff, 7]).await;
        assert_eq!(long.code(), tonic::Code::ResourceExhausted);
        let none_left = only(&[&[0, 0, 0, 0, 9, 7, 7]], 5).await.unwrap_err();
        assert_eq!(none_left.message(), "etcdserver: too many requests");
    }

    #[test]
    fn messages_are_found_however_they_are_cut() {
        let bytes = [&[0, 0, 0, 0, 0][..], &[1, 0, 0, 0, 3, 7, 7, 7], &[0, 0, 0, 1, 0, 7]].concat();
        for piece_bytes in 1..=bytes.len() {
            let mut message = Message::default();
            let ends = bytes.chunks(piece_bytes).map(|piece| message.go_on(piece).unwrap());
            assert_eq!(ends.last(), Some(6), "in pieces of {piece_bytes}");
        }
    }
}
