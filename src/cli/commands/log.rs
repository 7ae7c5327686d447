//! `graft log`: the history, newest commit first.

use std::collections::HashSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::ValueHint;

use super::Outcome;
use crate::cli::context::Context;
use crate::cli::error::{Failure, exit};
use crate::cli::history::{Files, LookArgs, Writer};
use crate::cli::ranges::{self, Range};
use crate::cli::render::graph::Graph;
use crate::model::ObjectId;
use crate::repo::history::walk::{Order, Pattern, Walk, WalkEntry, WalkOptions};
use crate::repo::text::date;
use crate::repo::text::pathspec::{Pathspecs, repo_path};
use crate::repo::{RepoError, Repository};

/// Show the history.
///
/// Shows the commits that lead to HEAD or to the revisions named, newest first. `A..B` means the commits of B that A does not
/// have, `^A` leaves out A and what came before it. With paths, shows only commits that changed them.
#[derive(clap::Args, Debug)]
#[command(
    override_usage = "graft log [OPTIONS] [REV]... [--] [PATH]...",
    after_help = "Examples:\n  graft log --oneline -10\n  graft log --stat -- app.db\n  graft log --graph --all\n  graft log --since \
                  2026-01-31 --author ada --grep price\n  graft log v1..main"
)]
pub struct Args {
    /// Which commits.
    #[command(flatten)]
    pub which: Which,

    /// How they look.
    #[command(flatten)]
    pub look: LookArgs,

    /// Go on with the file where it had another name.
    ///
    /// Just one file can be followed.
    #[arg(long)]
    pub follow: bool,

    /// Draw the lines of history beside the commits.
    #[arg(long, conflicts_with = "reverse")]
    pub graph: bool,

    /// Revisions, then files, folders or patterns.
    #[arg(value_name = "REV|PATH")]
    pub words: Vec<PathBuf>,

    /// Files, folders or patterns.
    #[arg(last = true, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,
}

/// Which commits to show.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Which commits")]
pub struct Which {
    /// At most so many commits; -10 is short for -n 10.
    #[arg(short = 'n', long, value_name = "COUNT")]
    pub max_count: Option<usize>,

    /// Leave out so many commits first.
    #[arg(long, value_name = "COUNT", default_value_t = 0, hide_default_value = true)]
    pub skip: usize,

    /// Only commits made at this date or later.
    #[arg(long, visible_alias = "after", value_name = "DATE")]
    pub since: Option<String>,

    /// Only commits made at this date or earlier.
    #[arg(long, visible_alias = "before", value_name = "DATE")]
    pub until: Option<String>,

    /// Only commits whose author's `Name <email>` matches this regular expression.
    #[arg(long, value_name = "REGEX")]
    pub author: Vec<String>,

    /// Only commits whose committer's `Name <email>` matches this regular expression.
    #[arg(long, value_name = "REGEX")]
    pub committer: Vec<String>,

    /// Only commits with a line of the message that matches this regular expression.
    #[arg(long, value_name = "REGEX")]
    pub grep: Vec<String>,

    /// Only commits with a message that --grep does not find.
    #[arg(long, requires = "grep")]
    pub invert_grep: bool,

    /// Take --author, --committer and --grep as plain texts, not as regular expressions.
    #[arg(short = 'F', long)]
    pub fixed_strings: bool,

    /// Regular expressions are extended ones anyway.
    #[arg(short = 'E', long, hide = true)]
    pub extended_regexp: bool,

    /// Ignore case in --author, --committer and --grep.
    #[arg(short = 'i', long, alias = "regexp-ignore-case")]
    pub ignore_case: bool,

    /// Only merges.
    #[arg(long)]
    pub merges: bool,

    /// No merges.
    #[arg(long)]
    pub no_merges: bool,

    /// Follow only the first parent of merges.
    #[arg(long)]
    pub first_parent: bool,

    /// Begin at all refs and HEAD.
    #[arg(long)]
    pub all: bool,

    /// Begin at all branches, or at those that match a pattern.
    #[arg(long, value_name = "PATTERN", num_args = 0..=1, require_equals = true, default_missing_value = "*")]
    pub branches: Option<String>,

    /// Begin at all tags, or at those that match a pattern.
    #[arg(long, value_name = "PATTERN", num_args = 0..=1, require_equals = true, default_missing_value = "*")]
    pub tags: Option<String>,

    /// Begin at all branches of remotes, or at those that match a pattern.
    #[arg(long, value_name = "PATTERN", num_args = 0..=1, require_equals = true, default_missing_value = "*")]
    pub remotes: Option<String>,

    /// Leave out these revisions and what came before them.
    #[arg(long, value_name = "REV", num_args = 1..)]
    pub not: Vec<String>,

    /// Oldest first.
    #[arg(long)]
    pub reverse: bool,

    /// No parent before its children, and lines of history kept together.
    #[arg(long, overrides_with = "date_order")]
    pub topo_order: bool,

    /// No parent before its children, otherwise by date.
    #[arg(long)]
    pub date_order: bool,
}

/// Runs the command.
pub fn run(args: Args, ctx: &mut Context) -> Outcome {
    let repo = ctx.repository()?;
    let (words, paths) = match args.paths.is_empty() {
        true => {
            let exists = |path: &Path| ctx.resolve(path).symlink_metadata().is_ok();
            ranges::split(args.words, &|word| Range::default().add(&repo, word), &exists)?
        }
        false => (args.words.iter().map(|w| w.to_string_lossy().into_owned()).collect(), args.paths),
    };
    let specs = Pathspecs::new(repo.top(), &ctx.cwd, &paths).map_err(RepoError::from)?;
    let mut range = range(&args.which, &words, &repo)?;
    range.tips.dedup();
    let mut options = options(&args.which, args.graph, range, specs.clone(), ctx.now().timestamp().as_second())?;
    if args.follow {
        let [path] = paths.as_slice() else {
            return Err(Failure::usage("--follow needs exactly one file").help("as in 'graft log --follow -- app.db'"));
        };
        options.follow = Some(repo_path(repo.top(), &ctx.cwd, path).map_err(RepoError::from)?);
    }
    let mut writer = Writer::new(&args.look, (Files::None, false), specs, &repo, ctx)?;
    ctx.page(ctx.pager(&repo));
    if args.graph && !ctx.out.json {
        let max = args.which.max_count.unwrap_or(usize::MAX);
        graph(repo.walk(WalkOptions { max_count: None, ..options })?, max, &mut writer, ctx)
    } else {
        // As in Git, what is left out does not count, but for the oldest first.
        let max = options.max_count.filter(|_| writer.filters() && !options.reverse);
        options.max_count = options.max_count.filter(|_| max.is_none());
        list(repo.walk(options)?, max.unwrap_or(usize::MAX), &mut writer, ctx)
    }
}

/// Returns where the walk begins and ends: HEAD if nothing is said.
pub(super) fn range(which: &Which, words: &[String], repo: &Repository) -> Result<Range, Failure> {
    let mut range = Range::default();
    for word in words {
        range.add(repo, word)?;
    }
    for word in &which.not {
        range.add_not(repo, word)?;
    }
    let with = |option: &str, pattern: &Option<String>| pattern.as_ref().map(|p| format!("--{option}={p}"));
    let many = [
        which.all.then(|| "--all".to_owned()),
        with("branches", &which.branches),
        with("tags", &which.tags),
        with("remotes", &which.remotes),
    ];
    for word in many.iter().flatten() {
        range.add(repo, word)?;
    }
    if range.tips.is_empty() && many.iter().all(Option::is_none) {
        range.add(repo, "HEAD")?;
    }
    Ok(range)
}

/// Returns what to walk.
pub(super) fn options(
    which: &Which,
    graph: bool,
    range: Range,
    paths: Pathspecs,
    now: i64,
) -> Result<WalkOptions, Failure> {
    let time = |text: &Option<String>| match text {
        Some(text) => date::approximate(text, now).map(Some).map_err(|e| Failure::usage(e.to_string())),
        None => Ok(None),
    };
    let patterns = |list: &[String]| -> Result<Vec<Pattern>, Failure> {
        let compile = if which.fixed_strings { Pattern::literal } else { Pattern::new };
        let compiled = list.iter().map(|text| compile(text, which.ignore_case));
        Ok(compiled.collect::<Result<_, _>>().map_err(RepoError::from)?)
    };
    Ok(WalkOptions {
        tips: range.tips,
        hidden: range.hidden,
        paths,
        max_count: which.max_count,
        skip: which.skip,
        since: time(&which.since)?,
        until: time(&which.until)?,
        author: patterns(&which.author)?,
        committer: patterns(&which.committer)?,
        grep: patterns(&which.grep)?,
        invert_grep: which.invert_grep,
        first_parent: which.first_parent,
        min_parents: if which.merges { 2 } else { 0 },
        max_parents: which.no_merges.then_some(1),
        order: match (which.date_order, which.topo_order || graph) {
            (true, _) => Order::DateTopological,
            (_, true) => Order::Topological,
            _ => Order::Date,
        },
        rewrite_parents: graph,
        follow: None,
        reverse: which.reverse,
    })
}

/// Writes commits as the walk gives them.
fn list(walk: Walk<'_>, max: usize, writer: &mut Writer<'_>, ctx: &mut Context) -> Outcome {
    let (mut first, mut left) = (true, max);
    for entry in walk {
        let WalkEntry { id, commit, followed, .. } = entry?;
        writer.follow(followed);
        if left == 0 {
            break;
        }
        if !writer.wants(&id, &commit)? {
            continue;
        }
        left -= 1;
        if ctx.out.json {
            writer.json(id, &commit, "log/1", &mut ctx.out)?;
            writer.patch(id, &commit, &mut ctx.out, ctx.say)?;
            continue;
        }
        let between = if first { "" } else { writer.separator() };
        first = false;
        let text = writer.text(id, &commit)?;
        ctx.out.write_all(format!("{between}{text}").as_bytes())?;
        writer.patch(id, &commit, &mut ctx.out, ctx.say)?;
    }
    Ok(exit::DONE)
}

/// Writes commits beside their lines of history.
fn graph(walk: Walk<'_>, max: usize, writer: &mut Writer<'_>, ctx: &mut Context) -> Outcome {
    let mut entries = Vec::new();
    for entry in walk {
        let entry = entry?;
        writer.follow(entry.followed.clone());
        if writer.wants(&entry.id, &entry.commit)? {
            entries.push(entry);
        }
    }
    let shown: HashSet<ObjectId> = entries.iter().map(|e| e.id).collect();
    let mut graph = Graph::new(ctx.out.theme.graph);
    let mut apart = false;
    for WalkEntry { id, commit, parents, followed } in entries.into_iter().take(max) {
        writer.follow(followed);
        let parents: Vec<ObjectId> = parents.into_iter().filter(|p| shown.contains(p)).collect();
        let mut rows = graph.commit(id, &parents, apart);
        for row in rows.above() {
            writeln!(ctx.out, "{}", row.trim_end())?;
        }
        let text = writer.whole_text(id, &commit, ctx.say)?;
        let mut lines = text.lines();
        // The commit's own mark is there even if its text is empty.
        let first = lines.next().unwrap_or("");
        for line in std::iter::once(first).chain(lines) {
            writeln!(ctx.out, "{}", format!("{}{line}", rows.next_row()).trim_end())?;
        }
        for row in rows.rest() {
            writeln!(ctx.out, "{}", row.trim_end())?;
        }
        apart = writer.separator() == "\n";
    }
    Ok(exit::DONE)
}

#[cfg(test)]
mod tests;
