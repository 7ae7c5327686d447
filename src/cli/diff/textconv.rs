//! `--textconv`: a database as text, one line per row, for programs that compare lines.
//!
//! The text depends on what the database holds, not on how it lies in the file: objects in the order of their names, rows in
//! the order of their keys, each line with the name of its table.

use std::io::Write;
use std::ops::ControlFlow;

use super::{Database, View, unreadable, value};
use crate::cli::context::Context;
use crate::cli::error::Failure;
use crate::model::{RowChange, RowIdentity};
use crate::repo::worktree::diff::{FileDiff, Opened};

/// Writes a database; `opened` compares nothing with it.
pub fn write(ctx: &mut Context, file: &FileDiff, opened: &Opened, view: &View) -> Result<(), Failure> {
    let rows = match opened {
        Opened::Rows(rows) => rows,
        Opened::Same => return Ok(()),
        Opened::Bytes { new_len, .. } => {
            writeln!(ctx.out, "{}: no database, {new_len} bytes", file.change.path)?;
            return Ok(());
        }
    };
    let db = Database { file, rows, view };
    for setting in db.settings()? {
        writeln!(ctx.out, "setting {}: {}", setting.name, value::whole(&setting.new))?;
    }
    for object in db.schema()? {
        writeln!(ctx.out, "{} {}", object.kind, value::name(&object.name))?;
        for line in object.new_sql.iter().flat_map(|sql| sql.lines()) {
            writeln!(ctx.out, "  {line}")?;
        }
    }
    for sequence in db.sequences()? {
        let seq = sequence.new.as_ref().map_or("none".to_owned(), value::whole);
        writeln!(ctx.out, "sequence {}: {seq}", value::whole(&sequence.name))?;
    }
    for pair in db.tables() {
        let known = db.rows.diff.table_changes(pair).map_err(|e| db.error(e))?;
        let columns = known.new_columns.clone().unwrap_or_default();
        let table = value::name(&pair.name);
        let mut written = Ok(());
        let out = &mut ctx.out;
        let unread = db.each_row(pair, &mut |change| {
            if let RowChange::Insert { key, row, count } = change {
                let rowid = (known.identity == RowIdentity::Rowid).then_some(("rowid", &key));
                let rowid = rowid.into_iter().flat_map(|(name, key)| key.iter().map(move |v| (name, v)));
                let cells = rowid.chain(columns.iter().map(String::as_str).zip(&row));
                let text: String =
                    cells.map(|(name, v)| format!(" {}={}", value::name(name), value::whole(v))).collect();
                written = (0..count).try_for_each(|_| writeln!(out, "{table}{text}"));
            }
            if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        written?;
        if let Some(why) = unread {
            unreadable(ctx, &pair.name, &why);
        }
    }
    Ok(())
}
