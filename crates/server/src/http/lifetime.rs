//! How long a key is to live, as requests write it: `ttl` in seconds or `lease`, of which a put has
//! one at most; and how long it has left, as answers show it.

use serde_json::Value;
use store::{KeyValue, LeaseId, Lifetime, PutLifetime, TTL_MS_MAX, TTL_S_MAX};

use super::error::{Code, Refusal};
use super::query::{Query, bad};

/// What was said so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Written(Option<PutLifetime>);

impl Written {
    /// What the parameters say.
    pub(super) fn of_query(query: &Query) -> Result<Written, Refusal> {
        let mut written = Written::default();
        if let Some(text) = query.bytes("ttl") {
            written.set(PutLifetime::TtlMs(ttl_ms_of_text(&text)?))?;
        }
        if let Some(text) = query.bytes("lease") {
            written.set(PutLifetime::Lease(lease_of_text(&text)?))?;
        }
        Ok(written)
    }

    /// Takes in a field of a body; whether it is one of these.
    pub(super) fn read(&mut self, field: &str, value: &Value) -> Result<bool, Refusal> {
        match field {
            "ttl" => self.set(PutLifetime::TtlMs(ttl_ms(value)?))?,
            "lease" => self.set(PutLifetime::Lease(lease(value)?))?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// What else is said of the same put.
    pub(super) fn and(mut self, other: Written) -> Result<Written, Refusal> {
        if let Some(lifetime) = other.0 {
            self.set(lifetime)?;
        }
        Ok(self)
    }

    fn set(&mut self, lifetime: PutLifetime) -> Result<(), Refusal> {
        match self.0.replace(lifetime) {
            None => Ok(()),
            Some(_) => {
                let message = "give ttl or lease, once: a key lives by one of them";
                Err(Refusal::new(Code::BadParameter, message).with("parameter", "ttl"))
            }
        }
    }

    /// What the put asks for.
    pub(super) fn lifetime(self) -> PutLifetime {
        self.0.unwrap_or_default()
    }
}

fn bad_ttl() -> Refusal {
    let message = format!(
        "ttl is a number of seconds, from 0.001 to {TTL_S_MAX}; leave it out for a key that stays"
    );
    Refusal::new(Code::BadTtl, message)
}

/// A time to live as JSON has it: a number of seconds, with a fraction or not.
pub(super) fn ttl_ms(value: &Value) -> Result<u64, Refusal> {
    value.as_f64().and_then(of_seconds).ok_or_else(bad_ttl)
}

fn ttl_ms_of_text(text: &[u8]) -> Result<u64, Refusal> {
    let plain = text.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
    let seconds = str::from_utf8(text).ok().filter(|_| plain);
    let seconds = seconds.and_then(|text| text.parse().ok());
    seconds.and_then(of_seconds).ok_or_else(bad_ttl)
}

fn of_seconds(seconds: f64) -> Option<u64> {
    let ms = (seconds * 1_000.0).round();
    // What lies between is held exactly.
    (1.0..=TTL_MS_MAX as f64).contains(&ms).then_some(ms as u64)
}

/// A lease's time to live: whole seconds.
pub(super) fn lease_ttl_s(value: &Value) -> Result<u64, Refusal> {
    value.as_u64().filter(|ttl_s| (1..=TTL_S_MAX).contains(ttl_s)).ok_or_else(|| {
        let message = format!("ttl of a lease is a whole number of seconds, from 1 to {TTL_S_MAX}");
        Refusal::new(Code::BadTtl, message)
    })
}

/// A lease's id, in a body.
pub(super) fn lease(value: &Value) -> Result<LeaseId, Refusal> {
    value.as_i64().filter(|id| *id != 0).map(LeaseId).ok_or_else(bad_lease)
}

/// A lease's id, in a path or a parameter.
pub(super) fn lease_of_text(text: &[u8]) -> Result<LeaseId, Refusal> {
    let id = str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    id.filter(|id| *id != 0).map(LeaseId).ok_or_else(bad_lease)
}

fn bad_lease() -> Refusal {
    bad("lease", "is the id of a lease, a whole number, as POST /leases answered it")
}

/// What is left of a key's own time to live at this age, and its lease.
pub(super) fn shown(key_value: &KeyValue, age_ms: u64) -> (Option<u64>, Option<i64>) {
    match key_value.lifetime {
        Lifetime::Unbounded => (None, None),
        Lifetime::Lease(lease) => (None, Some(lease.0)),
        lifetime @ Lifetime::Until { .. } => (lifetime.left_ms(age_ms), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_may_have_a_fraction_and_nothing_else_is_taken() {
        for (text, ms) in [
            ("1", Some(1_000)),
            ("0.001", Some(1)),
            ("1.5", Some(1_500)),
            ("9000000000", Some(TTL_MS_MAX)),
            ("0", None),
            ("0.0001", None),
            ("-1", None),
            ("1e3", None),
            ("9000000001", None),
            ("", None),
            ("1s", None),
            ("nan", None),
            ("inf", None),
        ] {
            assert_eq!(ttl_ms_of_text(text.as_bytes()).ok(), ms, "{text}");
        }
        for (json, ms) in [
            ("30", Some(30_000)),
            ("0.25", Some(250)),
            ("1e3", Some(1_000_000)),
            ("0", None),
            ("-5", None),
            ("1e300", None),
            ("9000000000.1", None),
            ("\"30\"", None),
            ("null", None),
        ] {
            assert_eq!(ttl_ms(&serde_json::from_str(json).unwrap()).ok(), ms, "{json}");
        }
    }

    #[test]
    fn a_lease_has_any_number_but_none() {
        for (text, id) in [("7", Some(7)), ("-7", Some(-7)), ("0", None), ("a", None), ("", None)] {
            assert_eq!(lease_of_text(text.as_bytes()).ok(), id.map(LeaseId), "{text}");
        }
    }
}
