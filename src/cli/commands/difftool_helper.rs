//! `graft difftool-helper`: shows how a database differs when Git asks for it.

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::ValueHint;

use super::Outcome;
use crate::cli::context::Context;
use crate::cli::diff::{self, Format};
use crate::cli::error::{Failure, exit};
use crate::model::{FileMode, RepoPath};
use crate::repo::state::types::ChangeKind;
use crate::repo::worktree::diff::{FileDiff, Opened, Wanted, named_files, open_files};

/// Show how a database differs, called by Git as its external diff.
///
/// Git calls it with seven arguments, nine for a renamed file, when it is the value of GIT_EXTERNAL_DIFF or of the setting
/// diff.graft.command. Files that are no databases are left to 'git diff' itself.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  GIT_EXTERNAL_DIFF='graft difftool-helper' git diff HEAD~1 -- app.db\n  git config diff.graft.command 'graft \
                  difftool-helper' && echo '*.db diff=graft' >> .gitattributes"
)]
pub struct Args {
    /// The file's path in the Git repository.
    #[arg(value_name = "PATH")]
    pub path: String,

    /// A file with the old content.
    #[arg(value_name = "OLD-FILE", value_hint = ValueHint::FilePath, requires = "new_mode")]
    pub old_file: Option<PathBuf>,

    /// Its id in Git.
    #[arg(value_name = "OLD-ID")]
    pub old_id: Option<String>,

    /// Its mode in Git.
    #[arg(value_name = "OLD-MODE")]
    pub old_mode: Option<String>,

    /// A file with the new content.
    #[arg(value_name = "NEW-FILE", value_hint = ValueHint::FilePath)]
    pub new_file: Option<PathBuf>,

    /// Its id in Git.
    #[arg(value_name = "NEW-ID")]
    pub new_id: Option<String>,

    /// Its mode in Git.
    #[arg(value_name = "NEW-MODE")]
    pub new_mode: Option<String>,

    /// The path that a renamed file has now.
    #[arg(value_name = "NEW-PATH")]
    pub new_path: Option<String>,

    /// Git's own lines about a rename.
    #[arg(value_name = "RENAME")]
    pub rename: Option<String>,
}

/// Runs the command.
pub fn run(args: Args, ctx: &mut Context) -> Outcome {
    let (Some(old), Some(new)) = (&args.old_file, &args.new_file) else {
        use std::io::Write;
        writeln!(ctx.out, "* Unmerged path {}", args.path)?;
        return Ok(exit::DONE);
    };
    let name = args.new_path.as_ref().unwrap_or(&args.path);
    let mut file = named_files(name, old, new)?;
    // Git's temporary files have modes of their own.
    let mode = |text: &Option<String>| match text.as_deref() {
        Some("100755") => Some(FileMode::Executable),
        Some("100644") => Some(FileMode::Regular),
        _ => None,
    };
    (file.change.old_mode, file.change.new_mode) = (mode(&args.old_mode), mode(&args.new_mode));
    if args.new_path.is_some() {
        file.change.renamed_from = RepoPath::new(&args.path).ok();
        file.change.change = ChangeKind::Renamed;
    }
    let settings = ctx.settings();
    let (format, all) = (if ctx.out.json { Format::Json } else { Format::Patch }, Wanted::default());
    if let Opened::Bytes { .. } = open_files(&settings, &file, all.options)? {
        return plain(old, new, ctx);
    }
    let mut writer = format.writer(ctx.out.theme, "");
    let open = |file: &FileDiff, options| open_files(&settings, file, options);
    diff::show(&[file], &open, &all, &mut *writer, &mut ctx.out, ctx.say)?;
    Ok(exit::DONE)
}

/// Leaves a file to Git.
fn plain(old: &Path, new: &Path, ctx: &Context) -> Outcome {
    let color = if ctx.out.theme.added == anstyle::Style::new() { "--color=never" } else { "--color=always" };
    let ran = Command::new("git")
        .args(["--no-pager", "diff", "--no-index", "--no-ext-diff", color, "--"])
        .args([old, new])
        .env_remove("GIT_EXTERNAL_DIFF")
        .status();
    match ran {
        Ok(_) => Ok(exit::DONE),
        Err(e) => Err(Failure::new("cannot run 'git diff'").because(&e)),
    }
}
