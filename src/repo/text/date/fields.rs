//! A date while it is being read: fields that may be unknown yet, and numbers that stand together.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan};

use super::words::{digits, number};

/// Days in which a date may lie in the future and still be meant.
const FUTURE: i64 = 10 * 86_400;

/// The parts of a date; `None` where nothing was said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    /// The year, such as 2026.
    pub year: Option<i64>,
    /// The month, from 1.
    pub month: Option<i64>,
    /// The day of the month, from 1.
    pub day: Option<i64>,
    /// The hour.
    pub hour: Option<i64>,
    /// The minute.
    pub minute: Option<i64>,
    /// The second.
    pub second: Option<i64>,
}

impl Fields {
    /// Takes a moment apart, as clocks in a time zone show it.
    pub fn at(seconds: i64, zone: &TimeZone) -> Self {
        let time = Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned_datetime(zone.clone());
        Self {
            year: Some(time.year().into()),
            month: Some(time.month().into()),
            day: Some(time.day().into()),
            hour: Some(time.hour().into()),
            minute: Some(time.minute().into()),
            second: Some(time.second().into()),
        }
    }

    /// Returns the moment in a time zone; a day or hour beyond the last one runs over into the next. `None` if a part is
    /// unknown or no calendar holds the date.
    pub fn seconds(&self, zone: &TimeZone) -> Option<i64> {
        let first = Date::new(self.year?.try_into().ok()?, self.month?.try_into().ok()?, 1).ok()?;
        let day = first.checked_add(Span::new().try_days(self.day? - 1).ok()?).ok()?;
        let span = self.hour?.hours().try_minutes(self.minute?).ok()?.try_seconds(self.second?).ok()?;
        let clock = day.to_datetime(jiff::civil::Time::midnight()).checked_add(span).ok()?;
        Some(clock.to_zoned_datetime(zone.clone()).ok()?.timestamp().as_second())
    }

    /// Tells whether nothing is known yet.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Tells whether year, month and day are known.
    pub fn has_date(&self) -> bool {
        self.year.is_some() && self.month.is_some() && self.day.is_some()
    }

    /// Sets the time of day if the numbers can be one.
    pub fn set_time(&mut self, hour: i64, minute: i64, second: i64) -> bool {
        let fits = (0..=24).contains(&hour) && (0..60).contains(&minute) && (0..=60).contains(&second);
        if fits {
            (self.hour, self.minute, self.second) = (Some(hour), Some(minute), Some(second));
        }
        fits
    }

    /// Sets the date if the numbers can be one. With `now`, a missing year is this one, and dates far in the future are
    /// refused.
    pub fn set_date(&mut self, year: Option<i64>, month: i64, day: i64, now: Option<i64>) -> bool {
        if !(1..13).contains(&month) || !(1..32).contains(&day) {
            return false;
        }
        let mut read = self.clone();
        (read.month, read.day) = (Some(month), Some(day));
        match (year, now) {
            (Some(year), _) => match full_year(year) {
                Some(year) => read.year = Some(year),
                None => return self.keep(read, now.is_none(), false),
            },
            (None, Some(now)) => read.year = Self::at(now, &TimeZone::UTC).year,
            (None, None) => return self.keep(read, true, false),
        }
        if let Some(now) = now {
            // Without a time of day it is not known how far away the date is.
            if read.seconds(&TimeZone::UTC).is_some_and(|at| at > now + FUTURE) {
                return false;
            }
            if year.is_none() {
                read.year = self.year;
            }
        }
        self.keep(read, true, true)
    }

    /// Takes over what was read, and returns `result`.
    fn keep(&mut self, read: Self, take: bool, result: bool) -> bool {
        if take {
            *self = read;
        }
        result
    }

    /// Reads two or three numbers with the same `:`, `-`, `/` or `.` between them, which follows the first one; returns how
    /// many bytes they have. `None` if they are no time or date.
    pub fn set_numbers(&mut self, text: &[u8], now: i64) -> Option<usize> {
        let first = number(text)?;
        let mut end = digits(text);
        let mark = *text.get(end).filter(|b| b":-/.".contains(b))?;
        let next = |end: usize| {
            let rest = text.get(end + 1..).filter(|_| text.get(end) == Some(&mark))?;
            Some((number(rest)?, end + 1 + digits(rest)))
        };
        let second;
        (second, end) = next(end)?;
        let mut third = None;
        if let Some((n, after)) = next(end) {
            (third, end) = (Some(n), after);
        }
        if mark == b':' {
            if !self.set_time(first, second, third.unwrap_or(0)) {
                return None;
            }
            // Fractions of a second are passed over.
            let fraction = text.get(end + 1..).filter(|_| text.get(end) == Some(&b'.')).map_or(0, digits);
            return Some(if fraction > 0 && self.has_date() { end + 1 + fraction } else { end });
        }
        // A missing third number is no day or month.
        let last = third.unwrap_or(-1);
        let iso = first > 70
            && (self.set_date(Some(first), second, last, None) || self.set_date(Some(first), last, second, None));
        let american = |fields: &mut Self| fields.set_date(third, first, second, Some(now));
        let fits = iso
            || (mark != b'.' && american(self))
            || self.set_date(third, second, first, Some(now))
            || (mark == b'.' && american(self));
        fits.then_some(end)
    }
}

/// Completes a year of two digits.
fn full_year(year: i64) -> Option<i64> {
    match year {
        1970..2100 => Some(year),
        71..100 => Some(year + 1900),
        0..38 => Some(year + 2000),
        _ => None,
    }
}
