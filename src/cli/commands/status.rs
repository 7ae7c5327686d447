//! `graft status`: what differs between the last commit, the index and the worktree.

use std::io::Write;
use std::path::PathBuf;

use clap::{ValueEnum, ValueHint};
use serde::Serialize;

use super::Outcome;
use crate::cli::context::Context;
use crate::cli::error::exit;
use crate::cli::json;
use crate::cli::ref_format::distance;
use crate::cli::render::status::{PorcelainV2, ShortForm, Upstream, View, long, porcelain_v2, short};
use crate::cli::render::view;
use crate::cli::style::Theme;
use crate::repo::state::refs::Head;
use crate::repo::worktree::status::StatusOptions;

/// Show what differs between the last commit, the index and the worktree.
///
/// A file that looks as it did when it was last taken is not opened; any other is compared by its content, so a database that
/// was opened, switched to another journal mode or written with the same rows is not a change.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  graft status\n  graft status -sb\n  graft status --porcelain -z")]
pub struct Args {
    /// Two letters and a path per file.
    #[arg(short, long, conflicts_with = "porcelain")]
    pub short: bool,

    /// Show the branch in the short forms too.
    #[arg(short, long)]
    pub branch: bool,

    /// Two letters and a path per file, for scripts: never changes, whatever is configured. `v2` adds modes and ids.
    #[arg(long, value_name = "VERSION", num_args = 0..=1, require_equals = true, default_missing_value = "v1")]
    pub porcelain: Option<Porcelain>,

    /// End entries with NUL instead of newline, and quote nothing.
    #[arg(short = 'z')]
    pub nul: bool,

    /// Which untracked files to show; all of them if no word follows.
    #[arg(short = 'u', long, value_name = "WHICH", num_args = 0..=1, require_equals = true, default_value = "normal", default_missing_value = "all")]
    pub untracked_files: Untracked,

    /// Show ignored files among the untracked ones.
    #[arg(long)]
    pub ignored: bool,

    /// Only these files, folders or patterns.
    #[arg(value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,
}

/// Versions of the format for scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Porcelain {
    /// Git's version 1
    V1,
    /// Git's version 2: modes and ids too
    V2,
}

/// Which untracked files to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Untracked {
    /// None
    No,
    /// A folder with nothing tracked in it counts as one
    Normal,
    /// Every file
    All,
}

#[derive(Serialize)]
struct Answer<'a> {
    branch: Option<&'a str>,
    commit: Option<String>,
    upstream: Option<&'a str>,
    ahead: Option<usize>,
    behind: Option<usize>,
    clean: bool,
    staged: Vec<view::Change<'a>>,
    unstaged: Vec<view::Change<'a>>,
    unmaterialized: Vec<&'a str>,
    untracked: &'a [String],
    warnings: Vec<String>,
}

/// Runs the command.
pub fn run(args: Args, ctx: &mut Context) -> Outcome {
    let repo = ctx.repository()?;
    let options = StatusOptions {
        pathspecs: args.paths,
        cwd: ctx.cwd.clone(),
        no_untracked: args.untracked_files == Untracked::No,
        all_untracked: args.untracked_files == Untracked::All,
        ignored: args.ignored,
    };
    let status = repo.status(&options)?;
    status.warnings.iter().for_each(|w| ctx.say.warning(w));
    let branch = match &status.head {
        Head::Branch(name) => Some(name.short()),
        Head::Detached(_) => None,
    };
    let upstream = match (branch, status.commit) {
        (Some(branch), Some(commit)) => match repo.resolver(&ctx.cwd).upstream_of(branch) {
            Some(upstream) => Some((distance(&repo, commit, &upstream)?, upstream)),
            None => None,
        },
        _ => None,
    };
    let upstream = upstream.as_ref().map(|(apart, name)| Upstream { name: name.short(), apart: *apart });
    if ctx.out.json {
        let answer = Answer {
            upstream: upstream.map(|u| u.name),
            ahead: upstream.and_then(|u| u.apart).map(|apart| apart.0),
            behind: upstream.and_then(|u| u.apart).map(|apart| apart.1),
            branch,
            commit: status.commit.map(|id| id.to_string()),
            clean: status.is_clean(),
            staged: view::changes(&status.staged),
            unstaged: view::changes(&status.unstaged),
            unmaterialized: status.unmaterialized.iter().map(crate::model::RepoPath::as_str).collect(),
            untracked: &status.untracked,
            warnings: view::warnings(&status.warnings),
        };
        json::write(&mut ctx.out, "status/1", &answer)?;
        return Ok(exit::DONE);
    }
    let from = ctx.prefix(&repo);
    let view = View {
        head: &status.head,
        unborn: status.commit.is_none(),
        staged: &status.staged,
        unstaged: &status.unstaged,
        unmaterialized: status.unmaterialized.len(),
        untracked: (args.untracked_files != Untracked::No).then_some(&status.untracked),
        from: &from,
        upstream,
    };
    let text = if args.porcelain == Some(Porcelain::V2) {
        let mut named = status.staged.clone();
        named.iter_mut().filter(|f| f.renamed_from.is_some()).try_for_each(|f| repo.count_pages(f))?;
        let index = repo.index()?;
        porcelain_v2(
            &View { staged: &named, ..view },
            &index,
            status.commit,
            PorcelainV2 { nul: args.nul, branch: args.branch },
        )
    } else if args.short || args.porcelain.is_some() || args.nul {
        let porcelain = args.porcelain.is_some() || (args.nul && !args.short);
        let theme = if porcelain { Theme::plain() } else { ctx.out.theme };
        short(&view, ShortForm { porcelain, nul: args.nul, branch: args.branch }, &theme)
    } else {
        let name = status.commit.map_or(String::new(), |id| id.to_hex_with_len(7));
        long(&view, &name, &ctx.out.theme)
    };
    ctx.out.write_all(text.as_bytes())?;
    Ok(exit::DONE)
}
