//! Volumes of a remote: their names, and the logs that any number of writers append to.
//!
//! ```text
//! volumes/<name>                  which log the volume has             create-if-absent
//! logs/<LogId>/<LSN, 20 digits>   one storage commit and where it lies create-if-absent, after its segment
//! ```
//!
//! Each object is a line `graft volume 1 <BLAKE3 of what follows>\n` and canonical CBOR. A log has no single writer here: what
//! keeps it a sequence is that an entry is only ever created where none is, by somebody who names the entry before it. Nothing of
//! it is ever replaced, so whoever lost the answer to a request reads the object again and compares its bytes: they hold the
//! random id of a segment, which nobody else has.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;

use super::error::{RemoteError, Result};
use super::parallel;
use super::place::{ERRORS, Remote, pause};
use crate::model::{CommitHash, FileKind, LogId, Lsn, SegmentId, StorageCommit, VolumeId, cbor};
use crate::store::container::Section;

/// The folder of the names of volumes.
pub const VOLUMES: &str = "volumes";
/// The folder of logs.
pub const LOGS: &str = "logs";

const VERSION: u32 = 1;
const MAGIC: &str = "graft volume ";
/// Entries asked for at a time, at the most.
const WINDOW: u64 = 64;

/// What the name of a volume stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VolumeMarker {
    /// Its log.
    pub log: LogId,
    /// The volume that it was first pushed from.
    pub volume: VolumeId,
}

/// One entry of a log: a storage commit, and where its pages lie.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VolumeEntry {
    /// The commit.
    pub commit: StorageCommit,
    /// What the volume is.
    pub kind: FileKind,
    /// The volume that it was pushed from.
    pub volume: VolumeId,
    /// The segment with its pages, which holds nothing else.
    pub segment: SegmentId,
    /// The length of the segment in bytes.
    pub len: u64,
    /// The page map in it, and the chunks of that, if the commit is a checkpoint.
    pub maps: Vec<(ByteArray<32>, Section)>,
}

impl VolumeEntry {
    /// Returns the key of the segment.
    pub fn segment_key(&self) -> String {
        format!("segments/{}", self.segment)
    }
}

/// What became of a request to append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// The entry is in the log.
    Ours,
    /// Somebody else has that place.
    Theirs,
}

/// Returns the key of an entry.
pub fn entry_key(log: LogId, lsn: Lsn) -> String {
    format!("{LOGS}/{log}/{:020}", lsn.get())
}

/// Returns the key of a name.
pub fn marker_key(name: &str) -> String {
    format!("{VOLUMES}/{name}")
}

/// Returns the bytes of an object.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    let body = cbor::encode(value);
    let mut out = format!("{MAGIC}{VERSION} {}\n", blake3::hash(&body).to_hex()).into_bytes();
    out.extend_from_slice(&body);
    out
}

/// Reads an object; `url` and `key` are for errors.
pub fn decode<T: Serialize + DeserializeOwned>(bytes: &[u8], url: &str, key: &str) -> Result<T> {
    let damaged = |what: &str| RemoteError::Damaged { url: url.to_owned(), key: key.to_owned(), what: what.to_owned() };
    let end = bytes.iter().take(120).position(|&b| b == b'\n').ok_or_else(|| damaged("it has no first line"))?;
    let head = std::str::from_utf8(&bytes[..end]).ok().and_then(|line| line.strip_prefix(MAGIC));
    let (version, hash) = head.and_then(|h| h.split_once(' ')).ok_or_else(|| damaged("it has no first line"))?;
    if version.parse::<u32>().is_ok_and(|v| v > VERSION) {
        let (url, version) = (url.to_owned(), version.to_owned());
        return Err(RemoteError::NewerVersion { url, version, supported: VERSION });
    }
    let body = &bytes[end + 1..];
    if version != VERSION.to_string() || blake3::hash(body).to_hex().as_str() != hash {
        return Err(damaged("it does not match its checksum"));
    }
    cbor::decode(body).map_err(|e| damaged(&e.to_string()))
}

impl Remote {
    /// Returns the log of a volume; `None` if nobody has that name.
    pub fn volume(&self, name: &str) -> Result<Option<VolumeMarker>> {
        let key = marker_key(name);
        let found = self.backend().read(&key)?;
        found.map(|found| decode(&found.bytes, self.url(), &key)).transpose()
    }

    /// Lists the names of volumes, sorted. This is a LIST.
    pub fn volume_names(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        self.backend().list(VOLUMES, &mut |one| {
            names.extend(one.key.strip_prefix("volumes/").map(str::to_owned));
            true
        })?;
        names.sort();
        Ok(names)
    }

    /// Gives a log a name, unless another has it; returns whose it is now.
    pub fn name_volume(&self, name: &str, marker: VolumeMarker) -> Result<VolumeMarker> {
        let key = marker_key(name);
        match self.create(&key, &encode(&marker))? {
            Appended::Ours => Ok(marker),
            Appended::Theirs => self.volume(name)?.ok_or_else(|| self.lost(key)),
        }
    }

    /// Returns an entry; `None` if the log ends before it.
    pub fn volume_entry(&self, log: LogId, lsn: Lsn) -> Result<Option<VolumeEntry>> {
        let key = entry_key(log, lsn);
        let Some(found) = self.backend().read(&key)? else { return Ok(None) };
        let entry: VolumeEntry = decode(&found.bytes, self.url(), &key)?;
        match entry.commit.log == log && entry.commit.lsn == lsn {
            true => Ok(Some(entry)),
            false => Err(self.wrong(log, lsn, "it is another entry")),
        }
    }

    /// Appends an entry, given as its bytes, to a log.
    pub fn append_entry(&self, log: LogId, lsn: Lsn, bytes: &[u8]) -> Result<Appended> {
        self.create(&entry_key(log, lsn), bytes)
    }

    /// Returns entries, all of which have to be there, in the order asked for.
    pub fn volume_entries(&self, log: LogId, lsns: &[Lsn]) -> Result<Vec<VolumeEntry>> {
        let mut found = Vec::new();
        parallel::each(
            lsns,
            |_| 1 << 16,
            |lsn| self.volume_entry(log, *lsn),
            |lsn, entry| {
                found.push(entry.ok_or_else(|| self.lost(entry_key(log, *lsn)))?);
                Ok::<_, RemoteError>(())
            },
        )?;
        found.sort_by_key(|entry| entry.commit.lsn);
        Ok(found)
    }

    /// Returns the entries of a log behind one that is known, or all, each checked against the one before it. The known one has to
    /// be there still. Asks for the next one until there is none: more at a time each round.
    pub fn volume_entries_after(&self, log: LogId, known: Option<(Lsn, CommitHash)>) -> Result<Vec<VolumeEntry>> {
        let mut out: Vec<VolumeEntry> = Vec::new();
        let mut before = known.map(|(_, hash)| hash);
        let mut next = known.map_or(Lsn::FIRST, |(lsn, _)| lsn);
        // More than one new one, so that one that was lost is noticed by the one behind it.
        let mut window = if known.is_some() { 3 } else { 2 };
        let mut verified = known;
        loop {
            let lsns: Vec<Lsn> = (next.get()..next.get() + window).filter_map(Lsn::new).collect();
            let mut found = Vec::new();
            parallel::each(
                &lsns,
                |_| 1 << 16,
                |lsn| self.volume_entry(log, *lsn),
                |lsn, entry| {
                    found.push((*lsn, entry));
                    Ok::<_, RemoteError>(())
                },
            )?;
            found.sort_by_key(|(lsn, _)| *lsn);
            if let Some((lsn, hash)) = verified.take() {
                let (_, entry) = found.remove(0);
                let entry = entry.ok_or_else(|| self.lost(entry_key(log, lsn)))?;
                if entry.commit.hash() != hash {
                    return Err(self.wrong(log, lsn, "it is not the entry that was there before"));
                }
            }
            let last = found.iter().rposition(|(_, entry)| entry.is_some());
            let is_end = last.is_none_or(|n| n + 1 < found.len());
            for (lsn, entry) in found.into_iter().take(last.map_or(0, |n| n + 1)) {
                // It may have come between the two requests; if it has not, it was lost.
                let again = || self.volume_entry(log, lsn);
                let entry = entry.map_or_else(again, |e| Ok(Some(e)))?;
                let entry = entry.ok_or_else(|| self.lost(entry_key(log, lsn)))?;
                if entry.commit.parent != before {
                    return Err(self.wrong(log, lsn, "it does not follow the entry before it"));
                }
                before = Some(entry.commit.hash());
                out.push(entry);
            }
            if is_end {
                return Ok(out);
            }
            next = Lsn::new(next.get() + window).expect("more than one");
            window = (window * 2).min(WINDOW);
        }
    }

    /// Checks that an entry that was read before is there still.
    pub fn expect_entry(&self, log: LogId, lsn: Lsn, hash: CommitHash) -> Result<()> {
        match self.volume_entry(log, lsn)? {
            None => Err(self.lost(entry_key(log, lsn))),
            Some(entry) if entry.commit.hash() == hash => Ok(()),
            Some(_) => Err(self.wrong(log, lsn, "it is not the entry that was there before")),
        }
    }

    fn wrong(&self, log: LogId, lsn: Lsn, what: &str) -> RemoteError {
        RemoteError::Damaged { url: self.url().to_owned(), key: entry_key(log, lsn), what: what.to_owned() }
    }

    /// Creates an object that nobody else writes the same bytes to.
    fn create(&self, key: &str, bytes: &[u8]) -> Result<Appended> {
        let mut last = None;
        for tries in 0..ERRORS {
            match self.backend().swap(key, None, bytes) {
                Ok(true) => return Ok(Appended::Ours),
                Ok(false) => {}
                Err(error) => last = Some(error),
            }
            // Refused, or no answer: either way it may have been heard the first time. What is there counts.
            match self.backend().read(key) {
                Ok(Some(found)) if found.bytes == bytes => return Ok(Appended::Ours),
                // Only what is whole can be somebody else's.
                Ok(Some(found)) => match checksum_fits(&found.bytes) {
                    true => return Ok(Appended::Theirs),
                    false => last = last.or(Some(self.unreadable(key))),
                },
                Ok(None) => {}
                Err(error) => last = Some(error),
            }
            pause(tries);
        }
        Err(last.unwrap_or(RemoteError::Busy { url: self.url().to_owned(), tries: ERRORS }))
    }

    fn unreadable(&self, key: &str) -> RemoteError {
        let what = "it does not match its checksum".to_owned();
        RemoteError::Damaged { url: self.url().to_owned(), key: key.to_owned(), what }
    }

    pub(in crate::store) fn lost(&self, key: String) -> RemoteError {
        RemoteError::Missing { url: self.url().to_owned(), key }
    }
}

fn checksum_fits(bytes: &[u8]) -> bool {
    let Some(end) = bytes.iter().take(120).position(|&b| b == b'\n') else { return false };
    let hash = blake3::hash(&bytes[end + 1..]).to_hex();
    bytes[..end].ends_with(hash.as_str().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ContentHash, PageSet};
    use crate::store::remote::RemoteEnv;

    fn remote(name: &str) -> Remote {
        Remote::open(&format!("memory:{name}").parse().expect("a URL"), &RemoteEnv::default()).expect("opens")
    }

    fn entry(log: LogId, lsn: Lsn, parent: Option<CommitHash>, random: u8) -> VolumeEntry {
        let content = ContentHash::from_bytes([3; 32]);
        let (pages, time) = (PageSet::new(), 7);
        VolumeEntry {
            commit: StorageCommit {
                log,
                lsn,
                parent,
                page_count: 0,
                byte_len: 0,
                pages,
                content,
                checkpoint: None,
                time,
            },
            kind: FileKind::Opaque,
            volume: VolumeId::new(1, [1; 9]),
            segment: SegmentId::new(1, [random; 9]),
            len: 9,
            maps: Vec::new(),
        }
    }

    #[test]
    fn a_place_in_a_log_is_given_once_and_the_end_is_found() {
        let remote = remote("volume-log");
        let log = LogId::new(1, [5; 9]);
        let (mut before, mut lsn) = (None, Lsn::FIRST);
        for n in 0..150 {
            let new = entry(log, lsn, before, 1);
            let bytes = encode(&new);
            assert_eq!(remote.append_entry(log, lsn, &bytes).expect("heard"), Appended::Ours);
            assert_eq!(remote.append_entry(log, lsn, &bytes).expect("heard"), Appended::Ours, "the same once more");
            let other = encode(&entry(log, lsn, before, 2));
            assert_eq!(remote.append_entry(log, lsn, &other).expect("heard"), Appended::Theirs);
            before = Some(new.commit.hash());
            lsn = lsn.next().expect("more");
            if [0, 1, 2, 3, 13, 14, 149].contains(&n) {
                let found = remote.volume_entries_after(log, None).expect("readable");
                assert_eq!(found.len(), n + 1);
            }
        }
        let all = remote.volume_entries_after(log, None).expect("readable");
        let known = |n: usize| Some((all[n].commit.lsn, all[n].commit.hash()));
        for n in [0, 1, 2, 100, 148, 149] {
            assert_eq!(remote.volume_entries_after(log, known(n)).expect("readable")[..], all[n + 1..], "behind {n}");
        }
        let wrong = Some((all[1].commit.lsn, all[2].commit.hash()));
        assert!(matches!(remote.volume_entries_after(log, wrong), Err(RemoteError::Damaged { .. })));
        remote.backend().remove(&entry_key(log, all[2].commit.lsn)).expect("removed");
        for before in [None, known(1), known(2)] {
            let error = remote.volume_entries_after(log, before).expect_err("a gap");
            assert!(matches!(error, RemoteError::Missing { key, .. } if key == entry_key(log, all[2].commit.lsn)));
        }
    }

    #[test]
    fn damage_is_named() {
        let marker = VolumeMarker { log: LogId::new(1, [5; 9]), volume: VolumeId::new(1, [1; 9]) };
        let bytes = encode(&marker);
        assert_eq!(decode::<VolumeMarker>(&bytes, "x", "y").expect("sound"), marker);
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            assert!(decode::<VolumeMarker>(&flipped, "x", "y").is_err(), "byte {at}");
            assert!(decode::<VolumeMarker>(&bytes[..at], "x", "y").is_err(), "cut at {at}");
        }
    }
}
