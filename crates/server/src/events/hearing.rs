//! Listens to one other member: one connection, opened anew when it breaks.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::header::HOST;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use raft::MemberId;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tracing::debug;

use super::desk::Desk;
use super::event::Event;
use super::id::Id;
use super::line::{Greeting, LINE_BYTES_MAX, Line, Malformed};
use super::member_state::MemberState;
use super::offset::Offset;
use super::{CLUSTER_HEADER, EVENTS_PATH};
use crate::ask::{Asker, MEMBER_HEADER, member_header};

/// A peer that does not answer in this time is not there, for now.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);

/// A peer of which nothing is heard for so long is asked anew: it tells of itself several times a
/// second.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(2);

/// Between two attempts: at first, and at most. Each is twice as long as the one before.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// So many events of one peer wait to be passed on; that is several windows. Then the oldest are
/// left out.
const WAITING_MAX: usize = 1_024;

/// What is heard of one member. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Hearing {
    pub(super) address: String,
    told: Arc<Mutex<Told>>,
    task: AbortHandle,
}

/// What was heard.
#[derive(Debug, Default)]
struct Told {
    events: VecDeque<Event>,
    lost: u64,
    standing: Option<Standing>,
    connected: bool,
    /// The number of the next event.
    next: Option<u64>,
}

/// How a member stands by its own word, and when that was heard.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    pub(super) state: MemberState,
    pub(super) matched: Vec<(Id, u64)>,
    pub(super) heard_at: Instant,
    /// Its connection is up.
    pub(super) connected: bool,
}

/// Why a connection is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    NoAnswer(&'static str),
    Refused(StatusCode),
    Malformed(Malformed),
}

/// Whom to listen to.
pub(super) struct Peer {
    pub(super) id: MemberId,
    pub(super) address: String,
    pub(super) cluster_id: u128,
    /// This member.
    pub(super) asker: Asker,
}

impl Hearing {
    /// Begins to listen; times are translated to the clock of `desk`.
    pub(super) fn begin(peer: Peer, desk: Arc<Desk>) -> Hearing {
        let (address, told) = (peer.address.clone(), Arc::default());
        let task = tokio::spawn(listen(peer, Arc::clone(&told), desk)).abort_handle();
        Hearing { address, told, task }
    }

    /// The events that were heard since the last call, by the clock here, and how many were not.
    pub(super) fn take(&self, events: &mut Vec<Event>) -> u64 {
        let mut told = self.told.lock();
        events.extend(told.events.drain(..));
        std::mem::take(&mut told.lost)
    }

    /// How the member stood when it was heard last.
    pub(super) fn standing(&self) -> Option<Standing> {
        let told = self.told.lock();
        told.standing.clone().map(|standing| Standing { connected: told.connected, ..standing })
    }
}

impl Drop for Hearing {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen(peer: Peer, told: Arc<Mutex<Told>>, desk: Arc<Desk>) {
    let mut pause = PAUSE_MIN;
    loop {
        let over = hear(&peer, &told, &desk).await;
        let heard = std::mem::take(&mut told.lock().connected);
        debug!(peer = %peer.id, ?over, "its events are not heard");
        if heard {
            pause = PAUSE_MIN;
        }
        // Not all at once, where many wait for one.
        tokio::time::sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
        pause = (2 * pause).min(PAUSE_MAX);
    }
}

/// One connection, until it is over.
async fn hear(peer: &Peer, told: &Mutex<Told>, desk: &Desk) -> Over {
    let asking = timeout(ANSWER_TIMEOUT, peer.asker.way.connect(&peer.address));
    let Ok(Ok(stream)) = asking.await else { return Over::NoAnswer("nobody is there") };
    let shaken = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let Ok((mut sender, connection)) = shaken else { return Over::NoAnswer("it is no HTTP") };
    let mut request = Request::get(EVENTS_PATH)
        .header(HOST, &peer.address)
        .header(CLUSTER_HEADER, format!("{:032x}", peer.cluster_id));
    if let Some(asker) = member_header(&peer.asker.name) {
        request = request.header(MEMBER_HEADER, asker);
    }
    let request = request.body(Empty::<Bytes>::new());
    let Ok(request) = request else { return Over::NoAnswer("its address is none") };
    let hearing = async {
        match timeout(ANSWER_TIMEOUT, sender.send_request(request)).await {
            Ok(Ok(answer)) if answer.status() == StatusCode::OK => {
                read(peer, told, desk, answer).await
            }
            Ok(Ok(answer)) => Over::Refused(answer.status()),
            Ok(Err(_)) | Err(_) => Over::NoAnswer("it does not answer"),
        }
    };
    tokio::select! {
        over = hearing => over,
        _ = connection => Over::NoAnswer("the connection broke"),
    }
}

async fn read(peer: &Peer, told: &Mutex<Told>, desk: &Desk, answer: Response<Incoming>) -> Over {
    let (mut body, mut pending) = (answer.into_body(), BytesMut::new());
    let mut ear = Ear { peer, told, greeted: false, offset: None };
    loop {
        let data = match timeout(SILENCE_TIMEOUT, body.frame()).await {
            Ok(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
            Ok(Some(Err(_)) | None) => return Over::NoAnswer("the connection broke"),
            Err(_) => return Over::NoAnswer("it is silent"),
        };
        pending.extend_from_slice(&data);
        while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
            let line = pending.split_to(end + 1);
            if let Err(malformed) = ear.line(&line, desk.clock.now_us()) {
                return Over::Malformed(malformed);
            }
        }
        if pending.len() > LINE_BYTES_MAX {
            return Over::Malformed(Malformed::TooLong);
        }
    }
}

/// One connection's lines.
struct Ear<'a> {
    peer: &'a Peer,
    told: &'a Mutex<Told>,
    greeted: bool,
    offset: Option<Offset>,
}

impl Ear<'_> {
    fn line(&mut self, bytes: &[u8], here_us: u64) -> Result<(), Malformed> {
        if !self.greeted {
            Greeting::check(bytes, &Greeting::of(self.peer.cluster_id, self.peer.id))?;
            self.greeted = true;
            // What was not heard in between is nothing that this reader was to be told.
            self.told.lock().next = None;
            return Ok(());
        }
        let line = Line::check(bytes, self.peer.id)?;
        let now = Instant::now();
        let offset = self.offset.get_or_insert_with(|| Offset::new(now, here_us, line.now_us));
        offset.see(now, here_us, line.now_us);
        self.told.lock().hear(line, offset, now);
        Ok(())
    }
}

impl Told {
    fn hear(&mut self, line: Line, offset: &Offset, now: Instant) {
        let Line { now_us, number, events, told, state, matched } = line;
        self.connected = true;
        self.lost = self.lost.saturating_add(number.saturating_sub(self.next.unwrap_or(number)));
        self.next = Some(number.saturating_add(told));
        for event in events {
            if self.events.len() >= WAITING_MAX {
                self.events.pop_front();
                self.lost = self.lost.saturating_add(1);
            }
            // Nothing that is told has yet to happen.
            let t_us = offset.here(event.t_us.min(now_us));
            self.events.push_back(Event { t_us, ..event });
        }
        match (state, &mut self.standing) {
            (Some(state), standing) => {
                *standing = Some(Standing { state, matched, heard_at: now, connected: true });
            }
            (None, Some(standing)) => standing.heard_at = now,
            (None, None) => {}
        }
    }
}

#[cfg(test)]
#[path = "hearing_tests.rs"]
mod tests;
