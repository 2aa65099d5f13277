//! The directories: which name stands for which file, now and after a power cut.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::random::Random;

/// A file, whatever it is called at the moment.
pub(super) type FileId = u64;

/// All names of a disk. Changes take effect at once and are durable once their directory was
/// flushed.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    current: Tree,
    durable: Tree,
    /// Changes not yet durable, oldest first, each with the directory it happened in.
    pending: Vec<(PathBuf, Change)>,
    files_created: FileId,
}

#[derive(Clone, Debug, Default)]
struct Tree {
    files: BTreeMap<PathBuf, FileId>,
    directories: BTreeSet<PathBuf>,
}

#[derive(Clone, Debug)]
enum Change {
    Create(PathBuf, FileId),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
    CreateDirectory(PathBuf),
}

impl Names {
    pub(super) fn file(&self, path: &Path) -> Option<FileId> {
        self.current.files.get(path).copied()
    }

    /// Every file that has a name now, with its name, in order.
    pub(super) fn files(&self) -> impl Iterator<Item = (&PathBuf, FileId)> {
        self.current.files.iter().map(|(path, &id)| (path, id))
    }

    pub(super) fn is_directory(&self, path: &Path) -> bool {
        self.current.is_directory(path)
    }

    pub(super) fn has_parent_of(&self, path: &Path) -> bool {
        self.current.is_directory(parent(path))
    }

    /// Every file that has a name now, or may have one after a power cut.
    pub(super) fn every_file(&self) -> BTreeSet<FileId> {
        let pending = self.pending.iter().filter_map(|(_, change)| match change {
            Change::Create(_, id) => Some(id),
            Change::Rename(..) | Change::Remove(_) | Change::CreateDirectory(_) => None,
        });
        let named = self.current.files.values().chain(self.durable.files.values());
        named.chain(pending).copied().collect()
    }

    /// The names in a directory, files and directories, in order; none if it does not exist.
    pub(super) fn list(&self, directory: &Path) -> Option<Vec<String>> {
        if !self.is_directory(directory) {
            return None;
        }
        let paths = self.current.files.keys().chain(&self.current.directories);
        let inside = paths.filter(|path| path.parent() == Some(directory));
        let mut names: Vec<String> = inside
            .filter_map(|path| path.file_name())
            .filter_map(|name| name.to_str())
            .map(ToOwned::to_owned)
            .collect();
        names.sort_unstable();
        Some(names)
    }

    pub(super) fn create(&mut self, path: &Path) -> FileId {
        assert!(self.file(path).is_none(), "{} exists already", path.display());
        self.files_created += 1;
        self.change(path, Change::Create(path.to_path_buf(), self.files_created));
        self.files_created
    }

    pub(super) fn create_dir_all(&mut self, path: &Path) {
        let mut missing: Vec<&Path> =
            path.ancestors().take_while(|p| !self.current.is_directory(p)).collect();
        while let Some(directory) = missing.pop() {
            self.change(directory, Change::CreateDirectory(directory.to_path_buf()));
        }
    }

    /// False if there is no such file.
    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> bool {
        let exists = self.file(from).is_some();
        if exists {
            self.change(from, Change::Rename(from.to_path_buf(), to.to_path_buf()));
        }
        exists
    }

    /// False if there is no such file.
    pub(super) fn remove(&mut self, path: &Path) -> bool {
        let exists = self.file(path).is_some();
        if exists {
            self.change(path, Change::Remove(path.to_path_buf()));
        }
        exists
    }

    pub(super) fn sync_dir(&mut self, directory: &Path) {
        for (parent, change) in std::mem::take(&mut self.pending) {
            if parent == directory {
                self.durable.apply(&change);
            } else {
                self.pending.push((parent, change));
            }
        }
    }

    /// Keeps of each directory's unflushed changes the first few, and says how many were lost.
    pub(super) fn power_cut(&mut self, random: &mut Random) -> u64 {
        let pending = std::mem::take(&mut self.pending);
        let directories: BTreeSet<&PathBuf> = pending.iter().map(|(parent, _)| parent).collect();
        let mut lost = 0;
        for directory in directories {
            let changes: Vec<&Change> =
                pending.iter().filter(|(parent, _)| parent == directory).map(|(_, c)| c).collect();
            let kept = random.below(changes.len() as u64 + 1) as usize;
            changes[..kept].iter().for_each(|change| self.durable.apply(change));
            lost += (changes.len() - kept) as u64;
        }
        self.durable.drop_orphans();
        self.current = self.durable.clone();
        lost
    }

    fn change(&mut self, path: &Path, change: Change) {
        self.current.apply(&change);
        self.pending.push((parent(path).to_path_buf(), change));
    }
}

impl Tree {
    fn is_directory(&self, path: &Path) -> bool {
        // The root, and the directory that relative paths start from, were there before us.
        path.parent().is_none() || self.directories.contains(path)
    }

    fn apply(&mut self, change: &Change) {
        match change {
            Change::Create(path, id) => {
                self.files.insert(path.clone(), *id);
            }
            Change::Rename(from, to) => {
                if let Some(id) = self.files.remove(from) {
                    self.files.insert(to.clone(), id);
                }
            }
            Change::Remove(path) => {
                self.files.remove(path);
            }
            Change::CreateDirectory(path) => {
                self.directories.insert(path.clone());
            }
        }
    }

    /// Drops whatever lies in a directory that did not survive.
    fn drop_orphans(&mut self) {
        let directories = std::mem::take(&mut self.directories);
        for directory in directories {
            // Ascending order: a parent is decided before its children.
            if self.is_directory(parent(&directory)) {
                self.directories.insert(directory);
            }
        }
        let mut files = std::mem::take(&mut self.files);
        files.retain(|path, _| self.is_directory(parent(path)));
        self.files = files;
    }
}

/// The directory that `path` lies in; relative names lie in the empty path.
fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}
