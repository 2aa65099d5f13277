//! What the store does in a second on this machine, measured in process.
//!
//!     cargo run --release -p store --example bench
//!
//! One writer applies puts of 256 incompressible bytes to random keys out of a million, in batches
//! of 200 with a publication each; alone first, then beside a reader that asks for random keys as
//! fast as it can; then reads alone; then the removal of all that was overwritten; then puts beside
//! a snapshot that is read out on another thread, and loaded into a new store afterwards. Beside
//! each rate stands the time one of it takes, once by the clock and once in processor time (Linux
//! only): on a busy machine only the latter says much. The figures of record, and what they
//! decided, are in `docs/decisions/001-store-concurrency.md`.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use store::{
    Budget, Capture, Command, CompactionCause, KeyRange, LogEntry, Put, RangeRequest, Reader,
    Restore, Store,
};

const KEYS: u64 = 1_000_000;
const PUTS: u64 = 1_000_000;
const BATCH_PUTS: usize = 200;
const VALUE_BYTES: usize = 256;
const READS: u64 = 1_000_000;
const RANGES: u64 = 50_000;
const RANGE_KEYS: usize = 100;
const COUNTS: u32 = 20;
const SNAPSHOT_CHUNK_BYTES: usize = 1 << 20;

/// Prime to `KEYS`, so that its multiples visit every key in a scattered order.
const SCATTER: u64 = 618_033_989;

fn main() {
    let mut bench =
        Bench { store: Store::new(), empty_bytes: resident_bytes(), index: 0, random: Random(1) };
    println!("memory beyond key, value  {} bytes a key", bench.fill());
    println!("  counted                 {}", bench.counted());
    bench.fill();
    println!("  each written twice      {}", bench.counted());

    let alone = bench.random_entries();
    println!("puts alone                {}", bench.apply(&alone).per(PUTS));
    let beside = bench.random_entries();
    let (took, reads) = bench.apply_beside_reader(&beside);
    println!("puts beside a reader      {}", took.per(PUTS));
    println!("  its gets                {}", took.beside(reads.len() as u64));
    println!("  latency of a get        {}", percentiles(reads));

    let reader = bench.store.reader();
    println!("gets alone                {}", bench.time(READS, |key| get(&reader, key)));
    println!("ranges of 100 keys        {}", bench.time(RANGES, |key| range(&reader, key)));
    println!("count of all keys         {:?}", count(&reader));
    println!("state hash                {:016x}", bench.store.state_hash());

    let (took, longest) = bench.forget_history();
    println!("old versions removed      {}", took.per(2 * PUTS));
    println!("  longest turn of that    {longest:?}");
    let beside = bench.random_entries();
    let (took, stalled, chunks) = bench.apply_beside_snapshot(&beside);
    println!("puts beside a snapshot    {}", took.per(PUTS));
    println!("  longest batch of 200    {stalled:?}");
    let bytes: usize = chunks.iter().map(Bytes::len).sum();
    println!("  snapshot                {} MiB", bytes >> 20);
    let start = Stopwatch::start();
    let restored = load(&chunks);
    let Took { clock, processor } = start.stop();
    println!("loaded again              {clock:?}, of processor {processor:?}");
    assert_eq!(restored.reader().published().keys, KEYS, "it is all there");
}

struct Bench {
    store: Store,
    /// What the process took before there was anything.
    empty_bytes: u64,
    index: u64,
    random: Random,
}

impl Bench {
    /// Writes each key once, in a scattered order; gives back the memory that took beyond the
    /// keys and values themselves. Entries are dropped as soon as they are applied.
    fn fill(&mut self) -> u64 {
        let before = resident_bytes();
        for number in 0..KEYS {
            let entry = self.entry(number * SCATTER % KEYS);
            self.apply(&[entry]);
        }
        let published = self.store.reader().published();
        assert_eq!(published.keys, KEYS, "the scatter visits every key");
        (resident_bytes() - before).saturating_sub(published.live_bytes) / KEYS
    }

    /// What the store says that it takes, beside what the process really takes more than at the
    /// beginning.
    fn counted(&self) -> String {
        let counted = self.store.reader().published().retained_bytes;
        let resident = resident_bytes() - self.empty_bytes;
        let percent = counted * 100 / resident.max(1);
        format!("{} MiB of {} MiB resident, {percent} %", counted >> 20, resident >> 20)
    }

    fn random_entries(&mut self) -> Vec<LogEntry> {
        let keys = (0..PUTS).map(|_| self.random.below(KEYS)).collect();
        self.entries(keys)
    }

    fn entries(&mut self, keys: Vec<u64>) -> Vec<LogEntry> {
        keys.into_iter().map(|number| self.entry(number)).collect()
    }

    fn entry(&mut self, number: u64) -> LogEntry {
        let value: Vec<u8> =
            (0..VALUE_BYTES / 8).flat_map(|_| self.random.next().to_le_bytes()).collect();
        let command = Command::from(Put::new(key(number), value));
        self.index += 1;
        let command = Some(command.encode());
        LogEntry { index: self.index, term: 1, stamp_ms: self.index, age_ms: 0, command }
    }

    fn apply(&mut self, entries: &[LogEntry]) -> Took {
        let start = Stopwatch::start();
        for batch in entries.chunks(BATCH_PUTS) {
            for entry in batch {
                let applied = self.store.apply(entry, &mut Budget::default());
                black_box(applied.expect("a put is a known command"));
            }
            self.store.publish();
        }
        start.stop()
    }

    /// Gives back how long the puts took, and how long each get took that was made meanwhile.
    fn apply_beside_reader(&mut self, entries: &[LogEntry]) -> (Took, Vec<Duration>) {
        let reader = self.store.reader();
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            let reads = scope.spawn(|| read_until(&reader, &over));
            let took = self.apply(entries);
            over.store(true, Ordering::Relaxed);
            (took, reads.join().expect("the reader does not panic"))
        })
    }

    /// Compacts to the present, and gives all of the memory back: what is then captured is a
    /// million keys and little else. Gives back how long the removal took, and its longest turn.
    fn forget_history(&mut self) -> (Took, Duration) {
        let command = Some(
            Command::Compact { revision: self.store.revision(), cause: CompactionCause::Asked }
                .encode(),
        );
        self.index += 1;
        let (index, stamp_ms) = (self.index, self.index);
        self.apply(&[LogEntry { index, term: 1, stamp_ms, age_ms: 0, command }]);
        let (start, mut longest) = (Stopwatch::start(), Duration::ZERO);
        loop {
            let turn = Instant::now();
            let over = self.store.sweep(&mut Budget::default());
            longest = longest.max(turn.elapsed());
            if over {
                return (start.stop(), longest);
            }
        }
    }

    /// Gives back how long the puts took, how long the longest batch of them did until the snapshot
    /// had been read out, and the snapshot.
    fn apply_beside_snapshot(&mut self, entries: &[LogEntry]) -> (Took, Duration, Vec<Bytes>) {
        let capture = self.store.capture();
        thread::scope(|scope| {
            let reading = scope.spawn(|| read_out(capture));
            let (start, mut stalled) = (Stopwatch::start(), Duration::ZERO);
            for batch in entries.chunks(BATCH_PUTS) {
                let took = self.apply(batch).clock;
                if !reading.is_finished() {
                    stalled = stalled.max(took);
                }
            }
            (start.stop(), stalled, reading.join().expect("the reader does not panic"))
        })
    }

    fn time(&mut self, times: u64, mut read: impl FnMut(u64)) -> String {
        let start = Stopwatch::start();
        for _ in 0..times {
            read(self.random.below(KEYS));
        }
        start.stop().per(times)
    }
}

fn read_until(reader: &Reader, over: &AtomicBool) -> Vec<Duration> {
    let mut random = Random(2);
    let mut took = Vec::with_capacity(1 << 23);
    let mut last = Instant::now();
    while !over.load(Ordering::Relaxed) {
        get(reader, random.below(KEYS));
        let now = Instant::now();
        took.push(now - last);
        last = now;
    }
    took
}

fn read_out(mut capture: Capture) -> Vec<Bytes> {
    std::iter::from_fn(|| capture.next_chunk(SNAPSHOT_CHUNK_BYTES)).collect()
}

fn load(chunks: &[Bytes]) -> Store {
    let mut restore = Restore::new();
    for chunk in chunks {
        restore.chunk(chunk).expect("what was captured can be read");
    }
    restore.finish().expect("and is whole")
}

fn get(reader: &Reader, number: u64) {
    let (found, _) = reader.get(&key(number), None).expect("now is readable");
    black_box(found.expect("every key was written"));
}

fn range(reader: &Reader, number: u64) {
    let mut request =
        RangeRequest::new(KeyRange::Between { start: key(number), end: key(number + 100) });
    request.limit = Some(RANGE_KEYS);
    black_box(reader.range(&request).expect("now is readable"));
}

fn count(reader: &Reader) -> Duration {
    let mut request = RangeRequest::new(KeyRange::all());
    request.count_only = true;
    let start = Instant::now();
    for _ in 0..COUNTS {
        black_box(reader.range(&request).expect("now is readable"));
    }
    start.elapsed() / COUNTS
}

fn key(number: u64) -> Bytes {
    format!("/bench/{number:012}").into()
}

/// Times one thread, by the clock and in processor time.
struct Stopwatch {
    clock: Instant,
    processor: Duration,
}

struct Took {
    clock: Duration,
    processor: Duration,
}

impl Stopwatch {
    fn start() -> Stopwatch {
        Stopwatch { clock: Instant::now(), processor: processor_time() }
    }

    fn stop(self) -> Took {
        Took { clock: self.clock.elapsed(), processor: processor_time() - self.processor }
    }
}

impl Took {
    /// What was done on the timed thread.
    fn per(&self, count: u64) -> String {
        let processor_ns = self.processor.as_nanos() / u128::from(count);
        format!("{}, of processor {processor_ns} ns", self.beside(count))
    }

    /// What another thread did meanwhile.
    fn beside(&self, count: u64) -> String {
        let rate = count as f64 / self.clock.as_secs_f64();
        format!("{rate:>9.0} a second, each {} ns", self.clock.as_nanos() / u128::from(count))
    }
}

/// What this thread has used; zero where the system does not tell.
fn processor_time() -> Duration {
    let line = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = line.split(' ').next().and_then(|field| field.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or(0))
}

fn percentiles(mut took: Vec<Duration>) -> String {
    took.sort_unstable();
    let at = |per_mille: usize| took[(took.len() - 1) * per_mille / 1000];
    format!("p50 {:?}, p99 {:?}, p99.9 {:?}, max {:?}", at(500), at(990), at(999), at(1000))
}

fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) << 10
}

/// Xorshift: enough to spread keys and fill values.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}
