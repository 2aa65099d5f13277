//! Files that are written aside, and get their name when they are whole.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// A file that is being written. Dropped before [`Aside::finish`] it leaves nothing behind.
#[derive(Debug)]
pub(crate) struct Aside {
    file: BufWriter<File>,
    draft: Draft,
    path: PathBuf,
}

/// A file that goes when it is dropped.
#[derive(Debug)]
struct Draft(PathBuf);

impl Aside {
    /// Begins the file `path`, under the name `path.partial`. What has the name of the draft is
    /// what an earlier run left, and is lost.
    pub(crate) fn create(path: &Path) -> io::Result<Aside> {
        let mut name = OsString::from(path);
        name.push(".partial");
        let draft = PathBuf::from(name);
        let file = BufWriter::new(File::create(&draft)?);
        Ok(Aside { file, draft: Draft(draft), path: path.to_path_buf() })
    }

    /// Makes what was written durable, under its first name still.
    pub(crate) fn sync(&mut self) -> io::Result<&Path> {
        self.file.flush()?;
        self.file.get_ref().sync_all()?;
        Ok(&self.draft.0)
    }

    /// Makes the file durable and gives it its name, from which on it is whole or not there.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.sync()?;
        fs::rename(&self.draft.0, &self.path)?;
        let directory = match self.path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        File::open(directory)?.sync_all()
    }
}

impl Write for Aside {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After a rename there is none.
        let _ = fs::remove_file(&self.0);
    }
}
