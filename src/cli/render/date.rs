//! Dates as `--date` asks for them; the shapes are Git's.

use jiff::fmt::strtime;
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, ZonedDateTime};

/// How to write a date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DateFormat {
    style: Style,
    local: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Style {
    Default,
    Iso,
    IsoStrict,
    Rfc,
    Short,
    Relative,
    Human,
    Unix,
    Raw,
    Pattern(String),
}

impl DateFormat {
    /// `Tue Nov 14 23:43:20 2023 +0130`
    pub const DEFAULT: Self = Self::of(Style::Default);
    /// `2023-11-14 23:43:20 +0130`
    pub const ISO: Self = Self::of(Style::Iso);
    /// `2023-11-14T23:43:20+01:30`
    pub const ISO_STRICT: Self = Self::of(Style::IsoStrict);
    /// `Tue, 14 Nov 2023 23:43:20 +0130`
    pub const RFC: Self = Self::of(Style::Rfc);
    /// `2023-11-14`
    pub const SHORT: Self = Self::of(Style::Short);
    /// `3 years ago`
    pub const RELATIVE: Self = Self::of(Style::Relative);
    /// `Nov 14 2023`, the shorter the nearer
    pub const HUMAN: Self = Self::of(Style::Human);
    /// `1700000000`
    pub const UNIX: Self = Self::of(Style::Unix);

    const fn of(style: Style) -> Self {
        Self { style, local: false }
    }

    /// Parses the value of `--date`.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(pattern) = text.strip_prefix("format-local:") {
            return Self::pattern(pattern, true);
        }
        if let Some(pattern) = text.strip_prefix("format:") {
            return Self::pattern(pattern, false);
        }
        if text == "local" {
            return Ok(Self { style: Style::Default, local: true });
        }
        let (name, local) = text.strip_suffix("-local").map_or((text, false), |name| (name, true));
        let style = match name {
            "default" => Style::Default,
            "iso" | "iso8601" => Style::Iso,
            "iso-strict" | "iso8601-strict" => Style::IsoStrict,
            "rfc" | "rfc2822" => Style::Rfc,
            "short" => Style::Short,
            "relative" => Style::Relative,
            "human" => Style::Human,
            "unix" => Style::Unix,
            "raw" => Style::Raw,
            _ => {
                return Err(
                    "known formats are default, iso, iso-strict, rfc, short, relative, human, unix, raw, local and \
                            format:<strftime pattern>"
                        .to_owned(),
                );
            }
        };
        Ok(Self { style, local })
    }

    fn pattern(pattern: &str, local: bool) -> Result<Self, String> {
        strtime::format(pattern, &Timestamp::UNIX_EPOCH.to_zoned_datetime(TimeZone::UTC)).map_err(|e| e.to_string())?;
        Ok(Self { style: Style::Pattern(pattern.to_owned()), local })
    }

    /// Writes a time (Unix seconds, minutes east of UTC) as of `now`.
    pub fn render(&self, time: i64, offset: i32, now: &ZonedDateTime) -> String {
        let Some(at) = zoned(time, offset, self.local.then(|| now.time_zone())) else {
            return format!("{time} {}", offset_digits(offset));
        };
        let written = |pattern: &str| at.strftime(pattern).to_string();
        match &self.style {
            Style::Default if self.local => written("%a %b %-d %H:%M:%S %Y"),
            Style::Default => written("%a %b %-d %H:%M:%S %Y %z"),
            Style::Iso => written("%Y-%m-%d %H:%M:%S %z"),
            Style::IsoStrict if at.offset() == Offset::UTC => written("%Y-%m-%dT%H:%M:%SZ"),
            Style::IsoStrict => written("%Y-%m-%dT%H:%M:%S%:z"),
            Style::Rfc => written("%a, %-d %b %Y %H:%M:%S %z"),
            Style::Short => written("%Y-%m-%d"),
            Style::Relative => relative(time, now.timestamp().as_second()),
            Style::Human => human(&at, now),
            Style::Unix => time.to_string(),
            Style::Raw => format!("{time} {}", at.strftime("%z")),
            Style::Pattern(pattern) => written(pattern),
        }
    }
}

/// Writes an RFC 3339 date for JSON, with the offset it was made in.
pub fn rfc3339(time: i64, offset: i32) -> Option<String> {
    zoned(time, offset, None).map(|at| at.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string())
}

fn zoned(time: i64, offset: i32, local: Option<&TimeZone>) -> Option<ZonedDateTime> {
    let at = Timestamp::from_second(time).ok()?;
    let zone = match local {
        Some(zone) => zone.clone(),
        None => TimeZone::fixed(Offset::from_seconds(offset.checked_mul(60)?).ok()?),
    };
    Some(at.to_zoned_datetime(zone))
}

fn offset_digits(minutes: i32) -> String {
    let sign = if minutes < 0 { '-' } else { '+' };
    format!("{sign}{:02}{:02}", minutes.unsigned_abs() / 60, minutes.unsigned_abs() % 60)
}

/// Writes how long ago something was, each unit up to where Git changes to the next.
fn relative(time: i64, now: i64) -> String {
    let Ok(seconds) = u64::try_from(now.saturating_sub(time)) else { return "in the future".to_owned() };
    let ago = |n: u64, unit: &str| super::size::count(n, unit) + " ago";
    let rounded = |unit: u64| (seconds + unit / 2) / unit;
    let (minute, hour, day) = (60, 3600, 86_400);
    if seconds < 90 {
        return ago(seconds, "second");
    }
    if rounded(minute) < 90 {
        return ago(rounded(minute), "minute");
    }
    if rounded(hour) < 36 {
        return ago(rounded(hour), "hour");
    }
    let days = rounded(day);
    match days {
        0..14 => ago(days, "day"),
        14..70 => ago((days + 3) / 7, "week"),
        70..365 => ago((days + 15) / 30, "month"),
        _ => {
            let months = (days * 12 * 2 + 365) / (365 * 2);
            match (months / 12, months % 12) {
                (years @ 0..5, rest @ 1..) => format!("{}, {}", super::size::count(years, "year"), ago(rest, "month")),
                (0..5, _) => ago(months / 12, "year"),
                _ => ago((days + 183) / 365, "year"),
            }
        }
    }
}

/// Writes a date with no more than a reader of `now` needs.
fn human(at: &ZonedDateTime, now: &ZonedDateTime) -> String {
    let here = now.with_time_zone(at.time_zone().clone());
    let days = at.date().until(here.date()).map_or(i32::MAX, |span| span.get_days());
    let zone = if at.offset() == now.offset() { "" } else { " %z" };
    let pattern = match days {
        0 => return relative(at.timestamp().as_second(), now.timestamp().as_second()),
        1..7 => format!("%a %H:%M{zone}"),
        _ if at.year() == here.year() => format!("%a %b %-d %H:%M{zone}"),
        _ => "%b %-d %Y".to_owned(),
    };
    at.strftime(&pattern).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> ZonedDateTime {
        let zone = TimeZone::fixed(Offset::from_seconds(3600).expect("an hour"));
        Timestamp::from_second(1_700_000_000 + 86_400 * 1103).expect("in range").to_zoned_datetime(zone)
    }

    fn shown(name: &str) -> String {
        DateFormat::parse(name).expect("known").render(1_700_000_000, 90, &now())
    }

    #[test]
    fn shapes_are_gits() {
        for (name, text) in [
            ("default", "Tue Nov 14 23:43:20 2023 +0130"),
            ("iso", "2023-11-14 23:43:20 +0130"),
            ("iso-strict", "2023-11-14T23:43:20+01:30"),
            ("rfc", "Tue, 14 Nov 2023 23:43:20 +0130"),
            ("short", "2023-11-14"),
            ("relative", "3 years ago"),
            ("human", "Nov 14 2023"),
            ("unix", "1700000000"),
            ("raw", "1700000000 +0130"),
            ("local", "Tue Nov 14 23:13:20 2023"),
            ("iso-local", "2023-11-14 23:13:20 +0100"),
            ("format:%d.%m.%y", "14.11.23"),
        ] {
            assert_eq!(shown(name), text, "{name}");
        }
        assert_eq!(DateFormat::ISO_STRICT.render(1_700_000_000, 0, &now()), "2023-11-14T22:13:20Z");
        assert!(DateFormat::parse("yesterday").is_err());
        assert!(DateFormat::parse("format:%!").is_err());
    }

    #[test]
    fn times_that_no_calendar_holds_are_written_raw() {
        assert_eq!(DateFormat::ISO.render(i64::MAX, -90, &now()), "9223372036854775807 -0130");
        assert_eq!(rfc3339(i64::MAX, 0), None);
        assert_eq!(rfc3339(0, 60).as_deref(), Some("1970-01-01T01:00:00+01:00"));
    }

    #[test]
    fn relative_dates_change_units_where_gits_do() {
        const DAY: i64 = 86_400;
        for (seconds, text) in [
            (-5, "in the future"),
            (1, "1 second ago"),
            (89, "89 seconds ago"),
            (90, "2 minutes ago"),
            (89 * 60, "89 minutes ago"),
            (90 * 60, "2 hours ago"),
            (35 * 3600, "35 hours ago"),
            (36 * 3600, "2 days ago"),
            (13 * DAY, "13 days ago"),
            (14 * DAY, "2 weeks ago"),
            (69 * DAY, "10 weeks ago"),
            (70 * DAY, "2 months ago"),
            (364 * DAY, "12 months ago"),
            (365 * DAY, "1 year ago"),
            (400 * DAY, "1 year, 1 month ago"),
            (2000 * DAY, "5 years ago"),
        ] {
            assert_eq!(relative(0, seconds), text, "{seconds}");
        }
    }
}
