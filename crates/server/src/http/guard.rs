//! Who may come in through a browser (rule 15.1).
//!
//! A browser sends requests on behalf of any page its user visits, so two things are checked
//! before anything else happens:
//!
//! - **Origin.** If the request names one, it is the member's own (`http://` or, behind TLS,
//!   `https://`, and what `Host` says), one of `--allow-origin`, or that of another member of the
//!   cluster (docs/decisions/010-a-members-page-speaks-to-the-others.md). Form posts and WebSockets
//!   need no preflight, so this can not be left to CORS.
//! - **Host.** A member that listens on loopback is reached by a loopback name or the name it
//!   advertises. Any other name is a page that had its own name resolve to 127.0.0.1.
//!
//! Programs that are no browsers send no `Origin`, and are not concerned.

use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, HOST, HeaderValue, ORIGIN, VARY,
};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};

use super::error::{Code, Refusal};
use super::reply;
use super::serve::PEER_PATHS;
use crate::config::{Config, Origin, is_loopback_host};
use crate::node::Node;
use crate::tls::Arrival;

/// What a page of an allowed origin may send besides plain requests, and for how long its browser
/// remembers that, in s.
const ALLOWED_METHODS: HeaderValue =
    HeaderValue::from_static("GET, HEAD, PUT, POST, PATCH, DELETE");
const ALLOWED_HEADERS: HeaderValue = HeaderValue::from_static(
    "authorization, content-type, raftkv-forward, raftkv-session, idempotency-key, if-match, \
     if-none-match, last-event-id",
);
const PREFLIGHT_AGE_S: HeaderValue = HeaderValue::from_static("600");

/// The paths about the cluster, which members ask each other for, too.
const CLUSTER_PATHS: &str = "/cluster/";

/// The rules of one member.
pub(super) struct Guard {
    /// The hosts that the member advertises; `None` if any `Host` will do.
    own_hosts: Option<Vec<String>>,
    allowed: Vec<Origin>,
    /// Knows the members, by the configuration in force; `None` at a port that is no member's.
    node: Option<Node>,
}

/// For ports of this program on loopback that are no member's: the answer to a request that must
/// not be let in, 403 `forbidden_host` or `forbidden_origin`; none if it may. It must name a
/// loopback host and, if a browser sends it, come from a page of that very port.
pub fn refuse_foreign_pages(uri: &Uri, headers: &HeaderMap) -> Option<Response> {
    let guard = Guard { own_hosts: Some(Vec::new()), allowed: Vec::new(), node: None };
    guard.admit(uri, headers, Arrival::default(), false).err().map(Refusal::into_response)
}

/// What a request that was let in gets on its answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Admitted {
    /// It comes from no page, or from one of our own.
    Plain,
    /// It comes from a page of an allowed origin, which may read the answer.
    CrossOrigin(HeaderValue),
}

impl Guard {
    /// The rules that follow from a configuration, and from who is in the cluster at the time.
    pub(super) fn new(config: &Config, node: Node) -> Guard {
        let own_hosts = config.listens_on_loopback().then(|| config.own_hosts());
        Guard { own_hosts, allowed: config.allow_origin.clone(), node: Some(node) }
    }

    /// Lets a request in, or refuses it; of one to probes alone any host will do.
    pub(super) fn admit(
        &self,
        uri: &Uri,
        headers: &HeaderMap,
        arrival: Arrival,
        any_host: bool,
    ) -> Result<Admitted, Refusal> {
        own_way(uri.path(), arrival)?;
        let hosts = || headers.get_all(HOST).iter().map(HeaderValue::as_bytes);
        if let Some(own_hosts) = self.own_hosts.as_ref().filter(|_| !any_host) {
            let targets = uri.authority().map(|authority| authority.as_str().as_bytes());
            if !hosts().chain(targets).all(|host| is_own(host, own_hosts)) {
                return Err(forbidden_host(own_hosts));
            }
        }
        let Some(header) = headers.get(ORIGIN) else { return Ok(Admitted::Plain) };
        let origin = header.to_str().ok().and_then(Origin::parse);
        let origin = origin.ok_or_else(|| forbidden_origin(header))?;
        let host = uri.authority().map(|target| target.as_str().as_bytes()).or(hosts().next());
        if host.and_then(|host| own_origin(host, arrival)).is_some_and(|own| own == origin) {
            return Ok(Admitted::Plain);
        }
        match self.allowed.contains(&origin) || self.is_of_member(&origin) {
            true => Ok(Admitted::CrossOrigin(header.clone())),
            false => Err(forbidden_origin(header)),
        }
    }

    /// Whether a member of the cluster, as it is now, serves pages of this origin.
    fn is_of_member(&self, origin: &Origin) -> bool {
        let Some(node) = &self.node else { return false };
        let status = node.status();
        let members = status.configuration.iter().flat_map(|cluster| cluster.members.values());
        members.filter(|member| member.is_claimed()).any(|member| {
            let address = format!("{}{}", status.about.way.scheme(), member.address);
            member.client_urls.iter().chain([&address]).any(|url| origin.is_of(url))
        })
    }
}

impl Admitted {
    /// Answers a browser that asks whether a page of an allowed origin may send what it wants to.
    pub(super) fn preflight(&self, method: &Method, headers: &HeaderMap) -> Option<Response> {
        let asks = method == Method::OPTIONS && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        if !asks || *self == Admitted::Plain {
            return None;
        }
        let mut response = reply::text(StatusCode::NO_CONTENT, "");
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, ALLOWED_METHODS);
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_HEADERS);
        headers.insert(ACCESS_CONTROL_MAX_AGE, PREFLIGHT_AGE_S);
        Some(response)
    }

    /// Tells the browser that the page may read the answer.
    pub(super) fn mark<B>(self, response: &mut Response<B>) {
        if let Admitted::CrossOrigin(origin) = self {
            response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            response.headers_mut().insert(VARY, HeaderValue::from_static("Origin"));
        }
    }
}

/// Whether `Host` names this machine's loopback, or the member as it advertises itself.
fn is_own(host: &[u8], own_hosts: &[String]) -> bool {
    let Ok(authority) = Authority::try_from(host) else { return false };
    let host = authority.host();
    is_loopback_host(host) || own_hosts.iter().any(|own| own.eq_ignore_ascii_case(host))
}

/// The origin of pages that the member itself serves under this `Host`.
fn own_origin(host: &[u8], arrival: Arrival) -> Option<Origin> {
    Origin::parse(&format!("{}{}", arrival.scheme(), str::from_utf8(host).ok()?))
}

/// Members among themselves come on connections of their own, where that can be told; what they
/// ask for besides is the cluster's business, never a key.
fn own_way(path: &str, arrival: Arrival) -> Result<(), Refusal> {
    let is_peers = path.starts_with(PEER_PATHS);
    if is_peers && !arrival.peer {
        let message = "members only: it takes a certificate that the members' CA has signed, and \
                       their own port if they have one";
        return Err(Refusal::new(Code::PeersOnly, message));
    }
    if !is_peers && !arrival.client && !path.starts_with(CLUSTER_PATHS) {
        let message = "clients do not come here: this way is for members among themselves";
        return Err(Refusal::new(Code::PeersOnly, message));
    }
    Ok(())
}

fn forbidden_host(own_hosts: &[String]) -> Refusal {
    let own_host = own_hosts.first().map(|host| format!(" or {host}")).unwrap_or_default();
    let message = format!(
        "this port listens on loopback only, and is reached as localhost{own_host}, by no other \
         name"
    );
    Refusal::new(Code::ForbiddenHost, message)
}

fn forbidden_origin(origin: &HeaderValue) -> Refusal {
    let origin = String::from_utf8_lossy(origin.as_bytes()).into_owned();
    let message = "pages of this origin may not use this port; a member is started with \
                   --allow-origin if they should";
    Refusal::new(Code::ForbiddenOrigin, message).with("origin", origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The ways in, of `crate::tls`, and what each opens.
    #[test]
    fn each_way_in_leads_to_its_own_doors() {
        let everybody = Arrival::default();
        let client = Arrival { tls: true, peer: false, client: true };
        let peer = Arrival { tls: true, peer: true, client: false };
        let nobody = Arrival::NOBODY;
        for (path, open_to) in [
            ("/raft/append", [everybody, peer].as_slice()),
            ("/raft/hello", &[everybody, peer]),
            ("/raft/events", &[everybody, peer]),
            ("/raft/vote", &[everybody, peer]),
            ("/cluster/members", &[everybody, client, peer]),
            ("/kv/a", &[everybody, client]),
            ("/metrics", &[everybody, client]),
            ("/etcdserverpb.KV/Range", &[everybody, client]),
            ("/raft", &[everybody, client]),
        ] {
            for arrival in [everybody, client, peer] {
                let open = own_way(path, arrival).is_ok();
                assert_eq!(open, open_to.contains(&arrival), "{path} {arrival:?}");
            }
        }
        assert!(own_way("/kv/a", nobody).is_err() && own_way("/raft/hello", nobody).is_err());
    }
}
