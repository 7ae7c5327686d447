//! SQL scripts that turn one state of a database into another.
//!
//! The order is one in which nothing can be in the way: triggers and changed indexes go first; in each table rows are
//! deleted before others come, and a row that changes in a table with unique columns is deleted and inserted again, so
//! at every moment the table holds nothing but rows of the old state that stay and rows of the new one. A table whose
//! definition changed is made anew around the rows that stay. Triggers and indexes come back last. Statements say what
//! the row held, and the script what definitions, settings and rows it takes away, so that applied to another database
//! than the old state it destroys nothing that the old state had not.

pub(in crate::sqlite) mod content;
mod counters;
pub(in crate::sqlite) mod definition;
pub(in crate::sqlite) mod expected;
pub(in crate::sqlite) mod literal;
mod plan;
pub(in crate::sqlite) mod rows;

use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::ops::ControlFlow;

pub(super) use plan::has_unique_columns;

use rusqlite::ffi;

use definition::creation;
use expected::{Expectations, What};
use literal::Literals;
use plan::{Objects, Plan, Planned, Scope};
use rows::{RowStatements, or_abort};

use crate::model::Value;
use crate::sqlite::diff::side::quoted;
use crate::sqlite::diff::{Compared, Diff, DiffError, KeptColumns, RowPair, Selected, Stopped, TableKind, TablePair};
use crate::sqlite::error::code;
use crate::util::interrupt::Interrupted;

/// How a script begins; the name of its database follows.
pub const MAGIC: &str = "-- graft diff --sql: ";
/// What stands between where a row is found and what it held.
pub(super) const WAS: &str = " /*was*/";
/// What stands before the hash of a long value that a row held; the column and the end of the comment follow.
pub(super) const HASH: &str = " /*blake3 ";
/// How a script leaves rows that their own database lets be as they are; `apply` still checks them.
pub(super) const UNCHECKED: &str = "PRAGMA ignore_check_constraints = ON";
/// The temporary table for the rows that stay while their table is made anew.
const KEEP: &str = "temp.graft_keep";

/// Why no script can be written.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// Rows were picked of a table that differs in more than its rows.
    #[error("a script cannot carry over single rows of {table}: {reason}")]
    Inexpressible {
        /// The table.
        table: String,
        /// Why.
        reason: &'static str,
    },
    /// The states cannot be compared.
    #[error(transparent)]
    Diff(#[from] DiffError),
    /// The output cannot be written.
    #[error("cannot write the script")]
    Io(#[from] io::Error),
}

/// Writes the script for one database, and returns what it does not carry over.
pub fn write_script(selected: Selected<'_>, name: &str, out: &mut dyn Write) -> Result<Vec<String>, ScriptError> {
    let Selected { diff, selection } = selected;
    let objects = Objects::read(diff, selection.wants_rows_only())?;
    let encoding = objects.encoding();
    let literals = Literals::for_encoding(&encoding);
    let mut script = Script { selected, literals: &literals, left_out: Vec::new() };
    let mut body = Spool::new()?;
    let tables = diff.tables_by_name();
    let mut plans = plan::of_tables(selected, &tables)?;
    for planned in &mut plans {
        script.table(planned, &mut body)?;
    }
    for planned in plans.iter().filter(|p| p.rebuild) {
        let name = quoted(&planned.pair.name);
        body.line(&format!("INSERT INTO {name} ({name}) VALUES ('rebuild');"))?;
    }
    let touched = |table: &str| plans.iter().any(|p| p.pair.name.eq_ignore_ascii_case(table) && p.plan != Plan::Same);
    let made_anew = |table: &str| plans.iter().any(|p| p.pair.name.eq_ignore_ascii_case(table) && p.plan.makes_anew());
    let scope = Scope { selection, touched: &touched, made_anew: &made_anew };
    let counters = objects.counters(&scope);
    objects.creates(&scope, &literals, &mut body.0)?;
    counters::set(&counters, &literals, &mut body.0)?;
    let (settings, others): (Vec<_>, Vec<_>) =
        selected.settings()?.into_iter().partition(|s| ["user_version", "application_id"].contains(&s.name));
    for setting in &settings {
        body.line(&format!("PRAGMA {} = {};", setting.name, literals.text(&setting.new)))?;
    }
    script.left_out.extend(others.iter().map(|s| format!("the setting {}", s.name)));

    let mut expected = Expectations::new(diff.connections().0, &literals);
    expect_tables(diff, &plans, &mut expected).and_then(|()| objects.expect(&scope, &mut expected)).map_err(unread)?;
    counters::expect(&counters, &mut expected);
    settings.iter().for_each(|s| expected.setting(s.name, &s.old));
    if literals.depend_on_encoding() {
        expected.setting("encoding", &Value::Text(encoding.as_bytes().to_vec()));
    }

    let name: String = name.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    writeln!(out, "{MAGIC}{name}")?;
    writeln!(out, "PRAGMA foreign_keys = OFF;\n{UNCHECKED};")?;
    if objects.from_nothing && encoding != "UTF-8" {
        writeln!(out, "PRAGMA encoding = '{encoding}';")?;
    }
    writeln!(out, "BEGIN IMMEDIATE;")?;
    expected.begin(out)?;
    counters::keep(&counters, objects.had_counters(), out)?;
    objects.drops(&scope, out)?;
    for planned in plans.iter().filter(|p| p.plan == Plan::Drop) {
        writeln!(out, "DROP TABLE {};", quoted(&planned.pair.name))?;
    }
    body.copy_to(out)?;
    expected.end(out)?;
    writeln!(out, "COMMIT;\nPRAGMA ignore_check_constraints = OFF;")?;
    let rebuilt = |table: &str| plans.iter().any(|p| p.rebuild && p.pair.name == table);
    let lost = selected.unshown()?.into_iter().filter(|t| !rebuilt(&t.table));
    script.left_out.extend(lost.map(|t| t.left_out()));
    Ok(script.left_out)
}

/// States what is expected of the tables that change.
fn expect_tables(diff: &Diff, plans: &[Planned<'_>], expected: &mut Expectations<'_>) -> rusqlite::Result<()> {
    for Planned { pair, plan, .. } in plans {
        let loses = plan.loses(pair);
        match plan {
            Plan::Same | Plan::Unreadable => continue,
            Plan::Create => {
                expected.free(&pair.name)?;
                continue;
            }
            Plan::Rows | Plan::Alter | Plan::Replace | Plan::Drop => expected.object("table", &pair.name)?,
        }
        let belongings = match plan {
            Plan::Rows => What::Triggers,
            _ if loses => What::Mentions,
            _ => What::Belongings,
        };
        expected.belongings(belongings, &pair.name)?;
        if loses && pair.compared == Compared::Rows {
            expected.rows(&pair.name)?;
        }
        // What a virtual table does not show is in its shadow tables.
        let hides = pair.old.as_ref().is_some_and(|t| t.kind == TableKind::Virtual && !t.indexes_other_content());
        if loses && pair.compared == Compared::NoContent && hides {
            let prefix = format!("{}_", pair.name);
            let shadows = diff.tables().iter().filter(|t| t.compared == Compared::Shadow && t.old.is_some());
            shadows.filter(|t| t.name.starts_with(&prefix)).try_for_each(|t| expected.rows(&t.name))?;
        }
    }
    Ok(())
}

fn unread(e: rusqlite::Error) -> DiffError {
    match code(&e) {
        Some(ffi::SQLITE_INTERRUPT) => DiffError::Interrupted(Interrupted),
        _ => DiffError::Sqlite(e),
    }
}

struct Script<'d> {
    selected: Selected<'d>,
    literals: &'d Literals,
    left_out: Vec<String>,
}

impl Script<'_> {
    /// Writes the statements for the rows of a table, and the table itself if it is made anew.
    fn table(&mut self, planned: &mut Planned<'_>, body: &mut Spool) -> Result<(), ScriptError> {
        let pair = planned.pair;
        match planned.plan {
            Plan::Same | Plan::Drop => {}
            Plan::Unreadable => self.left_out.push(format!("the rows of {}", pair.name)),
            Plan::Rows => {
                if !self.rows(pair, false, body, &mut |_| Ok(()))? {
                    planned.plan = Plan::Same;
                }
            }
            Plan::Alter => {
                self.rows(pair, true, body, &mut |body| self.make_anew(pair, body))?;
            }
            Plan::Replace | Plan::Create => {
                if planned.plan == Plan::Replace {
                    body.line(&format!("DROP TABLE {};", quoted(&pair.name)))?;
                }
                let new = pair.new.as_ref().expect("the plan is about a new table");
                body.text(&creation("table", &pair.name, &new.sql, &new.sql, self.literals))?;
                if let Some(fresh) = pair.as_created() {
                    self.rows(&fresh, false, body, &mut |_| Ok(()))?;
                }
            }
        }
        Ok(())
    }

    /// Writes the statements for rows: deletions, then what `between` writes, then the rest. Tells whether there are any.
    fn rows(
        &self,
        pair: &TablePair,
        alter: bool,
        body: &mut Spool,
        between: &mut dyn FnMut(&mut Spool) -> Result<(), ScriptError>,
    ) -> Result<bool, ScriptError> {
        let identity = self.selected.diff.table_changes(pair)?.identity;
        let of = |table| RowStatements { table, identity, literals: self.literals };
        let (old, new) = (pair.old.as_ref().map(of), pair.new.as_ref().map(of));
        let again = alter || has_unique_columns(self.selected.diff, pair, identity)?;
        let mut later = Spool::new()?;
        let mut any = false;
        let mut text = String::new();
        let mut put = |row: &RowPair<'_>| {
            any = true;
            text.clear();
            let written = match (row.old, row.new, &old, &new) {
                (Some(_), Some(_), _, Some(new)) if !again => {
                    new.update(&mut text, row);
                    later.text(&text)
                }
                (was, is, old, new) => {
                    if let (Some(_), Some(old)) = (was, old) {
                        old.delete(&mut text, row);
                    }
                    let gone = body.text(&text);
                    text.clear();
                    if let (Some(values), Some(new)) = (is, new) {
                        (0..row.count).for_each(|_| new.insert(&mut text, row.key, values));
                    }
                    gone.and_then(|()| later.text(&text))
                }
            };
            written.map(ControlFlow::Continue)
        };
        self.selected.row_pairs(pair, &mut put).map_err(Stopped::into_error)?;
        between(body)?;
        later.copy_to(&mut body.0)?;
        Ok(any)
    }

    /// Writes what makes a table anew around the rows that stay.
    fn make_anew(&self, pair: &TablePair, body: &mut Spool) -> Result<(), ScriptError> {
        let (Some(old), Some(new)) = (&pair.old, &pair.new) else { return Ok(()) };
        let name = quoted(&pair.name);
        let rowids = match (old.rowid_name(), new.rowid_name(), &new.rowid_column) {
            (Some(from), Some(to), None) => Some((from.to_owned(), to.to_owned())),
            _ => None,
        };
        let KeptColumns { common, added } = pair.columns_kept();
        let mut from: Vec<String> = rowids.iter().map(|(from, _)| format!("{from} AS graft_rowid")).collect();
        from.extend(common.iter().map(|(old, new)| match old == new {
            true => quoted(old),
            false => format!("{} AS {}", quoted(old), quoted(new)),
        }));
        let mut to: Vec<String> = rowids.iter().map(|(_, to)| to.clone()).collect();
        let mut kept: Vec<String> = rowids.iter().map(|_| "graft_rowid".to_owned()).collect();
        for (_, column) in &common {
            to.push(quoted(column));
            kept.push(quoted(column));
        }
        for (column, value) in &added {
            to.push(quoted(column));
            kept.push(self.literals.text(value));
        }
        body.line(&format!("CREATE TEMP TABLE graft_keep AS SELECT {} FROM {name};", from.join(", ")))?;
        body.line(&format!("DROP TABLE {name};"))?;
        body.text(&creation("table", &pair.name, &new.sql, &new.sql, self.literals))?;
        body.line(&format!(
            "INSERT{} INTO {name} ({}) SELECT {} FROM {KEEP};",
            or_abort(new),
            to.join(", "),
            kept.join(", ")
        ))?;
        body.line(&format!("DROP TABLE {KEEP};"))?;
        Ok(())
    }
}

/// Text that is written before it is known what stands above it.
struct Spool(BufWriter<File>);

impl Spool {
    fn new() -> io::Result<Self> {
        Ok(Self(BufWriter::new(tempfile::tempfile()?)))
    }

    fn text(&mut self, text: &str) -> Result<(), ScriptError> {
        Ok(self.0.write_all(text.as_bytes())?)
    }

    fn line(&mut self, text: &str) -> Result<(), ScriptError> {
        Ok(writeln!(self.0, "{text}")?)
    }

    fn copy_to(self, out: &mut dyn Write) -> Result<(), ScriptError> {
        let mut file = self.0.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.seek(SeekFrom::Start(0))?;
        io::copy(&mut file, out)?;
        Ok(())
    }
}
