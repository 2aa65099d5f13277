//! The JSON gateway.

use serde_json::Value;
use system_tests::http::Http;

/// What differs between any two clusters.
const MASKED: [&str; 3] = ["cluster_id", "member_id", "raft_term"];

/// The status code and the answer, which is JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The status code.
    pub status: u16,
    /// The answer.
    pub body: Value,
}

/// Posts a body to the member at `port`.
pub fn post(port: u16, path: &str, body: &str) -> Told {
    let answer = Http::new(port).request("POST", path, body).unwrap();
    let mut body = answer.json();
    assert!(body.is_object(), "{path}: {answer:?}");
    mask(&mut body);
    Told { status: answer.status, body }
}

fn mask(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for name in MASKED {
                if let Some(field) = fields.get_mut(name) {
                    assert!(field.is_string(), "{name} is a number of 64 bits");
                    *field = Value::Null;
                }
            }
            if fields.contains_key("code") {
                // etcd 3.5 tells the message twice.
                fields.remove("error");
            }
            fields.values_mut().for_each(mask);
        }
        Value::Array(items) => items.iter_mut().for_each(mask),
        _ => {}
    }
}
