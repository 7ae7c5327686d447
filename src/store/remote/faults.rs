//! A remote in memory on which the N-th request goes wrong, or others act right before it.

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::backend::{Backend, Found, Listed, Version};
use super::error::{RemoteError, Result};
use super::memory::Memory;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The request fails and has no effect: 503, or no connection.
    Before,
    /// The request has its effect, and its answer is lost: a timeout.
    After,
    /// A conditional write has its effect and is repeated by the client, which is then refused: 409 or 412.
    RefusedAfter,
    /// A conditional write is refused although nobody else wrote: 409.
    RefusedBefore,
    /// The body of the answer is cut short.
    Truncated,
    /// A bit of the answer is wrong.
    Flipped,
    /// The answer takes its time.
    Slow,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Before,
        Self::After,
        Self::RefusedAfter,
        Self::RefusedBefore,
        Self::Truncated,
        Self::Flipped,
        Self::Slow,
    ];
}

/// When something goes wrong.
#[derive(Clone, Copy)]
struct Plan {
    fault: Fault,
    left: u64,
}

static PLANS: LazyLock<Mutex<BTreeMap<String, Plan>>> = LazyLock::new(Mutex::default);

fn plans() -> MutexGuard<'static, BTreeMap<String, Plan>> {
    PLANS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets the `nth` request from now on to a remote in memory go wrong, once.
pub fn inject(name: &str, fault: Fault, nth: u64) {
    plans().insert(name.to_owned(), Plan { fault, left: nth });
}

/// Lets nothing go wrong any more; tells whether something had.
pub fn settle(name: &str) -> bool {
    plans().remove(name).is_none_or(|plan| plan.left == 0)
}

/// What somebody else does.
type Act = Box<dyn FnOnce() + Send>;

static ACTS: LazyLock<Mutex<BTreeMap<String, (u64, Act)>>> = LazyLock::new(Mutex::default);

fn acts() -> MutexGuard<'static, BTreeMap<String, (u64, Act)>> {
    ACTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets somebody else act right before the `nth` request from now on to a remote in memory; the requests of that are not counted.
pub fn interleave(name: &str, nth: u64, act: impl FnOnce() + Send + 'static) {
    acts().insert(name.to_owned(), (nth, Box::new(act)));
}

/// Ends the waiting for a request; tells whether somebody else has acted.
pub fn has_acted(name: &str) -> bool {
    acts().remove(name).is_none()
}

/// Lets others act if it is time for that.
fn let_others_act(name: &str) {
    let mut waiting = acts();
    let Some((left, _)) = waiting.get_mut(name) else { return };
    *left -= 1;
    if *left == 0
        && let Some((_, act)) = waiting.remove(name)
    {
        drop(waiting);
        act();
    }
}

/// Calls `round` with every fault at the first, second, … request until there are no more requests. Returns the number of rounds.
pub fn each_request(remote: &str, round: impl FnMut(Fault, u64) -> bool) -> usize {
    each_request_of(&Fault::ALL, remote, round)
}

/// The same with some faults.
pub fn each_request_of(faults: &[Fault], remote: &str, mut round: impl FnMut(Fault, u64) -> bool) -> usize {
    let mut rounds = 0;
    for &fault in faults {
        for nth in 1.. {
            let reached = round(fault, nth);
            settle(remote);
            rounds += 1;
            if !reached {
                break;
            }
        }
    }
    rounds
}

/// A remote in memory with faults.
pub struct Faulty {
    name: String,
    inner: Memory,
}

impl Faulty {
    /// Wraps a remote in memory.
    pub fn new(name: &str, inner: Memory) -> Self {
        Self { name: name.to_owned(), inner }
    }

    /// Returns what goes wrong with this request.
    fn now(&self) -> Option<Fault> {
        let_others_act(&self.name);
        let mut plans = plans();
        let plan = plans.get_mut(&self.name).filter(|plan| plan.left > 0)?;
        plan.left -= 1;
        (plan.left == 0).then_some(plan.fault)
    }

    fn error(&self, key: &str) -> RemoteError {
        RemoteError::Failed { url: self.name.clone(), key: key.to_owned(), source: "injected fault".into() }
    }

    /// Makes an answer of what was read.
    fn answer<T>(&self, key: &str, read: impl Fn() -> Result<T>, spoil: impl Fn(&mut T, Fault)) -> Result<T> {
        match self.now() {
            // Only writes are refused.
            None | Some(Fault::RefusedAfter | Fault::RefusedBefore) => read(),
            Some(Fault::Slow) => {
                std::thread::sleep(Duration::from_millis(5));
                read()
            }
            Some(fault @ (Fault::Truncated | Fault::Flipped)) => {
                let mut answer = read()?;
                spoil(&mut answer, fault);
                Ok(answer)
            }
            Some(_) => Err(self.error(key)),
        }
    }
}

fn spoil(bytes: &mut Vec<u8>, fault: Fault) {
    let half = bytes.len() / 2;
    match fault {
        Fault::Truncated => bytes.truncate(half),
        _ if bytes.is_empty() => {}
        _ => bytes[half] ^= 0x10,
    }
}

impl Backend for Faulty {
    fn read(&self, key: &str) -> Result<Option<Found>> {
        self.answer(
            key,
            || self.inner.read(key),
            |found, fault| {
                if let Some(found) = found {
                    spoil(&mut found.bytes, fault);
                }
            },
        )
    }

    fn read_range(&self, key: &str, range: Range<u64>) -> Result<Option<Vec<u8>>> {
        // Too few bytes of a range are noticed by every backend itself.
        let cut = |bytes: &mut Option<Vec<u8>>, fault| {
            if let (Some(bytes), Fault::Flipped) = (bytes, fault) {
                spoil(bytes, fault);
            }
        };
        self.answer(key, || self.inner.read_range(key, range.clone()), cut)
    }

    fn size(&self, key: &str) -> Result<Option<u64>> {
        self.answer(key, || self.inner.size(key), |_, _| ())
    }

    fn swap(&self, key: &str, old: Option<&Version>, new: &[u8]) -> Result<bool> {
        match self.now() {
            Some(Fault::Before) => Err(self.error(key)),
            Some(Fault::After) => self.inner.swap(key, old, new).and(Err(self.error(key))),
            Some(Fault::RefusedAfter) => self.inner.swap(key, old, new).map(|_| false),
            Some(Fault::RefusedBefore) => Ok(false),
            _ => self.inner.swap(key, old, new),
        }
    }

    fn upload(&self, key: &str, file: &File, len: u64, sent: &dyn Fn(u64)) -> Result<()> {
        match self.now() {
            Some(Fault::Before) => Err(self.error(key)),
            Some(Fault::After) => self.inner.upload(key, file, len, sent).and(Err(self.error(key))),
            _ => self.inner.upload(key, file, len, sent),
        }
    }

    fn list(&self, prefix: &str, each: &mut dyn FnMut(Listed) -> bool) -> Result<()> {
        match self.now() {
            Some(Fault::Before | Fault::After) => Err(self.error(prefix)),
            _ => self.inner.list(prefix, each),
        }
    }

    fn remove(&self, key: &str) -> Result<()> {
        match self.now() {
            Some(Fault::Before) => Err(self.error(key)),
            Some(Fault::After) => self.inner.remove(key).and(Err(self.error(key))),
            _ => self.inner.remove(key),
        }
    }
}
