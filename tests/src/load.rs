//! Clients that keep on through any failure: one writer through each member, and one reader that
//! looks, through a member that changes, for the newest write that anybody was told is done. And
//! many clients at once that write until a number is reached.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use crate::cluster::Cluster;
use crate::http::Http;
use crate::ledger::{Ledger, Outcome};
use crate::wait;

/// What the clients share.
#[derive(Debug)]
struct Shared {
    ports: Vec<u16>,
    stop: AtomicBool,
    /// How many writes are done.
    done: AtomicU64,
    /// The key of a write that is done, and its value: the newest that was told.
    newest: Mutex<Option<(String, String)>>,
    /// How many times it was read.
    read: AtomicU64,
}

/// Writers and a reader at work.
#[derive(Debug)]
pub struct Load {
    shared: Arc<Shared>,
    writers: Vec<JoinHandle<Ledger>>,
    reader: JoinHandle<()>,
}

impl Load {
    /// Starts them, and waits until they are under way.
    pub fn start(cluster: &Cluster) -> Load {
        Load::on(cluster.ports())
    }

    /// The same on members at these ports, wherever they run.
    pub fn on(ports: Vec<u16>) -> Load {
        let members = ports.len();
        let shared = Arc::new(Shared {
            ports,
            stop: AtomicBool::new(false),
            done: AtomicU64::new(0),
            newest: Mutex::new(None),
            read: AtomicU64::new(0),
        });
        let writers = (0..members).map(|number| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || write(&shared, number))
        });
        let writers = writers.collect();
        let of_reader = Arc::clone(&shared);
        let reader = thread::spawn(move || read(&of_reader));
        let load = Load { shared, writers, reader };
        load.go_on();
        load
    }

    /// Waits until a good number of further writes are done, and further reads.
    pub fn go_on(&self) {
        let Shared { done, read, .. } = &*self.shared;
        let counts = || (done.load(Ordering::Relaxed), read.load(Ordering::Relaxed));
        let (done_before, read_before) = counts();
        wait::until_true("writes and reads go on", || {
            let (done, read) = counts();
            self.check_alive();
            done >= done_before + 100 && read >= read_before + 10
        });
    }

    /// Ends them; what the writers were told.
    pub fn stop(self) -> Ledger {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.reader.join().expect("every read showed what was done before it");
        let mut ledger = Ledger::default();
        for writer in self.writers {
            ledger.append(writer.join().unwrap());
        }
        ledger
    }

    /// A client that panicked would be waited for in vain.
    fn check_alive(&self) {
        let ended = self.reader.is_finished() || self.writers.iter().any(JoinHandle::is_finished);
        assert!(!ended, "a client has ended: it says why above");
    }
}

/// So many clients write at once where writes are many.
const CLIENTS: usize = 64;

/// Has `count` writes done through one member, which is up and knows its leader all the while.
pub fn write_many(cluster: &Cluster, through: usize, count: usize) -> Ledger {
    let port = cluster.ports()[through];
    let clients: Vec<JoinHandle<Ledger>> = (0..CLIENTS)
        .map(|client| thread::spawn(move || write_share(port, client, count)))
        .collect();
    let mut ledger = Ledger::default();
    for client in clients {
        ledger.append(client.join().expect("every write is done"));
    }
    ledger
}

/// One client's share of `count` writes.
fn write_share(port: u16, client: usize, count: usize) -> Ledger {
    let (mut ledger, mut http) = (Ledger::default(), Http::new(port));
    for number in (client..count).step_by(CLIENTS) {
        ledger.write_done(&mut http, &format!("many/{number}"), &format!("value {number}"));
    }
    ledger
}

/// Writes one key after the other, through the member `number` while it takes them, else through
/// the next one.
fn write(shared: &Shared, number: usize) -> Ledger {
    let mut ledger = Ledger::default();
    let mut member = number;
    let mut http = Http::new(shared.ports[member]);
    for count in 0.. {
        if shared.stop.load(Ordering::Relaxed) {
            break;
        }
        let (key, value) = (format!("{number}/{count}"), format!("value {count} of {number}"));
        match ledger.write(&mut http, &key, value.clone()) {
            Outcome::Done(_) => {
                shared.done.fetch_add(1, Ordering::Relaxed);
                *shared.newest.lock().unwrap() = Some((key, value));
            }
            Outcome::Refused(_) | Outcome::Unknown(_) => {
                member = (member + 1) % shared.ports.len();
                http = Http::new(shared.ports[member]);
                wait::pause();
            }
        }
    }
    ledger
}

/// Reads what is known to be done, through each member in turn. A read may be refused or get no
/// answer, but an answer shows it.
fn read(shared: &Shared) {
    let mut clients: Vec<Http> = shared.ports.iter().map(|port| Http::new(*port)).collect();
    let members = clients.len();
    for count in 0.. {
        if shared.stop.load(Ordering::Relaxed) {
            break;
        }
        let newest = shared.newest.lock().unwrap().clone();
        let Some((key, value)) = newest else { continue };
        let member = count % members;
        match clients[member].request("GET", &format!("/kv/{key}"), "") {
            Ok(answer) if answer.status == 200 => {
                assert_eq!(answer.json()["value"], *value, "{key} through member {member}");
                shared.read.fetch_add(1, Ordering::Relaxed);
            }
            Ok(answer) => {
                assert_ne!(answer.status, 404, "{key}, done before, not seen by member {member}");
                wait::pause();
            }
            Err(_) => {
                clients[member] = Http::new(shared.ports[member]);
                wait::pause();
            }
        }
    }
}
