//! What an expression of Prometheus asks for: metrics by name, and labels of theirs.
//!
//! What this does *not* do: understand the rest. `promtool` does, in `cargo xtask test deploy`.

use std::collections::BTreeSet;

/// A metric that is asked for, and the labels by which it is told apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Selector {
    /// The metric's name, with the ending that a sample has.
    pub metric: String,
    /// What stands before `=`, `!=`, `=~` or `!~` in its braces.
    pub labels: BTreeSet<String>,
}

/// All selectors of an expression whose metrics begin with one of `prefixes`.
pub fn selectors(expression: &str, prefixes: &[&str]) -> Vec<Selector> {
    let (mut found, mut rest) = (Vec::new(), expression);
    while let Some(start) = rest.find(|c: char| is_first(c) || c == '"') {
        rest = &rest[start..];
        if let Some(text) = rest.strip_prefix('"') {
            rest = text.split_once('"').map_or("", |(_, after)| after);
            continue;
        }
        let (name, after) = split_name(rest);
        rest = after;
        if prefixes.iter().any(|prefix| name.starts_with(prefix)) {
            found.push(Selector { metric: name.to_owned(), labels: labels(after) });
        }
    }
    found
}

/// The labels in the braces with which `text` begins, if it begins with some.
fn labels(text: &str) -> BTreeSet<String> {
    let mut labels = BTreeSet::new();
    let Some(mut rest) = text.strip_prefix('{') else { return labels };
    while let Some(start) = rest.find(|c: char| is_first(c) || c == '"' || c == '}') {
        rest = &rest[start..];
        if rest.starts_with('}') {
            break;
        }
        if let Some(text) = rest.strip_prefix('"') {
            rest = text.split_once('"').map_or("", |(_, after)| after);
            continue;
        }
        let (name, after) = split_name(rest);
        labels.insert(name.to_owned());
        rest = after;
    }
    labels
}

fn is_first(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_'
}

fn split_name(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'));
    text.split_at(end.unwrap_or(text.len()))
}

/// What a page of metrics tells: the name of each sample, with its labels.
pub fn samples(page: &str) -> Vec<Selector> {
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    let sample = |line| {
        let (name, after) = split_name(line);
        Selector { metric: name.to_owned(), labels: labels(after) }
    };
    lines.map(sample).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selector(metric: &str, labels: &[&str]) -> Selector {
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        Selector { metric: metric.to_owned(), labels }
    }

    #[test]
    fn metrics_and_labels_are_found_wherever_they_stand() {
        let expression = r#"sum by (le) (rate(kv_a_bucket{code=~"5.. kv_no", route!="/x}"}[5m]))
            / (kv_b > 0) and on (kv) other{x="kv_c"}"#;
        let found = selectors(expression, &["kv_"]);
        assert_eq!(found, [selector("kv_a_bucket", &["code", "route"]), selector("kv_b", &[])]);
    }

    #[test]
    fn samples_of_a_page_have_names_and_labels() {
        let page =
            "# HELP kv_a A.\n# TYPE kv_a counter\nkv_a_total{code=\"200\"} 1\nkv_b 2\n# EOF\n";
        assert_eq!(samples(page), [selector("kv_a_total", &["code"]), selector("kv_b", &[])]);
    }
}
