//! What a lazy clone left on its remote, fetched when it is read.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use super::named::{NamedRemote, named_remote};
use crate::model::{SegmentId, Snapshot};
use crate::repo::Repository;
use crate::repo::error::Result;
use crate::repo::state::config::Config;
use crate::repo::state::monitor::Work;
use crate::repo::state::trust::Trust;
use crate::store::SegmentSource;
use crate::store::remote::{Presence, Remote, RemoteEnv, RemoteError, Traffic};
use crate::store::replica;

/// The remotes that promised to have what is not here: those with `remote.<name>.promisor`, and those that volumes go with.
struct Promisors {
    remotes: Vec<NamedRemote>,
    config: Config,
    top: PathBuf,
    dir: PathBuf,
    env: RemoteEnv,
    trust: Trust,
    open: OnceLock<Vec<Remote>>,
}

impl Promisors {
    /// Opens the remotes. Which ones volumes go with is found out only now, since few commands need it.
    fn open(&self) -> Result<Vec<Remote>, RemoteError> {
        let texts = replica::remotes_of_volumes(&self.dir);
        let of_volumes = texts.iter().filter_map(|text| named_remote(&self.config, &self.top, text).ok());
        let mut urls = Vec::new();
        for remote in self.remotes.iter().cloned().chain(of_volumes) {
            if !urls.contains(&remote.url) {
                urls.push(remote.url);
            }
        }
        urls.iter().map(|url| Remote::open(url, &self.env)).collect()
    }
}

impl SegmentSource for Promisors {
    fn read(&self, id: SegmentId, range: Range<u64>) -> Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>> {
        // Whoever made the repository would choose who gets to see the credentials of whoever reads it.
        if self.open.get().is_none() && !self.trust.covers(&self.dir) {
            return Err("this repository was neither made nor trusted on this machine, so nothing is fetched because it says so; \
                        'graft trust' trusts it"
                .into());
        }
        if self.open.get().is_none() {
            let _ = self.open.set(self.open()?);
        }
        let mut last: Option<RemoteError> = None;
        for remote in self.open.get().into_iter().flatten() {
            match remote.read_segment(id, range.clone()) {
                Ok(bytes) => return Ok(bytes),
                Err(error) => last = Some(error),
            }
        }
        Err(last.map_or_else(|| "no remote to fetch it from is configured".into(), Into::into))
    }

    fn traffic(&self) -> Traffic {
        self.open.get().into_iter().flatten().map(Remote::traffic).fold(Traffic::default(), Traffic::plus)
    }
}

impl Repository {
    /// Returns the names of the remotes that promised to have what is not here.
    pub(in crate::repo) fn promisors(&self) -> Vec<&str> {
        let promises = |name: &&str| {
            self.config().get(&format!("remote.{name}.promisor")).is_some_and(|entry| entry.value == "true")
        };
        self.config().subsections("remote").into_iter().filter(promises).collect()
    }

    /// Lets the store fetch what a lazy clone left on its remote.
    pub(in crate::repo) fn keep_promises(&self) {
        let remotes: Vec<NamedRemote> =
            self.promisors().iter().filter_map(|name| self.named_remote(name).ok()).collect();
        let (config, env) = (self.config().clone(), self.settings().remote_env.clone());
        let (top, dir) = (self.top().to_owned(), self.dir().to_owned());
        let trust = self.settings().trust.clone();
        let promisors = Promisors { remotes, config, top, dir, env, trust, open: OnceLock::new() };
        self.store().fetch_missing_from(Arc::new(promisors));
    }

    /// Returns the requests made until now for what a lazy clone left on its remote.
    pub fn promised_traffic(&self) -> Traffic {
        self.store().source().map_or_else(Traffic::default, |source| source.traffic())
    }

    /// Returns the segments that are not wholly here and that some states need; all of them if `states` is `None`.
    pub fn left_on_remote(&self, states: Option<&[Snapshot]>) -> Result<Vec<SegmentId>> {
        Ok(match states {
            Some(states) => self.store().pieces_of(states)?,
            None => self.store().pieces()?,
        })
    }

    /// Brings what a lazy clone left of segments on its remote; tells what was missing.
    pub fn hydrate(&self, segments: &[SegmentId]) -> Result<Presence> {
        let before = self.store().presence_of(segments)?;
        let monitor = self.monitor();
        let _work = Work::start(monitor, "fetching", Some(before.total - before.present));
        self.store().release();
        Ok(self.store().hydrate(segments, &|n| monitor.advance(n))?)
    }

    /// Brings what some states need.
    pub(in crate::repo) fn hydrate_states(&self, states: &[Snapshot]) -> Result<()> {
        let segments = self.left_on_remote(Some(states))?;
        if !segments.is_empty() {
            self.hydrate(&segments)?;
        }
        Ok(())
    }
}
