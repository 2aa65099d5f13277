//! A member as it ships, in this process: real threads, a real log, a port on loopback. It never
//! flushes, so that it is fast, and leads a cluster of one.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::{env, fs, process};

use server::Server;
use server::config::Raw;
use tokio::runtime::Builder;
use tokio::sync::oneshot;

use super::PATIENCE;

/// Whoever comes to a member is …
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// … anybody, who may do anything: authentication is off.
    Anybody = 0,
    /// … nobody: authentication is on, and nobody has a password.
    Nobody = 1,
}

/// What the data directories' names begin with; the process's number follows.
const DIRECTORY_PREFIX: &str = "raftkv-hostile-";

/// How much its state may take: more than inputs can write.
const MEMORY_LIMIT_BYTES: u64 = 256 << 20;

/// A running member; dropped, it ends, and so does what it kept.
pub(crate) struct Member {
    pub(crate) address: SocketAddr,
    directory: PathBuf,
    stop: Option<oneshot::Sender<()>>,
    life: Option<JoinHandle<()>>,
}

impl Member {
    /// Starts a fresh one, which may not lead yet.
    pub(crate) fn start() -> Member {
        let directory = fresh_directory();
        let (stop, stopped) = oneshot::channel();
        let (told, bound) = mpsc::sync_channel(1);
        let place = directory.clone();
        let life = thread::spawn(move || live(&place, &told, stopped));
        let address = bound.recv_timeout(PATIENCE).expect("a member binds its port");
        Member { address, directory, stop: Some(stop), life: Some(life) }
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&self) -> bool {
        self.life.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

fn live(directory: &Path, told: &mpsc::SyncSender<SocketAddr>, stopped: oneshot::Receiver<()>) {
    let raw = Raw {
        node_id: Some("hostile".to_owned()),
        listen: Some("127.0.0.1:0".to_owned()),
        data_dir: Some(directory.to_owned()),
        heartbeat_ms: Some(20),
        election_timeout_ms: Some(60),
        wal_segment_bytes: Some(4 << 20),
        memory_limit: Some(MEMORY_LIMIT_BYTES),
        unsafe_no_fsync: Some(true),
        ..Raw::default()
    };
    let config = raw.resolve().expect("nothing contradicts another");
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("threads can be started").block_on(async {
        let server = Server::open(config).await.expect("a fresh directory is opened");
        told.send(server.address()).expect("it is waited for");
        let ended = server.run(async { drop(stopped.await) }).await;
        ended.expect("a member does not end by itself");
    });
}

impl Drop for Member {
    fn drop(&mut self) {
        drop(self.stop.take());
        // One that panicked has been told of.
        let _ended = self.life.take().map(JoinHandle::join);
        let _removed = fs::remove_dir_all(&self.directory);
    }
}

/// A directory of nobody's. Those that earlier processes left go.
fn fresh_directory() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    if number == 0 {
        remove_leftovers();
    }
    env::temp_dir().join(format!("{DIRECTORY_PREFIX}{}-{number}", process::id()))
}

fn remove_leftovers() {
    let Ok(entries) = fs::read_dir(env::temp_dir()) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name.strip_prefix(DIRECTORY_PREFIX).and_then(|rest| rest.split('-').next());
        let Some(owner) = owner.filter(|owner| owner.parse::<u32>().is_ok()) else { continue };
        // Without /proc nobody is known to have ended.
        if Path::new("/proc/self").exists() && !Path::new("/proc").join(owner).exists() {
            let _removed = fs::remove_dir_all(entry.path());
        }
    }
}
