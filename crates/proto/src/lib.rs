//! Wire types, generated from the .proto files at build time. They are shapes only: what their
//! fields may hold is checked where they arrive.

/// What members say to each other: see docs/format/peer.md.
#[allow(missing_docs, clippy::all, clippy::pedantic)]
pub mod peer {
    include!(concat!(env!("OUT_DIR"), "/raftkv.peer.v1.rs"));
}

/// Three calls for those who want no more of the store.
#[allow(missing_docs, clippy::all, clippy::pedantic, unreachable_pub)]
pub mod raftkv {
    tonic::include_proto!("raftkv.v1");
}

/// etcd's v3 API. The shapes are etcd's; docs/etcd.md says what stands behind them here.
///
/// Every message is read from and written to the JSON of etcd's gateway by serde: names as in the
/// .proto files, 64-bit numbers as strings, bytes as base64, nothing that is unset.
pub mod etcd {
    macro_rules! package {
        ($($(#[$attribute:meta])* $name:ident,)+) => {$(
            $(#[$attribute])*
            #[allow(missing_docs, clippy::all, clippy::pedantic, unreachable_pub)]
            pub mod $name {
                include!(concat!(env!("OUT_DIR"), "/", stringify!($name), ".rs"));
                include!(concat!(env!("OUT_DIR"), "/", stringify!($name), ".serde.rs"));
            }
        )+};
    }

    package! {
        /// Users, roles and what they may do.
        authpb,
        /// The store, its members and its users.
        etcdserverpb,
        /// Keys and events.
        mvccpb,
        /// Elections of clients among themselves.
        v3electionpb,
        /// Locks.
        v3lockpb,
    }
}
