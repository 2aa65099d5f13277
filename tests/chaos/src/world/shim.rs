//! What is loaded before a member's libraries (`shim.c`): built here, with the C compiler that the
//! project needs in any case.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

const SOURCE: &str = include_str!("shim.c");

/// Offsets of the dials in their file, and its length.
const OFF_MS: u64 = 0;
const FAILS: u64 = 8;
const FAILED: u64 = 12;
const LENGTH: u64 = 16;

/// The library.
#[derive(Clone, Debug)]
pub(crate) struct Shim {
    library: PathBuf,
}

/// The dials of one member.
#[derive(Debug)]
pub(crate) struct Dials {
    path: PathBuf,
    file: File,
}

impl Shim {
    /// Builds it in `directory`, or says why not.
    pub(crate) fn build(directory: &Path) -> Result<Shim, String> {
        let (source, library) = (directory.join("shim.c"), directory.join("shim.so"));
        fs::write(&source, SOURCE).map_err(|error| error.to_string())?;
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O2", "-o"]).arg(&library).arg(&source).arg("-ldl");
        let built = compiler.output().map_err(|error| format!("cc: {error}"))?;
        match built.status.success() {
            true => Ok(Shim { library }),
            false => Err(String::from_utf8_lossy(&built.stderr).trim().to_owned()),
        }
    }

    /// The words that start a program with it.
    pub(crate) fn launcher(&self, dials: &Dials) -> [OsString; 3] {
        let variable = |name: &str, value: &Path| {
            let mut word = OsString::from(name);
            word.push(value);
            word
        };
        [
            "env".into(),
            variable("LD_PRELOAD=", &self.library),
            variable("CHAOS_DIALS=", &dials.path),
        ]
    }
}

impl Dials {
    /// All of them at rest.
    pub(crate) fn at(path: PathBuf) -> Dials {
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(true);
        let file = options.open(&path).expect("the directory is this run's own");
        file.set_len(LENGTH).expect("there is room for a few bytes");
        Dials { path, file }
    }

    /// The clock on the wall is off by so much from now on.
    pub(crate) fn set_clock(&self, off_ms: i64) {
        self.write(OFF_MS, &off_ms.to_ne_bytes());
    }

    /// Writes and flushes fail from now on, or do so no more.
    pub(crate) fn set_failing(&self, fails: bool) {
        self.write(FAILS, &u32::from(fails).to_ne_bytes());
    }

    /// How many have failed.
    pub(crate) fn failed(&self) -> u32 {
        let mut bytes = [0; 4];
        self.file.read_exact_at(&mut bytes, FAILED).expect("the file is as long as the dials");
        u32::from_ne_bytes(bytes)
    }

    fn write(&self, offset: u64, bytes: &[u8]) {
        self.file.write_all_at(bytes, offset).expect("the file is as long as the dials");
    }
}

#[cfg(test)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use system_tests::scratch::Scratch;

    use super::*;

    /// Runs a line of a shell under the library.
    fn run(scratch: &Scratch, shim: &Shim, dials: &Dials, line: &str) -> (bool, String) {
        let mut words = shim.launcher(dials).into_iter();
        let mut command = Command::new(words.next().unwrap());
        command.args(words).args(["sh", "-c", line]).current_dir(scratch.path());
        let output = command.output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    #[test]
    fn a_clock_can_be_set_and_a_disk_can_fail() {
        let scratch = Scratch::new();
        let shim = Shim::build(scratch.path()).unwrap();
        let dials = Dials::at(scratch.path().join("dials"));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        for days in [0_i64, -400, 400] {
            dials.set_clock(days * 86_400_000);
            let told: i64 = run(&scratch, &shim, &dials, "date +%s").1.parse().unwrap();
            let expected = now.as_secs() as i64 + days * 86_400;
            assert!((told - expected).abs() < 60, "{told} is not {expected}");
        }
        let flush = "dd if=/dev/zero of=file bs=1 count=1 conv=fdatasync";
        assert!(run(&scratch, &shim, &dials, flush).0);
        assert_eq!(dials.failed(), 0);
        dials.set_failing(true);
        assert!(!run(&scratch, &shim, &dials, flush).0);
        assert_eq!(dials.failed(), 1);
    }
}
