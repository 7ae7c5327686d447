//! The words of dates.

/// Names of months.
pub const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// Names of days, from Sunday, as in "two Sundays".
pub const WEEKDAYS: [&str; 7] = ["Sundays", "Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays"];

/// Names of time zones: hours east of UTC, summer time included.
pub const ZONES: [(&str, i32); 44] = [
    ("IDLW", -12),
    ("NT", -11),
    ("CAT", -10),
    ("HST", -10),
    ("HDT", -9),
    ("YST", -9),
    ("YDT", -8),
    ("PST", -8),
    ("PDT", -7),
    ("MST", -7),
    ("MDT", -6),
    ("CST", -6),
    ("CDT", -5),
    ("EST", -5),
    ("EDT", -4),
    ("AST", -3),
    ("ADT", -2),
    ("WAT", -1),
    ("GMT", 0),
    ("UTC", 0),
    ("Z", 0),
    ("WET", 0),
    ("BST", 1),
    ("CET", 1),
    ("MET", 1),
    ("MEWT", 1),
    ("MEST", 2),
    ("CEST", 2),
    ("MESZ", 2),
    ("FWT", 1),
    ("FST", 2),
    ("EET", 2),
    ("EEST", 3),
    ("WAST", 7),
    ("WADT", 8),
    ("CCT", 8),
    ("JST", 9),
    ("EAST", 10),
    ("EADT", 11),
    ("GST", 10),
    ("NZT", 12),
    ("NZST", 12),
    ("NZDT", 13),
    ("IDLE", 12),
];

/// Names of numbers, from zero.
pub const NUMBERS: [&str; 11] = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];

/// Spans of a fixed length, in seconds.
pub const SPANS: [(&str, i64); 5] =
    [("seconds", 1), ("minutes", 60), ("hours", 3600), ("days", 86_400), ("weeks", 604_800)];

/// Returns how many characters the word at the beginning of `text` shares with `name`, in any case; 0 if the word has others.
pub fn shared(text: &[u8], name: &str) -> usize {
    let mut name = name.bytes();
    for (at, byte) in text.iter().enumerate() {
        match name.next() {
            Some(wanted) if wanted.eq_ignore_ascii_case(byte) => {}
            _ if !byte.is_ascii_alphanumeric() => return at,
            _ => return 0,
        }
    }
    text.len()
}

/// Returns the number of letters at the beginning of a text.
pub fn letters(text: &[u8]) -> usize {
    text.iter().take_while(|b| b.is_ascii_alphabetic()).count()
}

/// Returns the number of digits at the beginning of a text.
pub fn digits(text: &[u8]) -> usize {
    text.iter().take_while(|b| b.is_ascii_digit()).count()
}

/// Reads the number at the beginning of a text; `None` if there is none, or one of more than 18 digits.
pub fn number(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(&text[..digits(text)]).ok()?.parse().ok().filter(|n| *n < 1_000_000_000_000_000_000)
}
