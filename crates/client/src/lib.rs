//! The async client of a raftkv cluster, over its HTTP door.
//!
//! ```no_run
//! # async fn example() -> Result<(), client::Error> {
//! let endpoints = client::Endpoint::parse_list("localhost:8001,localhost:8002")?;
//! let client = client::Client::connect(endpoints, client::Options::default()).await?;
//! client.put("db.host", "postgres.internal").await?;
//! if let Some(found) = client.get("db.host").await? {
//!     println!("{:?} since revision {}", found.value, found.mod_revision);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What a call comes to
//!
//! A write has three outcomes, and no fourth (docs/guarantees.md, clause 4):
//!
//! | outcome | how it shows | what the client did about it |
//! |---|---|---|
//! | done | `Ok` | nothing |
//! | definitely not done | any error but [`Error::Unknown`] | sent it again, if that could help |
//! | unknown | [`Error::Unknown`] | sent it again under the same name until the deadline |
//!
//! What proves "not done": no connection came about, so nothing was sent; or a member answered
//! with one of its own refusal codes. Everything else that is not an answer (a connection that
//! broke after the request left, silence until the deadline, a status of some proxy in between)
//! proves nothing. Reads have no effect, so they are sent again in all of these cases. The whole
//! decision is one pure function, in `verdict.rs`.
//!
//! # Exactly once
//!
//! Puts and deletes are sent again too, because they carry a name: a number in this client's
//! session, or a random key ([`ExactlyOnce`]). The store does a name once and answers it always the
//! same. So [`Error::Unknown`] is left only where no answer came until the deadline, or where the
//! session ended meanwhile (after ten minutes without use). With [`ExactlyOnce::No`] nothing that
//! is unknown is sent again.
//!
//! # How a member is chosen
//!
//! Any member serves any request; a follower hands writes on to the leader. Writes go to the leader
//! where it is known, which saves that hop; reads go to the member that answered last. Whoever
//! does not serve is passed over at once; when all known members were tried in vain the client
//! pauses, at random and longer each time (`pace.rs`).
//!
//! # Watching
//!
//! A [`Watch`] outlives the member it comes from: the client goes on at another one, after the last
//! revision that it told, so each change comes once and in order.
//!
//! # Events
//!
//! [`Events`] tell what happens inside of the cluster, for eyes: [`Client::events`].
//!
//! # Locks and elections
//!
//! [`Client::lock`] and [`Client::election`] are fair queues of keys with leases, which are kept
//! alive in the background. Their tokens, which only grow, are what makes them safe.
//!
//! # Users
//!
//! With [`Client::with_credentials`] a client shows who it is with every request, whichever member
//! it goes to. What is refused for that is [`Error::Unauthenticated`] or
//! [`Error::PermissionDenied`], and not sent again.
//!
//! # TLS
//!
//! Endpoints that begin with `https://` are reached with TLS 1.2 or 1.3 only, and so are all the
//! members that they tell of. Without more, a member's certificate has to be signed by a CA that
//! this machine trusts, and be for the name that it is called by; [`Client::with_tls`] names other
//! CAs, and a certificate for the client to show.
//!
//! ```no_run
//! use client::{Client, Endpoint, Options, Tls};
//!
//! # fn main() -> Result<(), client::Error> {
//! let endpoints = Endpoint::parse_list("https://kv1.example:8001,https://kv2.example:8001")?;
//! let tls = Tls {
//!     ca_file: Some("ca.crt".into()),
//!     pair: Some(("app.crt".into(), "app.key".into())),
//!     ..Tls::default()
//! };
//! let client = Client::new(endpoints, Options::default()).with_tls(&tls)?;
//! # drop(client);
//! # Ok(())
//! # }
//! ```
//!
//! # What this does not do
//!
//! It does not close its session, which ends by itself. No caching.

mod auth;
mod backup;
mod client;
mod credentials;
mod directory;
mod election;
mod endpoint;
mod error;
mod escape;
mod events;
mod history;
mod lease;
mod listing;
mod lock;
mod membership;
mod options;
mod pace;
mod record;
mod session;
mod source;
mod sse;
mod tls;
mod transport;
mod txn;
mod types;
mod verdict;
mod watch;

pub use auth::{Access, AuthChanged, AuthStatus, Permission, Role, User};
pub use backup::Backup;
pub use client::Client;
pub use credentials::Credentials;
pub use election::{Election, Leadership, Observer};
pub use endpoint::Endpoint;
pub use error::Error;
pub use events::{
    ClusterState, ElectionWait, Envelope, Event, Events, Happened, Heard, Hello, KeyChange,
    LogState, MemberState, MessageSent, Rates,
};
pub use history::{History, HistoryOptions, HistoryPage, PastVersion};
pub use lease::{Granted, LeaseId, LeaseItem, LeaseStanding, Revoked};
pub use listing::{ListOptions, Listing, Page};
pub use lock::{Lock, LockError, LockOptions};
pub use membership::{Changed, Cluster, ClusterMember, Drained};
pub use options::{
    Condition, Consistency, ExactlyOnce, GetOptions, Lifetime, Moment, Options, WriteOptions,
};
pub use record::{FieldListing, FieldValue, FieldWritten, FieldsOptions, FieldsPage};
pub use tls::Tls;
pub use txn::{
    Compare, DeleteOperation, GetOperation, Operand, Operation, Order, PutOperation, Relation,
    RevisionBounds, SortBy, Txn, TxnDone, TxnResult,
};
pub use types::{
    Compacted, Deleted, KeyValue, Leader, LogPointers, Member, MemberView, Part, Revision,
    Settings, SettingsChange, Staleness, Status, Written,
};
pub use watch::{Change, Changes, Keys, Update, Watch, WatchOptions};
