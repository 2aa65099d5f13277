//! What came of it, as JSON. Names and values that are no text come in base64 under other names.

use axum::body::Body;
use axum::http::{Response, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use store::{Field, Fields, KeyValue, Revision};

use super::Settled;
use super::request::{Change, Which};
use crate::http::error::{Code, Refusal};
use crate::http::escape::text_or_base64;
use crate::http::kv::{Staleness, with_revision};
use crate::http::reply;

/// Where and when something was read.
pub(super) struct Shown {
    pub(super) revision: Revision,
    /// For how long the cluster has had a leader, ms.
    pub(super) age_ms: u64,
    pub(super) stale: Option<Staleness>,
}

/// Where a change stands in the log, and when it was put there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) log_index: u64,
    pub(super) term: u64,
    /// By the leader's clock, ms since 1970.
    pub(super) stamp_ms: u64,
}

/// The times of this door have six digits after the second; the log has three.
fn micros(stamp_ms: u64) -> u64 {
    stamp_ms.saturating_mul(1_000)
}

/// The names that a request gave, as they are shown in its answer.
#[derive(Serialize)]
struct Names<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    field_base64: Option<String>,
}

impl<'a> Names<'a> {
    fn of(which: &'a Which) -> Names<'a> {
        let (key, key_base64) = text_or_base64(&which.name);
        let field = which.field.as_ref().map(|(name, _)| text_or_base64(name));
        let (field, field_base64) = field.unwrap_or_default();
        Names { key, key_base64, field, field_base64 }
    }
}

/// A change that is committed.
pub(super) fn done(
    change: &Change,
    settled: Settled,
    place: Place,
) -> Result<Response<Body>, Refusal> {
    #[derive(Serialize)]
    struct Done<'a> {
        success: bool,
        message: String,
        #[serde(flatten)]
        names: Names<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        value: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        value_base64: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        deleted: Option<u64>,
        /// As it was asked for, in seconds.
        #[serde(skip_serializing_if = "Option::is_none")]
        ttl: Option<f64>,
        timestamp: u64,
        revision: u64,
        log_index: u64,
        term: u64,
    }
    let Settled { revision, deleted } = settled;
    if change.value.is_none() && deleted == Some(0) {
        return Err(missing(&change.which, revision));
    }
    let Place { log_index, term, stamp_ms } = place;
    let value = change.value.as_ref().map(|value| text_or_base64(value));
    let (value, value_base64) = value.unwrap_or_default();
    let body = Done {
        success: true,
        message: in_words(change, deleted),
        names: Names::of(&change.which),
        value,
        value_base64,
        deleted,
        ttl: change.ttl_ms.map(|ttl_ms| ttl_ms as f64 / 1_000.0),
        timestamp: micros(stamp_ms),
        revision: revision.0,
        log_index,
        term,
    };
    Ok(reply::json(StatusCode::OK, &body))
}

fn in_words(change: &Change, deleted: Option<u64>) -> String {
    match (&change.value, &change.which.field, deleted) {
        (Some(_), ..) => "the field is set".to_owned(),
        (None, Some(_), _) => "the field is deleted".to_owned(),
        (None, None, Some(1)) => "the record is deleted, 1 field".to_owned(),
        (None, None, Some(count)) => format!("the record is deleted, {count} fields"),
        (None, None, None) => "the record is deleted".to_owned(),
    }
}

/// There is no such thing.
pub(super) fn missing(which: &Which, revision: Revision) -> Refusal {
    let what = match which.field {
        Some(_) => "field in this record",
        None => "record, or it has no fields",
    };
    let message = format!("there is no such {what}, at revision {revision}");
    let refusal = Refusal::new(Code::NotFound, message).with("revision", revision.0);
    let names = serde_json::to_value(Names::of(which)).expect("names are JSON");
    let names = names.as_object().into_iter().flatten();
    names.fold(refusal, |refusal, (name, value)| refusal.with(name, value.clone()))
}

/// One field, and when it was last written.
pub(super) fn field(
    (found, stamp_ms): &(KeyValue, u64),
    Shown { revision, age_ms, stale }: Shown,
) -> Response<Body> {
    #[derive(Serialize)]
    struct Found<'a> {
        success: bool,
        message: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        value: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        value_base64: Option<String>,
        timestamp: u64,
        mod_revision: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        ttl_ms: Option<u64>,
        #[serde(flatten)]
        stale: Option<Staleness>,
    }
    let (value, value_base64) = text_or_base64(&found.value);
    let body = Found {
        success: true,
        message: "found",
        value,
        value_base64,
        timestamp: micros(*stamp_ms),
        mod_revision: found.mod_revision.0,
        ttl_ms: found.lifetime.left_ms(age_ms),
        stale,
    };
    with_revision(reply::json(StatusCode::OK, &body), revision)
}

/// A page of fields.
pub(super) fn fields(
    which: &Which,
    found: &Fields,
    next: Option<String>,
    Shown { revision, age_ms, stale }: Shown,
) -> Response<Body> {
    #[derive(Serialize)]
    struct Page<'a> {
        success: bool,
        message: String,
        #[serde(flatten)]
        names: Names<'a>,
        fields: AsText<'a>,
        #[serde(skip_serializing_if = "AsBase64::is_empty")]
        fields_base64: AsBase64<'a>,
        #[serde(skip_serializing_if = "TimesLeft::is_empty")]
        ttl_ms: TimesLeft<'a>,
        #[serde(skip_serializing_if = "TimesLeft::is_empty")]
        ttl_ms_base64: TimesLeft<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        next: Option<String>,
        revision: u64,
        #[serde(flatten)]
        stale: Option<Staleness>,
    }
    let (text, other): (Vec<&Field>, _) = found.fields.iter().partition(|field| is_text(field));
    let message = match found.fields.len() {
        1 => "1 field".to_owned(),
        count => format!("{count} fields"),
    };
    let body = Page {
        success: true,
        message,
        names: Names::of(which),
        ttl_ms: TimesLeft::of(&text, age_ms, false),
        ttl_ms_base64: TimesLeft::of(&other, age_ms, true),
        fields: AsText(text),
        fields_base64: AsBase64(other),
        next,
        revision: revision.0,
        stale,
    };
    with_revision(reply::json(StatusCode::OK, &body), revision)
}

fn is_text(field: &Field) -> bool {
    str::from_utf8(&field.name).is_ok() && str::from_utf8(&field.item.value).is_ok()
}

/// Fields whose names and values are text, in their order.
struct AsText<'a>(Vec<&'a Field>);

/// What is left of the times to live of those fields that have one, ms, by their names.
struct TimesLeft<'a> {
    fields: Vec<(&'a [u8], u64)>,
    /// Whether the names are shown in base64.
    in_base64: bool,
}

impl<'a> TimesLeft<'a> {
    fn of(fields: &[&'a Field], age_ms: u64, in_base64: bool) -> TimesLeft<'a> {
        let left = |field: &&'a Field| {
            let left_ms = field.item.lifetime.left_ms(age_ms)?;
            Some((&field.name[..], left_ms))
        };
        TimesLeft { fields: fields.iter().filter_map(left).collect(), in_base64 }
    }

    fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }
}

impl Serialize for TimesLeft<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.fields.len()))?;
        for (name, left_ms) in &self.fields {
            match str::from_utf8(name).ok().filter(|_| !self.in_base64) {
                Some(name) => map.serialize_entry(name, left_ms)?,
                None => map.serialize_entry(&STANDARD.encode(name), left_ms)?,
            }
        }
        map.end()
    }
}

/// Others.
struct AsBase64<'a>(Vec<&'a Field>);

impl AsBase64<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for AsText<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = |bytes| str::from_utf8(bytes).expect("only text was put here");
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for Field { name, item } in &self.0 {
            map.serialize_entry(text(name), text(&item.value))?;
        }
        map.end()
    }
}

impl Serialize for AsBase64<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for Field { name, item } in &self.0 {
            map.serialize_entry(&STANDARD.encode(name), &STANDARD.encode(&item.value))?;
        }
        map.end()
    }
}
