//! Which database a session is on: the file, the revision, and the repository that it belongs to.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use super::pragma::GraftPragmas;
use super::status::Status;
use crate::cli::commands;
use crate::cli::context::Context;
use crate::cli::error::{DISK, Failure};
use crate::cli::suggest;
use crate::model::RepoPath;
use crate::repo::RepoError;
use crate::repo::Repository;
use crate::repo::sql::revisions::RepositoryRevisions;
use crate::repo::sql::tables;
use crate::repo::state::objects::ObjectReader;
use crate::repo::text::pathspec::repo_path;
use crate::repo::volume::autosync::Autosync;
use crate::repo::volume::volumes::{StoreVolumes, name_of};
use crate::repo::worktree::beside::refuse_other_name;
use crate::repo::worktree::recording::SessionRecorder;
use crate::sqlite::error::DatabaseError;
use crate::sqlite::sql::functions::TableFunction;
use crate::sqlite::sql::revisions::{Serving, serve};
use crate::sqlite::sql::{RunError, Session, Target, volumes};
use crate::store::remote::Traffic;
use crate::util::fs::may_write;

/// Which database, and how.
pub struct Place {
    /// The repository, if there is one.
    pub repo: Option<Arc<Repository>>,
    /// The file, absolute; none for a database in memory.
    pub file: Option<PathBuf>,
    /// The file as it is called in messages.
    pub shown: String,
    /// The volume, if it is none of a file.
    volume: Option<String>,
    /// The revision, if not the worktree.
    pub rev: Option<String>,
    /// The pager of the configuration.
    pub pager: Option<String>,
    /// What it cost to look at a remote.
    looked: Traffic,
    cwd: PathBuf,
    read_only: bool,
    create: bool,
    busy: Duration,
    _serving: Option<Serving>,
    /// Pushes volumes that are written to, if the configuration wants that.
    pub autosync: Option<Arc<Autosync>>,
    volumes: Option<volumes::Serving>,
    /// What is here of a remote that is looked at; removed with the place.
    _glance: Option<TempDir>,
}

/// What the command line says about the place.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// `--db`.
    pub db: Option<&'a Path>,
    /// `--volume`.
    pub volume: Option<&'a str>,
    /// `--remote`.
    pub remote: Option<&'a str>,
    /// `--at`.
    pub at: Option<&'a str>,
    /// `--readonly`.
    pub read_only: bool,
    /// `--create`.
    pub create: bool,
}

impl Place {
    /// Finds the database that is meant.
    pub fn find(ctx: &Context, wanted: Wanted<'_>) -> Result<Self, Failure> {
        let busy = ctx.settings().busy_timeout;
        let mut looked = Traffic::default();
        let (mut cwd, mut rev, mut glance) = (ctx.cwd.clone(), wanted.at.map(str::to_owned), None);
        let repo = match wanted.remote {
            Some(remote) => {
                let (dir, repo, found, spent) = look_at(ctx, remote, wanted.at)?;
                (cwd, rev, looked) = (repo.top().to_owned(), Some(found), spent);
                glance = Some(dir);
                Some(Arc::new(repo))
            }
            None => match Repository::discover(&ctx.cwd, ctx.settings()) {
                Ok(repo) => Some(Arc::new(repo)),
                // A file needs no repository, a revision does.
                Err(RepoError::NotARepository(_)) if wanted.db.is_some() && wanted.at.is_none() => None,
                Err(e) => return Err(e.into()),
            },
        };
        let serving = repo.as_ref().map(|repo| {
            let revisions = RepositoryRevisions::new(Arc::clone(repo), &cwd);
            serve(repo.top(), Arc::new(revisions))
        });
        let autosync = repo.as_ref().map(|repo| repo.autosync()).transpose()?.map(Arc::new);
        let volumes = repo.as_ref().zip(autosync.as_ref()).map(|(repo, autosync)| {
            volumes::serve(Arc::new(StoreVolumes::new(Arc::clone(repo), Arc::clone(autosync))))
        });
        let pager = repo.as_ref().and_then(|repo| ctx.pager(repo));
        let mut place = Self {
            repo,
            file: None,
            shown: String::new(),
            volume: wanted.volume.map(str::to_owned),
            rev,
            pager,
            looked,
            cwd,
            // What is written to a look would be lost.
            read_only: wanted.read_only || glance.is_some(),
            create: wanted.create,
            busy,
            _serving: serving,
            autosync,
            volumes,
            _glance: glance,
        };
        if let (Some(volume), Some(repo)) = (wanted.volume, &place.repo) {
            // Says that there is none better than SQLite can.
            repo.store().find_volume(volume)?;
            place.shown = volume.to_owned();
            return Ok(place);
        }
        let file = match wanted.db {
            Some(db) => db.to_owned(),
            None => place.only_one()?,
        };
        place.shown = file.display().to_string();
        let absolute = place.cwd.join(&file);
        if place.rev.is_none() && !wanted.create && !absolute.exists() && place.volume_of(&absolute)?.is_none() {
            return Err(place.absent(&file));
        }
        place.file = Some(absolute);
        Ok(place)
    }

    /// Returns the requests made until now to remotes.
    pub fn traffic(&self) -> Traffic {
        self.repo.as_ref().map_or(self.looked, |repo| self.looked.plus(repo.promised_traffic()))
    }

    /// Returns the name of the volume that a file is which is not materialized.
    fn volume_of(&self, file: &Path) -> Result<Option<String>, Failure> {
        let Some(repo) = &self.repo else { return Ok(None) };
        let Ok(path) = repo_path(repo.top(), &self.cwd, file) else { return Ok(None) };
        Ok(repo.unmaterialized(&path)?.map(|_| name_of(&path)))
    }

    /// Opens a session.
    pub fn open(&self) -> Result<Session, Failure> {
        let unmaterialized = match (&self.file, &self.rev) {
            (Some(file), None) => self.volume_of(file)?,
            _ => None,
        };
        if let (Some(file), None) = (&self.file, &self.rev) {
            refuse_other_name(file, Path::new(&self.shown)).map_err(RepoError::from)?;
        }
        let volume = unmaterialized.as_ref().or(self.volume.as_ref().filter(|_| self.file.is_none()));
        let target = match (&self.file, &self.rev) {
            _ if let (Some(name), Some(serving)) = (volume, &self.volumes) => {
                Target::Volume { name, by: serving.served_by(), read_only: self.read_only }
            }
            (None, _) => Target::Memory,
            (Some(path), None) => Target::File { path, read_only: self.read_only, create: self.create },
            (Some(path), Some(rev)) => {
                // SQLite says only that it cannot open it; this says why, with the help that belongs to it.
                if let Some(repo) = &self.repo {
                    let inside = repo_path(repo.top(), &self.cwd, path).map_err(RepoError::from)?;
                    repo.snapshot_at(&self.cwd, &inside, rev)?;
                }
                Target::Revision { path, rev, read_only: self.read_only }
            }
        };
        let mut session = Session::open(target, self.busy).map_err(|e| self.cannot_open(e))?;
        if let Some(repo) = &self.repo {
            let path = self.file.as_ref().and_then(|file| repo_path(repo.top(), &self.cwd, file).ok());
            let pragmas = GraftPragmas::new(repo, &self.cwd, path, self.rev.clone()).on_volume(self.volume.clone());
            session.set_pragmas(Box::new(pragmas));
        }
        if let (Target::File { read_only: false, .. }, Some(repo)) = (target, &self.repo) {
            session.record(Box::new(SessionRecorder::new(repo)));
        }
        for function in self.functions() {
            session.add_function(function).map_err(|e| self.cannot_open(e))?;
        }
        Ok(session)
    }

    /// The tables about the repository.
    fn functions(&self) -> Vec<Arc<dyn TableFunction>> {
        let Some(repo) = &self.repo else { return Vec::new() };
        let path = self.file.as_ref().and_then(|file| repo_path(repo.top(), &self.cwd, file).ok());
        let mut all = tables::functions(repo, &self.cwd, path.as_ref());
        all.push(Arc::new(Status { top: repo.top().to_owned() }));
        all
    }

    /// Moves to another revision, or to the worktree; stays where it is if that cannot be opened.
    pub fn move_to(&mut self, rev: Option<String>) -> Result<Session, Failure> {
        if let Some(volume) = &self.volume {
            return Err(Failure::new("a volume is on no revision")
                .help(format!("'graft volume fork {volume} --at <LSN>' makes a volume of an earlier state")));
        }
        let before = std::mem::replace(&mut self.rev, rev);
        let opened = match (&self.file, &self.rev) {
            (Some(file), None) if !file.exists() && self.volume_of(file)?.is_none() => {
                Err(self.absent(Path::new(&self.shown)))
            }
            _ => self.open(),
        };
        if opened.is_err() {
            self.rev = before;
        }
        opened
    }

    /// Says what to do where something cannot be written.
    pub fn write_help(&self) -> String {
        match &self.rev {
            Some(rev) => format!(
                "a revision stays as it is; 'graft switch -c <branch> {rev}' makes a branch of it whose file can be written"
            ),
            None if self.read_only => "the session was opened with --readonly".to_owned(),
            None if self.file.as_ref().is_some_and(|file| !may_write(file) || !file.parent().is_some_and(may_write)) => {
                format!("you may not write '{}' or its folder: 'ls -l' says who may", self.shown)
            }
            None => {
                "revisions stay as they are; 'graft switch -c <branch> <revision>' makes a branch whose file can be written"
                    .to_owned()
            }
        }
    }

    /// Lets go of what an idle session must not hold.
    pub fn rest(&self) {
        if let Some(repo) = &self.repo {
            repo.store().release();
        }
    }

    fn only_one(&self) -> Result<PathBuf, Failure> {
        let Some(repo) = &self.repo else { return Err(Failure::usage("name a database with --db")) };
        if let Some(rev) = &self.rev {
            // 'HEAD~3:app.db' names the file as well.
            let id = repo.resolver(&self.cwd).object(rev).map_err(RepoError::from)?;
            if repo.kind(&id).map_err(RepoError::from)? == crate::model::ObjectKind::Snapshot {
                return Ok(repo.top().join("snapshot"));
            }
        }
        let databases = repo.databases(&self.cwd, self.rev.as_deref())?;
        let at = self.rev.as_ref().map_or(String::new(), |rev| format!(" at {rev}"));
        match databases.as_slice() {
            [one] => Ok(one.under(&self.up_to_top(repo))),
            [] => Err(Failure::usage(format!("no database is tracked{at}"))
                .help("name a file with --db, or track one with 'graft add <file>'")),
            several => {
                const SHOWN: usize = 12;
                let mut names: Vec<&str> = several.iter().take(SHOWN).map(RepoPath::as_str).collect();
                if several.len() > SHOWN {
                    names.push("…");
                }
                Err(Failure::usage(format!("{} databases are tracked{at}: {}", several.len(), names.join(", ")))
                    .help(format!("choose one, as in 'graft sql --db {}'", several[0])))
            }
        }
    }

    /// The way from where the user stands to the top of the worktree.
    fn up_to_top(&self, repo: &Repository) -> PathBuf {
        match self.cwd.strip_prefix(repo.top()) {
            Ok(inside) => inside.components().map(|_| "..").collect(),
            Err(_) => repo.top().to_owned(),
        }
    }

    fn absent(&self, file: &Path) -> Failure {
        let failure = Failure::new(format!("there is no file '{}'", file.display()));
        let tracked = self.repo.as_ref().is_some_and(|repo| {
            let path = repo_path(repo.top(), &self.cwd, file);
            path.is_ok_and(|p| repo.index().is_ok_and(|i| i.get(&p).is_some()))
        });
        if tracked {
            return failure.help(format!("'graft restore {}' brings it back", file.display()));
        }
        match suggest::file_like(&self.cwd.join(file)) {
            Some(near) => {
                let near = near.strip_prefix(&self.cwd).map(Path::to_owned).unwrap_or(near);
                failure.help(format!("did you mean '{}'?", near.display()))
            }
            None => failure.help("--create makes a new database"),
        }
    }

    fn cannot_open(&self, error: RunError) -> Failure {
        match error {
            RunError::Sql(e) => match e.cause {
                Some(cause) if cause.is::<DatabaseError>() => {
                    let error = cause.downcast::<DatabaseError>().expect("it is one");
                    Failure::from(RepoError::Database(*error))
                }
                Some(cause) => Failure::new(format!("cannot open '{}'", self.shown)).because(cause.as_ref()),
                None => {
                    let failure = Failure::new(format!("cannot open '{}': {}", self.shown, e.message));
                    if e.disk { failure.help(DISK) } else { failure }
                }
            },
            RunError::Output(e) => e.into(),
            RunError::Interrupted => Failure::silent(crate::cli::error::exit::INTERRUPTED),
        }
    }
}

/// Brings as little as possible of a remote into a folder of its own; returns that, the repository and the revision in it, and the cost.
fn look_at(ctx: &Context, remote: &str, at: Option<&str>) -> Result<(TempDir, Repository, String, Traffic), Failure> {
    let named = match Repository::discover(&ctx.cwd, ctx.settings()) {
        Ok(repo) if repo.remote_names().iter().any(|name| name == remote) => Some(repo.named_remote(remote)?.url),
        _ => None,
    };
    let url = match named {
        Some(url) => url,
        None => commands::remote::url(remote, ctx)?,
    };
    let dir = tempfile::Builder::new().prefix("graft-").tempdir()?;
    let (cloned, rev) = Repository::glance(&url, at, &dir.path().join("remote"), &ctx.settings())?;
    if cloned.head.is_none() {
        return Err(Failure::new("the remote has no commits yet"));
    }
    // Opened anew, it counts what comes from now on.
    let repo = Repository::open(cloned.repo.top(), ctx.settings())?;
    Ok((dir, repo, rev, cloned.fetched.traffic))
}
