//! How much memory there is: the machine's, or less where a control group says so.
//!
//! | where | what it says |
//! |---|---|
//! | `/proc/meminfo` | the machine's memory |
//! | `/proc/self/cgroup` | in which control groups this process is |
//! | `/sys/fs/cgroup/…/memory.max` | version 2: `max`, or a number of bytes |
//! | `/sys/fs/cgroup/memory/…/memory.limit_in_bytes` | version 1: a number, huge without a limit |
//!
//! Every group above counts too.
//! Within a container the group's own path may not be there, because the container sees its group
//! as the root: so the roots are asked too. What can not be read says nothing.

use std::fs;
use std::path::{Path, PathBuf};

/// How many bytes this process may use, as far as the system tells.
pub(crate) fn available_bytes() -> Option<u64> {
    available_under(Path::new("/"))
}

/// The same, of a system whose files are under `root`.
fn available_under(root: &Path) -> Option<u64> {
    let machine = machine_bytes(&read(&root.join("proc/meminfo")));
    let groups = read(&root.join("proc/self/cgroup"));
    let limits = limit_files(&groups).into_iter().filter_map(|file| {
        let text = read(&root.join("sys/fs/cgroup").join(file));
        text.trim().parse::<u64>().ok()
    });
    limits.chain(machine).filter(|bytes| *bytes > 0).min()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn machine_bytes(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    kilobytes.checked_mul(1_024)
}

/// The files that may hold a limit, relative to where control groups are mounted. Each line of
/// `groups` is `number:controllers:path`; version 2 has number 0 and no controllers.
fn limit_files(groups: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let (mount, name) = match controllers {
            "" => (PathBuf::new(), "memory.max"),
            all if all.split(',').any(|one| one == "memory") => {
                (PathBuf::from("memory"), "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let path = Path::new(path.trim_start_matches('/'));
        files.extend(path.ancestors().map(|group| mount.join(group).join(name)));
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMINFO: &str = "MemTotal:       8000000 kB\nMemFree:         100000 kB\n";
    const MACHINE: u64 = 8_000_000 * 1_024;

    /// A system with these files.
    struct System(PathBuf);

    impl System {
        fn with(name: &str, files: &[(&str, &str)]) -> System {
            let root = std::env::temp_dir().join(format!("raftkv-{name}-{}", std::process::id()));
            for (path, text) in files {
                let path = root.join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            System(root)
        }
    }

    impl Drop for System {
        fn drop(&mut self) {
            // A directory that stays behind harms nobody.
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn the_narrowest_limit_counts() {
        for (name, files, expected) in [
            ("machine", &[("proc/meminfo", MEMINFO)][..], Some(MACHINE)),
            ("nothing", &[][..], None),
            (
                "v2",
                &[
                    ("proc/meminfo", MEMINFO),
                    ("proc/self/cgroup", "0::/system.slice/raftkv.service\n"),
                    ("sys/fs/cgroup/system.slice/raftkv.service/memory.max", "max\n"),
                    ("sys/fs/cgroup/system.slice/memory.max", "1073741824\n"),
                ][..],
                Some(1 << 30),
            ),
            (
                "v2-container",
                &[
                    ("proc/meminfo", MEMINFO),
                    ("proc/self/cgroup", "0::/docker/0123\n"),
                    ("sys/fs/cgroup/memory.max", "536870912\n"),
                ][..],
                Some(512 << 20),
            ),
            (
                "v1",
                &[
                    ("proc/meminfo", MEMINFO),
                    ("proc/self/cgroup", "5:cpu,cpuacct:/a\n4:memory:/a/b\n1:name=systemd:/c\n"),
                    ("sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "268435456\n"),
                    ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
                ][..],
                Some(256 << 20),
            ),
            (
                "wider",
                &[
                    ("proc/meminfo", MEMINFO),
                    ("proc/self/cgroup", "0::/a\n"),
                    ("sys/fs/cgroup/a/memory.max", "99999999999999\n"),
                ][..],
                Some(MACHINE),
            ),
        ] {
            let system = System::with(name, files);
            assert_eq!(available_under(&system.0), expected, "{name}");
        }
    }

    #[test]
    fn this_machine_has_memory() {
        assert!(available_bytes().is_some_and(|bytes| bytes > 1 << 20));
    }
}
