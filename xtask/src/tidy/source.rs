//! One Rust source, seen line by line: what is code, and which of it is test.
//!
//! A scanner, not a parser: it knows comments, strings, character literals and brackets, which is
//! all that the rules need, and costs no dependency. Everything that is not code is blanked, byte
//! by byte, so that lines and columns stay where they were.
//!
//! What this does *not* do: expand macros or understand types. A brace that a macro leaves open
//! would confuse it, and would confuse a reader as well.

use std::ops::Range;

/// One Rust source file.
pub(crate) struct Source {
    pub(crate) path: String,
    /// The text with comments and the insides of literals blanked; the same lines.
    code: String,
    /// Where each line of `code` begins.
    line_starts: Vec<usize>,
    /// The byte ranges of `code` that only tests compile.
    tests: Vec<Range<usize>>,
}

/// One function with a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function<'a> {
    pub(crate) name: &'a str,
    /// The line of the word `fn`, counted from 1.
    pub(crate) line: usize,
    /// From that line to the closing brace, both included.
    pub(crate) lines: usize,
    pub(crate) is_test: bool,
}

impl Source {
    pub(crate) fn parse(path: &str, text: &str) -> Source {
        let code = blank(text);
        let line_starts = line_starts(&code);
        let whole = Vec::from_iter(is_test_path(path).then_some(0..code.len() + 1));
        let tests = if whole.is_empty() { test_items(&code) } else { whole };
        Source { path: path.to_string(), code, line_starts, tests }
    }

    /// Says that only tests compile this file: another file's `#[cfg(test)] mod` names it.
    pub(crate) fn mark_as_test(&mut self) {
        self.tests.push(0..self.code.len() + 1);
    }

    pub(crate) fn is_test(&self) -> bool {
        self.is_test_at(0)
    }

    /// The crate's directory, such as `crates/raft`.
    pub(crate) fn package(&self) -> &str {
        let inside = ["/src/", "/tests/", "/examples/", "/benches/"];
        let end = inside.iter().filter_map(|place| self.path.find(place)).min();
        &self.path[..end.unwrap_or(0)]
    }

    /// Every line of code, without comments and literals: its number, its text, whether it is test.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str, bool)> {
        let starts = self.line_starts.iter().zip(1..);
        starts.zip(self.code.lines()).map(|((at, line), text)| (line, text, self.is_test_at(*at)))
    }

    /// Every function with a body, nested ones included.
    pub(crate) fn functions(&self) -> Vec<Function<'_>> {
        let words = occurrences(&self.code, "fn");
        words.filter_map(|at| self.function_at(at)).collect()
    }

    /// The paths of the modules that this file declares for tests only.
    pub(crate) fn test_modules(&self) -> Vec<String> {
        let items = self.tests.iter().filter_map(|range| self.code.get(range.clone()));
        let names = items.filter_map(|item| {
            let (_, declared) = item.strip_suffix(';')?.rsplit_once("mod ")?;
            Some(declared.trim().to_string())
        });
        let directory = module_directory(&self.path);
        names
            .flat_map(|name| {
                [format!("{directory}/{name}.rs"), format!("{directory}/{name}/mod.rs")]
            })
            .collect()
    }

    fn function_at(&self, at: usize) -> Option<Function<'_>> {
        let after = &self.code[at + "fn".len()..];
        let name_at = after.len() - after.trim_start().len();
        let name_len = after[name_at..].find(|c: char| !is_word(c))?;
        if name_len == 0 {
            return None; // the type of a function pointer
        }
        let name = &after[name_at..name_at + name_len];
        let body = item_end(&self.code, at)?;
        let (line, last) = (self.line_of(at), self.line_of(body.end - 1));
        let is_test = self.is_test_at(at);
        body.braced.then_some(Function { name, line, lines: last - line + 1, is_test })
    }

    fn line_of(&self, at: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= at)
    }

    fn is_test_at(&self, at: usize) -> bool {
        self.tests.iter().any(|range| range.contains(&at))
    }
}

/// Whether a character can be part of a name.
pub(crate) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Where `needle` occurs, not as a part of a longer name.
pub(crate) fn occurrences<'a>(text: &'a str, needle: &'a str) -> impl Iterator<Item = usize> + 'a {
    let starts_in_word = needle.starts_with(is_word);
    let ends_in_word = needle.ends_with(is_word);
    text.match_indices(needle).map(|(at, _)| at).filter(move |at| {
        let before = text[..*at].chars().next_back().is_some_and(is_word);
        let after = text[at + needle.len()..].chars().next().is_some_and(is_word);
        !(starts_in_word && before || ends_in_word && after)
    })
}

/// Where an item ends.
struct ItemEnd {
    /// The first byte after it.
    end: usize,
    /// Whether it ended with a body in braces, and not with a semicolon.
    braced: bool,
}

/// The end of the item that begins at `at`: the first `;` or `{…}` outside of other brackets.
fn item_end(code: &str, at: usize) -> Option<ItemEnd> {
    let mut open = 0_usize;
    let mut braced = false;
    for (offset, byte) in code.bytes().enumerate().skip(at) {
        match byte {
            b'(' | b'[' | b'{' => {
                braced |= byte == b'{' && open == 0;
                open += 1;
            }
            b')' | b']' | b'}' => {
                open = open.checked_sub(1)?;
                if braced && open == 0 {
                    return Some(ItemEnd { end: offset + 1, braced });
                }
            }
            b';' if open == 0 => return Some(ItemEnd { end: offset + 1, braced }),
            _ => {}
        }
    }
    None
}

/// The items under `#[cfg(test)]` or `#[test]`, attribute included.
fn test_items(code: &str) -> Vec<Range<usize>> {
    let attributes = ["#[cfg(test)]", "#[test]", "#[tokio::test"];
    let starts = attributes.iter().flat_map(|attribute| {
        code.match_indices(attribute).map(|(at, _)| (at, at + attribute.len()))
    });
    let mut items: Vec<Range<usize>> = starts
        .filter_map(|(at, after)| Some(at..item_end(code, skip_attributes(code, after))?.end))
        .collect();
    items.sort_by_key(|range| range.start);
    items
}

/// Goes over the rest of an attribute and those that follow it.
fn skip_attributes(code: &str, at: usize) -> usize {
    let rest = &code[at..];
    let attribute_continues = rest.starts_with(['(', ']']);
    let trimmed = rest.trim_start();
    if attribute_continues || trimmed.starts_with("#[") {
        let end = rest.find(']').map_or(rest.len(), |end| end + 1);
        skip_attributes(code, at + end)
    } else {
        at + (rest.len() - trimmed.len())
    }
}

fn is_test_path(path: &str) -> bool {
    let test_directory = path.starts_with("tests/") || path.contains("/tests/");
    test_directory || path.ends_with("/tests.rs") || path.ends_with("_tests.rs")
}

/// Where the modules lie that a file declares.
fn module_directory(path: &str) -> String {
    let (directory, file) = path.rsplit_once('/').unwrap_or(("", path));
    match file {
        "lib.rs" | "main.rs" | "mod.rs" => directory.to_string(),
        _ => path.trim_end_matches(".rs").to_string(),
    }
}

fn line_starts(text: &str) -> Vec<usize> {
    let after_breaks = text.match_indices('\n').map(|(at, _)| at + 1);
    std::iter::once(0).chain(after_breaks).collect()
}

/// Blanks comments and the insides of literals.
fn blank(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let hidden = hidden_prefix(rest, code.chars().next_back());
        let (taken, visible) = match hidden {
            0 => (first.len_utf8(), true),
            hidden => (hidden, false),
        };
        let (head, tail) = rest.split_at(taken);
        if visible {
            code.push_str(head);
        } else {
            code.extend(head.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
        }
        rest = tail;
    }
    code
}

/// How many bytes at the front are a comment or a literal.
fn hidden_prefix(rest: &str, before: Option<char>) -> usize {
    let raw = || if before.is_some_and(is_word) { 0 } else { raw_string(rest) };
    match rest.as_bytes() {
        [b'/', b'/', ..] => rest.find('\n').unwrap_or(rest.len()),
        [b'/', b'*', ..] => block_comment(rest),
        [b'"', ..] => quoted(rest, '"'),
        [b'\'', ..] => character(rest),
        [b'r', b'"' | b'#', ..] => raw(),
        [b'b' | b'c', b'r', b'"' | b'#', ..] => raw(),
        _ => 0,
    }
}

/// Block comments nest.
fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let bytes = rest.as_bytes();
    let mut at = 0;
    while at + 1 < bytes.len() {
        match &bytes[at..at + 2] {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" if depth == 1 => return at + 2,
            b"*/" => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    rest.len()
}

/// A literal with escapes, from its opening to its closing quote.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// `'a'` and `'\n'` are characters; `'a` is a lifetime, which is code.
fn character(rest: &str) -> usize {
    let mut chars = rest.chars().skip(1);
    match (chars.next(), chars.next()) {
        (Some('\\'), _) | (Some(_), Some('\'')) => quoted(rest, '\''),
        _ => 0,
    }
}

/// `r"…"` or `r#"…"#`, with any prefix before the `r`; 0 if it is a raw identifier.
fn raw_string(rest: &str) -> usize {
    let after_prefix = rest.find('r').map_or(0, |at| at + 1);
    let hashes = rest[after_prefix..].bytes().take_while(|byte| *byte == b'#').count();
    let open = after_prefix + hashes;
    if !rest[open..].starts_with('"') {
        return 0;
    }
    let closing = format!("\"{}", "#".repeat(hashes));
    rest[open + 1..].find(&closing).map_or(rest.len(), |at| open + 1 + at + closing.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Source {
        Source::parse("crates/raft/src/log.rs", text)
    }

    #[test]
    fn comments_and_literals_are_blanked_and_lines_stay() {
        let text = "let a = \"un\\\"wrap\"; // unwrap\n/* a /* b */ unwrap\n*/ let c = '\"';";
        let code = blank(text);
        assert_eq!(code.len(), text.len());
        assert_eq!(code.lines().count(), 3);
        assert!(!code.contains("unwrap"));
        assert!(code.ends_with("let c =    ;"), "{code}");
    }

    #[test]
    fn raw_strings_and_lifetimes_are_told_from_names() {
        let code = blank("fn r<'a>(r#type: &'a str) { f(r#\"}\"#, br\"{\", b'{', '\\''); }");
        assert_eq!(code.matches('{').count(), 1, "{code}");
        assert_eq!(code.matches('}').count(), 1, "{code}");
        assert!(code.contains("r#type: &'a str"), "{code}");
    }

    #[test]
    fn functions_run_from_their_word_to_their_closing_brace() {
        let source = parsed(
            "trait T {\n    fn declared(&self) -> [u8; 4];\n}\n\
             fn long(\n    f: fn(u8) -> u8,\n) -> [u8; 2] {\n    || { fn inner() {} };\n}\n",
        );
        let found = source.functions();
        let sizes: Vec<_> = found.iter().map(|f| (f.name, f.line, f.lines)).collect();
        assert_eq!(sizes, [("long", 4, 5), ("inner", 7, 1)]);
    }

    #[test]
    fn items_under_a_test_attribute_are_test() {
        let source = parsed(
            "fn a() {}\n#[cfg(test)]\n#[allow(x)]\nmod tests {\n    fn b() {}\n}\nfn c() {}\n\
             #[tokio::test(start_paused = true)]\nasync fn d() {}\n",
        );
        let tests: Vec<_> = source.functions().iter().map(|f| (f.name == "b", f.is_test)).collect();
        assert_eq!(tests, [(false, false), (true, true), (false, false), (false, true)]);
    }

    #[test]
    fn files_of_tests_are_test() {
        for path in ["tests/tests/crash.rs", "crates/wal/tests/golden.rs", "crates/a/src/tests.rs"]
        {
            assert!(Source::parse(path, "fn f() {}").is_test(), "{path}");
        }
        assert!(!Source::parse("crates/sim/src/testing.rs", "fn f() {}").is_test());
    }

    #[test]
    fn modules_for_tests_are_found_beside_their_parent() {
        let child = Source::parse("crates/raft/src/log.rs", "#[cfg(test)]\nmod model;\n");
        assert_eq!(child.test_modules()[0], "crates/raft/src/log/model.rs");
        let root = Source::parse("crates/raft/src/lib.rs", "#[cfg(test)]\nmod model;\n");
        assert_eq!(root.test_modules()[0], "crates/raft/src/model.rs");
    }

    #[test]
    fn the_package_of_a_source_is_its_directory() {
        assert_eq!(parsed("").package(), "crates/raft");
        assert_eq!(Source::parse("xtask/src/tidy/mod.rs", "").package(), "xtask");
    }

    #[test]
    fn parts_of_longer_names_do_not_count() {
        assert_eq!(occurrences("HashMapped MyHashMap HashMap<u8>", "HashMap").count(), 1);
    }
}
