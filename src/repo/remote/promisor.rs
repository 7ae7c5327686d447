//! What a lazy clone left on its remote, fetched when it is read.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use super::named::NamedRemote;
use crate::model::SegmentId;
use crate::repo::Repository;
use crate::repo::error::Result;
use crate::repo::monitor::Work;
use crate::store::SegmentSource;
use crate::store::remote::{Presence, Remote, RemoteEnv, RemoteError};

/// The remotes that promised to have what is not here: those with `remote.<name>.promisor`.
struct Promisors {
    remotes: Vec<NamedRemote>,
    env: RemoteEnv,
    open: OnceLock<Vec<Remote>>,
}

impl SegmentSource for Promisors {
    fn read(&self, id: SegmentId, range: Range<u64>) -> Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>> {
        if self.open.get().is_none() {
            let opened: Result<Vec<_>, RemoteError> =
                self.remotes.iter().map(|remote| Remote::open(&remote.url, &self.env)).collect();
            let _ = self.open.set(opened?);
        }
        let mut last: Option<RemoteError> = None;
        for remote in self.open.get().into_iter().flatten() {
            match remote.read_segment(id, range.clone()) {
                Ok(bytes) => return Ok(bytes),
                Err(error) => last = Some(error),
            }
        }
        Err(last.map_or_else(|| "no remote promised to have it".into(), Into::into))
    }
}

impl Repository {
    /// Lets the store fetch what a lazy clone left on its remote.
    pub(in crate::repo) fn keep_promises(&self) {
        let promises = |name: &&str| {
            self.config().get(&format!("remote.{name}.promisor")).is_some_and(|entry| entry.value == "true")
        };
        let names = self.config().subsections("remote").into_iter().filter(promises);
        let remotes: Vec<NamedRemote> = names.filter_map(|name| self.named_remote(name).ok()).collect();
        if !remotes.is_empty() {
            let env = self.settings().remote_env.clone();
            self.store().fetch_missing_from(Arc::new(Promisors { remotes, env, open: OnceLock::new() }));
        }
    }

    /// Brings everything that a lazy clone left on its remote; tells what was missing.
    pub fn hydrate(&self) -> Result<Presence> {
        let before = self.store().presence()?;
        let monitor = self.monitor();
        let _work = Work::start(monitor, "fetching", Some(before.total - before.present));
        self.store().release();
        Ok(self.store().hydrate(&|n| monitor.advance(n))?)
    }
}
