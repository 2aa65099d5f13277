//! Points in time as clients write them (RFC 3339, or microseconds since 1970) and read them.

const MS_PER_S: u64 = 1_000;
const S_PER_MINUTE: u64 = 60;
const S_PER_HOUR: u64 = 60 * S_PER_MINUTE;
const S_PER_DAY: u64 = 24 * S_PER_HOUR;

/// The last year of four digits.
const YEAR_MAX: u64 = 9_999;

/// Days of the years before, in a year that is not a leap year.
const DAYS_BEFORE_MONTH: [u64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];

/// Reads a point in time: whole milliseconds since 1970, rounded down; 0 of anything before. `None`
/// if it is none.
pub(crate) fn parse(text: &[u8]) -> Option<u64> {
    let text = str::from_utf8(text).ok()?;
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let microseconds: u64 = text.parse().ok()?;
        return Some(microseconds / 1_000);
    }
    parse_rfc3339(text)
}

fn parse_rfc3339(text: &str) -> Option<u64> {
    let mut rest = text;
    let year = take_number(&mut rest, 4)?;
    take(&mut rest, "-")?;
    let month = take_number(&mut rest, 2)?;
    take(&mut rest, "-")?;
    let day = take_number(&mut rest, 2)?;
    take(&mut rest, "Tt ")?;
    let days = days_since_1970(year, month, day)?;
    let hour = take_number(&mut rest, 2).filter(|hour| *hour < 24)?;
    take(&mut rest, ":")?;
    let minute = take_number(&mut rest, 2).filter(|minute| *minute < 60)?;
    take(&mut rest, ":")?;
    // A leap second is the first one of the next minute.
    let second = take_number(&mut rest, 2).filter(|second| *second <= 60)?;
    let fraction_ms = take_fraction_ms(&mut rest)?;
    let offset_s = offset_s(rest)?;
    let of_day_s = i64::try_from(hour * S_PER_HOUR + minute * S_PER_MINUTE + second).ok()?;
    let since_1970_s = days * i64::try_from(S_PER_DAY).ok()? + of_day_s - offset_s;
    let since_1970_s = u64::try_from(since_1970_s).ok();
    Some(since_1970_s.map_or(0, |seconds| seconds * MS_PER_S + fraction_ms))
}

/// The whole milliseconds of `.123456`, if a fraction is there.
fn take_fraction_ms(rest: &mut &str) -> Option<u64> {
    let Some(fraction) = rest.strip_prefix('.') else { return Some(0) };
    let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, after) = fraction.split_at(digits);
    *rest = after;
    let first_three = format!("{digits:0<3}");
    (!digits.is_empty()).then(|| first_three[..3].parse().ok()).flatten()
}

/// How much the local time is ahead of UTC: `Z`, `+02:00`. In a query a plus sign that is not
/// escaped arrives as a space.
fn offset_s(mut text: &str) -> Option<i64> {
    if text == "Z" || text == "z" {
        return Some(0);
    }
    let sign = if text.starts_with('-') { -1 } else { 1 };
    take(&mut text, "+- ")?;
    let hours = take_number(&mut text, 2).filter(|hours| *hours < 24)?;
    take(&mut text, ":")?;
    let minutes = take_number(&mut text, 2).filter(|minutes| *minutes < 60)?;
    let offset_s = i64::try_from(hours * S_PER_HOUR + minutes * S_PER_MINUTE).ok()?;
    text.is_empty().then_some(sign * offset_s)
}

fn take(rest: &mut &str, any_of: &str) -> Option<()> {
    let first = rest.chars().next().filter(|first| any_of.contains(*first))?;
    *rest = &rest[first.len_utf8()..];
    Some(())
}

fn take_number(rest: &mut &str, digits: usize) -> Option<u64> {
    let (number, after) = rest.split_at_checked(digits)?;
    *rest = after;
    number.bytes().all(|byte| byte.is_ascii_digit()).then(|| number.parse().ok()).flatten()
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_in_month(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from the year 0 to the first of January.
fn days_before_year(year: u64) -> u64 {
    let leap_years = |years: u64| years.div_ceil(4) - years.div_ceil(100) + years.div_ceil(400);
    year * 365 + leap_years(year)
}

/// Negative before 1970; `None` if there is no such day.
fn days_since_1970(year: u64, month: u64, day: u64) -> Option<i64> {
    let exists = (1..=12).contains(&month) && (1..=days_in_month(year, month)).contains(&day);
    let before = *DAYS_BEFORE_MONTH.get(usize::try_from(month.checked_sub(1)?).ok()?)?;
    let leap_day = u64::from(month > 2 && is_leap(year));
    let days = days_before_year(year) + before + leap_day + day.saturating_sub(1);
    exists.then(|| days.cast_signed() - days_before_year(1970).cast_signed())
}

/// A time as answers show it, `2026-08-04T12:00:00.123Z`. [`parse`] gives the same back.
pub(crate) fn format(since_1970_ms: u64) -> String {
    let (seconds, ms) = (since_1970_ms / MS_PER_S, since_1970_ms % MS_PER_S);
    let days = seconds / S_PER_DAY + days_before_year(1970);
    if days >= days_before_year(YEAR_MAX + 1) {
        return format!("{YEAR_MAX}-12-31T23:59:59.{ms:03}Z");
    }
    // No year has more days, so this one or one of the next few is it.
    let mut year = days / 366;
    while days_before_year(year + 1) <= days {
        year += 1;
    }
    let mut day = days - days_before_year(year);
    let mut month = 1;
    while day >= days_in_month(year, month) {
        day -= days_in_month(year, month);
        month += 1;
    }
    let day = day + 1;
    let (hour, minute) = (seconds % S_PER_DAY / S_PER_HOUR, seconds % S_PER_HOUR / S_PER_MINUTE);
    let second = seconds % S_PER_MINUTE;
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-08-04T12:00:00.123Z, by `date -d … +%s`.
    const NOON_MS: u64 = 1_785_844_800_123;

    #[test]
    fn one_moment_written_in_many_ways() {
        for text in [
            "2026-08-04T12:00:00.123Z",
            "2026-08-04t12:00:00.123z",
            "2026-08-04 12:00:00.1234567Z",
            "2026-08-04T14:00:00.123+02:00",
            "2026-08-04T14:00:00.123 02:00",
            "2026-08-04T06:30:00.123-05:30",
            "2026-08-05T00:00:00.123+12:00",
            "1785844800123000",
            "1785844800123999",
        ] {
            assert_eq!(parse(text.as_bytes()), Some(NOON_MS), "{text}");
        }
        assert_eq!(format(NOON_MS), "2026-08-04T12:00:00.123Z");
    }

    #[test]
    fn known_days() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1972-02-29T00:00:00Z", 68_169_600),
            ("2000-02-29T23:59:59Z", 951_868_799),
            ("2000-03-01T00:00:00Z", 951_868_800),
            ("2016-12-31T23:59:60Z", 1_483_228_800),
            ("2100-03-01T00:00:00Z", 4_107_542_400),
            ("9999-12-31T23:59:59Z", 253_402_300_799),
            ("1969-12-31T23:59:59Z", 0),
        ] {
            assert_eq!(parse(text.as_bytes()), Some(seconds * MS_PER_S), "{text}");
        }
    }

    #[test]
    fn what_is_shown_is_read_again() {
        let mut since_1970_ms = 0;
        while since_1970_ms < 8_000 * 366 * S_PER_DAY * MS_PER_S {
            let text = format(since_1970_ms);
            assert_eq!(parse(text.as_bytes()), Some(since_1970_ms), "{text}");
            // Some 25 hours, so that all times of day and all days come.
            since_1970_ms += 91_234_567;
        }
        assert!(format(u64::MAX).starts_with("9999-12-31"));
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "now",
            "-5",
            "1.5",
            "99999999999999999999",
            "2026-08-04",
            "2026-08-04T12:00:00",
            "2026-08-04T12:00Z",
            "2026-02-29T12:00:00Z",
            "2026-13-01T12:00:00Z",
            "2026-00-01T12:00:00Z",
            "2026-08-00T12:00:00Z",
            "2026-08-32T12:00:00Z",
            "2026-08-04T24:00:00Z",
            "2026-08-04T12:60:00Z",
            "2026-08-04T12:00:61Z",
            "2026-08-04T12:00:00.Z",
            "2026-08-04T12:00:00+2",
            "2026-08-04T12:00:00+02:00x",
            "2026-08-04T12:00:00+24:00",
            "+026-08-04T12:00:00Z",
            "２026-08-04T12:00:00Z",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(parse(b"\xff"), None);
    }
}
