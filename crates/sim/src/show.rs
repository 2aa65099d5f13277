//! The stories as files: one trace each, and an index that says what there is.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use sim::{STORIES, Story, Trace, try_tell};

/// Writes all of them into a directory, and `index.json` beside them. What went wrong is the error.
pub(crate) fn write_all(directory: &Path) -> Result<(), String> {
    let failed = |error: io::Error| format!("{} can not be written: {error}", directory.display());
    fs::create_dir_all(directory).map_err(failed)?;
    let mut index = String::from("[");
    for (number, story) in STORIES.iter().enumerate() {
        let file = format!("{}.jsonl", story.name);
        let trace = File::create(directory.join(&file)).map_err(failed)?;
        let seconds = told(story, None, Trace::to(BufWriter::new(trace)))?;
        index.push_str(if number == 0 { "\n  " } else { ",\n  " });
        index.push_str(&row(story, &file, seconds));
    }
    index.push_str("\n]\n");
    let mut out = File::create(directory.join("index.json")).map_err(failed)?;
    out.write_all(index.as_bytes()).map_err(failed)
}

/// Tells one; how long it is, in seconds, rounded up.
pub(crate) fn told(story: &Story, seed: Option<u64>, trace: Trace) -> Result<u64, String> {
    let told = try_tell(story, seed, trace).map(|us| us.div_ceil(1_000_000));
    told.map_err(|wrong| format!("the scene {} went wrong: {wrong}", story.name))
}

/// The first seed with which it comes to its end.
pub(crate) fn lucky(story: &Story, from: u64, seeds: u64) -> Result<u64, String> {
    let mut candidates = from..from.saturating_add(seeds);
    let found = candidates.find(|&seed| told(story, Some(seed), Trace::off()).is_ok());
    found.ok_or_else(|| format!("no seed of {seeds} brings {} to its end", story.name))
}

pub(crate) fn find(name: &str) -> Result<&'static Story, String> {
    let names: Vec<&str> = STORIES.iter().map(|story| story.name).collect();
    let found = STORIES.iter().find(|story| story.name == name);
    found.ok_or_else(|| format!("no scene {name}: there are {}", names.join(", ")))
}

fn row(story: &Story, file: &str, seconds: u64) -> String {
    let mut row = String::new();
    // (Titles and texts are ours, and hold nothing that JSON would spell otherwise.)
    write!(
        row,
        r#"{{"file":"{file}","title":"{}","text":"{}","members":{},"seconds":{seconds}}}"#,
        story.title, story.text, story.members
    )
    .expect("a string takes everything");
    row
}
