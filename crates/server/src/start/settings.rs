//! The replicated settings and what a member was started with (rule 4.5): flags seed them where
//! nobody has set anything, and count for nothing afterwards.
//!
//! | this member | does |
//! |---|---|
//! | has founded the cluster | puts its own settings in |
//! | comes back, and nobody has put any in (the founder was too short-lived) | the same |
//! | was adopted or has joined | waits a while for whoever has founded it |
//! | finds other settings than it was started with | says so, once |
//!
//! Two may do it at once: the log decides, for a seed that comes later changes nothing.

use std::convert::Infallible;
use std::future::pending;
use std::time::{Duration, Instant};

use store::{Command, Settings, SettingsChange};
use tokio::time::sleep;
use tracing::{info, warn};

use crate::node::{Node, WriteOptions};

/// From one attempt to the next.
const RETRY_INTERVAL: Duration = Duration::from_millis(250);

/// How long an attempt may take.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);

/// The founder has put its settings in by then, if it still lives.
const FOUNDER_PATIENCE: Duration = Duration::from_secs(10);

/// Sees to it that the cluster has settings. Does nothing more then, and never ends.
pub(super) async fn settle(node: Node, flags: SettingsChange, seeds: bool) -> Infallible {
    let started = Instant::now();
    loop {
        let settings = node.store().published().settings;
        if settings.are_set() {
            warn_of_differences(&settings, &flags);
            return pending().await;
        }
        let is_its_turn = seeds || started.elapsed() >= FOUNDER_PATIENCE;
        if is_its_turn && node.has_leader() {
            seed(&node, flags).await;
        }
        sleep(RETRY_INTERVAL).await;
    }
}

/// One attempt; whatever becomes of it shows in the store.
async fn seed(node: &Node, flags: SettingsChange) {
    // A store that is behind knows nothing of what was set long ago.
    if node.read_barrier(ATTEMPT_TIMEOUT).await.is_err() {
        return;
    }
    if node.store().published().settings.are_set() {
        return;
    }
    let options = WriteOptions { timeout: ATTEMPT_TIMEOUT, forward: true };
    let command = Command::ChangeSettings(SettingsChange { seed: true, ..flags });
    if let Ok(written) = node.write(command, options).await {
        info!(outcome = ?written.outcome, "settings of the cluster");
    }
}

/// One line, if the cluster goes by other settings than this member was started with.
fn warn_of_differences(settings: &Settings, flags: &SettingsChange) {
    let differs = |flag: Option<u64>, known: u64| flag.is_some_and(|flag| flag != known);
    let Settings { history_age_ms, history_bytes, .. } = *settings;
    if differs(flags.history_age_ms, history_age_ms) || differs(flags.history_bytes, history_bytes)
    {
        warn!(
            history_age_ms,
            history_bytes,
            "the cluster has other settings than this member was started with: the cluster's \
             count; change them with `raftkv settings set`"
        );
    }
}
