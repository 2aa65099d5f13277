//! Transactions that are under way.

use std::collections::BTreeSet;

use bytes::Bytes;
use client::{Client, Error, Txn, TxnDone, TxnResult};
use tokio::task::JoinSet;

use crate::failure::Failure;

/// So many at once: the next is on its way while the log flushes the one before.
const TRANSACTIONS_MAX: usize = 8;

/// What has become of lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) imported: u64,
    /// Those whose keys were there.
    pub(super) skipped: u64,
}

pub(super) struct Flight {
    client: Client,
    under_way: JoinSet<(BTreeSet<Bytes>, Result<TxnDone, Error>)>,
    keys: BTreeSet<Bytes>,
    counts: Counts,
}

impl Flight {
    pub(super) fn new(client: Client) -> Flight {
        let (under_way, keys) = (JoinSet::new(), BTreeSet::new());
        Flight { client, under_way, keys, counts: Counts::default() }
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    /// Whether a transaction is under way that writes this key.
    pub(super) fn holds(&self, key: &Bytes) -> bool {
        self.keys.contains(key)
    }

    /// Sends a transaction, once there are few enough under way.
    pub(super) async fn start(&mut self, txn: Txn, keys: BTreeSet<Bytes>) -> Result<(), Failure> {
        while self.under_way.len() >= TRANSACTIONS_MAX {
            self.next().await?;
        }
        self.keys.extend(keys.iter().cloned());
        let client = self.client.clone();
        self.under_way.spawn(async move { (keys, client.txn(&txn).await) });
        Ok(())
    }

    /// Waits for everything that is under way; the first failure, if any failed.
    pub(super) async fn land(&mut self) -> Result<(), Failure> {
        let mut result = Ok(());
        while !self.under_way.is_empty() {
            let next = self.next().await;
            result = result.and(next);
        }
        result
    }

    async fn next(&mut self) -> Result<(), Failure> {
        let Some(ended) = self.under_way.join_next().await else { return Ok(()) };
        let (keys, result) = ended.expect("a transaction neither panics nor is cancelled");
        self.keys.retain(|key| !keys.contains(key));
        let skipped = skipped(&result?);
        self.counts.skipped += skipped;
        self.counts.imported += keys.len() as u64 - skipped;
        Ok(())
    }
}

/// Of a transaction that was sent again, results may be missing if they are large. Those of a batch
/// are small.
fn skipped(done: &TxnDone) -> u64 {
    let left = |result: &&TxnResult| matches!(result, TxnResult::Txn { succeeded: false, .. });
    done.results.iter().flatten().filter(left).count() as u64
}
