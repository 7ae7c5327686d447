//! Scripts are read alike by `graft apply`, by SQLite's shell and by programs that hand them to SQLite as a whole.

use std::path::{Path, PathBuf};

use super::assert_no_row_differs;
use crate::database::{python, sql, text};
use crate::env::TestEnvironment;

const READERS: [&str; 3] = ["executescript", "text", "shell"];

/// Runs a script as one of the readers does, and returns the errors it shows.
fn read(reader: &str, database: &Path, script: &Path) -> String {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("cli-tests/row_diff/readers.py");
    let args = [database, script].map(|path| path.to_str().expect("a UTF-8 path"));
    python(&program, &[reader, args[0], args[1]]).trim().to_owned()
}

/// Checks that every reader, and `apply`, makes `new` of `old` by the script between them, to the byte of each text.
fn all_make(env: &TestEnvironment, old: &str, new: &str, what: &str) {
    let script = env.path("s.sql");
    std::fs::write(&script, env.graft(["diff", "--no-index", "--sql", old, new]).expect(1).bytes()).expect("a file");
    let of = |name: &str| {
        let schema = "SELECT group_concat(type || name || quote(sql), char(10)) FROM (SELECT * FROM sqlite_master ORDER BY type, name)";
        let rows = "SELECT coalesce(group_concat(id || hex(body), char(10)), '') FROM (SELECT * FROM note ORDER BY id)";
        format!("{}\n{}", text(&env.path(name), schema), text(&env.path(name), rows))
    };
    for reader in READERS {
        std::fs::copy(env.path(old), env.path("c.db")).expect("a copy");
        assert_eq!(read(reader, &env.path("c.db"), &script), "", "{what}: {reader}");
        assert_eq!(of("c.db"), of(new), "{what}: {reader}");
    }
    std::fs::copy(env.path(old), env.path("c.db")).expect("a copy");
    env.graft(["apply", "s.sql", "c.db"]).ok();
    assert_eq!(of("c.db"), of(new), "{what}: apply");
    assert_no_row_differs(env, "c.db", new);
}

/// Checks that every reader makes `new` again of its dump.
fn all_restore(env: &TestEnvironment, name: &str) -> PathBuf {
    let script = env.path("dump.sql");
    std::fs::write(&script, env.graft(["sql", "--db", name, ".dump"]).ok()).expect("a file");
    for reader in READERS {
        std::fs::remove_file(env.path("d.db")).ok();
        assert_eq!(read(reader, &env.path("d.db"), &script), "", "{reader}");
        assert_no_row_differs(env, "d.db", name);
    }
    script
}

const OLD: &str = "CREATE TABLE note (id INTEGER PRIMARY KEY, body TEXT);
    INSERT INTO note VALUES (1, 'x'), (2, 'gone' || char(13, 10) || 'now'), (3, 'old' || char(13, 10) || 'text'),
        (5, 'mac' || char(13) || 'line'), (6, char(10) || '.quit' || char(13, 10))";

#[test]
fn carriage_returns_in_texts() {
    let env = TestEnvironment::init();
    sql(&env.path("a.db"), OLD);
    sql(&env.path("b.db"), OLD);
    sql(
        &env.path("b.db"),
        "DELETE FROM note WHERE id = 2; UPDATE note SET body = replace(body, 'old', 'new\\r(\\r1)') WHERE id = 3;
         INSERT INTO note VALUES (4, 'Dear Sir,' || char(13, 10) || 'bye'); UPDATE note SET body = body || char(13) WHERE id IN (5, 6)",
    );
    all_make(&env, "a.db", "b.db", "rows");
    all_make(&env, "b.db", "a.db", "rows, back");
    all_restore(&env, "b.db");
    // A key that holds one, in a table whose rows are found by it.
    let keys = |rows: &str| {
        format!("CREATE TABLE note (id TEXT PRIMARY KEY, body) WITHOUT ROWID; INSERT INTO note VALUES {rows}")
    };
    sql(&env.path("k.db"), &keys("('a' || char(13, 10), 1), ('b' || char(13, 10), 2)"));
    sql(&env.path("l.db"), &keys("('a' || char(13, 10), 3)"));
    all_make(&env, "k.db", "l.db", "keys");
    // Modes whose output is SQL.
    for (mode, before) in [("insert", ""), ("quote", "INSERT INTO note VALUES (")] {
        let query = if before.is_empty() { "SELECT * FROM note" } else { "SELECT body FROM note WHERE id = 4" };
        let shown = env.graft(["sql", "--db", "b.db", "--mode", mode, query]).ok();
        let script = match before {
            "" => shown.replace("\"table\"", "note"),
            _ => format!("{before}4, {});\n", shown.trim_end()),
        };
        std::fs::write(env.path("m.sql"), script).expect("a file");
        let sum = |name: &str| text(&env.path(name), "SELECT hex(body) FROM note WHERE id = 4");
        for reader in READERS {
            std::fs::remove_file(env.path("m.db")).ok();
            sql(&env.path("m.db"), "CREATE TABLE note (id INTEGER PRIMARY KEY, body TEXT)");
            assert_eq!(read(reader, &env.path("m.db"), &env.path("m.sql")), "", "{mode}: {reader}");
            assert_eq!(sum("m.db"), sum("b.db"), "{mode}: {reader}");
        }
    }
}

#[test]
fn definitions_with_comments_and_carriage_returns() {
    let env = TestEnvironment::init();
    sql(&env.path("a.db"), OLD);
    sql(&env.path("b.db"), OLD);
    // Python's execute() hands over one statement each, without a semicolon behind the comment.
    let make = "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1])\nfor s in [\n\
        'CREATE INDEX by_body ON note (body) -- speeds up the report',\n\
        'CREATE VIEW seen AS SELECT body FROM note -- used by the page',\n\
        'CREATE VIEW open AS SELECT body FROM note /* not closed',\n\
        'CREATE VIEW named AS SELECT body\\n go \\nFROM note',\n\
        'CREATE TABLE kind (name PRIMARY KEY) WITHOUT ROWID -- by name',\n\
        'CREATE TABLE \"win\" (\\r\\n  a DEFAULT \\'one\\r\\ntwo\\', -- first\\r\\n  b\\r\\n)',\n\
        'CREATE TRIGGER tr AFTER INSERT ON note BEGIN\\r\\n  DELETE FROM win; -- all\\r\\nEND',\n\
        'INSERT INTO win (b) VALUES (1)']:\n    c.execute(s)\nc.commit()\n";
    let mut program = env.program("python3", env.repo());
    program.args(["-c", make, "b.db"]);
    env.run(program).ok();
    all_make(&env, "a.db", "b.db", "made");
    all_make(&env, "b.db", "a.db", "dropped");
    sql(&env.path("a.db"), "DROP TABLE note");
    std::fs::copy(env.path("b.db"), env.path("e.db")).expect("a copy");
    sql(
        &env.path("e.db"),
        "DROP TRIGGER tr; ALTER TABLE win ADD COLUMN c DEFAULT 7; UPDATE win SET a = 'x'; UPDATE kind SET name = 1",
    );
    all_make(&env, "b.db", "e.db", "altered");
    all_make(&env, "e.db", "b.db", "altered, back");
    all_restore(&env, "b.db");
    // .schema is a script too, but for people: it shows each definition as it is.
    sql(&env.path("b.db"), "DROP VIEW named");
    std::fs::write(env.path("schema.sql"), env.graft(["sql", "--db", "b.db", ".schema"]).ok()).expect("a file");
    for reader in READERS {
        std::fs::remove_file(env.path("n.db")).ok();
        assert_eq!(read(reader, &env.path("n.db"), &env.path("schema.sql")), "", "{reader}");
        assert_eq!(
            text(&env.path("n.db"), "SELECT group_concat(1) FROM sqlite_master WHERE sql IS NOT NULL"),
            "1,1,1,1,1,1,1",
            "{reader}"
        );
    }
}

#[test]
fn an_altered_table_without_a_counter_gets_none() {
    let env = TestEnvironment::init();
    sql(
        &env.path("a.db"),
        "CREATE TABLE note (id INTEGER PRIMARY KEY AUTOINCREMENT, body); CREATE TABLE u (id INTEGER PRIMARY KEY AUTOINCREMENT);
         INSERT INTO u VALUES (1)",
    );
    std::fs::copy(env.path("a.db"), env.path("b.db")).expect("a copy");
    sql(&env.path("b.db"), "ALTER TABLE note RENAME COLUMN body TO BODY");
    for (old, new) in [("a.db", "b.db"), ("b.db", "a.db")] {
        all_make(&env, old, new, "renamed");
        std::fs::copy(env.path(old), env.path("c.db")).expect("a copy");
        env.graft(["apply", "s.sql", "c.db"]).ok();
        assert_eq!(text(&env.path("c.db"), "SELECT group_concat(name || seq) FROM sqlite_sequence"), "u1");
    }
}
