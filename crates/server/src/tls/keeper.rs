//! The identity in use, and its renewal: files are replaced while the member runs.
//!
//! Looked at by time, not by notice of the system: a file of Kubernetes is a link to a link that
//! moves, and one on a network says nothing. What is found is read off the runtime's workers, and
//! taken as a whole or not at all, so that a certificate without its key yet changes nothing.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tracing::{error, info, warn};

use super::facts::Facts;
use super::files::TlsError;
use super::identity::Identity;
use crate::config::{PeerTrust, TlsWays};

/// From one look at the files to the next. New ones are in use within this time.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// A certificate that counts for less than this is spoken of at each start and change.
const EXPIRY_NOTICE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Holds the identity of a member that speaks TLS to anybody.
#[derive(Debug)]
pub(crate) struct Keeper {
    ways: TlsWays,
    identity: ArcSwap<Identity>,
    /// The files as they were before they were read for the first time.
    opened: Vec<Mark>,
}

/// What a file is known by; none if it is not there.
type Mark = Option<(u64, u64, u64, i64, i64)>;

/// Whether the files are there and can be used, for whoever only wants to know.
///
/// # Errors
/// Names the file, and what is wrong with it.
pub fn check(ways: &TlsWays) -> Result<(), TlsError> {
    match ways.own_made {
        // It is made at the start.
        Some(_) => Ok(()),
        None => Identity::read(ways).map(drop),
    }
}

impl Keeper {
    /// Reads the files for the first time; nothing, if neither clients nor peers are to speak TLS.
    pub(crate) fn open(ways: &TlsWays) -> Result<Option<Arc<Keeper>>, TlsError> {
        if ways.clients.is_none() && ways.peers.is_none() {
            return Ok(None);
        }
        let opened = files_of(ways).iter().map(mark).collect();
        let identity = Identity::read(ways)?;
        tell(&identity, "the certificate of this member");
        if ways.peers.as_ref().is_some_and(|peers| peers.trust == PeerTrust::Anyone) {
            warn!(
                "members do not check each other's certificates: traffic between them is \
                 encrypted, but whoever reaches the port may speak as one of them"
            );
        }
        let (ways, identity) = (ways.clone(), ArcSwap::from_pointee(identity));
        Ok(Some(Arc::new(Keeper { ways, identity, opened })))
    }

    pub(super) fn identity(&self) -> Arc<Identity> {
        self.identity.load_full()
    }

    /// Takes new files into use, for good.
    pub(crate) async fn keep(self: Arc<Keeper>) -> std::convert::Infallible {
        let files: Arc<[PathBuf]> = files_of(&self.ways).into();
        let mut seen = self.opened.clone();
        loop {
            tokio::time::sleep(LOOK_INTERVAL).await;
            let found = self.marks(&files).await;
            if found != seen {
                // As they were before they are read: what comes while they are is found later.
                seen = found;
                let keeper = Arc::clone(&self);
                // It fails only at the end of the process.
                let _ = tokio::task::spawn_blocking(move || keeper.renew()).await;
            }
        }
    }

    async fn marks(&self, files: &Arc<[PathBuf]>) -> Vec<Mark> {
        let files = Arc::clone(files);
        let marks = tokio::task::spawn_blocking(move || files.iter().map(mark).collect());
        marks.await.unwrap_or_default()
    }

    pub(super) fn renew(&self) {
        match Identity::read(&self.ways) {
            Ok(identity) => {
                tell(&identity, "took a new certificate into use");
                self.identity.store(Arc::new(identity));
            }
            Err(reason) => {
                error!(%reason, "new certificates can not be used: those in use stay so");
            }
        }
    }
}

fn tell(identity: &Identity, what: &str) {
    for (file, Facts { subject, not_after, remaining }) in &identity.shown {
        let file = file.display();
        match remaining {
            None => error!(%file, subject, not_after, "{what} has EXPIRED: nobody will take it"),
            Some(left) if *left < EXPIRY_NOTICE => {
                warn!(%file, subject, not_after, "{what} expires soon");
            }
            Some(_) => info!(%file, subject, not_after, "{what}"),
        }
    }
}

fn files_of(ways: &TlsWays) -> Vec<PathBuf> {
    let clients = ways.clients.iter().flat_map(|clients| {
        [Some(&clients.pair.cert_file), Some(&clients.pair.key_file), clients.ca_file.as_ref()]
    });
    let peers = ways.peers.iter().flat_map(|peers| {
        let ca_file = match &peers.trust {
            PeerTrust::Signed { ca_file, .. } => Some(ca_file),
            PeerTrust::Itself | PeerTrust::Anyone => None,
        };
        [Some(&peers.pair.cert_file), Some(&peers.pair.key_file), ca_file]
    });
    let mut files: Vec<PathBuf> = clients.chain(peers).flatten().cloned().collect();
    files.sort();
    files.dedup();
    files
}

fn mark(file: impl AsRef<Path>) -> Mark {
    let found = std::fs::metadata(file).ok()?;
    Some((found.dev(), found.ino(), found.len(), found.ctime(), found.ctime_nsec()))
}
