//! `--auto-compaction-mode=revision`, etcd's: whoever leads gives up what is older than so many
//! revisions, now and then.

use std::convert::Infallible;
use std::future::pending;
use std::time::Duration;

use store::{Command, CompactionCause, Revision};
use tokio::time::sleep;
use tracing::{info, warn};

use crate::node::{Node, WriteOptions};

/// As often as etcd does it.
const INTERVAL: Duration = Duration::from_secs(5 * 60);

/// Writing one entry takes no longer.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// Keeps `kept` revisions; 0 keeps all. Never ends.
pub(super) async fn keep(node: Node, kept: u64) -> Infallible {
    if kept == 0 {
        return pending().await;
    }
    loop {
        sleep(INTERVAL).await;
        let leads = node.status().leader() == Some(node.status().about.id);
        let published = node.store().published();
        let due = due(published.revision, published.compact_revision, kept);
        let Some(revision) = due.filter(|_| leads) else { continue };
        // Of its own accord: with authentication on, what somebody asks for needs to be root's.
        let command = Command::Compact { revision, cause: CompactionCause::Age };
        let options = WriteOptions { timeout: WRITE_TIMEOUT, forward: false };
        match node.write(command, options).await {
            Ok(_) => info!(revision = revision.0, "compacted, as --auto-compaction-retention says"),
            Err(failure) => warn!(?failure, revision = revision.0, "not compacted; tried again"),
        }
    }
}

/// What should be given up now, if anything.
fn due(newest: Revision, compacted: Revision, kept: u64) -> Option<Revision> {
    let revision = Revision(newest.0.saturating_sub(kept));
    (revision > compacted).then_some(revision)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_revisions_are_kept_and_nothing_is_given_up_twice() {
        for (newest, compacted, kept, expected) in [
            (6_000, 0, 1_000, Some(5_000)),
            (6_000, 5_000, 1_000, None),
            (6_001, 5_000, 1_000, Some(5_001)),
            (900, 0, 1_000, None),
            (1_000, 0, 1_000, None),
        ] {
            let due = due(Revision(newest), Revision(compacted), kept);
            assert_eq!(due, expected.map(Revision), "{newest}, {compacted}");
        }
    }
}
