//! `graft show`: one object as people want to see it.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::ValueHint;

use super::Outcome;
use crate::cli::context::Context;
use crate::cli::error::{Failure, exit};
use crate::cli::history::{Files, LookArgs, Writer};
use crate::cli::ranges::{self, Range};
use crate::cli::render::date::DateFormat;
use crate::cli::render::snapshot::{self, Description};
use crate::cli::render::view;
use crate::cli::render::{object, path};
use crate::cli::{json, revs};
use crate::model::{FileKind, ObjectId, ObjectKind, PageIdx};
use crate::repo::history::walk::WalkOptions;
use crate::repo::state::objects::ObjectReader;
use crate::repo::text::pathspec::Pathspecs;
use crate::repo::{RepoError, Repository};
use crate::sqlite::header::Header;
use crate::store::read_page;

/// Show commits, tags, trees and states of files.
///
/// A commit is shown with what it changed, a tag with what it names, and a tree as the list of its files. `<rev>:<path>`
/// writes the file as it was, byte for byte; on a terminal, which cannot show a database, it is described instead.
#[derive(clap::Args, Debug)]
#[command(
    override_usage = "graft show [OPTIONS] [REV]... [-- <PATH>...]",
    after_help = "Examples:\n  graft show\n  graft show -p HEAD~2\n  graft show HEAD:app.db\n  graft show v1 -- data/"
)]
pub struct Args {
    /// How commits look.
    #[command(flatten)]
    pub look: LookArgs,

    /// Say nothing of the files that a commit changed.
    #[arg(short = 's', long, group = "files", conflicts_with = "patch")]
    pub no_patch: bool,

    /// The revisions; HEAD if there are none.
    #[arg(value_name = "REV")]
    pub revs: Vec<String>,

    /// Only these files, folders or patterns of what a commit changed.
    #[arg(last = true, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,
}

/// Runs the command.
pub fn run(args: Args, ctx: &mut Context) -> Outcome {
    let repo = ctx.repository()?;
    let specs = Pathspecs::new(repo.top(), &ctx.cwd, &args.paths).map_err(RepoError::from)?;
    let revs = if args.revs.is_empty() { vec!["HEAD".to_owned()] } else { args.revs };
    let shown = named(&revs, &repo)?;
    let files = if args.no_patch { Files::None } else { Files::Stat };
    let writer = Writer::new(&args.look, (files, true), specs, &repo, ctx)?;
    let for_people = ctx.out.is_terminal() || ctx.out.json;
    ctx.page(ctx.pager(&repo));
    let date = args.look.date.unwrap_or(DateFormat::DEFAULT);
    let mut is_first = true;
    for (name, id) in &shown {
        let is_commit = repo.kind(id).map_err(RepoError::from)? == ObjectKind::Commit;
        if is_commit && !writer.wants(id, &repo.commit(id).map_err(RepoError::from)?)? {
            continue;
        }
        if !std::mem::take(&mut is_first) && !ctx.out.json {
            ctx.out.write_all(writer.separator().as_bytes())?;
        }
        if !for_people && repo.kind(id).map_err(RepoError::from)? == ObjectKind::Snapshot {
            repo.export_to(id, Path::new("standard output"), &mut ctx.out)?;
        } else {
            one(name, *id, &writer, &date, &repo, ctx)?;
        }
    }
    Ok(exit::DONE)
}

/// Returns what words name; a range stands for its commits.
fn named(words: &[String], repo: &Repository) -> Result<Vec<(String, ObjectId)>, Failure> {
    if !words.iter().any(|w| ranges::is_range(w)) {
        return words.iter().map(|w| Ok((w.clone(), revs::object(repo, w)?))).collect();
    }
    let mut range = Range::default();
    for word in words {
        range.add(repo, word)?;
    }
    let options = WalkOptions { tips: range.tips, hidden: range.hidden, ..WalkOptions::default() };
    repo.walk(options)?.map(|entry| Ok(entry.map(|e| (e.id.to_string(), e.id))?)).collect()
}

fn one(
    name: &str,
    id: ObjectId,
    writer: &Writer<'_>,
    date: &DateFormat,
    repo: &Repository,
    ctx: &mut Context,
) -> Result<(), Failure> {
    match repo.kind(&id).map_err(RepoError::from)? {
        ObjectKind::Commit => {
            let commit = repo.commit(&id).map_err(RepoError::from)?;
            match ctx.out.json {
                true => writer.json(id, &commit, "show-commit/1", &mut ctx.out)?,
                false => ctx.out.write_all(writer.text(id, &commit)?.as_bytes())?,
            }
            writer.patch(id, &commit, &mut ctx.out, ctx.say)?;
        }
        ObjectKind::Tag => {
            let tag = repo.tag(&id).map_err(RepoError::from)?;
            match ctx.out.json {
                true => json::write(&mut ctx.out, "show-tag/1", &view::tag(&id, &tag))?,
                false => {
                    let when = date.render(tag.tagger.time, tag.tagger.offset, &ctx.now());
                    let text = object::tag_for_people(&tag, &when, &ctx.out.theme);
                    writeln!(ctx.out, "{text}")?;
                }
            }
            one(&tag.target.to_string(), tag.target, writer, date, repo, ctx)?;
        }
        ObjectKind::Tree => {
            let tree = repo.tree(&id).map_err(RepoError::from)?;
            if ctx.out.json {
                json::write(&mut ctx.out, "show-tree/1", &view::tree(&id, &tree))?;
            } else {
                let style = ctx.out.theme.id;
                writeln!(ctx.out, "{style}tree {name}{style:#}\n")?;
                for entry in tree.entries() {
                    writeln!(ctx.out, "{}", path::quoted(entry.path.as_str(), path::Quote::People))?;
                }
            }
        }
        ObjectKind::Snapshot => {
            let made = repo.snapshot(&id).map_err(RepoError::from)?;
            let header = header(&id, made.kind, repo)?;
            let described = Description { id, snapshot: &made, header };
            match ctx.out.json {
                true => json::write(&mut ctx.out, "show-snapshot/1", &snapshot::view(&described))?,
                false => ctx.out.write_all(snapshot::text(name, &described, &ctx.out.theme).as_bytes())?,
            }
        }
    }
    Ok(())
}

/// Reads the header of a stored database.
fn header(id: &ObjectId, kind: FileKind, repo: &Repository) -> Result<Option<Header>, Failure> {
    if kind != FileKind::Sqlite {
        return Ok(None);
    }
    let page = read_page(repo.open_snapshot(id)?.as_ref(), PageIdx::FIRST).map_err(RepoError::Source)?;
    Ok(Header::parse(page.as_ref()))
}
