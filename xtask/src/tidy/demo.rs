//! docs/demo hands out the dashboard's files as they are, and no scene that its index does not
//! name.

use super::Violation;
use super::tree::Tree;
use crate::demo::{ASSETS, DEMO, README, TRACES};

const RULE: &str = "demo";
const ADVICE: &str = "run `cargo xtask demo`";

pub(crate) fn copies(tree: &Tree) -> Vec<Violation> {
    let unlike = under(tree, ASSETS).filter_map(|(name, text)| {
        let copy = format!("{DEMO}/{name}");
        let same = tree.text(&copy) == Some(text);
        let message = format!("is not what {ASSETS}/{name} is: {ADVICE}");
        (!same).then(|| Violation::new(RULE, &copy, 0, message))
    });
    let stray = under(tree, DEMO).filter_map(|(name, _)| {
        let own = name == README || name.starts_with(&format!("{TRACES}/"));
        let is_stray = !own && tree.text(&format!("{ASSETS}/{name}")).is_none();
        let message = format!("is no file of the dashboard: {ADVICE}");
        is_stray.then(|| Violation::new(RULE, &format!("{DEMO}/{name}"), 0, message))
    });
    unlike.chain(stray).chain(unnamed(tree)).collect()
}

fn unnamed(tree: &Tree) -> impl Iterator<Item = Violation> {
    let place = format!("{DEMO}/{TRACES}");
    let index = tree.text(&format!("{place}/index.json")).unwrap_or_default();
    under(tree, &format!("{DEMO}/{TRACES}")).filter_map(move |(name, _)| {
        let named = name == "index.json" || index.contains(&format!("\"file\":\"{name}\""));
        let message = format!("is not in the index of scenes: {ADVICE}");
        (!named).then(|| Violation::new(RULE, &format!("{place}/{name}"), 0, message))
    })
}

/// The texts below a directory, by their paths from there.
fn under<'a>(
    tree: &'a Tree,
    directory: &str,
) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
    let inside = format!("{directory}/");
    tree.texts().filter_map(move |(path, text)| Some((path.strip_prefix(&inside)?, text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(files: &[(&str, &str)]) -> Vec<String> {
        copies(&Tree::of(files)).into_iter().map(|violation| violation.path).collect()
    }

    const PAGE: (&str, &str) = ("crates/server/src/dashboard/assets/index.html", "<p>");
    const INDEX: (&str, &str) = ("docs/demo/traces/index.json", r#"[{"file":"a.jsonl"}]"#);

    #[test]
    fn a_copy_that_is_alike_is_fine_and_so_is_what_is_the_demos_own() {
        let own = [("docs/demo/README.md", ""), INDEX, ("docs/demo/traces/a.jsonl", "")];
        assert_eq!(broken(&[&[PAGE, ("docs/demo/index.html", "<p>")], &own[..]].concat()), [""; 0]);
    }

    #[test]
    fn a_copy_that_is_missing_or_old_is_a_violation() {
        assert_eq!(broken(&[PAGE]), ["docs/demo/index.html"]);
        assert_eq!(broken(&[PAGE, ("docs/demo/index.html", "<b>")]), ["docs/demo/index.html"]);
    }

    #[test]
    fn what_nobody_keeps_any_more_is_a_violation() {
        assert_eq!(broken(&[("docs/demo/old.js", "")]), ["docs/demo/old.js"]);
        let scene = ("docs/demo/traces/b.jsonl", "");
        assert_eq!(broken(&[INDEX, scene]), ["docs/demo/traces/b.jsonl"]);
    }
}
