//! `graft volume`: the storage layer by itself, for scripts and for use without SQLite.

pub mod audit;
mod change;
mod look;
mod sync;

pub use look::hash_of;

use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueHint};

use super::Outcome;
use crate::cli::context::Context;
use crate::cli::error::Failure;
use crate::model::{FileKind, Snapshot, VolumeId};
use crate::repo::text::pathspec::repo_path;
use crate::repo::{RepoError, Repository};
use crate::store::{OpenSnapshot, VolumeError};

/// Work with volumes of pages, below files and commits.
///
/// A volume is a row of pages of 4096 bytes with a log of its changes; each write is one storage commit, one LSN. Every tracked file has a
/// volume, which can be looked at but is written by 'graft add' alone. Others are made by 'graft volume new' and belong to no file.
///
/// VOLUME is an id, the beginning of one, a tag, or a tracked file.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  V=$(graft volume new --tag notes)\n  graft volume write-pages notes < notes.bin\n  graft volume log notes\n  graft \
                        volume read-page notes 1 --at 2 | xxd | head\n  graft volume checksum app.db\n  graft volume push notes origin\n  graft \
                        volume clone origin notes\n  graft volume status --fetch"
)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: VolumeCommand,
}

/// What to do with volumes.
#[derive(Subcommand, Debug)]
pub enum VolumeCommand {
    /// Make an empty volume and print its id
    New {
        /// Name it
        #[arg(short, long, value_name = "NAME")]
        tag: Option<String>,
    },
    /// List volumes, with those of tracked files
    List,
    /// Show what a volume is and where it stands
    Info(Volume),
    /// List its storage commits, newest first
    Log(Volume),
    /// Show the ranges of storage commits that make up its newest state
    Snapshot(Volume),
    /// Write one page, 4096 bytes, to standard output
    ReadPage(ReadPage),
    /// Write pages from standard input, as one storage commit
    WritePages(WritePages),
    /// Name a volume
    Tag {
        /// The name
        #[arg(value_name = "NAME")]
        name: String,
        /// The volume
        #[arg(value_name = "VOLUME")]
        volume: String,
        /// Also if the name is taken
        #[arg(short, long)]
        force: bool,
    },
    /// List tags
    Tags,
    /// Make a volume that begins with the state of another one, and print its id
    Fork {
        /// The volume
        #[command(flatten)]
        from: Volume,
        /// Name the new one
        #[arg(short, long, value_name = "NAME")]
        tag: Option<String>,
    },
    /// Forget a volume and its tags
    Rm {
        /// The volume
        #[arg(value_name = "VOLUME")]
        volume: String,
    },
    /// Read and verify every page, and print the BLAKE3 hash of the bytes
    Checksum(Volume),
    /// Say how many of its pages are here; if all are, verify them. Fetches nothing
    Audit(Volume),
    /// Send what changed since the last push or pull to a remote, as one storage commit
    ///
    /// Refused if somebody else has pushed in the meantime.
    Push(sync::Push),
    /// Fetch, and move a volume to the newest state of its remote
    ///
    /// A volume with changes of its own is left as it is, unless forced. Pages come when they are read.
    Pull(sync::Pull),
    /// Learn what others have pushed; the volume stays as it is
    Fetch(sync::Fetch),
    /// Make a volume that goes with one of a remote, and print its id; pages come when they are read
    Clone(sync::Clone),
    /// Show how volumes stand to their remotes: up to date, ahead, behind, or diverged
    Status(sync::Status),
    /// Bring all pages of a volume that are not here yet
    Hydrate(sync::Hydrate),
    /// List the volumes of a remote
    LsRemote(sync::LsRemote),
}

/// A volume, maybe as it was.
#[derive(clap::Args, Debug)]
pub struct Volume {
    /// The volume
    #[arg(value_name = "VOLUME", value_hint = ValueHint::FilePath)]
    pub volume: String,

    /// As of this storage commit: a position in its newest log, or LOG:LSN
    #[arg(long, value_name = "LSN")]
    pub at: Option<String>,
}

/// Which page to read.
#[derive(clap::Args, Debug)]
pub struct ReadPage {
    /// The volume
    #[arg(value_name = "VOLUME")]
    pub volume: String,

    /// The number of the page, from 1
    #[arg(value_name = "N")]
    pub page: u32,

    /// As of this storage commit: a position in its newest log, or LOG:LSN
    #[arg(long, value_name = "LSN")]
    pub at: Option<String>,
}

/// Where to write pages.
#[derive(clap::Args, Debug)]
pub struct WritePages {
    /// The volume
    #[arg(value_name = "VOLUME")]
    pub volume: String,

    /// Where the first page goes
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub first: u32,

    /// End the volume behind what is written
    #[arg(long)]
    pub truncate: bool,
}

/// Runs the command.
pub fn run(args: Args, ctx: &mut Context) -> Outcome {
    let repo = ctx.repository()?;
    match args.command {
        VolumeCommand::New { tag } => change::new(&repo, tag.as_deref(), ctx),
        VolumeCommand::List => look::list(&repo, ctx),
        VolumeCommand::Info(volume) => look::info(&repo, &volume, ctx),
        VolumeCommand::Log(volume) => look::log(&repo, &volume, ctx),
        VolumeCommand::Snapshot(volume) => look::snapshot(&repo, &volume, ctx),
        VolumeCommand::ReadPage(args) => look::read_page(&repo, args, ctx),
        VolumeCommand::WritePages(args) => change::write_pages(&repo, &args, ctx),
        VolumeCommand::Tag { name, volume, force } => change::tag(&repo, &name, &volume, force, ctx),
        VolumeCommand::Tags => look::tags(&repo, ctx),
        VolumeCommand::Fork { from, tag } => change::fork(&repo, &from, tag.as_deref(), ctx),
        VolumeCommand::Rm { volume } => change::remove(&repo, &volume, ctx),
        VolumeCommand::Checksum(volume) => look::checksum(&repo, &volume, ctx),
        VolumeCommand::Audit(volume) => audit::run(&repo, &volume, ctx),
        VolumeCommand::Push(args) => sync::push(&repo, &args, ctx),
        VolumeCommand::Pull(args) => sync::pull(&repo, &args, ctx),
        VolumeCommand::Fetch(args) => sync::fetch(&repo, &args, ctx),
        VolumeCommand::Clone(args) => sync::clone(&repo, &args, ctx),
        VolumeCommand::Status(args) => sync::status(&repo, &args, ctx),
        VolumeCommand::Hydrate(args) => sync::hydrate(&repo, &args, ctx),
        VolumeCommand::LsRemote(args) => sync::ls_remote(&repo, &args, ctx),
    }
}

/// A volume that was found.
pub struct Found {
    /// Its state, the newest one or the one asked for.
    pub snapshot: Snapshot,
    /// The file that it is, if one is tracked.
    pub path: Option<String>,
}

impl Found {
    /// Opens the state for reading.
    pub fn open(&self, repo: &Repository) -> Result<OpenSnapshot, Failure> {
        Ok(repo.store().open_snapshot(self.snapshot.clone()).map_err(RepoError::from)?)
    }
}

/// The volumes of tracked files, as staged; those of files that are not materialized in their newest states.
pub fn tracked(repo: &Repository) -> Result<Vec<Found>, Failure> {
    let mut out = Vec::new();
    for entry in repo.index()?.entries() {
        let snapshot = repo.newest_state(entry)?;
        out.push(Found { snapshot, path: Some(entry.path.as_str().to_owned()) });
    }
    Ok(out)
}

/// Returns the file that a volume is.
pub fn path_of(repo: &Repository, volume: VolumeId) -> Result<Option<String>, Failure> {
    let index = repo.index()?;
    Ok(index.entries().iter().find(|e| e.volume == volume).map(|e| e.path.as_str().to_owned()))
}

/// Finds what a user calls by a tag, an id or a path.
pub fn find(repo: &Repository, cwd: &Path, text: &str) -> Result<Found, Failure> {
    let missing = match repo.store().find_volume(text) {
        Ok(state) => {
            let path = path_of(repo, state.id)?;
            return Ok(Found { snapshot: state.snapshot, path });
        }
        Err(missing @ VolumeError::NotFound(_)) => missing,
        Err(other) => return Err(other.into()),
    };
    let path = repo_path(repo.top(), cwd, &PathBuf::from(text)).ok();
    let is_wanted = |found: &Found| {
        let by_path = path.as_ref().is_some_and(|p| found.path.as_deref() == Some(p.as_str()));
        by_path || (text.len() >= 4 && found.snapshot.volume.to_string().starts_with(text))
    };
    tracked(repo)?.into_iter().find(is_wanted).ok_or_else(|| missing.into())
}

/// Finds a volume in the state asked for.
pub fn find_at(repo: &Repository, cwd: &Path, volume: &Volume) -> Result<Found, Failure> {
    let mut found = find(repo, cwd, &volume.volume)?;
    if let Some(at) = &volume.at {
        found.snapshot = state_at(repo, &found.snapshot, at)?;
    }
    Ok(found)
}

/// Returns an earlier state: `LSN` of the newest log, or `LOG:LSN`.
pub fn state_at(repo: &Repository, newest: &Snapshot, at: &str) -> Result<Snapshot, Failure> {
    let wrong =
        || Failure::usage(format!("'{at}' is no LSN")).help("as in 3 or <log>:3; 'graft volume log' lists them");
    let (log, lsn) = match at.split_once(':') {
        Some((log, lsn)) => (log.parse().map_err(|_| wrong())?, lsn),
        None => (newest.head().ok_or_else(wrong)?.0, at),
    };
    let lsn = lsn.parse().ok().and_then(crate::model::Lsn::new).ok_or_else(wrong)?;
    let all = repo.store().storage_log().map_err(RepoError::from)?;
    let state = all.state(log, lsn, newest.kind).map_err(RepoError::from)?;
    Ok(Snapshot { volume: newest.volume, ..state })
}

/// Refuses to change a volume that is a tracked file.
pub fn own(repo: &Repository, cwd: &Path, text: &str) -> Result<Snapshot, Failure> {
    let found = find(repo, cwd, text)?;
    match found.path {
        None => Ok(found.snapshot),
        Some(path) => Err(Failure::new(format!("the volume {} is the file '{path}'", found.snapshot.volume))
            .help(format!("change the file, then 'graft add {path}'; or work on a copy: 'graft volume fork {path}'"))),
    }
}

/// What a state is, in a word.
pub fn kind(kind: FileKind) -> &'static str {
    match kind {
        FileKind::Sqlite => "sqlite",
        FileKind::Opaque => "opaque",
    }
}

/// Says which volume was made.
pub fn announce(id: VolumeId, tag: Option<&str>, ctx: &mut Context) -> Outcome {
    use std::io::Write;
    #[derive(serde::Serialize)]
    struct Answer<'a> {
        volume: String,
        tag: Option<&'a str>,
    }
    match ctx.out.json {
        true => crate::cli::json::write(&mut ctx.out, "volume-change/1", &Answer { volume: id.to_string(), tag })?,
        false => writeln!(ctx.out, "{id}")?,
    }
    Ok(crate::cli::error::exit::DONE)
}
