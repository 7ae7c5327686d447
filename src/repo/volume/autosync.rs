//! `volume.autosync`: volumes are pushed in the background after each committed transaction.
//!
//! A transaction only says that there is something to push; one thread pushes what has gathered meanwhile. Nothing it meets fails a
//! transaction. Whoever ends a session waits for it a little and is told what was not pushed: that is in the volume, and goes with the
//! next push.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::model::VolumeId;
use crate::repo::Repository;
use crate::repo::error::Result;
use crate::repo::remote::named_remote;
use crate::repo::state::config::{Config, ConfigError};
use crate::store::Store;
use crate::store::remote::{Remote, RemoteEnv};
use crate::store::replica::{ReplicaError, Replicator};

/// How long the end of a session waits if `volume.autosyncWait` does not say.
const PATIENCE: Duration = Duration::from_secs(10);

/// A volume that was not pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsynced {
    /// The volume.
    pub volume: VolumeId,
    /// Its tag, or its id.
    pub name: String,
    /// Why.
    pub why: String,
}

/// Pushes volumes in the background.
pub struct Autosync {
    shared: Arc<Shared>,
    patience: Duration,
    /// Which volumes are to be pushed, as far as that was asked.
    wanted: Mutex<HashMap<VolumeId, bool>>,
}

struct Shared {
    store: Store,
    config: Config,
    top: PathBuf,
    env: RemoteEnv,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: BTreeSet<VolumeId>,
    /// What is being pushed.
    busy: Option<VolumeId>,
    /// What went wrong with the last push of a volume.
    failed: BTreeMap<VolumeId, String>,
    /// Volumes whose remote has moved: trying again is no use before somebody pulls.
    refused: BTreeSet<VolumeId>,
    is_running: bool,
    /// Nobody will add anything.
    is_ended: bool,
}

fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Sets and maps are whole after every step.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Repository {
    /// Gets ready to push volumes in the background, as far as the configuration wants that.
    pub fn autosync(&self) -> Result<Autosync> {
        let shared = Shared {
            store: self.store().clone(),
            config: self.config().clone(),
            top: self.top().to_owned(),
            env: self.settings().remote_env.clone(),
            state: Mutex::default(),
            changed: Condvar::new(),
        };
        let patience = self.config().duration("volume.autosyncwait")?.unwrap_or(PATIENCE);
        // Said at once, not in the middle of a session.
        self.config().bool("volume.autosync")?;
        Ok(Autosync { shared: Arc::new(shared), patience, wanted: Mutex::default() })
    }
}

impl Autosync {
    /// Takes note of a transaction on a volume. Returns at once.
    pub fn note(&self, volume: VolumeId) {
        let is_wanted = *hold(&self.wanted).entry(volume).or_insert_with(|| match self.shared.is_wanted(volume) {
            Ok(is_wanted) => is_wanted,
            Err(why) => {
                hold(&self.shared.state).failed.insert(volume, why);
                false
            }
        });
        let mut state = hold(&self.shared.state);
        if !is_wanted || state.refused.contains(&volume) {
            return;
        }
        state.waiting.insert(volume);
        self.shared.changed.notify_all();
        if !state.is_running {
            let shared = Arc::clone(&self.shared);
            let spawned = std::thread::Builder::new().name("autosync".to_owned()).spawn(move || shared.run());
            state.is_running = spawned.is_ok();
            if let Err(error) = spawned {
                state.waiting.clear();
                state.failed.insert(volume, error.to_string());
            }
        }
    }

    /// Waits until all is pushed, but not for ever; returns what was not. With `is_hurried` it does not wait.
    pub fn finish(&self, is_hurried: bool) -> Vec<Unsynced> {
        let end = Instant::now() + if is_hurried { Duration::ZERO } else { self.patience };
        let mut state = hold(&self.shared.state);
        while state.busy.is_some() || !state.waiting.is_empty() {
            let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) else { break };
            let waited = self.shared.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let seconds = self.patience.as_secs_f32();
        let late: Vec<VolumeId> = state.busy.into_iter().chain(state.waiting.iter().copied()).collect();
        for volume in late {
            let why = if is_hurried { "interrupted".to_owned() } else { format!("it takes longer than {seconds} s") };
            state.failed.entry(volume).or_insert(why);
        }
        let failed = std::mem::take(&mut state.failed);
        drop(state);
        let name = |volume| self.shared.name_of(volume);
        failed.into_iter().map(|(volume, why)| Unsynced { volume, name: name(volume), why }).collect()
    }
}

impl Drop for Autosync {
    fn drop(&mut self) {
        hold(&self.shared.state).is_ended = true;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn run(&self) {
        let mut state = hold(&self.state);
        loop {
            let Some(volume) = state.waiting.pop_first() else {
                if state.is_ended {
                    return;
                }
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            state.busy = Some(volume);
            drop(state);
            let outcome = self.push(volume);
            state = hold(&self.state);
            state.busy = None;
            match outcome {
                Ok(()) => drop(state.failed.remove(&volume)),
                Err(error) => {
                    if matches!(error.downcast_ref(), Some(ReplicaError::Moved { .. })) {
                        state.refused.insert(volume);
                        state.waiting.remove(&volume);
                    }
                    let cause = error.source().map(|cause| format!(" ({cause})")).unwrap_or_default();
                    state.failed.insert(volume, format!("{error}{cause}"));
                }
            }
            self.changed.notify_all();
        }
    }

    fn push(&self, volume: VolumeId) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let pairing = self.store.pairing(volume)?.ok_or("it goes with no remote yet; push it once")?;
        let named = named_remote(&self.config, &self.top, &pairing.remote)?;
        let remote = Remote::open(&named.url, &self.env)?;
        Replicator::new(&self.store, &remote, &|_| ()).push(volume, &pairing.remote, &pairing.name)?;
        Ok(())
    }

    /// Tells whether a volume is to be pushed: `volume.<id or tag>.autosync`, else `volume.autosync`.
    fn is_wanted(&self, volume: VolumeId) -> Result<bool, String> {
        let of = |key: &str| self.config.bool(key).map_err(|e: ConfigError| e.to_string());
        let tags = self.store.volume_tags().map_err(|e| e.to_string())?;
        let tags = tags.into_iter().filter(|(_, id)| *id == volume).map(|(name, _)| name);
        for name in std::iter::once(volume.to_string()).chain(tags) {
            if let Some(is_wanted) = of(&format!("volume.{name}.autosync"))? {
                return Ok(is_wanted);
            }
        }
        Ok(of("volume.autosync")?.unwrap_or(false))
    }

    fn name_of(&self, volume: VolumeId) -> String {
        self.store.volume_label(volume).unwrap_or_else(|_| volume.to_string())
    }
}
