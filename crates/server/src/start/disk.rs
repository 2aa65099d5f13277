//! The operating system's disk, with flushes or, by `--unsafe-no-fsync`, without.

use std::path::Path;

use disk::{Directory, Disk, Error, File, Mode, OsDirectory, OsDisk, OsFile, OsLock, Patient};

/// What a member keeps its data on: it waits for descriptors rather than fail for want of them.
pub(super) type Storage = Patient<MemberDisk>;

/// A disk that flushes if it is told to.
#[derive(Clone, Debug)]
pub(super) struct MemberDisk {
    pub(super) flushes: bool,
}

/// A file on it.
#[derive(Debug)]
pub(super) struct MemberFile {
    file: OsFile,
    flushes: bool,
}

/// A directory on it.
#[derive(Debug)]
pub(super) struct MemberDirectory {
    directory: OsDirectory,
    flushes: bool,
}

impl Disk for MemberDisk {
    type File = MemberFile;
    type Directory = MemberDirectory;
    type Lock = OsLock;

    fn open(&self, path: &Path, mode: Mode) -> Result<MemberFile, Error> {
        Ok(MemberFile { file: OsDisk.open(path, mode)?, flushes: self.flushes })
    }

    fn open_dir(&self, path: &Path) -> Result<MemberDirectory, Error> {
        Ok(MemberDirectory { directory: OsDisk.open_dir(path)?, flushes: self.flushes })
    }

    fn create_dir_all(&self, path: &Path) -> Result<(), Error> {
        OsDisk.create_dir_all(path)
    }

    fn list(&self, path: &Path) -> Result<Vec<String>, Error> {
        OsDisk.list(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), Error> {
        OsDisk.rename(from, to)
    }

    fn rename_open(&self, file: &mut MemberFile, to: &Path) -> Result<(), Error> {
        OsDisk.rename_open(&mut file.file, to)
    }

    fn remove(&self, path: &Path) -> Result<(), Error> {
        OsDisk.remove(path)
    }

    fn free_bytes(&self, path: &Path) -> Result<u64, Error> {
        OsDisk.free_bytes(path)
    }

    fn lock(&self, path: &Path) -> Result<OsLock, Error> {
        OsDisk.lock(path)
    }
}

impl Directory for MemberDirectory {
    fn sync(&self) -> Result<(), Error> {
        if self.flushes { self.directory.sync() } else { Ok(()) }
    }
}

impl File for MemberFile {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> Result<usize, Error> {
        self.file.read_at(bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<(), Error> {
        self.file.write_at(bytes, offset)
    }

    fn sync(&self) -> Result<(), Error> {
        if self.flushes { self.file.sync() } else { Ok(()) }
    }

    fn size_bytes(&self) -> Result<u64, Error> {
        self.file.size_bytes()
    }
}
