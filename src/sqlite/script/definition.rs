//! Statements that make objects of a schema, with a text that is kept whatever reads the script.
//!
//! SQLite keeps a definition as it was written. Not every definition can be written so that it is read as it is: the
//! shell drops carriage returns at the ends of lines and takes some lines for the end of a statement, and a semicolon behind a comment needs a line of its own or the end
//! of the comment, which are then parts of the text. The text of such an object is put right after it was made.

use super::literal::Literals;
use crate::model::Value;
use crate::sqlite::sql::split::terminator;

/// What stands before and after the statements that put definitions right.
pub(in crate::sqlite) const OPEN_SCHEMA: &str = "PRAGMA writable_schema = ON";
/// See [`OPEN_SCHEMA`].
pub(in crate::sqlite) const CLOSE_SCHEMA: &str = "PRAGMA writable_schema = OFF";
/// What hides a line that only says `go` or `/`, with which the shell ends a statement.
const MASK: &str = "/**/ ";
/// How a statement that puts a definition right begins.
pub(in crate::sqlite) const MEND: &str = "UPDATE main.sqlite_master SET sql = ";

/// Returns the statements that make an object, with a newline at the end; `creating` is `sql`, or a form of it that makes
/// the same.
pub(in crate::sqlite) fn creation(kind: &str, name: &str, sql: &str, creating: &str, literals: &Literals) -> String {
    let end = terminator(creating);
    let lines: Vec<&str> = creating.split('\n').map(|line| line.trim_end_matches('\r')).collect();
    let ends_for_shell = |line: &str| matches!(line.trim(), "/") || line.trim().eq_ignore_ascii_case("go");
    let mut out = String::new();
    for (i, line) in lines.iter().enumerate() {
        out += if i == 0 { "" } else { "\n" };
        out += if ends_for_shell(line) { MASK } else { "" };
        out += &line.replace('\r', " ");
    }
    out += &format!("{end}\n");
    if sql.contains('\r')
        || lines.iter().any(|line| ends_for_shell(line))
        || end == "*/;"
        || end == "\n;" && kind != "view"
    {
        let text = |text: &str| literals.text(&Value::Text(text.as_bytes().to_vec()));
        out += &format!("{OPEN_SCHEMA};\n{MEND}{} ", text(sql));
        out += &format!("WHERE type = {} AND name = {};\n{CLOSE_SCHEMA};\n", text(kind), text(name));
    }
    out
}

/// Tells whether a definition may have become another by being put right.
pub(in crate::sqlite) fn is_same_but_for_line_ends(before: &str, after: &str) -> bool {
    fn plain(text: &str) -> String {
        let text = text.replace("\r\n", "\n").replace('\r', " ").replace(MASK, "");
        text.trim_end().trim_end_matches("*/").to_owned()
    }
    plain(before) == plain(after)
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    #[test]
    fn definitions_are_kept_by_readers_that_drop_carriage_returns() {
        let literals = Literals::for_encoding("UTF-8");
        for (kind, sql) in [
            ("table", "CREATE TABLE x (a,\r\n b DEFAULT 'one\r\ntwo')"),
            ("table", "CREATE TABLE x (a PRIMARY KEY) WITHOUT ROWID -- by name"),
            ("view", "CREATE VIEW x AS SELECT 1 -- one\r\n, 2"),
            ("view", "CREATE VIEW x AS SELECT 1 -- one"),
            ("view", "CREATE VIEW x AS SELECT 1 /* one"),
            ("view", "CREATE VIEW x AS SELECT a\n / \n2 FROM t"),
            ("view", "CREATE VIEW x AS SELECT a\r\nGO\r\nFROM t"),
            ("index", "CREATE INDEX x ON t (a) -- fast"),
            ("index", "CREATE INDEX x ON t (a) /* fast"),
            ("trigger", "CREATE TRIGGER x AFTER INSERT ON t BEGIN\r\nSELECT 1; -- one\r\nEND"),
        ] {
            let conn = Connection::open_in_memory().expect("memory");
            conn.execute_batch("CREATE TABLE t (a)").expect("a table");
            let made = creation(kind, "x", sql, sql, &literals);
            let statement = made.split(OPEN_SCHEMA).next().unwrap_or_default();
            assert!(
                !made.contains('\r') && !statement.lines().any(|line| ["/", "GO"].contains(&line.trim())),
                "{made}"
            );
            conn.execute_batch(&made).expect(sql);
            let kept = "SELECT sql FROM sqlite_schema WHERE type = ?1 AND name = 'x'";
            let kept: String = conn.query_row(kept, [kind], |row| row.get(0)).expect("an object");
            assert_eq!(kept, sql, "{made}");
            assert_eq!(made.contains(MEND), sql != "CREATE VIEW x AS SELECT 1 -- one", "{made}");
        }
    }
}
