//! A remote in a folder, local or on a network file system.
//!
//! Objects are files named by their keys, written under a temporary name in `tmp`, synced and renamed. What depends on the
//! state before (a swap) happens under a lock on the file `lock`, which the operating system releases when its holder dies:
//! a killed process cannot wedge the remote. Reading needs no lock and no permission to write.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::ops::Range;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use super::backend::{Backend, Found, Listed, Version, is_key};
use super::error::{RemoteError, Result};
use super::memory::version_of;
use crate::model::limits;
use crate::util::fs::{self as durable, TempFile};
use crate::util::lock::FileLock;

const LOCK: &str = "lock";
const TMP: &str = "tmp";
/// Bytes copied at a time.
const PART: usize = 1 << 20;
/// How long a swap waits for others; each holds the lock for milliseconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// A remote in a folder.
pub struct Directory {
    top: PathBuf,
}

impl Directory {
    /// Opens the remote in `top`, which need not exist yet.
    pub fn open(top: &Path) -> Self {
        Self { top: top.to_owned() }
    }

    fn path(&self, key: &str) -> PathBuf {
        debug_assert!(is_key(key), "{key}");
        self.top.join(key)
    }

    fn url(&self) -> String {
        self.top.display().to_string()
    }

    /// Refuses a folder in which something is a symbolic link: what is written and removed here would be somewhere else.
    fn refuse_links(&self) -> Result<()> {
        match durable::link_in(&self.top).map_err(failed("list", &self.top))? {
            Some(name) => Err(self.damaged(&name, "it is a symbolic link")),
            None => Ok(()),
        }
    }

    /// Makes the folders for an object. The folder of the remote itself is made, but not the one it lies in.
    fn prepare(&self, path: &Path) -> Result<()> {
        if !self.top.is_dir() {
            if !self.top.parent().is_some_and(Path::is_dir) {
                return Err(RemoteError::NoPlace { url: self.url(), source: None });
            }
            durable::create_dir_all(&self.top).map_err(failed("create", &self.top))?;
        }
        self.refuse_links()?;
        for folder in [self.top.join(TMP).as_path(), path.parent().unwrap_or(&self.top)] {
            durable::create_dir_all(folder).map_err(failed("create", folder))?;
        }
        Ok(())
    }

    fn damaged(&self, key: &str, what: &str) -> RemoteError {
        RemoteError::Damaged { url: self.url(), key: key.to_owned(), what: what.to_owned() }
    }

    /// Reads a file of no more bytes than that.
    fn read_plain(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        let file = open_plain(path)?;
        let len = file.metadata()?.len();
        let mut bytes = Vec::with_capacity(len.min(limit) as usize);
        file.take(limit + 1).read_to_end(&mut bytes)?;
        match bytes.len() as u64 <= limit {
            true => Ok(bytes),
            false => Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is longer than {limit} bytes"))),
        }
    }

    fn temp(&self) -> Result<TempFile> {
        let tmp = self.top.join(TMP);
        TempFile::create_in(&tmp).map_err(failed("write", &tmp))
    }

    fn walk(&self, dir: &Path, prefix: &str, each: &mut dyn FnMut(Listed) -> bool) -> Result<bool> {
        let entries = match fs::read_dir(dir) {
            Ok(entries) => entries,
            Err(e) if is_absent(&e) => return Ok(true),
            Err(e) => return Err(failed("list", dir)(e)),
        };
        for entry in entries {
            let entry = entry.map_err(failed("list", dir))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if prefix.is_empty() && (name == TMP || name == LOCK) {
                continue;
            }
            let key = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
            let meta = match entry.metadata() {
                Ok(meta) => meta,
                Err(e) if is_absent(&e) => continue,
                Err(e) => return Err(failed("read", &entry.path())(e)),
            };
            let go_on = match meta.is_dir() {
                true => self.walk(&entry.path(), &key, each)?,
                // What nobody wrote here by such a name is nobody's object.
                false if !is_key(&key) => true,
                false => {
                    let modified = meta.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok());
                    each(Listed { key, len: meta.len(), modified_ms: modified.map_or(0, |d| d.as_millis() as i64) })
                }
            };
            if !go_on {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Backend for Directory {
    fn is_repository(&self) -> bool {
        [self.top.join(".graft"), self.top.clone()]
            .iter()
            .any(|dir| ["HEAD", "format"].iter().all(|name| dir.join(name).is_file()))
    }

    fn is_there(&self) -> Result<bool> {
        Ok(self.top.is_dir())
    }

    fn read(&self, key: &str) -> Result<Option<Found>> {
        let path = self.path(key);
        match self.read_plain(&path, limits::of_key(key)) {
            Ok(bytes) => Ok(Some(Found { version: version_of(&bytes), bytes })),
            Err(e) if is_absent(&e) => Ok(None),
            Err(e) if e.kind() == io::ErrorKind::FileTooLarge => Err(self.damaged(key, &e.to_string())),
            Err(e) => Err(failed("read", &path)(e)),
        }
    }

    fn read_range(&self, key: &str, range: Range<u64>) -> Result<Option<Vec<u8>>> {
        let path = self.path(key);
        let file = match open_plain(&path) {
            Ok(file) => file,
            Err(e) if is_absent(&e) => return Ok(None),
            Err(e) => return Err(failed("read", &path)(e)),
        };
        if file.metadata().map_err(failed("read", &path))?.len() < range.end {
            return Err(self.damaged(key, "it is too short"));
        }
        let mut bytes = vec![0; (range.end - range.start) as usize];
        match file.read_exact_at(&mut bytes, range.start) {
            Ok(()) => Ok(Some(bytes)),
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Err(self.damaged(key, "it is too short")),
            Err(e) => Err(failed("read", &path)(e)),
        }
    }

    fn size(&self, key: &str) -> Result<Option<u64>> {
        let path = self.path(key);
        match fs::metadata(&path) {
            Ok(meta) => Ok(Some(meta.len())),
            Err(e) if is_absent(&e) => Ok(None),
            Err(e) => Err(failed("read", &path)(e)),
        }
    }

    fn swap(&self, key: &str, old: Option<&Version>, new: &[u8]) -> Result<bool> {
        let path = self.path(key);
        self.prepare(&path)?;
        let mut file = self.temp()?;
        file.write_all(new).map_err(failed("write", file.path()))?;
        file.sync().map_err(failed("write", file.path()))?;
        let _lock = FileLock::acquire(&self.top.join(LOCK), PATIENCE, &|_| ())?;
        if self.read(key)?.map(|found| found.version).as_ref() != old {
            return Ok(false);
        }
        file.persist(&path).map_err(failed("write", &path))?;
        // Leftovers of killed processes; whoever swaps next removes them.
        let _ = durable::remove_stale(&self.top.join(TMP));
        Ok(true)
    }

    fn upload(&self, key: &str, file: &File, len: u64, sent: &dyn Fn(u64)) -> Result<()> {
        let path = self.path(key);
        self.prepare(&path)?;
        let mut to = self.temp()?;
        let mut buffer = vec![0; PART];
        let mut at = 0;
        while at < len {
            let part = &mut buffer[..PART.min((len - at) as usize)];
            file.read_exact_at(part, at).map_err(failed("read", &path))?;
            to.write_all(part).map_err(failed("write", &path))?;
            at += part.len() as u64;
            sent(part.len() as u64);
        }
        to.persist(&path).map_err(failed("write", &path))
    }

    fn list(&self, prefix: &str, each: &mut dyn FnMut(Listed) -> bool) -> Result<()> {
        self.refuse_links()?;
        self.walk(&self.top.join(prefix), prefix, each).map(drop)
    }

    fn remove(&self, key: &str) -> Result<()> {
        self.refuse_links()?;
        let path = self.path(key);
        match durable::remove(&path) {
            Err(e) if !is_absent(&e) => Err(failed("remove", &path)(e)),
            _ => Ok(()),
        }
    }
}

/// Opens a file to read it; anything else than a plain file, such as a pipe that nobody writes to, is refused.
fn open_plain(path: &Path) -> io::Result<File> {
    let flags = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    let file = fs::OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let meta = file.metadata()?;
    match meta.is_file() {
        true => Ok(file),
        false if meta.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        false => Err(io::Error::other("it is not a plain file")),
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory)
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RemoteError + use<> {
    let path = path.to_owned();
    move |source| RemoteError::Io { action, path, source }
}
