//! The wish of the user to stop: set by whoever hears Ctrl-C, looked at by long loops between two steps.
//!
//! A loop that stops returns [`Interrupted`] upwards, so that guards run: temporary files go away and SQLite rolls back.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

static REQUESTED: AtomicBool = AtomicBool::new(false);
static SHIELDED: AtomicBool = AtomicBool::new(false);
static NOTICED: AtomicBool = AtomicBool::new(false);
static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);
static LAST_CHECK_MS: AtomicU64 = AtomicU64::new(0);

/// The user asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

/// Asks all loops that check to stop.
pub fn request() {
    REQUESTED.store(true, Ordering::SeqCst);
}

/// Fails if the user asked to stop; costs some nanoseconds, so call it per batch of pages rather than per byte.
pub fn check() -> Result<(), Interrupted> {
    LAST_CHECK_MS.store(since_start().as_millis() as u64, Ordering::Relaxed);
    if !requested() {
        return Ok(());
    }
    NOTICED.store(true, Ordering::SeqCst);
    Err(Interrupted)
}

/// Runs something that must not stop half way, such as undoing what a stopped loop did.
pub fn shielded<T>(run: impl FnOnce() -> T) -> T {
    let before = SHIELDED.swap(true, Ordering::SeqCst);
    let result = run();
    SHIELDED.store(before, Ordering::SeqCst);
    result
}

/// Tells whether the user asked to stop.
pub fn requested() -> bool {
    REQUESTED.load(Ordering::SeqCst) && !SHIELDED.load(Ordering::SeqCst)
}

/// Tells whether a loop has stopped because of it.
pub fn noticed() -> bool {
    NOTICED.load(Ordering::SeqCst)
}

/// Returns how long nobody has called [`check`]: long, when no loop is running that would stop.
pub fn idle() -> Duration {
    since_start().saturating_sub(Duration::from_millis(LAST_CHECK_MS.load(Ordering::Relaxed)))
}

fn since_start() -> Duration {
    STARTED.elapsed()
}
