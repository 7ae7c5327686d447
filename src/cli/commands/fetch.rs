//! `graft fetch`: brings what a remote has.

use serde::Serialize;

use super::{Outcome, remote};
use crate::cli::context::Context;
use crate::cli::error::{Failure, exit};
use crate::cli::json;
use crate::cli::render::size::count;
use crate::cli::render::traffic::{self, TransferJson};
use crate::repo::Repository;
use crate::repo::remote::{FetchOptions, Fetched, RefFetch, Tags};
use crate::repo::state::shallow::Depth;

/// Bring the commits that a remote has.
///
/// Branches of the remote are kept under `refs/remotes/<name>/`; no branch or file of your own changes. Everything is verified
/// before it counts as here. A fetch that is interrupted changes nothing, and fetching again completes it.
#[derive(clap::Args, Debug, Default)]
#[command(after_help = "Examples:\n  graft fetch\n  graft fetch --all --prune\n  graft fetch origin main:review")]
pub struct Args {
    /// Fetch from all remotes.
    #[arg(long)]
    pub all: bool,

    /// Remove refs here that follow branches which the remote does not have any more.
    #[arg(short, long)]
    pub prune: bool,

    /// Which tags.
    #[command(flatten)]
    pub tags: TagArgs,

    /// Let refs here go back.
    #[arg(short, long)]
    pub force: bool,

    /// Bring so many generations of commits, also where the history was cut off before.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub depth: Option<u32>,

    /// Bring what 'clone --depth' or 'fetch --depth' left out of the history.
    #[arg(long, conflicts_with = "depth")]
    pub unshallow: bool,

    /// Only say what would change.
    #[arg(short = 'n', long)]
    pub dry_run: bool,

    /// The remote, by name or URL, then what to fetch from it.
    #[arg(value_name = "REMOTE|REFSPEC")]
    pub words: Vec<String>,
}

/// Which tags come.
#[derive(clap::Args, Debug, Default)]
pub struct TagArgs {
    /// Fetch all tags, not only those of commits that are fetched.
    #[arg(short, long, conflicts_with = "no_tags")]
    pub tags: bool,

    /// Fetch no tags.
    #[arg(long)]
    pub no_tags: bool,
}

impl From<TagArgs> for Tags {
    fn from(args: TagArgs) -> Self {
        match (args.tags, args.no_tags) {
            (true, _) => Self::All,
            (_, true) => Self::None,
            _ => Self::Follow,
        }
    }
}

#[derive(Serialize)]
struct Answer<'a> {
    #[serde(flatten)]
    transfer: TransferJson<'a>,
    refs: Vec<RefJson>,
}

/// One ref of a fetch, for `--json`.
#[derive(Serialize)]
struct RefJson {
    r#ref: Option<String>,
    local: Option<String>,
    old: Option<String>,
    new: Option<String>,
    forced: bool,
    status: &'static str,
}

/// Runs the command.
pub fn run(args: Args, ctx: &mut Context) -> Outcome {
    let repo = ctx.repository()?;
    let mut words = args.words.into_iter();
    let remotes = match (args.all, words.next()) {
        (true, None) => repo.remote_names().into_iter().map(Some).collect(),
        (true, Some(_)) => return Err(Failure::usage("--all takes no remote").help("leave out one of the two")),
        (false, text) => vec![text.map(|text| remote::typed(&text, &repo, ctx)).transpose()?],
    };
    if args.unshallow && !repo.is_shallow()? {
        return Err(Failure::new("the whole history is here already").help("leave out --unshallow"));
    }
    let options = FetchOptions {
        remote: None,
        refspecs: words.collect(),
        prune: args.prune,
        tags: args.tags.into(),
        force: args.force,
        dry_run: args.dry_run,
        depth: if args.unshallow { Some(Depth::Whole) } else { args.depth.map(Depth::Generations) },
        is_clone: false,
    };
    let mut rejected = false;
    for remote in remotes {
        let fetched = repo.fetch(&FetchOptions { remote, ..options.clone() })?;
        rejected |= fetched.refs.iter().any(|r| r.rejected);
        match ctx.out.json {
            true => answer(&fetched, args.dry_run, ctx)?,
            false => tell(&repo, &fetched, ctx),
        }
    }
    match rejected {
        true if ctx.out.json => Ok(exit::NO),
        true => Err(Failure::new("some refs here were not changed, because they would have gone back or aside")
            .help("fetch with -f, or under another name, as in 'graft fetch origin main:theirs'")
            .exit(exit::NO)),
        false => Ok(exit::DONE),
    }
}

fn answer(fetched: &Fetched, dry_run: bool, ctx: &mut Context) -> Result<(), Failure> {
    let one = |r: &RefFetch| RefJson {
        r#ref: r.remote.as_ref().map(ToString::to_string),
        local: r.local.as_ref().map(ToString::to_string),
        old: r.old.map(|id| id.to_string()),
        new: r.new.map(|id| id.to_string()),
        forced: r.forced,
        status: status(r),
    };
    let value = Answer {
        transfer: TransferJson {
            remote: fetched.name.as_deref(),
            url: &fetched.url,
            dry_run,
            objects: fetched.received.objects,
            storage_commits: fetched.received.commits,
            segments: fetched.received.segments,
            bundles: fetched.received.bundles,
            traffic: fetched.traffic.into(),
        },
        refs: fetched.refs.iter().map(one).collect(),
    };
    json::write(&mut ctx.out, "fetch/1", &value)?;
    Ok(())
}

fn status(one: &RefFetch) -> &'static str {
    match (one.old, one.new) {
        _ if one.rejected => "rejected",
        (_, None) => "pruned",
        _ if one.local.is_none() => "fetched",
        (old, new) if old == new => "current",
        (None, _) => "created",
        _ if one.forced => "forced",
        _ => "forwarded",
    }
}

/// Says what a fetch did.
pub fn tell(repo: &Repository, fetched: &Fetched, ctx: &Context) {
    let shown: Vec<&RefFetch> =
        fetched.refs.iter().filter(|r| !matches!(status(r), "current") || ctx.globals.verbose > 0).collect();
    if !shown.is_empty() {
        ctx.say.note(format_args!("From {}", fetched.url));
    }
    for one in shown {
        ctx.say.note(line(repo, one));
    }
    if ctx.globals.verbose > 0 {
        let received = fetched.received;
        ctx.say.note(format_args!(
            "Received {} and {} in {} and {}",
            count(received.objects as u64, "object"),
            count(received.commits as u64, "storage commit"),
            count(received.bundles as u64, "bundle"),
            count(received.segments as u64, "segment"),
        ));
        ctx.say.note(traffic::traffic(fetched.traffic));
    }
}

fn line(repo: &Repository, one: &RefFetch) -> String {
    let from = one.remote.as_ref().map_or("(none)", |name| name.short());
    let to = one.local.as_ref().map_or("FETCH_HEAD", |name| name.short());
    let is_tag = one.remote.as_ref().is_some_and(|name| name.as_str().starts_with("refs/tags/"));
    match (status(one), one.old, one.new) {
        ("rejected", ..) => traffic::ref_line('!', "[rejected]", from, Some(to), "non-fast-forward"),
        ("pruned", ..) => traffic::ref_line('-', "[deleted]", from, Some(to), ""),
        ("current", ..) => traffic::ref_line('=', "[up to date]", from, Some(to), ""),
        ("forced", Some(old), Some(new)) => {
            traffic::ref_line('+', &traffic::span(repo, &old, &new, true), from, Some(to), "forced update")
        }
        ("forwarded", Some(old), Some(new)) => {
            traffic::ref_line(' ', &traffic::span(repo, &old, &new, false), from, Some(to), "")
        }
        ("fetched", ..) => traffic::ref_line('*', if is_tag { "tag" } else { "branch" }, from, Some(to), ""),
        _ => traffic::ref_line('*', if is_tag { "[new tag]" } else { "[new branch]" }, from, Some(to), ""),
    }
}
