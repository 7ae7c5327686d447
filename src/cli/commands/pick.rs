//! `graft cherry-pick` and `graft revert`.

use std::io::Write;

use serde::Serialize;

use super::Outcome;
use super::checked_out::{self, File};
use super::merge_file::How;
use crate::cli::context::Context;
use crate::cli::error::{Failure, exit};
use crate::cli::ranges::{Range, is_range};
use crate::cli::render::conflicts::{self, Conflict};
use crate::cli::render::pretty;
use crate::cli::render::size::count;
use crate::cli::render::view;
use crate::cli::{json, revs};
use crate::model::ObjectId;
use crate::repo::history::walk::WalkOptions;
use crate::repo::ops::pick::{Direction, Empty, PickRequest, Picked};
use crate::repo::ops::three_way::conflict_count;
use crate::repo::state::objects::ObjectReader;
use crate::repo::{RepoError, Repository};

/// Do once more what commits of other branches did.
///
/// What each commit changed is done to the databases here, row by row, and committed with its author, date and message. Of a range
/// `A..B` the oldest comes first. What cannot be decided is named (exit code 1), and nothing is changed. 'graft undo' takes it back.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  graft cherry-pick feature~2\n  graft cherry-pick -x main..feature")]
pub struct CherryPickArgs {
    /// Note in the message which commit it is from.
    #[arg(short = 'x')]
    pub note: bool,

    /// What becomes of a commit that changes nothing here.
    #[arg(long, value_name = "WHAT", default_value = "stop")]
    pub empty: WhenEmpty,

    /// What both commands have.
    #[command(flatten)]
    pub common: Common,
}

/// Take back what commits did, by new commits.
///
/// What each commit changed is undone in the databases here, row by row; what has changed since in other rows and cells stays. Rows that
/// have changed since are conflicts: they are named (exit code 1), and nothing is changed.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  graft revert HEAD~2\n  graft revert -m 1 HEAD")]
pub struct RevertArgs {
    /// What both commands have.
    #[command(flatten)]
    pub common: Common,
}

/// Options of both.
#[derive(clap::Args, Debug)]
pub struct Common {
    /// Stage the result, and make no commit.
    #[arg(short, long)]
    pub no_commit: bool,

    /// Of a merge: the parent that it is compared with, from 1.
    #[arg(short, long, value_name = "N")]
    pub mainline: Option<usize>,

    /// How rows are merged.
    #[command(flatten)]
    pub how: How,

    /// The commits, or ranges of them.
    #[arg(value_name = "COMMIT", required = true)]
    pub commits: Vec<String>,
}

/// What becomes of a commit that changes nothing.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenEmpty {
    /// Nothing is done at all.
    Stop,
    /// It is left out.
    Drop,
    /// It is made all the same.
    Keep,
}

#[derive(Serialize)]
struct Answer<'a> {
    commits: Vec<Made>,
    dropped: Vec<String>,
    files: Vec<File<'a>>,
    conflicts: Vec<Conflict<'a>>,
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct Made {
    from: String,
    commit: String,
    subject: String,
}

/// Runs `cherry-pick`.
pub fn cherry_pick(args: CherryPickArgs, ctx: &mut Context) -> Outcome {
    let empty = match args.empty {
        WhenEmpty::Stop => Empty::Stop,
        WhenEmpty::Drop => Empty::Drop,
        WhenEmpty::Keep => Empty::Keep,
    };
    run(args.common, Direction::Again, args.note, empty, ctx)
}

/// Runs `revert`.
pub fn revert(args: RevertArgs, ctx: &mut Context) -> Outcome {
    run(args.common, Direction::Back, false, Empty::Stop, ctx)
}

fn run(args: Common, direction: Direction, note: bool, empty: Empty, ctx: &mut Context) -> Outcome {
    let repo = ctx.repository()?;
    let mut commits = Vec::new();
    for word in &args.commits {
        match is_range(word) {
            false => commits.push(revs::commit(&repo, word)?),
            true => commits.extend(range(&repo, word, direction)?),
        }
    }
    if commits.is_empty() {
        return Err(Failure::new("there is no commit in the range").help("a range is '<older>..<newer>'"));
    }
    let (rows, mainline, stage) = (args.how.options(), args.mainline, args.no_commit);
    let request = PickRequest { commits, direction, mainline, rows, stage, note, empty };
    let picked = repo.pick(&request)?;
    if let Picked::Done { done, .. } = &picked {
        done.warnings.iter().for_each(|w| ctx.say.warning(w));
    }
    match ctx.out.json {
        true => tell_json(&repo, &picked, direction, ctx),
        false => tell(&repo, &picked, direction, stage, ctx),
    }
}

/// Lists the commits of a range: the oldest first, or the newest where they are taken back.
fn range(repo: &Repository, word: &str, direction: Direction) -> Result<Vec<ObjectId>, Failure> {
    let mut range = Range::default();
    range.add(repo, word)?;
    let options = WalkOptions { tips: range.tips, hidden: range.hidden, ..WalkOptions::default() };
    let found = repo.walk(options)?.map(|entry| entry.map(|e| e.id)).collect::<Result<Vec<_>, RepoError>>();
    let mut found = found?;
    if direction == Direction::Again {
        found.reverse();
    }
    Ok(found)
}

fn tell_json(repo: &Repository, picked: &Picked, direction: Direction, ctx: &mut Context) -> Outcome {
    let schema = format!("{}/1", direction.word());
    let (answer, code) = match picked {
        Picked::Done { commits, dropped, done, .. } => {
            let made = |(from, id): &(ObjectId, ObjectId)| -> Result<Made, Failure> {
                let subject = repo.commit(id).map_err(RepoError::from)?.subject().to_owned();
                Ok(Made { from: from.to_string(), commit: id.to_string(), subject })
            };
            let answer = Answer {
                commits: commits.iter().map(made).collect::<Result<_, _>>()?,
                dropped: dropped.iter().map(ToString::to_string).collect(),
                files: done.files.iter().map(checked_out::file).collect(),
                conflicts: Vec::new(),
                warnings: view::warnings(&done.warnings),
            };
            (answer, exit::DONE)
        }
        Picked::Conflicts { databases, files, .. } => {
            let conflicts = conflicts::all(files, databases);
            let (commits, dropped, warnings) = (Vec::new(), Vec::new(), Vec::new());
            (Answer { commits, dropped, files: Vec::new(), conflicts, warnings }, exit::NO)
        }
    };
    json::write(&mut ctx.out, &schema, &answer)?;
    Ok(code)
}

fn tell(repo: &Repository, picked: &Picked, direction: Direction, stage: bool, ctx: &mut Context) -> Outcome {
    match picked {
        Picked::Done { commits, dropped, databases, .. } => {
            for database in databases {
                conflicts::show(database.path.as_str(), &database.merged, &mut ctx.out)?;
            }
            for id in dropped {
                ctx.say.note(format_args!("dropped {}: what it does is done already", revs::short(repo, id)));
            }
            if !ctx.globals.quiet {
                for (_, id) in commits {
                    let subject = pretty::subject(&repo.commit(id).map_err(RepoError::from)?.message);
                    writeln!(ctx.out, "[{}] {subject}", revs::short(repo, id))?;
                }
                if stage {
                    ctx.say.note(format_args!("The result is staged; 'graft commit' records it"));
                }
            }
            Ok(exit::DONE)
        }
        Picked::Conflicts { at, databases, files } => {
            conflicts::show_all(files, databases, false, &mut ctx.out)?;
            let n = count(conflict_count(files, databases) as u64, "conflict");
            let (word, at) = (direction.word(), revs::short(repo, at));
            let message = format!("cannot {word} {at}: {n}; nothing was changed");
            let help = "'-X ours', '-X theirs' or '-X union' settles rows in conflict";
            Err(Failure::new(message).exit(exit::NO).help(help))
        }
    }
}
