//! Somebody who goes on putting and getting while others misbehave, and minds how long each answer
//! takes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::http::Http;
use crate::wait;

/// No put and no get takes longer, whatever the others do: a member gives a request up by then.
pub const ANSWER_TIME_MAX: Duration = Duration::from_secs(5);

/// A client at work.
#[derive(Debug)]
pub struct Bystander {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    /// Puts with the gets that saw them.
    done: AtomicU64,
}

impl Bystander {
    /// Begins, on a connection that is kept.
    pub fn start(port: u16) -> Bystander {
        let shared = Arc::new(Shared::default());
        let of_thread = Arc::clone(&shared);
        let thread = thread::spawn(move || of_thread.work(port));
        let bystander = Bystander { shared, thread };
        bystander.go_on();
        bystander
    }

    /// Waits until a few more puts and gets are done.
    pub fn go_on(&self) {
        let before = self.shared.done.load(Ordering::Relaxed);
        wait::until_true("a bystander's puts and gets go on", || {
            assert!(!self.thread.is_finished(), "the bystander has ended: it says why above");
            self.shared.done.load(Ordering::Relaxed) >= before + 5
        });
    }

    /// Ends it.
    pub fn stop(self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("every put and every get was answered in time");
    }
}

impl Shared {
    fn work(&self, port: u16) {
        let mut http = Http::new(port);
        for number in 0.. {
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            let value = format!("value {number}");
            answered(&mut http, "PUT", &format!("{{\"value\":\"{value}\"}}"));
            assert_eq!(answered(&mut http, "GET", "")["value"], *value);
            self.done.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn answered(http: &mut Http, method: &str, body: &str) -> serde_json::Value {
    let began = Instant::now();
    let answer = http.request(method, "/kv/of-the-bystander", body).unwrap();
    assert_eq!(answer.status, 200, "{method}: {answer:?}");
    assert!(began.elapsed() < ANSWER_TIME_MAX, "{method} took {:?}", began.elapsed());
    answer.json()
}
