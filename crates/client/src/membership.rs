//! Who is in the cluster, and how that is changed.

use bytes::Bytes;
use hyper::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::client::{JSON, understand, understand_write, write};
use crate::{Client, Error, escape};

/// The members of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    /// In hex.
    pub cluster_id: String,
    /// A change of the voters is under way.
    #[serde(default)]
    pub joint: bool,
    /// What the members may use of what their programs know.
    #[serde(default = "first_level")]
    pub feature_level: u32,
    /// All of them, by id.
    pub members: Vec<ClusterMember>,
}

/// Members that do not say have that one.
fn first_level() -> u32 {
    1
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterMember {
    /// In hex.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// `host:port`, where the other members reach it.
    pub address: String,
    /// Where it tells clients to come, if not to `address`.
    #[serde(default)]
    pub client_urls: Vec<String>,
    /// `voter`, `learner`, or while a change is under way `joining` or `leaving`.
    pub standing: String,
    /// Of its data directory, in hex; none of a place that is only reserved.
    pub incarnation: Option<String>,
    /// It is about to be restarted, and no other may be meanwhile.
    #[serde(default)]
    pub draining: bool,
}

/// A cluster after a change, and the member that was meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// The members as they are now.
    #[serde(flatten)]
    pub cluster: Cluster,
    /// The id of the member that was added, promoted or moved, or that took another's place.
    pub member: Option<String>,
}

/// A cluster of which one member is about to be restarted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drained {
    /// The members as they are now.
    #[serde(flatten)]
    pub cluster: Cluster,
    /// The id of the one that is meant.
    pub member: String,
    /// Its process may end now; otherwise it still leads, and is handing over: ask again.
    pub safe_to_stop: bool,
    /// Writes go on without it: the others are a majority.
    pub writes_go_on: bool,
}

/// Members are named by id (in hex) or by name. Every change is answered once it is committed to
/// its end.
///
/// # Errors
/// [`Error::Refused`] with one of the codes in docs/http.md if it can not be made; as a write
/// otherwise.
impl Client {
    /// The members, and what each counts for.
    pub async fn cluster(&self) -> Result<Cluster, Error> {
        understand(&self.call(crate::client::read(MEMBERS.to_owned())).await?)
    }

    /// Reserves a place for a member that will join at `address`.
    pub async fn add_member(&self, address: &str, name: Option<&str>) -> Result<Changed, Error> {
        let mut body = json!({ "address": address });
        if let Some(name) = name {
            body["name"] = name.into();
        }
        self.change(Method::POST, MEMBERS.to_owned(), Some(body)).await
    }

    /// Makes a learner that has caught up a voter.
    pub async fn promote_member(&self, member: &str) -> Result<Changed, Error> {
        self.change(Method::POST, path_of(member, "/promote"), None).await
    }

    /// Removes a member, for good.
    pub async fn remove_member(&self, member: &str) -> Result<Changed, Error> {
        self.change(Method::DELETE, path_of(member, ""), None).await
    }

    /// Removes the voter `old` and makes the learner `new` a voter, in one step.
    pub async fn replace_member(&self, old: &str, new: &str) -> Result<Changed, Error> {
        let body = json!({ "with": new });
        self.change(Method::POST, path_of(old, "/replace"), Some(body)).await
    }

    /// From now on `member` is reached at `address`.
    pub async fn move_member(&self, member: &str, address: &str) -> Result<Changed, Error> {
        let body = json!({ "address": address });
        self.change(Method::PATCH, path_of(member, ""), Some(body)).await
    }

    /// Prepares `member` for a restart: it leads no more, and no other member is drained before it
    /// is back. Refused while another voter is down, behind, or drained itself. To ask again is to
    /// ask whether that still stands.
    pub async fn drain_member(&self, member: &str) -> Result<Drained, Error> {
        let asked = write(Method::POST, path_of(member, "/drain"), None);
        understand_write(&self.call(asked).await?)
    }

    /// `member` is not restarted after all.
    pub async fn undo_drain(&self, member: &str) -> Result<Changed, Error> {
        self.change(Method::DELETE, path_of(member, "/drain"), None).await
    }

    /// Raises the cluster's feature level as far as all members know. It never goes back, and
    /// neither do the members to versions that do not know it.
    pub async fn raise_level(&self) -> Result<Changed, Error> {
        self.change(Method::POST, LEVEL.to_owned(), None).await
    }

    async fn change(
        &self,
        method: Method,
        path: String,
        body: Option<Value>,
    ) -> Result<Changed, Error> {
        let body = body.map(|body| (Bytes::from(body.to_string()), JSON));
        understand_write(&self.call(write(method, path, body)).await?)
    }
}

const MEMBERS: &str = "/cluster/members";
const LEVEL: &str = "/cluster/level";

/// A name could hold anything, so it is escaped; slashes too.
fn path_of(member: &str, rest: &str) -> String {
    format!("{MEMBERS}/{}{rest}", escape::query(member.as_bytes()))
}
