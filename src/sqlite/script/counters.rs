//! The counters of AUTOINCREMENT: set as the new state has them, and never below what a database has come to.

use std::io::{self, Write};

use super::expected::Expectations;
use super::literal::Literals;
use crate::model::Value;

/// Keeps the counters as they are before rows come.
const KEPT: &str = "temp.graft_counters";

/// The counter of a table.
pub(super) struct Counter {
    /// The name of the table.
    pub table: Value,
    /// What it was; `None` if there was none.
    pub old: Option<Value>,
    /// What it is to be.
    pub new: Option<Value>,
}

/// What a counter becomes.
enum Becomes<'c> {
    /// This, whatever it was; it must be what it was in the old state.
    Exactly(Option<&'c Value>),
    /// This, or what it was if that is more.
    AtLeast(i64),
    /// What it was.
    Unchanged,
}

impl Counter {
    fn becomes(&self) -> Becomes<'_> {
        match (&self.old, &self.new) {
            (None, None) => Becomes::Unchanged,
            (None, Some(Value::Integer(n))) => Becomes::AtLeast(*n),
            (Some(Value::Integer(old)), Some(Value::Integer(n))) if old <= n => Becomes::AtLeast(*n),
            (_, new) => Becomes::Exactly(new.as_ref()),
        }
    }
}

/// States what is expected of counters that are set back.
pub(super) fn expect(counters: &[Counter], expected: &mut Expectations<'_>) {
    for counter in counters.iter().filter(|c| matches!(c.becomes(), Becomes::Exactly(_))) {
        expected.counter(&counter.table, counter.old.as_ref());
    }
}

/// Writes what keeps the counters, before anything changes them.
pub(super) fn keep(counters: &[Counter], there: bool, out: &mut dyn Write) -> io::Result<()> {
    match (counters.iter().all(|c| matches!(c.becomes(), Becomes::Exactly(_))), there) {
        (true, _) => Ok(()),
        (false, true) => {
            writeln!(out, "CREATE TEMP TABLE graft_counters AS SELECT name, seq FROM main.sqlite_sequence;")
        }
        (false, false) => writeln!(out, "CREATE TEMP TABLE graft_counters (name, seq);"),
    }
}

/// Writes what sets the counters, after everything else.
pub(super) fn set(counters: &[Counter], literals: &Literals, out: &mut dyn Write) -> io::Result<()> {
    let mut kept = false;
    for counter in counters {
        let name = literals.text(&counter.table);
        writeln!(out, "DELETE FROM sqlite_sequence WHERE name IS {name};")?;
        let into = "INSERT INTO sqlite_sequence (name, seq)";
        kept |= !matches!(counter.becomes(), Becomes::Exactly(_));
        match counter.becomes() {
            Becomes::Exactly(None) => {}
            Becomes::Exactly(Some(seq)) => writeln!(out, "{into} VALUES ({name}, {});", literals.text(seq))?,
            Becomes::AtLeast(n) => writeln!(
                out,
                "{into} SELECT {name}, max({n}, coalesce((SELECT max(seq) FROM {KEPT} WHERE name IS {name}), {n}));"
            )?,
            Becomes::Unchanged => writeln!(out, "{into} SELECT name, seq FROM {KEPT} WHERE name IS {name};")?,
        }
    }
    if kept { writeln!(out, "DROP TABLE {KEPT};") } else { Ok(()) }
}
