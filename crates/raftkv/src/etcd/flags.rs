//! The flags that hold: out of the command line, the environment or a file.
//!
//! The command line beats the environment. A file that is named by either makes all else count for
//! nothing, as in etcd.

use std::collections::BTreeMap;

use super::file;
use super::go::{self, Line, Takes};
use super::table::{self, FLAGS, Fate, Flag};

/// What stands before a flag's name in the environment.
const VARIABLE_PREFIX: &str = "ETCD_";

/// Variables with that prefix that mean no flag.
const NO_FLAGS: [&str; 2] = ["ETCD_UNSUPPORTED_ARCH", "ETCD_VERSION"];

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Help,
    Version,
    /// To run a member.
    Run(Flags),
}

/// Flags and their values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Flags {
    given: BTreeMap<&'static str, Given>,
    /// What should be said in the log about how they came about.
    pub(super) notes: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Given {
    value: String,
    /// As whoever gave it knows it.
    called: String,
}

impl Flags {
    /// Settles the command line (without the program's name) and the environment.
    pub(super) fn settle(
        words: &[String],
        environment: &[(String, String)],
    ) -> Result<Asked, String> {
        let takes = |name: &str| table::find(name).map(|flag| flag.takes);
        let read = go::read_line(words, takes);
        let help = "; `raftkv etcd --help` names every flag";
        let (given, rest) = match read.map_err(|misuse| format!("{misuse}{help}"))? {
            Line::Help => return Ok(Asked::Help),
            Line::Flags { given, rest } => (given, rest),
        };
        if let Some(word @ ("gateway" | "grpc-proxy")) = rest {
            return Err(format!("raftkv has no {word}: any member serves any client"));
        }
        if let Some(word) = rest {
            return Err(format!("{word:?} is not a valid flag{help}"));
        }
        let mut flags = Flags::default();
        for (name, value) in given {
            flags.take(name, value, format!("--{name}"));
        }
        if flags.is_on("version") {
            return Ok(Asked::Version);
        }
        flags.settle_sources(environment).map(Asked::Run)
    }

    fn settle_sources(self, environment: &[(String, String)]) -> Result<Flags, String> {
        let variable = variable_of("config-file");
        let named = environment.iter().find(|(name, _)| *name == variable).map(|(_, path)| path);
        let path = self.text("config-file").to_owned();
        match (path.is_empty(), named) {
            (false, _) => Flags::of_file(&path),
            (true, Some(path)) if !path.is_empty() => Flags::of_file(path),
            _ => self.or_environment(environment),
        }
    }

    fn of_file(path: &str) -> Result<Flags, String> {
        let mut flags = Flags::default();
        flags.notes.push(format!("{path} counts; flags and the environment are passed over"));
        let (entries, unknown) = file::read(path)?;
        if !unknown.is_empty() {
            let unknown = unknown.join(", ");
            flags.notes.push(format!("{path} says what no flag does, passed over: {unknown}"));
        }
        for (flag, value) in entries {
            flags.take(flag.name, &value, format!("{path}: {}", flag.name));
        }
        Ok(flags)
    }

    fn or_environment(mut self, environment: &[(String, String)]) -> Result<Flags, String> {
        let mut shadowed = Vec::new();
        for flag in FLAGS {
            let variable = variable_of(flag.name);
            let mut found = environment.iter().filter(|(name, _)| *name == variable);
            let Some((_, value)) = found.next().filter(|(_, value)| !value.is_empty()) else {
                continue;
            };
            if !flag.takes.accepts(value) {
                return Err(format!("invalid value {value:?} for {variable}: parse error"));
            }
            match self.given.contains_key(flag.name) {
                true => shadowed.push(variable),
                false => self.take(flag.name, value, variable),
            }
        }
        let is_ours = |name: &str| FLAGS.iter().any(|flag| variable_of(flag.name) == name);
        let strange = environment.iter().map(|(name, _)| name.as_str()).filter(|name| {
            name.starts_with(VARIABLE_PREFIX) && !NO_FLAGS.contains(name) && !is_ours(name)
        });
        let strange: Vec<&str> = strange.collect();
        if !shadowed.is_empty() {
            self.notes.push(format!("the command line beats {}", shadowed.join(", ")));
        }
        if !strange.is_empty() {
            self.notes.push(format!("no flag has this variable: {}", strange.join(", ")));
        }
        Ok(self)
    }

    fn take(&mut self, name: &str, value: &str, called: String) {
        let flag = table::find(name).expect("only flags of the table are taken");
        self.given.insert(flag.name, Given { value: value.to_owned(), called });
    }

    /// The flag's value, or its default.
    pub(super) fn text(&self, name: &str) -> &str {
        match (self.given.get(name), table::find(name).map(|flag| flag.fate)) {
            (Some(given), _) => &given.value,
            (None, Some(Fate::Used { default, .. })) => default,
            (None, _) => "",
        }
    }

    /// Whether somebody gave it.
    pub(super) fn is_given(&self, name: &str) -> bool {
        self.given.contains_key(name)
    }

    /// What it is called where it was given.
    pub(super) fn called(&self, name: &str) -> String {
        self.given.get(name).map_or_else(|| format!("--{name}"), |given| given.called.clone())
    }

    /// Of a flag that is on or off.
    pub(super) fn is_on(&self, name: &str) -> bool {
        go::parse_bool(self.text(name)) == Some(true)
    }

    /// Those that change nothing here, as they are called where they were given.
    pub(super) fn idle(&self) -> Vec<String> {
        let idle = |name: &str| table::find(name).is_some_and(|flag| flag.fate == Fate::Idle);
        let given = self.given.iter().filter(|(name, _)| idle(name));
        given.map(|(_, given)| given.called.clone()).collect()
    }

    /// Why a member can not be run with these.
    pub(super) fn refuse_what_can_not_be(&self) -> Result<(), String> {
        let refused = self.given.iter().find_map(|(name, given)| {
            let flag = table::find(name)?;
            flag.refuses(&given.value).map(|instead| format!("{}: {instead}", given.called))
        });
        refused.map_or(Ok(()), Err)
    }
}

impl Flag {
    /// What to do instead, if a member is not to be given this value.
    fn refuses(&self, value: &str) -> Option<&'static str> {
        let Fate::Refused { but, instead } = self.fate else { return None };
        let off = self.takes == Takes::Bool && go::parse_bool(value) == Some(false);
        (!off && !value.is_empty() && !but.contains(&value)).then_some(instead)
    }
}

/// `ETCD_LISTEN_PEER_URLS` of `listen-peer-urls`.
fn variable_of(name: &str) -> String {
    format!("{VARIABLE_PREFIX}{}", name.to_ascii_uppercase().replace('-', "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    fn settle(line: &str, environment: &[(&str, &str)]) -> Result<Flags, String> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let environment: Vec<(String, String)> = environment.iter().map(owned).collect();
        match Flags::settle(&words(line), &environment)? {
            Asked::Run(flags) => Ok(flags),
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn the_command_line_beats_the_environment_and_that_the_default() {
        let environment =
            [("ETCD_NAME", "b"), ("ETCD_HEARTBEAT_INTERVAL", "50"), ("ETCD_CORS", "")];
        let flags = settle("--name a --name=c", &environment).unwrap();
        assert_eq!(flags.text("name"), "c", "the last one");
        assert_eq!(flags.text("heartbeat-interval"), "50");
        assert_eq!(flags.text("election-timeout"), "1000");
        assert!(!flags.is_given("cors"), "an empty variable is none");
        assert_eq!(flags.notes, ["the command line beats ETCD_NAME"]);
        assert_eq!(flags.called("heartbeat-interval"), "ETCD_HEARTBEAT_INTERVAL");
    }

    #[test]
    fn strange_variables_are_named_and_no_more() {
        let environment =
            [("ETCD_FOO", "1"), ("ETCDCTL_API", "3"), ("ETCD_UNSUPPORTED_ARCH", "arm")];
        let flags = settle("", &environment).unwrap();
        assert_eq!(flags.notes, ["no flag has this variable: ETCD_FOO"]);
    }

    #[test]
    fn what_no_flag_says_is_refused() {
        for (line, environment, words) in [
            ("--nosuch", None, "flag provided but not defined: -nosuch"),
            ("extra", None, "\"extra\" is not a valid flag"),
            ("gateway start", None, "raftkv has no gateway"),
            ("", Some(("ETCD_ELECTION_TIMEOUT", "x")), "\"x\" for ETCD_ELECTION_TIMEOUT: parse"),
            ("", Some(("ETCD_UNSAFE_NO_FSYNC", "yes")), "\"yes\" for ETCD_UNSAFE_NO_FSYNC"),
        ] {
            let error = settle(line, environment.as_slice()).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn versions_and_help_are_no_members() {
        for line in ["--version", "-version", "--version=true --name a"] {
            assert_eq!(Flags::settle(&words(line), &[]), Ok(Asked::Version), "{line}");
        }
        assert_eq!(Flags::settle(&words("--name a -h"), &[]), Ok(Asked::Help));
        assert!(settle("--version=false", &[]).is_ok());
    }

    #[test]
    fn what_would_silently_not_be_so_is_refused() {
        for line in [
            "--client-crl-file revoked.pem",
            "--peer-cert-allowed-cn node",
            "--peer-client-cert-file dial.crt",
            "--cipher-suites=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            "--tls-min-version TLS1.3",
            "--auth-token=jwt,pub-key=a,sign-method=RS256",
            "--force-new-cluster",
            "--discovery https://discovery.etcd.io/x",
            "--discovery-srv example.org",
            "--wal-dir /fast",
            "--host-whitelist kv.example",
            "--enable-v2",
            "--proxy on",
        ] {
            let error = settle(line, &[]).unwrap().refuse_what_can_not_be().unwrap_err();
            let name = line.split([' ', '=']).next().unwrap();
            assert!(error.starts_with(&format!("{name}: ")), "{error}");
        }
        let variable = settle("", &[("ETCD_PEER_CRL_FILE", "ca.crt")]).unwrap();
        let error = variable.refuse_what_can_not_be().unwrap_err();
        assert!(error.starts_with("ETCD_PEER_CRL_FILE: "), "{error}");
    }

    #[test]
    fn their_defaults_are_let_be_and_what_changes_nothing_is_named() {
        let line = "--cert-file= --client-cert-auth=false --tls-min-version=TLS1.2 --proxy off \
                    --auth-token simple --discovery= --snapshot-count=5 --pre-vote";
        let flags = settle(line, &[("ETCD_METRICS", "extensive")]).unwrap();
        assert_eq!(flags.refuse_what_can_not_be(), Ok(()));
        assert_eq!(flags.idle(), ["ETCD_METRICS", "--pre-vote", "--snapshot-count"]);
    }
}
