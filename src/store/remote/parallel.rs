//! Does many things at a time, but not too many, and not with too much memory.

use std::sync::mpsc::channel;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::util::interrupt::{self, Interrupted};

/// Things under way at the same time.
const AT_ONCE: usize = 16;
/// Bytes held at the same time; a single larger thing goes alone.
const MEMORY: u64 = 32 << 20;

struct State {
    next: usize,
    held: u64,
    stop: bool,
}

/// Calls `work` for every item on several threads and gives what it returns, in no order, to `take` on this one.
///
/// `weight` says how many bytes of memory an item takes until `take` has returned. Ends with the first error.
pub fn each<T: Sync, R: Send, E: Send + From<Interrupted>>(
    items: &[T],
    weight: impl Fn(&T) -> u64 + Sync,
    work: impl Fn(&T) -> Result<R, E> + Sync,
    mut take: impl FnMut(&T, R) -> Result<(), E>,
) -> Result<(), E> {
    if let [item] = items {
        return take(item, work(item)?);
    }
    let state = Mutex::new(State { next: 0, held: 0, stop: false });
    let freed = Condvar::new();
    let (results, done) = channel();
    let next = || {
        let mut now = hold(&state);
        loop {
            let item = items.get(now.next).filter(|_| !now.stop)?;
            let bytes = weight(item);
            if now.held == 0 || now.held + bytes <= MEMORY {
                now.held += bytes;
                now.next += 1;
                return Some(item);
            }
            now = freed.wait(now).unwrap_or_else(PoisonError::into_inner);
        }
    };
    let free = |bytes: u64, stop: bool| {
        let mut now = hold(&state);
        now.held -= bytes;
        now.stop |= stop;
        freed.notify_all();
    };
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(items.len()) {
            let (results, next, work) = (results.clone(), &next, &work);
            scope.spawn(move || {
                while let Some(item) = next() {
                    if results.send((item, work(item))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(results);
        let mut outcome = Ok(());
        // After a failure the rest is still drained, so that the threads come to an end.
        while let Ok((item, result)) = done.recv() {
            if outcome.is_ok() {
                outcome = interrupt::check().map_err(E::from).and_then(|()| take(item, result?));
            }
            free(weight(item), outcome.is_err());
        }
        outcome
    })
}

fn hold(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // Numbers are whole after every step.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::store::remote::RemoteError;

    #[test]
    fn all_are_done_within_bounds_and_errors_end_it() {
        let held = AtomicU64::new(0);
        let items: Vec<u64> = (0..200).map(|n| (n % 40 + 1) << 20).collect();
        let mut sum = 0;
        each::<_, _, RemoteError>(
            &items,
            |n| *n,
            |n| {
                let now = held.fetch_add(*n, Ordering::SeqCst) + n;
                assert!(now <= MEMORY || now == *n, "{now}");
                Ok(*n)
            },
            |n, result| {
                sum += result;
                held.fetch_sub(*n, Ordering::SeqCst);
                Ok(())
            },
        )
        .expect("no error");
        assert_eq!(sum, items.iter().sum::<u64>());
        let failed =
            each(&items, |_| 1, |n| if *n == 5 << 20 { Err(Interrupted.into()) } else { Ok(()) }, |_, ()| Ok(()));
        assert!(matches!(failed, Err(RemoteError::Interrupted(_))));
    }
}
