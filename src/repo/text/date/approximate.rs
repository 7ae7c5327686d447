//! The approximate reading: now, changed by every number and word that is known.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::fields::Fields;
use super::words::{MONTHS, NUMBERS, SPANS, WEEKDAYS, digits, letters, number, shared};

const DAY: i64 = 86_400;

struct Reader<'z> {
    fields: Fields,
    /// Days since the last Sunday.
    weekday: i64,
    now: Fields,
    zone: &'z TimeZone,
    now_seconds: i64,
    /// A number that waits for the word it belongs to; 0 for none.
    number: i64,
    /// Whether anything was understood.
    touched: bool,
}

/// Reads a date; `None` if no part of the text means anything.
pub fn read(text: &str, now: i64, zone: &TimeZone) -> Option<i64> {
    let start = Fields::at(now, zone);
    let mut reader = Reader {
        fields: Fields { year: None, month: None, day: None, ..start.clone() },
        weekday: weekday(now, zone),
        now: start,
        zone,
        now_seconds: now,
        number: 0,
        touched: false,
    };
    let mut rest = text.as_bytes();
    while let Some(&byte) = rest.first() {
        let taken = match byte {
            b'0'..=b'9' => {
                reader.place_number();
                reader.touched |= number(rest).is_some();
                reader.digits(rest)
            }
            b'A'..=b'Z' | b'a'..=b'z' => {
                reader.word(rest);
                letters(rest)
            }
            _ => 1,
        };
        rest = &rest[taken..];
    }
    reader.place_number();
    let seconds = reader.settle(0)?;
    reader.touched.then_some(seconds)
}

fn weekday(seconds: i64, zone: &TimeZone) -> i64 {
    let time = Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned_datetime(zone.clone());
    time.weekday().to_sunday_zero_offset().into()
}

impl Reader<'_> {
    /// Completes the date from now, goes back by some seconds, and returns the moment. A month that is still to come
    /// this year is last year's.
    fn settle(&mut self, back: i64) -> Option<i64> {
        let fields = &mut self.fields;
        fields.day = fields.day.or(self.now.day);
        fields.month = fields.month.or(self.now.month);
        if fields.year.is_none() {
            fields.year = self.now.year.map(|year| year - i64::from(fields.month > self.now.month));
        }
        let seconds = fields.seconds(self.zone)?.checked_sub(back)?;
        *fields = Fields::at(seconds, self.zone);
        self.weekday = weekday(seconds, self.zone);
        Some(seconds)
    }

    /// Takes a number that no word followed for a day, a month or a year, whichever is still unknown.
    fn place_number(&mut self) {
        let n = std::mem::take(&mut self.number);
        let fields = &mut self.fields;
        match n {
            0 => {}
            1..32 if fields.day.is_none() => fields.day = Some(n),
            1..13 if fields.month.is_none() => fields.month = Some(n),
            _ if fields.year.is_some() => {}
            1970..2100 => fields.year = Some(n),
            70..100 => fields.year = Some(n + 1900),
            1..38 => fields.year = Some(n + 2000),
            _ => {}
        }
    }

    fn digits(&mut self, text: &[u8]) -> usize {
        if let Some(taken) = self.fields.set_numbers(text, self.now_seconds) {
            return taken;
        }
        let count = digits(text);
        // Zeros may stand before a small number only: "Dec 02", never "Dec 0002".
        if text[0] != b'0' || count <= 2 {
            self.number = number(text).unwrap_or(0);
        }
        count
    }

    fn word(&mut self, text: &[u8]) {
        let is = |name: &str| shared(text, name) == name.len();
        if let Some(month) = MONTHS.iter().position(|name| shared(text, name) >= 3) {
            self.fields.month = Some(month as i64 + 1);
        } else if is("yesterday") {
            self.back_from_number(DAY, false);
        } else if is("now") || is("today") {
            self.back_from_number(0, false);
        } else if let Some((_, hour)) = [("noon", 12), ("midnight", 0), ("tea", 17)].iter().find(|(name, _)| is(name)) {
            self.place_number();
            if self.fields.hour < Some(*hour) {
                self.settle(DAY);
            }
            self.fields.set_time(*hour, 0, 0);
        } else if is("PM") || is("AM") {
            self.half_of_day(if is("PM") { 12 } else { 0 });
        } else if is("never") {
            self.number = 0;
            self.fields = Fields::at(0, self.zone);
            self.weekday = weekday(0, self.zone);
        } else if self.number == 0 {
            match NUMBERS.iter().skip(1).position(|name| is(name)) {
                Some(n) => self.number = n as i64 + 1,
                None if is("last") => self.number = 1,
                None => return,
            }
        } else if !self.counted(text) {
            return;
        }
        self.touched = true;
    }

    /// Understands what can be counted: the word behind a number.
    fn counted(&mut self, text: &[u8]) -> bool {
        if let Some((_, length)) = SPANS.iter().find(|(name, _)| shared(text, name) >= name.len() - 1) {
            self.back_from_number(*length, true);
        } else if let Some(day) = WEEKDAYS.iter().position(|name| shared(text, name) >= 3) {
            let mut weeks = self.number - 1;
            let days = self.weekday - day as i64;
            if days <= 0 {
                weeks += 1;
            }
            self.number = 1;
            self.back_from_number(DAY * (days + 7 * weeks), true);
        } else if shared(text, "months") >= 5 {
            let n = std::mem::take(&mut self.number);
            self.settle(0);
            if let (Some(month), Some(year)) = (self.fields.month, self.fields.year) {
                self.fields.month = Some((month - 1 - n).rem_euclid(12) + 1);
                self.fields.year = Some(year + (month - 1 - n).div_euclid(12));
            }
        } else if shared(text, "years") >= 4 {
            let n = std::mem::take(&mut self.number);
            self.settle(0);
            self.fields.year = self.fields.year.map(|year| year - n);
        } else {
            return false;
        }
        true
    }

    /// Goes back by a span, as many times as the number says if it is counted, and forgets the number.
    fn back_from_number(&mut self, span: i64, is_counted: bool) {
        let n = std::mem::take(&mut self.number);
        self.settle(if is_counted { span.saturating_mul(n) } else { span });
    }

    /// The number before AM or PM is the hour; without one the hour that is known stays.
    fn half_of_day(&mut self, noon: i64) {
        let n = std::mem::take(&mut self.number);
        let mut hour = self.fields.hour.unwrap_or(0);
        if n > 0 {
            hour = n;
            (self.fields.minute, self.fields.second) = (Some(0), Some(0));
        }
        self.fields.hour = Some(hour % 12 + noon);
    }
}
