//! The prompt: line editing, a history over sessions, completion, statements over several lines, and Ctrl-C.

use std::path::PathBuf;

use etcetera::BaseStrategy;
use rustyline::completion::{Completer, Pair};
use rustyline::config::{CompletionType, Config};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::Validator;
use rustyline::{Editor, Helper};

use super::dot_words::KNOWN;
use super::mode::Mode;
use super::{Flow, Shell, Stop, report};
use crate::cli::error::Failure;
use crate::cli::interrupt;
use crate::sqlite::sql::Names;

/// Lines remembered.
const HISTORY: usize = 10_000;

/// Words that SQL begins or goes on with.
const KEYWORDS: &str = "ABORT ADD ALL ALTER ANALYZE AND AS ASC ATTACH BEGIN BETWEEN BY CASCADE CASE CAST CHECK COLLATE COLUMN \
    COMMIT CONFLICT CONSTRAINT CREATE CROSS DATABASE DEFAULT DEFERRED DELETE DESC DETACH DISTINCT DO DROP EACH ELSE END ESCAPE \
    EXCEPT EXCLUSIVE EXISTS EXPLAIN FILTER FOREIGN FROM GENERATED GLOB GROUP HAVING IF IMMEDIATE IN INDEX INDEXED INNER INSERT \
    INTERSECT INTO IS ISNULL JOIN KEY LEFT LIKE LIMIT MATCH NATURAL NOT NOTNULL NULL OFFSET ON OR ORDER OUTER OVER PARTITION PLAN \
    PRAGMA PRIMARY QUERY RECURSIVE REFERENCES REGEXP REINDEX RELEASE RENAME REPLACE RETURNING RIGHT ROLLBACK ROW SAVEPOINT SELECT \
    SET STRICT TABLE TEMP TEMPORARY THEN TO TRANSACTION TRIGGER UNION UNIQUE UPDATE USING VACUUM VALUES VIEW VIRTUAL WHEN WHERE \
    WINDOW WITH WITHOUT";

/// Completes words of SQL and dot-commands.
#[derive(Default)]
struct Words {
    names: Names,
}

impl Words {
    /// Returns where the word at the end of `line` begins, and what it may become.
    fn candidates(&self, line: &str) -> (usize, Vec<String>) {
        let start = line
            .rfind(|c: char| !(c.is_alphanumeric() || "_.-".contains(c)))
            .map_or(0, |at| at + line[at..].chars().next().map_or(1, char::len_utf8));
        let word = &line[start..];
        if line.starts_with('.') {
            if start == 0 {
                let names = KNOWN.iter().map(|k| format!(".{}", k.name));
                return (0, names.filter(|n| n.starts_with(word)).collect());
            }
            let command = line.split_whitespace().next().unwrap_or_default();
            let words: Vec<String> = match command {
                ".mode" => Mode::names().into_iter().map(str::to_owned).collect(),
                ".schema" | ".dump" | ".tables" | ".indexes" => self.names.tables.clone(),
                ".headers" | ".timer" | ".echo" | ".bail" | ".changes" => vec!["on".into(), "off".into()],
                _ => Vec::new(),
            };
            return (start, words.into_iter().filter(|w| w.starts_with(word)).collect());
        }
        // A name may follow the one of its table.
        let (at, part) = match word.rfind('.') {
            Some(dot) => (start + dot + 1, &word[dot + 1..]),
            None => (start, word),
        };
        let begins = |w: &&str| w.get(..part.len()).is_some_and(|s| s.eq_ignore_ascii_case(part));
        let lower = part.chars().all(|c| !c.is_uppercase());
        let keywords = KEYWORDS.split_whitespace().filter(|_| at == start && !part.is_empty()).filter(begins);
        let keywords = keywords.map(|k| if lower { k.to_lowercase() } else { k.to_owned() });
        let names = self.names.tables.iter().chain(&self.names.columns).map(String::as_str).filter(begins);
        let functions = self.names.functions.iter().map(String::as_str);
        let functions = functions.filter(|_| at == start && part.len() > 1).filter(begins).map(|f| format!("{f}("));
        let mut all: Vec<String> = names.map(str::to_owned).chain(keywords).chain(functions).collect();
        all.dedup();
        (at, all)
    }
}

impl Completer for Words {
    type Candidate = Pair;

    fn complete(&self, line: &str, pos: usize, _: &rustyline::Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let (start, found) = self.candidates(&line[..pos]);
        Ok((start, found.into_iter().map(|w| Pair { display: w.clone(), replacement: w }).collect()))
    }
}

impl Hinter for Words {
    type Hint = String;
}
impl Highlighter for Words {}
impl Validator for Words {}
impl Helper for Words {}

/// Where the history is kept: `GRAFT_SQL_HISTORY`, or beside the other state of the user; an empty value keeps none.
fn history_file() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("GRAFT_SQL_HISTORY") {
        return (!named.is_empty()).then(|| named.into());
    }
    let base = etcetera::choose_base_strategy().ok()?;
    let dir = base.state_dir().unwrap_or_else(|| base.data_dir()).join("graft");
    std::fs::create_dir_all(&dir).ok()?;
    Some(dir.join("sql_history"))
}

fn failed(error: ReadlineError) -> Stop {
    Failure::new("cannot read from the terminal").because(&error).into()
}

/// Shows the prompt until the user leaves.
pub fn run(shell: &mut Shell<'_>) -> Flow {
    let config = Config::builder().completion_type(CompletionType::List).auto_add_history(false);
    let config = config.max_history_size(HISTORY).map_err(failed)?.build();
    let mut editor: Editor<Words, FileHistory> = Editor::with_config(config).map_err(failed)?;
    editor.set_helper(Some(Words::default()));
    let history = history_file();
    if let Some(file) = &history {
        // The first session has none.
        let _ = editor.load_history(file);
    }
    interrupt::at_prompt();
    shell.ctx.say.note("'.help' lists commands, '.quit' or Ctrl-D leaves.");
    let (mut pending, mut number, mut first) = (String::new(), 0, 1);
    loop {
        shell.session.flush_transactions(true);
        report::unrecorded(shell.ctx, shell.session.failed_recordings());
        shell.place.rest();
        if let Some(words) = editor.helper_mut().filter(|_| !shell.session.in_transaction()) {
            words.names = shell.session.names();
        }
        let name = shell.place.shown.clone();
        let rev = shell.place.rev.as_ref().map_or(String::new(), |rev| format!("@{rev}"));
        let open = if shell.session.in_transaction() { "*" } else { "" };
        let prompt = match pending.is_empty() {
            true => format!("{name}{rev}{open}> "),
            false => format!("{:>width$}> ", "...", width = (name.len() + rev.len() + open.len()).max(3)),
        };
        let line = match editor.readline(&prompt) {
            Ok(line) => line,
            // What was typed so far is thrown away.
            Err(ReadlineError::Interrupted) => {
                pending.clear();
                continue;
            }
            Err(ReadlineError::Eof) => return Ok(()),
            Err(e) => return Err(failed(e)),
        };
        number += 1;
        let shown = if pending.is_empty() { line.clone() } else { format!("{pending}{line}") };
        let done = shell.take_line(&format!("{line}\n"), number, &mut pending, &mut first, None);
        if pending.is_empty() && !shown.trim().is_empty() {
            // Without a history the prompt works all the same.
            let _ = editor.add_history_entry(shown.trim_end());
            if let Some(file) = &history {
                let _ = editor.append_history(file);
            }
        }
        match done {
            Ok(()) | Err(Stop::Failed) => {}
            Err(Stop::Interrupted) => shell.ctx.say.note("interrupted"),
            Err(other) => return Err(other),
        }
        // What failed at the prompt has been seen there.
        shell.failed = false;
        number = if pending.is_empty() { 0 } else { number };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_completed_by_what_there_is() {
        let names = Names {
            tables: vec!["product".into(), "produce".into()],
            columns: vec!["price".into(), "größe".into()],
            functions: vec!["printf".into()],
        };
        let words = Words { names };
        let of = |line: &str| words.candidates(line);
        assert_eq!(
            of("select pr"),
            (
                7,
                vec![
                    "product".into(),
                    "produce".into(),
                    "price".into(),
                    "pragma".into(),
                    "primary".into(),
                    "printf(".into()
                ]
            )
        );
        assert_eq!(of("SELEC"), (0, vec!["SELECT".into()]));
        assert_eq!(of("select product.pri"), (15, vec!["price".into()]));
        assert_eq!(of("select 'ä' || grö"), (14 + 1, vec!["größe".into()]));
        assert_eq!(of(".ta"), (0, vec![".tables".into()]));
        assert_eq!(of(".mode js"), (6, vec!["json".into()]));
        assert_eq!(of(".schema prod"), (8, vec!["product".into(), "produce".into()]));
    }
}
