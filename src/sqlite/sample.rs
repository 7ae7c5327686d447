//! The database of the guided tour: a small record shop, and the plain program that changes it.
//!
//! Both work as any application does, with an ordinary connection; nothing here knows of Graft.

use std::fs::File;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};

use super::capture::{ScanChunk, ScanOptions, scan};
use super::error::DatabaseError;

/// Creates the record shop at `path`, where nothing may be yet; about 90 KiB.
pub fn create(path: &Path) -> Result<(), DatabaseError> {
    if path.exists() {
        return Err(DatabaseError::Io { path: path.into(), source: std::io::ErrorKind::AlreadyExists.into() });
    }
    let failed = |e| DatabaseError::sqlite(path, e);
    let db = Connection::open(path).map_err(failed)?;
    db.execute_batch(SHOP).map_err(failed)
}

/// Copies a database as one read transaction sees it, to a path where nothing may be yet; returns its bytes.
pub fn copy(from: &Path, to: &Path, busy_timeout: Duration) -> Result<u64, DatabaseError> {
    let failed = |source| DatabaseError::Io { path: to.into(), source };
    let mut file = File::create_new(to).map_err(failed)?;
    let (mut byte_len, mut written) = (0, Ok(()));
    let options = ScanOptions { busy_timeout, on_wait: &|_| {} };
    scan(from, &options, &mut |chunk| {
        match chunk {
            ScanChunk::Start { byte_len: n, .. } => byte_len = n,
            ScanChunk::Pages { bytes, .. } => written = file.write_all(bytes),
        }
        if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    // The last page was padded.
    written.and_then(|()| file.set_len(byte_len)).map_err(failed)?;
    Ok(byte_len)
}

/// A program that works with a database: a connection that stays open.
pub struct App {
    db: Connection,
    path: PathBuf,
}

impl App {
    /// Connects to an existing database.
    pub fn open(path: &Path, busy_timeout: Duration) -> Result<Self, DatabaseError> {
        let failed = |e| DatabaseError::sqlite(path, e);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(path, flags).map_err(failed)?;
        db.busy_timeout(busy_timeout).map_err(failed)?;
        Ok(Self { db, path: path.into() })
    }

    fn failed(&self, error: rusqlite::Error) -> DatabaseError {
        DatabaseError::sqlite(&self.path, error)
    }

    /// Runs statements in one transaction; returns how many rows changed.
    pub fn execute(&mut self, sql: &str) -> Result<u64, DatabaseError> {
        let before = self.db.total_changes();
        let run = |db: &mut Connection| {
            let tx = db.transaction()?;
            tx.execute_batch(sql)?;
            tx.commit()
        };
        run(&mut self.db).map_err(|e| self.failed(e))?;
        Ok(self.db.total_changes() - before)
    }

    /// Runs a query and returns its rows as text, `NULL` for what is absent.
    pub fn query(&self, sql: &str) -> Result<Vec<Vec<String>>, DatabaseError> {
        let run = || {
            let mut statement = self.db.prepare(sql)?;
            let columns = statement.column_count();
            let rows = statement.query_map([], |row| (0..columns).map(|i| Ok(text(row.get_ref(i)?))).collect())?;
            rows.collect::<rusqlite::Result<_>>()
        };
        run().map_err(|e| self.failed(e))
    }
}

fn text(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "NULL".to_owned(),
        ValueRef::Integer(n) => n.to_string(),
        ValueRef::Real(x) => x.to_string(),
        ValueRef::Text(t) => String::from_utf8_lossy(t).into_owned(),
        ValueRef::Blob(b) => format!("{} bytes", b.len()),
    }
}

/// Runs statements on an existing database in one transaction, as another program would; returns how many rows changed.
pub fn execute(path: &Path, sql: &str, busy_timeout: Duration) -> Result<u64, DatabaseError> {
    App::open(path, busy_timeout)?.execute(sql)
}

/// Runs a query on an existing database and returns its rows as text, `NULL` for what is absent.
pub fn query(path: &Path, sql: &str) -> Result<Vec<Vec<String>>, DatabaseError> {
    App::open(path, Duration::ZERO)?.query(sql)
}

/// Artists, albums, tracks, customers and two years of orders, the same at every run.
const SHOP: &str = r#"
BEGIN;
CREATE TABLE artist (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE album (
    id INTEGER PRIMARY KEY,
    artist_id INTEGER NOT NULL REFERENCES artist(id),
    title TEXT NOT NULL,
    year INTEGER NOT NULL,
    price_cents INTEGER NOT NULL CHECK (price_cents > 0),
    stock INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE track (
    album_id INTEGER NOT NULL REFERENCES album(id),
    position INTEGER NOT NULL,
    title TEXT NOT NULL,
    seconds INTEGER NOT NULL,
    PRIMARY KEY (album_id, position)
) WITHOUT ROWID;
CREATE TABLE customer (id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT UNIQUE, city TEXT);
CREATE TABLE "order" (
    id INTEGER PRIMARY KEY,
    customer_id INTEGER NOT NULL REFERENCES customer(id),
    day TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'paid'
);
CREATE TABLE order_line (
    order_id INTEGER NOT NULL REFERENCES "order"(id),
    album_id INTEGER NOT NULL REFERENCES album(id),
    quantity INTEGER NOT NULL,
    price_cents INTEGER NOT NULL
);
CREATE INDEX album_by_artist ON album(artist_id);
CREATE INDEX order_by_customer ON "order"(customer_id);
CREATE INDEX line_by_order ON order_line(order_id);
CREATE VIEW turnover AS
    SELECT substr(day, 1, 7) AS month, sum(quantity * price_cents) / 100.0 AS euros
    FROM "order" JOIN order_line ON order_id = "order".id GROUP BY month;

INSERT INTO artist (name) VALUES
    ('The Paper Lanterns'), ('Ada & the Engines'), ('Nora Lindqvist'), ('Café Minuit'), ('Tidal Clock'),
    ('Los Vecinos'), ('Kite Weather'), ('Brass Monday'), ('Hollow Pines'), ('Yuki Aoyama Trio');
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 39),
     head(k, word) AS (VALUES (0, 'Northern'), (1, 'Second'), (2, 'Glass'), (3, 'Quiet'), (4, 'Paper'), (5, 'Winter'), (6, 'Slow'), (7, 'Borrowed')),
     tail(k, word) AS (VALUES (0, 'Rooms'), (1, 'Light'), (2, 'Harbour'), (3, 'Letters'), (4, 'Machines'))
INSERT INTO album (artist_id, title, year, price_cents, stock)
    SELECT i % 10 + 1, head.word || ' ' || tail.word, 1998 + i * 7 % 27, 999 + i * 13 % 9 * 100, i * 17 % 23
    FROM n JOIN head ON head.k = i % 8 JOIN tail ON tail.k = i / 8 ORDER BY i;
WITH n(i) AS (VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)),
     first(k, word) AS (VALUES (0, 'Open'), (1, 'Last'), (2, 'Blue'), (3, 'Wire'), (4, 'Stone'), (5, 'Rain'), (6, 'Empty'), (7, 'Early'), (8, 'Salt'), (9, 'Half')),
     last(k, word) AS (VALUES (0, 'Door'), (1, 'Train'), (2, 'Hour'), (3, 'Song'), (4, 'Bridge'), (5, 'Map'), (6, 'Chair'), (7, 'Moon'))
INSERT INTO track
    SELECT album.id, i + 1, first.word || ' ' || last.word, 150 + (album.id * 31 + i * 47) % 210
    FROM album, n JOIN first ON first.k = (album.id + i) % 10 JOIN last ON last.k = (album.id * 3 + i * 5) % 8;
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 119),
     given(k, word) AS (VALUES (0, 'Mia'), (1, 'Jonas'), (2, 'Zoë'), (3, 'Piotr'), (4, 'Amélie'), (5, 'Sven'), (6, 'Lucía'), (7, 'Tom'), (8, 'Elif'), (9, 'Bram')),
     family(k, word) AS (VALUES (0, 'Fischer'), (1, 'Novak'), (2, 'Dubois'), (3, 'Larsen'), (4, 'Moreno'), (5, 'Okafor'), (6, 'Yilmaz'), (7, 'Byrne'), (8, 'de Wit'), (9, 'Rossi'), (10, 'Tanaka'), (11, 'Weber')),
     city(k, word) AS (VALUES (0, 'Berlin'), (1, 'Lyon'), (2, 'Oslo'), (3, 'Sevilla'), (4, NULL), (5, 'Gent'), (6, 'Kraków'))
INSERT INTO customer (name, email, city)
    SELECT given.word || ' ' || family.word, 'customer' || (i + 1) || '@example.org', city.word
    FROM n JOIN given ON given.k = i % 10 JOIN family ON family.k = i / 10 JOIN city ON city.k = i % 7 ORDER BY i;
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 599)
INSERT INTO "order" (customer_id, day, state)
    SELECT i * 37 % 120 + 1, date('2024-01-02', '+' || (i * 729 / 600) || ' days'), CASE WHEN i % 41 = 0 THEN 'returned' ELSE 'paid' END FROM n;
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 1199)
INSERT INTO order_line
    SELECT i / 2 + 1, album.id, 1 + i % 5 / 4, album.price_cents FROM n JOIN album ON album.id = i * 11 % 40 + 1 ORDER BY i;
COMMIT;
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shop_is_sound_and_the_same_every_time() {
        let dir = tempfile::tempdir().expect("temp dir");
        let (a, b) = (dir.path().join("a.db"), dir.path().join("b.db"));
        create(&a).expect("create");
        create(&b).expect("create");
        assert_eq!(std::fs::read(&a).expect("read"), std::fs::read(&b).expect("read"));
        let one = |sql: &str| query(&a, sql).expect("query").concat().join(" ");
        assert_eq!(one("PRAGMA integrity_check"), "ok");
        assert_eq!(one("PRAGMA foreign_key_check"), "");
        assert_eq!(
            one("SELECT (SELECT count(*) FROM album), (SELECT count(*) FROM track), (SELECT count(*) FROM order_line)"),
            "40 400 1200"
        );
        assert!(create(&a).is_err(), "an existing file is left alone");
    }

    #[test]
    fn a_copy_holds_what_a_connection_left_in_the_wal() {
        let dir = tempfile::tempdir().expect("temp dir");
        let (path, copied) = (dir.path().join("a.db"), dir.path().join("b.db"));
        create(&path).expect("create");
        copy(&path, &copied, Duration::ZERO).expect("copy");
        assert_eq!(std::fs::read(&path).expect("read"), std::fs::read(&copied).expect("read"));
        std::fs::remove_file(&copied).expect("remove");
        let mut app = App::open(&path, Duration::ZERO).expect("open");
        assert_eq!(app.query("PRAGMA journal_mode = wal").expect("switch"), [["wal"]]);
        assert_eq!(app.execute("UPDATE artist SET name = 'Nobody' WHERE id = 1").expect("run"), 1);
        copy(&path, &copied, Duration::ZERO).expect("copy");
        assert_eq!(query(&copied, "SELECT name FROM artist WHERE id = 1").expect("query"), [["Nobody"]]);
        assert!(copy(&path, &copied, Duration::ZERO).is_err(), "an existing file is left alone");
    }

    #[test]
    fn statements_change_rows_all_or_none() {
        let dir = tempfile::tempdir().expect("temp dir");
        let path = dir.path().join("a.db");
        create(&path).expect("create");
        let run = |sql| execute(&path, sql, Duration::from_secs(1));
        assert_eq!(
            run("UPDATE album SET stock = stock + 1 WHERE artist_id = 1; DELETE FROM customer WHERE 0").expect("run"),
            4
        );
        assert!(run("UPDATE album SET stock = 0; INSERT INTO nowhere VALUES (1)").is_err());
        assert_ne!(query(&path, "SELECT sum(stock) FROM album").expect("query")[0][0], "0");
        assert!(execute(&dir.path().join("none.db"), "SELECT 1", Duration::ZERO).is_err(), "no file is created");
    }
}
