//! What is asked of a record: names in a query or in a body.

use axum::http::HeaderMap;
use bytes::Bytes;
use serde_json::Value;
use store::{FieldsRequest, Record};

use crate::http::body::{self, Format};
use crate::http::cursor::Cursor;
use crate::http::error::{Code, Refusal};
use crate::http::lifetime;
use crate::http::list::{LIMIT_DEFAULT, LIMIT_MAX, PAGE_BYTES_MAX, cursor_of};
use crate::http::past::Moment;
use crate::http::query::{Query, bad};

/// The parameters that name a field, or a record.
pub(super) const NAMES: [&str; 2] = ["key", "field"];

const READING_PARAMETERS: [&str; 8] =
    ["prefix", "limit", "after", "consistency", "revision", "at", "timestamp", "timeout_ms"];

const EXAMPLE: &str = r#"{"type": "set", "key": "user1", "field": "name", "value": "Ada"}"#;

/// A record, or one field of it.
#[derive(Debug)]
pub(super) struct Which {
    /// The record's name.
    pub(super) name: Bytes,
    pub(super) record: Record,
    /// The field's name, and its key.
    pub(super) field: Option<(Bytes, Bytes)>,
}

impl Which {
    fn new(name: Option<Bytes>, field: Option<Bytes>) -> Result<Which, Refusal> {
        let name = name.ok_or_else(|| missing("key", "name the record"))?;
        let record = Record::named(&name)
            .ok_or_else(|| Refusal::new(Code::EmptyKey, "key is empty: a record has a name"))?;
        let with_key = |field: Bytes| {
            let key = record.key_of(&field).ok_or_else(|| {
                Refusal::new(Code::EmptyField, "field is empty: leave it out for the whole record")
            })?;
            Ok::<_, Refusal>((field, key))
        };
        let field = field.map(with_key).transpose()?;
        Ok(Which { name, record, field })
    }
}

/// What the parameters name.
pub(super) fn which(query: &Query) -> Result<Which, Refusal> {
    Which::new(query.bytes("key"), query.bytes("field"))
}

fn missing(field: &'static str, what: &str) -> Refusal {
    let message = format!("{field} is missing: {what}");
    Refusal::new(Code::MissingField, message).with("field", field)
}

/// A change: with a value that of a field, without one a delete.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) which: Which,
    pub(super) value: Option<Bytes>,
    /// How long the field is to live, ms.
    pub(super) ttl_ms: Option<u64>,
}

/// The fields of a body, as far as they are there.
#[derive(Default)]
struct Written {
    kind: Option<String>,
    name: Option<Bytes>,
    field: Option<Bytes>,
    value: Option<Bytes>,
    ttl_ms: Option<u64>,
}

/// The change that a body asks for.
pub(super) fn of_body(headers: &HeaderMap, body: &[u8]) -> Result<Change, Refusal> {
    if Format::of(headers)? == Format::Raw {
        let message = format!("a change of a record is JSON, such as {EXAMPLE}");
        return Err(Refusal::new(Code::UnsupportedMediaType, message));
    }
    let mut written = Written::default();
    for (field, value) in body::object(body, EXAMPLE)? {
        written.read(&field, value)?;
    }
    written.into_change()
}

impl Written {
    fn read(&mut self, field: &str, value: Value) -> Result<(), Refusal> {
        let text = |value| body::string(field, value);
        let plain = |value| text(value).map(Bytes::from);
        let base64 = |value| body::base64(field, &text(value)?);
        match field {
            "type" => once(&mut self.kind, field, text(value)?),
            "key" => once(&mut self.name, field, plain(value)?),
            "key_base64" => once(&mut self.name, field, base64(value)?),
            "field" => once(&mut self.field, field, plain(value)?),
            "field_base64" => once(&mut self.field, field, base64(value)?),
            "value" => once(&mut self.value, field, plain(value)?),
            "value_base64" => once(&mut self.value, field, base64(value)?),
            "ttl" => once(&mut self.ttl_ms, field, lifetime::ttl_ms(&value)?),
            // Some clients describe here what they want in words of their own.
            "command" => Ok(()),
            "timestamp" => Err(Refusal::new(
                Code::UnknownField,
                "leave timestamp out: the time of a change is the leader's, and is answered",
            )
            .with("field", field)),
            _ => Err(body::unexpected_field(field, "type, key, field, value, ttl, command")),
        }
    }

    fn into_change(self) -> Result<Change, Refusal> {
        let Written { kind, name, field, value, ttl_ms } = self;
        let which = Which::new(name, field)?;
        match (kind.as_deref(), value) {
            (Some("delete"), _) if ttl_ms.is_some() => {
                Err(bad("ttl", "is for type set: what is deleted does not live"))
            }
            (Some("set"), Some(_)) if which.field.is_none() => {
                Err(missing("field", "a record has no value but those of its fields"))
            }
            (Some("set"), Some(value)) => Ok(Change { which, value: Some(value), ttl_ms }),
            (Some("set"), None) => Err(missing("value", "write value or value_base64")),
            (Some("delete"), None) => Ok(Change { which, value: None, ttl_ms: None }),
            (Some("delete"), Some(_)) => Err(bad("value", "is for type set: a delete has none")),
            (Some(_), _) => Err(bad("type", "is set or delete")),
            (None, _) => Err(missing("type", "it is set or delete")),
        }
    }
}

/// Fills a place that is there once.
fn once<T>(place: &mut Option<T>, field: &str, value: T) -> Result<(), Refusal> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => {
            let message = format!("{field} is there twice, or both as text and in base64");
            Err(Refusal::new(Code::MalformedJson, message))
        }
    }
}

/// What is to be read.
pub(super) struct Reading {
    pub(super) which: Which,
    pub(super) moment: Moment,
    /// Which fields, if it is not one.
    pub(super) page: FieldsRequest,
    /// What a cursor is bound to.
    pub(super) scope: Vec<u8>,
}

pub(super) fn reading_parameters() -> Vec<&'static str> {
    [&NAMES[..], &READING_PARAMETERS[..]].concat()
}

impl Reading {
    pub(super) fn of(query: &Query) -> Result<Reading, Refusal> {
        let which = which(query)?;
        let of_page = ["prefix", "limit", "after"];
        let too_much = of_page.into_iter().find(|name| query.bytes(name).is_some());
        if let Some(name) = too_much.filter(|_| which.field.is_some()) {
            return Err(bad(name, "is for reading many fields: leave field out"));
        }
        let prefix = query.bytes("prefix").unwrap_or_default();
        let scope = scope(&which.name, &prefix);
        let after = query.bytes("after").map(|text| cursor_of(&text, &scope)).transpose()?;
        let moment = moment(query, after.as_ref())?;
        let limit = query.number("limit", 1..=LIMIT_MAX)?.unwrap_or(LIMIT_DEFAULT);
        let (from, skip) = after.map(|cursor| (cursor.start, cursor.skip)).unwrap_or_default();
        let page = FieldsRequest {
            prefix,
            from,
            skip: usize::try_from(skip).expect("a cursor's is bounded"),
            limit: usize::try_from(limit).expect("it is at most LIMIT_MAX"),
            told_bytes_max: PAGE_BYTES_MAX,
            ..any_field()
        };
        Ok(Reading { which, moment, page, scope })
    }
}

/// Which moment is meant: that of the page before, if there was one.
fn moment(query: &Query, after: Option<&Cursor>) -> Result<Moment, Refusal> {
    let moment = match query.number("timestamp", 0..=u64::MAX)? {
        None => Moment::of(query)?,
        Some(_) if Moment::of(query)? != Moment::Now => {
            return Err(bad("timestamp", "excludes revision and at"));
        }
        Some(since_1970_us) => Moment::Time { at_ms: since_1970_us / 1_000 },
    };
    let Some(cursor) = after else { return Ok(moment) };
    let of_cursor = Moment::Revision(cursor.revision);
    match moment {
        Moment::Now => Ok(of_cursor),
        moment if moment == of_cursor => Ok(of_cursor),
        _ => Err(bad("after", "says which moment is meant: leave timestamp, at and revision out")),
    }
}

/// The first field of a record, whatever looking for it takes.
pub(super) fn any_field() -> FieldsRequest {
    FieldsRequest {
        prefix: Bytes::new(),
        from: Bytes::new(),
        skip: 0,
        limit: 1,
        told_bytes_max: usize::MAX,
        work_bytes_max: usize::MAX,
    }
}

/// No two records and prefixes have the same.
fn scope(name: &[u8], prefix: &[u8]) -> Vec<u8> {
    let bytes = (name.len() as u64).to_be_bytes();
    [b"record", &bytes[..], name, prefix].concat()
}
