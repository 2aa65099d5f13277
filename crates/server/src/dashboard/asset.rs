//! One file of the page.

use super::files::FILES;

/// The page itself: what `GET /` shows.
pub(super) const PAGE: &str = "index.html";

/// A file of the page, as it is embedded.
#[derive(Clone, Copy, Debug)]
pub struct Asset {
    /// What the file holds.
    pub bytes: &'static [u8],
    /// Its media type, as `Content-Type` has it.
    pub content_type: &'static str,
}

impl Asset {
    /// Another one for other bytes: so a browser asks whether it has these, and is sent nothing.
    pub fn etag(&self) -> String {
        format!("\"{:016x}\"", xxhash_rust::xxh3::xxh3_64(self.bytes))
    }
}

/// The file at the path of a URL, without the slash at its beginning: `page/main.js`. The page
/// itself is `index.html`, and what is asked for by no name.
pub fn asset(path: &str) -> Option<Asset> {
    let path = if path.is_empty() { PAGE } else { path };
    let (_, bytes) = FILES.iter().find(|(name, _)| *name == path)?;
    Some(Asset { bytes, content_type: content_type(path)? })
}

fn content_type(path: &str) -> Option<&'static str> {
    Some(match path.rsplit_once('.')?.1 {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    fn paths() -> impl Iterator<Item = &'static str> {
        FILES.iter().map(|(path, _)| *path)
    }

    /// All files below a directory, by their paths from there.
    fn walk(directory: &Path, from: &str, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            let path = format!("{from}{}", entry.file_name().into_string().unwrap());
            match entry.file_type().unwrap().is_dir() {
                true => walk(&entry.path(), &format!("{path}/"), found),
                false => assert!(found.insert(path)),
            }
        }
    }

    #[test]
    fn every_file_of_the_folder_is_served_and_no_other() {
        let mut found = BTreeSet::new();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/dashboard/assets");
        walk(&folder, "", &mut found);
        assert_eq!(paths().map(str::to_owned).collect::<BTreeSet<_>>(), found);
        assert!(found.contains(PAGE));
    }

    #[test]
    fn every_file_has_a_type_and_a_tag_of_its_own() {
        let tags: BTreeSet<_> = paths().map(|path| asset(path).unwrap().etag()).collect();
        assert_eq!(tags.len(), paths().count());
    }

    /// The texts of the page's own files.
    fn texts() -> impl Iterator<Item = (&'static str, &'static str)> {
        paths().map(|path| (path, str::from_utf8(asset(path).unwrap().bytes).unwrap()))
    }

    #[test]
    fn nothing_is_fetched_from_elsewhere() {
        for (path, text) in texts() {
            for (at, _) in text.match_indices("://") {
                let begin =
                    text[..at].rfind(|c: char| !c.is_ascii_alphabetic()).map_or(0, |i| i + 1);
                let rest: String = text[at..].chars().take(16).collect();
                let names_svg = rest.starts_with("://www.w3.org/");
                assert!(names_svg || text[begin..at].is_empty(), "{path}: {rest}");
            }
        }
    }

    #[test]
    fn every_path_in_the_page_is_relative_and_leads_to_a_file() {
        let page = str::from_utf8(asset(PAGE).unwrap().bytes).unwrap();
        let quoted =
            page.split(['"']).filter(|text| text.ends_with(".js") || text.ends_with(".css"));
        let mut count = 0;
        for path in quoted {
            assert!(asset(path).is_some(), "{path}");
            count += 1;
        }
        assert!(count > 5, "{count}");
    }

    #[test]
    fn no_script_and_no_style_stands_in_the_page_itself() {
        let page = str::from_utf8(asset(PAGE).unwrap().bytes).unwrap();
        for inline in ["<style", " style=", " onclick", "javascript:", "<script>"] {
            assert!(!page.contains(inline), "{inline}");
        }
        for (path, text) in texts().filter(|(path, _)| path.ends_with(".js")) {
            for parsed in
                ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("]
            {
                assert!(!text.contains(parsed), "{path}: {parsed}");
            }
        }
    }
}
