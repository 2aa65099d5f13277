//! The task of one stream: it hears what the client wants, and tells it what its watches see.

use std::sync::Arc;
use std::time::Duration;

use proto::etcd::etcdserverpb::watch_request::RequestUnion;
use proto::etcd::etcdserverpb::{WatchCreateRequest, WatchRequest, WatchResponse};
use replica::{Batch, Unserved, WatchEnd, WatchRefusal};
use store::Revision;
use tokio::sync::mpsc;
use tokio_stream::{Stream, StreamExt as _};
use tonic::Status;
use tonic::metadata::MetadataMap;

use super::answer::{self, EMPTY_RANGE, NO_WATCH};
use super::board::Board;
use super::request::{self, Wrong};
use super::rights::Rights;
use crate::grpc::gate::{Gate, needs_leader};
use crate::grpc::refusal::Refusal;
use crate::watch::{ConnectionWatches, News, NotWatching, Notices, WATCHERS_PER_STREAM_MAX};

/// After so long without an event a watch that asked for it is told how far it is.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(600);

/// One stream.
pub(super) struct Hub {
    gate: Arc<Gate>,
    rights: Rights,
    /// Whether its watches end where there is no leader.
    needs_leader: bool,
    sender: mpsc::Sender<Result<WatchResponse, Status>>,
    board: Board,
    watches: ConnectionWatches,
    /// The newest revision that was told of on this stream: no progress goes back behind it.
    told: Revision,
}

/// The client takes nothing any more, or was told the end.
struct Over;

impl Hub {
    pub(super) fn new(
        gate: Arc<Gate>,
        metadata: MetadataMap,
        sender: mpsc::Sender<Result<WatchResponse, Status>>,
    ) -> Hub {
        let (board, watches) = (Board::default(), ConnectionWatches::of_stream());
        let needs_leader = needs_leader(&metadata);
        let rights = Rights::new(Arc::clone(&gate), metadata);
        Hub { gate, rights, needs_leader, sender, board, watches, told: Revision(0) }
    }

    /// Serves the stream until the client takes nothing more. One that has nothing more to ask is
    /// told on.
    pub(super) async fn run(
        mut self,
        mut requests: impl Stream<Item = Result<WatchRequest, Status>> + Unpin,
    ) {
        let (sender, mut asks) = (self.sender.clone(), true);
        loop {
            let step = tokio::select! {
                biased;
                () = sender.closed() => Err(Over),
                request = requests.next(), if asks => match request {
                    Some(Ok(request)) => self.hear(request).await,
                    Some(Err(status)) => {
                        // If this fails the client has gone.
                        let _ = self.sender.send(Err(status)).await;
                        Err(Over)
                    }
                    None => {
                        asks = false;
                        Ok(())
                    }
                },
                (id, news) = self.board.next() => match self.forbid().await {
                    // It may be one of those.
                    Ok(()) if !self.board.contains(id) => Ok(()),
                    Ok(()) => self.tell(id, news).await,
                    Err(over) => Err(over),
                },
            };
            if step.is_err() {
                return;
            }
        }
    }

    async fn hear(&mut self, request: WatchRequest) -> Result<(), Over> {
        match request.request_union {
            Some(RequestUnion::CreateRequest(create)) => self.create(create).await,
            Some(RequestUnion::CancelRequest(cancel)) => {
                if !self.board.remove(cancel.watch_id) {
                    return Ok(());
                }
                self.rights.remove(cancel.watch_id);
                self.send(answer::canceled(self.gate.header_now(), cancel.watch_id)).await
            }
            Some(RequestUnion::ProgressRequest(_)) => {
                // What can not be said now is not said later either: the client asks again. A watch
                // that is behind has still to be told of what others were told long ago.
                match self.board.progress().filter(|told| *told >= self.told) {
                    Some(told) => self.progress(told, NO_WATCH).await,
                    None => Ok(()),
                }
            }
            None => Ok(()),
        }
    }

    async fn create(&mut self, create: WatchCreateRequest) -> Result<(), Over> {
        let header = self.gate.header_now();
        let asked = match request::read(&create, self.needs_leader) {
            Ok(asked) => asked,
            Err(wrong) => return self.send(answer::refused(header, wrong.reason())).await,
        };
        let guest = match self.rights.guest(&asked.range).await {
            Ok(guest) => guest,
            Err(refusal) => return self.send(answer::refused(header, in_full(refusal))).await,
        };
        let id = match create.watch_id {
            0 => self.board.take_id(),
            taken if self.board.contains(taken) => {
                let reason = "mvcc: duplicate watch ID provided on the WatchStream";
                return self.send(answer::refused(header, reason)).await;
            }
            id => id,
        };
        let notices = Notices { quiet: PROGRESS_INTERVAL, progress: create.progress_notify };
        match self.gate.node().watches().open(&asked, &self.watches, notices) {
            Ok(subscription) => {
                let header = self.gate.header(subscription.opened_at());
                self.told = self.told.max(subscription.opened_at());
                self.send(answer::created(header, id)).await?;
                self.board.insert(id, subscription);
                self.rights.insert(id, guest, asked.range);
                Ok(())
            }
            Err(NotWatching::Refused(WatchRefusal::Unserved(why))) => self.over(why).await,
            Err(NotWatching::Refused(WatchRefusal::Compacted { compact_revision, .. })) => {
                self.send(answer::created(header, id)).await?;
                self.send(answer::compacted(header, id, compact_revision)).await
            }
            Err(NotWatching::Refused(WatchRefusal::EmptyRange)) => {
                self.send(answer::refused(header, EMPTY_RANGE)).await
            }
            Err(NotWatching::Refused(WatchRefusal::TooManyWatchers { watchers_max })) => {
                self.send(answer::too_many(header, "this member", watchers_max)).await
            }
            Err(NotWatching::TooManyOnConnection) => {
                self.send(answer::too_many(header, "a stream", WATCHERS_PER_STREAM_MAX)).await
            }
        }
    }

    /// Ends the watches of those who may not read that any more.
    async fn forbid(&mut self) -> Result<(), Over> {
        for (id, refusal) in self.rights.lost() {
            self.board.remove(id);
            let header = self.gate.header_now();
            self.send(answer::forbidden(header, id, in_full(refusal))).await?;
        }
        Ok(())
    }

    async fn tell(&mut self, id: i64, news: Result<News, WatchEnd>) -> Result<(), Over> {
        match news {
            Ok(News::Batch(batch)) => {
                let mut goes_on = batch.goes_on;
                self.batch(id, &batch).await?;
                // The pieces of a revision follow each other: clients put them together, and take
                // whatever comes in between for a part of it.
                while goes_on {
                    match self.board.next_of(id).await {
                        Ok(News::Batch(batch)) => {
                            goes_on = batch.goes_on;
                            self.batch(id, &batch).await?;
                        }
                        Ok(News::Progress(_) | News::Quiet) => {}
                        Err(end) => return self.ended(id, end).await,
                    }
                }
                Ok(())
            }
            Ok(News::Progress(told)) => self.progress(told, id).await,
            Ok(News::Quiet) => Ok(()),
            Err(end) => self.ended(id, end).await,
        }
    }

    /// A member that serves no watches any more ends the stream; a watch without its past ends
    /// alone.
    async fn ended(&mut self, id: i64, end: WatchEnd) -> Result<(), Over> {
        self.board.remove(id);
        self.rights.remove(id);
        match end {
            WatchEnd::Compacted { compact_revision, .. } => {
                let header = self.gate.header(Revision(0));
                self.send(answer::compacted(header, id, compact_revision)).await
            }
            WatchEnd::Unserved(why) => self.over(why).await,
        }
    }

    /// The stream ends, so that the client goes on at another member.
    async fn over(&self, why: Unserved) -> Result<(), Over> {
        // If this fails the client has gone.
        let _ = self.sender.send(Err(Refusal::from(why).into())).await;
        Err(Over)
    }

    async fn batch(&mut self, id: i64, batch: &Batch) -> Result<(), Over> {
        self.told = self.told.max(batch.revision);
        self.send(answer::batch(self.gate.header(batch.revision), id, batch)).await
    }

    async fn progress(&mut self, told: Revision, id: i64) -> Result<(), Over> {
        self.told = self.told.max(told);
        self.send(answer::progress(self.gate.header(told), id)).await
    }

    async fn send(&self, response: WatchResponse) -> Result<(), Over> {
        self.sender.send(Ok(response)).await.map_err(|_| Over)
    }
}

/// A refusal as clients in Go print it: so etcd tells of it here.
fn in_full(refusal: Refusal) -> String {
    let (code, message) = refusal.row();
    format!("rpc error: code = {code:?} desc = {message}")
}

impl Wrong {
    fn reason(self) -> &'static str {
        match self {
            Wrong::BeforeAll => Refusal::Compacted.row().1,
            Wrong::EmptyRange => EMPTY_RANGE,
            Wrong::KeyTooLarge => Refusal::RequestTooLarge.row().1,
        }
    }
}
