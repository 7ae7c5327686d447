//! `graft gc --remote`: removes from a remote what nobody needs.

use serde::Serialize;

use super::{Outcome, remote};
use crate::cli::context::Context;
use crate::cli::error::{Failure, exit};
use crate::cli::json;
use crate::cli::render::size::{bytes, count};
use crate::repo::state::config::parse_duration;

/// Remove from a remote what no ref leads to, and merge what was pushed bit by bit.
///
/// Everything that the refs lead to is read and verified first. Others may push and fetch meanwhile: nothing that they need is removed,
/// and if something that they were about to read or send goes, they begin again by themselves. What is unneeded but younger than the
/// grace period stays, so that this happens seldom.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  graft gc --remote origin --dry-run\n  graft gc --remote origin --grace '3 days'")]
pub struct Args {
    /// The remote; the usual one if none is named.
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "", required = true)]
    pub remote: Option<String>,

    /// Only say what would be removed.
    #[arg(short = 'n', long)]
    pub dry_run: bool,

    /// How long what is unneeded stays.
    #[arg(long, value_name = "TIME", default_value = "2 weeks")]
    pub grace: String,

    /// Remove what is unneeded whatever its age.
    #[arg(long, conflicts_with = "grace")]
    pub force: bool,
}

#[derive(Serialize)]
struct Answer<'a> {
    remote: &'a str,
    dry_run: bool,
    bundles_before: usize,
    bundles_after: usize,
    removed: usize,
    removed_bytes: u64,
    kept: usize,
    kept_bytes: u64,
}

/// Runs the command.
pub fn run(args: Args, ctx: &mut Context) -> Outcome {
    let repo = ctx.repository()?;
    let name = match args.remote.as_deref() {
        None | Some("") => repo.default_remote()?,
        Some(name) => remote::typed(name, &repo, ctx)?,
    };
    let grace = match args.force {
        true => 0,
        false => parse_duration(&args.grace)
            .ok_or_else(|| {
                Failure::usage(format!("'{}' is not a span of time", args.grace)).help("as in '3 days' or '2 weeks'")
            })?
            .as_secs(),
    };
    let done = repo.collect_remote(&name, args.dry_run, grace)?;
    if ctx.out.json {
        let answer = Answer {
            remote: &name,
            dry_run: args.dry_run,
            bundles_before: done.bundles.0,
            bundles_after: done.bundles.1,
            removed: done.removed.0,
            removed_bytes: done.removed.1,
            kept: done.kept.0,
            kept_bytes: done.kept.1,
        };
        json::write(&mut ctx.out, "gc-remote/1", &answer)?;
        return Ok(exit::DONE);
    }
    let (merge, remove) = if args.dry_run { ("Would merge", "would remove") } else { ("Merged", "removed") };
    ctx.say.note(format_args!(
        "{merge} {} into {}, {remove} {} ({})",
        count(done.bundles.0 as u64, "bundle"),
        count(done.bundles.1 as u64, "bundle"),
        count(done.removed.0 as u64, "object"),
        bytes(done.removed.1),
    ));
    if done.kept.0 > 0 {
        ctx.say.note(format_args!(
            "{} ({}) left: younger than the grace period, or part of a push of a volume that may be on its way",
            count(done.kept.0 as u64, "unneeded object"),
            bytes(done.kept.1),
        ));
    }
    Ok(exit::DONE)
}
