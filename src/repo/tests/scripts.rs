//! The sqllogictest scripts of `cli-tests/sql/slt` on a plain file, on a volume, and on a tracked file whose transactions are recorded: their
//! answers are those that an SQLite of another build gave.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use sqllogictest::{DB, DBOutput, DefaultColumnType, Runner};

use super::recording::{bytes, open, same, stored};
use super::*;
use crate::model::{FileKind, Value};
use crate::repo::volume::volumes::StoreVolumes;
use crate::sqlite::sql::{Cells, RunError, Session, Sink, Target, real_text, to_value, volumes};

/// Where scripts run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Plain,
    Volume,
    Tracked(&'static str),
}

/// Why a statement failed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Failed(String);

type Answer = std::result::Result<Vec<Vec<String>>, Failed>;

/// A session in a thread of its own, because it cannot be sent to another one. `None` ends it.
struct Remote {
    asked: Sender<Option<String>>,
    answers: Receiver<Answer>,
}

impl DB for Remote {
    type Error = Failed;
    type ColumnType = DefaultColumnType;

    fn run(&mut self, sql: &str) -> std::result::Result<DBOutput<DefaultColumnType>, Failed> {
        self.asked.send(Some(sql.to_owned())).expect("the session lives");
        let rows = self.answers.recv().expect("the session lives")?;
        let types = vec![DefaultColumnType::Any; rows.first().map_or(0, Vec::len)];
        Ok(DBOutput::Rows { types, rows })
    }

    fn engine_name(&self) -> &str {
        "graft"
    }
}

#[derive(Default)]
struct Rows(Vec<Vec<String>>);

impl Sink for Rows {
    fn begin(&mut self, _: &[String]) -> io::Result<()> {
        Ok(())
    }

    fn row(&mut self, cells: &Cells<'_>) -> io::Result<()> {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let shown = |value: Value| match value {
            Value::Null => "NULL".to_owned(),
            Value::Integer(n) => n.to_string(),
            Value::Real(n) => real_text(n),
            Value::Text(bytes) if bytes.is_empty() => "(empty)".to_owned(),
            Value::Text(bytes) => text(bytes),
            Value::Blob(bytes) => format!("X{}", bytes.iter().map(|b| format!("{b:02X}")).collect::<String>()),
        };
        self.0.push(cells.iter().map(|cell| shown(to_value(cell))).collect());
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn answer(session: &Session, sql: &str) -> Answer {
    let mut rows = Rows::default();
    match session.run_first(sql, &mut rows) {
        Ok(_) => Ok(rows.0),
        Err(RunError::Sql(e)) => Err(Failed(e.message)),
        Err(other) => panic!("{sql}: {other:?}"),
    }
}

/// Runs a script in one place; then looks whether what is there is whole.
fn script_at(script: &Path, place: Place) {
    let s = Scratch::new();
    let path = s.path("app.db");
    if let Place::Tracked(settings) = place {
        let session = open(&path, None);
        answer(&session, settings).unwrap();
        answer(&session, "CREATE TABLE first (x)").unwrap();
        answer(&session, "DROP TABLE first").unwrap();
        drop(session);
        s.add("app.db");
    }
    let repo = Arc::new(Repository::open(s.dir.path(), Settings::default()).unwrap());
    let volume = repo.store().create_volume(FileKind::Sqlite).unwrap().to_string();
    let serving = volumes::serve(Arc::new(StoreVolumes::new(Arc::clone(&repo), Arc::new(repo.autosync().unwrap()))));
    let by = serving.served_by();
    let (asked, questions) = channel::<Option<String>>();
    let (told, answers) = channel();
    let (file, top) = (path.clone(), s.dir.path().to_owned());
    let worker = std::thread::spawn(move || {
        let repo = Arc::new(Repository::open(&top, Settings::default()).unwrap());
        let session = match place {
            Place::Plain => open(&file, None),
            Place::Tracked(_) => open(&file, Some(&repo)),
            Place::Volume => Session::open(Target::Volume { name: &volume, by, read_only: false }, TIMEOUT).unwrap(),
        };
        while let Ok(Some(sql)) = questions.recv() {
            told.send(answer(&session, &sql)).expect("somebody asked");
        }
        assert_eq!(answer(&session, "PRAGMA integrity_check").unwrap(), [["ok"]]);
        assert!(session.close().is_empty());
    });
    let mut db = Some(Remote { asked: asked.clone(), answers });
    let mut runner = Runner::new(|| {
        let db = db.take().expect("one connection");
        async { Ok(db) }
    });
    runner.run_file(script).unwrap_or_else(|e| panic!("{place:?}: {e}"));
    asked.send(None).expect("the session lives");
    worker.join().expect("the database is whole");
    if let Place::Tracked(_) = place {
        let now = bytes(&path);
        assert!(same(stored(&repo, "app.db").last().unwrap(), &now), "{}: the newest state", script.display());
        s.add("app.db");
        fs::File::options().append(true).open(&path).unwrap().set_modified(std::time::SystemTime::now()).unwrap();
        assert_eq!(s.unstaged(), [], "{}", script.display());
    }
}

fn scripts_at(places: &[Place]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cli-tests/sql/slt");
    let mut scripts: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    scripts.sort();
    assert!(scripts.len() >= 11);
    for script in &scripts {
        for place in places {
            script_at(script, *place);
        }
    }
}

#[test]
fn on_a_plain_file() {
    scripts_at(&[Place::Plain]);
}

#[test]
fn on_a_volume() {
    scripts_at(&[Place::Volume]);
}

#[test]
fn on_a_tracked_file() {
    scripts_at(&[Place::Tracked("PRAGMA journal_mode = DELETE"), Place::Tracked("PRAGMA journal_mode = WAL")]);
}

#[test]
fn no_repository_answers_for_another_one() {
    let serve = |scratch: &Scratch| {
        let repo = Arc::new(Repository::open(scratch.dir.path(), Settings::default()).unwrap());
        let autosync = Arc::new(repo.autosync().unwrap());
        let serving = volumes::serve(Arc::new(StoreVolumes::new(Arc::clone(&repo), autosync)));
        (repo, serving)
    };
    let (ours, theirs) = (Scratch::new(), Scratch::new());
    let ((_, our), (repo, their)) = (serve(&ours), serve(&theirs));
    let volume = repo.store().create_volume(FileKind::Sqlite).unwrap().to_string();
    let session = |by| Session::open(Target::Volume { name: &volume, by, read_only: false }, TIMEOUT);
    let opened = session(their.served_by()).unwrap();
    answer(&opened, "CREATE TABLE t (x)").unwrap();
    assert!(session(our.served_by()).is_err(), "the volume is one of the other repository");
    // A name that does not say whose it is must not be guessed.
    let attach = format!("ATTACH 'file:graft-volume:{volume}?vfs=graft' AS v");
    assert!(answer(&opened, &attach).is_err());
    let attach = format!("ATTACH '{}' AS v", volumes::uri(&volume, their.served_by()));
    answer(&opened, &attach).unwrap();
    let by = their.served_by();
    drop(their);
    assert!(session(by).is_err(), "a repository that is not open any more has no volumes");
}
