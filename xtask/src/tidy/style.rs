//! The shape of sources: how wide, how long, how begun, and what must not be left in them.

use super::Violation;
use super::source::{Function, Source, occurrences};
use super::tree::Tree;

/// The width of a line of code, in characters.
const COLUMNS_MAX: usize = 100;

/// The length of a file of code, in lines. The aim is 600; past this the file holds two concepts.
const FILE_LINES_MAX: usize = 800;

/// The length of a function, from its `fn` to its closing brace, in lines.
const FUNCTION_LINES_MAX: usize = 70;

/// Over all functions: half of them stay below this many lines …
const MEDIAN_LINES_MAX: usize = 10;

/// … and nine of ten below this many.
const P90_LINES_MAX: usize = 40;

/// Texts that are code.
const CODE_ENDINGS: &[&str] = &[".rs", ".py", ".proto", ".js", ".css", ".html", ".sh", ".ci/run"];

/// Marks of unfinished work. Spelled in halves, so that this file does not hold them.
const STRAY_MARKS: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

/// Places of somebody's machine, in halves as well.
const MACHINE_PATHS: &[&str] =
    &[concat!("/wo", "rk"), concat!("/ro", "ot"), concat!("/tmp/", "target")];

fn is_code(path: &str) -> bool {
    CODE_ENDINGS.iter().any(|ending| path.ends_with(ending))
}

/// Addresses can not be broken over lines, so lines with one may be longer.
pub(crate) fn columns(tree: &Tree) -> Vec<Violation> {
    let code = tree.texts().filter(|(path, _)| is_code(path));
    let lines = code.flat_map(|(path, text)| {
        text.lines().zip(1..).map(move |(line, number)| (path, number, line))
    });
    lines
        .filter(|(_, _, line)| line.chars().count() > COLUMNS_MAX && !line.contains("://"))
        .map(|(path, number, line)| {
            let message = format!("{} columns, at most {COLUMNS_MAX}", line.chars().count());
            Violation::new("columns", path, number, message)
        })
        .collect()
}

pub(crate) fn file_length(tree: &Tree) -> Vec<Violation> {
    let code = tree.texts().filter(|(path, _)| is_code(path));
    code.filter(|(_, text)| text.lines().count() > FILE_LINES_MAX)
        .map(|(path, text)| {
            let lines = text.lines().count();
            let message = format!("{lines} lines, at most {FILE_LINES_MAX}: which two is it?");
            Violation::new("file-length", path, lines, message)
        })
        .collect()
}

/// Every function of the product, with its file.
fn functions(tree: &Tree) -> impl Iterator<Item = (&str, Function<'_>)> {
    tree.sources().flat_map(|source| {
        let product = source.functions().into_iter().filter(|function| !function.is_test);
        product.map(|function| (source.path.as_str(), function))
    })
}

pub(crate) fn function_length(tree: &Tree) -> Vec<Violation> {
    functions(tree)
        .filter(|(_, function)| function.lines > FUNCTION_LINES_MAX)
        .map(|(path, Function { name, line, lines, .. })| {
            let message = format!("`{name}` has {lines} lines, at most {FUNCTION_LINES_MAX}");
            Violation::new("function-length", path, line, message).about(format!("{path}::{name}"))
        })
        .collect()
}

/// The lengths of all functions of the product, ascending.
fn lengths(tree: &Tree) -> Vec<usize> {
    let mut lengths: Vec<usize> = functions(tree).map(|(_, function)| function.lines).collect();
    lengths.sort_unstable();
    lengths
}

/// The length that this share of the functions, in percent, does not exceed.
fn percentile(sorted: &[usize], percent: usize) -> usize {
    sorted.get((sorted.len() * percent / 100).min(sorted.len().saturating_sub(1))).map_or(0, |n| *n)
}

pub(crate) fn function_shape(tree: &Tree) -> Vec<Violation> {
    let lengths = lengths(tree);
    let limits = [("median", 50, MEDIAN_LINES_MAX), ("90th percentile", 90, P90_LINES_MAX)];
    limits
        .into_iter()
        .filter(|(_, percent, max)| percentile(&lengths, *percent) >= *max)
        .map(|(name, percent, max)| {
            let lines = percentile(&lengths, percent);
            let message = format!("the {name} of function lengths is {lines}, below {max} is ours");
            Violation::new("function-shape", "crates", 0, message)
        })
        .collect()
}

/// One line about the shape of the product.
pub(crate) fn summary(tree: &Tree) -> String {
    let lengths = lengths(tree);
    format!(
        "tidy: {} functions, median {} lines, 90 % within {}, longest {}",
        lengths.len(),
        percentile(&lengths, 50),
        percentile(&lengths, 90),
        percentile(&lengths, 100),
    )
}

/// Every source begins by saying what it is.
pub(crate) fn essay(tree: &Tree) -> Vec<Violation> {
    let product = tree.sources().filter(|source| is_product(source));
    product
        .filter(|source| !tree.text(&source.path).unwrap_or_default().starts_with("//!"))
        .map(|source| {
            Violation::new("essay", &source.path, 1, "begins without a `//!` that says what it is")
        })
        .collect()
}

fn is_product(source: &Source) -> bool {
    !source.is_test() && source.path.contains("/src/")
}

pub(crate) fn stray_marks(tree: &Tree) -> Vec<Violation> {
    marked(tree, |line| {
        let mark = STRAY_MARKS.iter().find(|mark| occurrences(line, mark).next().is_some())?;
        Some(format!("`{mark}`: finish it, or write down what is known"))
    })
    .map(|(path, line, message)| Violation::new("stray-mark", path, line, message))
    .collect()
}

pub(crate) fn machine_paths(tree: &Tree) -> Vec<Violation> {
    marked(tree, |line| {
        let place = MACHINE_PATHS.iter().find(|place| has_absolute(line, place))?;
        Some(format!("`{place}` is a place on somebody's machine"))
    })
    .map(|(path, line, message)| Violation::new("machine-path", path, line, message))
    .collect()
}

/// Every line of every text that a rule has something to say about.
fn marked(
    tree: &Tree,
    rule: impl Fn(&str) -> Option<String> + Copy,
) -> impl Iterator<Item = (&str, usize, String)> {
    tree.texts().flat_map(move |(path, text)| {
        let lines = text.lines().zip(1..);
        lines.filter_map(move |(line, number)| Some((path, number, rule(line)?)))
    })
}

/// Whether the line names the place itself and not the tail of another path or address.
fn has_absolute(line: &str, place: &str) -> bool {
    line.match_indices(place).any(|(at, _)| {
        let joined = |c: char| c.is_alphanumeric() || "_-.*}".contains(c);
        let before = line[..at].chars().next_back();
        let after = line[at + place.len()..].chars().next();
        !before.is_some_and(|c| joined(c) || c == '/') && !after.is_some_and(joined)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "crates/raft/src/log.rs";

    fn tree(text: &str) -> Tree {
        Tree::of(&[(PATH, text)])
    }

    fn function_of(lines: usize) -> String {
        format!("fn f() {{\n{}}}\n", "    x();\n".repeat(lines - 2))
    }

    #[test]
    fn a_line_may_have_a_hundred_columns_and_no_more() {
        assert_eq!(columns(&tree(&"é".repeat(100))), []);
        let found = columns(&tree(&format!("\n{}", "é".repeat(101))));
        assert_eq!((found.len(), found[0].line), (1, 2));
    }

    #[test]
    fn a_line_with_an_address_may_be_longer() {
        assert_eq!(columns(&tree(&format!("// https://{}", "a".repeat(100)))), []);
    }

    #[test]
    fn a_file_may_have_eight_hundred_lines_and_no_more() {
        assert_eq!(file_length(&tree(&"\n".repeat(800))), []);
        assert_eq!(file_length(&tree(&"\n".repeat(801))).len(), 1);
    }

    #[test]
    fn a_function_may_have_seventy_lines_and_no_more() {
        assert_eq!(function_length(&tree(&function_of(70))), []);
        let found = function_length(&tree(&function_of(71)));
        assert_eq!(found[0].subject, "crates/raft/src/log.rs::f");
    }

    #[test]
    fn a_test_may_be_long() {
        let text = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", function_of(90));
        assert_eq!(function_length(&tree(&text)), []);
    }

    #[test]
    fn functions_are_short_on_the_whole() {
        assert_eq!(function_shape(&tree(&function_of(9))), []);
        assert_eq!(function_shape(&tree(&function_of(12))).len(), 1);
        assert_eq!(function_shape(&tree(&function_of(50))).len(), 2);
    }

    #[test]
    fn the_summary_counts_functions() {
        let summary = summary(&tree(&format!("{}{}", function_of(3), function_of(12))));
        assert_eq!(summary, "tidy: 2 functions, median 12 lines, 90 % within 12, longest 12");
    }

    #[test]
    fn a_source_begins_with_its_essay() {
        assert_eq!(essay(&tree("//! What this is.\nfn f() {}\n")), []);
        assert_eq!(essay(&tree("fn f() {}\n")).len(), 1);
    }

    #[test]
    fn marks_of_unfinished_work_are_found_in_any_text() {
        let text = format!("one\n# {}: later\n", STRAY_MARKS[0]);
        let found = stray_marks(&Tree::of(&[("docs/a.md", &text)]));
        assert_eq!((found.len(), found[0].line), (1, 2));
        assert_eq!(stray_marks(&tree("mktemp raftkv.XXXXXX\n")), []);
    }

    #[test]
    fn places_of_a_machine_are_found() {
        for place in MACHINE_PATHS {
            let text = format!("see {place}/main\n");
            assert_eq!(machine_paths(&Tree::of(&[("a.md", &text)])).len(), 1, "{place}");
        }
        let elsewhere = format!("https://a.b{0}/x and ./docs{0} and {0}ing\n", MACHINE_PATHS[0]);
        assert_eq!(machine_paths(&tree(&elsewhere)), []);
    }
}
