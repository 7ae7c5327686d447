//! `graft reflog`: every value that a ref had.

use std::io::Write;

use serde::Serialize;

use super::Outcome;
use crate::cli::context::Context;
use crate::cli::error::{Failure, exit};
use crate::cli::render::date::{DateFormat, rfc3339};
use crate::cli::{json, revs};
use crate::model::{ObjectId, RefName};
use crate::repo::RepoError;

/// Show what a ref was, newest first.
///
/// Every move of HEAD and of branches is noted, with who moved it, when and why. 'HEAD@{2}' names a value in any command, and so
/// does 'main@{yesterday}'.
#[derive(clap::Args, Debug)]
#[command(
    override_usage = "graft reflog [show] [OPTIONS] [REF]\n       graft reflog exists <REF>",
    after_help = "Examples:\n  graft reflog\n  graft reflog main -n 5\n  graft reflog --date relative"
)]
pub struct Args {
    /// At most so many.
    #[arg(short = 'n', long, value_name = "COUNT")]
    pub max_count: Option<usize>,

    /// Show when instead of how many changes ago: default, iso, short, relative, ….
    #[arg(long, value_name = "FORMAT", value_parser = DateFormat::parse)]
    pub date: Option<DateFormat>,

    /// 'show' or 'exists', and the ref; HEAD if none is named.
    #[arg(value_name = "REF")]
    pub words: Vec<String>,
}

#[derive(Serialize)]
struct Answer<'a> {
    r#ref: &'a str,
    n: usize,
    old: Option<String>,
    new: Option<String>,
    message: &'a str,
    name: &'a str,
    email: &'a str,
    date: Option<String>,
}

/// Runs the command.
pub fn run(args: Args, ctx: &mut Context) -> Outcome {
    let repo = ctx.repository()?;
    let words: Vec<&str> = args.words.iter().map(String::as_str).collect();
    let shown = match words.as_slice() {
        ["exists", name] => {
            let there = RefName::new(name).is_ok_and(|name| repo.refs().has_log(&name));
            return Ok(if there { exit::DONE } else { exit::NO });
        }
        [] | ["show"] => "HEAD",
        ["show", name] | [name] => name,
        _ => return Err(Failure::usage("one ref is wanted").help("as in 'graft reflog main'")),
    };
    let log = revs::with(&repo, |revs| revs.log_name(shown))?;
    ctx.page(repo.config().get("core.pager").map(|e| e.value.clone()));
    let short = |id: &Option<ObjectId>| id.map_or_else(|| "0000000".to_owned(), |id| revs::short(&repo, &id));
    for (n, entry) in
        repo.refs().log(&log).map_err(RepoError::from)?.enumerate().take(args.max_count.unwrap_or(usize::MAX))
    {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                ctx.say.warning(error);
                continue;
            }
        };
        if ctx.out.json {
            let answer = Answer {
                r#ref: log.as_str(),
                n,
                old: entry.old.map(|id| id.to_string()),
                new: entry.new.map(|id| id.to_string()),
                message: &entry.message,
                name: &entry.who.name,
                email: &entry.who.email,
                date: rfc3339(entry.who.time, entry.who.offset),
            };
            json::write(&mut ctx.out, "reflog/1", &answer)?;
            continue;
        }
        let at = match &args.date {
            Some(format) => format.render(entry.who.time, entry.who.offset, &ctx.now()),
            None => n.to_string(),
        };
        let style = ctx.out.theme.id;
        writeln!(ctx.out, "{style}{}{style:#} {shown}@{{{at}}}: {}", short(&entry.new), entry.message)?;
    }
    Ok(exit::DONE)
}
