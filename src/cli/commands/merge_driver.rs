//! `graft merge-driver`: what Git calls to merge a file.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Outcome;
use super::merge_file::How;
use crate::cli::context::Context;
use crate::cli::error::{Failure, exit};
use crate::cli::render::conflicts;
use crate::cli::render::size::count;
use crate::sqlite::materialize::WriteOptions;
use crate::sqlite::merge::merge_files;
use crate::sqlite::{Detected, classify};

/// Merge a file for Git.
///
/// Git calls it as `merge.graft.driver`, for files whose attribute `merge` is `graft`: what THEIRS did since BASE is done to OURS, row by
/// row. Exit code 1 says that there are conflicts, which are named; OURS then holds everything else. Files that are no databases are left to
/// 'git merge-file'.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example:\n  git config merge.graft.driver 'graft merge-driver %O %A %B %P'")]
pub struct Args {
    /// The file in the common commit (`%O`).
    #[arg(value_name = "BASE")]
    pub base: PathBuf,

    /// The file here, and the result (`%A`).
    #[arg(value_name = "OURS")]
    pub ours: PathBuf,

    /// The file there (`%B`).
    #[arg(value_name = "THEIRS")]
    pub theirs: PathBuf,

    /// What the file is called (`%P`).
    #[arg(value_name = "PATH")]
    pub path: String,

    /// How to merge.
    #[command(flatten)]
    pub how: How,
}

/// Git takes an exit code up to 128 for a conflict.
const FAILED: u8 = 129;

/// Runs the command.
pub fn run(args: Args, ctx: &mut Context) -> Outcome {
    merge(&args, ctx).map_err(|failure| failure.exit(FAILED))
}

fn merge(args: &Args, ctx: &mut Context) -> Outcome {
    let [base, ours, theirs] = [&args.base, &args.ours, &args.theirs].map(|path| ctx.resolve(path));
    let is_database = |path: &Path| match classify(path) {
        Ok(Detected::Other) => Ok(false),
        Ok(_) => Ok(true),
        Err(e) => Err(Failure::new(format!("cannot read '{}'", path.display())).because(&e)),
    };
    if !(is_database(&base)? && is_database(&ours)? && is_database(&theirs)?) {
        return by_git(&ours, &base, &theirs);
    }
    let settings = ctx.settings();
    let folder = ours.parent().unwrap_or(Path::new("/")).to_owned();
    let write = WriteOptions { busy_timeout: settings.busy_timeout, ..WriteOptions::new(&folder) };
    let merged = merge_files([Some(&base), Some(&ours), Some(&theirs)], &ours, args.how.options(), &write)?;
    let mut text = Vec::new();
    conflicts::show(&args.path, &merged, &mut text)?;
    String::from_utf8_lossy(&text).lines().for_each(|line| ctx.say.note(format_args!("{line}")));
    Ok(match merged.conflicts.len() {
        0 => exit::DONE,
        n => {
            let n = count(n as u64, "conflict");
            ctx.say
                .note(format_args!("{n} in '{}': it holds everything else, and what your side held there", args.path));
            exit::NO
        }
    })
}

/// Lets Git merge a file that is no database, as it would without a driver.
fn by_git(ours: &Path, base: &Path, theirs: &Path) -> Outcome {
    let files = [ours, base, theirs];
    let status = Command::new("git").arg("merge-file").args(files).stdin(Stdio::null()).status();
    let status = status.map_err(|e| Failure::new("cannot run 'git merge-file'").because(&e))?;
    Ok(match status.code() {
        Some(0) => exit::DONE,
        Some(1..=127) => exit::NO,
        _ => FAILED,
    })
}
