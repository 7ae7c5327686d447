//! `--stat` and `--summary`: how much differs, and what came or went.

use std::io::Write;

use unicode_width::UnicodeWidthStr;

use super::{Database, Format, Tally, View, shown, value};
use crate::cli::context::Context;
use crate::cli::error::Failure;
use crate::cli::render::change;
use crate::cli::render::path::{Quote, quoted, relative};
use crate::cli::render::size::{bytes, count};
use crate::model::FileKind;
use crate::model::page::PAGE_SIZE;
use crate::repo::state::types::ChangeKind;
use crate::repo::worktree::diff::{FileDiff, Opened};

/// What all files sum up to.
#[derive(Default)]
pub(super) struct Totals {
    files: u64,
    rows: Tally,
}

/// Writes a file and, below it, its tables.
pub(super) fn file(
    ctx: &mut Context,
    file: &FileDiff,
    opened: &Opened,
    database: Option<&Database<'_>>,
    view: &View,
    totals: &mut Totals,
) -> Result<bool, Failure> {
    let (mut tables, mut unshown) = (Vec::new(), Vec::new());
    let mut objects = 0;
    if let Some(db) = database {
        objects = db.schema()?.len() as u64;
        for pair in db.tables() {
            let tally = db.tally(pair)?;
            if tally.total() > 0 {
                tables.push((value::name(&pair.name), tally));
            }
        }
        unshown = db.unshown()?;
        let narrowed = db.view.is_narrowed();
        if narrowed && tables.is_empty() && unshown.is_empty() && objects == 0 {
            return Ok(false);
        }
        if !narrowed && tables.is_empty() && objects == 0 && !db.differs()? {
            return Ok(false);
        }
    }
    totals.files += 1;
    let path = shown(file.change.path.as_str(), view);
    let name = match &file.change.renamed_from {
        Some(from) => format!("{} => {path}", shown(from.as_str(), view)),
        None => path,
    };
    writeln!(ctx.out, " {name} | {}", extent(file, opened))?;
    if objects > 0 {
        writeln!(ctx.out, "   {}", count(objects, "schema change"))?;
    }
    let width = tables.iter().map(|(name, _)| name.width()).max().unwrap_or_default();
    let (added, removed) = (ctx.out.theme.added, ctx.out.theme.removed);
    for (name, tally) in tables {
        let padding = " ".repeat(width - name.width());
        let Tally { inserted, deleted, updated } = tally;
        writeln!(
            ctx.out,
            "   {name}{padding} | {added}+{inserted}{added:#} {removed}-{deleted}{removed:#} ~{updated}"
        )?;
        totals.rows.inserted += inserted;
        totals.rows.deleted += deleted;
        totals.rows.updated += updated;
    }
    for table in unshown {
        writeln!(ctx.out, "   {} | differs, but has no rows of its own", value::name(&table.table))?;
    }
    Ok(true)
}

fn extent(file: &FileDiff, opened: &Opened) -> String {
    let size = |old: u64, new: u64| match file.change.change {
        ChangeKind::Added => format!("new, {}", bytes(new)),
        ChangeKind::Deleted => format!("gone, {}", bytes(old)),
        _ if old == new => bytes(new),
        _ => format!("{} → {}", bytes(old), bytes(new)),
    };
    match opened {
        Opened::Same => "no pages".to_owned(),
        Opened::Bytes { old_len, new_len } => format!("bytes differ, {}", size(*old_len, *new_len)),
        Opened::Rows(rows) => match (&rows.pages, file.change.change) {
            (Some(pages), ChangeKind::Modified | ChangeKind::Renamed) => {
                let changed = bytes(u64::from(pages.len()) * PAGE_SIZE as u64);
                format!("{}, {changed} of {}", count(pages.len().into(), "page"), size(rows.old_len, rows.new_len))
            }
            _ => size(rows.old_len, rows.new_len),
        },
    }
}

/// Counts the rows that came and went, as Git counts lines: one that is another came and went. Writes them before the name of the
/// file if that is wanted; a file without rows has `-`.
pub(super) fn numbers(
    ctx: &mut Context,
    file: &FileDiff,
    database: Option<&Database<'_>>,
    view: &View,
    totals: &mut Totals,
) -> Result<bool, Failure> {
    let mut rows = Tally::default();
    if let Some(db) = database {
        for pair in db.tables() {
            let tally = db.tally(pair)?;
            rows.inserted += tally.inserted;
            rows.deleted += tally.deleted;
            rows.updated += tally.updated;
        }
        if rows.total() == 0 && !db.differs()? {
            return Ok(false);
        }
    }
    totals.files += 1;
    totals.rows.inserted += rows.inserted;
    totals.rows.deleted += rows.deleted;
    totals.rows.updated += rows.updated;
    if view.format == Format::Numstat {
        let path = file.change.path.as_str();
        let name = match &file.change.renamed_from {
            Some(from) => change::renamed(&relative(from.as_str(), &view.from), &relative(path, &view.from)),
            None => quoted(&relative(path, &view.from), Quote::Scripts),
        };
        let has_rows = file.change.kind == FileKind::Sqlite && file.change.change != ChangeKind::TypeChanged;
        match database.is_some() || has_rows {
            true => writeln!(ctx.out, "{}\t{}\t{name}", rows.inserted + rows.updated, rows.deleted + rows.updated)?,
            false => writeln!(ctx.out, "-\t-\t{name}")?,
        }
    }
    Ok(true)
}

/// Writes ` 2 files changed, 3 insertions(+), 1 deletion(-)`.
pub(super) fn short(ctx: &mut Context, totals: &Totals) -> Result<(), Failure> {
    let Tally { inserted, deleted, updated } = totals.rows;
    let (added, removed) = (inserted + updated, deleted + updated);
    let mut text = format!(" {} changed", count(totals.files, "file"));
    if added > 0 || removed == 0 {
        text += &format!(", {}(+)", count(added, "insertion"));
    }
    if removed > 0 || added == 0 {
        text += &format!(", {}(-)", count(removed, "deletion"));
    }
    writeln!(ctx.out, "{text}")?;
    Ok(())
}

/// Writes what all files sum up to.
pub(super) fn totals(ctx: &mut Context, totals: &Totals) -> Result<(), Failure> {
    let rows = match totals.rows.total() {
        0 => "no rows".to_owned(),
        n => format!("{}: {}", count(n, "row"), totals.rows.text()),
    };
    writeln!(ctx.out, " {} changed, {rows}", count(totals.files, "file"))?;
    Ok(())
}

/// Writes a line for every file and every schema object that came, went or changed its mode or definition.
pub(super) fn summary(ctx: &mut Context, file: &FileDiff, database: Option<&Database<'_>>) -> Result<bool, Failure> {
    let text = change::summary(std::slice::from_ref(&file.change));
    ctx.out.write_all(text.as_bytes())?;
    let Some(db) = database else { return Ok(true) };
    for object in db.schema()? {
        let path = shown(file.change.path.as_str(), db.view);
        let (kind, name) = (&object.kind, value::name(&object.name));
        let what = match (&object.old_sql, &object.new_sql, &object.renamed_from) {
            (None, ..) => format!("create {kind} {name}"),
            (_, None, _) => format!("drop {kind} {name}"),
            (.., Some(from)) => format!("rename {kind} {} => {name}", value::name(from)),
            _ => format!("alter {kind} {name}"),
        };
        writeln!(ctx.out, " {what} in {path}")?;
    }
    db.differs()
}
