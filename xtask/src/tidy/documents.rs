//! Documents that name what exists: links, paths, the map of the rooms, Figure 2's table.
//!
//! A path counts as named when it stands in backticks and begins at the root of the repository
//! (`crates/raft/src/lib.rs`, also with `::function` behind it). Fenced blocks are left alone: they
//! show command lines and sample files.

use super::Violation;
use super::source::Source;
use super::tree::Tree;

/// Where the rooms are mapped.
const MAP: &str = "ARCHITECTURE.md";

/// Where each rule of the Raft paper's Figure 2 is matched with our function and its script:
///
/// ```text
/// | rule | function | script |
/// |---|---|---|
/// | … | `crates/raft/src/log.rs::append` | `crates/raft/tests/scripts/append_conflict` |
/// ```
const FIGURE_2: &str = "docs/figure-2.md";

/// Golden scripts lie in `crates/*/` below here.
const SCRIPTS: &str = "/tests/scripts/";

/// Files at the root that documents name without a directory.
const ROOT_FILES: &[&str] = &["Cargo.toml", "Cargo.lock", "clippy.toml", "rustfmt.toml"];

/// The directories at the root.
const ROOT_DIRECTORIES: &[&str] =
    &["crates", "xtask", "docs", "tests", "deploy", "clients", "fuzz", ".ci", ".cargo"];

/// The lines of a document outside of its fenced blocks, numbered from 1.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines().zip(1..).filter_map(move |(line, number)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        (!fenced && !fence).then_some((number, line))
    })
}

/// What stands in backticks on a line.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// The targets of a line's links: what stands in `](…)`.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split(')').next())
}

/// A path relative to a document, from the root; `None` if it leads out of the repository.
fn resolve(document: &str, target: &str) -> Option<String> {
    let mut names: Vec<&str> = document.split('/').collect();
    names.pop();
    for name in target.split('/') {
        match name {
            "" | "." => {}
            ".." => {
                names.pop()?;
            }
            name => names.push(name),
        }
    }
    Some(names.join("/"))
}

pub(crate) fn links(tree: &Tree) -> Vec<Violation> {
    let lines = tree.texts_ending(".md").flat_map(|(path, text)| {
        prose(text).flat_map(move |(number, line)| targets(line).map(move |t| (path, number, t)))
    });
    lines
        .filter(|(path, _, target)| !leads_somewhere(tree, path, target))
        .map(|(path, number, target)| {
            Violation::new("link", path, number, format!("`{target}` does not exist"))
        })
        .collect()
}

fn leads_somewhere(tree: &Tree, document: &str, target: &str) -> bool {
    let file = target.split(['#', ' ']).next().unwrap_or_default();
    let elsewhere = target.contains("://") || target.starts_with("mailto:");
    elsewhere || file.is_empty() || resolve(document, file).is_some_and(|path| tree.exists(&path))
}

pub(crate) fn named_paths(tree: &Tree) -> Vec<Violation> {
    let names =
        tree.texts_ending(".md").filter(|(path, _)| *path != FIGURE_2).flat_map(|(path, text)| {
            prose(text).flat_map(move |(number, line)| quoted(line).map(move |n| (path, number, n)))
        });
    names
        .filter_map(|(path, number, name)| {
            let problem = missing(tree, repository_path(name)?)?;
            Some(Violation::new("named-path", path, number, problem))
        })
        .collect()
}

/// The name, if it is a path of the repository and not a pattern, a command or an address.
fn repository_path(name: &str) -> Option<&str> {
    let plain = |c: char| c.is_alphanumeric() || "_-./:".contains(c);
    let first = name.split('/').next()?;
    let document = first == name && name.ends_with(".md") && name.starts_with(char::is_uppercase);
    let rooted = ROOT_DIRECTORIES.contains(&first) && name != first;
    let ours = rooted || document || ROOT_FILES.contains(&name);
    (ours && name.chars().all(plain)).then_some(name)
}

/// What is wrong with `path` or `path::function`, if anything.
fn missing(tree: &Tree, name: &str) -> Option<String> {
    let (path, function) = match name.split_once("::") {
        Some((path, rest)) => (path, rest.rsplit("::").next()),
        None => (name, None),
    };
    if !tree.exists(path) {
        return Some(format!("`{path}` does not exist"));
    }
    let function = function?;
    let defines = |source: &Source| source.functions().iter().any(|f| f.name == function);
    (!tree.source(path).is_some_and(defines))
        .then(|| format!("`{path}` has no function `{function}`"))
}

/// The map names every room.
pub(crate) fn map(tree: &Tree) -> Vec<Violation> {
    let Some(text) = tree.text(MAP) else {
        return Vec::from([Violation::new("map", MAP, 0, "there is no map of the rooms")]);
    };
    rooms(tree)
        .into_iter()
        .filter(|room| !names_room(text, room))
        .map(|room| Violation::new("map", MAP, 0, format!("does not name `{room}`")).about(room))
        .collect()
}

/// Every directory of ours that holds a package.
fn rooms(tree: &Tree) -> Vec<String> {
    let manifests = tree.texts_ending("/Cargo.toml");
    manifests.filter_map(|(path, _)| path.strip_suffix("/Cargo.toml")).map(String::from).collect()
}

/// Whether a room is named, and not only one whose name begins alike.
fn names_room(text: &str, room: &str) -> bool {
    text.match_indices(room).any(|(at, _)| {
        let joined = |c: char| c.is_alphanumeric() || "_-".contains(c);
        let before = text[..at].chars().next_back();
        let after = text[at + room.len()..].chars().next();
        !before.is_some_and(|c| joined(c) || c == '/') && !after.is_some_and(joined)
    })
}

/// Every golden script begins with the sentence that says why it exists.
pub(crate) fn script_titles(tree: &Tree) -> Vec<Violation> {
    let scripts = tree.texts().filter(|(path, _)| path.contains(SCRIPTS));
    scripts
        .filter(|(_, text)| !has_title(text))
        .map(|(path, _)| {
            let message = "begins without `# ` and a sentence that says why it exists";
            Violation::new("script-title", path, 1, message)
        })
        .collect()
}

fn has_title(script: &str) -> bool {
    let first = script.lines().next().unwrap_or_default();
    first.strip_prefix("# ").is_some_and(|title| title.contains(' '))
}

pub(crate) fn figure_2(tree: &Tree) -> Vec<Violation> {
    let Some(text) = tree.text(FIGURE_2) else {
        return Vec::from([Violation::new("figure-2", FIGURE_2, 0, "there is no such document")]);
    };
    let rows: Vec<(usize, Vec<&str>)> = prose(text).filter_map(row).collect();
    if rows.is_empty() {
        let message = "has no row of `| rule | function | script |`";
        return Vec::from([Violation::new("figure-2", FIGURE_2, 0, message)]);
    }
    let problems = rows.iter().flat_map(|(line, cells)| {
        row_problems(tree, cells).into_iter().map(move |problem| (*line, problem))
    });
    problems.map(|(line, problem)| Violation::new("figure-2", FIGURE_2, line, problem)).collect()
}

/// The cells of a row of the table; not its head, nor the line under it.
fn row((number, line): (usize, &str)) -> Option<(usize, Vec<&str>)> {
    let inner = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    let cells: Vec<&str> = inner.split('|').map(str::trim).collect();
    let head = cells.get(1).is_some_and(|cell| cell.eq_ignore_ascii_case("function"));
    let under_head = cells.iter().all(|cell| cell.chars().all(|c| c == '-' || c == ':'));
    (!head && !under_head).then_some((number, cells))
}

/// What is wrong with a row: a function or a script that is not there, or not named at all.
fn row_problems(tree: &Tree, cells: &[&str]) -> Vec<String> {
    let [_, functions, scripts] = cells else {
        return Vec::from([format!("a row has three cells, this one {}", cells.len())]);
    };
    let columns = [("function", *functions, "::"), ("script", *scripts, SCRIPTS)];
    columns
        .into_iter()
        .flat_map(|(what, cell, shape)| {
            let named: Vec<&str> = quoted(cell).collect();
            let none = named.is_empty().then(|| format!("names no {what}"));
            let problems = named.into_iter().filter_map(move |name| {
                let odd = || format!("`{name}` is not the path of a {what}: it lacks `{shape}`");
                if name.contains(shape) { missing(tree, name) } else { Some(odd()) }
            });
            none.into_iter().chain(problems).collect::<Vec<_>>()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: (&str, &str) = ("crates/raft/src/log.rs", "impl Log {\n    fn append() {}\n}\n");
    const SCRIPT: (&str, &str) = ("crates/raft/tests/scripts/append", "# Why it exists.\n");

    #[test]
    fn a_link_to_nowhere_is_found() {
        let check = |text: &str| {
            links(&Tree::of(&[("docs/a.md", text), ("docs/b.md", ""), ("README.md", "")]))
        };
        for good in ["b.md", "b.md#part", "../README.md", "#part", "https://a.b/c", "../docs"] {
            assert_eq!(check(&format!("see [it]({good})")), [], "{good}");
        }
        for bad in ["c.md", "../b.md", "../../README.md"] {
            assert_eq!(check(&format!("see [it]({bad})")).len(), 1, "{bad}");
        }
    }

    #[test]
    fn a_path_that_does_not_exist_is_found() {
        let check = |text: &str| named_paths(&Tree::of(&[LOG, ("README.md", text)]));
        for good in [
            "`crates/raft/src/log.rs`",
            "`crates/raft/`",
            "`crates/raft/src/log.rs::append`",
            "`crates/raft/src/log.rs::Log::append`",
            "`crates/*/src`",
            "`kv/a`",
            "`README.md`",
            "crates/none",
            "```\n`crates/none`\n```",
        ] {
            assert_eq!(check(good), [], "{good}");
        }
        for bad in ["`crates/none`", "`crates/raft/src/log.rs::cut`", "`NONE.md`", "`docs/a.md`"] {
            assert_eq!(check(bad).len(), 1, "{bad}");
        }
    }

    #[test]
    fn a_room_that_the_map_forgets_is_found() {
        let rooms = [("crates/raft/Cargo.toml", ""), ("xtask/Cargo.toml", "")];
        let check = |text| map(&Tree::of(&[rooms[0], rooms[1], (MAP, text)]));
        assert_eq!(check("`crates/raft` and `xtask`"), []);
        assert_eq!(check("`crates/raftkv` and `xtask`").len(), 1);
        assert_eq!(map(&Tree::of(&rooms)).len(), 1);
    }

    #[test]
    fn a_script_without_a_title_is_found() {
        assert_eq!(script_titles(&Tree::of(&[SCRIPT])), []);
        for bad in ["", "#\n", "# title\n", "cluster 3\n"] {
            let tree = Tree::of(&[("crates/raft/tests/scripts/append", bad)]);
            assert_eq!(script_titles(&tree).len(), 1, "{bad}");
        }
    }

    fn figure(row: &str) -> Vec<String> {
        let text = format!("| rule | function | script |\n|---|:--|---|\n{row}\n");
        let found = figure_2(&Tree::of(&[LOG, SCRIPT, (FIGURE_2, &text)]));
        found.into_iter().map(|violation| violation.message).collect()
    }

    #[test]
    fn a_row_of_figure_2_names_a_function_and_a_script() {
        let function = "`crates/raft/src/log.rs::Log::append`";
        let script = "`crates/raft/tests/scripts/append`";
        assert_eq!(figure(&format!("| a | {function} | {script}, {script} |")), [""; 0]);
        let no_script = figure(&format!("| a | {function} | none |"));
        assert_eq!(no_script, ["names no script"]);
        let no_such = figure(&format!("| a | `crates/raft/src/log.rs::cut` | {script} |"));
        assert_eq!(no_such, ["`crates/raft/src/log.rs` has no function `cut`"]);
        let other = figure(&format!("| a | {function} | `crates/raft/tests/scripts/none` |"));
        assert_eq!(other, ["`crates/raft/tests/scripts/none` does not exist"]);
        assert_eq!(figure(&format!("| a | {function} |")).len(), 1);
        assert_eq!(figure(&format!("| a | `log::append` | {script} |")).len(), 1);
    }

    #[test]
    fn figure_2_without_rows_is_found() {
        assert_eq!(figure("text").len(), 1);
        assert_eq!(figure_2(&Tree::of(&[])).len(), 1);
    }
}
