//! An open remote: reading its root, and replacing it so that nobody's change is lost.

use std::ops::Range;
use std::time::Duration;

use super::backend::{Backend, Version};
use super::credentials::RemoteEnv;
use super::error::{RemoteError, Result};
use super::open_backend;
use super::root::{Nonce, ROOT, Root};
use super::traffic::{Counted, Counter, Traffic};
use super::url::RemoteUrl;
use crate::model::{SegmentId, limits};
use crate::store::StoreError;
use crate::util::random;

/// How often others may come first before a change is given up.
const TRIES: usize = 40;
/// How often a change is tried again when nothing tells whether it was heard.
pub(super) const ERRORS: usize = 3;

/// How often something is planned anew because objects were removed from the remote meanwhile.
pub const PLANS: usize = 10;

/// The folders of a remote.
pub const FOLDERS: [&str; 5] = ["bundles/", "segments/", "catalogues/", "volumes/", "logs/"];

/// An open remote.
pub struct Remote {
    backend: Box<dyn Backend>,
    counter: Counter,
    url: String,
}

/// The root as it was read, and which state of the object that is.
#[derive(Clone, Debug)]
pub struct State {
    /// The root; a new one if there is none yet.
    pub root: Root,
    /// The state of the object; `None` if there is none yet.
    version: Option<Version>,
}

impl State {
    /// Tells whether the remote has been written to.
    pub fn exists(&self) -> bool {
        self.version.is_some()
    }
}

impl Remote {
    /// Opens a remote. Sends no request and makes nothing.
    pub fn open(url: &RemoteUrl, env: &RemoteEnv) -> Result<Self> {
        Ok(Self::on(open_backend(url, env)?, url.to_string()))
    }

    /// Opens the remote that a backend keeps; `url` stands for it in errors.
    pub fn on(backend: Box<dyn Backend>, url: String) -> Self {
        let counter = Counter::default();
        Self { backend: Box::new(Counted { inner: backend, counter: counter.clone() }), counter, url }
    }

    /// Returns the URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the requests made until now.
    pub fn traffic(&self) -> Traffic {
        self.counter.get()
    }

    pub(in crate::store) fn backend(&self) -> &dyn Backend {
        &*self.backend
    }

    /// Reads the root to write to the remote, which need not exist yet.
    pub fn state(&self) -> Result<State> {
        match self.backend.read(ROOT)? {
            Some(found) => Ok(State { root: Root::decode(&found.bytes, &self.url)?, version: Some(found.version) }),
            None => {
                self.deny_foreign_objects()?;
                Ok(State { root: Root::new(random::bytes()), version: None })
            }
        }
    }

    /// Reads the root of a remote that has to be there, though it may be empty.
    pub fn existing_state(&self) -> Result<State> {
        if !self.backend.is_there()? {
            return Err(RemoteError::NoPlace { url: self.url.clone(), source: None });
        }
        self.state()
    }

    /// Tells whether an error may come of a collection that removed what a root named, when the root was read after `collections` of
    /// them: then whoever reads it again finds all that it names.
    pub fn was_collected(&self, collections: u64, error: &RemoteError) -> Result<bool> {
        let is_missing = match error {
            RemoteError::Missing { .. } => true,
            RemoteError::Store(error) => matches!(**error, StoreError::NotHere { .. }),
            _ => false,
        };
        Ok(is_missing && self.state()?.root.collections != collections)
    }

    /// Refuses places that hold other people's objects: this is most probably the wrong bucket.
    fn deny_foreign_objects(&self) -> Result<()> {
        let mut example = None;
        self.backend.list("", &mut |one| {
            // A first push that was interrupted leaves objects and no root.
            if !FOLDERS.iter().any(|folder| one.key.starts_with(folder)) {
                example = Some(one.key);
            }
            example.is_none()
        })?;
        match example {
            Some(_) if self.backend.is_repository() => Err(RemoteError::Repository { url: self.url.clone() }),
            Some(example) => Err(RemoteError::NotARemote { url: self.url.clone(), example }),
            None => Ok(()),
        }
    }

    /// Reads an object that others refer to.
    pub(super) fn needed(&self, key: &str) -> Result<Vec<u8>> {
        let missing = || RemoteError::Missing { url: self.url.clone(), key: key.to_owned() };
        Ok(self.backend.read(key)?.ok_or_else(missing)?.bytes)
    }

    /// Reads bytes of a segment.
    pub fn read_segment(&self, id: SegmentId, range: Range<u64>) -> Result<Vec<u8>> {
        let key = format!("segments/{id}");
        let missing = || RemoteError::Missing { url: self.url.clone(), key: key.clone() };
        match self.backend.read_range(&key, range)? {
            Some(bytes) => Ok(bytes),
            None if !self.backend.is_there()? => Err(RemoteError::NoPlace { url: self.url.clone(), source: None }),
            None => Err(missing()),
        }
    }

    /// Checks the length that something says of an object, before room is made for it.
    pub(in crate::store) fn confirm_len(&self, key: &str, len: u64) -> Result<()> {
        if len <= limits::BELIEVED {
            return Ok(());
        }
        let what = match self.backend.size(key)? {
            Some(found) if found == len => return Ok(()),
            Some(found) => format!("it has {found} bytes and not {len}"),
            None => return Err(RemoteError::Missing { url: self.url.clone(), key: key.to_owned() }),
        };
        Err(RemoteError::Damaged { url: self.url.clone(), key: key.to_owned(), what })
    }

    /// Writes an object under a name that stands for its content or that nobody else has.
    pub(super) fn write_new(&self, key: &str, bytes: &[u8]) -> Result<()> {
        for _ in 0..ERRORS {
            if self.backend.swap(key, None, bytes)? || self.backend.size(key)? == Some(bytes.len() as u64) {
                return Ok(());
            }
            // Refused, and yet not there.
            pause(ERRORS);
        }
        Err(RemoteError::Busy { url: self.url.clone(), tries: ERRORS })
    }

    /// Replaces the root by what `edit` makes of it, and returns the new one.
    ///
    /// `edit` is called again on a newer root whenever somebody else came first; its error ends the matter.
    pub fn update<E: From<RemoteError>>(
        &self,
        mut state: State,
        edit: &mut dyn FnMut(&mut Root) -> Result<(), E>,
    ) -> Result<Root, E> {
        let nonce = Nonce::new(random::bytes());
        let mut errors = 0;
        for tries in 0..TRIES {
            let mut next = state.root.clone();
            edit(&mut next)?;
            next.sign(nonce);
            if let Err(error) = self.fold(&mut next) {
                if !self.was_collected(state.root.collections, &error)? {
                    return Err(error.into());
                }
                state = self.state()?;
                continue;
            }
            let bytes = next.encode();
            if bytes.len() as u64 > limits::ROOT {
                return Err(RemoteError::TooManyRefs { url: self.url.clone(), limit: limits::ROOT }.into());
            }
            let answer = self.backend.swap(ROOT, state.version.as_ref(), &bytes);
            if matches!(answer, Ok(true)) {
                return Ok(next);
            }
            // Refused, or no answer: either way it may have been heard the first time. What the root says counts.
            state = match (self.state(), answer) {
                (Ok(state), _) if state.root.updates.contains(&nonce) => return Ok(state.root),
                (Ok(state), Ok(_)) => state,
                (Ok(state), Err(_)) if errors < ERRORS => {
                    errors += 1;
                    state
                }
                (_, Err(error)) | (Err(error), _) => return Err(error.into()),
            };
            pause(tries);
        }
        Err(RemoteError::Busy { url: self.url.clone(), tries: TRIES }.into())
    }
}

/// Waits a little before the next try, longer each time, and never as long as others do.
pub(super) fn pause(tries: usize) {
    let most = 10u64 << tries.min(6);
    let [byte] = random::bytes::<1>();
    std::thread::sleep(Duration::from_millis(most * u64::from(byte) / 255));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ObjectId, RefName};

    fn memory(name: &str) -> Remote {
        Remote::open(&format!("memory:{name}").parse().expect("a URL"), &RemoteEnv::default()).expect("opens")
    }

    fn set(remote: &Remote, name: &str, n: u8) {
        let name = RefName::branch(name).expect("valid");
        let state = remote.state().expect("readable");
        remote
            .update::<RemoteError>(state, &mut |root| {
                root.set(&name, ObjectId::from_bytes([n; 32]), None);
                Ok(())
            })
            .expect("heard");
    }

    #[test]
    fn concurrent_updates_are_all_kept() {
        let remote = memory("place-concurrent");
        std::thread::scope(|scope| {
            for me in 0..8u8 {
                scope.spawn(move || {
                    let remote = memory("place-concurrent");
                    (0..10).for_each(|n| set(&remote, &format!("b{me}-{n}"), n));
                });
            }
        });
        assert_eq!(remote.state().expect("readable").root.refs.len(), 80);
    }

    #[test]
    fn other_peoples_objects_are_left_alone() {
        let remote = memory("place-foreign");
        assert!(!remote.state().expect("empty").exists());
        assert!(remote.backend().swap("segments/x", None, b"left over").expect("written"));
        assert!(!remote.state().expect("an interrupted first push").exists());
        assert!(remote.backend().swap("holiday.jpg", None, b"jpg").expect("written"));
        assert!(matches!(remote.state(), Err(RemoteError::NotARemote { example, .. }) if example == "holiday.jpg"));
    }

    #[test]
    fn the_root_stays_small_and_keeps_every_bundle() {
        use crate::model::gid::PackId;
        use crate::store::remote::BundleEntry;
        let remote = memory("place-many");
        let entry = |n: u32| BundleEntry {
            id: PackId::new(u64::from(n), [1; 9]),
            len: u64::from(n),
            tail: 1,
            hash: serde_bytes::ByteArray::new([n as u8; 32]),
        };
        for n in 0..2000 {
            let state = remote.state().expect("readable");
            remote
                .update::<RemoteError>(state, &mut |root| {
                    root.bundles.push(entry(n));
                    Ok(())
                })
                .expect("heard");
        }
        let root = remote.state().expect("readable").root;
        assert!(root.encode().len() < 16 << 10, "{} bytes", root.encode().len());
        assert!(root.catalogues.len() < 32, "{}", root.catalogues.len());
        let all = remote.all_bundles(&root).expect("readable");
        assert!(all.iter().map(|b| b.len).eq(0..2000), "all of them, in order");
    }
}
