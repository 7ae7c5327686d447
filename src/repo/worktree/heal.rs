//! Mends damage of the store when the lost content is added again.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::io;

use crate::model::{Object, ObjectId, RepoPath, Snapshot};
use crate::repo::Repository;
use crate::repo::error::{RepoError, Result};
use crate::repo::state::index::{Index, IndexEntry};
use crate::repo::state::objects::ObjectReader;
use crate::repo::worktree::staging::Staged;
use crate::store::{OpenSnapshot, Transaction};
use crate::util::fs as durable;
use crate::util::lock::FileLock;

/// Stored pages up to this many bytes are verified when their file is added by name.
const VERIFIED_BYTES: u64 = 16 << 20;

/// What the last `fsck` found, under `.graft`: snapshot id, space, path, NUL.
const DAMAGE: &str = "damage";

/// A stored state of a file that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::repo) struct KnownDamage {
    /// The snapshot.
    pub snapshot: ObjectId,
    /// A path that has, or had, this state.
    pub path: RepoPath,
}

impl Repository {
    /// Tells whether the stored state of a file needs mending. Looks at segment indexes and, for small files, at pages.
    pub(in crate::repo) fn needs_healing(&self, entry: &IndexEntry) -> Result<bool> {
        if self.is_unmaterialized(entry) {
            // There is nothing that it could be mended from.
            return Ok(false);
        }
        let check = || -> Result<bool> {
            let open = self.store().open_snapshot(self.snapshot(&entry.snapshot)?)?;
            self.store().check_segments(&open)?;
            if entry.byte_len > VERIFIED_BYTES {
                return Ok(false);
            }
            Ok(!self.store().verify_snapshot(&open, &mut HashMap::new(), &mut |_| true)?.is_empty())
        };
        match check() {
            Err(e) if e.is_damage() => Ok(true),
            other => other,
        }
    }

    /// Mends what can be mended of the states that were staged before, from those just staged; then the old state,
    /// which has the same content under the identity that history knows, stays staged. The last `fsck` may know of
    /// damage in older states of these files; that is mended from them as well.
    pub(in crate::repo) fn heal(
        &self,
        lock: &FileLock,
        staged: &mut [Staged],
        lost: &[IndexEntry],
        known: Vec<KnownDamage>,
    ) -> Result<()> {
        // A state may be known as lost and as damaged.
        let mut done: BTreeMap<RepoPath, BTreeSet<ObjectId>> = BTreeMap::new();
        for old in lost {
            let Some(now) = staged.iter_mut().find(|s| s.change.path == old.path) else { continue };
            let Some(entry) = now.entry.as_mut() else { continue };
            let fresh = self.open_snapshot(&entry.snapshot)?;
            let Some(healed) = self.mend(lock, old, &fresh)? else { continue };
            done.entry(old.path.clone()).or_default().insert(old.snapshot);
            let same = crate::store::differing_pages(&healed, &fresh)?.is_empty() && old.byte_len == entry.byte_len;
            if same && old.kind == entry.kind && !self.needs_healing(old)? {
                (entry.snapshot, entry.volume) = (old.snapshot, old.volume);
                now.change.new = Some(old.snapshot);
                now.change.pages_changed = Some(0);
            }
        }
        let mut left = Vec::new();
        for damage in &known {
            let now = staged.iter().find(|s| s.change.path == damage.path).and_then(|s| s.entry.as_ref());
            let mended = match now {
                Some(entry) => {
                    let fresh = self.open_snapshot(&entry.snapshot)?;
                    let old = IndexEntry { snapshot: damage.snapshot, fingerprint: None, ..entry.clone() };
                    let states = done.entry(old.path.clone()).or_default();
                    let written = states.contains(&old.snapshot) || self.mend(lock, &old, &fresh)?.is_some();
                    if written {
                        states.insert(old.snapshot);
                    }
                    written && !self.needs_healing(&old)?
                }
                None => false,
            };
            if !mended {
                left.push(damage.clone());
            }
        }
        for (path, states) in done {
            let what = match states.len() {
                0 => continue,
                1 => "a stored state".to_owned(),
                n => format!("{n} stored states"),
            };
            self.monitor().notice(&format!("mended {what} of '{path}'"));
        }
        if left != known {
            self.remember_damage(&left)?;
        }
        if !known.is_empty() || !lost.is_empty() {
            self.store().set_damage_aside(lock)?;
        }
        Ok(())
    }

    /// Writes again what is damaged of an old state; `None` if that did not work.
    fn mend(&self, lock: &FileLock, old: &IndexEntry, fresh: &OpenSnapshot) -> Result<Option<OpenSnapshot>> {
        let mut tx = Transaction::new(self.store(), lock)?;
        let Some(snapshot) = self.old_snapshot(old, &mut tx)? else { return Ok(None) };
        if !tx.heal(&snapshot, fresh)? {
            return Ok(None);
        }
        tx.publish()?;
        Ok(Some(self.store().open_snapshot(snapshot)?))
    }

    /// Returns the damage that the last `fsck` found in states of files.
    pub(in crate::repo) fn known_damage(&self) -> Result<Vec<KnownDamage>> {
        let path = self.dir().join(DAMAGE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(RepoError::file("read", &path)(e)),
        };
        let parse = |line: &str| {
            let (id, path) = line.split_once(' ')?;
            Some(KnownDamage { snapshot: ObjectId::from_hex(id).ok()?, path: RepoPath::new(path).ok()? })
        };
        // It is a hint for mending, so a line that says nothing harms nothing.
        Ok(text.split('\0').filter_map(parse).collect())
    }

    /// Notes the damage that there is, for whoever adds the lost content again.
    pub(in crate::repo) fn remember_damage(&self, damage: &[KnownDamage]) -> Result<()> {
        let path = self.dir().join(DAMAGE);
        if damage.is_empty() {
            return durable::remove(&path).map_err(RepoError::file("remove", &path));
        }
        let lines: String = damage.iter().map(|d| format!("{} {}\0", d.snapshot, d.path)).collect();
        durable::replace(&path, &self.tmp(), lines.as_bytes()).map_err(RepoError::file("write", &path))
    }

    /// Reads a snapshot object, or derives it from the log and stores it again.
    fn old_snapshot(&self, entry: &IndexEntry, tx: &mut Transaction<'_>) -> Result<Option<Snapshot>> {
        match self.snapshot(&entry.snapshot) {
            Ok(snapshot) => Ok(Some(snapshot)),
            Err(_) => {
                let derived = self.store().derive_snapshot(&entry.snapshot, entry.volume, entry.kind)?;
                if let Some(snapshot) = &derived {
                    tx.add_object(snapshot);
                }
                Ok(derived)
            }
        }
    }

    /// Stores HEAD's tree again if it is lost and the index still has the same files.
    pub(in crate::repo) fn heal_tree(&self, index: &Index, lock: &FileLock) -> Result<()> {
        let Some(head) = self.head_commit()? else { return Ok(()) };
        let Ok(commit) = self.commit(&head) else { return Ok(()) };
        if self.tree(&commit.tree).is_err() && index.to_tree().to_raw().id() == commit.tree {
            let mut tx = Transaction::new(self.store(), lock)?;
            tx.add_object(&index.to_tree());
            tx.publish()?;
            self.monitor().notice("mended the list of files of the last commit");
        }
        Ok(())
    }
}
