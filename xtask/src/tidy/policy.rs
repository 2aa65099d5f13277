//! `deny.toml`: what may come in from others. cargo-deny reads it as TOML, we by lines, because the
//! reasons of some rows are comments: each row of a list is one line.

use super::tree::Tree;

/// Where it lies.
pub(crate) const POLICY: &str = "deny.toml";

/// The section and the key of each list that we read.
const LICENCES: [&str; 2] = ["licenses", "allow"];
const LICENCE_EXCEPTIONS: [&str; 2] = ["licenses", "exceptions"];
const SKIPPED_VERSIONS: [&str; 2] = ["bans", "skip"];
const REGISTRIES: [&str; 2] = ["sources", "allow-registry"];

/// One row of one list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row<'a> {
    /// Counted from 1.
    pub(crate) line: usize,
    /// What the row is about: a licence, a crate with or without `@version`, a registry.
    pub(crate) subject: &'a str,
    /// The licence that an exception allows; nothing in other lists.
    pub(crate) allows: &'a str,
    /// Why it is there.
    pub(crate) reason: &'a str,
}

/// The lists, each in the order of the file.
#[derive(Debug)]
pub(crate) struct Policy<'a> {
    pub(crate) licences: Vec<Row<'a>>,
    pub(crate) licence_exceptions: Vec<Row<'a>>,
    pub(crate) skipped_versions: Vec<Row<'a>>,
    pub(crate) registries: Vec<Row<'a>>,
}

impl<'a> Policy<'a> {
    pub(crate) fn of(tree: &'a Tree) -> Policy<'a> {
        let text = tree.text(POLICY).unwrap_or_default();
        Policy {
            licences: rows(text, LICENCES),
            licence_exceptions: rows(text, LICENCE_EXCEPTIONS),
            skipped_versions: rows(text, SKIPPED_VERSIONS),
            registries: rows(text, REGISTRIES),
        }
    }

    /// The rows that must say why they are there. There is one registry, and it is Rust's own.
    pub(crate) fn decisions(&self) -> impl Iterator<Item = &Row<'a>> {
        self.licences.iter().chain(&self.licence_exceptions).chain(&self.skipped_versions)
    }
}

/// The rows of one list.
fn rows<'a>(text: &'a str, [section, key]: [&str; 2]) -> Vec<Row<'a>> {
    let mut rows = Vec::new();
    let (mut here, mut inside) = ("", false);
    for (line, number) in text.lines().map(str::trim).zip(1..) {
        let (code, comment) = line.split_once('#').unwrap_or((line, ""));
        let code = code.trim_end();
        if !inside && code.starts_with('[') {
            here = code.trim_matches(['[', ']']);
        }
        let opened = code.split_once('=').filter(|(name, _)| here == section && name.trim() == key);
        inside |= opened.is_some();
        let items = opened.map_or(code, |(_, items)| items);
        if inside {
            rows.extend(row(items, number, comment.trim()));
        }
        inside &= !items.ends_with(']');
    }
    rows
}

/// The row of a line, if there is one: a text, or a table with the crate and more.
fn row<'a>(items: &'a str, line: usize, comment: &'a str) -> Option<Row<'a>> {
    let named = |name: &str| items.split_once(&format!("{name} = ")).and_then(|(_, at)| quoted(at));
    let subject = named("crate").or_else(|| quoted(items))?;
    let allows = named("allow").unwrap_or_default();
    Some(Row { line, subject, allows, reason: named("reason").unwrap_or(comment) })
}

/// The first text in quotes.
fn quoted(text: &str) -> Option<&str> {
    text.split('"').nth(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
[licenses]
unused-allowed-license = "deny"
allow = [
    "MIT", # name the authors
    "ISC",
]
exceptions = [{ crate = "imbl", allow = ["MPL-2.0"] }] # as it is
[bans]
allow = []
skip = [
    # what is old
    { crate = "syn@2", reason = "macros # alone" },
]
[sources]
allow-registry = ["https://example.org/index"]
"#;

    fn row(line: usize, subject: &'static str, reason: &'static str) -> Row<'static> {
        Row { line, subject, allows: "", reason }
    }

    #[test]
    fn the_lists_are_read_with_lines_and_reasons() {
        let tree = Tree::of(&[(POLICY, TEXT)]);
        let policy = Policy::of(&tree);
        assert_eq!(policy.licences, [row(5, "MIT", "name the authors"), row(6, "ISC", "")]);
        let exception = Row { allows: "MPL-2.0", ..row(8, "imbl", "as it is") };
        assert_eq!(policy.licence_exceptions, [exception]);
        assert_eq!(policy.skipped_versions.len(), 1);
        assert_eq!(policy.skipped_versions[0].subject, "syn@2");
        assert_eq!(policy.registries, [row(16, "https://example.org/index", "")]);
        assert_eq!(policy.decisions().count(), 4);
    }
}
