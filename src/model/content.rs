//! The content hash of a storage commit, in two levels so that one page can be verified without reading all hashes.
//!
//! Page hashes, in page order, are cut into blocks of [`HASHES_PER_BLOCK`]; each block is hashed, and the content
//! hash is the hash of the block digests. A reader of one page needs the digests (32 bytes per 512 pages) and one
//! 16 KiB block, so opening a file of hundreds of gigabytes does not read all of its page hashes.

use super::{ContentHash, PageHash};

/// Page hashes per block.
pub const HASHES_PER_BLOCK: usize = 512;

const BLOCK_CONTEXT: &str = "graft 1 page hash block";
const CONTENT_CONTEXT: &str = "graft 1 storage commit content";

/// Hashes one block: up to [`HASHES_PER_BLOCK`] page hashes, concatenated.
pub fn block_digest(hashes: &[u8]) -> [u8; 32] {
    blake3::derive_key(BLOCK_CONTEXT, hashes)
}

/// Hashes the concatenated block digests of a commit.
pub fn content_of_digests(digests: &[u8]) -> ContentHash {
    ContentHash::from_bytes(blake3::derive_key(CONTENT_CONTEXT, digests))
}

/// Gathers page hashes in page order and yields the content hash.
#[derive(Default)]
pub struct ContentHasher {
    block: Vec<u8>,
    digests: Vec<u8>,
}

impl ContentHasher {
    /// Starts with no pages.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the hash of the next page.
    pub fn push(&mut self, hash: &PageHash) {
        self.block.extend_from_slice(hash.as_bytes());
        if self.block.len() == HASHES_PER_BLOCK * 32 {
            self.digests.extend_from_slice(&block_digest(&self.block));
            self.block.clear();
        }
    }

    /// Returns the content hash and the concatenated block digests.
    pub fn finish(mut self) -> (ContentHash, Vec<u8>) {
        if !self.block.is_empty() {
            self.digests.extend_from_slice(&block_digest(&self.block));
        }
        (content_of_digests(&self.digests), self.digests)
    }
}
