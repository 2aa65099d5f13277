//! `--log-level`, `--log-format`, `--log-outputs`.

use server::config::{LogFormat, split_list};
use tracing_subscriber::filter::LevelFilter;

use super::flags::Flags;
use crate::log::{LogPlan, Output};

/// How the member logs.
pub(super) fn plan(flags: &Flags) -> Result<LogPlan, String> {
    if flags.text("logger") != "zap" {
        return Err(format!("unknown logger option {:?}: write zap", flags.text("logger")));
    }
    let format = match flags.text("log-format") {
        "json" => LogFormat::Json,
        "console" => LogFormat::Text,
        other => return Err(format!("unknown log format: {other:?}: it is json or console")),
    };
    let level = match flags.text("log-level") {
        "debug" => LevelFilter::DEBUG,
        "info" => LevelFilter::INFO,
        "warn" => LevelFilter::WARN,
        // Nothing here logs in between.
        "error" | "dpanic" | "panic" | "fatal" => LevelFilter::ERROR,
        other => return Err(format!("unrecognized level: {other:?}")),
    };
    let mut outputs: Vec<Output> =
        split_list(flags.text("log-outputs")).iter().map(|name| output(name)).collect();
    outputs.sort();
    outputs.dedup();
    if outputs.is_empty() {
        return Err("--log-outputs: name one, such as stderr".to_owned());
    }
    Ok(LogPlan { format, level, outputs })
}

fn output(name: &str) -> Output {
    match name {
        // Under systemd, standard error leads to the journal.
        "default" | "stderr" | "systemd/journal" => Output::Stderr,
        "stdout" => Output::Stdout,
        path => Output::File(path.into()),
    }
}
