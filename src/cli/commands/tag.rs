//! `graft tag`: lists, makes and removes tags.

use std::io::{Read, Write};
use std::path::PathBuf;

use clap::ValueHint;
use serde::Serialize;

use super::Outcome;
use crate::cli::context::Context;
use crate::cli::error::{Failure, exit};
use crate::cli::ref_args::ListArgs;
use crate::cli::ref_format::Scope;
use crate::cli::{editor, env, json, revs};
use crate::model::{ObjectKind, RefName};
use crate::repo::ops::tag::NewTag;
use crate::repo::state::objects::ObjectReader;
use crate::repo::state::refs::Ref;
use crate::repo::{RepoError, Repository};

/// List, make or remove tags.
///
/// Without a name lists the tags. With a name makes a tag for HEAD or for the object named: with -a or -m an annotated one, an
/// object of its own with who made it, when and why.
#[derive(clap::Args, Debug)]
#[command(
    override_usage = "graft tag [OPTIONS] [PATTERN]...\n       graft tag [-f] [-a] [-m <TEXT>] <NAME> [OBJECT]\n       graft tag -d \
                      <NAME>...",
    after_help = "Examples:\n  graft tag v1.0\n  graft tag -m \"First release\" v1.0 HEAD~2\n  graft tag -l 'v1.*' --sort \
                  -version:refname\n  graft tag -d v1.0"
)]
pub struct Args {
    /// List tags whose names match the patterns.
    #[arg(short, long)]
    pub list: bool,

    /// Show so many lines of each message beside the name.
    #[arg(short = 'n', value_name = "LINES", num_args = 0..=1, default_missing_value = "1")]
    pub lines: Option<usize>,

    /// Make an annotated tag; an editor asks for the message if there is none.
    #[arg(short, long)]
    pub annotate: bool,

    /// The message of an annotated tag; several are paragraphs.
    #[arg(short, long, value_name = "TEXT", conflicts_with = "file")]
    pub message: Vec<String>,

    /// Read the message from a file, or from standard input if it is `-`.
    #[arg(short = 'F', long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,

    /// Move the tag if it is there.
    #[arg(short, long)]
    pub force: bool,

    /// Remove tags.
    #[arg(short, long)]
    pub delete: bool,

    /// Which ones.
    #[command(flatten)]
    pub which: ListArgs,

    /// Names, or patterns for a list.
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
}

#[derive(Serialize)]
struct Listed<'a> {
    name: &'a str,
    short: &'a str,
    id: String,
    r#type: &'static str,
    target: String,
}

#[derive(Serialize)]
struct Changed<'a> {
    action: &'static str,
    tag: &'a str,
    id: String,
    old: Option<String>,
}

/// Runs the command.
pub fn run(args: Args, ctx: &mut Context) -> Outcome {
    let repo = ctx.repository()?;
    if args.delete {
        return delete(&args, &repo, ctx);
    }
    if args.list || args.lines.is_some() || args.which.is_list() || args.names.is_empty() {
        return list(&args, &repo, ctx);
    }
    let (name, target) = match args.names.as_slice() {
        [name] => (name, "HEAD"),
        [name, target] => (name, target.as_str()),
        _ => return Err(Failure::usage("too many names").help("as in 'graft tag <name> [<object>]'")),
    };
    let target = revs::object(&repo, target)?;
    let full = RefName::tag(name).map_err(|e| RepoError::from(crate::repo::ops::tag::TagError::from(e)))?;
    if !args.force && repo.refs().resolve(&full).map_err(RepoError::from)?.is_some() {
        return Err(RepoError::from(crate::repo::ops::tag::TagError::Exists(name.clone())).into());
    }
    let message = message(&args, &repo, ctx)?;
    let (id, old) = repo.create_tag(&NewTag { name, target, message: message.as_deref(), force: args.force })?;
    if ctx.out.json {
        let action = if old.is_some() { "moved" } else { "created" };
        let answer = Changed { action, tag: name, id: id.to_string(), old: old.map(|id| id.to_string()) };
        json::write(&mut ctx.out, "tag-change/1", &answer)?;
    } else if let Some(old) = old.filter(|old| *old != id && !ctx.globals.quiet) {
        writeln!(ctx.out, "Updated tag '{name}' (was {})", revs::short(&repo, &old))?;
    }
    Ok(exit::DONE)
}

/// Returns the message of an annotated tag; `None` for a plain one.
fn message(args: &Args, repo: &Repository, ctx: &Context) -> Result<Option<String>, Failure> {
    if !args.message.is_empty() {
        return Ok(Some(args.message.join("\n\n")));
    }
    if let Some(path) = &args.file {
        let mut text = String::new();
        let read = match path.as_os_str() == "-" {
            true => std::io::stdin().read_to_string(&mut text).map(drop),
            false => std::fs::read_to_string(ctx.resolve(path)).map(|read| text = read),
        };
        read.map_err(|e| Failure::new(format!("cannot read the message from '{}'", path.display())).because(&e))?;
        return Ok(Some(text));
    }
    if !args.annotate {
        return Ok(None);
    }
    let chosen = editor::choose(&env::var, ctx.editor(repo), editor::on_terminal())?;
    let remarks = "\n#\n# Write the message of the tag. Lines starting with '#' are left out.\n";
    let edited = editor::edit(&chosen, &repo.dir().join("TAG_EDITMSG"), &repo.dir().join("tmp"), remarks)?;
    Ok(Some(editor::without_comments(&edited)))
}

fn delete(args: &Args, repo: &Repository, ctx: &mut Context) -> Outcome {
    if args.names.is_empty() {
        return Err(Failure::usage("no tag named").help("as in 'graft tag -d <name>'"));
    }
    let mut failure: Option<Failure> = None;
    for name in &args.names {
        match repo.delete_tag(name) {
            Ok(id) if ctx.out.json => {
                let answer = Changed { action: "deleted", tag: name, id: id.to_string(), old: None };
                json::write(&mut ctx.out, "tag-change/1", &answer)?;
            }
            Ok(_) if ctx.globals.quiet => {}
            Ok(id) => writeln!(ctx.out, "Deleted tag '{name}' (was {})", revs::short(repo, &id))?,
            // The others are removed all the same; what failed first is told last.
            Err(error) if failure.is_none() => failure = Some(error.into()),
            Err(error) => ctx.say.warning(error),
        }
    }
    failure.map_or(Ok(exit::DONE), Err)
}

fn list(args: &Args, repo: &Repository, ctx: &mut Context) -> Outcome {
    let (refs, broken) = repo.list_refs(&args.which.query(repo, &["refs/tags/"], &args.names)?)?;
    for error in broken {
        ctx.say.warning(error);
    }
    ctx.page(ctx.pager(repo));
    let cwd = ctx.cwd.clone();
    let resolver = repo.resolver(&cwd);
    let colored = ctx.out.theme.is_colored();
    let scope = Scope { repo, revs: &resolver, head: repo.current_branch()?, now: ctx.now(), colored };
    for one in &refs {
        if ctx.out.json {
            let kind = repo.kind(&one.id).map_err(RepoError::from)?;
            let target = repo.peel_tags(&one.id).map_err(RepoError::from)?.id().to_string();
            let listed = Listed {
                name: one.name.as_str(),
                short: one.name.short(),
                id: one.id.to_string(),
                r#type: kind.name(),
                target,
            };
            json::write(&mut ctx.out, "tag/1", &listed)?;
            continue;
        }
        let text = match (&args.which.format, args.lines) {
            (Some(format), _) => format.render(one, &scope)?,
            (None, Some(lines)) if lines > 0 => with_message(one, lines, repo)?,
            _ => one.name.short().to_owned(),
        };
        writeln!(ctx.out, "{text}")?;
    }
    Ok(exit::DONE)
}

/// `v1.0            The first line`, further lines below it.
fn with_message(one: &Ref, lines: usize, repo: &Repository) -> Result<String, RepoError> {
    let message = match repo.kind(&one.id)? {
        ObjectKind::Tag => repo.tag(&one.id)?.message,
        ObjectKind::Commit => repo.commit(&one.id)?.message,
        _ => String::new(),
    };
    let text = message.trim_end().lines().take(lines).collect::<Vec<_>>().join("\n    ");
    Ok(format!("{:<15} {text}", one.name.short()))
}
