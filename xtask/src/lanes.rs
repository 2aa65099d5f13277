//! A lane is one kind of proof: it runs, is counted and is timed, and a failing one never keeps the
//! others from running. A run ends with a table of its lanes and the line `N passed, M failed`,
//! which machines read; `cargo xtask ci` reads the table of its own `cargo xtask test` that way.
//!
//! ```text
//! lane            passed    failed       time
//! fmt                  1         0      0.8 s
//! unit               412         0     31.0 s
//! 413 passed, 0 failed
//! ```

use std::fmt::Write as _;
use std::time::Instant;

use crate::failure::Result;
use crate::shell::Heard;

/// How many tests passed and failed, and what to do about a failure.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) notes: Vec<String>,
}

/// One lane's result.
#[derive(Debug, PartialEq)]
pub(crate) struct Lane {
    name: String,
    count: Count,
    seconds: f64,
}

/// The lanes that ran, in order.
#[derive(Debug, Default)]
pub(crate) struct Lanes(Vec<Lane>);

impl Count {
    /// A lane of one check, such as the formatter.
    pub(crate) fn one(success: bool) -> Count {
        if success { Count { passed: 1, ..Count::default() } } else { Count::failed("") }
    }

    /// A lane that could not do its work.
    pub(crate) fn failed(note: impl Into<String>) -> Count {
        let notes = Vec::from_iter(Some(note.into()).filter(|note| !note.is_empty()));
        Count { passed: 0, failed: 1, notes }
    }

    /// What `cargo test` said, summed over its test binaries. A run that failed without a failed
    /// test (it did not compile, or a process died) counts as one failure, and so does a run
    /// without any test: a lane that proves nothing must not look like a success.
    pub(crate) fn of_tests(heard: &Heard) -> Count {
        let counts = heard.text.lines().filter_map(test_result);
        Count::checked(counts, heard.success)
    }

    /// What a run of tests said in TAP, the protocol that other languages' runners speak.
    pub(crate) fn of_tap(heard: &Heard) -> Count {
        let number = |name| heard.text.lines().rev().find_map(|line| tap_number(line, name));
        Count::checked(number("# pass ").zip(number("# fail ")), heard.success)
    }

    /// Both together.
    pub(crate) fn and(mut self, other: Count) -> Count {
        self.passed += other.passed;
        self.failed += other.failed;
        self.notes.extend(other.notes);
        self
    }

    /// The last line of the form `N passed, M failed`.
    pub(crate) fn of_closing_line(heard: &Heard) -> Count {
        Count::checked(heard.text.lines().rev().find_map(closing_line), heard.success)
    }

    fn checked(counts: impl IntoIterator<Item = (u64, u64)>, success: bool) -> Count {
        let (passed, failed) =
            counts.into_iter().fold((0, 0), |sum, count| (sum.0 + count.0, sum.1 + count.1));
        let mut count = Count { passed, failed, notes: Vec::new() };
        if !success && failed == 0 {
            count.failed = 1;
            count.notes.push("it failed outside of any test: see its output".into());
        } else if success && passed == 0 {
            count.failed = 1;
            count.notes.push("it ran no test".into());
        }
        count
    }
}

impl Lanes {
    /// Runs one lane, whatever became of those before it. Answers whether it was clean.
    pub(crate) fn run(&mut self, name: &str, body: impl FnOnce() -> Result<Count>) -> bool {
        println!("\n=== {name}");
        let started = Instant::now();
        let count = body().unwrap_or_else(|failure| Count::failed(failure.to_string()));
        let (clean, seconds) = (count.failed == 0, started.elapsed().as_secs_f64());
        // A run that is cut short has said how long each took.
        println!("=== {name} took {seconds:.1} s");
        self.0.push(Lane { name: name.into(), count, seconds });
        clean
    }

    /// Marks lanes as failed that can not run, with the reason.
    pub(crate) fn skip(&mut self, names: &[&str], why: &str) {
        for name in names {
            self.run(name, || Ok(Count::failed(why)));
        }
    }

    /// Takes over the lanes of another run from what it printed; answers whether there were any.
    pub(crate) fn adopt(&mut self, printed: &str) -> bool {
        let rows = printed.lines().rev().take_while(|line| !is_head(line));
        let mut lanes: Vec<Lane> = rows.filter_map(row).collect();
        lanes.reverse();
        for lane in &mut lanes {
            let notes = printed.lines().rev().filter_map(|line| note_on(line, &lane.name));
            lane.count.notes.extend(notes.take(1));
        }
        let found = !lanes.is_empty();
        self.0.append(&mut lanes);
        found
    }

    /// Whether every lane is clean.
    pub(crate) fn clean(&self) -> bool {
        self.0.iter().all(|lane| lane.count.failed == 0)
    }

    /// The lines that end a run.
    pub(crate) fn report(&self) -> String {
        let mut text = String::from("\n");
        for lane in self.0.iter().filter(|lane| lane.count.failed > 0) {
            let notes = lane.count.notes.join("; ");
            let _ = writeln!(text, "FAILED {}{}{notes}", lane.name, separator(&notes));
        }
        let _ = writeln!(text, "{HEAD}");
        for Lane { name, count: Count { passed, failed, .. }, seconds } in &self.0 {
            let _ = writeln!(text, "{name:<14}{passed:>8}  {failed:>8}  {seconds:>7.1} s");
        }
        let passed: u64 = self.0.iter().map(|lane| lane.count.passed).sum();
        let failed: u64 = self.0.iter().map(|lane| lane.count.failed).sum();
        let _ = write!(text, "{passed} passed, {failed} failed");
        text
    }
}

const HEAD: &str = "lane            passed    failed       time";

fn is_head(line: &str) -> bool {
    line.split_whitespace().eq(HEAD.split_whitespace())
}

fn separator(notes: &str) -> &'static str {
    if notes.is_empty() { "" } else { ": " }
}

/// `fmt  1  0  0.8 s`, a row of the table.
fn row(line: &str) -> Option<Lane> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [name, passed, failed, seconds, "s"] = words[..] else { return None };
    let (passed, failed) = (passed.parse().ok()?, failed.parse().ok()?);
    let count = Count { passed, failed, notes: Vec::new() };
    Some(Lane { name: name.into(), count, seconds: seconds.parse().ok()? })
}

/// `FAILED fmt: …`, what there is to say about a lane that failed.
fn note_on(line: &str, lane: &str) -> Option<String> {
    let note = line.strip_prefix("FAILED ")?.strip_prefix(lane)?.strip_prefix(": ")?;
    Some(note.to_string())
}

/// `test result: ok. 12 passed; 1 failed; …`, as the test harness closes each binary.
fn test_result(line: &str) -> Option<(u64, u64)> {
    let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let mut parts = counts.split("; ");
    let passed = parts.next()?.strip_suffix(" passed")?.parse().ok()?;
    let failed = parts.next()?.strip_suffix(" failed")?.parse().ok()?;
    Some((passed, failed))
}

/// `# pass 12`, of the summary that ends a run.
fn tap_number(line: &str, name: &str) -> Option<u64> {
    line.strip_prefix(name)?.trim().parse().ok()
}

/// `12 passed, 1 failed`, with anything before the first number.
fn closing_line(line: &str) -> Option<(u64, u64)> {
    let (before, failed) = line.trim_end().strip_suffix(" failed")?.rsplit_once(" passed, ")?;
    let passed = before.rsplit(' ').next()?;
    Some((passed.parse().ok()?, failed.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(text: &str, success: bool) -> Heard {
        Heard { text: text.into(), success }
    }

    #[test]
    fn test_results_are_summed_over_binaries() {
        let text = "running 2 tests\n\
             test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured\n\
             test result: FAILED. 3 passed; 2 failed; 0 ignored\n";
        let count = Count::of_tests(&heard(text, false));
        assert_eq!((count.passed, count.failed), (15, 2));
    }

    #[test]
    fn a_run_that_does_not_compile_is_a_failure() {
        let count = Count::of_tests(&heard("", false));
        assert_eq!((count.passed, count.failed), (0, 1));
    }

    #[test]
    fn a_run_without_a_test_is_a_failure() {
        let count = Count::of_tests(&heard("test result: ok. 0 passed; 0 failed; x\n", true));
        assert_eq!((count.passed, count.failed), (0, 1));
        assert_eq!(count.notes, ["it ran no test"]);
    }

    #[test]
    fn tap_is_read_by_its_summary_and_counts_add_up() {
        let text = "TAP version 13\nok 1 - a\nnot ok 2 - b\n# tests 2\n# pass 1\n# fail 1\n";
        let count = Count::of_tap(&heard(text, false)).and(Count::one(true));
        assert_eq!((count.passed, count.failed), (2, 1));
        assert_eq!(Count::of_tap(&heard("# pass 0\n# fail 0\n", true)).failed, 1, "none ran");
        assert_eq!(Count::of_tap(&heard("node: not found", false)).failed, 1);
    }

    #[test]
    fn the_last_closing_line_counts() {
        let text = "1 passed, 1 failed\nseeds 0..1000: 998 passed, 2 failed\nsee above\n";
        let count = Count::of_closing_line(&heard(text, false));
        assert_eq!((count.passed, count.failed), (998, 2));
    }

    #[test]
    fn the_report_ends_with_table_and_sum_and_can_be_read_back() {
        let mut lanes = Lanes::default();
        assert!(lanes.run("fmt", || Ok(Count::one(true))));
        assert!(!lanes.run("curl", || Ok(Count::failed("apt-get install -y curl"))));
        let report = lanes.report();
        assert!(report.contains("FAILED curl: apt-get install -y curl\n"), "{report}");
        assert!(report.ends_with("\n1 passed, 1 failed"), "{report}");
        assert!(!lanes.clean());

        let mut adopted = Lanes::default();
        assert!(adopted.adopt(&format!("noise 1 2 3 s\n{report}\n")));
        let names: Vec<&str> = adopted.0.iter().map(|lane| lane.name.as_str()).collect();
        assert_eq!(names, ["fmt", "curl"]);
        assert!(!adopted.clean());
        assert!(adopted.report().contains("FAILED curl: apt-get install -y curl\n"));
    }

    #[test]
    fn output_without_a_table_gives_no_lanes() {
        assert!(!Lanes::default().adopt("error: could not compile\n"));
    }
}
