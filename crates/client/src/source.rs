//! Server-sent events from whichever member serves them: one stream after the other, until no
//! member has served for the time of a call.
//!
//! What the events mean, and what has to be asked of the next member, is for those who read here.

use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::Method;
use hyper::body::Incoming;
use tokio::time::{Instant, sleep, timeout};

use crate::client::{Client, Reasons};
use crate::pace::Pace;
use crate::sse::{Message, Parser};
use crate::transport::{self, Opened};
use crate::verdict::{Again, Answer, Attempt, Effect, Verdict, judge};
use crate::{Endpoint, Error};

/// A stream that was open for this long was of use, whether anything happened or not.
const PROVEN_AFTER: Duration = Duration::from_secs(1);

/// What is asked of a stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// One that says nothing for this long is given up: the member or its machine is gone.
    pub(crate) silence_max: Duration,
    /// A longer message is not read on.
    pub(crate) message_bytes_max: usize,
}

/// The streams of one reader.
#[derive(Debug)]
pub(crate) struct Source {
    client: Client,
    limits: Limits,
    stream: Option<Stream>,
    pace: Pace,
    reasons: Reasons,
    /// When a member served last, or the caller began to wait for one.
    served_at: Instant,
}

/// What comes from one member.
#[derive(Debug)]
struct Stream {
    body: Incoming,
    parser: Parser,
    opened_at: Instant,
    silence_max: Duration,
    /// It has told more than where it begins.
    told: bool,
}

impl Source {
    pub(crate) fn new(client: Client, limits: Limits) -> Source {
        let pace = Pace::new(client.candidates(Effect::Read));
        let (reasons, served_at) = (Reasons::default(), Instant::now());
        Source { client, limits, stream: None, pace, reasons, served_at }
    }

    /// Asks the member whose turn it is, once. Without an error the source may be open then, or
    /// another member is next.
    pub(crate) async fn open(&mut self, path_and_query: String) -> Result<(), Error> {
        let endpoint = self.pace.endpoint().clone();
        let message = transport::Message {
            method: Method::GET,
            path_and_query,
            headers: Vec::new(),
            body: None,
        };
        match self.client.transport().open(&endpoint, &message, self.patience()).await {
            Opened::Stream(body) => {
                self.client.served(&endpoint);
                self.stream = Some(Stream::new(body, self.limits));
                Ok(())
            }
            Opened::Not(attempt) => self.refused(attempt).await.map(drop),
        }
    }

    /// The next message of the open stream, or why it ends. May be dropped at any time.
    ///
    /// # Panics
    /// If no stream is open.
    pub(crate) async fn next(&mut self) -> Result<Message, String> {
        self.stream.as_mut().expect("whoever reads has opened it").next().await
    }

    /// The member does not go on, and says why in a message: another one does, or nobody can.
    /// Answers what it said.
    pub(crate) async fn ended(&mut self, message: Message) -> Result<String, Error> {
        // The status of a refusal that is none of those that pass by.
        let answer = Answer { status: 410, body: message.data.into(), ..Answer::default() };
        self.refused(Attempt::Answered(answer)).await
    }

    /// The stream is over: another member is next. Answers the reason.
    pub(crate) async fn broke(&mut self, reason: String) -> Result<String, Error> {
        self.lost(Again { reason, ..Again::default() }).await
    }

    /// Gives up the stream, but not its member.
    pub(crate) fn close(&mut self) {
        self.stream = None;
    }

    /// The stream has told something.
    pub(crate) fn told(&mut self) {
        if let Some(stream) = &mut self.stream {
            stream.told = true;
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.stream.is_some()
    }

    /// Whose turn it is.
    pub(crate) fn endpoint(&self) -> &Endpoint {
        self.pace.endpoint()
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// How long a member may take to begin a stream.
    pub(crate) fn patience(&self) -> Duration {
        self.client.options().timeout / 2
    }

    /// Another member may serve, or none ever will.
    async fn refused(&mut self, attempt: Attempt) -> Result<String, Error> {
        let again = match judge(Effect::Read, attempt) {
            Verdict::Refused(error) => {
                self.stream = None;
                return Err(error);
            }
            Verdict::Again(again) => again,
            Verdict::Unknown(reason) => Again { reason, ..Again::default() },
            Verdict::Done(_) => {
                let reason = "it answered with something else than a stream".to_owned();
                Again { reason, ..Again::default() }
            }
        };
        self.lost(again).await
    }

    /// The member does not serve: another one is next, after a pause if all were tried in vain.
    async fn lost(&mut self, again: Again) -> Result<String, Error> {
        let pause = self.broken(&again);
        let timeout = self.client.options().timeout;
        if self.served_at.elapsed() + pause >= timeout {
            // Whoever asks again waits as long again.
            self.served_at = Instant::now();
            return Err(std::mem::take(&mut self.reasons).unavailable(timeout));
        }
        sleep(pause).await;
        Ok(again.reason)
    }

    /// Gives up the member of the moment; answers how long to pause before the next.
    fn broken(&mut self, again: &Again) -> Duration {
        let stream = self.stream.take();
        let endpoint = self.pace.endpoint().clone();
        self.client.failed(&endpoint);
        if stream.is_some_and(|stream| stream.was_of_use()) {
            // The search begins anew, with whoever comes after it.
            self.served_at = Instant::now();
            self.reasons = Reasons::default();
            let mut candidates = self.client.candidates(Effect::Read);
            candidates.retain(|candidate| *candidate != endpoint);
            candidates.insert(0, endpoint.clone());
            self.pace = Pace::new(candidates);
        }
        self.reasons.add(&endpoint, &again.reason);
        self.pace.advance(again, fastrand::f64())
    }
}

impl Stream {
    fn new(body: Incoming, limits: Limits) -> Stream {
        let parser = Parser::new(limits.message_bytes_max);
        let silence_max = limits.silence_max;
        Stream { body, parser, opened_at: Instant::now(), silence_max, told: false }
    }

    /// Whether it did more than begin: a member whose streams all break at once is none to wait
    /// for.
    fn was_of_use(&self) -> bool {
        self.told || self.opened_at.elapsed() >= PROVEN_AFTER
    }

    /// The next message, or why there is none. May be dropped at any time.
    async fn next(&mut self) -> Result<Message, String> {
        loop {
            if let Some(message) = self.parser.next().map_err(|error| error.to_string())? {
                return Ok(message);
            }
            match timeout(self.silence_max, self.body.frame()).await {
                Err(_) => return Err(format!("it said nothing for {:?}", self.silence_max)),
                Ok(None) => return Err("it ended the stream".to_owned()),
                Ok(Some(Err(error))) => return Err(transport::root_cause(&error)),
                Ok(Some(Ok(frame))) => {
                    let bytes = frame.into_data().unwrap_or_default();
                    self.parser.feed(&bytes).map_err(|error| error.to_string())?;
                }
            }
        }
    }
}
