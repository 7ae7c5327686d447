//! `PRAGMA graft_…`: short questions about the repository, and the storage log laid open. The texts are in docs/debug.md.
//!
//! What a command answers is asked of the command, in a process of its own: it may look at files of the worktree, and closing any
//! descriptor of a database here would drop the locks that the session holds on it.

mod rows;
mod storage;
pub mod text;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use serde_json::Value as Json;
use text::{Shown, shown};

use crate::model::{ObjectId, RepoPath, Snapshot, SourceError};
use crate::repo::Repository;
use crate::repo::state::objects::ObjectReader;
use crate::sqlite::sql::pragma::{PREFIX, Pragmas};
use crate::sqlite::sql::sqlite_version;

/// All pragmas; each has a twin with `_json` behind its name.
pub const KNOWN: [&str; 26] = [
    "graft_branches",
    "graft_debug_diff_lsn",
    "graft_debug_dump_header",
    "graft_debug_log_lsn",
    "graft_debug_page",
    "graft_debug_show_lsn",
    "graft_debug_volume_audit",
    "graft_debug_volume_diff",
    "graft_debug_volume_info",
    "graft_debug_volume_list",
    "graft_debug_volume_snapshot",
    "graft_debug_volume_status",
    "graft_debug_volume_table_log",
    "graft_export",
    "graft_fetch",
    "graft_help",
    "graft_hydrate",
    "graft_info",
    "graft_log",
    "graft_pull",
    "graft_push",
    "graft_snapshot",
    "graft_status",
    "graft_switch",
    "graft_tags",
    "graft_version",
];

/// Answers pragmas for a session on one file.
pub struct GraftPragmas {
    repo: Arc<Repository>,
    cwd: PathBuf,
    path: Option<RepoPath>,
    rev: Option<String>,
    volume: Option<String>,
}

/// Why there is no answer: a sentence, and what may help.
pub struct Refusal(String, Option<String>);

/// What a pragma answers.
type Answer<T = Shown> = Result<T, Refusal>;

impl<E: Into<SourceError>> From<E> for Refusal {
    fn from(error: E) -> Self {
        let error: SourceError = error.into();
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            if !text.contains(&error.to_string()) {
                text += &format!(": {error}");
            }
            cause = error.source();
        }
        Self(text, None)
    }
}

impl GraftPragmas {
    /// Answers for a session of a user who stands in `cwd`, on a file, at a revision if it is not the worktree.
    pub fn new(repo: &Arc<Repository>, cwd: &Path, path: Option<RepoPath>, rev: Option<String>) -> Self {
        Self { repo: Arc::clone(repo), cwd: cwd.to_owned(), path, rev, volume: None }
    }

    /// The same for a session on a volume that is no file.
    pub fn on_volume(self, volume: Option<String>) -> Self {
        Self { volume, ..self }
    }

    /// Asks the command of a name: that of `volume` in a session on one, else that of the repository.
    fn remote_command(&self, name: &str, json: bool) -> Answer<Vec<String>> {
        match &self.volume {
            Some(volume) => self.command(&["volume", name, volume], json),
            None => self.command(&[name], json),
        }
    }

    /// Returns the file of the session.
    fn file(&self) -> Answer<&RepoPath> {
        self.path.as_ref().ok_or_else(|| Refusal("the session is on no file of the repository".to_owned(), None))
    }

    /// Returns the name of the file of the session; none in a session on a volume that is no file.
    fn file_name(&self) -> Answer<Option<&str>> {
        match &self.volume {
            Some(_) => Ok(None),
            None => self.file().map(|path| Some(path.as_str())),
        }
    }

    /// Returns the state that is asked about: that of the revision, of the volume, or what is staged.
    fn state(&self) -> Answer<(ObjectId, Snapshot)> {
        use crate::model::object::Object;
        if let Some(volume) = &self.volume {
            let newest = self.repo.store().find_volume(volume)?.snapshot;
            return Ok((newest.to_raw().id(), newest));
        }
        let path = self.file()?;
        let id = match &self.rev {
            Some(rev) => self.repo.snapshot_at(&self.cwd, path, rev)?,
            None => match self.repo.index()?.get(path) {
                Some(entry) => {
                    let newest = self.repo.newest_state(entry)?;
                    return Ok((newest.to_raw().id(), newest));
                }
                None => {
                    let help = format!("'graft add {path}' tracks it");
                    return Err(Refusal(format!("'{path}' is not tracked"), Some(help)));
                }
            },
        };
        Ok((id, self.repo.snapshot(&id)?))
    }

    fn run(&self, name: &str, json: bool, argument: Option<&str>) -> Answer<Vec<String>> {
        let needs = |what: &str| Refusal(format!("{name} needs {what}, as in PRAGMA {name} = '…'"), None);
        let optional = |first: &'static str| -> Vec<&str> { std::iter::once(first).chain(argument).collect() };
        let answer = match name {
            "graft_status" => return self.remote_command("status", json),
            "graft_push" => return self.remote_command("push", json),
            "graft_pull" => return self.remote_command("pull", json),
            "graft_fetch" => return self.remote_command("fetch", json),
            "graft_hydrate" => return self.remote_command("hydrate", json),
            "graft_log" => return self.command(&optional("log"), json),
            "graft_branches" => return self.command(&["branch", "--all"], json),
            "graft_tags" => return self.command(&["tag"], json),
            "graft_switch" => {
                let to = argument.ok_or_else(|| needs("a branch"))?;
                return self.command(&["switch", to], json);
            }
            "graft_version" => shown! { "graft": env!("CARGO_PKG_VERSION"), "sqlite": sqlite_version() },
            "graft_help" => Shown::List(KNOWN.iter().map(|name| shown! { "pragma": *name }).collect()),
            "graft_info" => self.info()?,
            "graft_export" => self.export(argument.ok_or_else(|| needs("a file"))?)?,
            "graft_snapshot" | "graft_debug_volume_snapshot" => self.snapshot()?,
            "graft_debug_log_lsn" => self.log_lsn()?,
            "graft_debug_show_lsn" => self.show_lsn(argument.ok_or_else(|| needs("LOG:LSN"))?)?,
            "graft_debug_diff_lsn" => self.diff_lsn(argument.ok_or_else(|| needs("two storage commits"))?)?,
            "graft_debug_volume_diff" => self.volume_diff(argument.ok_or_else(|| needs("two LSNs"))?)?,
            "graft_debug_volume_list" => self.volume_list()?,
            "graft_debug_volume_info" => self.volume_info()?,
            "graft_debug_volume_status" => self.volume_status()?,
            "graft_debug_volume_audit" => self.audit()?,
            "graft_debug_volume_table_log" => self.table_log(argument.ok_or_else(|| needs("a table"))?)?,
            "graft_debug_dump_header" => self.header()?,
            "graft_debug_page" => self.page(argument.ok_or_else(|| needs("the number of a page"))?)?,
            other => unreachable!("{other} is listed and answered"),
        };
        Ok(if json { vec![answer.json()] } else { answer.lines() })
    }

    /// Asks a command of Graft's and returns what it prints: lines, or one line of JSON.
    fn command(&self, args: &[&str], json: bool) -> Answer<Vec<String>> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("-C").arg(&self.cwd).args(["--no-pager", "--color=never", "--no-progress"]);
        command.args(json.then_some("--json")).args(args).stdin(Stdio::null());
        let output = command.output()?;
        let (out, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if !output.status.success() {
            let found = |label: &str| said.lines().find_map(|l| l.strip_prefix(label)).map(str::to_owned);
            let from_json: Option<Json> = serde_json::from_str(said.trim()).ok();
            let field = |name: &str| from_json.as_ref().and_then(|e| e[name].as_str()).map(str::to_owned);
            let why = field("error").or_else(|| found("error: ")).unwrap_or_else(|| said.trim().to_owned());
            return Err(Refusal(why, field("help").or_else(|| found("help: "))));
        }
        if !json {
            return Ok(out.lines().chain(said.lines()).map(str::to_owned).collect());
        }
        let objects: Vec<&str> = out.lines().collect();
        let one = args.first().is_some_and(|c| ["status", "switch", "volume"].contains(c)) && objects.len() == 1;
        Ok(vec![if one { objects[0].to_owned() } else { format!("[{}]", objects.join(",")) }])
    }
}

impl Pragmas for GraftPragmas {
    fn answer(&self, name: &str, argument: Option<&str>) -> Result<Vec<String>, (String, Option<String>)> {
        let (bare, json) = match name.strip_suffix("_json") {
            Some(bare) => (bare, true),
            None => (name, false),
        };
        let answer = match KNOWN.iter().find(|known| **known == bare) {
            Some(known) => self.run(known, json, argument),
            None => {
                let wanted = bare.strip_prefix(PREFIX).unwrap_or(bare);
                let distance = |name: &&str| strsim::osa_distance(wanted, name.strip_prefix(PREFIX).unwrap_or(name));
                let near = KNOWN.iter().copied().min_by_key(distance).filter(|n| distance(n) <= 1 + wanted.len() / 4);
                let help = near.map(|near| format!("did you mean '{near}'?"));
                let help = help.unwrap_or_else(|| "'PRAGMA graft_help' lists them".to_owned());
                Err(Refusal(format!("there is no pragma '{name}'"), Some(help)))
            }
        };
        self.repo.store().release();
        answer.map_err(|Refusal(message, help)| (message, help))
    }
}
