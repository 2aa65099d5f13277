//! [`Disk`] by the operating system's files.

use std::fs::{self, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::{Path, PathBuf};

use crate::error::{Cause, Error, Operation};
use crate::{Directory, Disk, File, Mode};

/// Of directories that are created: what lies in them is for the member's own user alone.
const DIRECTORY_MODE: u32 = 0o700;

/// The machine's own file systems.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsDisk;

/// An open file of [`OsDisk`]. It keeps its path for the sake of error messages.
#[derive(Debug)]
pub struct OsFile {
    file: fs::File,
    path: PathBuf,
}

/// An open directory of [`OsDisk`].
#[derive(Debug)]
pub struct OsDirectory {
    directory: fs::File,
    path: PathBuf,
}

/// A lock of [`OsDisk`]: the operating system releases it when the process ends, however it ends.
#[derive(Debug)]
pub struct OsLock {
    _file: fs::File,
}

impl Disk for OsDisk {
    type File = OsFile;
    type Directory = OsDirectory;
    type Lock = OsLock;

    fn open(&self, path: &Path, mode: Mode) -> Result<OsFile, Error> {
        let mut options = OpenOptions::new();
        options.read(true).write(mode != Mode::Read).create_new(mode == Mode::CreateNew);
        let file = options.open(path).map_err(Error::system(Operation::Open, path))?;
        Ok(OsFile { file, path: path.to_path_buf() })
    }

    fn open_dir(&self, path: &Path) -> Result<OsDirectory, Error> {
        let directory = fs::File::open(path).map_err(Error::system(Operation::Open, path))?;
        Ok(OsDirectory { directory, path: path.to_path_buf() })
    }

    fn create_dir_all(&self, path: &Path) -> Result<(), Error> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(DIRECTORY_MODE);
        builder.create(path).map_err(Error::system(Operation::CreateDirectory, path))
    }

    fn list(&self, path: &Path) -> Result<Vec<String>, Error> {
        let names = || -> io::Result<Vec<String>> {
            let entries = fs::read_dir(path)?.collect::<io::Result<Vec<_>>>()?;
            Ok(entries.iter().filter_map(|entry| entry.file_name().into_string().ok()).collect())
        };
        let mut names = names().map_err(Error::system(Operation::List, path))?;
        names.sort_unstable();
        Ok(names)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), Error> {
        fs::rename(from, to).map_err(Error::system(Operation::Rename, from))
    }

    fn rename_open(&self, file: &mut OsFile, to: &Path) -> Result<(), Error> {
        self.rename(&file.path, to)?;
        file.path = to.to_path_buf();
        Ok(())
    }

    fn remove(&self, path: &Path) -> Result<(), Error> {
        fs::remove_file(path).map_err(Error::system(Operation::Remove, path))
    }

    fn free_bytes(&self, path: &Path) -> Result<u64, Error> {
        let found = rustix::fs::statvfs(path).map_err(io::Error::from);
        let found = found.map_err(Error::system(Operation::FreeSpace, path))?;
        Ok(found.f_bavail.saturating_mul(found.f_frsize))
    }

    fn lock(&self, path: &Path) -> Result<OsLock, Error> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(Error::system(Operation::Lock, path))?;
        match file.try_lock() {
            Ok(()) => Ok(OsLock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(Error::new(Operation::Lock, path, Cause::Held)),
            Err(TryLockError::Error(source)) => Err(Error::system(Operation::Lock, path)(source)),
        }
    }
}

impl Directory for OsDirectory {
    fn sync(&self) -> Result<(), Error> {
        self.directory.sync_all().map_err(Error::system(Operation::SyncDirectory, &self.path))
    }
}

impl File for OsFile {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> Result<usize, Error> {
        let mut read = 0;
        while read < bytes.len() {
            match self.file.read_at(&mut bytes[read..], offset + read as u64) {
                Ok(0) => break,
                Ok(count) => read += count,
                Err(source) if source.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(Error::system(Operation::Read, &self.path)(source)),
            }
        }
        Ok(read)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<(), Error> {
        let mut written = 0;
        while written < bytes.len() {
            match self.file.write_at(&bytes[written..], offset + written as u64) {
                Ok(0) => {
                    let cause = Cause::Short { written, wanted: bytes.len() };
                    return Err(Error::new(Operation::Write, &self.path, cause));
                }
                Ok(count) => written += count,
                Err(source) if source.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(Error::system(Operation::Write, &self.path)(source)),
            }
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), Error> {
        self.file.sync_data().map_err(Error::system(Operation::Sync, &self.path))
    }

    fn size_bytes(&self) -> Result<u64, Error> {
        let metadata = self.file.metadata();
        metadata.map(|m| m.len()).map_err(Error::system(Operation::Measure, &self.path))
    }
}
