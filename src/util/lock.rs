//! A lock between processes: an operating-system file lock, so that it dies with its holder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::fs::no_link;

/// A held lock; released when dropped.
#[derive(Debug)]
pub struct FileLock {
    _file: File,
}

/// Why a lock was not obtained.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process held it the whole time.
    #[error("{} is held by {holder} (waited {} s)", path.display(), waited.as_secs())]
    Held {
        /// The lock file.
        path: PathBuf,
        /// What the holder wrote about itself.
        holder: String,
        /// How long was waited.
        waited: Duration,
    },
    /// The lock file cannot be opened or locked.
    #[error("cannot lock {}", path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl FileLock {
    /// Obtains the lock at `path` (created if need be) within `timeout`.
    ///
    /// `on_wait` is called once, with what the holder said of itself, when a second has passed.
    pub fn acquire(path: &Path, timeout: Duration, on_wait: &dyn Fn(&str)) -> Result<Self, LockError> {
        let io_error = |source| LockError::Io { path: path.to_owned(), source };
        let mut file = no_link(OpenOptions::new().read(true).write(true).create(true).truncate(false))
            .open(path)
            .map_err(io_error)?;
        let started = Instant::now();
        let (mut told, mut pause) = (false, Duration::from_micros(200));
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(e)) => return Err(io_error(e)),
                Err(TryLockError::WouldBlock) => {}
            }
            let waited = started.elapsed();
            if waited >= timeout {
                return Err(LockError::Held { path: path.to_owned(), holder: read_holder(&mut file), waited });
            }
            if !told && waited >= Duration::from_secs(1) {
                on_wait(&read_holder(&mut file));
                told = true;
            }
            std::thread::sleep(pause.min(timeout - waited));
            pause = (pause * 2).min(Duration::from_millis(10));
        }
        // The note is for people who wait; failing to write it must not fail the operation.
        let _ = write_holder(&mut file);
        Ok(Self { _file: file })
    }

    /// Obtains the lock only if nobody holds it now.
    pub fn try_acquire(path: &Path) -> Result<Option<Self>, LockError> {
        match Self::acquire(path, Duration::ZERO, &|_| ()) {
            Ok(lock) => Ok(Some(lock)),
            Err(LockError::Held { .. }) => Ok(None),
            Err(e) => Err(e),
        }
    }
}

fn write_holder(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    let words: Vec<String> = std::env::args().skip(1).take(2).collect();
    write!(file, "process {} (graft {})", std::process::id(), words.join(" "))
}

fn read_holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.seek(SeekFrom::Start(0)).and_then(|_| file.take(200).read_to_string(&mut text));
    if read.is_err() || text.is_empty() { "another process".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holder_at_a_time() {
        let dir = tempfile::tempdir().expect("temp dir");
        let path = dir.path().join("lock");
        let held = FileLock::acquire(&path, Duration::ZERO, &|_| ()).expect("free");
        let err = FileLock::acquire(&path, Duration::from_millis(20), &|_| ()).expect_err("held");
        assert!(err.to_string().contains(&format!("process {}", std::process::id())), "{err}");
        drop(held);
        assert!(FileLock::try_acquire(&path).expect("lockable").is_some());
    }
}
