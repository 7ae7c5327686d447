//! Where the store's files lie below `.graft`.

use std::path::{Path, PathBuf};

use crate::model::SegmentId;
use crate::model::gid::PackId;

/// The folder of segments.
pub const SEGMENTS: &str = "segments";
/// The folder of packs.
pub const PACKS: &str = "packs";
/// The folder of volumes that are no files of a worktree.
pub const VOLUMES: &str = "volumes";
/// The folder of segments of which only pieces are here.
pub const LAZY: &str = "lazy";
/// The folder of unfinished files.
pub const TMP: &str = "tmp";

/// Returns the path of a segment: spread over folders by its last, random characters.
pub fn segment(dir: &Path, id: SegmentId) -> PathBuf {
    let name = id.to_string();
    let folder = name[name.len() - 2..].to_ascii_lowercase();
    dir.join(SEGMENTS).join(folder).join(name)
}

/// Returns the path of a pack.
pub fn pack(dir: &Path, id: PackId) -> PathBuf {
    dir.join(PACKS).join(id.to_string())
}

/// Returns the path of a segment of which only pieces are here.
pub fn lazy(dir: &Path, id: SegmentId) -> PathBuf {
    dir.join(LAZY).join(id.to_string())
}
