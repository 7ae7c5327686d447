//! Who holds a database file: the locks of other processes, as far as the system tells.

use std::fmt;
use std::path::{Path, PathBuf};

/// What a lock lets its holder do (SQLite's five locking states and the WAL's locks).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LockKind {
    /// Reads; keeps writers from finishing.
    Shared,
    /// Has a connection to a database in WAL mode, or reads through it.
    Wal,
    /// Prepares a write; readers may go on.
    Reserved,
    /// Waits for readers to finish, and lets no new one in.
    Pending,
    /// Writes; nobody else may read.
    Exclusive,
}

/// One process that holds a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockHolder {
    /// Its process id.
    pub pid: u32,
    /// Its command name; empty if it cannot be read.
    pub command: String,
    /// The strongest lock it holds.
    pub lock: LockKind,
}

/// The processes that hold locks on a database; empty where the system does not tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LockHolders(pub Vec<LockHolder>);

impl LockHolders {
    /// Finds out who holds locks on a database file or its `-shm`, this process aside.
    pub fn of(path: &Path) -> Self {
        let mut holders: Vec<LockHolder> = Vec::new();
        for (pid, lock) in system::locks(path) {
            match holders.iter_mut().find(|h| h.pid == pid) {
                Some(holder) => holder.lock = holder.lock.max(lock),
                None => holders.push(LockHolder { pid, command: system::command(pid), lock }),
            }
        }
        holders.sort_by_key(|h| (std::cmp::Reverse(h.lock), h.pid));
        Self(holders)
    }
}

impl fmt::Display for LockKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shared => "reading",
            Self::Wal => "connected in WAL mode",
            Self::Reserved => "about to write",
            Self::Pending => "waiting to write",
            Self::Exclusive => "exclusive lock",
        })
    }
}

/// Writes `python3 (pid 123, exclusive lock) and sqlite3 (pid 124, reading)`, or `another process`.
impl fmt::Display for LockHolders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("another process");
        }
        for (i, LockHolder { pid, command, lock }) in self.0.iter().enumerate() {
            let name = if command.is_empty() { "a process" } else { command };
            write!(f, "{}{name} (pid {pid}, {lock})", if i == 0 { "" } else { " and " })?;
        }
        Ok(())
    }
}

/// Returns the path of a file that SQLite keeps beside a database: `-wal`, `-shm`, `-journal`.
pub fn sidecar(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Finds out which of some databases other programs have open, locked or not, and says by whom. Only Linux tells about
/// programs without a lock, and only about those of the same user.
pub fn openers(paths: &[PathBuf]) -> Vec<(usize, String)> {
    open_in(&paths.iter().map(|path| (path.clone(), Access::Any)).collect::<Vec<_>>())
}

/// How a program has a file open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// In whatever way.
    Any,
    /// Such that it may write into it.
    Write,
}

/// Finds out the same of files of any kind, by the way they are open.
pub fn open_in(files: &[(PathBuf, Access)]) -> Vec<(usize, String)> {
    let paths: Vec<&PathBuf> = files.iter().map(|(path, _)| path).collect();
    let mut found: Vec<(usize, Vec<String>)> = files.iter().map(|_| Vec::new()).enumerate().collect();
    for (i, pid) in system::open_files(files) {
        found[i].1.push(format!("{} (pid {pid})", system::command(pid)));
    }
    for (i, who) in &mut found {
        let holders = LockHolders::of(paths[*i]);
        if who.is_empty() && !holders.0.is_empty() {
            who.push(holders.to_string());
        }
    }
    found.into_iter().filter(|(_, who)| !who.is_empty()).map(|(i, who)| (i, who.join(" and "))).collect()
}

#[cfg(target_os = "linux")]
mod system {
    use std::collections::{BTreeSet, HashMap};
    use std::io::Read;
    use std::os::unix::fs::MetadataExt;
    use std::path::{Path, PathBuf};

    use super::{Access, LockKind, sidecar};

    const PENDING_BYTE: u64 = 1 << 30;
    const RESERVED_BYTE: u64 = PENDING_BYTE + 1;
    const SHARED_FIRST: u64 = PENDING_BYTE + 2;

    struct Lock {
        pid: u32,
        write: bool,
        dev: (u32, u32),
        inode: u64,
        start: u64,
        end: u64,
    }

    /// Reads who holds which locks. The kernel hands out its list by what a call asks for, a page at most, and what is unlocked
    /// between two calls hides other locks: calls ask for a page, a list of several is read again, and what was seen once counts.
    pub fn locks(path: &Path) -> Vec<(u32, LockKind)> {
        const READINGS: usize = 20;
        let mut found = Vec::new();
        for _ in 0..READINGS {
            let (list, pages) = read_pages(Path::new("/proc/locks"));
            found.extend(locks_in(&list, path));
            if pages <= 1 {
                break;
            }
        }
        found
    }

    /// Reads a file of the system as it hands it out; returns what it says and in how many pieces.
    fn read_pages(path: &Path) -> (String, usize) {
        let mut bytes = Vec::new();
        let mut pieces = 0;
        if let Ok(mut file) = std::fs::File::open(path) {
            let mut page = [0; 4096];
            while let Ok(n @ 1..) = file.read(&mut page) {
                bytes.extend_from_slice(&page[..n]);
                pieces += 1;
            }
        }
        (String::from_utf8_lossy(&bytes).into_owned(), pieces)
    }

    fn locks_in(list: &str, path: &Path) -> Vec<(u32, LockKind)> {
        let all: Vec<Lock> = list.lines().filter_map(parse).filter(|l| l.pid != std::process::id()).collect();
        let mut found = Vec::new();
        if let Ok(file) = std::fs::metadata(path) {
            found.extend(on(&all, &file).filter_map(|l| {
                // The kernel joins neighbouring locks of one process into one range.
                let kind = match (l.write, l.start, l.end) {
                    (true, _, SHARED_FIRST..) => LockKind::Exclusive,
                    (true, PENDING_BYTE, _) => LockKind::Pending,
                    (true, RESERVED_BYTE, _) => LockKind::Reserved,
                    (false, _, SHARED_FIRST..) => LockKind::Shared,
                    _ => return None,
                };
                Some((l.pid, kind))
            }));
        }
        if let Ok(shm) = std::fs::metadata(sidecar(path, "-shm")) {
            found.extend(on(&all, &shm).map(|l| (l.pid, LockKind::Wal)));
        }
        found
    }

    /// Finds the locks on a file: by device and inode, or by inode alone where the two disagree about the device, as overlays do.
    fn on<'a>(all: &'a [Lock], file: &std::fs::Metadata) -> impl Iterator<Item = &'a Lock> + use<'a> {
        let inode = file.ino();
        let dev = (libc::major(file.dev()), libc::minor(file.dev()));
        let exact = all.iter().any(|l| l.inode == inode && l.dev == dev);
        all.iter().filter(move |l| l.inode == inode && (!exact || l.dev == dev))
    }

    /// Reads a line such as `1: POSIX  ADVISORY  WRITE 1234 fd:01:5678 1073741826 1073742335`.
    fn parse(line: &str) -> Option<Lock> {
        let mut words = line.split_whitespace().skip(1);
        let class = words.next()?;
        if class != "POSIX" && class != "OFDLCK" {
            return None;
        }
        words.next()?;
        let write = words.next()? == "WRITE";
        let pid = words.next()?.parse().ok()?;
        let mut place = words.next()?.split(':');
        let major = u32::from_str_radix(place.next()?, 16).ok()?;
        let minor = u32::from_str_radix(place.next()?, 16).ok()?;
        let inode = place.next()?.parse().ok()?;
        let start = words.next()?.parse().ok()?;
        let end = match words.next()? {
            "EOF" => u64::MAX,
            n => n.parse().ok()?,
        };
        Some(Lock { pid, write, dev: (major, minor), inode, start, end })
    }

    /// Returns which files other processes have open, by position.
    pub fn open_files(files: &[(PathBuf, Access)]) -> BTreeSet<(usize, u32)> {
        let mut wanted = HashMap::new();
        for (i, (path, access)) in files.iter().enumerate() {
            let beside = ["-wal", "-shm"].iter().filter(|_| *access == Access::Any);
            for file in beside.map(|suffix| sidecar(path, suffix)).chain([path.clone()]) {
                if let Ok(file) = std::fs::metadata(file) {
                    wanted.insert((file.dev(), file.ino()), (i, *access));
                }
            }
        }
        let mut found = BTreeSet::new();
        if wanted.is_empty() {
            return found;
        }
        for process in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(pid) = process.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            if pid == std::process::id() {
                continue;
            }
            for open in std::fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten() {
                let Ok(file) = std::fs::metadata(open.path()) else { continue };
                let Some((i, access)) = wanted.get(&(file.dev(), file.ino())) else { continue };
                if *access == Access::Any || may_write(&process.path().join("fdinfo").join(open.file_name())) {
                    found.insert((*i, pid));
                }
            }
        }
        found
    }

    /// Reads a line such as `flags:  0100002` of what the system knows of an open file; its last two bits are the way it is open.
    fn may_write(info: &Path) -> bool {
        let text = std::fs::read_to_string(info).unwrap_or_default();
        let flags = text.lines().find_map(|line| line.strip_prefix("flags:"));
        let flags = flags.and_then(|octal| u32::from_str_radix(octal.trim(), 8).ok());
        flags.is_some_and(|flags| flags & libc::O_ACCMODE as u32 != libc::O_RDONLY as u32)
    }

    pub fn command(pid: u32) -> String {
        std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim_end().to_owned()
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use super::{Access, LockKind};

    pub fn open_files(_: &[(PathBuf, Access)]) -> BTreeSet<(usize, u32)> {
        BTreeSet::new()
    }

    pub fn locks(_: &Path) -> Vec<(u32, LockKind)> {
        Vec::new()
    }

    pub fn command(_: u32) -> String {
        String::new()
    }
}
