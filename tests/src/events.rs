//! One who looks at a member's events, as a page does.

use std::io::{BufReader, Write as _};
use std::net::TcpStream;
use std::time::Instant;

use serde_json::Value;

use crate::http::{connect, read_chunk, read_head};
use crate::wait::PATIENCE;

/// A connection to `/events`.
#[derive(Debug)]
pub struct Looker {
    connection: BufReader<TcpStream>,
    /// Everything that was told, in order.
    told: Vec<Value>,
    /// So many of it were looked at.
    seen: usize,
}

impl Looker {
    /// Begins to look at a member.
    pub fn at(port: u16) -> Looker {
        let mut connection = connect(port).unwrap();
        let request = format!("GET /events HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n");
        connection.write_all(request.as_bytes()).unwrap();
        let mut connection = BufReader::new(connection);
        let (status, _) = read_head(&mut connection).unwrap();
        assert_eq!(status, 200);
        Looker { connection, told: Vec::new(), seen: 0 }
    }

    /// The next event for which this holds.
    pub fn next(&mut self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            while self.seen < self.told.len() {
                self.seen += 1;
                if holds(&self.told[self.seen - 1]) {
                    return self.told[self.seen - 1].clone();
                }
            }
            assert!(Instant::now() < deadline, "{what} is not told");
            self.read();
        }
    }

    /// An event for which this holds, told since [`Looker::forget`] or yet to be: what two members
    /// tell comes in no certain order.
    pub fn find(&mut self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let before = self.told.iter().find(|event| holds(event)).cloned();
        before.unwrap_or_else(|| self.next(what, holds))
    }

    /// All that was told, since [`Looker::forget`], of which this holds.
    pub fn all(&self, holds: impl Fn(&Value) -> bool) -> Vec<Value> {
        self.told.iter().filter(|event| holds(event)).cloned().collect()
    }

    /// Forgets what was told.
    pub fn forget(&mut self) {
        self.told.drain(..self.seen);
        self.seen = 0;
    }

    fn read(&mut self) {
        let chunk = read_chunk(&mut self.connection).unwrap();
        let text = String::from_utf8(chunk).unwrap();
        let data = text.strip_prefix("data: ").unwrap_or_else(|| panic!("no envelope: {text}"));
        let envelope: Value = serde_json::from_str(data.trim_end()).unwrap();
        assert_eq!(envelope["schema"], 1);
        self.told.extend(envelope["events"].as_array().unwrap().iter().cloned());
    }
}
