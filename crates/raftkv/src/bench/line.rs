//! Connections to a server that has etcd's v3 API.

use std::future::Future;
use std::time::Duration;

use proto::etcd::etcdserverpb::auth_client::AuthClient;
use proto::etcd::etcdserverpb::kv_client::KvClient;
use proto::etcd::etcdserverpb::watch_client::WatchClient;
use proto::etcd::etcdserverpb::{AuthenticateRequest, DeleteRangeRequest, RangeRequest};
use tokio::task::JoinSet;
use tonic::metadata::AsciiMetadataValue;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status};

use super::keys::Keys;
use super::plan::Plan;
use super::tally::Failed;
use crate::failure::Failure;
use crate::password::name_and_password;

/// How much may be under way to us on a stream and on a connection, in bytes: a range of many keys
/// must not wait for our leave to go on.
const STREAM_WINDOW_BYTES: u32 = 4 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;

/// A larger answer is none that anybody asked for.
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// One connection, and who is on it.
#[derive(Debug, Clone)]
pub(super) struct Line {
    kv: KvClient<Channel>,
    watch: WatchClient<Channel>,
    token: Option<AsciiMetadataValue>,
    timeout: Duration,
}

impl Line {
    fn new(channel: Channel, timeout: Duration) -> Line {
        let kv = KvClient::new(channel.clone()).max_decoding_message_size(ANSWER_BYTES_MAX);
        let watch = WatchClient::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX);
        Line { kv, watch, token: None, timeout }
    }

    pub(super) fn kv(&mut self) -> &mut KvClient<Channel> {
        &mut self.kv
    }

    pub(super) fn watch(&mut self) -> &mut WatchClient<Channel> {
        &mut self.watch
    }

    /// A message with the token of whoever is on the line.
    pub(super) fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(token) = &self.token {
            request.metadata_mut().insert("token", token.clone());
        }
        request
    }

    /// The answer, if it comes in time and is a good one.
    pub(super) async fn within<T>(
        timeout: Duration,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, Failed> {
        match tokio::time::timeout(timeout, call).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(failed(&status)),
            Err(_) => Err(Failed {
                kind: "timeout".to_owned(),
                message: format!("no answer in {timeout:?}"),
            }),
        }
    }

    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// How many of the keys are there.
    pub(super) async fn count(&self, keys: &Keys) -> Result<u64, Failure> {
        let (key, range_end) = keys.range();
        let range = RangeRequest { key, range_end, count_only: true, ..RangeRequest::default() };
        let (mut kv, request) = (self.kv.clone(), self.request(range));
        let answer = Line::within(self.timeout, kv.range(request)).await.map_err(unavailable)?;
        Ok(answer.count.unsigned_abs())
    }

    /// Removes all keys under the prefix.
    pub(super) async fn remove(&self, keys: &Keys) -> Result<(), Failure> {
        let (key, range_end) = keys.range();
        let all = DeleteRangeRequest { key, range_end, prev_kv: false };
        let (mut kv, request) = (self.kv.clone(), self.request(all));
        Line::within(self.timeout, kv.delete_range(request)).await.map_err(unavailable)?;
        Ok(())
    }
}

fn unavailable(failed: Failed) -> Failure {
    Failure::Unavailable(failed.message)
}

/// `DeadlineExceeded` is `deadline_exceeded`.
fn failed(status: &Status) -> Failed {
    let mut kind = String::new();
    for letter in format!("{:?}", status.code()).chars() {
        if letter.is_uppercase() && !kind.is_empty() {
            kind.push('_');
        }
        kind.extend(letter.to_lowercase());
    }
    Failed { message: format!("{kind}: {}", status.message()), kind }
}

/// Connections, going around the endpoints that answer.
#[derive(Debug)]
pub(super) struct Lines(Vec<Line>);

impl Lines {
    /// # Errors
    /// Unavailable if no endpoint takes a connection. One that takes none while others do is named
    /// on standard error, and left out.
    pub(super) async fn connect(plan: &Plan) -> Result<Lines, Failure> {
        let who = name_and_password(plan.connect.as_user.as_ref())?;
        let mut reached = Vec::new();
        let mut reasons = Vec::new();
        for endpoint in plan.connect.endpoints() {
            if endpoint.is_tls() {
                let message = format!("{endpoint}: bench speaks no TLS: measure a plain port");
                return Err(Failure::Usage(message));
            }
            let target = target(&endpoint.to_string(), plan.timeout());
            match target.connect().await {
                Ok(channel) => reached.push((target, channel)),
                Err(error) => reasons.push(format!("{endpoint}: {}", in_full(&error))),
            }
        }
        let Some((_, first)) = reached.first() else {
            return Err(Failure::Unavailable(format!("nobody answers: {}", reasons.join("; "))));
        };
        reasons.iter().for_each(|reason| complain!("raftkv: left out {reason}"));
        let token = match who {
            Some((name, password)) => {
                Some(log_in(first.clone(), name, password, plan.timeout()).await?)
            }
            None => None,
        };
        let channels = channels(reached, plan.connections).await?;
        let line = |channel| Line { token: token.clone(), ..Line::new(channel, plan.timeout()) };
        Ok(Lines(channels.into_iter().map(line).collect()))
    }

    pub(super) fn first(&self) -> &Line {
        &self.0[0]
    }

    /// That of one client, or of one watcher: they go around.
    pub(super) fn of(&self, client: usize) -> Line {
        self.0[client % self.0.len()].clone()
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }
}

fn target(url: &str, timeout: Duration) -> Endpoint {
    let endpoint = Endpoint::from_shared(url.to_owned()).expect("an endpoint of ours is a URL");
    endpoint
        .connect_timeout(timeout)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
}

/// So many connections, of which the first of each target is there.
async fn channels(
    reached: Vec<(Endpoint, Channel)>,
    count: usize,
) -> Result<Vec<Channel>, Failure> {
    let (targets, mut channels): (Vec<Endpoint>, Vec<Channel>) = reached.into_iter().unzip();
    channels.truncate(count);
    let mut under_way = JoinSet::new();
    for number in channels.len()..count {
        let target = targets[number % targets.len()].clone();
        under_way.spawn(async move { target.connect().await });
    }
    while let Some(connected) = under_way.join_next().await {
        let connected = connected.expect("connecting neither panics nor is cancelled");
        channels.push(connected.map_err(|error| Failure::Unavailable(in_full(&error)))?);
    }
    Ok(channels)
}

async fn log_in(
    channel: Channel,
    name: String,
    password: String,
    timeout: Duration,
) -> Result<AsciiMetadataValue, Failure> {
    let mut auth = AuthClient::new(channel);
    let call = auth.authenticate(AuthenticateRequest { name, password });
    let answer = Line::within(timeout, call).await;
    let answer = answer.map_err(|failed| Failure::Usage(failed.message))?;
    let token = AsciiMetadataValue::try_from(answer.token);
    token.map_err(|_| Failure::Unavailable("the token is none that can be sent".to_owned()))
}

/// An error of a connection, with its reasons.
fn in_full(error: &tonic::transport::Error) -> String {
    let mut said = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(reason) = source {
        said = format!("{said}: {reason}");
        source = reason.source();
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_called_as_grpc_calls_them() {
        let status = Status::deadline_exceeded("too late");
        let expected = Failed {
            kind: "deadline_exceeded".to_owned(),
            message: "deadline_exceeded: too late".to_owned(),
        };
        assert_eq!(failed(&status), expected);
        assert_eq!(failed(&Status::unavailable("")).kind, "unavailable");
    }
}
