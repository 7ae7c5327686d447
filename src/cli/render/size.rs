//! Amounts for people: bytes and counted things.

use bytesize::ByteSize;

/// Writes a number of bytes in the largest unit that keeps it above 1: `512 B`, `12 KiB`, `1.5 GiB`.
pub fn bytes(n: u64) -> String {
    ByteSize::b(n).display().iec().to_string().replace(".0 ", " ")
}

/// Writes a count with its noun, which takes an `s` for all numbers but 1.
pub fn count(n: u64, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(12 * 1024), "12 KiB");
        assert_eq!(bytes(1_610_612_736), "1.5 GiB");
        assert_eq!(count(1, "page"), "1 page");
        assert_eq!(count(0, "page"), "0 pages");
    }
}
