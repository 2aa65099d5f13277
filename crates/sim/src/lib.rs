//! Many replicas in one process, one seed.
