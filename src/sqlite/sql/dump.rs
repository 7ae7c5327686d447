//! A database as a script that makes it again, in the form of the shell of SQLite.

use std::io::{self, Write};

use super::{RunError, Session, Stage};
use crate::sqlite::diff::side::{quoted, value};
use crate::sqlite::script::definition::{CLOSE_SCHEMA, creation};
use crate::sqlite::script::literal::Literals;
use crate::sqlite::vfs;
use crate::sqlite::vfs_collations::StandIns;

/// One object of the schema.
struct Item {
    kind: String,
    name: String,
    table: String,
    sql: Option<String>,
}

impl Session {
    /// Writes the tables that match one of the LIKE patterns (all of them without any) with their rows, indexes, triggers and views.
    ///
    /// The script is read in one transaction, so it shows one state. Texts with a NUL and numbers come back exactly.
    ///
    /// Tables that need a collation which only the application has are read as well; returned are all such tables and
    /// what they need.
    pub fn dump(&self, patterns: &[String], out: &mut dyn Write) -> Result<Vec<(String, String)>, RunError> {
        let foreign = self.unknown_collations()?;
        let _stand_ins = StandIns::give(&self.conn).map_err(|e| RunError::of(e, Stage::Step, 0, None))?;
        let own = !self.in_transaction();
        if own {
            self.execute("BEGIN")?;
        }
        let done = self.dump_now(patterns, out);
        if own {
            self.execute("ROLLBACK")?;
        }
        done?;
        self.check_unlocked()?;
        Ok(foreign)
    }

    fn dump_now(&self, patterns: &[String], out: &mut dyn Write) -> Result<(), RunError> {
        let encoding: String = self.one("PRAGMA main.encoding")?;
        let literals = Literals::for_encoding(&encoding);
        writeln!(out, "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;")?;
        let items =
            self.query("SELECT type, name, tbl_name, sql FROM main.sqlite_schema ORDER BY rowid", [], |row| {
                Ok(Item { kind: row.get(0)?, name: row.get(1)?, table: row.get(2)?, sql: row.get(3)? })
            })?;
        let matching = |item: &&Item| {
            patterns.is_empty() || patterns.iter().any(|p| self.like(&item.table, p) || self.like(&item.name, p))
        };
        let items: Vec<&Item> = items.iter().filter(matching).collect();
        let mut writable = false;
        let (mut sequences, mut statistics) = (false, Vec::new());
        for item in items.iter().filter(|i| i.kind == "table") {
            let Some(sql) = &item.sql else { continue };
            match item.name.as_str() {
                "sqlite_sequence" => sequences = true,
                name if name.starts_with("sqlite_stat") => statistics.push(name),
                name if name.starts_with("sqlite_") => {}
                name if sql.to_ascii_uppercase().starts_with("CREATE VIRTUAL") => {
                    if !writable {
                        writable = true;
                        writeln!(out, "PRAGMA writable_schema=ON;")?;
                    }
                    let text = |text: &str| literals.text(&crate::model::Value::Text(text.as_bytes().to_vec()));
                    let (name, sql) = (text(name), text(sql));
                    writeln!(
                        out,
                        "INSERT INTO sqlite_schema(type,name,tbl_name,rootpage,sql)VALUES('table',{name},{name},0,{sql});"
                    )?;
                }
                name => {
                    // A quoted name may be one of a virtual table's own, which that has made already.
                    let rest = sql.strip_prefix("CREATE TABLE ").filter(|r| r.starts_with(['"', '\'']));
                    let creating = match rest {
                        Some(rest) => format!("CREATE TABLE IF NOT EXISTS {rest}"),
                        None => sql.clone(),
                    };
                    let made = creation("table", name, sql, &creating, &literals);
                    writable &= !made.contains(CLOSE_SCHEMA);
                    out.write_all(made.as_bytes())?;
                    self.dump_rows(name, &literals, out)?;
                }
            }
        }
        if !statistics.is_empty() {
            writeln!(out, "ANALYZE sqlite_schema;")?;
            for name in statistics {
                self.dump_rows(name, &literals, out)?;
            }
        }
        if sequences {
            writeln!(out, "DELETE FROM sqlite_sequence;")?;
            self.dump_rows("sqlite_sequence", &literals, out)?;
        }
        for item in items.iter().filter(|i| i.kind != "table") {
            if let Some(sql) = &item.sql {
                out.write_all(creation(&item.kind, &item.name, sql, sql, &literals).as_bytes())?;
            }
        }
        if writable {
            writeln!(out, "PRAGMA writable_schema=OFF;")?;
        }
        writeln!(out, "COMMIT;")?;
        Ok(())
    }

    fn dump_rows(&self, table: &str, literals: &Literals, out: &mut dyn Write) -> Result<(), RunError> {
        let columns: Vec<String> = self.query(
            "SELECT name FROM pragma_table_xinfo(?1, 'main') WHERE hidden = 0 ORDER BY cid",
            [table],
            |row| row.get(0),
        )?;
        if columns.is_empty() {
            return Ok(());
        }
        let generated: i64 = self.one(&format!(
            "SELECT count(*) FROM pragma_table_xinfo({}, 'main') WHERE hidden > 0",
            literals.text(&crate::model::Value::Text(table.as_bytes().to_vec()))
        ))?;
        let list: Vec<String> = columns.iter().map(|c| quoted(c)).collect();
        let shown = if is_plain(table) { table.to_owned() } else { quoted(table) };
        let into = match generated {
            0 => shown,
            _ => format!("{shown}({})", list.join(",")),
        };
        let failed = |e| RunError::of(e, Stage::Step, 0, vfs::take_error());
        let sql = format!("SELECT {} FROM main.{} NOT INDEXED", list.join(","), quoted(table));
        let mut statement = self.conn.prepare(&sql).map_err(failed)?;
        let mut rows = statement.raw_query();
        let mut line = String::new();
        while let Some(row) = rows.next().map_err(failed)? {
            line.clear();
            line.push_str(&format!("INSERT INTO {into} VALUES("));
            for i in 0..columns.len() {
                if i > 0 {
                    line.push(',');
                }
                literals.put(&mut line, &value(row.get_ref(i).map_err(failed)?));
            }
            line.push_str(");\n");
            out.write_all(line.as_bytes())?;
        }
        Ok(())
    }

    /// Runs statements of Graft's own.
    pub(super) fn execute(&self, sql: &str) -> Result<(), RunError> {
        self.conn.execute_batch(sql).map_err(|e| RunError::of(e, Stage::Step, 0, vfs::take_error()))
    }

    pub(super) fn one<T: rusqlite::types::FromSql>(&self, sql: &str) -> Result<T, RunError> {
        let mut rows = self.query(sql, [], |row| row.get(0))?;
        rows.pop().ok_or_else(|| io::Error::other("a pragma without an answer").into())
    }

    fn like(&self, text: &str, pattern: &str) -> bool {
        let asked = self.query("SELECT ?1 LIKE ?2 ESCAPE '\\'", [text, pattern], |row| row.get::<_, bool>(0));
        asked.is_ok_and(|rows| rows == [true])
    }
}

/// Tells whether a name needs no quotes: the shell leaves them out, and scripts get compared.
fn is_plain(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && !KEYWORDS.contains(&name.to_ascii_uppercase().as_str())
}

/// Words that cannot be names without quotes.
const KEYWORDS: [&str; 72] = [
    "ADD",
    "ALL",
    "ALTER",
    "AND",
    "AS",
    "AUTOINCREMENT",
    "BETWEEN",
    "CASE",
    "CHECK",
    "COLLATE",
    "COMMIT",
    "CONSTRAINT",
    "CREATE",
    "CROSS",
    "DEFAULT",
    "DEFERRABLE",
    "DELETE",
    "DISTINCT",
    "DROP",
    "ELSE",
    "ESCAPE",
    "EXCEPT",
    "EXISTS",
    "FOREIGN",
    "FROM",
    "FULL",
    "GROUP",
    "HAVING",
    "IN",
    "INDEX",
    "INNER",
    "INSERT",
    "INTERSECT",
    "INTO",
    "IS",
    "ISNULL",
    "JOIN",
    "LEFT",
    "LIMIT",
    "MATERIALIZED",
    "NATURAL",
    "NOT",
    "NOTHING",
    "NOTNULL",
    "NULL",
    "ON",
    "OR",
    "ORDER",
    "OUTER",
    "PRIMARY",
    "RAISE",
    "REFERENCES",
    "RETURNING",
    "RIGHT",
    "SELECT",
    "SET",
    "TABLE",
    "THEN",
    "TO",
    "TRANSACTION",
    "TRIGGER",
    "UNION",
    "UNIQUE",
    "UPDATE",
    "USING",
    "VALUES",
    "VIEW",
    "WHEN",
    "WHERE",
    "WINDOW",
    "WITH",
    "WITHOUT",
];
