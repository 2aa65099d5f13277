//! Words for people, beside what a command answers.
//!
//! The standard library's `eprintln` panics where nobody takes what it prints: with a log on a full
//! disk, or a pipe whose reader has gone. That is no reason to end a member in the middle of
//! something, or to end with another code than the one that says what happened.

/// A line on standard error, if it takes one.
macro_rules! complain {
    ($($words:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($words)*);
    }};
}

/// A line on standard output, if it takes one.
macro_rules! say {
    ($($words:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($words)*);
    }};
}
