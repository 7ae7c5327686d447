//! Databases to test with: the corpus, generated ones, small made ones, and the oracle that judges them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use rusqlite::Connection;

/// The files SQLite may leave beside a database.
pub const SIDECARS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Real databases made by others, in `cli-tests/fixtures`.
pub const CORPUS: [&str; 9] = [
    "anki-collection.anki2",
    "chinook.sqlite",
    "gnucash-invoices-1.gnucash",
    "gnucash-invoices-2.gnucash",
    "mendeleev-0.18.1.db",
    "mendeleev-0.20.1.db",
    "mendeleev-1.0.0.db",
    "points-with-nulls.gpkg",
    "proj-9.5.1.db",
];

/// A file of `cli-tests/fixtures`.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cli-tests/fixtures").join(name)
}

/// Runs a Python script of the tests; it must succeed.
#[track_caller]
pub fn python(script: &Path, args: &[&str]) -> String {
    let output = Command::new("python3").arg(script).args(args).output().expect("python3 is needed by these tests");
    assert!(output.status.success(), "{} {args:?}: {}", script.display(), String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The folder with everything `generate.py make` writes, made once.
pub fn generated() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let base = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let fresh = tempfile::tempdir_in(base).expect("a folder under target");
        let made = fresh.path().join("made");
        let made_text = made.to_str().expect("target has a UTF-8 path");
        python(&fixture("generate.py"), &["make", made_text]);
        let folder = base.join("generated");
        std::fs::remove_dir_all(&folder).ok();
        std::fs::rename(&made, &folder).expect("the generated databases move into place");
        folder
    })
}

/// The generated databases that are valid, by path, in name order.
pub fn generated_valid() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(generated())
        .expect("generated databases")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "db"))
        .filter(|path| !path.ends_with("not_a_database.db") && !path.ends_with("truncated.db"))
        .collect();
    found.sort();
    assert!(found.len() >= 48, "generate.py made only {}", found.len());
    found
}

/// Copies a database with the sidecars that lie beside it.
pub fn copy_database(from: &Path, to: &Path) {
    for sidecar in std::iter::once("").chain(SIDECARS) {
        if beside(from, sidecar).exists() {
            std::fs::copy(beside(from, sidecar), beside(to, sidecar)).expect("a copy");
        }
    }
}

/// Removes a database and its sidecars.
pub fn remove_database(path: &Path) {
    for sidecar in std::iter::once("").chain(SIDECARS) {
        std::fs::remove_file(beside(path, sidecar)).ok();
    }
}

/// Whether a journal or a write-ahead log lies beside the database.
pub fn has_sidecar(path: &Path) -> bool {
    SIDECARS.iter().any(|sidecar| beside(path, sidecar).exists())
}

/// The name of a sidecar.
pub fn beside(path: &Path, sidecar: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(sidecar);
    name.into()
}

/// What a fresh SQLite connection would serialize: the oracle. The file is not touched.
#[track_caller]
pub fn serialize(path: &Path) -> Vec<u8> {
    serialize_all(&[path]).remove(0)
}

/// [`serialize`] for many files with one start of Python.
#[track_caller]
pub fn serialize_all(paths: &[&Path]) -> Vec<Vec<u8>> {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let mut args = Vec::new();
    for (at, path) in paths.iter().enumerate() {
        args.push(path.to_string_lossy().into_owned());
        args.push(folder.path().join(at.to_string()).display().to_string());
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("cli-tests/serialize.py");
    python(&script, &args.iter().map(String::as_str).collect::<Vec<_>>());
    (0..paths.len()).map(|at| std::fs::read(folder.path().join(at.to_string())).expect("serialized")).collect()
}

/// The bytes of a database as a fresh connection sees them, without what any writer sets anew.
#[track_caller]
pub fn rows_of(path: &Path) -> Vec<u8> {
    without_volatile(serialize(path))
}

/// [`serialize`] with the SQLite of the tests, where many states are looked at and a start of Python each would take too long.
#[track_caller]
pub fn pages(path: &Path) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let copy = folder.path().join("copy.db");
    copy_database(path, &copy);
    let connection = Connection::open(copy).expect("a database");
    let mut statement = connection.prepare("SELECT data FROM sqlite_dbpage ORDER BY pgno").expect("the table of pages");
    let pages = statement.query_map([], |row| row.get::<_, Vec<u8>>(0)).expect("pages");
    pages.flat_map(|page| page.expect("a page")).collect()
}

/// Clears the header fields that any writer of a database sets anew: journal mode (bytes 18, 19),
/// change counter (24-27), version-valid-for and library version (92-99).
pub fn without_volatile(mut bytes: Vec<u8>) -> Vec<u8> {
    if bytes.len() >= 100 {
        for field in [18..20, 24..28, 40..44, 92..100] {
            bytes[field].fill(0);
        }
    }
    bytes
}

/// Demands equal bytes; says where they part, not what they are.
#[track_caller]
pub fn assert_same(what: &str, got: &[u8], wanted: &[u8]) {
    if let Some(difference) = difference(got, wanted) {
        panic!("{what}: {difference}");
    }
}

/// Where two byte strings part, in words.
pub fn difference(got: &[u8], wanted: &[u8]) -> Option<String> {
    if got == wanted {
        return None;
    }
    let at = got.iter().zip(wanted).position(|(a, b)| a != b);
    let at = at.unwrap_or(got.len().min(wanted.len()));
    Some(format!(
        "{} bytes instead of {}, the first difference at byte {at} (page {} of 4096)",
        got.len(),
        wanted.len(),
        at / 4096 + 1
    ))
}

/// Runs SQL on a database and closes it again.
#[track_caller]
pub fn sql(path: &Path, script: &str) {
    let connection = Connection::open(path).expect("the database opens");
    connection.busy_timeout(std::time::Duration::from_secs(60)).expect("a time-out");
    connection.execute_batch(script).unwrap_or_else(|error| panic!("{script:?} on {}: {error}", path.display()));
}

/// The one number that a query returns.
#[track_caller]
pub fn number(path: &Path, query: &str) -> i64 {
    let connection = Connection::open(path).expect("the database opens");
    connection
        .query_row(query, [], |row| row.get(0))
        .unwrap_or_else(|error| panic!("{query:?} on {}: {error}", path.display()))
}

/// SQLite's own verdict on a file.
#[track_caller]
pub fn assert_sound(path: &Path) {
    let connection = Connection::open(path).expect("the database opens");
    let verdict: String = connection
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap_or_else(|error| panic!("integrity_check of {}: {error}", path.display()));
    assert_eq!(verdict, "ok", "{}", path.display());
}

/// Makes a database with `rows` rows of about 100 bytes and one index; `journal` is its journal mode.
pub fn make(path: &Path, rows: u32, journal: &str) {
    sql(
        path,
        &format!(
            "PRAGMA journal_mode={journal};
             CREATE TABLE item(id INTEGER PRIMARY KEY, name TEXT, body TEXT, n INTEGER DEFAULT 0);
             WITH RECURSIVE k(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < {rows})
             INSERT INTO item(id, name, body)
             SELECT i, 'item ' || i, printf('%090d', i * 2654435761 % 1000000007) FROM k;
             CREATE INDEX item_name ON item(name);"
        ),
    );
}

/// The one text that a query returns.
#[track_caller]
pub fn text(path: &Path, query: &str) -> String {
    let connection = Connection::open(path).expect("the database opens");
    connection
        .query_row(query, [], |row| row.get(0))
        .unwrap_or_else(|error| panic!("{query:?} on {}: {error}", path.display()))
}
