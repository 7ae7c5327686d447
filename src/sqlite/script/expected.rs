//! What a script was made from, as far as it takes something away: statements that fail where a database is not so.
//!
//! Each expectation is a row for a temporary table that takes no NULL. A reader that stops at the first error has changed
//! nothing when one fails; for a reader that goes on, the last statement of the transaction takes everything back.

use std::collections::BTreeSet;
use std::io::{self, Write};

use rusqlite::Connection;

use super::content::fingerprint;
use super::literal::Literals;
use crate::model::Value;
use crate::sqlite::diff::side::{quoted, value};

/// Makes the table of expectations, whose column says what it means in SQLite's message.
pub(in crate::sqlite) const BEGIN: &str = "CREATE TEMP TABLE graft_expects (what, name, \"the database to be what the script was made from\" NOT NULL, detail)";
/// How an expectation begins; a list of VALUES follows: what, its name, 1 or NULL, and a detail.
pub(in crate::sqlite) const EXPECT: &str = "INSERT INTO temp.graft_expects ";
/// How the statement begins that takes everything back where an expectation failed and was passed over.
pub(in crate::sqlite) const TAKE_BACK: &str = "INSERT OR ROLLBACK INTO temp.graft_expects ";

/// What an expectation is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sqlite) enum What {
    /// A table, an index, a view or a trigger, by its definition.
    Object(&'static str),
    /// Nothing is called so.
    Free,
    /// The triggers of a table: no others.
    Triggers,
    /// What goes with a table: nothing else.
    Belongings,
    /// What goes with a table, and what mentions it: nothing else.
    Mentions,
    /// All rows of a table, by their fingerprint.
    Rows,
    /// A setting of the database.
    Setting,
    /// The counter of a table with AUTOINCREMENT.
    Counter,
}

impl What {
    /// Returns the word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Object(kind) => kind,
            Self::Free => "nothing",
            Self::Triggers => "triggers",
            Self::Belongings => "belongings",
            Self::Mentions => "mentions",
            Self::Rows => "rows",
            Self::Setting => "setting",
            Self::Counter => "counter",
        }
    }

    /// Returns the condition on `sqlite_master` for what goes with the table `?1`, which may be a view.
    pub fn condition(self) -> &'static str {
        match self {
            Self::Triggers => "type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE",
            Self::Mentions => {
                "type <> 'table' AND sql IS NOT NULL AND (tbl_name = ?1 COLLATE NOCASE \
                 OR type <> 'index' AND instr(lower(sql), lower(?1)))"
            }
            _ => "type <> 'table' AND sql IS NOT NULL AND tbl_name = ?1 COLLATE NOCASE",
        }
    }

    /// Reads a word.
    pub fn of(word: &str) -> Option<Self> {
        let objects = ["table", "index", "view", "trigger"].map(Self::Object);
        let others =
            [Self::Free, Self::Triggers, Self::Belongings, Self::Mentions, Self::Rows, Self::Setting, Self::Counter];
        objects.into_iter().chain(others).find(|what| what.word() == word)
    }
}

/// Gathers what is expected; reads the old state.
pub(super) struct Expectations<'d> {
    old: &'d Connection,
    literals: &'d Literals,
    stated: BTreeSet<(&'static str, String)>,
    lines: String,
}

impl<'d> Expectations<'d> {
    pub fn new(old: &'d Connection, literals: &'d Literals) -> Self {
        Self { old, literals, stated: BTreeSet::new(), lines: String::new() }
    }

    /// Expects an object to be as it was.
    pub fn object(&mut self, kind: &str, name: &str) -> rusqlite::Result<()> {
        let Some(what) = What::of(kind) else { return Ok(()) };
        let sql = "SELECT sql FROM sqlite_master WHERE type = ?1 AND name = ?2";
        let sql = self.old.query_row(sql, [kind, name], |row| Ok(value(row.get_ref(0)?)))?;
        let condition = format!(
            "(SELECT sql FROM main.sqlite_master WHERE type = {} AND name = {}) IS {}",
            self.text(kind),
            self.text(name),
            self.literals.text(&sql)
        );
        self.state(what, name, &condition, None);
        Ok(())
    }

    /// Expects that a name is free, or means what it meant.
    pub fn free(&mut self, name: &str) -> rusqlite::Result<()> {
        let sql = "SELECT type, name FROM sqlite_master WHERE name = ?1 COLLATE NOCASE";
        let mut statement = self.old.prepare(sql)?;
        let taken = statement.query_map([name], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
        let taken: Vec<(String, String)> = taken.collect::<rusqlite::Result<_>>()?;
        if taken.is_empty() {
            let condition = format!(
                "NOT EXISTS (SELECT 1 FROM main.sqlite_master WHERE name = {} COLLATE NOCASE)",
                self.text(name)
            );
            self.state(What::Free, name, &condition, None);
        }
        taken.iter().try_for_each(|(kind, name)| self.object(kind, name))
    }

    /// Expects a table or view to have the triggers it had, or all that it had, or that also nothing else mentions it.
    pub fn belongings(&mut self, what: What, table: &str) -> rusqlite::Result<()> {
        let sql = format!("SELECT type, name FROM sqlite_master WHERE {} ORDER BY type, name", what.condition());
        let mut statement = self.old.prepare(&sql)?;
        let found = statement.query_map([table], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
        let found: Vec<(String, String)> = found.collect::<rusqlite::Result<_>>()?;
        found.iter().try_for_each(|(kind, name)| self.object(kind, name))?;
        let condition = what.condition().replace("?1", &self.text(table));
        let there = format!("SELECT count(*) FROM main.sqlite_master WHERE {condition}");
        self.state(what, table, &format!("({there}) = {}", found.len()), None);
        Ok(())
    }

    /// Expects a table to have exactly the rows it had. Plain SQLite only counts them.
    pub fn rows(&mut self, table: &str) -> rusqlite::Result<()> {
        let (count, sum) = fingerprint(self.old, table)?;
        let condition = format!("(SELECT count(*) FROM main.{}) = {count}", quoted(table));
        self.state(What::Rows, table, &condition, Some(&sum));
        Ok(())
    }

    /// Expects a setting.
    pub fn setting(&mut self, name: &str, old: &Value) {
        let old = self.literals.text(old);
        self.state(What::Setting, name, &format!("(SELECT {name} FROM pragma_{name}) IS {old}"), None);
    }

    /// Expects the counter of a table; `None` if it has none.
    pub fn counter(&mut self, table: &Value, old: Option<&Value>) {
        let name = match table {
            Value::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            other => self.literals.text(other),
        };
        let found = format!("SELECT seq FROM main.sqlite_sequence WHERE name IS {}", self.literals.text(table));
        let old = self.literals.text(old.unwrap_or(&Value::Null));
        self.state(What::Counter, &name, &format!("({found}) IS {old}"), None);
    }

    /// Writes the expectations at the beginning of the transaction.
    pub fn begin(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.stated.is_empty() {
            return Ok(());
        }
        writeln!(out, "{BEGIN};")?;
        out.write_all(self.lines.as_bytes())
    }

    /// Writes what takes everything back, at the end of the transaction, if one of them failed and was passed over.
    pub fn end(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.stated.is_empty() {
            return Ok(());
        }
        writeln!(
            out,
            "{TAKE_BACK}SELECT NULL, NULL, NULL, NULL \
             WHERE (SELECT count(*) FROM temp.graft_expects) <> {};\nDROP TABLE temp.graft_expects;",
            self.stated.len()
        )
    }

    fn state(&mut self, what: What, name: &str, condition: &str, detail: Option<&str>) {
        if !self.stated.insert((what.word(), name.to_owned())) {
            return;
        }
        let detail = detail.map_or("NULL".to_owned(), |d| self.text(d));
        let (word, name) = (self.text(what.word()), self.text(name));
        self.lines += &format!("{EXPECT}VALUES ({word}, {name}, nullif({condition}, 0), {detail});\n");
    }

    fn text(&self, text: &str) -> String {
        self.literals.text(&Value::Text(text.as_bytes().to_vec()))
    }
}
