//! Ctrl-C: exit code 130 and no temporary file left behind.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::error::exit;

/// How many things run in front that take Ctrl-C themselves: an editor, a pager.
static IGNORED: AtomicUsize = AtomicUsize::new(0);

/// Ctrl-C means nothing to Graft while this lives.
pub struct Ignored(());

impl Ignored {
    /// Leaves Ctrl-C to the program in front.
    pub fn begin() -> Self {
        IGNORED.fetch_add(1, Ordering::SeqCst);
        Self(())
    }
}

impl Drop for Ignored {
    fn drop(&mut self) {
        IGNORED.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Ends the process with 130 when the user interrupts it.
pub fn install_handler() {
    // Without a handler the process still dies of the signal.
    let _ = ctrlc::set_handler(|| {
        if IGNORED.load(Ordering::SeqCst) == 0 {
            std::process::exit(exit::INTERRUPTED.into());
        }
    });
}
