//! Durable file operations: the one place through which every write, fsync and rename of Graft's own files goes.
//!
//! Invariant: a file appears under its final name only when its bytes are on disk, and the name is on disk before the
//! call returns. In builds with debug assertions every operation is a numbered *crash point*: `GRAFT_CRASH_AT=N` aborts
//! the process at the N-th (a write leaves half of its bytes), `GRAFT_CRASH_COUNT=FILE` notes their number at exit.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::random;

/// The temporary files of this process, for [`remove_living_temp_files`].
static LIVING: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn living() -> MutexGuard<'static, Vec<PathBuf>> {
    // A list of paths is whole after every single step of its changes.
    LIVING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A file being written under a temporary name; removed when dropped before [`TempFile::persist`].
///
/// Holds a file lock while it lives, so that [`remove_stale`] can tell it from a leftover.
pub struct TempFile {
    file: File,
    path: PathBuf,
    persisted: bool,
}

impl TempFile {
    /// Creates a new file in `dir`, which must lie on the file system of the final place.
    pub fn create_in(dir: &Path) -> io::Result<Self> {
        crash::point();
        let name: String = random::bytes::<8>().iter().map(|b| format!("{b:02x}")).collect();
        let path = dir.join(format!("tmp-{name}"));
        // Known before it exists, so that an interruption between the two leaves nothing.
        living().push(path.clone());
        let opened = OpenOptions::new().read(true).write(true).create_new(true).open(&path);
        let file = opened.inspect_err(|_| living().retain(|p| *p != path))?;
        // A file system without locks costs only the early clean-up of leftovers.
        let _ = file.try_lock();
        Ok(Self { file, path, persisted: false })
    }

    /// Returns the open file, for reading back and for `metadata`.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Writes bytes at an offset; several threads may do so at a time.
    pub fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        crash::point();
        std::os::unix::fs::FileExt::write_all_at(&self.file, bytes, offset)
    }

    /// Fails if the file system says that there is no room for so many bytes more. One that does not know says that it has no blocks.
    pub fn expect_room(&self, bytes: u64) -> io::Result<()> {
        let room = rustix::fs::fstatvfs(&self.file)?;
        match room.f_blocks == 0 || room.f_bavail.saturating_mul(room.f_frsize) >= bytes {
            true => Ok(()),
            false => Err(io::ErrorKind::StorageFull.into()),
        }
    }

    /// Returns the temporary path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits until the bytes written so far are on disk.
    pub fn sync(&self) -> io::Result<()> {
        crash::point();
        self.file.sync_data()
    }

    /// Makes the file durable and gives it its final name, replacing what was there.
    pub fn persist(mut self, to: &Path) -> io::Result<()> {
        crash::point();
        self.file.sync_all()?;
        rename(&self.path, to)?;
        self.persisted = true;
        Ok(())
    }

    /// Gives the file its final name without waiting for the disk: for caches that carry a checksum.
    pub fn persist_relaxed(mut self, to: &Path) -> io::Result<()> {
        crash::point();
        fs::rename(&self.path, to)?;
        self.persisted = true;
        Ok(())
    }
}

impl Write for TempFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        crash::write(&mut self.file, bytes);
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        if !self.persisted {
            let _ = fs::remove_file(&self.path);
        }
        living().retain(|p| *p != self.path);
    }
}

/// Replaces a file atomically and durably; `tmp` is a folder on the same file system.
pub fn replace(path: &Path, tmp: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = TempFile::create_in(tmp)?;
    file.write_all(bytes)?;
    file.persist(path)
}

/// Has a file opened only if its name is no symbolic link.
pub fn no_link(options: &mut OpenOptions) -> &mut OpenOptions {
    options.custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32)
}

/// Returns the name of an entry of a folder that is a symbolic link, if there is one; none where there is no such folder.
pub fn link_in(dir: &Path) -> io::Result<Option<String>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_symlink() {
            return Ok(Some(entry.file_name().to_string_lossy().into_owned()));
        }
    }
    Ok(None)
}

/// Appends to a file and waits until the bytes are on disk; creates the file durably if need be.
///
/// After a failure the file may end in a part of `bytes`, which a reader must be able to recognise.
pub fn append(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let is_new = !path.exists();
    let mut file = no_link(OpenOptions::new().append(true).create(true)).open(path)?;
    crash::write(&mut file, bytes);
    file.write_all(bytes)?;
    crash::point();
    file.sync_data()?;
    if is_new { sync_parent(path) } else { Ok(()) }
}

/// Appends a line to a file that may lose its last lines in a power cut; a line left half written before is ended first.
pub fn append_line_relaxed(path: &Path, line: &str) -> io::Result<()> {
    let mut file = no_link(OpenOptions::new().read(true).append(true).create(true)).open(path)?;
    let len = file.metadata()?.len();
    let mut last = [b'\n'];
    if len > 0 {
        file.read_exact_at(&mut last, len - 1)?;
    }
    let bytes = [if last == [b'\n'] { "" } else { "\n" }, line, "\n"].concat();
    crash::write(&mut file, bytes.as_bytes());
    file.write_all(bytes.as_bytes())
}

/// Cuts a file to `len` bytes, durably.
pub fn truncate(path: &Path, len: u64) -> io::Result<()> {
    let file = no_link(OpenOptions::new().write(true)).open(path)?;
    crash::point();
    file.set_len(len)?;
    file.sync_data()
}

/// Renames durably.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    crash::point();
    fs::rename(from, to)?;
    sync_parent(to)
}

/// Removes a file durably; it is no error if it is not there.
pub fn remove(path: &Path) -> io::Result<()> {
    crash::point();
    match fs::remove_file(path) {
        Ok(()) => sync_parent(path),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e),
    }
}

/// Removes a folder if it is empty; tells whether it is gone.
pub fn remove_empty_dir(path: &Path) -> io::Result<bool> {
    crash::point();
    match fs::remove_dir(path) {
        Ok(()) => sync_parent(path).map(|()| true),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(false),
        Err(e) => Err(e),
    }
}

/// Creates a folder and its parents, durably.
pub fn create_dir_all(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent()
        && !parent.as_os_str().is_empty()
    {
        create_dir_all(parent)?;
    }
    crash::point();
    match fs::create_dir(path) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(e) => Err(e),
        Ok(()) => sync_parent(path),
    }
}

/// Waits until the names in the folder of `path` are on disk.
pub fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p,
        _ => Path::new("."),
    };
    crash::point();
    File::open(parent)?.sync_all()
}

/// Tells whether the user may write to a file or into a folder.
pub fn may_write(path: &Path) -> bool {
    rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok()
}

/// Removes temporary files in `dir` that no living process holds and that are older than a minute.
pub fn remove_stale(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        // Whatever else lies there is not ours.
        let is_ours = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"tmp-"));
        let old = fs::symlink_metadata(&path)
            .and_then(|m| if m.is_file() { m.modified() } else { Err(io::ErrorKind::InvalidInput.into()) })
            .is_ok_and(|t| t.elapsed().is_ok_and(|age| age.as_secs() > 60));
        if is_ours && old && File::open(&path).is_ok_and(|f| f.try_lock().is_ok()) {
            let _ = fs::remove_file(&path);
        }
    }
    Ok(())
}

/// Removes the temporary files of this process; for an end of the process that runs no destructors.
pub fn remove_living_temp_files() {
    for path in living().drain(..) {
        let _ = fs::remove_file(path);
    }
}

/// Notes the number of crash points passed, if the environment asks for it.
pub fn report_crash_points() {
    crash::report();
}

/// Counts as one crash point of its own: for steps that are not a file operation of this module.
pub fn crash_point() {
    crash::point();
}

#[cfg(debug_assertions)]
mod crash {
    use std::fs::File;
    use std::io::Write;
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static PASSED: AtomicU64 = AtomicU64::new(0);
    static STOP_AT: LazyLock<Option<u64>> =
        LazyLock::new(|| std::env::var("GRAFT_CRASH_AT").ok().and_then(|n| n.parse().ok()));

    fn is_last() -> bool {
        let n = PASSED.fetch_add(1, Ordering::SeqCst) + 1;
        *STOP_AT == Some(n)
    }

    pub fn point() {
        if is_last() {
            std::process::abort();
        }
    }

    pub fn write(file: &mut File, bytes: &[u8]) {
        if is_last() {
            let _ = file.write_all(&bytes[..bytes.len() / 2]);
            std::process::abort();
        }
    }

    pub fn report() {
        if let Some(path) = std::env::var_os("GRAFT_CRASH_COUNT") {
            let _ = std::fs::write(path, PASSED.load(Ordering::SeqCst).to_string());
        }
    }
}

#[cfg(not(debug_assertions))]
mod crash {
    pub fn point() {}
    pub fn write(_: &mut std::fs::File, _: &[u8]) {}
    pub fn report() {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replace_append_and_stale_files() {
        let dir = tempfile::tempdir().expect("temp dir");
        let path = dir.path().join("a");
        replace(&path, dir.path(), b"one").expect("replace");
        replace(&path, dir.path(), b"two").expect("replace");
        append(&path, b" three").expect("append");
        assert_eq!(fs::read(&path).expect("read"), b"two three");
        assert_eq!(fs::read_dir(dir.path()).expect("list").count(), 1, "no temporary file is left");
        let kept = TempFile::create_in(dir.path()).expect("create");
        remove_stale(dir.path()).expect("clean");
        assert!(kept.path().exists(), "a living temporary file stays");
        assert!(living().iter().any(|p| p == kept.path()));
        let gone = kept.path().to_owned();
        drop(kept);
        assert!(!living().contains(&gone) && !gone.exists());
    }
}
