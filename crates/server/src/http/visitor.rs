//! Who sends a request: taken from its headers, before anything else of it is looked at.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::Doors;
use super::error::Refusal;
use crate::access::{Shown, Visit};

impl FromRequestParts<Arc<Doors>> for Visit {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, doors: &Arc<Doors>) -> Result<Visit, Refusal> {
        let shown = match Shown::of(&parts.headers) {
            Ok(shown) => shown,
            // What is shown where nobody looks is nothing.
            Err(_) if !doors.node.store().auth().is_enabled() => Shown::Nothing,
            Err(_) => return Err(Refusal::malformed_authorization()),
        };
        Ok(Visit::of(&doors.node, shown).await?)
    }
}
