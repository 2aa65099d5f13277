//! The client: one method for each thing that a member can do, and the loop that all of them share.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::time::{Instant, sleep, timeout_at};

use crate::directory::Directory;
use crate::events::Events;
use crate::history::{History, HistoryOptions, HistoryPage};
use crate::listing::{ListOptions, Listing, Page};
use crate::options::{Condition, ExactlyOnce, GetOptions, Options, WriteOptions};
use crate::pace::Pace;
use crate::session::{KEY_HEADER, Number, Numbered, SESSION_HEADER, Sessions, random_key};
use crate::tls::{Tls, trusts_nobody};
use crate::transport::{Message, Transport};
use crate::types::{
    Compacted, Deleted, EncodedDeleted, EncodedKeyValue, EncodedLeader, EncodedMembers,
    EncodedSession, EncodedTransfer, EncodedWritten, KeyValue, Leader, Member, Revision, Settings,
    SettingsChange, Status, Written,
};
use crate::verdict::{Again, Answer, Attempt, Effect, Verdict, judge};
use crate::watch::{Watch, WatchOptions};
use crate::{Credentials, Endpoint, Error, escape};

/// Values travel as they are: no escaping, no copying.
const RAW: &str = "application/octet-stream";
pub(crate) const JSON: &str = "application/json";

/// A client of one cluster. Cheap to clone; clones share connections and what they learned.
///
/// Every call is answered within [`Options::timeout`], and may be dropped at any time: a write
/// whose future was dropped has an unknown outcome.
#[derive(Debug, Clone)]
pub struct Client {
    transport: Transport,
    directory: Arc<Mutex<Directory>>,
    sessions: Arc<Sessions>,
    options: Options,
}

/// A write opens so many sessions at most: more than one only if the first is gone at once.
const SESSIONS_MAX: usize = 3;

/// An attempt with less time than this would say nothing, and hide what an earlier one said.
const ATTEMPT_MIN: Duration = Duration::from_millis(2);

/// A request as the loop sees it.
#[derive(Clone)]
pub(crate) struct Call {
    effect: Effect,
    message: Message,
    /// Whether the member may have to wait for others, and so is told how long.
    waits: bool,
    /// Its place in a session.
    number: Option<Arc<Number>>,
}

impl Call {
    pub(crate) fn waiting(self) -> Call {
        Call { waits: true, ..self }
    }

    /// The same as a request that may be sent any number of times, though it is no read.
    pub(crate) fn harmless(self) -> Call {
        Call { effect: Effect::Read, ..self }
    }

    /// The same, done only if the condition holds.
    pub(crate) fn under(mut self, condition: Option<Condition>) -> Call {
        self.message.headers.extend(condition.map(Condition::header));
        self
    }

    /// The same as a write that may be sent again, because it has this name.
    fn named(mut self, header: &'static str, name: String) -> Call {
        self.message.headers.push((header, name));
        Call { effect: Effect::Once, ..self }
    }

    /// The same with a number in a session for its name.
    fn numbered(self, number: &Arc<Number>) -> Call {
        Call { effect: Effect::Once, number: Some(Arc::clone(number)), ..self }
    }
}

impl Client {
    /// A client that knows these members, and talks to none of them yet.
    ///
    /// # Panics
    /// If there are no endpoints.
    pub fn new(endpoints: Vec<Endpoint>, options: Options) -> Client {
        let timeout = options.timeout.min(Options::TIMEOUT_MAX);
        // Whom this machine trusts is looked up only if that may matter.
        let tls = match endpoints.iter().any(Endpoint::is_tls) {
            true => Tls::default().config().expect("it names no files"),
            false => trusts_nobody(),
        };
        Client {
            transport: Transport::new(tls),
            directory: Arc::new(Mutex::new(Directory::new(endpoints))),
            sessions: Arc::default(),
            options: Options { timeout, ..options },
        }
    }

    /// A client that has asked one of these members for all the others and for the leader.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if none of the endpoints answers. A cluster without a leader is none:
    /// the client looks for one when it needs one.
    ///
    /// # Panics
    /// If there are no endpoints.
    pub async fn connect(endpoints: Vec<Endpoint>, options: Options) -> Result<Client, Error> {
        let client = Client::new(endpoints, options);
        let members = client.members().await?;
        client.directory.lock().learn(members.into_iter().filter_map(|member| member.endpoint));
        client.find_leader().await?;
        Ok(client)
    }

    /// The same client with eyes for one member only. It shares the connections.
    pub fn only(&self, endpoint: Endpoint) -> Client {
        let endpoint = self.directory.lock().adapted(endpoint);
        let directory = Arc::new(Mutex::new(Directory::new(vec![endpoint])));
        Client { directory, ..self.clone() }
    }

    /// The same client, which knows members behind TLS as `tls` says; its connections are its own.
    ///
    /// # Errors
    /// [`Error::InvalidTls`] names the file that can not be used.
    pub fn with_tls(&self, tls: &Tls) -> Result<Client, Error> {
        let transport = self.transport.with_tls(tls.config()?);
        Ok(Client { transport, ..self.clone() })
    }

    /// The same client, with other options.
    pub fn with_options(&self, options: Options) -> Client {
        let timeout = options.timeout.min(Options::TIMEOUT_MAX);
        Client { options: Options { timeout, ..options }, ..self.clone() }
    }

    /// The same client on behalf of somebody. It shares the connections and what is known of the
    /// members, and begins a session of its own.
    pub fn with_credentials(&self, credentials: Credentials) -> Client {
        let transport = self.transport.on_behalf_of(credentials);
        Client { transport, sessions: Arc::default(), ..self.clone() }
    }

    /// Every member that this client knows, in the order in which it would try them.
    pub fn endpoints(&self) -> Vec<Endpoint> {
        self.directory.lock().candidates(Effect::Read)
    }

    /// Sets `key` to `value`; it is durable on a majority when this returns.
    ///
    /// # Errors
    /// [`Error::Unknown`] if it may have happened all the same; otherwise it did not.
    pub async fn put(
        &self,
        key: impl AsRef<[u8]>,
        value: impl Into<Bytes>,
    ) -> Result<Written, Error> {
        self.put_with(key, value, WriteOptions::default()).await
    }

    /// Sets `key` to `value` as `options` say.
    ///
    /// # Errors
    /// [`Error::ConditionFailed`] with the key as it is, and nothing was done; [`Error::Unknown`]
    /// if it may have happened all the same; otherwise it did not.
    pub async fn put_with(
        &self,
        key: impl AsRef<[u8]>,
        value: impl Into<Bytes>,
        options: WriteOptions,
    ) -> Result<Written, Error> {
        let body = Some((value.into(), RAW));
        let path = options.lifetime.describe(change_path(key.as_ref(), options)?);
        let put = write(Method::PUT, path, body).under(options.condition);
        understand_write::<EncodedWritten>(&self.send_change(put).await?)?
            .decode()
            .map_err(|error| strange(&error))
    }

    /// The value of `key`, or `None` if there is none. Linearizable.
    pub async fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<KeyValue>, Error> {
        self.get_with(key, GetOptions::default()).await
    }

    /// The value of `key`, read as `options` say.
    pub async fn get_with(
        &self,
        key: impl AsRef<[u8]>,
        options: GetOptions,
    ) -> Result<Option<KeyValue>, Error> {
        let mut query = Query::new(key_path(key.as_ref())?);
        options.describe(&mut query);
        match self.call(read(query.text).waiting()).await {
            Ok(answer) => understand::<EncodedKeyValue>(&answer)?.decode().map(Some),
            Err(error) if error.code() == Some("not_found") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes `key`, if it is there; the answer says whether it was.
    ///
    /// # Errors
    /// [`Error::Unknown`] if it may have happened all the same; otherwise it did not.
    pub async fn delete(&self, key: impl AsRef<[u8]>) -> Result<Deleted, Error> {
        self.delete_with(key, WriteOptions::default()).await
    }

    /// Removes `key` as `options` say.
    ///
    /// # Errors
    /// Those of [`Client::put_with`].
    pub async fn delete_with(
        &self,
        key: impl AsRef<[u8]>,
        options: WriteOptions,
    ) -> Result<Deleted, Error> {
        let path = change_path(key.as_ref(), options)?;
        let delete = write(Method::DELETE, path, None).under(options.condition);
        match self.send_change(delete).await {
            Ok(answer) => understand_write::<EncodedDeleted>(&answer)?
                .decode()
                .map_err(|error| strange(&error)),
            Err(error) if error.code() == Some("not_found") => Ok(Deleted::NOTHING),
            Err(error) => Err(error),
        }
    }

    /// What every write left of `key`, the newest first, page by page.
    pub fn history(&self, key: impl AsRef<[u8]>, options: HistoryOptions) -> History {
        History::new(self.clone(), Bytes::copy_from_slice(key.as_ref()), options)
    }

    /// Keys and values in the order of their keys, page by page, all at one revision.
    pub fn list(&self, options: ListOptions) -> Listing {
        Listing::new(self.clone(), options)
    }

    /// Gives up the past before `revision`, which is the oldest that can be read from then on.
    ///
    /// # Errors
    /// The refusals `future_revision` and `compacted`; [`Error::Unknown`] if it may have happened
    /// all the same: asked for again, it does no harm.
    pub async fn compact(&self, revision: Revision) -> Result<Compacted, Error> {
        let body = json!({ "revision": revision.0 }).to_string();
        let call = write(Method::POST, "/compact".to_owned(), Some((body.into(), JSON)));
        understand_write(&self.call(call).await?)
    }

    /// What all members go by. Linearizable.
    ///
    /// # Errors
    /// As for any read.
    pub async fn settings(&self) -> Result<Settings, Error> {
        understand(&self.call(read("/cluster/settings".to_owned())).await?)
    }

    /// Changes what all members go by; the answer has all of it.
    ///
    /// # Errors
    /// The refusals `bad_parameter`, of a value out of its bounds, and `missing_field`, if nothing
    /// is to be changed; [`Error::Unknown`] if it may have happened all the same: asked for again,
    /// it does no harm.
    pub async fn change_settings(&self, change: SettingsChange) -> Result<Settings, Error> {
        let body = json!(change).to_string();
        let call = write(Method::PATCH, "/cluster/settings".to_owned(), Some((body.into(), JSON)));
        understand_write(&self.call(call).await?)
    }

    /// Watches keys. What is acknowledged after this returns is told, if the options do not name
    /// another revision to begin with.
    ///
    /// # Errors
    ///
    /// The refusal `compacted` if that revision is no longer kept; [`Error::Unavailable`] if no
    /// member serves in time.
    pub async fn watch(&self, options: WatchOptions) -> Result<Watch, Error> {
        Watch::open(self.clone(), options).await
    }

    /// What happens inside of the cluster, from now on; no member is asked before the first
    /// [`Events::next`].
    pub fn events(&self) -> Events {
        Events::new(self.clone())
    }

    /// What a member says of itself and of what it knows. Answered without a majority.
    pub async fn status(&self) -> Result<Status, Error> {
        understand(&self.call(read("/cluster/status".to_owned())).await?)
    }

    /// The members of the cluster.
    pub async fn members(&self) -> Result<Vec<Member>, Error> {
        let answer = self.call(read("/cluster/members".to_owned())).await?;
        Ok(understand::<EncodedMembers>(&answer)?.decode())
    }

    /// Who leads; waits for a leader until the deadline.
    pub async fn leader(&self) -> Result<Leader, Error> {
        let answer = self.call(read("/cluster/leader".to_owned())).await?;
        let leader = understand::<EncodedLeader>(&answer)?.decode();
        if let Some(endpoint) = &leader.member.endpoint {
            self.directory.lock().learn_leader(endpoint.clone());
        }
        Ok(leader)
    }

    /// Whether a member is healthy: it is up and knows a leader.
    ///
    /// # Errors
    /// [`Error::Unavailable`] says why it is not.
    pub async fn health(&self) -> Result<(), Error> {
        self.call(read("/health".to_owned())).await.map(drop)
    }

    /// Hands leadership to the member `to` (an id or a name), or to the most up-to-date follower;
    /// answers who leads then.
    ///
    /// # Errors
    /// [`Error::Unknown`] if it may have moved all the same.
    pub async fn transfer(&self, to: Option<&str>) -> Result<Member, Error> {
        let body = to.map(|to| (Bytes::from(json!({ "to": to }).to_string()), JSON));
        let call = write(Method::POST, "/cluster/transfer".to_owned(), body);
        let answer = self.call(call).await?;
        let leader = understand_write::<EncodedTransfer>(&answer)?.decode();
        if let Some(endpoint) = &leader.endpoint {
            self.directory.lock().learn_leader(endpoint.clone());
        }
        Ok(leader)
    }

    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    pub(crate) fn transport(&self) -> &Transport {
        &self.transport
    }

    pub(crate) fn candidates(&self, effect: Effect) -> Vec<Endpoint> {
        self.directory.lock().candidates(effect)
    }

    /// Adds members to those that are known.
    pub(crate) fn learn(&self, members: impl IntoIterator<Item = Endpoint>) {
        self.directory.lock().learn(members);
    }

    pub(crate) fn served(&self, endpoint: &Endpoint) {
        self.directory.lock().note_served(endpoint);
    }

    pub(crate) fn failed(&self, endpoint: &Endpoint) {
        self.directory.lock().note_failed(endpoint);
    }

    pub(crate) async fn page(
        &self,
        options: &ListOptions,
        cursor: Option<&str>,
    ) -> Result<Page, Error> {
        let mut query = Query::new("/kv".to_owned());
        options.describe(&mut query);
        if let Some(cursor) = cursor {
            query.add("after", cursor);
        }
        Page::decode(understand(&self.call(read(query.text).waiting()).await?)?)
    }

    pub(crate) async fn past_page(
        &self,
        key: &[u8],
        options: &HistoryOptions,
        before: Option<Revision>,
    ) -> Result<HistoryPage, Error> {
        let mut query = Query::new(path("/history/", key)?);
        options.describe(&mut query);
        if let Some(before) = before {
            query.add("before", before.to_string());
        }
        match self.call(read(query.text).waiting()).await {
            Ok(answer) => HistoryPage::decode(understand(&answer)?),
            Err(error) if error.code() == Some("not_found") => Ok(HistoryPage::default()),
            Err(error) => Err(error),
        }
    }

    /// Asks once who leads. That nobody does, for now, is no failure.
    async fn find_leader(&self) -> Result<(), Error> {
        let once = self.with_options(Options { attempts_max: 1, ..self.options });
        match once.leader().await {
            Ok(_) | Err(Error::Unavailable { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Sends a put or delete, under a name if it may have one.
    pub(crate) async fn send_change(&self, call: Call) -> Result<Answer, Error> {
        let deadline = self.deadline();
        match self.options.exactly_once {
            ExactlyOnce::Session => self.change_in_session(call, deadline).await,
            ExactlyOnce::Key => {
                self.call_until(call.named(KEY_HEADER, random_key()), deadline).await
            }
            ExactlyOnce::No => self.call_until(call, deadline).await,
        }
    }

    /// A session may be gone when it is used after a long time. A write that was sent in it only
    /// just now was not done, so it is sent in a new one.
    async fn change_in_session(&self, call: Call, deadline: Instant) -> Result<Answer, Error> {
        let mut sessions = 0;
        loop {
            let number = Arc::new(self.number(deadline).await?);
            sessions += 1;
            match self.call_until(call.clone().numbered(&number), deadline).await {
                Err(error) if error.code() == Some("session_expired") => {
                    self.sessions.expired(&number.session);
                    if sessions == SESSIONS_MAX {
                        return Err(error);
                    }
                }
                result => return result,
            }
        }
    }

    /// A number in the session, which is opened if there is none; waits for its turn while too
    /// many writes are under way.
    async fn number(&self, deadline: Instant) -> Result<Number, Error> {
        loop {
            let moved = self.sessions.moved();
            match self.sessions.number() {
                Numbered::Number(number) => return Ok(number),
                Numbered::NoSession => self.open_session(deadline).await?,
                Numbered::Full => {
                    if timeout_at(deadline, moved).await.is_err() {
                        return Err(self.too_many_writes());
                    }
                }
            }
        }
    }

    async fn open_session(&self, deadline: Instant) -> Result<(), Error> {
        let _opening = self.sessions.opening.lock().await;
        // Another write may have opened it meanwhile.
        if self.sessions.is_open() {
            return Ok(());
        }
        // One that was opened without an answer does no harm, so this may be sent again.
        let open = write(Method::POST, "/session".to_owned(), None).harmless();
        let opened: EncodedSession = understand(&self.call_until(open, deadline).await?)?;
        self.sessions.opened(&opened.session);
        Ok(())
    }

    fn too_many_writes(&self) -> Error {
        let reason = "too many writes of this client were under way; use several clients, or fewer \
                      writes at once";
        let reasons = self.endpoints().into_iter().take(1);
        let reasons = reasons.map(|endpoint| (endpoint, reason.to_owned())).collect();
        Error::Unavailable { timeout: self.options.timeout, reasons }
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.options.timeout
    }

    pub(crate) async fn call(&self, call: Call) -> Result<Answer, Error> {
        self.call_until(call, self.deadline()).await
    }

    /// Sends a request until it is served, refused, unknown, or the deadline has come.
    async fn call_until(&self, call: Call, deadline: Instant) -> Result<Answer, Error> {
        let mut pace = Pace::new(self.directory.lock().candidates(call.effect));
        let mut reasons = Reasons::default();
        let mut doubt = Doubt::default();
        let mut attempts = 0;
        loop {
            let endpoint = pace.endpoint().clone();
            let attempt = self.attempt(&endpoint, &call, &pace, deadline).await;
            attempts += 1;
            let again = match judge(call.effect, attempt) {
                Verdict::Done(answer) => {
                    self.directory.lock().note_served(&endpoint);
                    return Ok(answer);
                }
                Verdict::Refused(error) => return Err(doubt.of(error)),
                Verdict::Unknown(reason) => {
                    self.directory.lock().note_failed(&endpoint);
                    return Err(Error::Unknown { reason: format!("{endpoint}: {reason}") });
                }
                Verdict::Again(again) => self.adapted(again),
            };
            self.note(&endpoint, &again, &mut reasons);
            if call.effect == Effect::Once && again.unproven {
                doubt.raise(&endpoint, &again.reason);
            }
            let pause = pace.advance(&again, fastrand::f64());
            let last = attempts >= self.options.attempts_max || !enough_time(pause, deadline);
            if !last {
                sleep(pause).await;
            }
            // A sleep may be longer than was asked for.
            if last || !enough_time(Duration::ZERO, deadline) {
                return Err(doubt.of(reasons.unavailable(self.options.timeout)));
            }
        }
    }

    async fn attempt(
        &self,
        endpoint: &Endpoint,
        call: &Call,
        pace: &Pace,
        deadline: Instant,
    ) -> Attempt {
        let remaining = deadline.saturating_duration_since(Instant::now());
        // What may be sent again gets only half of what is left from a silent member: there is
        // always time to ask another one. A nameless write gets one chance, so it gets all.
        let patience = match call.effect {
            Effect::Read | Effect::Once if pace.has_choice() => remaining / 2,
            Effect::Read | Effect::Once | Effect::Write => remaining,
        };
        let mut message = call.message.clone();
        if let Some(number) = &call.number {
            message.headers.push((SESSION_HEADER, number.header()));
        }
        if call.waits {
            message.path_and_query = with_timeout(&message.path_and_query, patience);
        }
        self.transport.send(endpoint, &message, patience).await
    }

    /// Who leads, by somebody who may have left out that it speaks TLS.
    fn adapted(&self, again: Again) -> Again {
        let directory = self.directory.lock();
        Again { leader: again.leader.map(|leader| directory.adapted(leader)), ..again }
    }

    /// Remembers why a member did not serve, and who it says leads.
    fn note(&self, endpoint: &Endpoint, again: &Again, reasons: &mut Reasons) {
        let mut directory = self.directory.lock();
        directory.note_failed(endpoint);
        if let Some(leader) = &again.leader {
            directory.learn_leader(leader.clone());
        }
        reasons.add(endpoint, &again.reason);
    }
}

/// Whether there is time for another attempt after this pause.
fn enough_time(pause: Duration, deadline: Instant) -> bool {
    Instant::now() + pause + ATTEMPT_MIN <= deadline
}

/// Refusals of the store itself, which knows every sending of a write with a name.
const OF_THE_STORE: [&str; 4] =
    ["condition_failed", "not_found", "lease_not_found", "lease_exists"];

/// Whether an earlier sending of a write may have done it. Then a later refusal, of a member that
/// knows nothing of that one, proves nothing any more.
#[derive(Default)]
struct Doubt(Option<String>);

impl Doubt {
    fn raise(&mut self, endpoint: &Endpoint, reason: &str) {
        self.0 = Some(format!("{endpoint}: {reason}"));
    }

    /// What a call comes to that ends with this error. That a condition failed, or that there was
    /// nothing to be changed, was answered by the store, which knows every sending.
    fn of(self, error: Error) -> Error {
        match self.0 {
            Some(doubt) if !error.code().is_some_and(|code| OF_THE_STORE.contains(&code)) => {
                Error::Unknown { reason: format!("{doubt}; sent again: {error}") }
            }
            _ => error,
        }
    }
}

/// The last thing that each member had to say.
#[derive(Debug, Default)]
pub(crate) struct Reasons(Vec<(Endpoint, String)>);

impl Reasons {
    pub(crate) fn add(&mut self, endpoint: &Endpoint, reason: &str) {
        match self.0.iter_mut().find(|(known, _)| known == endpoint) {
            Some((_, last)) => reason.clone_into(last),
            None => self.0.push((endpoint.clone(), reason.to_owned())),
        }
    }

    pub(crate) fn unavailable(self, timeout: Duration) -> Error {
        Error::Unavailable { timeout, reasons: self.0 }
    }
}

/// A path with a query that grows; every part is escaped here.
pub(crate) struct Query {
    pub(crate) text: String,
}

impl Query {
    pub(crate) fn new(path: String) -> Query {
        Query { text: path }
    }

    pub(crate) fn into_text(self) -> String {
        self.text
    }

    pub(crate) fn add(&mut self, name: &str, value: impl AsRef<[u8]>) {
        let separator = if self.text.contains('?') { '&' } else { '?' };
        self.text.push(separator);
        self.text.push_str(name);
        self.text.push('=');
        self.text.push_str(&escape::query(value.as_ref()));
    }
}

/// Tells the member how long to try. It gets a little less time than we wait ourselves: its answer
/// says more than our silence, so it must arrive first.
pub(crate) fn with_timeout(path_and_query: &str, patience: Duration) -> String {
    let margin = (patience / 10).min(Duration::from_millis(200));
    let timeout_ms = (patience - margin).as_millis().max(1);
    let mut query = Query::new(path_and_query.to_owned());
    query.add("timeout_ms", timeout_ms.to_string());
    query.text
}

fn key_path(key: &[u8]) -> Result<String, Error> {
    path("/kv/", key)
}

fn path(prefix: &str, key: &[u8]) -> Result<String, Error> {
    if key.is_empty() { Err(Error::EmptyKey) } else { Ok(format!("{prefix}{}", escape::path(key))) }
}

fn change_path(key: &[u8], options: WriteOptions) -> Result<String, Error> {
    let mut query = Query::new(key_path(key)?);
    if options.prev {
        query.add("prev", "true");
    }
    Ok(query.into_text())
}

/// A read that the member answers out of what it has.
pub(crate) fn read(path_and_query: String) -> Call {
    let (method, headers) = (Method::GET, Vec::new());
    let message = Message { method, path_and_query, headers, body: None };
    Call { effect: Effect::Read, message, waits: false, number: None }
}

pub(crate) fn write(
    method: Method,
    path_and_query: String,
    body: Option<(Bytes, &'static str)>,
) -> Call {
    let message = Message { method, path_and_query, headers: Vec::new(), body };
    Call { effect: Effect::Write, message, waits: true, number: None }
}

pub(crate) fn understand<T: DeserializeOwned>(answer: &Answer) -> Result<T, Error> {
    serde_json::from_slice(&answer.body)
        .map_err(|error| Error::Malformed { reason: error.to_string() })
}

/// A write that was answered with something strange has happened, as far as we can tell, or not.
pub(crate) fn understand_write<T: DeserializeOwned>(answer: &Answer) -> Result<T, Error> {
    understand(answer).map_err(|error| strange(&error))
}

/// What it means for a write that its answer is not understood.
pub(crate) fn strange(error: &Error) -> Error {
    Error::Unknown { reason: error.to_string() }
}
