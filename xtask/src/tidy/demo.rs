//! docs/demo has no scene that its index does not name.

use super::Violation;
use super::tree::Tree;
use crate::demo::TRACES;

const RULE: &str = "demo";

pub(crate) fn scenes(tree: &Tree) -> Vec<Violation> {
    let index = tree.text(&format!("{TRACES}/index.json")).unwrap_or_default();
    let inside = format!("{TRACES}/");
    let names = tree.texts().filter_map(|(path, _)| path.strip_prefix(&inside));
    let unnamed = names
        .filter(|name| *name != "index.json" && !index.contains(&format!("\"file\":\"{name}\"")));
    let message = "is not in the index of scenes: run `cargo xtask demo`";
    unnamed.map(|name| Violation::new(RULE, &format!("{inside}{name}"), 0, message)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scene_that_the_index_does_not_name_is_a_violation() {
        let index = ("docs/demo/traces/index.json", r#"[{"file":"a.jsonl"}]"#);
        let scenes_of = |files: &[(&str, &str)]| scenes(&Tree::of(files)).len();
        let named = ("docs/demo/traces/a.jsonl", "");
        assert_eq!(scenes_of(&[index, named, ("docs/demo/README.md", "")]), 0);
        assert_eq!(scenes_of(&[index, named, ("docs/demo/traces/b.jsonl", "")]), 1);
    }
}
