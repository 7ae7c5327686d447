//! Dates as people type them; Git's reading of them, whims included.
//!
//! There are two readings. The strict one wants a whole date with a time of day, in nearly any notation. The approximate one
//! takes whatever the strict one refuses, starts from now, and changes it by every number and word it knows: "yesterday
//! noon", "last friday", "3 weeks ago".

mod approximate;
mod fields;
mod strict;
mod words;

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A text is no date.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("'{0}' is not a date (try 2026-01-31 12:30, an RFC 2822 date, or @<unix seconds> +0000)")]
pub struct DateError(pub String);

/// Reads a whole date, strictly; returns Unix seconds and minutes east of UTC. `now` in Unix seconds settles which of day and
/// month comes first in 1/2/26: a date far in the future is not meant.
pub fn parse(text: &str, now: i64) -> Result<(i64, i32), DateError> {
    strict::read(text, now, &TimeZone::system()).ok_or_else(|| DateError(text.to_owned()))
}

/// Reads a date strictly or, failing that, approximately: for options, where people type it.
pub fn parse_typed(text: &str, now: i64) -> Result<(i64, i32), DateError> {
    parse(text, now).or_else(|error| {
        let seconds = approximate::read(text, now, &TimeZone::system()).ok_or(error)?;
        Ok((seconds, local_offset(seconds)))
    })
}

/// Returns the moment that people mean by a text, in Unix seconds.
pub fn approximate(text: &str, now: i64) -> Result<i64, DateError> {
    parse_typed(text, now).map(|(seconds, _)| seconds)
}

/// Returns the local time zone's offset at a time, in minutes east of UTC.
pub fn local_offset(unix_seconds: i64) -> i32 {
    offset(unix_seconds, &TimeZone::system())
}

fn offset(unix_seconds: i64, zone: &TimeZone) -> i32 {
    let time = Timestamp::from_second(unix_seconds).unwrap_or(Timestamp::UNIX_EPOCH);
    zone.to_offset(time).seconds() / 60
}

#[cfg(test)]
mod tests;
