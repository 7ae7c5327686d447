//! Three-way merge: what theirs did to each row, definition and setting since the base is done to ours.
//!
//! Three page sources go in; the result is written into a connection to a database that holds ours. Nothing of either side
//! is lost without a word: what the rules cannot decide is a conflict that names it, and stays as in ours. The order:
//!
//! 1. `state`, `renames`: three schemas are read and brought to the same names. 2. `schema`: objects and tables are merged as
//!    definitions, which makes a plan for each table. 3. `changes`, `keyless`: what theirs changed goes to a temporary database on
//!    disk (`spool`), in the layout of the merged definition, with the row of the base and that of ours. 4. `renumber`: new rows of
//!    theirs get other keys where theirs are taken. 5. `rows`: each row is merged. 6. `carry`: what hangs on a row in conflict waits
//!    with it. 7. `settle`, `write`: the result is written within a transaction, and SQLite says what its constraints forbid; what
//!    they forbid waits, and all is written again, until nothing is forbidden.
//!
//! Triggers never fire, and values are bound, never written as SQL. Memory is bounded by what is in conflict, not by what changed.

mod carry;
mod cells;
mod changes;
mod collide;
mod definition;
mod files;
mod keyless;
mod layout;
mod pages;
mod plan;
mod programs;
mod references;
mod renames;
mod renumber;
mod rows;
mod schema;
mod settle;
mod spool;
mod state;
mod tokens;
mod whole;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rusqlite::Connection;

use crate::model::{PageSet, PageSource, SourceError, Value};
use crate::sqlite::diff::{Diff, DiffError, DiffOptions, Identity};
use crate::sqlite::file_source::EmptySource;
use crate::util::interrupt::Interrupted;
pub use files::{FileMergeError, merge_files};
pub use pages::{MergedPages, merge_pages};
use plan::Plan;
use spool::Spool;
use state::{Objects, State};

/// The three states.
pub struct States {
    /// What both come from; `None` if they have nothing in common.
    pub base: Option<Arc<dyn PageSource>>,
    /// The state that is changed.
    pub ours: Arc<dyn PageSource>,
    /// The state whose changes are made.
    pub theirs: Arc<dyn PageSource>,
    /// The 4 KiB pages in which ours, and theirs, differ from the base, if the caller knows.
    pub differing: (Option<PageSet>, Option<PageSet>),
}

/// When rows that theirs inserted get other keys than their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Renumber {
    /// Where SQLite chose the key (AUTOINCREMENT) and nothing of theirs mentions it but by references.
    #[default]
    Auto,
    /// Wherever an INTEGER PRIMARY KEY is taken.
    Always,
    /// Never.
    Never,
}

/// How cells are settled that would be conflicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Favor {
    /// As in ours.
    Ours,
    /// As in theirs.
    Theirs,
    /// NULL gives way to a value; counts of equal rows add up.
    Union,
}

/// How to merge.
#[derive(Clone, Copy, Debug, Default)]
pub struct MergeOptions {
    /// When rows get other keys.
    pub renumber: Renumber,
    /// How conflicts of cells are settled, if they are.
    pub favor: Option<Favor>,
    /// A row that both changed is a conflict, whatever the cells.
    pub by_row: bool,
    /// Tables without a key are bags of rows.
    pub bags: bool,
}

/// What a conflict is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConflictKind {
    /// Both changed a cell of the row, differently.
    UpdateUpdate,
    /// Both inserted a row with this key, and the rows differ.
    InsertInsert,
    /// Ours deleted the row, theirs changed it.
    DeleteUpdate,
    /// Ours changed the row, theirs deleted it.
    UpdateDelete,
    /// Both changed how many rows like this there are, differently.
    Count,
    /// The merged row would be the second one with a value that is unique.
    Unique,
    /// A CHECK forbids the merged row.
    Check,
    /// A NOT NULL forbids the merged row.
    NotNull,
    /// The type of a STRICT column, or of a rowid, forbids the merged row.
    Datatype,
    /// The merged row would refer to one that is not there.
    ForeignKey,
    /// Definitions do not fit together.
    Schema,
    /// Both changed a setting, differently.
    Setting,
    /// Both changed a virtual table that cannot be merged by rows.
    Virtual,
}

impl ConflictKind {
    /// Returns the word for it: `update/update`, `foreign-key` …
    pub fn word(self) -> &'static str {
        match self {
            Self::UpdateUpdate => "update/update",
            Self::InsertInsert => "insert/insert",
            Self::DeleteUpdate => "delete/update",
            Self::UpdateDelete => "update/delete",
            Self::Count => "count",
            Self::Unique => "unique",
            Self::Check => "check",
            Self::NotNull => "not-null",
            Self::Datatype => "datatype",
            Self::ForeignKey => "foreign-key",
            Self::Schema => "schema",
            Self::Setting => "setting",
            Self::Virtual => "virtual",
        }
    }
}

/// By what a row is known.
#[derive(Clone, Debug, PartialEq)]
pub enum RowKey {
    /// The values of its key by the names of their columns, in the order of the key's columns.
    Values(Vec<(String, Value)>),
    /// The rowid that it has in the base, or else in the state that inserted it.
    Rowid(i64),
    /// All of its values, by the names of their columns.
    Row(Vec<(String, Value)>),
}

/// A row of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// The table.
    pub table: String,
    /// The row.
    pub key: RowKey,
}

/// Something that the merge cannot decide.
#[derive(Clone, Debug, PartialEq)]
pub struct Conflict {
    /// What it is about.
    pub kind: ConflictKind,
    /// The table, index, view or trigger; `None` for a setting.
    pub table: Option<String>,
    /// The row.
    pub key: Option<RowKey>,
    /// The columns.
    pub columns: Vec<String>,
    /// Why definitions do not fit: `add/add`, `drop/modify`, `definition`, `rename` …
    pub reason: Option<&'static str>,
    /// Rows that are settled together with this one.
    pub members: Vec<Member>,
    /// More about it.
    pub detail: Option<String>,
}

/// A row of theirs that got another key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renumbered {
    /// Its table.
    pub table: String,
    /// The key that theirs gave it.
    pub old: i64,
    /// The key that it has in the result.
    pub new: i64,
}

/// What came out.
#[derive(Clone, Debug, Default)]
pub struct Merged {
    /// What is undecided, by kind and table; none means that all of theirs is in the result.
    pub conflicts: Vec<Conflict>,
    /// Rows that got other keys.
    pub renumbered: Vec<Renumbered>,
    /// What the user may want to know.
    pub notes: Vec<String>,
}

/// Why the states cannot be merged; nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum RowMergeError {
    /// A state cannot be read.
    #[error(transparent)]
    Diff(#[from] DiffError),
    /// The pages of a state cannot be read.
    #[error("cannot read the pages of a state")]
    Source(#[source] SourceError),
    /// The result cannot be written.
    #[error("SQLite cannot write the merged database: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The user asked to stop.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

type Result<T, E = RowMergeError> = std::result::Result<T, E>;

/// One of the two that changed the base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Ours,
    Theirs,
}

/// Merges three states; `out` holds ours, and holds the result afterwards.
pub fn merge(states: &States, out: &Connection, options: MergeOptions) -> Result<Merged> {
    let base = states.base.clone().unwrap_or_else(|| Arc::new(EmptySource));
    let identity = if options.bags { Identity::Bag } else { Identity::Auto };
    let diff = |state: &Arc<dyn PageSource>, differing: &Option<PageSet>, identity| {
        let options = DiffOptions { identity, shadow: false };
        Diff::open(base.clone(), state.clone(), differing.clone(), options)
    };
    let ours = diff(&states.ours, &states.differing.0, identity)?;
    let theirs = diff(&states.theirs, &states.differing.1, identity)?;
    let again = |of: Of, identity| match of {
        Of::Ours => diff(&states.ours, &states.differing.0, identity),
        Of::Theirs => diff(&states.theirs, &states.differing.1, identity),
    };
    let mut merge = Merge {
        b: State::read(theirs.connections().0)?,
        o: State::read(ours.connections().1)?,
        t: State::read(theirs.connections().1)?,
        ours: &ours,
        theirs: &theirs,
        again: &again,
        out,
        options,
        spool: Spool::new()?,
        conflicts: Vec::new(),
        renumbered: Vec::new(),
        notes: Vec::new(),
        plans: BTreeMap::new(),
        waiting: BTreeSet::new(),
        objects: Objects::new(),
        from_theirs: BTreeSet::new(),
        dropped: Vec::new(),
        settings: [0; 2],
        renames: Vec::new(),
        undecided: Vec::new(),
    };
    merge.run()?;
    Ok(merge.finish())
}

/// A merge under way.
struct Merge<'m> {
    b: State<'m>,
    o: State<'m>,
    t: State<'m>,
    /// From the base to ours, and to theirs.
    ours: &'m Diff,
    theirs: &'m Diff,
    /// Opens one of them again with another identity of rows.
    again: &'m dyn Fn(Of, Identity) -> Result<Diff, DiffError>,
    out: &'m Connection,
    options: MergeOptions,
    spool: Spool,
    conflicts: Vec<Conflict>,
    renumbered: Vec<Renumbered>,
    notes: Vec<String>,
    /// What becomes of each table, by its name in lower case.
    plans: BTreeMap<String, Plan>,
    /// Tables that are as in ours because of a conflict of the schema, in lower case.
    waiting: BTreeSet<String>,
    /// The merged objects other than tables.
    objects: Objects,
    /// Those of them that are there because of theirs.
    from_theirs: BTreeSet<(String, String)>,
    /// Tables of ours that theirs dropped, in lower case.
    dropped: Vec<String>,
    settings: [i64; 2],
    /// Statements that give ours the names of theirs.
    renames: Vec<String>,
    /// Rows in conflict of their own: the place of the conflict, and the row.
    undecided: Vec<carry::Undecided>,
}

impl Merge<'_> {
    fn run(&mut self) -> Result<()> {
        self.merge_settings();
        self.merge_renames()?;
        self.merge_objects();
        self.merge_tables()?;
        self.gather_changes()?;
        self.renumber()?;
        self.merge_rows()?;
        self.carry_all()?;
        self.check_writable()?;
        self.settle()
    }

    fn merge_settings(&mut self) {
        for (i, name) in state::SETTINGS.into_iter().enumerate() {
            let (b, o, t) = (self.b.settings[i], self.o.settings[i], self.t.settings[i]);
            self.settings[i] = match o {
                _ if t == b || o == t => o,
                _ if o == b => t,
                _ => {
                    let detail = Some(name.to_owned());
                    self.add_conflict(Conflict { detail, ..Conflict::new(ConflictKind::Setting) });
                    o
                }
            };
        }
    }

    /// Adds a conflict, or its members to the one that is there already; returns its place.
    fn add_conflict(&mut self, conflict: Conflict) -> usize {
        let same = |c: &Conflict| {
            (c.kind, &c.table, &c.key, &c.columns, c.reason, &c.detail)
                == (conflict.kind, &conflict.table, &conflict.key, &conflict.columns, conflict.reason, &conflict.detail)
        };
        // Rows come in order, each once: only those of constraints can be there already.
        let of_rows = matches!(
            conflict.kind,
            ConflictKind::UpdateUpdate
                | ConflictKind::InsertInsert
                | ConflictKind::DeleteUpdate
                | ConflictKind::UpdateDelete
                | ConflictKind::Count
        );
        if let Some(at) = (!of_rows).then(|| self.conflicts.iter().position(same)).flatten() {
            let known = &mut self.conflicts[at].members;
            for member in conflict.members {
                if !known.contains(&member) {
                    known.push(member);
                }
            }
            return at;
        }
        self.conflicts.push(conflict);
        self.conflicts.len() - 1
    }

    /// Adds a conflict of a table's definition: the table is as in ours, as a whole, until that is settled.
    fn add_schema_conflict(&mut self, table: &str, reason: &'static str, columns: Vec<String>, detail: Option<String>) {
        self.waiting.insert(table.to_owned());
        let known = [&self.o, &self.t, &self.b].into_iter().find_map(|s| s.tables.get(table));
        let name = known.map_or_else(|| table.to_owned(), |t| t.now.name.clone());
        let conflict = Conflict { table: Some(name), columns, detail, ..Conflict::schema(reason) };
        self.add_conflict(conflict);
    }

    fn finish(mut self) -> Merged {
        self.conflicts.sort_by(|a, b| (a.kind, &a.table).cmp(&(b.kind, &b.table)));
        for conflict in &mut self.conflicts {
            conflict.members.sort_by_cached_key(|m| format!("{:?}", (&m.table, &m.key)));
        }
        self.notes.sort();
        self.notes.dedup();
        Merged { conflicts: self.conflicts, renumbered: self.renumbered, notes: self.notes }
    }
}

impl Conflict {
    fn new(kind: ConflictKind) -> Self {
        let (table, key, columns, members) = (None, None, Vec::new(), Vec::new());
        Self { kind, table, key, columns, reason: None, members, detail: None }
    }

    fn schema(reason: &'static str) -> Self {
        Self { reason: Some(reason), ..Self::new(ConflictKind::Schema) }
    }
}
