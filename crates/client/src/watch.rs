//! Watching keys: a stream of changes that outlives the member it comes from.
//!
//! The revision after the last one that was told is all that has to be kept: with it any member
//! goes on. So each change comes once and in order, whatever becomes of members in between.

use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;

use crate::Error;
use crate::client::{Client, Query, with_timeout};
use crate::options::Consistency;
use crate::source::{Limits, Source};
use crate::sse::Message;
use crate::types::{EncodedKeyValue, KeyValue, Revision, decode_bytes};

/// Members are to say this often that nothing has happened, in ms.
const PROGRESS_MS: u64 = 3_000;
/// One revision may change a million keys.
const LIMITS: Limits =
    Limits { silence_max: Duration::from_secs(10), message_bytes_max: 256 << 20 };

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
    source: Source,
    options: WatchOptions,
    /// Where to go on; set once a member has begun to tell.
    next: Option<Revision>,
}

impl Watch {
    pub(crate) async fn open(client: Client, options: WatchOptions) -> Result<Watch, Error> {
        let next = options.from_revision;
        let mut watch = Watch { source: Source::new(client, LIMITS), options, next };
        while !watch.source.is_open() || watch.next.is_none() {
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
        if !self.source.is_open() {
            self.source.open(self.path_and_query()).await?;
            return Ok(None);
        }
        match self.source.next().await {
            Ok(message) if message.event == "error" => {
                self.source.ended(message).await.map(|_| None)
            }
            Ok(message) => {
                if message.event != "open" {
                    self.source.told();
                }
                let taken = self.take(&message);
                if taken.is_err() {
                    // Whatever it was is asked for again, not passed over.
                    self.source.close();
                }
                taken
            }
            Err(reason) => self.source.broke(reason).await.map(|_| None),
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

    fn path_and_query(&self) -> String {
        let mut query = Query::new("/watch".to_owned());
        self.options.describe(&mut query);
        if let Some(next) = self.next {
            query.add("from_revision", next.0.max(1).to_string());
        }
        query.add("progress_ms", PROGRESS_MS.to_string());
        with_timeout(&query.text, self.source.patience())
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
