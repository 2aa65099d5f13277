//! Events, heard beside the drawing: whoever draws is never waited for, and never waits.

use client::{Error, Events, Heard};
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// So many may wait to be drawn; then the members wait, and leave out what is too much.
const WAITING_MAX: usize = 64;

/// What is heard, as it comes.
pub(super) struct Feed(Receiver<Result<Heard, Error>>);

impl Feed {
    /// Listens until it is dropped, or nobody will ever serve it.
    pub(super) fn start(events: Events) -> Feed {
        let (sender, receiver) = channel(WAITING_MAX);
        tokio::spawn(hear(events, sender));
        Feed(receiver)
    }

    /// The next thing. [`Error::Unavailable`] is not the end, every other error is.
    pub(super) async fn next(&mut self) -> Option<Result<Heard, Error>> {
        self.0.recv().await
    }
}

async fn hear(mut events: Events, sender: Sender<Result<Heard, Error>>) {
    loop {
        let heard = tokio::select! {
            heard = events.next() => heard,
            () = sender.closed() => return,
        };
        let is_last = matches!(&heard, Err(error) if !error.is_retryable());
        if sender.send(heard).await.is_err() || is_last {
            return;
        }
    }
}
