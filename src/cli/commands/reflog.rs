//! `graft reflog`: every value that a ref had.

use std::io::Write;

use serde::Serialize;

use super::Outcome;
use crate::cli::context::Context;
use crate::cli::error::{Failure, exit};
use crate::cli::render::date::{DateFormat, rfc3339};
use crate::cli::{json, revs};
use crate::model::{ObjectId, RefName};
use crate::repo::history::expire::{ExpireOptions, Forget};
use crate::repo::text::date;
use crate::repo::{RepoError, Repository};

/// Show what a ref was, newest first, or forget some of it.
///
/// Every move of HEAD and of branches is noted, with who moved it, when and why. 'HEAD@{2}' names a value in any command, and so
/// does 'main@{yesterday}'. Without a subcommand, shows.
#[derive(clap::Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    override_usage = "graft reflog [show] [OPTIONS] [REF]\n       graft reflog exists <REF>\n       graft reflog expire [OPTIONS] (--all | \
                      <REF>...)\n       graft reflog delete [OPTIONS] <REF>@{<N>}...",
    after_help = "Examples:\n  graft reflog\n  graft reflog main -n 5\n  graft reflog --date relative\n  graft reflog expire --expire \
                  '6 months ago' --all\n  graft reflog delete HEAD@{3}"
)]
pub struct Args {
    /// What else to do.
    #[command(subcommand)]
    pub action: Option<Action>,

    /// What to show.
    #[command(flatten)]
    pub show: ShowArgs,
}

/// What to do with a reflog.
#[derive(clap::Subcommand, Debug)]
#[allow(missing_docs, reason = "a comment on a variant would replace the help text of its Args")]
pub enum Action {
    Show(ShowArgs),
    Exists(ExistsArgs),
    Expire(ExpireArgs),
    Delete(DeleteArgs),
}

/// Show what a ref was, newest first.
#[derive(clap::Args, Debug)]
pub struct ShowArgs {
    /// At most so many.
    #[arg(short = 'n', long, value_name = "COUNT")]
    pub max_count: Option<usize>,

    /// Show when instead of how many changes ago: default, iso, short, relative, ….
    #[arg(long, value_name = "FORMAT", value_parser = DateFormat::parse)]
    pub date: Option<DateFormat>,

    /// The ref; HEAD if none is named.
    #[arg(value_name = "REF")]
    pub name: Option<String>,
}

/// Tell by the exit code whether a ref has a reflog.
#[derive(clap::Args, Debug)]
pub struct ExistsArgs {
    /// The full name of the ref.
    #[arg(value_name = "REF")]
    pub name: String,
}

/// Forget old entries: what only they named cannot be brought back for sure any more.
///
/// The newest entry of a ref stays unless all go.
#[derive(clap::Args, Debug)]
#[command(override_usage = "graft reflog expire [OPTIONS] (--all | <REF>...)")]
pub struct ExpireArgs {
    /// Forget entries older than this, 'now' or 'never'; 90 days, or what gc.reflogExpire says.
    #[arg(long, value_name = "WHEN")]
    pub expire: Option<String>,

    /// Forget entries older than this that name commits which the ref does not have any more; 30 days, or what
    /// gc.reflogExpireUnreachable says.
    #[arg(long, value_name = "WHEN")]
    pub expire_unreachable: Option<String>,

    /// Let each entry that stays begin with what the one before it says.
    #[arg(long)]
    pub rewrite: bool,

    /// The reflogs of all refs.
    #[arg(long)]
    pub all: bool,

    /// Only say what would go.
    #[arg(short = 'n', long)]
    pub dry_run: bool,

    /// The refs.
    #[arg(value_name = "REF", required_unless_present = "all", conflicts_with = "all")]
    pub names: Vec<String>,
}

/// Forget single entries.
#[derive(clap::Args, Debug)]
pub struct DeleteArgs {
    /// Let each entry that stays begin with what the one before it says.
    #[arg(long)]
    pub rewrite: bool,

    /// Only find out whether there are such entries.
    #[arg(short = 'n', long)]
    pub dry_run: bool,

    /// The entries, as in main@{2}.
    #[arg(value_name = "ENTRY", required = true)]
    pub entries: Vec<String>,
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

#[derive(Serialize)]
struct Forgotten<'a> {
    r#ref: &'a str,
    old: Option<String>,
    new: Option<String>,
    message: &'a str,
    date: Option<String>,
}

/// Runs the command.
pub fn run(args: Args, ctx: &mut Context) -> Outcome {
    let repo = ctx.repository()?;
    match args.action {
        None => show(&args.show, &repo, ctx),
        Some(Action::Show(args)) => show(&args, &repo, ctx),
        Some(Action::Exists(args)) => {
            let there = RefName::new(&args.name).is_ok_and(|name| repo.refs().has_log(&name));
            Ok(if there { exit::DONE } else { exit::NO })
        }
        Some(Action::Expire(args)) => expire(&args, &repo, ctx),
        Some(Action::Delete(args)) => delete(&args, &repo),
    }
}

fn expire(args: &ExpireArgs, repo: &Repository, ctx: &mut Context) -> Outcome {
    let now = ctx.now().timestamp().as_second();
    let configured = |key: &str, days: i64| match repo.config().get(key) {
        Some(entry) => moment(&entry.value, now),
        None => Ok(now - days * 24 * 60 * 60),
    };
    let moment_of = |option: &Option<String>, key: &str, days| match option {
        Some(text) => moment(text, now),
        None => configured(key, days),
    };
    let mut options = ExpireOptions {
        refs: Vec::new(),
        before: moment_of(&args.expire, "gc.reflogExpire", 90)?,
        unreachable_before: moment_of(&args.expire_unreachable, "gc.reflogExpireUnreachable", 30)?,
        rewrite: args.rewrite,
        dry_run: args.dry_run,
    };
    for name in &args.names {
        options.refs.push(revs::with(repo, |revs| revs.log_name(name))?);
    }
    let gone = repo.expire_reflogs(&options)?;
    if ctx.out.json {
        for one in &gone {
            let entry = &one.entry;
            let answer = Forgotten {
                r#ref: one.name.as_str(),
                old: entry.old.map(|id| id.to_string()),
                new: entry.new.map(|id| id.to_string()),
                message: &entry.message,
                date: rfc3339(entry.who.time, entry.who.offset),
            };
            json::write(&mut ctx.out, "reflog-expire/1", &answer)?;
        }
    } else if args.dry_run || ctx.globals.verbose > 0 {
        let what = if args.dry_run { "would forget" } else { "forgot" };
        for one in &gone {
            let id = one.entry.new.map_or_else(String::new, |id| revs::short(repo, &id));
            writeln!(ctx.out, "{what} {} {id}: {}", one.name, one.entry.message)?;
        }
    }
    Ok(exit::DONE)
}

/// Reads when entries are too old; entries of this very second are, with 'now', as in Git.
fn moment(text: &str, now: i64) -> Result<i64, Failure> {
    match text {
        "never" | "false" => Ok(i64::MIN),
        "now" | "all" => Ok(i64::MAX),
        text => date::approximate(text, now)
            .map_err(|e| Failure::usage(e.to_string()).help("as in '90 days ago', 'never' or 'now'")),
    }
}

fn delete(args: &DeleteArgs, repo: &Repository) -> Outcome {
    let mut wanted: Vec<(RefName, Vec<usize>)> = Vec::new();
    for text in &args.entries {
        let parts = text.strip_suffix('}').and_then(|t| t.rsplit_once("@{"));
        let Some((name, n)) = parts.and_then(|(name, n)| Some((name, n.parse().ok()?))) else {
            return Err(Failure::usage(format!("'{text}' is no entry of a reflog")).help("as in 'main@{2}'"));
        };
        let log = revs::with(repo, |revs| revs.log_name(name))?;
        match wanted.iter_mut().find(|(name, _)| *name == log) {
            Some((_, all)) => all.push(n),
            None => wanted.push((log, vec![n])),
        }
    }
    let options = Forget { rewrite: args.rewrite, dry_run: args.dry_run };
    for (name, positions) in wanted {
        if let Some(n) = repo.forget_reflog_entries(&name, &positions, options)?.first() {
            let entry = format!("{}@{{{n}}}", name.short());
            return Err(match n {
                0 => Failure::new(format!("{entry} stays: it says what {} is now", name.short())),
                _ => Failure::new(format!("there is no entry {entry}")).help("'graft reflog' lists them"),
            });
        }
    }
    Ok(exit::DONE)
}

fn show(args: &ShowArgs, repo: &Repository, ctx: &mut Context) -> Outcome {
    let shown = args.name.as_deref().unwrap_or("HEAD");
    let log = revs::with(repo, |revs| revs.log_name(shown))?;
    ctx.page(ctx.pager(repo));
    let short = |id: &Option<ObjectId>| id.map_or_else(|| "0000000".to_owned(), |id| revs::short(repo, &id));
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
