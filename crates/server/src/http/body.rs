//! Reading the body of a request, under a limit and a deadline.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, EXPECT};
use axum::http::{HeaderMap, Request};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::error::{Code, Refusal};
use super::lifetime;
use crate::reading::Share;

/// A body is at most this long: twice the largest value, so that it fits in base64 too.
pub(super) const BODY_BYTES_MAX: usize = 3 << 20;

/// What a client sends beyond the limit is read and dropped this long before it gets its answer:
/// one that is still sending when the connection closes would lose it.
const LINGER: Duration = Duration::from_secs(1);

/// The whole body. It is refused once it is too long, or not there within `patience`.
pub(super) async fn read(request: Request<Body>, patience: Duration) -> Result<Bytes, Refusal> {
    let deadline = Instant::now() + patience;
    let (head, mut body) = request.into_parts();
    if declares_too_much(&head.headers) {
        if !head.headers.contains_key(EXPECT) {
            drain(&mut body).await;
        }
        return Err(too_large());
    }
    let (mut read, mut share) = (BytesMut::new(), Share::of(&head.extensions));
    while let Some(data) = next_data(&mut body, deadline).await? {
        if read.len() + data.len() > BODY_BYTES_MAX {
            drain(&mut body).await;
            return Err(too_large());
        }
        if share.grow(data.len()).is_err() {
            drop(read);
            drain(&mut body).await;
            return Err(Refusal::overloaded());
        }
        if read.is_empty() && body_has_ended(&body) {
            return Ok(data);
        }
        read.extend_from_slice(&data);
    }
    Ok(read.freeze())
}

fn declares_too_much(headers: &HeaderMap) -> bool {
    let declared =
        headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    declared.is_some_and(|length: u64| length > BODY_BYTES_MAX as u64)
}

fn body_has_ended(body: &Body) -> bool {
    axum::body::HttpBody::is_end_stream(body)
}

async fn next_data(body: &mut Body, deadline: Instant) -> Result<Option<Bytes>, Refusal> {
    loop {
        let frame = match timeout_at(deadline, body.frame()).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(None) => return Ok(None),
            Ok(Some(Err(error))) => return Err(incomplete(&error)),
            Err(_) => return Err(Refusal::new(Code::BodyTimeout, "the body did not end in time")),
        };
        // Trailers say nothing that we would want to know.
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
}

async fn drain(body: &mut Body) {
    let deadline = Instant::now() + LINGER;
    while let Ok(Some(_)) = next_data(body, deadline).await {}
}

fn too_large() -> Refusal {
    Refusal::new(Code::BodyTooLarge, format!("a body has at most {BODY_BYTES_MAX} bytes"))
        .with("bytes_max", BODY_BYTES_MAX)
}

fn incomplete(error: &axum::Error) -> Refusal {
    Refusal::new(Code::IncompleteBody, format!("the body broke off or is malformed: {error}"))
}

/// How the body of a write is to be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// A JSON object that holds the value.
    Json,
    /// The value itself.
    Raw,
}

impl Format {
    /// What `Content-Type` says. `curl -d` sends JSON as a form, and means JSON.
    pub(super) fn of(headers: &HeaderMap) -> Result<Format, Refusal> {
        let Some(header) = headers.get(CONTENT_TYPE) else { return Ok(Format::Json) };
        let written = header.to_str().unwrap_or_default();
        let essence = written.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match essence.as_str() {
            "application/json" | "application/x-www-form-urlencoded" => Ok(Format::Json),
            "application/octet-stream" => Ok(Format::Raw),
            text if text.starts_with("text/") => Ok(Format::Raw),
            _ => Err(Refusal::new(
                Code::UnsupportedMediaType,
                "Content-Type is application/json for {\"value\": …}, or \
                 application/octet-stream or text/* for the value itself",
            )
            .with("content_type", written)),
        }
    }

    /// The value in a body, and what it says of how long the key is to live.
    pub(super) fn value(self, body: Bytes) -> Result<(Bytes, lifetime::Written), Refusal> {
        match self {
            Format::Raw => Ok((body, lifetime::Written::default())),
            Format::Json => value_of_json(&body),
        }
    }
}

const VALUE_EXAMPLE: &str = "{\"value\": \"…\"}, or send the value itself with Content-Type: \
                             application/octet-stream";

const SEND_IT_RAW: &str = ". To store it as it is written, send it as the whole body with \
                           Content-Type: application/octet-stream";

/// `{"value": "…"}` or `{"value_base64": "…"}`, and `ttl` or `lease`.
fn value_of_json(body: &[u8]) -> Result<(Bytes, lifetime::Written), Refusal> {
    let (mut value, mut lifetime) = (None, lifetime::Written::default());
    for (field, written) in object(body, VALUE_EXAMPLE)? {
        if lifetime.read(&field, &written)? {
            continue;
        }
        let decoded = match field.as_str() {
            "value" => string_or(&field, written, SEND_IT_RAW).map(Bytes::from)?,
            "value_base64" => base64(&field, &string(&field, written)?)?,
            _ => return Err(unexpected_field(&field, "value, value_base64, ttl and lease")),
        };
        if value.replace(decoded).is_some() {
            return Err(Refusal::new(Code::MalformedJson, "there is more than one value"));
        }
    }
    let value = value.ok_or_else(|| {
        Refusal::new(Code::MissingValue, "write {\"value\": \"…\"} or {\"value_base64\": \"…\"}")
    })?;
    Ok((value, lifetime))
}

/// Who a transfer is to: the `to` of `{"to": "…"}`, or of an empty body nobody in particular.
pub(super) fn transfer_target(body: &[u8]) -> Result<Option<String>, Refusal> {
    let mut to = None;
    if body.is_empty() {
        return Ok(to);
    }
    for (field, written) in object(body, r#"{"to": "…"}"#)? {
        match (field.as_str(), written) {
            ("to", Value::String(name)) => to = Some(name),
            ("to", _) => {
                return Err(Refusal::new(Code::BadMember, "to is the id or the name of a member"));
            }
            _ => return Err(unexpected_field(&field, "to")),
        }
    }
    Ok(to)
}

/// The fields of an object whose values are all text.
#[derive(Debug)]
pub(super) struct TextFields(Vec<(String, String)>);

impl TextFields {
    /// Reads an object that has no other fields than the `known` ones, each at most once.
    pub(super) fn read(body: &[u8], known: &[&'static str]) -> Result<TextFields, Refusal> {
        let object: Fields = serde_json::from_slice(body).map_err(|error| {
            let message = format!("the body is not the expected JSON object: {error}");
            Refusal::new(Code::MalformedJson, message)
        })?;
        let mut fields: Vec<(String, String)> = Vec::new();
        for (field, written) in object.0 {
            if !known.contains(&field.as_str()) {
                return Err(unexpected_field(&field, &known.join(", ")));
            }
            let Value::String(text) = written else {
                let message = format!("{field} must be a string");
                return Err(Refusal::new(Code::BadMember, message).with("field", field));
            };
            if fields.iter().any(|(earlier, _)| *earlier == field) {
                let message = format!("{field} is there twice");
                return Err(Refusal::new(Code::MalformedJson, message));
            }
            fields.push((field, text));
        }
        Ok(TextFields(fields))
    }

    /// The text of a field, if it is there.
    pub(super) fn get(&self, field: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == field).map(|(_, text)| text.as_str())
    }
}

/// An object whose values are whole numbers, by the names of its fields, each at most once.
pub(super) fn numbers(body: &[u8], example: &str) -> Result<BTreeMap<String, u64>, Refusal> {
    let mut numbers = BTreeMap::new();
    for (field, written) in object(body, example)? {
        let Some(number) = written.as_u64() else {
            let message = format!("{field} is a whole number from 0 to {}", u64::MAX);
            return Err(Refusal::new(Code::BadParameter, message).with("parameter", field));
        };
        if numbers.insert(field.clone(), number).is_some() {
            return Err(Refusal::new(Code::MalformedJson, format!("{field} is there twice")));
        }
    }
    Ok(numbers)
}

/// The fields of an object in the order in which they are written, repeated ones too.
pub(super) fn object(body: &[u8], example: &str) -> Result<Vec<(String, Value)>, Refusal> {
    let object: Result<Fields, _> = serde_json::from_slice(body);
    object.map(|fields| fields.0).map_err(|error| {
        let message = format!("the body is not the expected JSON object: {error}. Write {example}");
        Refusal::new(Code::MalformedJson, message)
    })
}

/// The text of a field that holds text.
pub(super) fn string(field: &str, written: Value) -> Result<String, Refusal> {
    string_or(field, written, "")
}

/// The same; `hint` goes on where the refusal ends.
fn string_or(field: &str, written: Value, hint: &str) -> Result<String, Refusal> {
    let kind = match written {
        Value::String(text) => return Ok(text),
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    let message = format!("{field} is {kind}; it must be a string{hint}");
    Err(Refusal::new(Code::ValueNotString, message).with("field", field))
}

/// The bytes of a field that holds base64.
pub(super) fn base64(field: &str, text: &str) -> Result<Bytes, Refusal> {
    STANDARD.decode(text).map(Bytes::from).map_err(|error| {
        Refusal::new(Code::BadBase64, format!("{field} is not standard base64: {error}"))
    })
}

/// Refuses a field that is none of the `known` ones.
pub(super) fn unexpected_field(field: &str, known: &str) -> Refusal {
    Refusal::new(Code::UnknownField, format!("{field} is no field here; there are: {known}"))
        .with("field", field)
}

/// The fields of a JSON object as they stand there: a map would let the last of two win.
struct Fields(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Fields, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(Fields(fields))
    }
}
