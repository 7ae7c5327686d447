//! Dates as people type them.

use jiff::civil::DateTime;
use jiff::fmt::rfc2822;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// A text is no date.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("'{0}' is not a date (try 2026-01-31 12:30, an RFC 2822 date, or @<unix seconds> +0000)")]
pub struct DateError(pub String);

/// Reads a date; returns Unix seconds and minutes east of UTC. `now` in Unix seconds decides the local offset.
pub fn parse(text: &str, now: i64) -> Result<(i64, i32), DateError> {
    let text = text.trim();
    let parsed = unix(text, now).or_else(|| zoned(text)).or_else(|| local(text));
    parsed.ok_or_else(|| DateError(text.to_owned()))
}

/// Returns the moment that people mean by a text, Unix seconds.
pub fn approximate(text: &str, now: i64) -> Result<i64, DateError> {
    parse(text, now).map(|(seconds, _)| seconds)
}

/// Returns the local time zone's offset at a time, in minutes east of UTC.
pub fn local_offset(unix_seconds: i64) -> i32 {
    let time = Timestamp::from_second(unix_seconds).unwrap_or(Timestamp::UNIX_EPOCH);
    TimeZone::system().to_offset(time).seconds() / 60
}

/// `@1700000000`, `@1700000000 +0100`, `1700000000 +0100`
fn unix(text: &str, now: i64) -> Option<(i64, i32)> {
    let marked = text.strip_prefix('@');
    let (seconds, zone) = match marked.unwrap_or(text).split_once(' ') {
        Some((seconds, zone)) => (seconds, Some(zone.trim())),
        None => (marked?, None),
    };
    let seconds: i64 = seconds.parse().ok()?;
    match zone {
        Some(zone) => Some((seconds, offset(zone)?)),
        None => Some((seconds, local_offset(now))),
    }
}

/// `+0130`
fn offset(zone: &str) -> Option<i32> {
    let (sign, digits) = match zone.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let digits = digits.replace(':', "");
    let number: i32 = digits.parse().ok().filter(|_| digits.len() == 4)?;
    Some(sign * (number / 100 * 60 + number % 100))
}

fn zoned(text: &str) -> Option<(i64, i32)> {
    let time = match rfc2822::parse(text) {
        Ok(time) => time,
        Err(_) => {
            let with_t = text.replacen(' ', "T", 1).replace(' ', "");
            let time: Timestamp = with_t.parse().ok()?;
            let minutes = with_t.rfind(['+', '-']).and_then(|i| offset(&with_t[i..])).unwrap_or(0);
            return Some((time.as_second(), minutes));
        }
    };
    Some((time.timestamp().as_second(), time.offset().seconds() / 60))
}

fn local(text: &str) -> Option<(i64, i32)> {
    let time: DateTime = text.parse().ok()?;
    let time: Zoned = time.to_zoned(TimeZone::system()).ok()?;
    Some((time.timestamp().as_second(), time.offset().seconds() / 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        assert_eq!(parse("@1700000000 +0130", 0), Ok((1_700_000_000, 90)));
        assert_eq!(parse("1700000000 -0500", 0), Ok((1_700_000_000, -300)));
        assert_eq!(parse("2023-11-14T22:13:20Z", 0), Ok((1_700_000_000, 0)));
        assert_eq!(parse("2023-11-14 23:13:20 +0100", 0), Ok((1_700_000_000, 60)));
        assert_eq!(parse("Tue, 14 Nov 2023 22:13:20 +0000", 0), Ok((1_700_000_000, 0)));
        assert!(parse("2023-11-14 22:13", 0).is_ok());
        assert!(parse("soon", 0).is_err());
    }
}
