//! `graft clone`: a new repository with the history of a remote.

use std::path::PathBuf;

use clap::ValueHint;
use serde::Serialize;

use super::{Outcome, remote};
use crate::cli::context::Context;
use crate::cli::error::{Failure, exit};
use crate::cli::json;
use crate::cli::render::traffic::{self, TrafficJson};
use crate::repo::Repository;
use crate::repo::ops::clone::{CloneOptions, folder_for};

/// Make a new repository with the history of a remote.
///
/// Fetches everything, verifies it, and writes the files of the branch that the remote says, or of the one you name. A clone that
/// fails leaves nothing behind.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  graft clone s3://bucket/app\n  graft clone -b v1.0 /mnt/share/app old-app")]
pub struct Args {
    /// The branch or tag to check out.
    #[arg(short, long, value_name = "NAME")]
    pub branch: Option<String>,

    /// The name of the remote in the new repository.
    #[arg(short, long, value_name = "NAME", default_value = "origin")]
    pub origin: String,

    /// Write no files to the worktree.
    #[arg(short, long)]
    pub no_checkout: bool,

    /// Leave large parts on the remote until they are read, and write no files to the worktree.
    ///
    /// Commits, trees and small changes come at once; pages of large databases when something reads them. 'graft sql' reads and writes
    /// a database, 'graft commit' and 'graft push' go as ever; 'graft materialize' writes the whole file, 'graft hydrate' brings the rest.
    #[arg(long, conflicts_with = "no_checkout")]
    pub lazy: bool,

    /// Bring only the newest so many generations of commits; 'graft fetch --unshallow' brings the rest.
    ///
    /// Just the branch that is checked out is fetched then, unless --no-single-branch is given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub depth: Option<u32>,

    /// Fetch just the branch that is checked out, now and later.
    #[arg(long, overrides_with = "no_single_branch")]
    pub single_branch: bool,

    /// Fetch all branches, also with --depth.
    #[arg(long)]
    pub no_single_branch: bool,

    /// Where the remote is; see 'graft help remote' for the forms.
    pub url: String,

    /// The folder of the new repository; named after the URL if not given.
    #[arg(value_hint = ValueHint::DirPath)]
    pub directory: Option<PathBuf>,
}

#[derive(Serialize)]
struct Answer<'a> {
    dir: String,
    url: &'a str,
    head: Option<String>,
    branch: Option<String>,
    objects: usize,
    storage_commits: usize,
    traffic: TrafficJson,
}

/// Runs the command.
pub fn run(args: Args, ctx: &mut Context) -> Outcome {
    let url = remote::url(&args.url, ctx)?;
    let into = match args.directory {
        Some(dir) => dir,
        None => folder_for(&url).map(PathBuf::from).ok_or_else(|| {
            Failure::usage("cannot tell a name for the folder from the URL")
                .help("name it: 'graft clone <URL> <FOLDER>'")
        })?,
    };
    let shown = into.display().to_string();
    ctx.say.note(format_args!("Cloning into '{shown}'..."));
    let options = CloneOptions {
        url,
        into: ctx.resolve(&into),
        name: args.origin,
        branch: args.branch,
        checkout: !args.no_checkout,
        depth: args.depth,
        single_branch: args.single_branch || args.depth.is_some() && !args.no_single_branch,
        lazy: args.lazy,
    };
    let cloned = Repository::clone_from(&options, &ctx.settings())?;
    if let Some(reason) = &cloned.untrusted {
        ctx.unrecorded(reason);
    }
    if args.lazy {
        ctx.say.hint(
            "the files are not in the worktree; use them with 'graft sql', 'graft materialize <file>' writes one",
        );
    }
    if cloned.head.is_none() {
        ctx.say.warning("the remote has no commits yet");
    }
    if ctx.out.json {
        let value = Answer {
            dir: shown,
            url: &cloned.fetched.url,
            head: cloned.head.map(|id| id.to_string()),
            branch: cloned.repo.current_branch()?.map(|name| name.short().to_owned()),
            objects: cloned.fetched.received.objects,
            storage_commits: cloned.fetched.received.commits,
            traffic: cloned.fetched.traffic.into(),
        };
        json::write(&mut ctx.out, "clone/1", &value)?;
    } else if ctx.globals.verbose > 0 {
        ctx.say.note(traffic::traffic(cloned.fetched.traffic));
    }
    Ok(exit::DONE)
}
