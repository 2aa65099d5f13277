//! What a member logs, on its way to standard error, or where etcd's flags send it.
//!
//! Nobody who logs may wait for whoever reads it: a pager that is not scrolled or a collector that
//! hangs would stop the member, and its cluster would not even notice that its process is stuck. So
//! lines go into a bounded buffer, and a thread of its own writes them. What finds no room is lost;
//! the log says how much, as soon as somebody reads again.

use std::fs::OpenOptions;
use std::io::{self, IsTerminal as _, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use server::config::LogFormat;
use tracing::warn;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt;

/// Bytes that wait to be written; a line may go over it.
const WAITING_BYTES_MAX: usize = 1 << 20;

/// A process that ends waits so long for its last words to be read.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// What is logged, how, and where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogPlan {
    pub(crate) format: LogFormat,
    pub(crate) level: LevelFilter,
    /// At least one.
    pub(crate) outputs: Vec<Output>,
}

/// Where lines go.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Output {
    Stderr,
    Stdout,
    /// At the end of what is in it.
    File(PathBuf),
}

impl LogPlan {
    /// To standard error, what matters to operators.
    pub(crate) fn of(format: LogFormat) -> LogPlan {
        LogPlan { format, level: LevelFilter::INFO, outputs: vec![Output::Stderr] }
    }
}

impl Output {
    fn open(&self) -> io::Result<Box<dyn Write + Send>> {
        Ok(match self {
            Output::Stderr => Box::new(io::stderr()),
            Output::Stdout => Box::new(io::stdout()),
            Output::File(path) => {
                let opened = OpenOptions::new().create(true).append(true).open(path);
                let name = |error| io::Error::other(format!("{}: {error}", path.display()));
                Box::new(opened.map_err(name)?)
            }
        })
    }
}

/// Writes the same to each; whoever does not take it gets no less of what follows.
struct Outputs(Vec<Box<dyn Write + Send>>);

impl Write for Outputs {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        let written: Vec<_> = self.0.iter_mut().map(|output| output.write_all(lines)).collect();
        written.into_iter().collect::<io::Result<()>>().map(|()| lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.iter_mut().try_for_each(Write::flush)
    }
}

/// Logs from now on, one line an event. Colours are for terminals alone.
pub(crate) fn init(plan: &LogPlan) -> io::Result<Log> {
    let outputs = plan.outputs.iter().map(Output::open).collect::<io::Result<Vec<_>>>()?;
    let colours = plan.outputs == [Output::Stderr] && io::stderr().is_terminal();
    let log = Log::start(Outputs(outputs))?;
    let writer = log.clone();
    let to = fmt().with_writer(move || writer.clone()).with_ansi(colours);
    let to = to.with_max_level(plan.level);
    match plan.format {
        LogFormat::Text => to.with_target(false).init(),
        LogFormat::Json => to.json().flatten_event(true).init(),
    }
    Ok(log)
}

/// Takes lines, each in one `write`, and never waits. Clones share one buffer.
#[derive(Clone)]
pub(crate) struct Log {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    buffer: Mutex<Buffer>,
    /// There is something to write, or everything is written.
    changed: Condvar,
}

#[derive(Default)]
struct Buffer {
    lines: Vec<u8>,
    /// The thread is writing what it took before.
    writing: bool,
    /// Lines that found no room since this was last said.
    lost: u64,
}

impl Log {
    /// Starts the thread that writes to `out` for as long as the process lives.
    fn start(out: impl Write + Send + 'static) -> io::Result<Log> {
        let log = Log { shared: Arc::default() };
        let shared = Arc::clone(&log.shared);
        thread::Builder::new().name("log writer".to_owned()).spawn(move || shared.write_to(out))?;
        Ok(log)
    }

    /// Waits until everything is written, but not for ever.
    pub(crate) fn flush(&self) {
        let deadline = Instant::now() + FLUSH_TIMEOUT;
        let mut buffer = self.shared.buffer.lock();
        while buffer.writing || !buffer.lines.is_empty() {
            if self.shared.changed.wait_until(&mut buffer, deadline).timed_out() {
                return;
            }
        }
    }
}

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut buffer = self.shared.buffer.lock();
        if buffer.lines.len() < WAITING_BYTES_MAX {
            buffer.lines.extend_from_slice(line);
        } else {
            buffer.lost += 1;
        }
        drop(buffer);
        self.shared.changed.notify_all();
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shared {
    fn write_to(&self, mut out: impl Write) {
        let mut lines = Vec::new();
        loop {
            let lost = self.take(&mut lines);
            // If it can not be written, there is nobody to be told so.
            let _ = out.write_all(&lines).and_then(|()| out.flush());
            lines.clear();
            if lost > 0 {
                warn!(lost, "lines of this log were lost: nobody read it");
            }
        }
    }

    /// Swaps what waits into the empty `lines`, once there is something; answers how many lines
    /// were lost behind it.
    fn take(&self, lines: &mut Vec<u8>) -> u64 {
        let mut buffer = self.buffer.lock();
        buffer.writing = false;
        self.changed.notify_all();
        while buffer.lines.is_empty() {
            self.changed.wait(&mut buffer);
        }
        buffer.writing = true;
        std::mem::swap(&mut buffer.lines, lines);
        std::mem::take(&mut buffer.lost)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    use super::*;

    /// Hands on every write, and waits until it is taken.
    struct Reluctant(SyncSender<Vec<u8>>);

    impl Write for Reluctant {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes.to_vec()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn log() -> (Log, Receiver<Vec<u8>>) {
        let (sender, receiver) = sync_channel(0);
        (Log::start(Reluctant(sender)).unwrap(), receiver)
    }

    #[test]
    fn lines_arrive_whole_and_in_order() {
        let (mut log, arrived) = log();
        let written: Vec<u8> = (0..100).flat_map(|line| format!("{line}\n").into_bytes()).collect();
        for line in written.split_inclusive(|byte| *byte == b'\n') {
            log.write_all(line).unwrap();
        }
        let mut read = Vec::new();
        while read.len() < written.len() {
            read.extend(arrived.recv().unwrap());
        }
        assert_eq!(read, written);
        Log::flush(&log);
        assert!(arrived.try_recv().is_err(), "nothing is written twice");
    }

    #[test]
    fn what_nobody_reads_takes_bounded_memory_and_no_time() {
        let (mut log, _unread) = log();
        let line = [b'x'; 1 << 10];
        for _ in 0..4 * (WAITING_BYTES_MAX >> 10) {
            log.write_all(&line).unwrap();
        }
        let buffer = log.shared.buffer.lock();
        assert!(buffer.lines.len() <= WAITING_BYTES_MAX + line.len());
        assert!(buffer.lost > 0, "and it is known that lines were lost");
    }
}
