use bytes::Bytes;

use super::*;

const TIMEOUT: Duration = Duration::from_secs(1);

fn write(bytes: usize) -> Request {
    Request::Write { command: Bytes::from(vec![0; bytes]), forward: true }
}

fn submit(inbox: &Inbox, request: Request) -> Result<(), Failure> {
    inbox.submit(request, TIMEOUT, oneshot::channel().0)
}

fn message() -> Vec<PeerMessage> {
    let body = raft::Body::TimeoutNow;
    vec![PeerMessage::Raft(raft::Message { term: raft::Term(1), body })]
}

/// Takes what is there, without waiting.
fn take(inbox: &Inbox, answered: usize) -> Vec<Input> {
    let mut batch = Vec::new();
    let answered = Outcomes { requests: answered, done: answered };
    inbox.take(&mut batch, Instant::now(), answered);
    batch
}

#[test]
fn a_batch_is_everything_that_has_gathered_in_order() {
    let inbox = Inbox::new();
    inbox.notify(Input::StreamOpened { peer: MemberId(2), address: None });
    submit(&inbox, Request::ReadBarrier).unwrap();
    inbox.notify(Input::StreamClosed(MemberId(2)));
    let batch = take(&inbox, 0);
    assert!(matches!(
        batch[..],
        [Input::StreamOpened { .. }, Input::Submit { .. }, Input::StreamClosed(_)]
    ));
    assert!(take(&inbox, 0).is_empty());
}

#[test]
fn too_many_requests_are_refused_until_some_are_answered() {
    let inbox = Inbox::new();
    for _ in 0..REQUESTS_MAX {
        submit(&inbox, Request::ReadBarrier).unwrap();
    }
    assert_eq!(submit(&inbox, Request::ReadBarrier), Err(Failure::Overloaded));
    take(&inbox, 0);
    let taken_but_not_answered = submit(&inbox, Request::ReadBarrier);
    assert_eq!(taken_but_not_answered, Err(Failure::Overloaded));
    take(&inbox, 1);
    assert_eq!(submit(&inbox, Request::ReadBarrier), Ok(()));
}

#[tokio::test]
async fn readers_join_until_their_round_is_taken() {
    let inbox = Inbox::new();
    let first = inbox.read(TIMEOUT).unwrap();
    submit(&inbox, write(1)).unwrap();
    let second = inbox.read(TIMEOUT).unwrap();
    assert!(Arc::ptr_eq(&first, &second));
    assert!(!Arc::ptr_eq(&first, &inbox.read(2 * TIMEOUT).unwrap()), "it waits for longer");
    let mut batch = take(&inbox, 0);
    assert_eq!(batch.len(), 3);
    let later = inbox.read(TIMEOUT).unwrap();
    assert!(!Arc::ptr_eq(&first, &later), "what was taken may be too old for it");
    let Input::Read(round) = batch.remove(0) else { panic!("the first asked to read") };
    assert_eq!(round.readers(), 2);
    round.tell(Ok(Done::ReadReady { settled_ms: 5 }));
    assert_eq!((first.result().await, second.result().await), (Ok(5), Ok(5)));
    inbox.close();
    assert_eq!(later.result().await, Err(Failure::Unavailable));
    assert_eq!(inbox.read(TIMEOUT).unwrap_err(), Failure::Unavailable);
}

#[test]
fn every_reader_is_a_request() {
    let inbox = Inbox::new();
    for _ in 0..REQUESTS_MAX {
        inbox.read(TIMEOUT).unwrap();
    }
    assert_eq!(inbox.read(TIMEOUT).unwrap_err(), Failure::Overloaded);
    take(&inbox, 0);
    take(&inbox, REQUESTS_MAX);
    assert!(inbox.read(TIMEOUT).is_ok());
}

#[test]
fn too_many_bytes_are_refused_until_they_are_taken() {
    let inbox = Inbox::new();
    submit(&inbox, write(REQUEST_BYTES_MAX)).unwrap();
    assert_eq!(submit(&inbox, write(1)), Err(Failure::Overloaded));
    assert_eq!(submit(&inbox, Request::ReadBarrier), Ok(()), "a read takes no bytes");
    take(&inbox, 0);
    assert_eq!(submit(&inbox, write(1)), Ok(()));
}

#[tokio::test]
async fn a_peer_waits_while_there_is_no_room_for_its_messages() {
    let inbox = Inbox::new();
    inbox.deliver(Input::Messages(MemberId(2), message()), PEER_BYTES_MAX).await;
    let held = inbox.deliver(Input::Messages(MemberId(2), message()), 1);
    let mut held = std::pin::pin!(held);
    let done = is_done_at_once(held.as_mut()).await;
    assert!(!done, "there is no room");
    assert_eq!(take(&inbox, 0).len(), 1);
    held.await;
    assert_eq!(take(&inbox, 0).len(), 1);
}

/// Whether the future is done after one look at it.
async fn is_done_at_once(mut future: std::pin::Pin<&mut impl Future<Output = ()>>) -> bool {
    std::future::poll_fn(|context| std::task::Poll::Ready(future.as_mut().poll(context).is_ready()))
        .await
}

#[test]
fn whoever_brings_something_wakes_the_thread() {
    let inbox = Inbox::new();
    let deadline = Instant::now() + Duration::from_secs(30);
    std::thread::scope(|scope| {
        let taking = scope.spawn(|| {
            let mut batch = Vec::new();
            inbox.take(&mut batch, deadline, Outcomes::default());
            batch.len()
        });
        inbox.notify(Input::Stop);
        assert_eq!(taking.join().unwrap(), 1);
    });
    assert!(Instant::now() < deadline, "it was woken, not timed out");
}

#[tokio::test]
async fn a_closed_inbox_refuses_requests_and_lets_peers_go_on() {
    let inbox = Inbox::new();
    let (sender, receiver) = oneshot::channel();
    inbox.submit(Request::ReadBarrier, TIMEOUT, sender).unwrap();
    inbox.close();
    assert_eq!(receiver.await, Ok(Err(Failure::Unavailable)), "it certainly was not done");
    assert_eq!(submit(&inbox, Request::ReadBarrier), Err(Failure::Unavailable));
    inbox.deliver(Input::Messages(MemberId(2), message()), PEER_BYTES_MAX).await;
    inbox.deliver(Input::Messages(MemberId(2), message()), PEER_BYTES_MAX).await;
    assert!(take(&inbox, 0).is_empty());
}
