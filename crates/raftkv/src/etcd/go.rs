//! Command lines and values as Go's package `flag` reads them: what etcd's users have in their
//! scripts.
//!
//! | written | read as |
//! |---|---|
//! | `-x v`, `--x v`, `-x=v`, `--x=v` | `x` is `v` |
//! | `-b`, `--b` of a flag that is on or off | `b` is `true`; a value needs the `=` |
//! | `-x=v -x=w` | the last one counts |
//! | `--`, or a word that begins with no `-` | the flags end here |
//! | `-h`, `-help` | help, whatever comes behind |

use std::fmt;

/// What kind of value a flag takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    Text,
    Bool,
    /// Not negative.
    Number,
    Integer,
    Duration,
}

/// A command line, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    Help,
    /// Flags and their values, in order, and the first word behind them.
    Flags {
        given: Vec<(&'a str, &'a str)>,
        rest: Option<&'a str>,
    },
}

/// What is wrong with a command line, in Go's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Misuse<'a> {
    Syntax(&'a str),
    Unknown(&'a str),
    NoValue(&'a str),
    BadBool { name: &'a str, value: &'a str },
    BadValue { name: &'a str, value: &'a str },
}

/// Reads a command line of flags; `takes` knows them.
pub(super) fn read_line<'a>(
    words: &'a [String],
    takes: impl Fn(&str) -> Option<Takes>,
) -> Result<Line<'a>, Misuse<'a>> {
    let (mut given, mut words) = (Vec::new(), words.iter());
    while let Some(word) = words.next() {
        let Some(flag) = flag_of(word)? else {
            let rest = if word == "--" { words.next() } else { Some(word) };
            return Ok(Line::Flags { given, rest: rest.map(String::as_str) });
        };
        let (name, value) = match flag.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (flag, None),
        };
        let takes = match takes(name) {
            Some(takes) => takes,
            None if matches!(name, "h" | "help") => return Ok(Line::Help),
            None => return Err(Misuse::Unknown(name)),
        };
        let value = match (value, takes) {
            (Some(value), _) => value,
            (None, Takes::Bool) => "true",
            (None, _) => words.next().ok_or(Misuse::NoValue(name))?,
        };
        match (takes.accepts(value), takes) {
            (true, _) => given.push((name, value)),
            (false, Takes::Bool) => return Err(Misuse::BadBool { name, value }),
            (false, _) => return Err(Misuse::BadValue { name, value }),
        }
    }
    Ok(Line::Flags { given, rest: None })
}

/// The word without its dashes; none if it is no flag, or ends the flags.
fn flag_of(word: &str) -> Result<Option<&str>, Misuse<'_>> {
    let Some(flag) = word.strip_prefix('-').filter(|flag| !flag.is_empty()) else {
        return Ok(None);
    };
    let flag = match flag.strip_prefix('-') {
        Some("") => return Ok(None),
        Some(flag) => flag,
        None => flag,
    };
    if flag.starts_with(['-', '=']) { Err(Misuse::Syntax(word)) } else { Ok(Some(flag)) }
}

impl Takes {
    /// Whether the text is such a value.
    pub(super) fn accepts(self, text: &str) -> bool {
        match self {
            Takes::Text => true,
            Takes::Bool => parse_bool(text).is_some(),
            Takes::Number => parse_number(text).is_some(),
            Takes::Integer => parse_number(text.trim_start_matches(['-', '+'])).is_some(),
            Takes::Duration => parse_duration_ms(text).is_some(),
        }
    }
}

/// `strconv.ParseBool`.
pub(super) fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

/// `strconv.ParseUint` with base 0: decimal, `0x`, `0o`, `0b`, a leading 0 for octal; underscores
/// where a base is written.
pub(super) fn parse_number(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    let (base, digits) = [("0x", 16), ("0o", 8), ("0b", 2), ("0_", 8), ("0", 8)]
        .into_iter()
        .find_map(|(prefix, base)| Some((base, lower.strip_prefix(prefix)?)))
        .filter(|(_, digits)| !digits.is_empty())
        .unwrap_or((10, &lower));
    let digits = if base == 10 { digits.to_owned() } else { digits.replace('_', "") };
    // Rust takes a plus sign, Go does not.
    let plain = digits.bytes().all(|byte| byte.is_ascii_alphanumeric());
    plain.then(|| u64::from_str_radix(&digits, base).ok()).flatten()
}

/// `time.ParseDuration`, in whole ms: `300ms`, `1.5h`, `2h45m`, `-1s`; a bare 0 needs no unit.
pub(super) fn parse_duration_ms(text: &str) -> Option<i64> {
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    let mut ms = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..end].parse().ok()?;
        rest = &rest[end..];
        let end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        ms += number * unit_ms(&rest[..end])?;
        rest = &rest[end..];
    }
    // As far as Go's 64 bits of nanoseconds go.
    (ms <= i64::MAX as f64 / 1e6).then_some((sign * ms) as i64)
}

fn unit_ms(unit: &str) -> Option<f64> {
    match unit {
        "ns" => Some(1e-6),
        "us" | "µs" | "μs" => Some(1e-3),
        "ms" => Some(1.0),
        "s" => Some(1e3),
        "m" => Some(6e4),
        "h" => Some(3.6e6),
        _ => None,
    }
}

impl fmt::Display for Misuse<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Misuse::Syntax(word) => write!(f, "bad flag syntax: {word}"),
            Misuse::Unknown(name) => write!(f, "flag provided but not defined: -{name}"),
            Misuse::NoValue(name) => write!(f, "flag needs an argument: -{name}"),
            Misuse::BadBool { name, value } => {
                write!(f, "invalid boolean value {value:?} for -{name}: parse error")
            }
            Misuse::BadValue { name, value } => {
                write!(f, "invalid value {value:?} for flag -{name}: parse error")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(name: &str) -> Option<Takes> {
        match name {
            "name" => Some(Takes::Text),
            "on" => Some(Takes::Bool),
            "count" => Some(Takes::Number),
            "size" => Some(Takes::Integer),
            "time" => Some(Takes::Duration),
            _ => None,
        }
    }

    fn read(line: &str) -> String {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let read = read_line(&words, takes);
        match read {
            Ok(Line::Help) => "help".to_owned(),
            Ok(Line::Flags { given, rest }) => {
                let given: Vec<String> =
                    given.iter().map(|(name, value)| format!("{name}={value}")).collect();
                format!("{} {}", given.join(","), rest.unwrap_or("."))
            }
            Err(misuse) => misuse.to_string(),
        }
    }

    #[test]
    fn command_lines_are_read_as_go_reads_them() {
        for (line, expected) in [
            ("-name a", "name=a ."),
            ("--name a", "name=a ."),
            ("-name=a", "name=a ."),
            ("--name=a", "name=a ."),
            ("--name=", "name= ."),
            ("--name=a=b", "name=a=b ."),
            ("--name --on", "name=--on ."),
            ("--name a --name b", "name=a,name=b ."),
            ("--on", "on=true ."),
            ("--on=false", "on=false ."),
            ("--on=F -count=0x10", "on=F,count=0x10 ."),
            ("--on false", "on=true false"),
            ("--on -- --name a", "on=true --name"),
            ("--on --", "on=true ."),
            ("gateway start", " gateway"),
            ("-", " -"),
            ("-h", "help"),
            ("--on --help --nosuch", "help"),
            ("--time 1m30s --size -1", "time=1m30s,size=-1 ."),
            ("--nosuch", "flag provided but not defined: -nosuch"),
            ("-nosuch=1", "flag provided but not defined: -nosuch"),
            ("--name", "flag needs an argument: -name"),
            ("---name a", "bad flag syntax: ---name"),
            ("--=a", "bad flag syntax: --=a"),
            ("-=a", "bad flag syntax: -=a"),
            ("--on=yes", "invalid boolean value \"yes\" for -on: parse error"),
            ("--count abc", "invalid value \"abc\" for flag -count: parse error"),
            ("--count=-1", "invalid value \"-1\" for flag -count: parse error"),
            ("--time 5", "invalid value \"5\" for flag -time: parse error"),
        ] {
            assert_eq!(read(line), expected, "{line}");
        }
    }

    #[test]
    fn numbers_have_gos_bases() {
        for (text, number) in [
            ("0", Some(0)),
            ("8589934592", Some(8 << 30)),
            ("0x1F", Some(31)),
            ("0b101", Some(5)),
            ("0o17", Some(15)),
            ("017", Some(15)),
            ("0x1_000", Some(4096)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("1_000", None),
            ("+1", None),
            ("09", None),
            ("0x", None),
            ("", None),
            ("1.5", None),
            ("1e3", None),
        ] {
            assert_eq!(parse_number(text), number, "{text}");
        }
    }

    #[test]
    fn durations_have_gos_units() {
        for (text, ms) in [
            ("0", Some(0)),
            ("300ms", Some(300)),
            ("1.5h", Some(5_400_000)),
            ("2h45m", Some(9_900_000)),
            ("-1s", Some(-1_000)),
            ("+.5s", Some(500)),
            ("1000us", Some(1)),
            ("", None),
            ("-", None),
            ("5", None),
            ("h", None),
            ("1d", None),
            ("1.2.3s", None),
            ("99999999999h", None),
        ] {
            assert_eq!(parse_duration_ms(text), ms, "{text}");
        }
    }
}
