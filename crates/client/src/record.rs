//! Records: fields with values, under a name (docs/http.md).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use hyper::Method;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::client::{JSON, Query, read, strange, understand, understand_write, write};
use crate::listing::PAGE_KEYS_MAX;
use crate::options::{Condition, Consistency, GetOptions, Moment};
use crate::types::{EncodedDeleted, Revision, Staleness, decode_base64, decode_bytes};
use crate::{Client, Deleted, Error};

/// The value of a field, and when it came to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldValue {
    /// Any bytes.
    pub value: Bytes,
    /// When it was last written, since 1970, by the leader's clock.
    pub written: Duration,
    /// The same as a revision.
    pub mod_revision: Revision,
    /// What was left of its time to live, if it has one.
    pub ttl: Option<Duration>,
    /// How old the answer is; `None` if it is linearizable.
    pub stale: Option<Staleness>,
}

/// A change of a field that is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldWritten {
    /// The revision it made.
    pub revision: Revision,
    /// When it was done, since 1970, by the leader's clock.
    pub written: Duration,
}

/// Which fields of a record to read.
#[derive(Debug, Clone, Default)]
pub struct FieldsOptions {
    /// Only fields whose names begin with this.
    pub prefix: Bytes,
    /// At most so many in all; `None` for all of them.
    pub limit: Option<u64>,
    /// How fresh the first page must be; the others are read at its revision.
    pub consistency: Consistency,
    /// Which moment it shows.
    pub moment: Moment,
}

/// Some fields of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldsPage {
    /// Names and values, in the order of the names.
    pub fields: Vec<(Bytes, Bytes)>,
    /// The revision that all pages are of.
    pub revision: Revision,
    /// How old the answer is; `None` if it is linearizable.
    pub stale: Option<Staleness>,
}

/// The fields of a record, read page by page, as far as they are wanted.
#[derive(Debug)]
pub struct FieldListing {
    client: Client,
    record: Bytes,
    options: FieldsOptions,
    position: Position,
}

#[derive(Debug)]
enum Position {
    Start,
    After(String),
    End,
}

impl Client {
    /// Gives a field of a record a value, with a time to live or for good.
    ///
    /// # Errors
    /// Those of [`Client::put_with`].
    pub async fn set_field(
        &self,
        record: impl AsRef<[u8]>,
        field: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        condition: Option<Condition>,
        ttl: Option<Duration>,
    ) -> Result<FieldWritten, Error> {
        let value = Some(value.as_ref());
        let body = body("set", record.as_ref(), Some(field.as_ref()), value, ttl);
        let set = write(Method::POST, STORE.to_owned(), Some(body)).under(condition);
        let done: EncodedFieldWritten = understand_write(&self.send_change(set).await?)?;
        Ok(FieldWritten { revision: done.revision, written: Duration::from_micros(done.timestamp) })
    }

    /// The value of a field, or `None` if there is no such field.
    pub async fn field(
        &self,
        record: impl AsRef<[u8]>,
        field: impl AsRef<[u8]>,
        options: GetOptions,
    ) -> Result<Option<FieldValue>, Error> {
        let mut query = Query::new(STORE.to_owned());
        query.add("key", record);
        query.add("field", field);
        options.describe(&mut query);
        match self.call(read(query.into_text()).waiting()).await {
            Ok(answer) => understand::<EncodedField>(&answer)?.decode().map(Some),
            Err(error) if error.code() == Some("not_found") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes a field, if it is there.
    ///
    /// # Errors
    /// Those of [`Client::put_with`].
    pub async fn delete_field(
        &self,
        record: impl AsRef<[u8]>,
        field: impl AsRef<[u8]>,
        condition: Option<Condition>,
    ) -> Result<Deleted, Error> {
        self.delete_in_record(record.as_ref(), Some(field.as_ref()), condition).await
    }

    /// Removes all fields of a record, in one revision.
    ///
    /// # Errors
    /// [`Error::Unknown`] if it may have happened all the same; otherwise it did not.
    pub async fn delete_record(&self, record: impl AsRef<[u8]>) -> Result<Deleted, Error> {
        self.delete_in_record(record.as_ref(), None, None).await
    }

    /// The fields of a record in the order of their names, page by page, all at one revision.
    pub fn fields(&self, record: impl Into<Bytes>, options: FieldsOptions) -> FieldListing {
        let position = if options.limit == Some(0) { Position::End } else { Position::Start };
        FieldListing { client: self.clone(), record: record.into(), options, position }
    }

    async fn delete_in_record(
        &self,
        record: &[u8],
        field: Option<&[u8]>,
        condition: Option<Condition>,
    ) -> Result<Deleted, Error> {
        let body = body("delete", record, field, None, None);
        let delete = write(Method::POST, STORE.to_owned(), Some(body)).under(condition);
        match self.send_change(delete).await {
            Ok(answer) => understand_write::<EncodedDeleted>(&answer)?
                .decode()
                .map_err(|error| strange(&error)),
            Err(error) if error.code() == Some("not_found") => Ok(Deleted::NOTHING),
            Err(error) => Err(error),
        }
    }
}

impl FieldListing {
    /// The next page, or `None` after the last; none at all of a record that is not there. A page
    /// may hold nothing and not be the last.
    ///
    /// # Errors
    /// As for any read; a page that failed is asked for again by the next call. The refusal
    /// `compacted` means that the reading took so long that its revision is gone.
    pub async fn next_page(&mut self) -> Result<Option<FieldsPage>, Error> {
        let mut query = Query::new(STORE.to_owned());
        self.describe(&mut query);
        match &self.position {
            Position::Start => {}
            Position::After(cursor) => query.add("after", cursor),
            Position::End => return Ok(None),
        }
        let answer = match self.client.call(read(query.into_text()).waiting()).await {
            Err(error) if error.code() == Some("not_found") => {
                self.position = Position::End;
                return Ok(None);
            }
            answer => answer?,
        };
        let mut encoded: EncodedFields = understand(&answer)?;
        let next = encoded.next.take();
        let page = encoded.decode()?;
        let limit = &mut self.options.limit;
        *limit = limit.map(|limit| limit.saturating_sub(page.fields.len() as u64));
        self.position = match next {
            Some(cursor) if *limit != Some(0) => Position::After(cursor),
            _ => Position::End,
        };
        Ok(Some(page))
    }

    fn describe(&self, query: &mut Query) {
        let FieldsOptions { prefix, limit, consistency, moment } = &self.options;
        query.add("key", &self.record);
        if !prefix.is_empty() {
            query.add("prefix", prefix);
        }
        let limit = limit.map_or(PAGE_KEYS_MAX, |limit| limit.min(PAGE_KEYS_MAX));
        query.add("limit", limit.to_string());
        consistency.describe(query);
        moment.describe(query);
    }
}

const STORE: &str = "/kv-store";

/// The body of a change.
fn body(
    kind: &str,
    record: &[u8],
    field: Option<&[u8]>,
    value: Option<&[u8]>,
    ttl: Option<Duration>,
) -> (Bytes, &'static str) {
    let mut body = Map::from_iter([("type".to_owned(), Value::from(kind))]);
    let parts = [("key", Some(record)), ("field", field), ("value", value)];
    for (name, bytes) in parts.into_iter().filter_map(|(name, bytes)| Some((name, bytes?))) {
        match str::from_utf8(bytes) {
            Ok(text) => body.insert(name.to_owned(), text.into()),
            Err(_) => body.insert(format!("{name}_base64"), BASE64.encode(bytes).into()),
        };
    }
    // As many thousandths as the door reads.
    let ttl = ttl.map(|ttl| ttl.as_millis() as f64 / 1_000.0);
    body.extend(ttl.map(|ttl| ("ttl".to_owned(), ttl.into())));
    (Bytes::from(Value::from(body).to_string()), JSON)
}

#[derive(Deserialize)]
struct EncodedFieldWritten {
    revision: Revision,
    timestamp: u64,
}

#[derive(Deserialize)]
struct EncodedField {
    value: Option<String>,
    value_base64: Option<String>,
    timestamp: u64,
    mod_revision: Revision,
    ttl_ms: Option<u64>,
    #[serde(flatten)]
    stale: Option<Staleness>,
}

impl EncodedField {
    fn decode(self) -> Result<FieldValue, Error> {
        Ok(FieldValue {
            value: decode_bytes(self.value, self.value_base64)?,
            written: Duration::from_micros(self.timestamp),
            mod_revision: self.mod_revision,
            ttl: self.ttl_ms.map(Duration::from_millis),
            stale: self.stale,
        })
    }
}

#[derive(Deserialize)]
struct EncodedFields {
    fields: Map<String, Value>,
    #[serde(default)]
    fields_base64: Map<String, Value>,
    next: Option<String>,
    revision: Revision,
    #[serde(flatten)]
    stale: Option<Staleness>,
}

impl EncodedFields {
    /// Text and other fields come apart, and are put in their common order again.
    fn decode(self) -> Result<FieldsPage, Error> {
        let no_text = || Error::Malformed { reason: "the value of a field is no text".to_owned() };
        let text = |value: Value| match value {
            Value::String(text) => Ok(text),
            _ => Err(no_text()),
        };
        let mut fields = Vec::with_capacity(self.fields.len() + self.fields_base64.len());
        for (name, value) in self.fields {
            fields.push((Bytes::from(name), Bytes::from(text(value)?)));
        }
        for (name, value) in self.fields_base64 {
            fields.push((decode_base64(&name)?, decode_base64(&text(value)?)?));
        }
        fields.sort_unstable();
        Ok(FieldsPage { fields, revision: self.revision, stale: self.stale })
    }
}
