//! Failed statements in words: what SQLite says, the line with the place marked, why, and what helps.

use unicode_width::UnicodeWidthChar;

use super::{Origin, Shell};
use crate::cli::context::Context;
use crate::cli::error::{self, Failure, exit};
use crate::cli::{messages, style};
use crate::repo::volume::autosync::Unsynced;
use crate::sqlite::sql::SqlError;
use crate::sqlite::sql::recording::Failed;

/// What SQLite says of a table whose order it does not know.
const NO_WAY: &str = "no query solution";
/// The widest part of a line that is shown.
const SHOWN: usize = 78;

/// Says which volumes were not pushed in the background, and why.
pub fn unsynced(ctx: &Context, volumes: &[Unsynced]) {
    for Unsynced { name, why, .. } in volumes {
        ctx.say.warning(format_args!("'{name}' was not pushed: {why}"));
        ctx.say.hint(format_args!(
            "everything is in the volume: 'graft volume push {name}' pushes it, 'graft volume status {name}' says how the two stand"
        ));
    }
}

/// Tells the user whose transactions were not stored; they are in the file all the same.
pub fn unrecorded(ctx: &Context, failed: Vec<Failed>) {
    for Failed { file, why } in failed {
        let name = file.strip_prefix(&ctx.cwd).unwrap_or(&file).display();
        ctx.say
            .warning(format_args!("the transactions on '{name}' are in the file, but are not storage commits: {why}"));
        ctx.say.hint("'graft add' takes the file as it is");
    }
}

/// Tells the user that a statement failed; `text` ends with the statement, which begins at byte `start`.
pub fn sql(shell: &Shell<'_>, error: &SqlError, text: &str, start: usize, origin: Origin<'_>) {
    let mut failure = Failure::new(sentence(error)).exit(exit::NO);
    if let Some(cause) = &error.cause {
        failure = failure.because(cause.as_ref());
    }
    if let Some(help) = help(shell, error) {
        failure = failure.help(help);
    }
    let place = error.offset.map(|offset| offset.min(text.len())).filter(|at| text.is_char_boundary(*at));
    let at = place.unwrap_or_else(|| start + crate::sqlite::sql::split::skip_space(&text[start..]));
    let line = origin.line + text[..at].matches('\n').count();
    if shell.ctx.globals.json {
        error::print(&failure, shell.ctx.globals.color, true);
        return;
    }
    let theme = style::Theme::new(style::on_stderr(shell.ctx.globals.color));
    let whole = error::plain(&failure);
    let (first, rest) = whole.split_once('\n').unwrap_or((&whole, ""));
    let message = first.strip_prefix("error: ").unwrap_or(first);
    let mut out = format!("{e}error:{e:#} {message}\n", e = theme.error);
    let many = shell.ctx.cwd.as_os_str().is_empty() || text.trim_end().contains('\n') || origin.line > 1;
    let name = match origin.file {
        Some(file) => format!("{}:{line}", file.display()),
        None if many => format!("line {line}"),
        None => String::new(),
    };
    if place.is_some() || !name.is_empty() {
        out += &marked(text, at, place.is_some(), &name);
    }
    messages::write_stderr(&(out + rest));
}

/// Tells the user that something else failed.
pub fn failure(shell: &Shell<'_>, failure: &Failure) {
    error::print(failure, shell.ctx.globals.color, shell.ctx.globals.json);
}

fn sentence(error: &SqlError) -> String {
    match &error.cause {
        Some(cause) if error.message.starts_with("unable to open database") => cause.to_string(),
        // SQLite finds no way to read a table whose own order it does not know.
        _ if error.message == NO_WAY => format!("{NO_WAY}: a collation is missing"),
        _ => error.message.clone(),
    }
}

/// Tells whether a collation is missing.
fn is_unsorted(error: &SqlError) -> bool {
    error.message == NO_WAY || error.message.starts_with("no such collation sequence")
}

fn help(shell: &Shell<'_>, error: &SqlError) -> Option<String> {
    if error.help.is_some() {
        return error.help.clone();
    }
    if let Some(help) = error.cause.as_ref().and_then(|cause| error::left_behind_help(cause.as_ref())) {
        return Some(help.to_owned());
    }
    if error.read_only {
        return Some(shell.place.write_help());
    }
    if error.disk {
        return Some(error::DISK.to_owned());
    }
    if error.busy {
        return Some("wait until the other program has finished, or wait longer with --busy-timeout <MS>".to_owned());
    }
    if is_unsorted(error) {
        let all = shell.session.unknown_collations().unwrap_or_default();
        let named: Vec<String> = all.iter().map(|(table, collation)| format!("{table} ({collation})")).collect();
        return (!named.is_empty()).then(|| {
            format!(
                "collations that only the application has sort {}: 'FROM <table> NOT INDEXED' reads without an index, '.dump' and graft_at() read any table",
                named.join(", ")
            )
        });
    }
    let missing = |what: &str| error.message.split_once(what).map(|(_, name)| name.trim());
    if let Some(name) = missing("no such table: ") {
        let tables = shell.session.tables("%").unwrap_or_default();
        let bare = name.rsplit('.').next().unwrap_or(name);
        return match crate::cli::suggest::nearest(bare, tables.iter().map(String::as_str)) {
            Some(near) => Some(format!("did you mean '{near}'?")),
            None => Some("'.tables' lists what there is".to_owned()),
        };
    }
    if let Some(name) = missing("no such column: ") {
        let names = shell.session.names();
        let bare = name.rsplit('.').next().unwrap_or(name);
        let near = crate::cli::suggest::nearest(bare, names.columns.iter().map(String::as_str))?;
        return Some(format!("did you mean '{near}'?"));
    }
    None
}

/// Shows the line of a text that byte `at` is in, with a mark below it.
fn marked(text: &str, at: usize, mark: bool, name: &str) -> String {
    let start = text[..at].rfind('\n').map_or(0, |n| n + 1);
    let end = text[at..].find('\n').map_or(text.len(), |n| at + n);
    let width = |c: char| c.width().unwrap_or(0);
    let visible = |s: &str| s.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
    // Of a long line, what is around the place.
    let before: Vec<char> = visible(&text[start..at]).chars().collect();
    let kept: String = before[before.len().saturating_sub(SHOWN / 2)..].iter().collect();
    let kept = if mark { kept.trim_start().to_owned() } else { kept };
    let after: String = visible(&text[at..end]).trim_end().chars().take(SHOWN).collect();
    let lead = if name.is_empty() { "  ".to_owned() } else { format!("  {name}: ") };
    let mut out = format!("{lead}{kept}{after}\n");
    if mark {
        let column: usize = lead.chars().chain(kept.chars()).map(width).sum();
        out += &format!("{}^--- here\n", " ".repeat(column));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_marked() {
        assert_eq!(marked("selec 1;", 0, true, ""), "  selec 1;\n  ^--- here\n");
        assert_eq!(marked("select 1,\n  äh wo\nfrom", 14, true, "line 2"), "  line 2: äh wo\n           ^--- here\n");
        let long = format!("select {} x from", "a, ".repeat(100));
        let shown = marked(&long, long.len() - 6, true, "");
        assert!(shown.lines().all(|l| l.len() < 130), "{shown}");
    }
}
