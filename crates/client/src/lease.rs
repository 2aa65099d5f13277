//! Leases: what keys live as long as (docs/http.md).

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::client::{JSON, Query, read, understand, understand_write, write};
use crate::options::Consistency;
use crate::types::{Revision, decode_bytes};
use crate::{Client, Error};

/// The name of a lease; never 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LeaseId(pub i64);

impl fmt::Display for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A lease that was granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Granted {
    /// Its name.
    pub lease: LeaseId,
    /// For how long it lives if nobody keeps it alive: a very short time is raised.
    pub ttl: Duration,
}

/// A lease that was revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Revoked {
    /// How many keys went with it.
    pub deleted: u64,
    /// The revision of that.
    pub revision: Revision,
}

/// A lease that is alive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseStanding {
    /// For how long it was granted.
    pub ttl: Duration,
    /// How much of that is left.
    pub left: Duration,
    /// Its keys, if they were asked for: the first thousand.
    pub keys: Vec<Bytes>,
    /// How many there are; 0 if they were not asked for.
    pub key_count: u64,
}

/// A lease in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseItem {
    /// Its name.
    pub lease: LeaseId,
    /// For how long it was granted.
    pub ttl: Duration,
    /// How many keys are attached to it.
    pub keys: u64,
}

impl Client {
    /// Grants a lease, of this name or of one that the store chooses. Of `ttl` the whole seconds
    /// count, at least one.
    ///
    /// # Errors
    /// The refusal `lease_exists` if the name is taken; [`Error::Unknown`] if it may have been
    /// granted all the same.
    pub async fn grant(&self, ttl: Duration, lease: Option<LeaseId>) -> Result<Granted, Error> {
        let mut body = json!({ "ttl": ttl.as_secs() });
        if let Some(lease) = lease {
            body["id"] = lease.0.into();
        }
        let body = Some((Bytes::from(body.to_string()), JSON));
        let grant = write(Method::POST, LEASES.to_owned(), body);
        let granted: EncodedGranted = understand_write(&self.send_change(grant).await?)?;
        Ok(Granted { lease: granted.lease, ttl: Duration::from_secs(granted.ttl) })
    }

    /// Revokes a lease: all keys that are attached to it go with it, in one revision.
    ///
    /// # Errors
    /// The refusal `lease_not_found` if it is not there; [`Error::Unknown`] if it may have been
    /// revoked all the same.
    pub async fn revoke(&self, lease: LeaseId) -> Result<Revoked, Error> {
        let revoke = write(Method::DELETE, path_of(lease, ""), None);
        understand_write(&self.send_change(revoke).await?)
    }

    /// Gives a lease its full time to live again, or `None` if it is not there (any more). Its time
    /// counts from the arrival at the leader, so a caller counts from before the call.
    pub async fn keep_alive(&self, lease: LeaseId) -> Result<Option<LeaseStanding>, Error> {
        // Done twice it does no harm.
        let call = write(Method::POST, path_of(lease, "/keepalive"), None).harmless();
        found(self.call(call).await)
    }

    /// How long a lease has left, or `None` if it is not there (any more). With `keys` also which
    /// keys are attached to it.
    pub async fn time_to_live(
        &self,
        lease: LeaseId,
        keys: bool,
    ) -> Result<Option<LeaseStanding>, Error> {
        let mut query = Query::new(path_of(lease, ""));
        if keys {
            query.add("keys", "true");
        }
        found(self.call(read(query.into_text()).waiting()).await)
    }

    /// The leases after this one, all after `None`, by name: a page of them. The next page comes
    /// after the last of this one; an empty one ends them.
    pub async fn leases(
        &self,
        after: Option<LeaseId>,
        consistency: Consistency,
    ) -> Result<Vec<LeaseItem>, Error> {
        let mut query = Query::new(LEASES.to_owned());
        if let Some(after) = after {
            query.add("after", after.to_string());
        }
        query.add("limit", crate::listing::PAGE_KEYS_MAX.to_string());
        consistency.describe(&mut query);
        let answer = self.call(read(query.into_text()).waiting()).await?;
        let page: EncodedPage = understand(&answer)?;
        let item = |item: EncodedItem| LeaseItem {
            lease: item.lease,
            ttl: Duration::from_secs(item.ttl),
            keys: item.keys,
        };
        Ok(page.leases.into_iter().map(item).collect())
    }
}

const LEASES: &str = "/leases";

fn path_of(lease: LeaseId, rest: &str) -> String {
    format!("{LEASES}/{lease}{rest}")
}

/// An answer about one lease; that it is not there is an answer too.
fn found(answer: Result<crate::verdict::Answer, Error>) -> Result<Option<LeaseStanding>, Error> {
    match answer {
        Ok(answer) => understand::<EncodedStanding>(&answer)?.decode().map(Some),
        Err(error) if error.code() == Some("lease_not_found") => Ok(None),
        Err(error) => Err(error),
    }
}

#[derive(Deserialize)]
struct EncodedGranted {
    lease: LeaseId,
    ttl: u64,
}

#[derive(Deserialize)]
struct EncodedStanding {
    ttl: u64,
    ttl_ms: u64,
    #[serde(default)]
    count: u64,
    #[serde(default)]
    keys: Vec<EncodedKey>,
}

#[derive(Deserialize)]
struct EncodedKey {
    key: Option<String>,
    key_base64: Option<String>,
}

impl EncodedStanding {
    fn decode(self) -> Result<LeaseStanding, Error> {
        let keys = self.keys.into_iter().map(|key| decode_bytes(key.key, key.key_base64));
        Ok(LeaseStanding {
            ttl: Duration::from_secs(self.ttl),
            left: Duration::from_millis(self.ttl_ms),
            keys: keys.collect::<Result<_, Error>>()?,
            key_count: self.count,
        })
    }
}

#[derive(Deserialize)]
struct EncodedPage {
    leases: Vec<EncodedItem>,
}

#[derive(Deserialize)]
struct EncodedItem {
    lease: LeaseId,
    ttl: u64,
    keys: u64,
}
