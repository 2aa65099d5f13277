//! `raftkv settings`: what all members of a cluster go by.

use std::io::{self, Write};

use client::{Settings, SettingsChange};
use serde_json::json;

use crate::args::{Format, Setting, SettingsAction, SettingsArgs};
use crate::failure::Failure;
use crate::kv::connect;
use crate::render::{json_line, table};

/// Units of ages, from the longest.
const AGE_UNITS: [(u64, &str); 5] =
    [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms")];

/// Units of sizes, from the largest.
const SIZE_UNITS: [(u64, &str); 4] =
    [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"), (1, "")];

pub(crate) async fn run(args: SettingsArgs, out: &mut impl Write) -> Result<(), Failure> {
    let client = connect(&args.connect)?;
    let settings = match (args.action, change_of(&args.changes)?) {
        (SettingsAction::Get, None) => client.settings().await?,
        (SettingsAction::Set, Some(change)) => client.change_settings(change).await?,
        (SettingsAction::Get, Some(_)) => {
            let message = "to change a setting write `raftkv settings set KEY=VALUE`";
            return Err(Failure::Usage(message.to_owned()));
        }
        (SettingsAction::Set, None) => {
            let message = "name what to set, such as history-age=1h or history-bytes=64MiB";
            return Err(Failure::Usage(message.to_owned()));
        }
    };
    Ok(show(&settings, args.connect.output, out)?)
}

/// All that is to be changed; a setting that is named twice is a mistake.
fn change_of(settings: &[Setting]) -> Result<Option<SettingsChange>, Failure> {
    let mut change = SettingsChange::default();
    for setting in settings {
        let before = match *setting {
            Setting::HistoryAge(ms) => change.history_age_ms.replace(ms),
            Setting::HistoryBytes(bytes) => change.history_bytes.replace(bytes),
        };
        if before.is_some() {
            return Err(Failure::Usage("a setting is named twice".to_owned()));
        }
    }
    Ok((!settings.is_empty()).then_some(change))
}

fn show(settings: &Settings, output: Option<Format>, out: &mut impl Write) -> io::Result<()> {
    let Settings { history_age_ms, history_bytes } = *settings;
    let rows = [
        ("history-age", in_units(history_age_ms, &AGE_UNITS)),
        ("history-bytes", in_units(history_bytes, &SIZE_UNITS)),
    ];
    match output {
        None => rows.iter().try_for_each(|(name, value)| writeln!(out, "{name} = {value}")),
        Some(Format::Plain) => {
            rows.iter().try_for_each(|(name, value)| writeln!(out, "{name}\t{value}"))
        }
        Some(Format::Json) => json_line(
            &json!({ "history_age_ms": history_age_ms, "history_bytes": history_bytes }),
            out,
        ),
        Some(Format::Table) => {
            let mut table = table(&["SETTING", "VALUE"]);
            for (name, value) in rows {
                table.add_row([name.to_owned(), value]);
            }
            writeln!(out, "{table}")
        }
    }
}

/// In the largest unit of which it is a whole number: what is printed can be set again.
fn in_units(number: u64, units: &[(u64, &str)]) -> String {
    if number == 0 {
        return "0".to_owned();
    }
    let whole = units.iter().find(|(size, _)| number.is_multiple_of(*size));
    whole.map_or(number.to_string(), |(size, unit)| format!("{}{unit}", number / size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_can_be_set_again() {
        let settings = Settings { history_age_ms: 5_400_000, history_bytes: 256 << 20 };
        let mut out = Vec::new();
        show(&settings, None, &mut out).unwrap();
        let shown = String::from_utf8(out).unwrap();
        assert_eq!(shown, "history-age = 90m\nhistory-bytes = 256MiB\n");
        let again: Vec<Setting> =
            shown.lines().map(|line| line.replace(' ', "").parse().unwrap()).collect();
        let change = change_of(&again).ok().flatten().unwrap();
        assert_eq!(change.history_age_ms, Some(5_400_000));
        assert_eq!(change.history_bytes, Some(256 << 20));
    }

    #[test]
    fn numbers_keep_every_digit() {
        for (ms, shown) in [(0, "0"), (1, "1ms"), (1_500, "1500ms"), (86_400_000, "1d")] {
            assert_eq!(in_units(ms, &AGE_UNITS), shown);
        }
        for (bytes, shown) in [(1_000_000, "1000000"), (4_096, "4KiB"), (3 << 30, "3GiB")] {
            assert_eq!(in_units(bytes, &SIZE_UNITS), shown);
        }
    }
}
