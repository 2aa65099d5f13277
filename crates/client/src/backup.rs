//! A backup of the whole store, streamed from a member while it serves (docs/http.md).

use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::Method;
use hyper::body::Incoming;
use tokio::time::{Instant, sleep, timeout};

use crate::client::{Client, Reasons, with_timeout};
use crate::pace::Pace;
use crate::transport::{Message, Opened, root_cause};
use crate::verdict::{Again, Effect, Verdict, judge};
use crate::{Endpoint, Error};

/// A member that sends nothing for this long is given up.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// A backup that comes piece by piece: the bytes of a snapshot's file, as docs/format/snapshot.md
/// has it. It is whole if its checksums and its end say so, which this client does not look at.
#[derive(Debug)]
pub struct Backup {
    endpoint: Endpoint,
    body: Incoming,
}

impl Client {
    /// Begins a backup: everything that was acknowledged before the call is in it, and what is
    /// written meanwhile is not.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if no member serves in time.
    pub async fn backup(&self) -> Result<Backup, Error> {
        let deadline = Instant::now() + self.options().timeout;
        let mut pace = Pace::new(self.candidates(Effect::Read));
        let mut reasons = Reasons::default();
        loop {
            let endpoint = pace.endpoint().clone();
            let remaining = deadline.saturating_duration_since(Instant::now());
            let patience = if pace.has_choice() { remaining / 2 } else { remaining };
            let message = Message {
                method: Method::GET,
                path_and_query: with_timeout("/snapshot", patience),
                headers: Vec::new(),
                body: None,
            };
            let again = match self.transport().open(&endpoint, &message, patience).await {
                Opened::Stream(body) => {
                    self.served(&endpoint);
                    return Ok(Backup { endpoint, body });
                }
                Opened::Not(attempt) => match judge(Effect::Read, attempt) {
                    Verdict::Refused(error) => return Err(error),
                    Verdict::Again(again) => again,
                    Verdict::Unknown(reason) => Again { reason, ..Again::default() },
                    Verdict::Done(_) => Again {
                        reason: "it answered with something else than a stream".to_owned(),
                        ..Again::default()
                    },
                },
            };
            self.failed(&endpoint);
            reasons.add(&endpoint, &again.reason);
            let pause = pace.advance(&again, fastrand::f64());
            if Instant::now() + pause >= deadline {
                return Err(reasons.unavailable(self.options().timeout));
            }
            sleep(pause).await;
        }
    }
}

impl Backup {
    /// The next bytes; `None` when the member has ended the stream.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the stream broke: what came so far is of no use, begin anew.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            let reason = match timeout(SILENCE_MAX, self.body.frame()).await {
                Ok(None) => return Ok(None),
                Ok(Some(Ok(frame))) => match frame.into_data() {
                    Ok(bytes) => return Ok(Some(bytes)),
                    // Headers behind the body: nothing of ours.
                    Err(_) => continue,
                },
                Ok(Some(Err(error))) => format!("the snapshot broke off: {}", root_cause(&error)),
                Err(_) => format!("it sent nothing for {SILENCE_MAX:?}"),
            };
            let reasons = vec![(self.endpoint.clone(), reason)];
            return Err(Error::Unavailable { timeout: SILENCE_MAX, reasons });
        }
    }
}
