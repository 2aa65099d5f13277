//! What the gRPC doors answer, beyond what is compared with a real etcd in `tests/compat`.

mod board;
mod doors;
mod express;
mod express_random;
mod locks;
mod refusals;
mod roles;
mod world;
