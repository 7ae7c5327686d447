//! Values of a kind: truth values, numbers, durations and sizes, with errors that name file, key and value.

use std::time::Duration;

use super::{Config, ConfigError, Entry};

impl Config {
    /// Returns a value as text.
    pub fn string(&self, key: &str) -> Option<&str> {
        self.get(key).map(|e| e.value.as_str())
    }

    /// Returns a truth value: `true yes on 1` or `false no off 0` and nothing, in any case.
    pub fn bool(&self, key: &str) -> Result<Option<bool>, ConfigError> {
        self.typed(key, "true or false", parse_bool)
    }

    /// Returns a whole number; `k`, `m` and `g` multiply by powers of 1024, as in Git.
    pub fn int(&self, key: &str) -> Result<Option<i64>, ConfigError> {
        self.typed(key, "a whole number", parse_int)
    }

    /// Returns a span of time: `500ms`, `5s`, `2m`, `1h`; a bare number counts milliseconds.
    pub fn duration(&self, key: &str) -> Result<Option<Duration>, ConfigError> {
        self.typed(key, "a time span such as 500ms, 5s or 2m", parse_duration)
    }

    /// Returns a number of bytes: `4096`, `64k`, `10M`, `1GiB` by powers of 1024, `10MB` by powers of 1000.
    pub fn size(&self, key: &str) -> Result<Option<u64>, ConfigError> {
        self.typed(key, "a size such as 64k or 10MiB", parse_size)
    }

    fn typed<T>(
        &self,
        key: &str,
        wanted: &'static str,
        parse: fn(&str) -> Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(Entry { value, origin, .. }) = self.get(key) else { return Ok(None) };
        parse(value.trim()).map(Some).ok_or_else(|| ConfigError::Value {
            key: key.to_owned(),
            value: value.clone(),
            origin: origin.clone(),
            wanted,
        })
    }
}

/// Parses a truth value as Git does.
pub fn parse_bool(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some(true),
        "false" | "no" | "off" | "0" | "" => Some(false),
        _ => None,
    }
}

fn parse_int(text: &str) -> Option<i64> {
    let (digits, factor) = match text.char_indices().last()? {
        (at, 'k' | 'K') => (&text[..at], 1 << 10),
        (at, 'm' | 'M') => (&text[..at], 1 << 20),
        (at, 'g' | 'G') => (&text[..at], 1 << 30),
        _ => (text, 1),
    };
    digits.parse::<i64>().ok()?.checked_mul(factor)
}

/// Parses a time span; a bare number counts milliseconds.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = split_unit(text)?;
    let seconds = match unit.as_str() {
        "" | "ms" => 0.001,
        "s" | "sec" => 1.0,
        "m" | "min" => 60.0,
        "h" | "hour" | "hours" => 3600.0,
        "d" | "day" | "days" => 86_400.0,
        "w" | "week" | "weeks" => 7.0 * 86_400.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number * seconds).ok()
}

/// Parses a number of bytes.
pub fn parse_size(text: &str) -> Option<u64> {
    let (number, unit) = split_unit(text)?;
    let (base, prefix) = match unit.as_str() {
        "" | "b" => return (number.fract() == 0.0).then_some(number as u64),
        unit if unit.ends_with("ib") => (1024u64, &unit[..unit.len() - 2]),
        unit if unit.ends_with('b') => (1000, &unit[..unit.len() - 1]),
        unit => (1024, unit),
    };
    let power = ["k", "m", "g", "t"].iter().position(|p| *p == prefix)? as u32 + 1;
    let bytes = number * base.pow(power) as f64;
    (bytes < u64::MAX as f64).then_some(bytes as u64)
}

/// Splits a number, not negative, from its unit in lower case.
fn split_unit(text: &str) -> Option<(f64, String)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..end].parse().ok()?;
    Some((number, text[end..].trim_start().to_ascii_lowercase()))
}
