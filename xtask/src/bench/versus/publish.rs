//! Where figures go: always under the target directory, and into the documents if the machine did
//! nothing else meanwhile.

use std::fs;
use std::path::Path;

use crate::failure::{Doing, Failure, Result};
use crate::shell::{root, target_directory};

const DOCUMENT: &str = "docs/performance.md";
const PICTURES: &str = "docs/images";
const PICTURE_NAME: &str = "throughput-latency.svg";

/// What stands between these lines of the document is written here.
const BEGIN: &str = "<!-- versus-etcd: begin -->";
const END: &str = "<!-- versus-etcd: end -->";

/// More other work than this, in cores, and the figures are somebody else's.
pub(super) const OTHERS_MAX: f64 = 0.15;

/// Writes tables and picture; `others` is how much other work there was, in cores.
pub(super) fn publish(tables: &str, picture: &str, others: f64) -> Result<()> {
    let directory = target_directory()?.join("bench");
    write(&directory.join("versus-etcd.md"), tables)?;
    write(&directory.join(PICTURE_NAME), picture)?;
    println!("tables and picture are in {}", directory.display());
    if others > OTHERS_MAX {
        println!("{DOCUMENT} stays as it is: other work took {others:.2} cores meanwhile");
        return Ok(());
    }
    let document = root().join(DOCUMENT);
    let text = fs::read_to_string(&document).doing(format!("read {DOCUMENT}"))?;
    let odd = || Failure::Unexpected(format!("{DOCUMENT} lacks the lines {BEGIN} and {END}"));
    let shown =
        format!("{tables}\n![Puts a second against their latency](images/{PICTURE_NAME})\n");
    write(&document, &replaced(&text, &shown).ok_or_else(odd)?)?;
    write(&root().join(PICTURES).join(PICTURE_NAME), picture)?;
    println!("{DOCUMENT} and {PICTURES}/{PICTURE_NAME} were written");
    Ok(())
}

/// The text with something else between the two lines.
fn replaced(text: &str, tables: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{}\n{END}{after}", tables.trim_end()))
}

fn write(path: &Path, text: &str) -> Result<()> {
    let directory = path.parent().expect("a file of ours lies in a directory");
    fs::create_dir_all(directory).doing(format!("create {}", directory.display()))?;
    fs::write(path, text).doing(format!("write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_lines_changes() {
        let text = format!("a\n{BEGIN}\nold\nold\n{END}\nz\n");
        let expected = format!("a\n{BEGIN}\nnew\n{END}\nz\n");
        assert_eq!(replaced(&text, "new\n\n").as_deref(), Some(expected.as_str()));
        assert_eq!(replaced(&expected, "new"), Some(expected));
    }

    #[test]
    fn a_document_without_the_lines_is_left_alone() {
        assert_eq!(replaced("a", "new"), None);
        assert_eq!(replaced(&format!("{END}{BEGIN}"), "new"), None);
    }

    #[test]
    fn our_document_has_the_lines() {
        let text = fs::read_to_string(root().join(DOCUMENT)).unwrap();
        assert!(replaced(&text, "").is_some());
    }
}
