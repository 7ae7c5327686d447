//! Whether all came that is needed: the storage commits and page maps of the new snapshots, each with the hash that names it.

use std::collections::HashMap;

use super::{Receiver, RemoteError, Result};
use crate::model::links::{self, Shape};
use crate::model::page_map::{MapChunk, Origin, PageMap};
use crate::model::{ObjectId, Snapshot, cbor};
use crate::store::StoreError;
use crate::store::entries::MapPlace;
use crate::store::remote::send::is_map;

impl Receiver<'_> {
    /// Holds every object that came against those that it names.
    pub(super) fn check_links(&mut self) -> Result<()> {
        let mut shapes: HashMap<ObjectId, Option<Shape>> = HashMap::new();
        let fresh: Vec<ObjectId> = self.walked.keys().filter(|id| !self.linked.contains(*id)).copied().collect();
        for id in fresh {
            let raw = self.object(&id)?;
            let wrong = links::wrong_link(&raw, |named| {
                if let Some(known) = shapes.get(named) {
                    return Ok(*known);
                }
                let found = match self.has(named)? {
                    true => Some(links::shape(&self.object(named)?)?),
                    false => None,
                };
                shapes.insert(*named, found);
                Ok::<_, RemoteError>(found)
            })?;
            if let Some(what) = wrong {
                let (url, key) = (self.remote.url().to_owned(), format!("object {id}"));
                return Err(RemoteError::Damaged { url, key, what });
            }
            self.linked.insert(id);
        }
        Ok(())
    }

    /// Sees that every storage commit and page map that the new snapshots need is there; returns the first that is not.
    pub(super) fn first_lacking(&mut self) -> Result<Option<String>> {
        for id in self.snapshots.clone() {
            let snapshot: Snapshot = self.object(&id)?.decode().map_err(StoreError::Object)?;
            let mut base = None;
            for (log, lsn, commit) in snapshot.commits_newest_first() {
                let origin = Origin { log, lsn, commit };
                if !self.check(&origin)? {
                    return Ok(Some(format!("storage commit {log}:{lsn}")));
                }
                base = Some(origin);
            }
            let Some(base) = base.filter(|base| !self.complete.contains(&base.commit)) else { continue };
            let entry = self.fresh.get(&(base.log, base.lsn));
            // The maps of a commit that was here before are here as well.
            let Some(map) = entry.and_then(|entry| entry.commit.checkpoint) else { continue };
            let Some(bytes) = self.map(map.as_bytes())? else { return Ok(Some(format!("page map {map}"))) };
            let decoded: PageMap = decode_map(&bytes, &map)?;
            for chunk in decoded.chunks {
                let Some(bytes) = self.map(chunk.as_bytes())? else { return Ok(Some(format!("page map {chunk}"))) };
                let origins = decode_map::<MapChunk>(&bytes, &chunk)?.unpack().unwrap_or_default();
                for origin in origins.iter().flatten() {
                    if !self.check(origin)? {
                        return Ok(Some(format!("storage commit {}:{}", origin.log, origin.lsn)));
                    }
                }
            }
            self.complete.insert(base.commit);
        }
        Ok(None)
    }

    /// Tells whether a storage commit is there, and is the one that is meant.
    fn check(&mut self, origin: &Origin) -> Result<bool> {
        if self.sound.contains(&origin.commit) {
            return Ok(true);
        }
        let at = (origin.log, origin.lsn);
        let here = self.store.log_entry_at(origin.log, origin.lsn)?;
        let found = match (here, self.log.get(&at)) {
            (Some(here), _) if here.commit.hash() == origin.commit => true,
            // Two histories of one log: a repository was copied, and both copies went on.
            (Some(here), _) => {
                let (log, lsn, wanted) = (origin.log, origin.lsn, origin.commit);
                return Err(StoreError::OtherCommit { log, lsn, wanted, found: here.commit.hash() }.into());
            }
            (None, Some(entry)) if entry.commit.hash() == origin.commit => {
                self.fresh.insert(at, entry.clone());
                true
            }
            (None, _) => false,
        };
        if found {
            self.sound.insert(origin.commit);
        }
        Ok(found)
    }

    /// Returns a page map or chunk that came or was here.
    fn map(&self, id: &[u8; 32]) -> Result<Option<Vec<u8>>> {
        if let Some(bytes) = self.map_bytes.get(id) {
            return Ok(Some(bytes.clone()));
        }
        if let Some(MapPlace(segment, section)) = self.maps.get(id) {
            let opened = self.store.open_segment(*segment)?;
            return Ok(opened.map(|s| s.map_bytes(*section)).transpose()?);
        }
        match self.store.map_bytes(id) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(StoreError::MissingMap(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Decodes a page map or chunk; it was named by a commit that was verified, so it must have the id.
fn decode_map<T: serde::Serialize + serde::de::DeserializeOwned>(bytes: &[u8], id: &dyn MapId) -> Result<T> {
    let damaged = |what: String| StoreError::Damaged { path: format!("page map {}", id.text()).into(), what };
    if !is_map(&id.bytes(), bytes) {
        return Err(damaged("its bytes do not match its id".to_owned()).into());
    }
    Ok(cbor::decode(bytes).map_err(|e| damaged(e.to_string()))?)
}

/// The id of a page map or of a chunk of one.
trait MapId {
    fn bytes(&self) -> [u8; 32];
    fn text(&self) -> String {
        blake3::Hash::from_bytes(self.bytes()).to_hex().to_string()
    }
}

impl MapId for crate::model::PageMapId {
    fn bytes(&self) -> [u8; 32] {
        *self.as_bytes()
    }
}

impl MapId for crate::model::ChunkId {
    fn bytes(&self) -> [u8; 32] {
        *self.as_bytes()
    }
}
