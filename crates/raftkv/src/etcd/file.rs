//! `--config-file`: etcd's file, which is YAML. Its keys are the flags' names; TLS stands in two
//! sections of its own.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use super::go::Takes;
use super::table::{self, Flag};

/// A longer file is none of etcd's.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The sections, and what stands before their keys where they are flags.
const TLS_SECTIONS: [(&str, &str); 2] =
    [("client-transport-security", ""), ("peer-transport-security", "peer-")];

/// The section with what a discovery service would need.
const DISCOVERY_SECTION: &str = "discovery-config";

type Entries = Vec<(&'static Flag, String)>;

/// The flags that the file sets, and the keys that no flag has.
pub(super) fn read(path: &str) -> Result<(Entries, Vec<String>), String> {
    let refuse = |why: &dyn std::fmt::Display| format!("--config-file {path}: {why}");
    let length = fs::metadata(path).map_err(|error| refuse(&error))?.len();
    if length > FILE_BYTES_MAX {
        return Err(refuse(&format!("{length} bytes, at most {FILE_BYTES_MAX}")));
    }
    let text = fs::read_to_string(path).map_err(|error| refuse(&error))?;
    parse(&text).map_err(|error| refuse(&error))
}

fn parse(text: &str) -> Result<(Entries, Vec<String>), String> {
    let keys: Option<BTreeMap<String, Value>> =
        serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
    let (mut entries, mut unknown) = (Entries::new(), Vec::new());
    for (key, value) in keys.unwrap_or_default() {
        if let Some((section, prefix)) = TLS_SECTIONS.iter().find(|(name, _)| *name == key) {
            entries.extend(of_section(section, prefix, value)?);
            continue;
        }
        match table::find(&key) {
            Some(flag) if flag.name != "config-file" => {
                if let Some(value) = text_of(flag, value)? {
                    entries.push((flag, value));
                }
            }
            _ if key == DISCOVERY_SECTION && is_something(&value) => {
                return Err(format!("{key}: name all members in initial-cluster instead"));
            }
            _ => unknown.push(key),
        }
    }
    Ok((entries, unknown))
}

/// The flags of such a section. What it says and no flag does must not be passed over.
fn of_section(section: &str, prefix: &str, value: Value) -> Result<Entries, String> {
    let Value::Object(keys) = value else {
        let invalid = || Err(format!("invalid {section}"));
        return if is_something(&value) { invalid() } else { Ok(Entries::new()) };
    };
    let mut entries = Entries::new();
    for (key, value) in keys.into_iter().filter(|(_, value)| is_something(value)) {
        let name = match (prefix, key.as_str()) {
            ("", "allowed-hostname") => "client-cert-allowed-hostname".to_owned(),
            (_, "allowed-cn" | "allowed-hostname") => format!("{prefix}cert-{key}"),
            _ => format!("{prefix}{key}"),
        };
        let flag = table::find(&name);
        let flag = flag.ok_or_else(|| format!("{section}: {key}: raftkv does not know it"))?;
        entries.extend(text_of(flag, value)?.map(|value| (flag, value)));
    }
    Ok(entries)
}

fn is_something(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => items.iter().any(is_something),
        Value::Object(keys) => keys.values().any(is_something),
        Value::Bool(true) | Value::Number(_) => true,
    }
}

/// A value as the command line would have it; none if it says nothing.
fn text_of(flag: &Flag, value: Value) -> Result<Option<String>, String> {
    let text = match value {
        Value::Null => return Ok(None),
        Value::Bool(on) => on.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text,
        Value::Array(items) => {
            let items: Option<Vec<String>> = items.into_iter().map(text_of_item).collect();
            let items = items.ok_or_else(|| format!("{}: a list holds texts alone", flag.name))?;
            items.join(",")
        }
        Value::Object(_) => return Err(format!("{}: it has no sections", flag.name)),
    };
    // In the file durations are numbers of ns.
    let is_ns = flag.takes == Takes::Duration && Takes::Integer.accepts(&text);
    let is_unset = text.is_empty() && flag.takes != Takes::Text;
    match is_ns || is_unset || flag.takes.accepts(&text) {
        true => Ok((!is_unset).then_some(text)),
        false => Err(format!("{}: {text:?} is no value for it", flag.name)),
    }
}

fn text_of_item(item: Value) -> Option<String> {
    match item {
        Value::String(text) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> String {
        match parse(text) {
            Ok((entries, unknown)) => {
                let entries: Vec<String> =
                    entries.iter().map(|(flag, value)| format!("{}={value}", flag.name)).collect();
                format!("{} ?{}", entries.join(" "), unknown.join(","))
            }
            Err(why) => why,
        }
    }

    #[test]
    fn keys_are_flags() {
        let text = "
# This is the configuration file for the etcd server.
name: 'a'
data-dir:
heartbeat-interval: 100
listen-client-urls: http://localhost:2379,http://10.0.0.1:2379
strict-reconfig-check: false
log-outputs: [stderr, stdout]
watch-progress-notify-interval: 600000000000
unsafe-no-fsync: true
auto-compaction-retention: \"1\"
client-transport-security:
  cert-file:
  client-cert-auth: false
  trusted-ca-file: ca.crt
peer-transport-security:
  auto-tls: true
  allowed-cn: [a]
nosuch: 5
";
        assert_eq!(
            parsed(text),
            "auto-compaction-retention=1 trusted-ca-file=ca.crt heartbeat-interval=100 \
             listen-client-urls=http://localhost:2379,http://10.0.0.1:2379 \
             log-outputs=stderr,stdout name=a peer-cert-allowed-cn=a peer-auto-tls=true \
             strict-reconfig-check=false unsafe-no-fsync=true \
             watch-progress-notify-interval=600000000000 ?nosuch"
        );
        assert_eq!(parsed(""), " ?");
        assert_eq!(parsed("# nothing"), " ?");
    }

    #[test]
    fn what_can_not_be_read_or_honoured_is_refused() {
        for (text, words) in [
            ("name: [a", "line 1"),
            ("- a", "map"),
            ("heartbeat-interval: often", "heartbeat-interval: \"often\""),
            ("heartbeat-interval: -1", "\"-1\""),
            ("name: {a: b}", "name: it has no sections"),
            ("log-outputs: [1]", "a list holds texts"),
            ("client-transport-security:\n  nosuch: a", "nosuch: raftkv does not know it"),
            ("client-transport-security: 5", "invalid client-transport-security"),
            ("discovery-config:\n  token: t", "initial-cluster"),
        ] {
            let refused = parsed(text);
            assert!(refused.contains(words), "{text}: {refused}");
        }
    }
}
