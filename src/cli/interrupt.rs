//! Ctrl-C: exit code 130 and no temporary file left behind.
//!
//! The first one asks the running operation to stop and waits for it as long as it shows signs of life; then, or at the
//! second one, temporary files are removed and the process ends. What was committed until then stays; nothing else does.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::error::exit;
use crate::util::{fs, interrupt};

/// How many programs run in front that take Ctrl-C themselves: an editor, a pager.
static IGNORED: AtomicUsize = AtomicUsize::new(0);

/// What Ctrl-C does instead, while a statement of the user runs.
type Hook = Box<dyn Fn() + Send>;
static HOOK: Mutex<Option<Hook>> = Mutex::new(None);
/// Whether the hook was called and nobody has heard it yet.
static CALLED: AtomicBool = AtomicBool::new(false);

/// Whether a prompt waits for the user, who may press Ctrl-C at any time.
static AT_PROMPT: AtomicBool = AtomicBool::new(false);

/// Lets Ctrl-C do nothing from now on but call hooks.
pub fn at_prompt() {
    AT_PROMPT.store(true, Ordering::SeqCst);
}

/// A hook is in force while this lives.
pub struct Hooked(());

/// Lets Ctrl-C call `hook` rather than end the process; a second one, if the first was not [`heard`], ends it.
pub fn instead(hook: Hook) -> Hooked {
    *HOOK.lock().unwrap_or_else(PoisonError::into_inner) = Some(hook);
    Hooked(())
}

/// Tells that what the hook asked for was done.
pub fn heard() {
    CALLED.store(false, Ordering::SeqCst);
}

impl Drop for Hooked {
    fn drop(&mut self) {
        *HOOK.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// How long an operation may take to notice that it should stop.
const NOTICE: Duration = Duration::from_millis(300);

/// How long an operation that noticed may take to clean up.
const CLEAN_UP: Duration = Duration::from_secs(5);

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
        if IGNORED.load(Ordering::SeqCst) > 0 {
            return;
        }
        match &*HOOK.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(_) if CALLED.swap(true, Ordering::SeqCst) => end(),
            Some(hook) => return hook(),
            None if AT_PROMPT.load(Ordering::SeqCst) => return,
            None => {}
        }
        if interrupt::requested() {
            end();
        }
        interrupt::request();
        // A thread of its own, because the second Ctrl-C arrives on this one.
        std::thread::spawn(|| {
            let asked = Instant::now();
            let stopping = || interrupt::noticed() || interrupt::idle() < NOTICE || asked.elapsed() < NOTICE;
            while stopping() && asked.elapsed() < CLEAN_UP {
                std::thread::sleep(Duration::from_millis(5));
            }
            end();
        });
    });
}

fn end() -> ! {
    fs::remove_living_temp_files();
    std::process::exit(exit::INTERRUPTED.into())
}
