//! What is asked of both.

pub(crate) mod auth;
pub(crate) mod cluster;
pub(crate) mod contest;
pub(crate) mod gateway;
pub(crate) mod keys;
pub(crate) mod leases;
pub(crate) mod random;
pub(crate) mod ranges;
pub(crate) mod transactions;
pub(crate) mod watches;
