//! Random bytes and the wall clock, the two things pure code cannot make.

use std::time::{SystemTime, UNIX_EPOCH};

/// Returns `N` random bytes from the operating system.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut out = [0; N];
    getrandom::fill(&mut out).expect("the operating system always has random bytes");
    out
}

/// Returns the time now in Unix milliseconds; 0 for clocks before 1970.
pub fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64)
}
