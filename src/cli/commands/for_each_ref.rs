//! `graft for-each-ref`: refs in any form, for scripts.

use std::io::Write;

use serde::Serialize;

use super::Outcome;
use crate::cli::context::Context;
use crate::cli::error::exit;
use crate::cli::json;
use crate::cli::ref_args::ListArgs;
use crate::cli::ref_format::{RefFormat, Scope};
use crate::model::RefName;
use crate::repo::RepoError;
use crate::repo::history::ref_list::RefQuery;
use crate::repo::state::objects::ObjectReader;

/// List refs in a form of your own.
///
/// A pattern is a wildcard for whole names, or the beginning of names up to a '/'.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  graft for-each-ref refs/heads\n  graft for-each-ref --sort -committerdate --count 5 --format \
                  '%(refname:short) %(committerdate:relative)'"
)]
pub struct Args {
    /// At most so many.
    #[arg(long, value_name = "COUNT")]
    pub count: Option<usize>,

    /// Which ones.
    #[command(flatten)]
    pub which: ListArgs,

    /// Beginnings of names, or wildcards.
    #[arg(value_name = "PATTERN")]
    pub patterns: Vec<String>,
}

#[derive(Serialize)]
struct Answer<'a> {
    name: &'a str,
    id: String,
    r#type: &'static str,
    symbolic: Option<&'a str>,
}

/// Runs the command.
pub fn run(args: Args, ctx: &mut Context) -> Outcome {
    let repo = ctx.repository()?;
    let query = RefQuery { whole_names: true, ..args.which.query(&repo, &["refs/"], &args.patterns)? };
    let (refs, broken) = repo.list_refs(&query)?;
    for error in broken {
        ctx.say.warning(error);
    }
    let cwd = ctx.cwd.clone();
    let resolver = repo.resolver(&cwd);
    let colored = ctx.out.theme.is_colored();
    let scope = Scope { repo: &repo, revs: &resolver, head: repo.current_branch()?, now: ctx.now(), colored };
    let usual = RefFormat::parse("%(objectname) %(objecttype)\t%(refname)").expect("a valid format");
    let format = args.which.format.as_ref().unwrap_or(&usual);
    for one in refs.iter().take(args.count.unwrap_or(usize::MAX)) {
        if ctx.out.json {
            let answer = Answer {
                name: one.name.as_str(),
                id: one.id.to_string(),
                r#type: repo.kind(&one.id).map_err(RepoError::from)?.name(),
                symbolic: one.symbolic.as_ref().map(RefName::as_str),
            };
            json::write(&mut ctx.out, "for-each-ref/1", &answer)?;
        } else {
            let text = format.render(one, &scope)?;
            writeln!(ctx.out, "{text}")?;
        }
    }
    Ok(exit::DONE)
}
