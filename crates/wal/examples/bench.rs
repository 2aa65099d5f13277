//! What the log does in a second on this machine's disk.
//!
//!     cargo run --release -p wal --example bench [-- --smoke]
//!
//! Records of 256 bytes go to a log in a directory under `TMPDIR`, so many in a batch, each batch
//! with a flush of its own, as a member has it whose clients wait. The log has its spares ready
//! before, and is cut behind itself, so that it goes on in segments that it gave up. In the end it
//! is opened again, which reads all of it.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use disk::OsDisk;
use wal::{Batch, DataDirectory, Entry, HardState, Options, Preparation, Wal};

const PAYLOAD_BYTES: usize = 256;
const BATCHES: [usize; 4] = [1, 16, 128, 1_024];

/// The log is cut when it has so many records: some segments.
const KEPT_RECORDS: u64 = 400_000;

fn main() -> Result<(), Box<dyn Error>> {
    let smoke = std::env::args().any(|argument| argument == "--smoke");
    let length = Duration::from_millis(if smoke { 100 } else { 3_000 });
    let path = std::env::temp_dir().join(format!("raftkv-wal-bench-{}", std::process::id()));
    let done = measure(&path, length);
    fs::remove_dir_all(&path)?;
    done
}

fn measure(path: &Path, length: Duration) -> Result<(), Box<dyn Error>> {
    let directory = DataDirectory::open(OsDisk, path, "bench", || (1, 1))?;
    let log_path = directory.log_path();
    let options = Options::default();
    let (mut wal, _) = Wal::open(OsDisk, &log_path, options, &mut |_| {})?;
    let mut keeper = wal.spare_keeper();
    while keeper.step()? == Preparation::More {}
    println!("records in a batch    records a second    flushes a second    bytes a record");
    for batch in BATCHES {
        let before = wal.stats();
        let began = Instant::now();
        while began.elapsed() < length {
            append(&mut wal, batch)?;
        }
        let (seconds, after) = (began.elapsed().as_secs_f64(), wal.stats());
        let records = (after.records - before.records) as f64;
        let bytes = (after.bytes_written - before.bytes_written) as f64;
        println!(
            "{batch:>18}    {:>16.0}    {:>16.0}    {:>14.0}",
            records / seconds,
            (after.flushes - before.flushes) as f64 / seconds,
            bytes / records,
        );
    }
    drop(wal);
    let began = Instant::now();
    let (_, recovered) = Wal::open(OsDisk, &log_path, options, &mut |_| {})?;
    let seconds = began.elapsed().as_secs_f64();
    println!("records read a second at the start: {:.0}", recovered.records as f64 / seconds);
    Ok(())
}

/// One batch, durable; everything before it counts as committed.
fn append(wal: &mut Wal<OsDisk>, count: usize) -> Result<(), Box<dyn Error>> {
    let last = wal.last_index();
    let payload = Bytes::from(vec![7; PAYLOAD_BYTES]);
    let entry = |index| Entry {
        kind: 1,
        term: 1,
        index,
        stamp_ms: index,
        age_ms: index,
        payload: payload.clone(),
    };
    let entries: Vec<Entry> = (last + 1..=last + count as u64).map(entry).collect();
    let hard_state = HardState { term: 1, vote: Some(1), commit: last };
    wal.append(&[Batch::new(hard_state, entries)])?;
    if last - wal.first_index().min(last) > KEPT_RECORDS {
        wal.cut((1, last))?;
        wal.give_up_segments()?;
    }
    Ok(())
}
