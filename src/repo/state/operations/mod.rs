//! The operation log: what each command changed in refs, index and worktree, so that it can be undone.
//!
//! `logs/operations` has one JSON object per line. A line is written before the change it tells of and is not waited
//! for, so that it costs nothing: after a crash the newest lines may tell of changes that did not happen, or be
//! missing. Whoever undoes compares what a line says with what is there, so either is found out. All lines with the
//! same `operation` belong to one run of the program.

mod record;

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

pub use record::{Change, FileState, Record, RefChange};

use crate::util::fs as durable;
use crate::util::random;

/// Some 10,000 operations.
const MOST: u64 = 8 << 20;

/// Where operations are noted, and under which name those of this process are.
#[derive(Clone, Debug)]
pub struct OperationLog {
    path: PathBuf,
    /// The operation that goes on; one for all clones.
    current: Arc<Mutex<Named>>,
    /// Bytes from which on the older half is forgotten.
    most: u64,
}

/// Back or forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// What the last operation did is taken back.
    Undo,
    /// What was taken back is done again.
    Redo,
}

/// An operation's name, and its command as it was typed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// 16 hexadecimal digits.
    pub operation: String,
    /// The command, without the program's name.
    pub command: String,
}

/// All that one run of the program changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Its name: 16 hexadecimal digits.
    pub id: String,
    /// The command as it was typed, without the program's name.
    pub command: String,
    /// When it ended, Unix seconds.
    pub time: i64,
    /// The operation that it took back, or did again.
    pub reverses: Option<(Direction, String)>,
    /// Whether it came to its end; only operations that reverse others say so.
    pub completed: bool,
    /// What it changed, in this order.
    pub records: Vec<Record>,
}

impl OperationLog {
    /// Notes the changes of `command` in the repository folder `dir`, under a name of their own.
    pub fn new(dir: &Path, command: &str) -> Self {
        let operation = random::bytes::<8>().iter().map(|b| format!("{b:02x}")).collect();
        let current = Arc::new(Mutex::new(Named { operation, command: command.to_owned() }));
        Self { path: dir.join("logs").join("operations"), current, most: MOST }
    }

    /// Returns the operation that goes on.
    pub fn current(&self) -> Named {
        self.lock().clone()
    }

    /// Notes what `run` changes as changes of another operation, which it completes.
    pub fn resume<T>(&self, operation: &Named, run: impl FnOnce() -> T) -> T {
        let own = std::mem::replace(&mut *self.lock(), operation.clone());
        let result = run();
        *self.lock() = own;
        result
    }

    fn lock(&self) -> MutexGuard<'_, Named> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Notes changes that are about to happen.
    pub fn append(&self, record: Record) -> io::Result<()> {
        if record.is_empty() {
            return Ok(());
        }
        let time = (random::unix_ms() / 1000) as i64;
        let Named { operation, command } = self.current();
        let record = Record { operation, command, time, ..record };
        let line = serde_json::to_string(&record).expect("plain data is always JSON");
        durable::append_line_relaxed(&self.path, &line)?;
        if fs::metadata(&self.path)?.len() > self.most { self.forget_oldest() } else { Ok(()) }
    }

    /// Forgets the older half of the log, so that it stays small for ever.
    fn forget_oldest(&self) -> io::Result<()> {
        let text = fs::read(&self.path)?;
        let half = text.len() / 2;
        let begin = text[half..].iter().position(|&b| b == b'\n').map_or(text.len(), |end| half + end + 1);
        let tmp = self.path.ancestors().nth(2).expect("the log lies in a folder of the repository's").join("tmp");
        durable::replace(&self.path, &tmp, &text[begin..])
    }

    /// Reads all operations, oldest first. Lines that are damaged count as not there.
    pub fn read(&self) -> io::Result<Vec<Operation>> {
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(e),
        };
        let mut found: HashMap<String, (usize, Operation)> = HashMap::new();
        let lines = text.split(|&b| b == b'\n').filter_map(|line| serde_json::from_slice::<Record>(line).ok());
        for (n, record) in lines.enumerate() {
            let (last, operation) = found.entry(record.operation.clone()).or_insert_with(|| {
                let (id, command) = (record.operation.clone(), record.command.clone());
                (n, Operation { id, command, time: 0, reverses: None, completed: false, records: Vec::new() })
            });
            *last = n;
            operation.time = record.time;
            operation.reverses = operation.reverses.take().or_else(|| record.reverses.clone());
            operation.completed |= record.completed;
            operation.records.push(record);
        }
        let mut all: Vec<(usize, Operation)> = found.into_values().collect();
        all.sort_by_key(|(last, _)| *last);
        Ok(all.into_iter().map(|(_, operation)| operation).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RepoPath;

    #[test]
    fn lines_of_one_operation_come_back_together_and_damage_is_passed_over() {
        let dir = tempfile::tempdir().expect("temp dir");
        fs::create_dir(dir.path().join("logs")).expect("folder");
        let (a, b) = (OperationLog::new(dir.path(), "one"), OperationLog::new(dir.path(), "two"));
        assert_eq!(a.read().expect("nothing yet"), []);
        let record = |path: &str| Record {
            moved: vec![(RepoPath::new(path).expect("plain"), RepoPath::new("x").expect("plain"))],
            ..Record::default()
        };
        a.append(Record::default()).expect("nothing to note");
        a.append(record("a1")).expect("note");
        durable::append(a.path(), b"{\"operation\": half a li").expect("append");
        b.append(record("b1")).expect("note");
        a.append(record("a2")).expect("note");
        let all = a.read().expect("read");
        let seen: Vec<(&str, usize)> = all.iter().map(|o| (o.command.as_str(), o.records.len())).collect();
        assert_eq!(seen, [("two", 1), ("one", 2)]);
    }

    #[test]
    fn the_oldest_operations_are_forgotten() {
        let dir = tempfile::tempdir().expect("temp dir");
        fs::create_dir_all(dir.path().join("logs")).expect("folder");
        fs::create_dir_all(dir.path().join("tmp")).expect("folder");
        let path = RepoPath::new("x").expect("plain");
        for n in 0..200 {
            let log = OperationLog { most: 4000, ..OperationLog::new(dir.path(), &n.to_string()) };
            log.append(Record { moved: vec![(path.clone(), path.clone())], ..Record::default() }).expect("note");
            assert!(fs::metadata(log.path()).expect("there").len() <= 4000);
        }
        let all = OperationLog::new(dir.path(), "").read().expect("read");
        let last: Vec<&str> = all.iter().rev().take(3).map(|o| o.command.as_str()).collect();
        assert_eq!(last, ["199", "198", "197"]);
        assert!(all.len() > 10 && all.len() < 40, "{}", all.len());
    }
}
