//! The strict reading: a whole date with a time of day, perhaps with a time zone.

use jiff::tz::TimeZone;

use super::fields::Fields;
use super::words::{MONTHS, WEEKDAYS, ZONES, digits, letters, number, shared};

/// Years that Git can count: what it stores has no sign.
const YEARS: std::ops::Range<i64> = 1970..2100;

struct Reader {
    fields: Fields,
    /// Minutes east of UTC.
    offset: Option<i32>,
    /// Unix seconds, from a number of at least nine digits.
    unix: Option<i64>,
    /// Whether a `T` has announced the time of day.
    after_t: bool,
    now: i64,
}

/// Reads a date; returns Unix seconds and minutes east of UTC.
pub fn read(text: &str, now: i64, zone: &TimeZone) -> Option<(i64, i32)> {
    if let Some(raw) = text.strip_prefix('@').and_then(raw) {
        return Some(raw);
    }
    let mut reader = Reader { fields: Fields::default(), offset: None, unix: None, after_t: false, now };
    let mut rest = text.as_bytes();
    while let Some(&byte) = rest.first().filter(|b| **b != b'\n') {
        let taken = match byte {
            b'A'..=b'Z' | b'a'..=b'z' => reader.word(rest),
            b'0'..=b'9' => reader.digits(rest),
            b'+' | b'-' if digits(&rest[1..]) > 0 => reader.zone(rest),
            _ => 1,
        };
        rest = &rest[taken.max(1)..];
    }
    reader.finish(zone)
}

/// `<seconds> +hhmm`
fn raw(text: &str) -> Option<(i64, i32)> {
    let (seconds, zone) = text.split_once(' ')?;
    let zone = zone.split('\n').next()?;
    let (sign, zone) = zone.strip_prefix('-').map(|z| (-1, z)).or_else(|| Some((1, zone.strip_prefix('+')?)))?;
    if digits(seconds.as_bytes()) != seconds.len() || digits(zone.as_bytes()) != 4 || zone.len() != 4 {
        return None;
    }
    let minutes: i32 = zone.parse().ok()?;
    Some((seconds.parse().ok()?, sign * (minutes / 100 * 60 + minutes % 100)))
}

impl Reader {
    fn word(&mut self, text: &[u8]) -> usize {
        for (month, name) in (1..).zip(MONTHS) {
            if shared(text, name) >= 3 {
                self.fields.month = Some(month);
                return shared(text, name);
            }
        }
        if let Some(taken) = WEEKDAYS.iter().map(|name| shared(text, name)).find(|taken| *taken >= 3) {
            return taken;
        }
        for (name, hours) in ZONES {
            let taken = shared(text, name);
            if taken >= 3 || taken == name.len() {
                self.offset.get_or_insert(hours * 60);
                return taken;
            }
        }
        for (name, noon) in [("PM", 12), ("AM", 0)] {
            if shared(text, name) == 2 {
                self.fields.hour = Some(self.fields.hour.unwrap_or(-1) % 12 + noon).filter(|hour| *hour >= 0);
                return 2;
            }
        }
        if text[0] == b'T' && digits(&text[1..]) > 0 && self.fields.hour.is_none() {
            self.after_t = true;
            return 1;
        }
        letters(text)
    }

    fn digits(&mut self, text: &[u8]) -> usize {
        let count = digits(text);
        let Some(n) = number(text) else { return count };
        if n >= 100_000_000 && self.is_empty() {
            self.unix = Some(n);
            self.fields = Fields::at(n, &TimeZone::UTC);
            return count;
        }
        if let Some(taken) = self.fields.set_numbers(text, self.now) {
            return taken;
        }
        match count {
            8 => {
                self.fields.set_date(Some(n / 10_000), n % 10_000 / 100, n % 100, None);
                return count;
            }
            6 => {
                let is_time = self.fields.set_time(n / 10_000, n % 10_000 / 100, n % 100);
                let fraction = if text.get(count) == Some(&b'.') { digits(&text[count + 1..]) } else { 0 };
                return if is_time && fraction > 0 { count + 1 + fraction } else { count };
            }
            _ => {}
        }
        if std::mem::take(&mut self.after_t) && self.fields.hour.is_none() {
            let (hour, minute) = if count == 4 { (n / 100, n % 100) } else { (n, 0) };
            if (count == 4 || count == 2) && self.fields.set_time(hour, minute, 0) {
                return count;
            }
        }
        self.one_number(n, count);
        count
    }

    /// Guesses what a number by itself means.
    fn one_number(&mut self, n: i64, count: usize) {
        let fields = &mut self.fields;
        match count {
            4 if n <= 1400 && self.offset.is_none() => self.offset = Some((n / 100 * 60 + n % 100) as i32),
            4 if n > 1900 && n < 2100 => fields.year = Some(n),
            3.. => {}
            _ if (1..32).contains(&n) && fields.day.is_none() => fields.day = Some(n),
            2 if fields.year.is_none() && n < 10 && fields.day.is_some() => fields.year = Some(n + 2000),
            2 if fields.year.is_none() && n >= 70 => fields.year = Some(n + 1900),
            _ if (1..13).contains(&n) && fields.month.is_none() => fields.month = Some(n),
            _ => {}
        }
    }

    /// Nothing was read yet, not even a `T`.
    fn is_empty(&self) -> bool {
        self.fields.is_empty() && !self.after_t
    }

    /// `+hh`, `+hhmm`, `+hh:mm`
    fn zone(&mut self, text: &[u8]) -> usize {
        let rest = &text[1..];
        let count = digits(rest);
        let Some(n) = number(rest) else { return 1 + count };
        let (hours, minutes, taken) = match count {
            4 => (n / 100, n % 100, 4),
            2 if rest.get(2) == Some(&b':') => match digits(&rest[3..]) {
                2 => (n, number(&rest[3..]).unwrap_or(99), 5),
                other => (n, 99, 3 + other),
            },
            2 => (n, 0, 2),
            _ => (n, 99, count),
        };
        if minutes < 60 && hours < 24 {
            let offset = (hours * 60 + minutes) as i32;
            self.offset = Some(if text[0] == b'-' { -offset } else { offset });
        }
        1 + taken
    }

    fn finish(self, zone: &TimeZone) -> Option<(i64, i32)> {
        let in_range = self.fields.year.is_some_and(|year| YEARS.contains(&year));
        let has_time = [self.fields.hour, self.fields.minute, self.fields.second].iter().all(Option::is_some);
        if !in_range || !has_time {
            return None;
        }
        let clock = self.fields.seconds(&TimeZone::UTC)?;
        let offset = match self.offset {
            Some(offset) => offset,
            None => ((clock - self.fields.seconds(zone)?) / 60) as i32,
        };
        // Seconds since 1970 are in UTC already, whatever zone stands beside them.
        let seconds = if self.unix.is_some() { clock } else { clock - i64::from(offset) * 60 };
        Some((seconds, offset))
    }
}
