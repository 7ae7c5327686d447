//! The seam between the storage log and SQLite: something that has pages.

use super::{PageIdx, page};

/// An error of whatever stands behind a [`PageSource`].
pub type SourceError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// One immutable state of a file, readable by page from several threads.
pub trait PageSource: Send + Sync {
    /// Returns the number of bytes of the file.
    fn byte_len(&self) -> u64;

    /// Fills `out`, whose length is a multiple of 4096 bytes, with the verified pages `first`, `first + 1`, …
    ///
    /// Pages never written, and pages beyond the end, read as zeros.
    fn read_pages(&self, first: PageIdx, out: &mut [u8]) -> Result<(), SourceError>;

    /// Returns the number of pages of the file.
    fn page_count(&self) -> u32 {
        page::pages_for(self.byte_len()).expect("a source never holds more than 16 TiB")
    }
}
