//! The files that run members elsewhere (`deploy/` and `compose.yaml`), read as their users read
//! them, and the settings with which they would start a member.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// Where the repository is.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A file of the repository.
pub fn text(path: &str) -> String {
    fs::read_to_string(repository().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A file of YAML: its documents.
pub fn yaml(path: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(&text(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A file of YAML that is one document.
pub fn yaml_document(path: &str) -> Value {
    let mut documents = yaml(path);
    assert_eq!(documents.len(), 1, "{path} is one document");
    documents.remove(0)
}

/// A file of JSON.
pub fn json(path: &str) -> Value {
    serde_json::from_str(&text(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// All values below `value` that are called `name`.
pub fn named<'a>(value: &'a Value, name: &str) -> Vec<&'a Value> {
    match value {
        Value::Array(items) => items.iter().flat_map(|item| named(item, name)).collect(),
        Value::Object(fields) => {
            let here = fields.get(name);
            here.into_iter().chain(fields.values().flat_map(|field| named(field, name))).collect()
        }
        _ => Vec::new(),
    }
}

/// The items of a list; none of what is no list.
pub fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A text.
pub fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}"))
}

/// So many bytes, as `1228MiB` (ours) or `2Gi` (Kubernetes') spell them.
pub fn bytes(spelled: &str) -> u64 {
    let digits = spelled.find(|c: char| !c.is_ascii_digit()).unwrap_or(spelled.len());
    let shift = match spelled[digits..].trim_end_matches('B') {
        "" => 0,
        "Ki" => 10,
        "Mi" => 20,
        "Gi" => 30,
        unit => panic!("{unit} is no unit of bytes"),
    };
    spelled[..digits].parse::<u64>().unwrap() << shift
}

/// A container's environment as Kubernetes makes it: `$(NAME)` stands for what was named before.
pub fn kubernetes_environment(container: &Value, pod: &str) -> BTreeMap<String, String> {
    let mut environment = BTreeMap::<String, String>::new();
    for entry in items(&container["env"]) {
        let from_pod = || match word(&entry["valueFrom"]["fieldRef"]["fieldPath"]) {
            "metadata.name" => pod.to_owned(),
            "metadata.namespace" => "default".to_owned(),
            other => panic!("{other} is no field that we know"),
        };
        let mut value = entry["value"].as_str().map_or_else(from_pod, str::to_owned);
        for (name, known) in &environment {
            value = value.replace(&format!("$({name})"), known);
        }
        assert!(!value.contains("$("), "{value} names what is not there yet");
        environment.insert(word(&entry["name"]).to_owned(), value);
    }
    environment
}
