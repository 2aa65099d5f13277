//! Watching keys: a stream of changes that outlives the member it comes from.
//!
//! The revision after the last one that was told is all that has to be kept: with it any member
//! goes on. So each change comes once and in order, whatever becomes of members in between.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::Method;
use hyper::body::Incoming;
use serde::Deserialize;
use tokio::time::{Instant, sleep, timeout};

use crate::Error;
use crate::client::{Client, Query, Reasons, with_timeout};
use crate::options::Consistency;
use crate::pace::Pace;
use crate::sse::{Message, Parser};
use crate::transport::{self, Opened};
use crate::types::{EncodedKeyValue, KeyValue, Revision, decode_bytes};
use crate::verdict::{Again, Answer, Attempt, Effect, Verdict, judge};

/// Members are to say this often that nothing has happened, in ms.
const PROGRESS_MS: u64 = 3_000;
/// A stream that says nothing for this long is given up: the member or its machine is gone.
const SILENCE_MAX: Duration = Duration::from_secs(10);
/// A stream that was open for this long was of use, whether anything happened or not.
const PROVEN_AFTER: Duration = Duration::from_secs(1);

/// What to watch.
#[derive(Debug, Clone, Default)]
pub struct WatchOptions {
    /// Which keys.
    pub keys: Keys,
    /// The first revision to be told of; `None`: of all that is acknowledged after the call.
    pub from_revision: Option<Revision>,
    /// Whether changes tell what the key was before.
    pub prev: bool,
    /// Leave out puts.
    pub no_put: bool,
    /// Leave out deletes.
    pub no_delete: bool,
    /// With [`Consistency::Stale`] a member is watched also while it has no leader.
    pub consistency: Consistency,
}

/// Some keys, next to each other in byte order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Keys {
    /// Every key.
    #[default]
    All,
    /// One key.
    One(Bytes),
    /// Those that begin with this.
    Prefix(Bytes),
    /// From one key on, and up to but without another.
    Range {
        /// The first.
        from: Bytes,
        /// The first after it; `None` if it has no end.
        to: Option<Bytes>,
    },
}

/// What a watch has to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Update {
    /// Something has happened.
    Changes(Changes),
    /// Nothing has happened for a while, and all up to this revision was told.
    Progress(Revision),
}

/// All that one revision did to the watched keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// Which revision.
    pub revision: Revision,
    /// When, by the leader's clock, in ms since 1970.
    pub time_ms: u64,
    /// At least one, in the order in which it was done.
    pub changes: Vec<Change>,
}

/// What happened to a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It got a value; with version 1 it is new.
    Put {
        /// As it is now.
        item: KeyValue,
        /// As it was, if that was asked for, and it existed and is kept.
        prev: Option<KeyValue>,
    },
    /// It was removed.
    Delete {
        /// Which one.
        key: Bytes,
        /// As it was, if that was asked for and is kept.
        prev: Option<KeyValue>,
    },
}

/// A watch under way.
#[derive(Debug)]
pub struct Watch {
    client: Client,
    options: WatchOptions,
    /// Where to go on; set once a member has begun to tell.
    next: Option<Revision>,
    stream: Option<Stream>,
    pace: Pace,
    reasons: Reasons,
    /// When a member served last, or the caller began to wait for one.
    served_at: Instant,
}

/// What comes from one member.
#[derive(Debug)]
struct Stream {
    body: Incoming,
    parser: Parser,
    opened_at: Instant,
    /// It has told more than where it begins.
    told: bool,
}

impl Watch {
    pub(crate) async fn open(client: Client, options: WatchOptions) -> Result<Watch, Error> {
        let pace = Pace::new(client.candidates(Effect::Read));
        let (reasons, served_at) = (Reasons::default(), Instant::now());
        let next = options.from_revision;
        let mut watch = Watch { client, options, next, stream: None, pace, reasons, served_at };
        while watch.stream.is_none() || watch.next.is_none() {
            // Only an open stream says where it begins, before all else.
            watch.advance().await?;
        }
        Ok(watch)
    }

    /// The revision up to which all was told: a bookmark. A watch from the one after it goes on
    /// where this one is.
    pub fn told(&self) -> Revision {
        Revision(self.next.map_or(0, |next| next.0.saturating_sub(1)))
    }

    /// Waits for news. May be dropped at any time: the next call goes on.
    ///
    /// # Errors
    ///
    /// The refusal `compacted` if what comes next is no longer kept: read the keys anew and watch
    /// from there. [`Error::Unavailable`] if no member has served for [`crate::Options::timeout`];
    /// the next call tries again, and nothing is lost. Other refusals mean that the watch can not
    /// be served as it was asked for.
    pub async fn next(&mut self) -> Result<Update, Error> {
        loop {
            if let Some(update) = self.advance().await? {
                return Ok(update);
            }
        }
    }

    /// Goes on by one message, or one attempt to find a member.
    async fn advance(&mut self) -> Result<Option<Update>, Error> {
        let Some(stream) = &mut self.stream else {
            self.connect().await?;
            return Ok(None);
        };
        match stream.next().await {
            Ok(message) if message.event == "error" => self.ended(message).await.map(|()| None),
            Ok(message) => {
                stream.told |= message.event != "open";
                let taken = self.take(&message);
                if taken.is_err() {
                    // Whatever it was is asked for again, not passed over.
                    self.stream = None;
                }
                taken
            }
            Err(reason) => self.lost(Again { reason, ..Again::default() }).await.map(|()| None),
        }
    }

    fn take(&mut self, message: &Message) -> Result<Option<Update>, Error> {
        match message.event.as_str() {
            "" | "message" => {
                let changes = understand::<EncodedChanges>(message)?.decode()?;
                Ok(self.is_new(changes.revision).then_some(Update::Changes(changes)))
            }
            "progress" => {
                let Encoded { revision } = understand(message)?;
                Ok(self.is_new(revision).then_some(Update::Progress(revision)))
            }
            "open" => {
                let EncodedOpen { from_revision } = understand(message)?;
                self.next.get_or_insert(from_revision);
                Ok(None)
            }
            // Of a later version.
            _ => Ok(None),
        }
    }

    /// Whether a revision was not told before; then all up to it is told now.
    fn is_new(&mut self, revision: Revision) -> bool {
        let is_new = self.next.is_none_or(|next| revision >= next);
        if is_new {
            self.next = Some(Revision(revision.0 + 1));
        }
        is_new
    }

    /// The member does not go on: another one does, or nobody can.
    async fn ended(&mut self, message: Message) -> Result<(), Error> {
        // The status of a refusal that is none of those that pass by.
        let answer = Answer { status: 410, body: message.data.into(), ..Answer::default() };
        self.refused(Attempt::Answered(answer)).await
    }

    /// Another member may serve, or none ever will.
    async fn refused(&mut self, attempt: Attempt) -> Result<(), Error> {
        let again = match judge(Effect::Read, attempt) {
            Verdict::Refused(error) => {
                self.stream = None;
                return Err(error);
            }
            Verdict::Again(again) => again,
            Verdict::Unknown(reason) => Again { reason, ..Again::default() },
            Verdict::Done(_) => {
                let reason = "it answered with something else than a stream".to_owned();
                Again { reason, ..Again::default() }
            }
        };
        self.lost(again).await
    }

    async fn connect(&mut self) -> Result<(), Error> {
        let endpoint = self.pace.endpoint().clone();
        let patience = self.client.options().timeout / 2;
        let message = self.message(patience);
        match self.client.transport().open(&endpoint, &message, patience).await {
            Opened::Stream(body) => {
                self.client.served(&endpoint);
                let (parser, opened_at) = (Parser::default(), Instant::now());
                self.stream = Some(Stream { body, parser, opened_at, told: false });
                Ok(())
            }
            Opened::Not(attempt) => self.refused(attempt).await,
        }
    }

    /// The member does not serve: another one is next, after a pause if all were tried in vain.
    async fn lost(&mut self, again: Again) -> Result<(), Error> {
        let pause = self.broken(&again);
        let timeout = self.client.options().timeout;
        if self.served_at.elapsed() + pause >= timeout {
            // Whoever asks again waits as long again.
            self.served_at = Instant::now();
            return Err(std::mem::take(&mut self.reasons).unavailable(timeout));
        }
        sleep(pause).await;
        Ok(())
    }

    /// Gives up the member of the moment; answers how long to pause before the next.
    fn broken(&mut self, again: &Again) -> Duration {
        let stream = self.stream.take();
        let endpoint = self.pace.endpoint().clone();
        self.client.failed(&endpoint);
        if stream.is_some_and(|stream| stream.was_of_use()) {
            // The search begins anew, with whoever comes after it.
            self.served_at = Instant::now();
            self.reasons = Reasons::default();
            let mut candidates = self.client.candidates(Effect::Read);
            candidates.retain(|candidate| *candidate != endpoint);
            candidates.insert(0, endpoint.clone());
            self.pace = Pace::new(candidates);
        }
        self.reasons.add(&endpoint, &again.reason);
        self.pace.advance(again, fastrand::f64())
    }

    fn message(&self, patience: Duration) -> transport::Message {
        let mut query = Query::new("/watch".to_owned());
        self.options.describe(&mut query);
        if let Some(next) = self.next {
            query.add("from_revision", next.0.max(1).to_string());
        }
        query.add("progress_ms", PROGRESS_MS.to_string());
        let path_and_query = with_timeout(&query.text, patience);
        transport::Message { method: Method::GET, path_and_query, headers: Vec::new(), body: None }
    }
}

impl Stream {
    /// Whether it did more than begin: a member whose streams all break at once is none to wait
    /// for.
    fn was_of_use(&self) -> bool {
        self.told || self.opened_at.elapsed() >= PROVEN_AFTER
    }

    /// The next message, or why there is none. May be dropped at any time.
    async fn next(&mut self) -> Result<Message, String> {
        loop {
            if let Some(message) = self.parser.next().map_err(|error| error.to_string())? {
                return Ok(message);
            }
            match timeout(SILENCE_MAX, self.body.frame()).await {
                Err(_) => return Err(format!("it said nothing for {SILENCE_MAX:?}")),
                Ok(None) => return Err("it ended the stream".to_owned()),
                Ok(Some(Err(error))) => return Err(transport::root_cause(&error)),
                Ok(Some(Ok(frame))) => {
                    let bytes = frame.into_data().unwrap_or_default();
                    self.parser.feed(&bytes).map_err(|error| error.to_string())?;
                }
            }
        }
    }
}

impl WatchOptions {
    fn describe(&self, query: &mut Query) {
        self.keys.describe(query);
        if self.prev {
            query.add("prev", "true");
        }
        if self.no_put {
            query.add("filter", "noput");
        }
        if self.no_delete {
            query.add("filter", "nodelete");
        }
        if self.consistency == Consistency::Stale {
            query.add("consistency", "stale");
        }
    }
}

impl Keys {
    pub(crate) fn describe(&self, query: &mut Query) {
        match self {
            Keys::All => {}
            Keys::One(key) => query.add("key", key),
            Keys::Prefix(prefix) => query.add("prefix", prefix),
            Keys::Range { from, to } => {
                query.add("from", from);
                if let Some(to) = to {
                    query.add("to", to);
                }
            }
        }
    }
}

impl Change {
    /// Of which key.
    pub fn key(&self) -> &Bytes {
        match self {
            Change::Put { item, .. } => &item.key,
            Change::Delete { key, .. } => key,
        }
    }
}

#[derive(Deserialize)]
struct Encoded {
    revision: Revision,
}

#[derive(Deserialize)]
struct EncodedOpen {
    from_revision: Revision,
}

#[derive(Deserialize)]
struct EncodedChanges {
    revision: Revision,
    time_ms: u64,
    events: Vec<EncodedChange>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum EncodedChange {
    Put {
        #[serde(flatten)]
        item: EncodedKeyValue,
        prev: Option<EncodedKeyValue>,
    },
    Delete {
        key: Option<String>,
        key_base64: Option<String>,
        prev: Option<EncodedKeyValue>,
    },
}

impl EncodedChanges {
    fn decode(self) -> Result<Changes, Error> {
        let EncodedChanges { revision, time_ms, events } = self;
        let changes = events.into_iter().map(EncodedChange::decode).collect::<Result<_, _>>()?;
        Ok(Changes { revision, time_ms, changes })
    }
}

impl EncodedChange {
    fn decode(self) -> Result<Change, Error> {
        let decoded = |prev: Option<EncodedKeyValue>| prev.map(EncodedKeyValue::decode).transpose();
        Ok(match self {
            EncodedChange::Put { item, prev } => {
                Change::Put { item: item.decode()?, prev: decoded(prev)? }
            }
            EncodedChange::Delete { key, key_base64, prev } => {
                Change::Delete { key: decode_bytes(key, key_base64)?, prev: decoded(prev)? }
            }
        })
    }
}

fn understand<'a, T: Deserialize<'a>>(message: &'a Message) -> Result<T, Error> {
    serde_json::from_str(&message.data)
        .map_err(|error| Error::Malformed { reason: error.to_string() })
}
