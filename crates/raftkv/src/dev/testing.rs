//! What the tests of this room begin with.

use std::path::PathBuf;

use crate::args::DevArgs;

/// `raftkv dev`, without a flag.
pub(super) fn args() -> DevArgs {
    DevArgs {
        fresh: false,
        members: None,
        port: None,
        dashboard_port: None,
        history_age: None,
        history_bytes: None,
        slow: 1,
        data_dir: PathBuf::from("raftkv-dev"),
    }
}
