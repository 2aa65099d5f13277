//! Those who watch everything from the first revision on.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use client::{Change, Changes, Client, Error, Revision, Update, Watch, WatchOptions};
use tokio::time::timeout;

use super::{Shared, rest};
use crate::history::{Event, Telling};
use crate::judge::REVISION_EMPTY;

/// How long between two looks at how far it has to come.
const LOOK: Duration = Duration::from_secs(1);

/// A watcher that has not come to the end after this, in a cluster that is well, never will.
const PATIENCE: Duration = Duration::from_secs(30);

/// Watches until it was told all up to the revision that the others say, once they know.
pub(super) async fn watch(shared: Arc<Shared>, client: Client, number: u64) -> Telling {
    let mut telling = Telling { name: format!("watcher {number}"), events: vec![], trouble: None };
    let mut watch = match open(&client).await {
        Ok(watch) => watch,
        Err(error) => return Telling { trouble: Some(error.to_string()), ..telling },
    };
    let mut deadline = None;
    loop {
        let last = shared.last_revision.load(Ordering::Relaxed);
        if last > 0 && watch.told().0 >= last {
            return telling;
        }
        if last > 0 && Instant::now() > *deadline.get_or_insert(Instant::now() + PATIENCE) {
            telling.trouble = Some(format!("was told up to {} alone, not to {last}", watch.told()));
            return telling;
        }
        if let Err(error) = advance(&mut watch, &mut telling.events).await {
            telling.trouble = Some(error.to_string());
            return telling;
        }
    }
}

/// Everything that `client` is told of the past, up to a revision.
pub(crate) async fn told_of(client: &Client, name: String, last: u64) -> Telling {
    let mut telling = Telling { name, events: vec![], trouble: None };
    let following = async {
        let mut watch = open(client).await?;
        while watch.told().0 < last {
            advance(&mut watch, &mut telling.events).await?;
        }
        Ok::<(), Error>(())
    };
    match timeout(PATIENCE, following).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => telling.trouble = Some(error.to_string()),
        Err(_) => telling.trouble = Some(format!("was not told up to {last}")),
    }
    telling
}

/// One that begins is as patient as it has to be: there may be no member yet that serves it.
async fn open(client: &Client) -> Result<Watch, Error> {
    let from_revision = Some(Revision(REVISION_EMPTY + 1));
    let deadline = Instant::now() + PATIENCE;
    loop {
        let options = WatchOptions { from_revision, ..WatchOptions::default() };
        match client.watch(options).await {
            Err(error) if error.is_retryable() && Instant::now() < deadline => rest(LOOK).await,
            opened => return opened,
        }
    }
}

/// Waits a little for news. That nobody serves is no trouble: the next call goes on.
async fn advance(watch: &mut Watch, events: &mut Vec<Event>) -> Result<(), Error> {
    match timeout(LOOK, watch.next()).await {
        Ok(Ok(Update::Changes(changes))) => events.extend(events_of(changes)),
        Ok(Err(error)) if !error.is_retryable() => return Err(error),
        Ok(_) | Err(_) => {}
    }
    Ok(())
}

fn events_of(changes: Changes) -> impl Iterator<Item = Event> {
    let revision = changes.revision.0;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    changes.changes.into_iter().map(move |change| {
        let value = match &change {
            Change::Put { item, .. } => Some(text(&item.value)),
            Change::Delete { .. } => None,
        };
        Event { revision, key: text(change.key()), value }
    })
}
