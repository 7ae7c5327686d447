//! `graft commit`: records the staged files as a commit.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use clap::ValueHint;
use serde::Serialize;

use super::Outcome;
use crate::cli::context::Context;
use crate::cli::error::{Failure, exit};
use crate::cli::hooks::Hook;
use crate::cli::render::change::{summary, totals};
use crate::cli::render::pretty::subject;
use crate::cli::render::status::{View, long};
use crate::cli::render::{date::DateFormat, view};
use crate::cli::style::Theme;
use crate::cli::{editor, env, json, revs};
use crate::model::Commit;
use crate::repo::ops::commit::{CommitError, CommitOptions, CommitOutcome, Inherit, tidy};
use crate::repo::ops::sign_off::sign_off;
use crate::repo::state::identity::{Overrides, Role};
use crate::repo::state::objects::ObjectReader;
use crate::repo::worktree::status::{Status, StatusOptions};
use crate::repo::{DIR, RepoError, Repository};
use crate::util::fs;

/// The file of `.graft` that messages are edited in.
const MESSAGE_FILE: &str = "COMMIT_EDITMSG";

/// Record the staged files as a commit.
///
/// Takes what is in the index and moves the current branch to the new commit. With paths, takes the present state of just
/// those tracked files, whatever else is staged. Without -m, -F, -C or --fixup an editor asks for the message.
///
/// The hooks pre-commit and commit-msg in .graft/hooks can refuse the commit, and post-commit runs after it.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  graft commit -m \"Import the spring prices\"\n  graft commit -am \"Fix two addresses\"\n  graft commit \
                        --amend --no-edit"
)]
pub struct Args {
    /// The message; several are paragraphs.
    #[arg(short, long, value_name = "TEXT", conflicts_with = "file")]
    pub message: Vec<String>,

    /// Take message, author and date of another commit.
    #[arg(short = 'C', long, value_name = "COMMIT", conflicts_with_all = ["message", "file", "reedit_message"])]
    pub reuse_message: Option<String>,

    /// Take message, author and date of another commit, and open the editor.
    #[arg(short = 'c', long, value_name = "COMMIT", conflicts_with_all = ["message", "file", "no_edit"])]
    pub reedit_message: Option<String>,

    /// Make a commit that mends another one: its message is `fixup!` and the other's subject, then what -m says.
    #[arg(long, value_name = "COMMIT", conflicts_with_all = ["file", "reuse_message", "reedit_message", "amend"])]
    pub fixup: Option<String>,

    /// Add a line `Signed-off-by:` to the message, which says that you vouch for the change.
    #[arg(short, long, overrides_with = "no_signoff")]
    pub signoff: bool,

    /// Add no such line.
    #[arg(long)]
    pub no_signoff: bool,

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

    /// With -C, -c or --amend: you are the author, as of now.
    #[arg(long, conflicts_with = "author")]
    pub reset_author: bool,

    /// Do not run the hooks pre-commit and commit-msg.
    #[arg(short = 'n', long)]
    pub no_verify: bool,

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
    if args.reset_author && !(args.amend || args.reuse_message.is_some() || args.reedit_message.is_some()) {
        return Err(Failure::usage("--reset-author is for -C, -c and --amend").help("leave it out: you are the author"));
    }
    let source = MessageSource::read(&args, &repo, ctx)?;
    let mut options = CommitOptions {
        message: None,
        all: args.all,
        amend: args.amend,
        allow_empty: args.allow_empty,
        allow_empty_message: args.allow_empty_message,
        author: args.author.clone(),
        date: args.date.clone(),
        inherit: match &source {
            _ if args.reset_author => Inherit::Nobody,
            MessageSource::Commit(commit) => Inherit::Author(commit.author.clone()),
            _ => Inherit::Replaced,
        },
        pathspecs: args.paths.clone(),
        cwd: ctx.cwd.clone(),
        is_staged: false,
    };
    let hook = (!args.no_verify).then(|| Hook::find("pre-commit", &repo, ctx)).flatten();
    let ahead = match hook {
        // The hook finds in the index what will be committed.
        Some(_) if args.all || !args.paths.is_empty() => Some(repo.stage_ahead(&options)?),
        _ => None,
    };
    options.is_staged = ahead.is_some();
    let done = match hook.map_or(Ok(()), |hook| editing(hook, source.asks(&args)).must_agree(NOT_COMMITTED)) {
        Ok(()) => commit(&repo, &args, &source, options, ctx),
        Err(failure) => Err(failure),
    };
    let done = match done {
        Ok(Some(mut done)) => {
            let warnings = ahead.map(|ahead| ahead.warnings);
            done.warnings.splice(..0, warnings.into_iter().flatten());
            done
        }
        other => {
            if let Some(ahead) = ahead {
                ahead.warnings.iter().for_each(|w| ctx.say.warning(w));
                let taken_back = repo.take_back(ahead);
                // What failed first is what the user should hear of.
                match &other {
                    Ok(_) => taken_back?,
                    Err(_) => taken_back.unwrap_or_else(|e| {
                        ctx.say.warning(format_args!("what was staged for the commit stays staged: {e}"));
                    }),
                }
            }
            return other.and_then(|_| nothing_to_commit(&repo, ctx));
        }
    };
    show(&done, &args, &repo, ctx)?;
    if let Some(hook) = Hook::find("post-commit", &repo, ctx) {
        // What was said so far comes before what the hook says; what it thinks of the commit changes nothing.
        ctx.out.flush()?;
        editing(hook, source.asks(&args)).code()?;
    }
    Ok(exit::DONE)
}

const NOT_COMMITTED: &str = "nothing was committed";

/// Tells a hook that nobody sits at an editor.
fn editing(hook: Hook<'_>, asks: bool) -> Hook<'_> {
    if asks { hook } else { hook.var("GRAFT_EDITOR", ":") }
}

/// Asks for the message if need be, and commits; `None` if there is nothing to commit.
fn commit(
    repo: &Repository,
    args: &Args,
    source: &MessageSource,
    mut options: CommitOptions,
    ctx: &mut Context,
) -> Result<Option<CommitOutcome>, Failure> {
    let mut message = source.text();
    if args.amend && message.is_none() {
        message =
            repo.head_commit()?.map(|id| repo.commit(&id)).transpose().map_err(RepoError::from)?.map(|c| c.message);
    }
    if args.signoff {
        let who = repo.signature(Role::Committer, &Overrides::default())?;
        message = Some(sign_off(&message.unwrap_or_default(), &who));
    }
    let asks = source.asks(args);
    let hook = (!args.no_verify).then(|| Hook::find("commit-msg", repo, ctx)).flatten();
    let mut text = message;
    if asks || hook.is_some() {
        let status = repo.status(&StatusOptions { cwd: ctx.cwd.clone(), ..StatusOptions::default() })?;
        let takes_unstaged = (args.all || !args.paths.is_empty()) && !status.unstaged.is_empty();
        if status.staged.is_empty() && !takes_unstaged && !args.amend && !args.allow_empty {
            // Nobody writes or judges a message for nothing.
            return Ok(None);
        }
        if asks {
            text = Some(ask_for_message(repo, args, &text.unwrap_or_default(), &status, ctx)?);
        }
    }
    if let Some(hook) = hook {
        let file = repo.dir().join(MESSAGE_FILE);
        let failed =
            |what: &str, e: &std::io::Error| Failure::new(format!("cannot {what} '{}'", file.display())).because(e);
        if !asks {
            let bytes = tidy(text.as_deref().unwrap_or_default()).into_bytes();
            fs::replace(&file, &repo.dir().join("tmp"), &bytes).map_err(|e| failed("write", &e))?;
        }
        editing(hook.arg(Path::new(DIR).join(MESSAGE_FILE)), asks).must_agree(NOT_COMMITTED)?;
        text = Some(std::fs::read_to_string(&file).map_err(|e| failed("read", &e))?);
    }
    options.message = if asks { text.map(|text| editor::without_comments(&text)) } else { text };
    match repo.commit_index(&options) {
        Err(RepoError::Commit(CommitError::NothingToCommit)) if !ctx.out.json => Ok(None),
        other => Ok(Some(other?)),
    }
}

/// Shows what was committed.
fn show(done: &CommitOutcome, args: &Args, repo: &Repository, ctx: &mut Context) -> Result<(), Failure> {
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
        let dated = args.date.is_some() || args.reuse_message.is_some() || args.reedit_message.is_some();
        let text = text(done, &commit, dated, &ctx.now());
        ctx.out.write_all(text.as_bytes())?;
    }
    Ok(())
}

/// Where the message comes from.
enum MessageSource {
    /// The command line.
    Given(String),
    /// Another commit.
    Commit(Box<Commit>),
    /// The user, or the commit that is replaced.
    Open,
}

impl MessageSource {
    fn read(args: &Args, repo: &Repository, ctx: &Context) -> Result<Self, Failure> {
        let commit = |rev: &String| -> Result<Commit, Failure> {
            Ok(repo.commit(&revs::commit(repo, rev)?).map_err(RepoError::from)?)
        };
        let given = given_message(args, ctx)?;
        if let Some(rev) = args.reuse_message.as_ref().or(args.reedit_message.as_ref()) {
            return Ok(Self::Commit(Box::new(commit(rev)?)));
        }
        Ok(match (&args.fixup, given) {
            (Some(rev), given) => {
                let subject = subject(&commit(rev)?.message);
                Self::Given(format!("fixup! {subject}\n\n{}", given.unwrap_or_default()))
            }
            (None, Some(given)) => Self::Given(given),
            (None, None) => Self::Open,
        })
    }

    fn text(&self) -> Option<String> {
        match self {
            Self::Given(text) => Some(text.clone()),
            Self::Commit(commit) => Some(commit.message.clone()),
            Self::Open => None,
        }
    }

    /// Tells whether the editor opens.
    fn asks(&self, args: &Args) -> bool {
        args.edit || args.reedit_message.is_some() || (matches!(self, Self::Open) && !args.no_edit)
    }
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

/// Opens the editor and returns what it left, comments included.
fn ask_for_message(
    repo: &Repository,
    args: &Args,
    message: &str,
    status: &Status,
    ctx: &Context,
) -> Result<String, Failure> {
    let remarks = remarks(status, args.all, &ctx.prefix(repo));
    let editor = editor::choose(&env::var, ctx.editor(repo), editor::on_terminal())?;
    let (file, tmp) = (repo.dir().join(MESSAGE_FILE), repo.dir().join("tmp"));
    editor::edit(&editor, &file, &tmp, &editor::template(message, &remarks))
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
fn text(done: &CommitOutcome, commit: &Commit, dated: bool, now: &jiff::ZonedDateTime) -> String {
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
    use crate::repo::state::types::ChangeKind;

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
