//! Wire types, generated from the .proto files at build time. They are shapes only: what their
//! fields may hold is checked where they arrive.

/// One module for each package, with what the build made of it.
macro_rules! packages {
    ($($(#[$attribute:meta])* $name:ident: $($file:literal)+,)+) => {$(
        $(#[$attribute])*
        #[allow(missing_docs, clippy::all, clippy::pedantic, reason = "it is generated")]
        pub mod $name {
            $(include!(concat!(env!("OUT_DIR"), "/", $file));)+
        }
    )+};
}

/// A call that clients may make by gRPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Call {
    /// The full name of its service.
    pub service: &'static str,
    /// Its own name.
    pub method: &'static str,
    /// The client may send more than one message.
    pub asks_on: bool,
    /// So may the member.
    pub answers_on: bool,
}

/// Every call of the .proto files.
pub const CALLS: &[Call] = include!(concat!(env!("OUT_DIR"), "/calls.rs"));

packages! {
    /// What members say to each other: see docs/format/peer.md.
    peer: "raftkv.peer.v1.rs",
    /// Three calls for those who want no more of the store.
    raftkv: "raftkv.v1.rs",
}

/// etcd's v3 API. The shapes are etcd's; docs/etcd.md says what stands behind them here.
///
/// Every message is read from and written to the JSON of etcd's gateway by serde: names as in the
/// .proto files, 64-bit numbers as strings, bytes as base64, nothing that is unset.
pub mod etcd {
    packages! {
        /// Users, roles and what they may do.
        authpb: "authpb.rs" "authpb.serde.rs",
        /// The store, its members and its users.
        etcdserverpb: "etcdserverpb.rs" "etcdserverpb.serde.rs",
        /// Keys and events.
        mvccpb: "mvccpb.rs" "mvccpb.serde.rs",
        /// Elections of clients among themselves.
        v3electionpb: "v3electionpb.rs" "v3electionpb.serde.rs",
        /// Locks.
        v3lockpb: "v3lockpb.rs" "v3lockpb.serde.rs",
    }
}
