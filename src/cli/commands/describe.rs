//! `graft describe`: names a commit after the nearest tag before it.

use std::io::Write;

use serde::Serialize;

use super::Outcome;
use crate::cli::context::Context;
use crate::cli::error::{Failure, exit};
use crate::cli::{json, revs};
use crate::repo::history::describe::DescribeOptions;
use crate::repo::state::objects::ObjectReader;
use crate::repo::worktree::status::StatusOptions;

/// Name a commit after the nearest tag before it.
///
/// 'v1.0-3-g1a2b3c4' is the commit 1a2b3c4, with three commits since v1.0. The name can be used as a revision.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  graft describe\n  graft describe --tags --always HEAD~4\n  graft describe --dirty"
)]
pub struct Args {
    /// Take any tag, not only annotated ones.
    #[arg(long)]
    pub tags: bool,

    /// Take any ref.
    #[arg(long)]
    pub all: bool,

    /// Show the long form even if a tag names the commit itself.
    #[arg(long)]
    pub long: bool,

    /// Show the abbreviated id if there is no tag.
    #[arg(long)]
    pub always: bool,

    /// Only tags that name the commit itself.
    #[arg(long)]
    pub exact_match: bool,

    /// Follow only the first parent of merges.
    #[arg(long)]
    pub first_parent: bool,

    /// Show at least so many digits of the id; with 0 only the name of the tag.
    #[arg(long, value_name = "DIGITS", conflicts_with = "long")]
    pub abbrev: Option<usize>,

    /// Weigh so many tags against each other.
    #[arg(long, value_name = "COUNT", default_value_t = 10)]
    pub candidates: usize,

    /// Only tags that match a pattern.
    #[arg(long = "match", value_name = "PATTERN")]
    pub patterns: Vec<String>,

    /// No tags that match a pattern.
    #[arg(long, value_name = "PATTERN")]
    pub exclude: Vec<String>,

    /// Describe HEAD, with this mark behind it if tracked files have changes.
    #[arg(
        long,
        value_name = "MARK",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "-dirty",
        conflicts_with = "commits"
    )]
    pub dirty: Option<String>,

    /// The commits; HEAD if none is named.
    #[arg(value_name = "COMMIT")]
    pub commits: Vec<String>,
}

#[derive(Serialize)]
struct Answer<'a> {
    id: String,
    description: &'a str,
    r#ref: Option<&'a str>,
    depth: Option<usize>,
}

/// Runs the command.
pub fn run(args: Args, ctx: &mut Context) -> Outcome {
    let repo = ctx.repository()?;
    let options = DescribeOptions {
        tags: args.tags,
        all: args.all,
        first_parent: args.first_parent,
        candidates: if args.exact_match { 0 } else { args.candidates },
        patterns: args.patterns.clone(),
        exclude: args.exclude.clone(),
    };
    let mark = match &args.dirty {
        Some(mark) => {
            let status = repo.status(&StatusOptions::default())?;
            if status.staged.is_empty() && status.unstaged.is_empty() { "" } else { mark.as_str() }
        }
        None => "",
    };
    let head = ["HEAD".to_owned()];
    for word in if args.commits.is_empty() { head.as_slice() } else { args.commits.as_slice() } {
        let id = revs::commit(&repo, word)?;
        let found = repo.describe(id, &options)?;
        let short =
            revs::with(&repo, |revs| Ok::<_, Failure>(revs.abbreviate(&id, args.abbrev.filter(|digits| *digits > 0))))?;
        let text = match &found {
            Some(found) => {
                // An annotated tag knows its own name, whatever the ref is called now.
                let name = match repo.refs().resolve(&found.name).ok().flatten().and_then(|id| repo.tag(&id).ok()) {
                    Some(tag) if !args.all => tag.name,
                    _ if args.all => found.name.as_str().trim_start_matches("refs/").to_owned(),
                    _ => found.name.short().to_owned(),
                };
                match (found.depth, args.abbrev) {
                    (0, _) if !args.long => name,
                    (_, Some(0)) => name,
                    (depth, _) => format!("{name}-{depth}-g{short}"),
                }
            }
            None if args.always => short,
            None => return Err(undescribed(word, &args)),
        };
        let text = format!("{text}{mark}");
        if ctx.out.json {
            let answer = Answer {
                id: id.to_string(),
                description: &text,
                r#ref: found.as_ref().map(|f| f.name.as_str()),
                depth: found.as_ref().map(|f| f.depth),
            };
            json::write(&mut ctx.out, "describe/1", &answer)?;
        } else {
            writeln!(ctx.out, "{text}")?;
        }
    }
    Ok(exit::DONE)
}

fn undescribed(word: &str, args: &Args) -> Failure {
    let what = if args.exact_match { "names" } else { "comes before" };
    let kind = if args.tags || args.all { "tag" } else { "annotated tag" };
    let help = if args.tags || args.all {
        "--always shows the id instead"
    } else {
        "--tags takes any tag, --always shows the id"
    };
    Failure::new(format!("no {kind} {what} '{word}'")).help(help)
}
