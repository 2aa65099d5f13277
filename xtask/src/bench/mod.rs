//! Figures.
use crate::failure::{Failure, Result};
pub(crate) const NAMES: &[&str] = &["store", "failover", "http"];
pub(crate) fn run(name: &str, _options: &[&str]) -> Result<bool> {
    Err(Failure::Usage(format!("no such benchmark: {name}")))
}
