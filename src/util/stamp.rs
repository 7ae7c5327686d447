//! Time stamps of files: from when on a later write is sure to show in them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A write within this many nanoseconds of a stamp may leave the stamp as it is, on file systems with fine stamps.
const FINE_NS: i64 = 20_000_000;
/// The same for file systems whose stamps show no part below 10 ms (FAT: 2 s; ext3, HFS+: 1 s).
const COARSE_NS: i64 = 2_000_000_000;

/// For files from this size on (bytes), waiting until a stamp has settled is cheaper than reading the file once more.
pub const WORTH_WAITING: u64 = 16 << 20;
/// How long that is waited for at most where stamps are fine.
const PATIENCE: Duration = Duration::from_millis(25);

/// Waits until the stamps of a file that settle at `settles_ns` (Unix nanoseconds) have done so; not for longer than a file system
/// may need for it, as stamps can lie in the future.
pub fn wait(settles_ns: i64) {
    let Ok(left @ 1..) = u64::try_from(settles_ns.saturating_sub(now_ns())) else { return };
    let left = Duration::from_nanos(left);
    std::thread::sleep(if left > Duration::from_nanos(COARSE_NS as u64) { PATIENCE } else { left });
}

/// Returns from when on (Unix nanoseconds) a write would leave another stamp than this one.
pub fn settles_at(stamp_ns: i64) -> i64 {
    let step = if stamp_ns % 10_000_000 == 0 { COARSE_NS } else { FINE_NS };
    stamp_ns.saturating_add(step)
}

/// Tells whether a write at `now_ns` would leave another stamp than this one, which may lie in the future.
pub fn is_settled(stamp_ns: i64, now_ns: i64) -> bool {
    settles_at(stamp_ns) <= now_ns || stamp_ns > now_ns.saturating_add(COARSE_NS)
}

/// Puts seconds and nanoseconds together.
pub fn nanos(seconds: i64, nanos: i64) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
}

/// Returns the present time, Unix nanoseconds.
pub fn now_ns() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| i64::try_from(d.as_nanos()).unwrap_or(i64::MAX))
}
