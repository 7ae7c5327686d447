//! The page map of a checkpoint: for every page of a file, the storage commit that last wrote it.
//!
//! A map is a list of chunks of [`CHUNK_PAGES`] pages. Chunks and maps are named by their hash, so neighbouring
//! checkpoints share the chunks that did not change, and every origin carries the commit's hash, so a page found
//! through a map is verified like any other.

use serde::{Deserialize, Serialize};

use super::{ChunkId, CommitHash, LogId, Lsn, PageIdx, PageMapId, cbor};

/// Pages covered by one chunk.
pub const CHUNK_PAGES: u32 = 1024;

const CHUNK_CONTEXT: &str = "graft 1 page map chunk";
const MAP_CONTEXT: &str = "graft 1 page map";

/// The storage commit that wrote a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Origin {
    /// The log of the commit.
    pub log: LogId,
    /// Its position there.
    pub lsn: Lsn,
    /// Its identity.
    pub commit: CommitHash,
}

/// One chunk: origins of up to [`CHUNK_PAGES`] neighbouring pages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MapChunk {
    /// The origins in order of first use.
    origins: Vec<Origin>,
    /// Runs `(pages, 1 + position in origins, or 0 for a page never written)`, covering the chunk in order.
    runs: Vec<(u32, u32)>,
}

/// A page map: the ids of its chunks, in page order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageMap {
    /// Chunk `i` covers pages `i * CHUNK_PAGES + 1` on.
    pub chunks: Vec<ChunkId>,
}

impl MapChunk {
    /// Packs the origins of neighbouring pages.
    pub fn new(pages: impl IntoIterator<Item = Option<Origin>>) -> Self {
        let mut chunk = Self { origins: Vec::new(), runs: Vec::new() };
        let mut position = std::collections::HashMap::new();
        for origin in pages {
            let code = match origin {
                None => 0,
                Some(origin) => *position.entry(origin).or_insert_with(|| {
                    chunk.origins.push(origin);
                    chunk.origins.len() as u32
                }),
            };
            match chunk.runs.last_mut() {
                Some((len, last)) if *last == code => *len += 1,
                _ => chunk.runs.push((1, code)),
            }
        }
        chunk
    }

    /// Returns the origin of every page of the chunk, in page order; `None` if the chunk contradicts itself.
    pub fn unpack(&self) -> Option<Vec<Option<Origin>>> {
        let mut out = Vec::with_capacity(CHUNK_PAGES as usize);
        for &(len, code) in &self.runs {
            let origin = match code {
                0 => None,
                n => Some(*self.origins.get(n as usize - 1)?),
            };
            if len > CHUNK_PAGES || out.len() + len as usize > CHUNK_PAGES as usize {
                return None;
            }
            out.extend(std::iter::repeat_n(origin, len as usize));
        }
        Some(out)
    }

    /// Returns the chunk's identity.
    pub fn id(&self) -> ChunkId {
        ChunkId::from_bytes(blake3::derive_key(CHUNK_CONTEXT, &cbor::encode(self)))
    }
}

impl PageMap {
    /// Returns the map's identity.
    pub fn id(&self) -> PageMapId {
        PageMapId::from_bytes(blake3::derive_key(MAP_CONTEXT, &cbor::encode(self)))
    }
}

/// Returns the chunk that covers a page and the page's position in it.
pub fn locate(page: PageIdx) -> (usize, usize) {
    let zero_based = page.get() - 1;
    ((zero_based / CHUNK_PAGES) as usize, (zero_based % CHUNK_PAGES) as usize)
}
