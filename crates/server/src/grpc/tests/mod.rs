//! What the gRPC doors answer, beyond what is compared with a real etcd in `tests/compat`.

mod board;
mod doors;
mod refusals;
mod roles;
mod world;
