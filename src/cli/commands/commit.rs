//! `graft commit`: records the staged files as a commit.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use clap::ValueHint;
use serde::Serialize;

use super::Outcome;
use crate::cli::context::Context;
use crate::cli::error::{Failure, exit};
use crate::cli::render::change::{summary, totals};
use crate::cli::render::status::{View, long};
use crate::cli::render::{date::DateFormat, view};
use crate::cli::style::Theme;
use crate::cli::{editor, env, json};
use crate::model::Commit;
use crate::repo::commit::{CommitError, CommitOptions, CommitOutcome};
use crate::repo::objects::ObjectReader;
use crate::repo::status::{Status, StatusOptions};
use crate::repo::{RepoError, Repository};

/// Record the staged files as a commit.
///
/// Takes what is in the index and moves the current branch to the new commit. With paths, takes the present state of just
/// those tracked files, whatever else is staged. Without -m, -F or -C an editor asks for the message.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  graft commit -m \"Import the spring prices\"\n  graft commit -am \"Fix two addresses\"\n  graft commit \
                        --amend --no-edit"
)]
pub struct Args {
    /// The message; several are paragraphs.
    #[arg(short, long, value_name = "TEXT", conflicts_with = "file")]
    pub message: Vec<String>,

    /// Read the message from a file, or from standard input if it is `-`.
    #[arg(short = 'F', long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,

    /// Stage changed and removed tracked files first.
    #[arg(short, long)]
    pub all: bool,

    /// Replace the last commit.
    #[arg(long)]
    pub amend: bool,

    /// Take the message as it is, without an editor.
    #[arg(long)]
    pub no_edit: bool,

    /// Open the editor even if a message is given.
    #[arg(short, long, conflicts_with = "no_edit")]
    pub edit: bool,

    /// Commit even if nothing changes.
    #[arg(long)]
    pub allow_empty: bool,

    /// Accept an empty message.
    #[arg(long)]
    pub allow_empty_message: bool,

    /// The author, as `Name <mail>`.
    #[arg(long, value_name = "AUTHOR", value_parser = author)]
    pub author: Option<(String, String)>,

    /// The author's date.
    #[arg(long, value_name = "DATE")]
    pub date: Option<String>,

    /// Only these tracked files, folders or patterns.
    #[arg(value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,
}

#[derive(Serialize)]
struct Answer<'a> {
    id: String,
    branch: Option<&'a str>,
    root: bool,
    amended: bool,
    subject: &'a str,
    files: Vec<view::Change<'a>>,
    warnings: Vec<String>,
}

/// Parses `Name <mail>`.
fn author(text: &str) -> Result<(String, String), String> {
    let parts = text.trim().strip_suffix('>').and_then(|t| t.split_once('<'));
    let (name, mail) = parts.ok_or("write it as 'Name <mail>'")?;
    Ok((name.trim().to_owned(), mail.trim().to_owned()))
}

/// Runs the command.
pub fn run(args: Args, ctx: &mut Context) -> Outcome {
    let repo = ctx.repository()?;
    let given = given_message(&args, ctx)?;
    let mut options = CommitOptions {
        message: given,
        all: args.all,
        amend: args.amend,
        allow_empty: args.allow_empty,
        allow_empty_message: args.allow_empty_message,
        author: args.author.clone(),
        date: args.date.clone(),
        pathspecs: args.paths.clone(),
        cwd: ctx.cwd.clone(),
    };
    let ask = args.edit || (options.message.is_none() && !args.no_edit);
    if ask {
        match ask_for_message(&repo, &args, &options, ctx)? {
            Some(message) => options.message = Some(message),
            None => return nothing_to_commit(&repo, ctx),
        }
    }
    let done = match repo.commit_index(&options) {
        Err(RepoError::Commit(CommitError::NothingToCommit)) if !ctx.out.json => return nothing_to_commit(&repo, ctx),
        other => other?,
    };
    done.warnings.iter().for_each(|w| ctx.say.warning(w));
    if ctx.out.json {
        let answer = Answer {
            id: done.id.to_string(),
            branch: done.branch.as_ref().map(|b| b.short()),
            root: done.root,
            amended: done.amended,
            subject: &done.subject,
            files: view::changes(&done.files),
            warnings: view::warnings(&done.warnings),
        };
        json::write(&mut ctx.out, "commit/1", &answer)?;
    } else if !ctx.globals.quiet {
        let commit = repo.commit(&done.id).map_err(RepoError::from)?;
        let text = text(&done, &commit, args.date.is_some(), &ctx.now());
        ctx.out.write_all(text.as_bytes())?;
    }
    Ok(exit::DONE)
}

/// Returns the message of the command line, if it holds one.
fn given_message(args: &Args, ctx: &Context) -> Result<Option<String>, Failure> {
    if !args.message.is_empty() {
        return Ok(Some(args.message.join("\n\n")));
    }
    let Some(file) = &args.file else { return Ok(None) };
    let mut text = String::new();
    let read = match file == Path::new("-") {
        true => std::io::stdin().read_to_string(&mut text).map(|_| text),
        false => std::fs::read_to_string(ctx.resolve(file)),
    };
    read.map(Some).map_err(|e| Failure::new(format!("cannot read the message from '{}'", file.display())).because(&e))
}

/// Opens the editor; `None` if there is nothing to commit, so that nobody writes a message for nothing.
fn ask_for_message(
    repo: &Repository,
    args: &Args,
    options: &CommitOptions,
    ctx: &mut Context,
) -> Result<Option<String>, Failure> {
    let status = repo.status(&StatusOptions { cwd: ctx.cwd.clone(), ..StatusOptions::default() })?;
    let takes_unstaged = (args.all || !args.paths.is_empty()) && !status.unstaged.is_empty();
    if status.staged.is_empty() && !takes_unstaged && !args.amend && !args.allow_empty {
        return Ok(None);
    }
    let old = match (&options.message, args.amend, status.commit) {
        (Some(message), ..) => message.clone(),
        (None, true, Some(id)) => repo.commit(&id).map_err(RepoError::from)?.message,
        _ => String::new(),
    };
    let remarks = remarks(&status, args.all, &ctx.prefix(repo));
    let configured = repo.config().get("core.editor").map(|e| e.value.clone());
    let editor = editor::choose(&env::var, configured, editor::on_terminal())?;
    let (file, tmp) = (repo.dir().join("COMMIT_EDITMSG"), repo.dir().join("tmp"));
    let edited = editor::edit(&editor, &file, &tmp, &editor::template(&old, &remarks))?;
    Ok(Some(editor::without_comments(&edited)))
}

/// Writes what the commit will take, for the editor.
fn remarks(status: &Status, all: bool, from: &str) -> String {
    let (mut staged, mut unstaged) = (status.staged.clone(), status.unstaged.clone());
    if all {
        unstaged.retain(|u| !staged.iter().any(|s| s.path == u.path));
        staged.append(&mut unstaged);
        staged.sort_by(|a, b| a.path.cmp(&b.path));
    }
    let view = View {
        head: &status.head,
        unborn: status.commit.is_none(),
        staged: &staged,
        unstaged: &unstaged,
        unmaterialized: 0,
        untracked: Some(&status.untracked),
        from,
        upstream: None,
    };
    let name = status.commit.map_or(String::new(), |id| id.to_hex_with_len(7));
    long(&view, &name, &Theme::plain())
}

/// Says why there is nothing to commit, as Git does: with the status.
fn nothing_to_commit(repo: &Repository, ctx: &mut Context) -> Outcome {
    if ctx.out.json {
        return Err(RepoError::from(CommitError::NothingToCommit).into());
    }
    let status = repo.status(&StatusOptions { cwd: ctx.cwd.clone(), ..StatusOptions::default() })?;
    let text = remarks(&status, false, &ctx.prefix(repo));
    if !ctx.globals.quiet {
        ctx.out.write_all(text.as_bytes())?;
    }
    Ok(exit::NO)
}

/// Writes `[main (root-commit) 1a2b3c4] first` and what changed.
fn text(done: &CommitOutcome, commit: &Commit, dated: bool, now: &jiff::Zoned) -> String {
    let branch = done.branch.as_ref().map_or("detached HEAD", |b| b.short());
    let root = if done.root { " (root-commit)" } else { "" };
    let mut text = format!("[{branch}{root} {}] {}\n", done.id.to_hex_with_len(7), done.subject);
    let (author, committer) = (&commit.author, &commit.committer);
    if (&author.name, &author.email) != (&committer.name, &committer.email) {
        text += &format!(" Author: {author}\n");
    }
    if dated {
        text += &format!(" Date: {}\n", DateFormat::DEFAULT.render(author.time, author.offset, now));
    }
    if !done.files.is_empty() {
        text += &totals(&done.files);
    }
    text + &summary(&done.files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::render::change::tests::change;
    use crate::cli::render::pretty::tests::{look, sample};
    use crate::model::{ObjectId, RefName};
    use crate::repo::types::ChangeKind;

    #[test]
    fn the_summary_names_branch_id_and_files() {
        let done = CommitOutcome {
            id: ObjectId::from_bytes([0x1a; 32]),
            branch: Some(RefName::branch("main").expect("valid")),
            root: true,
            amended: false,
            subject: "first".to_owned(),
            files: vec![change("app.db", ChangeKind::Added, Some(16))],
            warnings: vec![],
        };
        let now = look(&|_| String::new()).now;
        let other = sample();
        assert_eq!(
            text(&done, &other, true, &now),
            "[main (root-commit) 1a1a1a1] first\n Author: Ada <ada@example.org>\n Date: Tue Nov 14 23:13:20 2023 +0100\n 1 file \
             changed, 16 pages, 64 KiB\n create mode 100644 app.db\n"
        );
        let same = Commit { committer: other.author.clone(), ..other };
        let done = CommitOutcome { branch: None, root: false, files: vec![], ..done };
        assert_eq!(text(&done, &same, false, &now), "[detached HEAD 1a1a1a1] first\n");
    }

    #[test]
    fn authors_are_a_name_and_a_mail_address() {
        assert_eq!(author("Ada L <a@b>"), Ok(("Ada L".to_owned(), "a@b".to_owned())));
        assert!(author("Ada").is_err());
    }
}
