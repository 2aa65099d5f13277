//! What a certificate says, in words.

use std::time::Duration;

use axum::http::HeaderValue;
use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// The one common name of a certificate, as a header has it. None of one that has none or several,
/// or one that no header may hold: who that would be is anybody's guess.
pub(super) fn common_name(certificate: &CertificateDer<'_>) -> Option<HeaderValue> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let mut names = parsed.subject().iter_common_name();
    let name = names.next()?.as_str().ok().filter(|name| !name.is_empty())?;
    if names.next().is_some() {
        return None;
    }
    HeaderValue::from_bytes(name.as_bytes()).ok()
}

/// What people want to know of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    /// Whose it is, such as `CN=node-1`.
    pub(super) subject: String,
    /// Until when it counts, such as `Nov 29 11:00:00 2027 +00:00`.
    pub(super) not_after: String,
    /// For how long it still counts; none: it is over.
    pub(super) remaining: Option<Duration>,
}

impl Facts {
    /// None of what is no certificate.
    pub(super) fn of(certificate: &CertificateDer<'_>) -> Option<Facts> {
        let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
        let validity = parsed.validity();
        Some(Facts {
            subject: parsed.subject().to_string(),
            not_after: validity.not_after.to_string(),
            remaining: validity.time_to_expiration().and_then(|left| Duration::try_from(left).ok()),
        })
    }
}
