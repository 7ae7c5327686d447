//! What of a remote belongs to volumes: for its verification, and so that a collection leaves it alone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::bundle::SegmentEntry;
use super::check::{RemoteReport, found};
use super::error::{RemoteError, Result};
use super::parallel;
use super::place::Remote;
use super::receive::Receiver;
use super::send::is_map;
use super::traffic::Watch;
use super::volume_log::{LOGS, VolumeEntry, entry_key, marker_key};
use crate::model::{LogId, Lsn};
use crate::store::segment::Segment;
use crate::store::{Store, paths};
use crate::util::fs as durable;

/// Segments up to this size are verified in memory.
const IN_MEMORY: u64 = 4 << 20;

/// The logs of a remote, as they are listed.
pub(super) struct Logs {
    entries: BTreeMap<LogId, BTreeSet<Lsn>>,
    /// The keys of all names, entries and their segments.
    pub keys: BTreeSet<String>,
}

impl Remote {
    /// Lists the logs of a remote. Two LISTs.
    pub(super) fn volume_logs(&self) -> Result<Logs> {
        let mut logs = Logs { entries: BTreeMap::new(), keys: BTreeSet::new() };
        logs.keys.extend(self.volume_names()?.iter().map(|name| marker_key(name)));
        self.backend().list(LOGS, &mut |one| {
            let place = one.key.strip_prefix("logs/").and_then(|rest| rest.split_once('/'));
            if let Some((log, lsn)) = place
                && let (Ok(log), Ok(lsn)) = (log.parse::<LogId>(), lsn.parse::<u64>())
                && let Some(lsn) = Lsn::new(lsn)
            {
                logs.entries.entry(log).or_default().insert(lsn);
                logs.keys.insert(one.key);
            }
            true
        })?;
        Ok(logs)
    }

    /// Reads the entries of all logs, in order, and adds the keys of their segments. `failed` is told what cannot be read.
    pub(super) fn read_logs(
        &self,
        logs: &mut Logs,
        failed: &mut dyn FnMut(RemoteError) -> Result<()>,
    ) -> Result<BTreeMap<(LogId, Lsn), VolumeEntry>> {
        let places: Vec<(LogId, Lsn)> =
            logs.entries.iter().flat_map(|(log, lsns)| lsns.iter().map(|lsn| (*log, *lsn))).collect();
        let mut entries = BTreeMap::new();
        parallel::each(
            &places,
            |_| 1 << 16,
            |(log, lsn)| Ok(self.volume_entry(*log, *lsn)),
            |place, entry: Result<Option<VolumeEntry>>| match entry {
                Ok(entry) => {
                    entries.extend(entry.map(|entry| (*place, entry)));
                    Ok::<_, RemoteError>(())
                }
                Err(error) => failed(error),
            },
        )?;
        logs.keys.extend(entries.values().map(VolumeEntry::segment_key));
        Ok(entries)
    }

    /// Verifies the names, logs and segments of volumes; returns the keys of all of it.
    pub(super) fn verify_volumes(
        &self,
        tmp: &Path,
        report: &mut RemoteReport,
        watch: &dyn Watch,
    ) -> Result<BTreeSet<String>> {
        let mut logs = self.volume_logs()?;
        let mut named = BTreeSet::new();
        for name in self.volume_names()? {
            match self.volume(&name) {
                // One without entries was never pushed to the end.
                Ok(marker) => named.extend(marker.map(|marker| marker.log)),
                Err(error) => report.findings.push(found(error)?),
            }
            report.volumes += 1;
        }
        for (log, lsns) in &logs.entries {
            if !named.contains(log) {
                report.findings.push(format!("{LOGS}/{log} has no name"));
            }
            let end = lsns.last().map_or(0, |lsn| lsn.get());
            let gaps = (1..end).filter_map(Lsn::new).filter(|lsn| !lsns.contains(lsn));
            report.findings.extend(gaps.map(|lsn| format!("{} is missing", entry_key(*log, lsn))));
        }
        let findings = &mut report.findings;
        let entries = self.read_logs(&mut logs, &mut |error| {
            findings.push(found(error)?);
            Ok(())
        })?;
        for ((log, lsn), entry) in &entries {
            let before = Lsn::new(lsn.get() - 1).map(|before| entries.get(&(*log, before)));
            let follows = match before {
                Some(Some(before)) => entry.commit.parent == Some(before.commit.hash()),
                // What is missing was said already.
                Some(None) => true,
                None => entry.commit.parent.is_none(),
            };
            if !follows {
                findings.push(format!("{} does not follow the entry before it", entry_key(*log, *lsn)));
            }
        }
        report.volume_commits = entries.len();
        let entries: Vec<VolumeEntry> = entries.into_values().collect();
        watch.expect(entries.iter().filter(|entry| entry.len <= IN_MEMORY).map(|entry| entry.len).sum());
        parallel::each(
            &entries,
            |entry| entry.len.min(IN_MEMORY) * 2,
            |entry| match entry.len <= IN_MEMORY {
                true => Ok(self.verify_small(entry, watch)),
                false => Ok(Ok(())),
            },
            |_, outcome| {
                report.findings.extend(outcome.err().map(found).transpose()?);
                Ok::<_, RemoteError>(())
            },
        )?;
        let large: Vec<&VolumeEntry> = entries.iter().filter(|entry| entry.len > IN_MEMORY).collect();
        if !large.is_empty() {
            let store = Store::create(tmp, crate::store::StoreOptions::default())?;
            for entry in large {
                report.findings.extend(self.verify_large(&store, entry, watch).err().map(found).transpose()?);
            }
        }
        Ok(logs.keys)
    }

    fn verify_small(&self, entry: &VolumeEntry, watch: &dyn Watch) -> Result<()> {
        let key = entry.segment_key();
        let bytes = self.needed(&key)?;
        watch.passed(bytes.len() as u64);
        let damaged =
            |what: String| RemoteError::Damaged { url: self.url().to_owned(), key: entry.segment_key(), what };
        if bytes.len() as u64 != entry.len {
            return Err(damaged("it has the wrong length".to_owned()));
        }
        let segment = Segment::in_memory(entry.segment, Path::new(&key), bytes).map_err(|e| damaged(e.to_string()))?;
        let pages = 0..entry.commit.pages.len();
        segment.verify_pages(&entry.commit, 0, pages).map_err(|e| damaged(e.to_string()))?;
        check_maps(&segment, entry).map_err(damaged)
    }

    fn verify_large(&self, store: &Store, entry: &VolumeEntry, watch: &dyn Watch) -> Result<()> {
        let commits = vec![(entry.commit.log, entry.commit.lsn)];
        let beside = SegmentEntry { id: entry.segment, len: entry.len, commits };
        let segment = Receiver::new(store, self, watch).one_segment(&beside)?;
        let checked = segment.verify_pages(&entry.commit, 0, 0..0).map_err(|e| e.to_string());
        let checked = checked.and_then(|()| check_maps(&segment, entry));
        let path = paths::segment(store.dir(), entry.segment);
        durable::remove(&path).map_err(crate::store::StoreError::io("remove", &path))?;
        checked.map_err(|what| RemoteError::Damaged { url: self.url().to_owned(), key: entry.segment_key(), what })
    }
}

/// Checks the page map that an entry says is in its segment.
fn check_maps(segment: &Segment, entry: &VolumeEntry) -> Result<(), String> {
    for (id, section) in &entry.maps {
        let bytes = segment.map_bytes(*section).map_err(|e| e.to_string())?;
        if !is_map(&id.into_array(), &bytes) {
            return Err("its page map does not match its id".to_owned());
        }
    }
    match entry.commit.checkpoint {
        Some(map) if !entry.maps.iter().any(|(id, _)| id.into_array() == *map.as_bytes()) => {
            Err("it lacks its page map".to_owned())
        }
        _ => Ok(()),
    }
}
