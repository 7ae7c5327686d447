//! Takes entries out of reflogs.

use super::{RefError, RefStore};
use crate::model::RefName;
use crate::repo::state::reflog::ReflogEntry;
use crate::util::lock::FileLock;

impl RefStore {
    /// Takes out of a reflog the entries that `goes` picks by position, 0 being the newest, and returns them, newest first. With
    /// `rewrite` the entries that stay say that the ref had before what the one before them says.
    ///
    /// Unless all go, the newest stays: its value is that of the ref. The caller holds the repository lock.
    pub fn prune_log(
        &self,
        lock: Option<&FileLock>,
        name: &RefName,
        rewrite: bool,
        goes: &mut dyn FnMut(usize, &ReflogEntry) -> bool,
    ) -> Result<Vec<ReflogEntry>, RefError> {
        let mut gone = Vec::new();
        let mut kept = Vec::new();
        for (n, entry) in self.log(name)?.enumerate() {
            let entry = entry?;
            if goes(n, &entry) { gone.push((n, entry)) } else { kept.push(entry) }
        }
        if !kept.is_empty() && gone.first().is_some_and(|(n, _)| *n == 0) {
            kept.insert(0, gone.remove(0).1);
        }
        if rewrite {
            for i in 0..kept.len() {
                kept[i].old = kept.get(i + 1).and_then(|before| before.new);
            }
        }
        if lock.is_some() && !gone.is_empty() {
            let lines: String = kept.iter().rev().map(ReflogEntry::to_line).collect();
            self.replace(self.reflog(name).path(), lines.as_bytes())?;
        }
        Ok(gone.into_iter().map(|(_, entry)| entry).collect())
    }
}
