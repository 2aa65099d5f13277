//! TLS, for clients and between members (docs/security.md).
//!
//! ```text
//!  socket ─▶ Entrance ──plain──────────────────────────────────▶ Stream::Plain ─▶ HTTP
//!               └─ ClientHello ─┬─ "raftkv-peer/1" ─▶ peers' config ─▶ Stream::Tls, Arrival
//!                               └─ anything else ───▶ clients' config ▶ Stream::Tls, Arrival
//!  ask, streams, events ─▶ Way::connect ─▶ Stream (plain, or TLS with this member's certificate)
//! ```
//!
//! One port serves everybody, unless members have one of their own (`listen_peer`), and who comes
//! is told apart before a certificate is shown: members dial with a protocol name of their own
//! (ALPN). Whoever says it meets the peers' configuration: the peers' certificate, and no entry
//! without one that the peers' CA signed. So the two CAs stay apart, and a client's certificate
//! never opens a peer's door. Only a connection that came in so may use what lies under `/raft/`,
//! and it may use nothing else but `/cluster/`: `crate::http` sees to that. Whom a client's
//! certificate names, where the clients' CA signed it, goes with every request of the connection
//! (`crate::access`).
//!
//! - `files`, `facts`: what lies in the files, and what can be said about it.
//! - `identity`: one reading of all files, as configurations of rustls.
//! - `trust`: which certificates make a peer.
//! - `keeper`: the identity in use; looks at the files again and again, and keeps what it has
//!   when what it finds is broken.
//! - `own_made`: the certificate of `--auto-tls`. `issue`: how certificates are made.
//! - `entrance`, `way`: in and out. `stream`: what both make.
//!
//! TLS 1.2 and 1.3 only, with rustls' choice of suites; no renegotiation, no early data. Peers'
//! sessions are not resumed, nor those of clients who show certificates: what is not valid any more
//! does not get in again.
//!
//! What this does not do: look at lists of revoked certificates (give out short-lived ones), or
//! end connections that are up when a certificate expires or changes.

mod entrance;
mod facts;
mod files;
mod identity;
mod issue;
mod keeper;
mod own_made;
mod stream;
#[cfg(test)]
mod tests;
mod trust;
mod way;

pub(crate) use entrance::{Arrival, Entered, Entrance, NoEntry, Takes};
pub use files::TlsError;
pub use issue::{Authority, Made, Wanted, is_host};
pub(crate) use keeper::Keeper;
pub use keeper::check;
pub(crate) use own_made::make_unless_good;
pub(crate) use stream::Stream;
pub(crate) use way::Way;

/// What a member says that it speaks when it dials another (ALPN).
const PEER_PROTOCOL: &[u8] = b"raftkv-peer/1";

/// What clients may speak, the best first.
const CLIENT_PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];
