//! How operations tell of their progress, without knowing who listens.

use crate::store::remote::Watch;

/// Receives progress and notices. Implementations must be cheap: `advance` is called often.
pub trait Monitor: Send + Sync {
    /// A piece of work begins: what it is, and its size in bytes if that is known.
    fn start(&self, _what: &str, _total: Option<u64>) {}

    /// `n` more bytes are to be done than was known.
    fn expect(&self, _n: u64) {}

    /// `n` more bytes are done.
    fn advance(&self, _n: u64) {}

    /// The piece of work has ended, one way or the other.
    fn finish(&self) {}

    /// Somebody is waited for.
    fn waiting(&self, _text: &str) {}

    /// Something the user should know although the operation goes on.
    fn notice(&self, _text: &str) {}
}

/// Listens to nothing.
pub struct Silent;

impl Monitor for Silent {}

/// Ends a piece of work when dropped, so that a failure cannot leave a bar standing.
pub struct Work<'a>(&'a dyn Monitor);

impl<'a> Work<'a> {
    /// Begins a piece of work.
    pub fn start(monitor: &'a dyn Monitor, what: &str, total: Option<u64>) -> Self {
        monitor.start(what, total);
        Self(monitor)
    }
}

/// Tells a monitor how a transfer goes on.
pub(in crate::repo) struct Told<'a>(pub &'a dyn Monitor);

impl Watch for Told<'_> {
    fn expect(&self, bytes: u64) {
        self.0.expect(bytes);
    }

    fn passed(&self, bytes: u64) {
        self.0.advance(bytes);
    }
}

impl Drop for Work<'_> {
    fn drop(&mut self) {
        self.0.finish();
    }
}
