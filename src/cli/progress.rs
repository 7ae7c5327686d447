//! Progress bars: the operations' `Monitor` on a terminal. The only place that knows `indicatif`.

use std::io::IsTerminal;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::args::Globals;
use super::messages::Messages;
use crate::repo::state::monitor::Monitor;

/// Work that ends sooner than this shows no bar.
const PATIENCE: Duration = Duration::from_millis(250);

/// Shows progress on standard error if that is a terminal, and passes notices on.
pub struct Progress {
    bars: bool,
    say: Messages,
    work: Mutex<Option<Work>>,
}

struct Work {
    bar: ProgressBar,
    started: Instant,
    shown: bool,
}

impl Progress {
    /// Makes a monitor as the options ask for.
    pub fn new(globals: &Globals, say: Messages) -> Self {
        let bars = !globals.no_progress && !globals.quiet && !globals.json && std::io::stderr().is_terminal();
        Self { bars, say, work: Mutex::new(None) }
    }

    fn work(&self) -> MutexGuard<'_, Option<Work>> {
        // A bar is only looks: whatever a panicking thread left of it will do.
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Prints without tearing a bar apart.
    fn aside(&self, print: impl FnOnce()) {
        match &*self.work() {
            Some(work) if work.shown => work.bar.suspend(print),
            _ => print(),
        }
    }
}

impl Monitor for Progress {
    fn start(&self, what: &str, total: Option<u64>) {
        if !self.bars {
            return;
        }
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden());
        bar.set_style(style(total.is_some()));
        bar.set_message(what.to_owned());
        *self.work() = Some(Work { bar, started: Instant::now(), shown: false });
    }

    fn expect(&self, n: u64) {
        if let Some(work) = &*self.work() {
            work.bar.set_length(work.bar.length().unwrap_or(0) + n);
            work.bar.set_style(style(true));
        }
    }

    fn advance(&self, n: u64) {
        if !self.bars {
            return;
        }
        if let Some(work) = &mut *self.work() {
            work.bar.inc(n);
            if !work.shown && work.started.elapsed() >= PATIENCE {
                work.bar.set_draw_target(ProgressDrawTarget::stderr());
                work.shown = true;
            }
        }
    }

    fn finish(&self) {
        if let Some(work) = self.work().take() {
            work.bar.finish_and_clear();
        }
    }

    fn waiting(&self, text: &str) {
        self.aside(|| self.say.note(text));
    }

    fn notice(&self, text: &str) {
        self.aside(|| self.say.warning(text));
    }
}

fn style(total_known: bool) -> ProgressStyle {
    let template = match total_known {
        true => {
            "{msg}: {percent:>3}% ({binary_bytes} of {binary_total_bytes}), {binary_bytes_per_sec}, {eta} left {wide_bar:.cyan/dim}"
        }
        false => "{msg}: {binary_bytes}, {binary_bytes_per_sec} {spinner}",
    };
    ProgressStyle::with_template(template).expect("the templates are valid").progress_chars("━╸─")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn monitor(bars: bool) -> Progress {
        Progress { bars, say: Messages::stderr(&Globals::default()), work: Mutex::new(None) }
    }

    #[test]
    fn a_bar_waits_before_it_shows_and_goes_with_the_work() {
        for total in [Some(100), None] {
            let monitor = monitor(true);
            monitor.start("adding app.db", total);
            monitor.advance(40);
            let state = |m: &Progress| m.work().as_ref().map(|w| (w.bar.position(), w.shown));
            assert_eq!(state(&monitor), Some((40, false)));
            if let Some(work) = &mut *monitor.work() {
                work.started -= PATIENCE;
            }
            monitor.advance(1);
            assert_eq!(state(&monitor), Some((41, true)));
            monitor.expect(20);
            assert_eq!(monitor.work().as_ref().and_then(|w| w.bar.length()), Some(total.unwrap_or(0) + 20));
            monitor.finish();
            assert_eq!(state(&monitor), None);
        }
    }

    #[test]
    fn without_bars_nothing_is_kept() {
        let monitor = monitor(false);
        monitor.start("adding app.db", None);
        monitor.advance(1);
        assert!(monitor.work().is_none());
    }
}
