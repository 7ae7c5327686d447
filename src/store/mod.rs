//! The LSN storage log: segments, packs, the index that finds things in them, and snapshots over it all.
