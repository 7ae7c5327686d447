//! What `log` and `show` have in common: the options that say how commits look, and the writer that follows them.

use std::collections::HashMap;
use std::io::Write;

use super::context::Context;
use super::diff;
use super::error::Failure;
use super::messages::Messages;
use super::render::change;
use super::render::date::DateFormat;
use super::render::pretty::{self, Decoration, Format, Look, Shown};
use super::render::view;
use super::revs;
use super::style::Theme;
use crate::model::{Commit, ObjectId, ObjectKind, RefName, RepoPath};
use crate::repo::state::objects::ObjectReader;
use crate::repo::state::refs::Head;
use crate::repo::state::types::FileChange;
use crate::repo::text::pathspec::Pathspecs;
use crate::repo::worktree::diff::{FileDiff, Filter, Wanted};
use crate::repo::{RepoError, Repository};

/// How commits look.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "How commits look")]
pub struct LookArgs {
    /// Abbreviated id and subject on one line; short for --format=oneline --abbrev-commit.
    #[arg(long, overrides_with = "format")]
    pub oneline: bool,

    /// oneline, short, medium, full, fuller, reference, raw, or a pattern such as '%h %an %s'.
    #[arg(long, alias = "pretty", value_name = "FORMAT", value_parser = Format::parse)]
    pub format: Option<Format>,

    /// How dates look: default, iso, rfc, short, relative, human, unix, raw, local, or `format:<strftime pattern>`.
    #[arg(long, value_name = "FORMAT", value_parser = DateFormat::parse)]
    pub date: Option<DateFormat>,

    /// Abbreviate ids.
    #[arg(long, overrides_with = "no_abbrev_commit")]
    pub abbrev_commit: bool,

    /// Show whole ids.
    #[arg(long)]
    pub no_abbrev_commit: bool,

    /// Show the refs that name each commit.
    ///
    /// `auto` means on a terminal.
    #[arg(long, value_name = "HOW", num_args = 0..=1, require_equals = true, default_value = "auto", default_missing_value = "short")]
    pub decorate: Decorate,

    /// Show no refs.
    #[arg(long)]
    pub no_decorate: bool,

    /// Show what every commit changed, in rows: as 'graft diff' does.
    #[arg(short, long)]
    pub patch: bool,

    /// Show how much of each file every commit changed.
    #[arg(long, group = "files")]
    pub stat: bool,

    /// Show for each file that every commit changed how many rows came and how many went: as 'graft diff' does.
    #[arg(long, group = "files")]
    pub numstat: bool,

    /// Show on one line how many files every commit changed, and how many rows came and went.
    #[arg(long, group = "files")]
    pub shortstat: bool,

    /// Show the names of the files that every commit changed.
    #[arg(long, group = "files")]
    pub name_only: bool,

    /// Show the names of the files that every commit changed, and how.
    #[arg(long, group = "files")]
    pub name_status: bool,

    /// Only files that were added (A), deleted (D), modified (M) or renamed (R), or are a database no more, or only now (T); small
    /// letters leave them out. Commits without such files are left out.
    #[arg(long, value_name = "ADMRT", value_parser = Filter::parse)]
    pub diff_filter: Option<Filter>,
}

/// When to show the refs that name a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Decorate {
    /// On a terminal
    Auto,
    /// Always
    Short,
    /// Always, with the folders of the refs
    Full,
    /// Never
    No,
}

/// What to say of the files that a commit changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Files {
    /// Nothing.
    None,
    /// Their names.
    Names,
    /// Their names and letters.
    Status,
    /// How much of each.
    Stat,
}

impl LookArgs {
    /// Returns what to say of files; `otherwise` if that was not asked for.
    pub fn files(&self, otherwise: Files) -> Files {
        match (self.stat, self.name_only, self.name_status) {
            (true, ..) => Files::Stat,
            (_, true, _) => Files::Names,
            (.., true) => Files::Status,
            _ if self.numstat || self.shortstat => Files::None,
            _ => otherwise,
        }
    }

    /// Returns what to show of rows.
    fn rows(&self) -> Vec<diff::Format> {
        let all = [
            (self.numstat, diff::Format::Numstat),
            (self.shortstat, diff::Format::Shortstat),
            (self.patch, diff::Format::Patch),
        ];
        all.into_iter().filter(|(is_wanted, _)| *is_wanted).map(|(_, format)| format).collect()
    }

    /// Returns the format of commits.
    pub fn format(&self) -> Format {
        if self.oneline { Format::Oneline } else { self.format.clone().unwrap_or(Format::Medium) }
    }
}

/// Writes commits, one after the other.
pub struct Writer<'r> {
    repo: &'r Repository,
    format: Format,
    files: Files,
    /// What is shown of the rows that differ.
    rows: Vec<diff::Format>,
    filter: Option<Filter>,
    /// The file that is followed, as the commit in hand has it.
    followed: Option<RepoPath>,
    /// Whether merges are compared with their first parent.
    merges: bool,
    only: Pathspecs,
    /// The refs of every commit that has some.
    refs: HashMap<ObjectId, Vec<RefName>>,
    decorate: Decorate,
    head: Option<RefName>,
    theme: Theme,
    json: bool,
    date: DateFormat,
    now: jiff::ZonedDateTime,
    abbreviate: bool,
}

impl<'r> Writer<'r> {
    /// Prepares a writer. `otherwise` is what to say of files by default, and whether of those of merges too; `only` limits
    /// which are named.
    pub fn new(
        args: &LookArgs,
        otherwise: (Files, bool),
        only: Pathspecs,
        repo: &'r Repository,
        ctx: &Context,
    ) -> Result<Self, Failure> {
        let decorate = match args.decorate {
            _ if args.no_decorate => Decorate::No,
            Decorate::Auto if ctx.out.is_terminal() => Decorate::Short,
            Decorate::Auto => Decorate::No,
            other => other,
        };
        let format = args.format();
        let wants_refs = decorate != Decorate::No || ctx.out.json || matches!(format, Format::Pattern(..));
        Ok(Self {
            repo,
            files: match args.files(if args.patch { Files::None } else { otherwise.0 }) {
                // Numbers of rows are no part of the object.
                Files::None if ctx.out.json && (args.numstat || args.shortstat) => Files::Status,
                files => files,
            },
            rows: if ctx.out.json {
                args.patch.then_some(diff::Format::Json).into_iter().collect()
            } else {
                args.rows()
            },
            filter: args.diff_filter,
            followed: None,
            merges: otherwise.1,
            only,
            refs: if wants_refs { refs_by_commit(repo)? } else { HashMap::new() },
            // A pattern asks for them itself.
            decorate: match format {
                Format::Pattern(..) if decorate != Decorate::Full => Decorate::Short,
                _ => decorate,
            },
            head: match repo.refs().head().map_err(RepoError::from)? {
                Head::Branch(name) => Some(name),
                Head::Detached(_) => None,
            },
            theme: ctx.out.theme,
            json: ctx.out.json,
            date: args.date.clone().unwrap_or(match format {
                Format::Reference => DateFormat::SHORT,
                _ => DateFormat::DEFAULT,
            }),
            now: ctx.now(),
            abbreviate: (args.oneline || args.abbrev_commit) && !args.no_abbrev_commit,
            format,
        })
    }

    /// Writes a commit and its files. What ends it stands in the text, what goes between two in [`Self::separator`].
    pub fn text(&self, id: ObjectId, commit: &Commit) -> Result<String, Failure> {
        let decorations = self.decorations(&id);
        let short = |id: &ObjectId| revs::short(self.repo, id);
        let look = Look {
            theme: self.theme,
            date: self.date.clone(),
            now: self.now.clone(),
            short: &short,
            abbreviate: self.abbreviate,
        };
        let mut text = pretty::commit(&Shown { id, commit, decorations: &decorations }, &self.format, &look);
        let files = match self.files {
            Files::None => String::new(),
            // A merge changes nothing itself; only 'show' compares it with its first parent.
            _ if commit.parents.len() > 1 && !self.merges => String::new(),
            _ => self.files_text(&id)?,
        };
        let stands_between = matches!(self.format, Format::Pattern(_, false));
        if !text.is_empty() && (!stands_between || !files.is_empty()) {
            text.push('\n');
        }
        if !text.is_empty() && !files.is_empty() && !matches!(self.format, Format::Oneline) && !stands_between {
            text.push('\n');
        }
        Ok(text + &files)
    }

    /// Writes what a commit changed in rows, if that was asked for.
    pub fn patch(&self, id: ObjectId, commit: &Commit, out: &mut dyn Write, say: Messages) -> Result<(), Failure> {
        if self.rows.is_empty() || commit.parents.len() > 1 && !self.merges {
            return Ok(());
        }
        let files: Vec<FileDiff> = self.changes(&id)?.into_iter().map(FileDiff::stored).collect();
        let follows_files = self.files != Files::None;
        if !self.json && !files.is_empty() && (follows_files || !matches!(self.format, Format::Oneline)) {
            out.write_all(b"\n")?;
        }
        for (n, format) in self.rows.iter().enumerate() {
            if n > 0 && !files.is_empty() {
                out.write_all(b"\n")?;
            }
            let open = |file: &FileDiff, options| self.repo.open_diff(file, options);
            diff::show(&files, &open, &Wanted::default(), &mut *format.writer(self.theme, ""), out, say)?;
        }
        Ok(())
    }

    /// Names the file that is followed, as the next commit has it.
    pub fn follow(&mut self, path: Option<RepoPath>) {
        self.followed = path;
    }

    /// Tells whether commits are left out that changed no file of the kinds wanted.
    pub fn filters(&self) -> bool {
        self.filter.is_some()
    }

    /// Tells whether a commit changed a file of the kinds wanted.
    pub fn wants(&self, id: &ObjectId, commit: &Commit) -> Result<bool, RepoError> {
        Ok(match self.filter {
            None => true,
            Some(_) if commit.parents.len() > 1 && !self.merges => false,
            Some(_) => !self.changes(id)?.is_empty(),
        })
    }

    /// Returns the text of a commit and, below it, what it changed in rows.
    pub fn whole_text(&self, id: ObjectId, commit: &Commit, say: Messages) -> Result<String, Failure> {
        let mut patch = Vec::new();
        self.patch(id, commit, &mut patch, say)?;
        Ok(self.text(id, commit)? + &String::from_utf8_lossy(&patch))
    }

    /// Returns what stands between two commits.
    pub fn separator(&self) -> &'static str {
        match &self.format {
            Format::Pattern(_, false) => "\n",
            format if format.is_paragraph() => "\n",
            _ => "",
        }
    }

    /// Writes a commit as JSON.
    pub fn json(
        &self,
        id: ObjectId,
        commit: &Commit,
        schema: &str,
        out: &mut dyn std::io::Write,
    ) -> Result<(), Failure> {
        let files = match self.files {
            Files::None => None,
            _ => Some(self.changes(&id)?),
        };
        let refs = self.refs.get(&id).map_or(&[][..], Vec::as_slice);
        Ok(super::json::write(out, schema, &view::commit(&id, commit, refs, files.as_deref()))?)
    }

    fn decorations(&self, id: &ObjectId) -> Vec<Decoration> {
        match self.refs.get(id) {
            Some(refs) if self.decorate != Decorate::No => {
                Decoration::list(refs, self.head.as_ref(), self.decorate == Decorate::Full)
            }
            _ => Vec::new(),
        }
    }

    fn files_text(&self, id: &ObjectId) -> Result<String, Failure> {
        let files = self.changes(id)?;
        Ok(match self.files {
            _ if files.is_empty() => String::new(),
            Files::Stat => change::stat(&files, &self.theme),
            Files::Names => files.iter().map(|f| format!("{}\n", change::path(f))).collect(),
            Files::Status | Files::None => change::name_status(&files),
        })
    }

    /// Returns what a commit changed; pages are counted only for what shows them.
    fn changes(&self, id: &ObjectId) -> Result<Vec<FileChange>, RepoError> {
        let mut files = self.repo.commit_file_changes(id)?;
        files.retain(|f| match &self.followed {
            Some(path) => f.path == *path,
            None => self.only.matches(&f.path) || f.renamed_from.as_ref().is_some_and(|p| self.only.matches(p)),
        });
        files.retain(|f| self.filter.is_none_or(|filter| filter.takes_file(f.change)));
        if self.files == Files::Stat {
            for file in &mut files {
                self.repo.count_pages(file)?;
            }
        }
        Ok(files)
    }
}

/// Returns the refs that lead to each commit, through annotated tags too.
fn refs_by_commit(repo: &Repository) -> Result<HashMap<ObjectId, Vec<RefName>>, RepoError> {
    let mut found: HashMap<ObjectId, Vec<RefName>> = HashMap::new();
    for named in repo.refs().tips()?.refs {
        // A ref that leads nowhere decorates nothing; 'fsck' reports it.
        if let Ok(id) = repo.peel(&named.id, ObjectKind::Commit) {
            found.entry(id).or_default().push(named.name);
        }
    }
    Ok(found)
}
