//! Limits on what others may ask of this program, in one place, each with its reason. What is beyond one is refused by name, when it is
//! read and when it is written.

/// Levels of CBOR within each other: the deepest structure of Graft has seven.
pub const CBOR_DEPTH: usize = 16;

/// Bytes of one repository object: a tree of half a million paths. Objects are held in memory one at a time.
pub const OBJECT: u64 = 64 << 20;

/// Bytes of a bundle: a full one has about 16 MiB, and one object more.
pub const BUNDLE: u64 = 64 << 20;

/// Bytes of the objects of a bundle when decompressed: a full one has 8 MiB, and one object more.
pub const BUNDLE_OBJECTS: u64 = 2 * OBJECT;

/// Bytes of the index of a segment or bundle, which is held in memory several times over while it is decoded: a hundred thousand commits.
pub const INDEX: u64 = 32 << 20;

/// Bytes of the root of a remote: two hundred thousand refs. It is read by every command that speaks with the remote.
pub const ROOT: u64 = 16 << 20;

/// Bytes of a catalogue: three hundred thousand bundles.
pub const CATALOGUE: u64 = 32 << 20;

/// Bytes of an entry of a volume's log, or of a name: an entry has runs of pages, and the places of a page map and its chunks.
pub const ENTRY: u64 = 16 << 20;

/// Lengths that are believed without asking: making room for a segment of this length costs next to nothing.
pub const BELIEVED: u64 = 16 << 20;

/// Returns how many bytes the object of a remote with a key may have when it is read as a whole.
pub fn of_key(key: &str) -> u64 {
    match key.split('/').next() {
        Some("root") => ROOT,
        Some("catalogues") => CATALOGUE,
        Some("volumes" | "logs") => ENTRY,
        _ => BUNDLE,
    }
}
