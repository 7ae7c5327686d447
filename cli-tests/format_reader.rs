//! A reader of repositories made from docs/format.md alone: it knows nothing of the crate, so that what stands there is
//! enough to read a repository without Graft, and stays true.
//!
//! Every check that the page names is made; a byte that is not as described fails by name.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use ciborium::Value;

const PAGE: usize = 4096;

/// 32 bytes of BLAKE3.
pub type Hash = [u8; 32];
type Gid = [u8; 16];

fn u16_at(bytes: &[u8], at: usize) -> usize {
    u16::from_le_bytes(bytes[at..at + 2].try_into().expect("two bytes")).into()
}

fn u32_at(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes")) as usize
}

fn u64_at(bytes: &[u8], at: usize) -> usize {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes")) as usize
}

fn plain(bytes: &[u8]) -> Hash {
    *blake3::hash(bytes).as_bytes()
}

fn derived(context: &str, bytes: &[u8]) -> Hash {
    blake3::derive_key(context, bytes)
}

/// Decodes canonical CBOR.
fn cbor(bytes: &[u8]) -> Value {
    let value: Value = ciborium::from_reader(bytes).expect("CBOR");
    assert_eq!(encoded(&value), bytes, "not canonical");
    value
}

fn encoded(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    ciborium::into_writer(value, &mut out).expect("memory");
    out
}

/// Takes a map apart that has exactly these fields in this order.
fn fields<const N: usize>(value: &Value, names: [&str; N]) -> [Value; N] {
    let map = value.as_map().expect("a map");
    let found: Vec<&str> = map.iter().map(|(name, _)| name.as_text().expect("a name")).collect();
    assert_eq!(found, names);
    std::array::from_fn(|i| map[i].1.clone())
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

fn number(value: &Value) -> u64 {
    value.as_integer().expect("a number").try_into().expect("not negative")
}

fn bytes<const N: usize>(value: &Value) -> [u8; N] {
    value.as_bytes().expect("bytes").as_slice().try_into().expect("as many bytes as said")
}

fn text(value: &Value) -> &str {
    value.as_text().expect("text")
}

fn section<'a>(file: &'a [u8], place: &Value) -> &'a [u8] {
    let [at, len] = [0, 1].map(|i| number(&list(place)[i]) as usize);
    assert_eq!(list(place).len(), 2);
    &file[at..at + len]
}

/// The runs `(first, last)` of a page set.
fn page_set(set: &[u8]) -> Vec<(u64, u64)> {
    let mut rest = set.iter();
    let mut leb = move || {
        let (mut n, mut shift) = (0, 0);
        loop {
            let byte = rest.next()?;
            n |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                return Some(n);
            }
        }
    };
    let (mut runs, mut free) = (Vec::new(), 1);
    while let Some(gap) = leb() {
        assert!(gap > 0 || runs.is_empty(), "runs that touch");
        let first = free + gap;
        let last = first + leb().expect("a length after a gap");
        runs.push((first, last));
        free = last + 1;
    }
    runs
}

/// The position of a page among those of a set.
fn rank(runs: &[(u64, u64)], page: u64) -> Option<u64> {
    let before: u64 = runs.iter().filter(|(_, last)| *last < page).map(|(first, last)| last - first + 1).sum();
    runs.iter().find(|(first, last)| (*first..=*last).contains(&page)).map(|(first, _)| before + page - first)
}

/// Reads a container: the whole file and its index.
fn container(path: &Path, magic: &[u8]) -> (Vec<u8>, Value) {
    let file = fs::read(path).expect("a file");
    let end = file.len();
    assert_eq!((&file[..8], u16_at(&file, 8), &file[10..16]), (magic, 1, &[0; 6][..]));
    assert_eq!((&file[end - 8..], u64_at(&file, end - 16)), (&b"GRAFTEND"[..], end));
    let (at, len) = (u64_at(&file, end - 64), u64_at(&file, end - 56));
    assert_eq!(plain(&file[at..at + len]), file[end - 48..end - 16], "the index of {}", path.display());
    let index = cbor(&file[at..at + len]);
    (file, index)
}

fn gid(path: &Path, kind: u8) -> Gid {
    let name = path.file_name().and_then(|n| n.to_str()).expect("a name");
    let id: Gid = bs58::decode(name).into_vec().expect("base58").try_into().expect("16 bytes");
    assert_eq!(id[0], kind);
    id
}

/// All files below a folder.
pub fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).expect("a folder").map(|e| e.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// A storage commit and where its pages lie.
struct StorageCommit {
    segment: Gid,
    page_count: u64,
    pages: Vec<(u64, u64)>,
    checkpoint: Option<Hash>,
    first_rank: u64,
    blocks: Vec<u8>,
}

struct Segment {
    file: Vec<u8>,
    pages: u64,
    /// First rank, length, offset.
    frames: Vec<(u64, usize, usize)>,
}

/// What segments and packs hold.
#[derive(Default)]
pub struct Repository {
    dir: PathBuf,
    objects: HashMap<Hash, Vec<u8>>,
    segments: HashMap<Gid, Segment>,
    /// By log, LSN and commit hash.
    commits: HashMap<(Gid, u64, Hash), StorageCommit>,
    maps: HashMap<Hash, Value>,
    /// How many pages were found through a page map.
    pub found_by_map: u64,
}

impl Repository {
    /// Reads the indexes of all segments and packs below `.graft`.
    pub fn open(dir: &Path) -> Self {
        assert_eq!(fs::read_to_string(dir.join("format")).expect("format"), "graft 1\n");
        let mut repo = Self { dir: dir.to_owned(), ..Self::default() };
        for path in files(&dir.join("packs")) {
            gid(&path, 0x13);
            let (file, index) = container(&path, b"GRAFTPAK");
            let [objects] = fields(&index, ["objects"]);
            let ids: Vec<Hash> = list(&objects).iter().map(|o| bytes(&list(o)[0])).collect();
            assert!(ids.is_sorted());
            for (id, object) in ids.into_iter().zip(list(&objects)) {
                let object = section(&file, &list(object)[1]);
                assert_eq!(plain(object), id);
                repo.objects.insert(id, object.to_owned());
            }
        }
        for path in files(&dir.join("segments")) {
            let name = path.file_name().and_then(|n| n.to_str()).expect("a name");
            assert!(path.parent().is_some_and(|p| p.ends_with(name[name.len() - 2..].to_lowercase())));
            repo.read_segment(gid(&path, 0x12), &path);
        }
        repo
    }

    fn read_segment(&mut self, id: Gid, path: &Path) {
        let (file, index) = container(path, b"GRAFTSEG");
        let [commits, pages, frames, maps] = fields(&index, ["commits", "pages", "frames", "maps"]);
        for map in list(&maps) {
            let (id, map): (Hash, &[u8]) = (bytes(&list(map)[0]), section(&file, &list(map)[1]));
            assert!([derived("graft 1 page map", map), derived("graft 1 page map chunk", map)].contains(&id));
            self.maps.insert(id, cbor(map));
        }
        for part in list(&commits) {
            let [commit, volume, first_rank, blocks] = fields(part, ["commit", "volume", "first_rank", "blocks"]);
            assert_eq!(bytes::<16>(&volume)[0], 0x10);
            let hash = derived("graft 1 storage commit", &encoded(&commit));
            let names = ["log", "lsn", "parent", "page_count", "byte_len", "pages", "content", "checkpoint", "time"];
            let [log, lsn, _, page_count, byte_len, pages, content, checkpoint, _] = fields(&commit, names);
            assert_eq!(bytes::<16>(&log)[0], 0x11);
            assert_eq!(number(&page_count), number(&byte_len).div_ceil(PAGE as u64));
            let blocks = section(&file, &blocks).to_owned();
            let digests: Vec<u8> = blocks.chunks(40).flat_map(|b| b[..32].to_owned()).collect();
            assert_eq!(derived("graft 1 storage commit content", &digests), bytes(&content));
            let commit = StorageCommit {
                segment: id,
                page_count: number(&page_count),
                pages: page_set(pages.as_bytes().expect("a page set")),
                checkpoint: (!checkpoint.is_null()).then(|| bytes(&checkpoint)),
                first_rank: number(&first_rank),
                blocks,
            };
            let place = (bytes(&log), number(&lsn), hash);
            if self.commits.get(&place).is_none_or(|other| other.segment < id) {
                self.commits.insert(place, commit);
            }
        }
        let frames = section(&file, &frames).chunks(16);
        let frames = frames.map(|f| (u32_at(f, 0) as u64, u32_at(f, 4), u64_at(f, 8))).collect();
        self.segments.insert(id, Segment { file, pages: number(&pages), frames });
    }

    fn object(&self, id: &Hash, kind: &str) -> Value {
        let object = &self.objects[id];
        let end = object.iter().position(|b| *b == 0).expect("the end of the envelope");
        let body = &object[end + 1..];
        assert_eq!(std::str::from_utf8(&object[..end]).expect("ASCII"), format!("graft {kind} {}", body.len()));
        cbor(body)
    }

    fn page_of(&self, commit: &StorageCommit, page: u64) -> Vec<u8> {
        let segment = &self.segments[&commit.segment];
        let nth = rank(&commit.pages, page).expect("a page of the commit") as usize;
        let block = &commit.blocks[nth / 512 * 40..][..40];
        let all: u64 = commit.pages.iter().map(|(first, last)| last - first + 1).sum();
        let hashes = (all as usize - nth / 512 * 512).min(512) * 32;
        let hashes = &segment.file[u64_at(block, 32)..][..hashes];
        assert_eq!(derived("graft 1 page hash block", hashes), block[..32]);
        let rank = commit.first_rank + nth as u64;
        let number = segment.frames.iter().rposition(|(first, ..)| *first <= rank).expect("a frame");
        let (first, len, at) = segment.frames[number];
        let end = segment.frames.get(number + 1).map_or(segment.pages, |(first, ..)| *first);
        let size = (end - first) as usize * PAGE;
        assert!((1..=16).contains(&(end - first)));
        let frame = &segment.file[at..at + len];
        let frame = if len == size { frame.to_owned() } else { zstd::bulk::decompress(frame, size).expect("zstd") };
        let page = &frame[(rank - first) as usize * PAGE..][..PAGE];
        assert_eq!(plain(page), hashes[nth % 512 * 32..][..32]);
        page.to_owned()
    }

    fn page(&mut self, ranges: &[Value], page: u64) -> Vec<u8> {
        for range in ranges {
            let [log, start, end, hashes] = fields(range, ["log", "start", "end", "commits"]);
            let (start, hashes) = (number(&start), list(&hashes));
            assert_eq!(number(&end) - start + 1, hashes.len() as u64);
            for (i, hash) in hashes.iter().enumerate().rev() {
                let commit = &self.commits[&(bytes(&log), start + i as u64, bytes(hash))];
                if rank(&commit.pages, page).is_some() {
                    return self.page_of(commit, page);
                }
                if page > commit.page_count {
                    return vec![0; PAGE];
                }
                if let Some(map) = commit.checkpoint {
                    return self.page_by_map(&map, page);
                }
            }
        }
        vec![0; PAGE]
    }

    fn page_by_map(&mut self, map: &Hash, page: u64) -> Vec<u8> {
        let [chunks] = fields(&self.maps[map], ["chunks"]);
        let (chunk, mut nth) = ((page - 1) / 1024, (page - 1) % 1024);
        let [origins, runs] = fields(&self.maps[&bytes::<32>(&list(&chunks)[chunk as usize])], ["origins", "runs"]);
        let run = list(&runs).iter().find(|run| {
            let pages = number(&list(run)[0]);
            let inside = nth < pages;
            nth -= if inside { 0 } else { pages };
            inside
        });
        let code = run.map_or(0, |run| number(&list(run)[1]));
        if code == 0 {
            return vec![0; PAGE];
        }
        self.found_by_map += 1;
        let [log, lsn, hash] = fields(&list(&origins)[code as usize - 1], ["log", "lsn", "commit"]);
        self.page_of(&self.commits[&(bytes(&log), number(&lsn), bytes(&hash))], page)
    }

    /// Returns the bytes of the file that a snapshot describes.
    pub fn file(&mut self, snapshot: &Hash) -> Vec<u8> {
        let snapshot = self.object(snapshot, "snapshot");
        let names = ["volume", "kind", "page_count", "byte_len", "ranges"];
        let [_, kind, page_count, byte_len, ranges] = fields(&snapshot, names);
        assert!(["sqlite", "opaque"].contains(&text(&kind)));
        let mut out = Vec::new();
        for page in 1..=number(&page_count) {
            out.extend(self.page(list(&ranges), page));
        }
        out.truncate(number(&byte_len) as usize);
        out
    }

    /// Follows a ref to an id.
    pub fn resolve(&self, name: &str) -> Hash {
        let text = fs::read_to_string(self.dir.join(name)).expect("a ref");
        let text = text.strip_suffix('\n').expect("a newline");
        match text.strip_prefix("ref: ") {
            Some(target) => self.resolve(target),
            None => *blake3::Hash::from_hex(text).expect("an id").as_bytes(),
        }
    }

    /// Returns parents, generation and files of a commit.
    pub fn commit(&self, id: &Hash) -> (Vec<Hash>, u64, BTreeMap<String, Hash>) {
        let commit = self.object(id, "commit");
        let names = ["tree", "parents", "generation", "author", "committer", "message"];
        let [tree, parents, generation, author, _, _] = fields(&commit, names);
        let [name, ..] = fields(&author, ["name", "email", "time", "offset"]);
        assert_eq!(text(&name), "Ada Author");
        let [entries] = fields(&self.object(&bytes(&tree), "tree"), ["entries"]);
        let mut files = BTreeMap::new();
        for entry in list(&entries) {
            let [path, mode, snapshot] = fields(entry, ["path", "mode", "snapshot"]);
            assert_eq!(text(&mode), if text(&path).ends_with(".sh") { "executable" } else { "regular" });
            files.insert(text(&path).to_owned(), bytes(&snapshot));
        }
        (list(&parents).iter().map(bytes).collect(), number(&generation), files)
    }

    /// Checks the index tail; returns how many operations it holds.
    pub fn tail(&self) -> usize {
        let tail = fs::read(self.dir.join("index-tail")).expect("the tail");
        assert_eq!(tail[..16], *b"GRAFTIDX\x01\0\0\0\0\0\0\0");
        let (mut at, mut operations) = (16, 0);
        while at < tail.len() {
            let payload = &tail[at + 20..][..u32_at(&tail, at)];
            assert_eq!(plain(payload)[..16], tail[at + 4..at + 20]);
            self.tail_entries(payload);
            at += 20 + payload.len();
            operations += 1;
        }
        operations
    }

    fn tail_entries(&self, mut rest: &[u8]) {
        while !rest.is_empty() {
            let (key_len, value_len) = (u16_at(rest, 1), u32_at(rest, 3));
            let (key, value) = (&rest[7..7 + key_len], cbor(&rest[7 + key_len..][..value_len]));
            match rest[0] {
                0 => assert!(self.objects.contains_key(key) && bytes::<16>(&list(&value)[0])[0] == 0x13),
                1 => {
                    let [commit, _, placement] = fields(&value, ["commit", "volume", "placement"]);
                    let hash = derived("graft 1 storage commit", &encoded(&commit));
                    let (log, lsn) = key.split_at(16);
                    let lsn = u64::from_be_bytes(lsn.try_into().expect("8 bytes"));
                    let known = &self.commits[&(log.try_into().expect("16 bytes"), lsn, hash)];
                    let [segment, first_rank] = fields(&placement, ["segment", "first_rank"]);
                    assert_eq!((bytes(&segment), number(&first_rank)), (known.segment, known.first_rank));
                }
                2 => assert!(self.maps.contains_key(key) && bytes::<16>(&list(&value)[0])[0] == 0x12),
                3 => assert_eq!(bytes::<16>(&fields(&value, ["log", "head"])[0])[0], 0x11),
                other => panic!("keyspace {other}"),
            }
            rest = &rest[7 + key_len + value_len..];
        }
    }

    /// Returns path, flags and staged snapshot of each entry of the index.
    pub fn index(&self) -> Vec<(String, u8, Hash)> {
        let index = fs::read(self.dir.join("index")).expect("the index");
        let end = index.len() - 32;
        assert_eq!(
            (&index[..8], u32_at(&index, 8), plain(&index[..end])),
            (&b"GRAFTIDX"[..], 1, index[end..].try_into().expect("32"))
        );
        let (mut at, mut out) = (16, Vec::new());
        for _ in 0..u32_at(&index, 12) {
            let (flags, len) = (index[at], u32_at(&index, at + 1));
            let path = String::from_utf8(index[at + 5..at + 5 + len].to_owned()).expect("UTF-8");
            at += 5 + len;
            out.push((path, flags, index[at..at + 32].try_into().expect("32 bytes")));
            assert_eq!(index[at + 32], 0x10);
            at += 32 + 16 + 8;
            let parts = [(4, 40), (8, 4), (16, 24), (32, 24)];
            at += parts.iter().filter(|(flag, _)| flags & flag != 0).map(|(_, len)| len).sum::<usize>();
        }
        assert_eq!(at, end);
        assert!(out.is_sorted());
        out
    }
}
