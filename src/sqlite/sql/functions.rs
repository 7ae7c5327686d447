//! Table-valued functions whose rows come from elsewhere: the history, the refs, the storage log.
//!
//! `SELECT * FROM graft_log('main')`: arguments are hidden columns, so they may also be given by WHERE or by a join. Rows are
//! asked for one at a time while SQLite steps; a query that stops early costs no more than what it saw.

use std::borrow::Cow;
use std::ffi::{CStr, CString, c_int};
use std::marker::PhantomData;
use std::sync::Arc;

use rusqlite::ffi;
use rusqlite::types::Null;
use rusqlite::vtab::{
    Context, Filters, IndexConstraintOp, IndexInfo, Module, VTab, VTabConfig, VTabConnection, VTabCursor,
};

use super::{RunError, Session, Stage};
use crate::model::{SourceError, Value};
use crate::sqlite::diff::side::{param, quoted, value};

/// The rows of one call.
pub type Rows = Box<dyn Iterator<Item = Result<Vec<Value>, SourceError>>>;

/// What a function looks like.
#[derive(Clone, Copy, Debug)]
pub struct Signature {
    /// Its name.
    pub name: &'static str,
    /// Names and types of its columns.
    pub columns: &'static [(&'static str, &'static str)],
    /// Names of its arguments.
    pub arguments: &'static [&'static str],
    /// How many of them must be given.
    pub required: usize,
}

/// Something that answers calls with rows.
pub trait TableFunction: Send + Sync {
    /// Returns what it looks like.
    fn signature(&self) -> Signature;

    /// Answers a call. Arguments that are left out, or NULL, are `Value::Null`; the required ones are given.
    fn rows(&self, arguments: &[Value]) -> Result<Rows, SourceError>;
}

impl Session {
    /// Makes a function known to the connection.
    pub fn add_function(&self, function: Arc<dyn TableFunction>) -> Result<(), RunError> {
        const MODULE: Module<'static, Table> = Module::eponymous_only_module();
        let name = function.signature().name;
        let added = self.conn.create_module(name, &MODULE, Some(function));
        added.map_err(|e| RunError::of(e, Stage::Prepare, 0, None))
    }
}

/// The virtual table behind a function. SQLite sees only `base`.
#[repr(C)]
struct Table {
    base: ffi::sqlite3_vtab,
    function: Arc<dyn TableFunction>,
}

/// One call. SQLite sees only `base`.
#[repr(C)]
struct Cursor<'t> {
    base: ffi::sqlite3_vtab_cursor,
    function: Arc<dyn TableFunction>,
    rows: Option<Rows>,
    row: Option<Vec<Value>>,
    arguments: Vec<Value>,
    number: i64,
    _table: PhantomData<&'t Table>,
}

fn failed(error: impl std::fmt::Display) -> rusqlite::Error {
    rusqlite::Error::ModuleError(error.to_string())
}

/// Puts an error and what lies behind it into one sentence.
fn with_causes(error: &SourceError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text += &format!(": {more}");
        }
        cause = error.source();
    }
    text
}

// SAFETY: `base` is the first field and the layout is that of C.
unsafe impl<'t> VTab<'t> for Table {
    type Aux = Arc<dyn TableFunction>;
    type Cursor = Cursor<'t>;

    fn connect(
        db: &mut VTabConnection,
        aux: Option<&Self::Aux>,
        _: &[u8],
        _: &[u8],
        _: &[u8],
        _: &[&[u8]],
    ) -> rusqlite::Result<(Cow<'static, CStr>, Self)> {
        let function = Arc::clone(aux.ok_or_else(|| failed("the function is not there"))?);
        // Views and triggers of a database must not look around in the repository.
        db.config(VTabConfig::DirectOnly)?;
        let signature = function.signature();
        let columns = signature.columns.iter().map(|(name, kind)| format!("{} {kind}", quoted(name)));
        let hidden = signature.arguments.iter().map(|name| format!("{} HIDDEN", quoted(name)));
        let all: Vec<String> = columns.chain(hidden).collect();
        let sql = CString::new(format!("CREATE TABLE x ({})", all.join(", "))).map_err(failed)?;
        Ok((Cow::Owned(sql), Self { base: ffi::sqlite3_vtab::default(), function }))
    }

    fn best_index(&self, info: &mut IndexInfo) -> rusqlite::Result<bool> {
        let signature = self.function.signature();
        let first = signature.columns.len() as c_int;
        let mut given: Vec<Option<usize>> = vec![None; signature.arguments.len()];
        for (at, constraint) in info.constraints().enumerate() {
            let Ok(argument) = usize::try_from(constraint.column() - first) else { continue };
            if constraint.operator() != IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_EQ || argument >= given.len() {
                continue;
            }
            // An argument that is not known yet: another order of the join must be tried.
            if !constraint.is_usable() {
                return Ok(false);
            }
            given[argument] = Some(at);
        }
        let (mut mask, mut position) = (0, 0);
        for (argument, at) in given.iter().enumerate() {
            let Some(at) = at else { continue };
            mask |= 1 << argument;
            position += 1;
            let mut usage = info.constraint_usage(*at);
            usage.set_argv_index(position);
            usage.set_omit(true);
        }
        info.set_idx_num(mask);
        info.set_estimated_cost(1e6 / f64::from(position + 1));
        Ok(true)
    }

    fn open(&'t mut self) -> rusqlite::Result<Cursor<'t>> {
        Ok(Cursor {
            base: ffi::sqlite3_vtab_cursor::default(),
            function: Arc::clone(&self.function),
            rows: None,
            row: None,
            arguments: Vec::new(),
            number: 0,
            _table: PhantomData,
        })
    }
}

// SAFETY: as for the table.
unsafe impl VTabCursor for Cursor<'_> {
    fn filter(&mut self, mask: c_int, _: Option<&str>, filters: &Filters<'_>) -> rusqlite::Result<()> {
        let signature = self.function.signature();
        let mut values = filters.iter();
        let mut next = |argument: usize| match mask & (1 << argument) {
            0 => Value::Null,
            _ => values.next().map_or(Value::Null, value),
        };
        self.arguments = (0..signature.arguments.len()).map(&mut next).collect();
        self.number = 0;
        (self.rows, self.row) = (None, None);
        if let Some(missing) = self.arguments.iter().take(signature.required).position(|v| *v == Value::Null) {
            let list: Vec<String> = (signature.arguments.iter().enumerate())
                .map(|(i, name)| if i < signature.required { (*name).to_owned() } else { format!("[{name}]") })
                .collect();
            return Err(failed(format_args!(
                "{name}({}) needs the argument {}",
                list.join(", "),
                signature.arguments[missing],
                name = signature.name
            )));
        }
        self.rows = Some(self.function.rows(&self.arguments).map_err(|e| failed(with_causes(&e)))?);
        self.next()
    }

    fn next(&mut self) -> rusqlite::Result<()> {
        self.number += 1;
        self.row = match self.rows.as_mut().and_then(Iterator::next) {
            Some(row) => Some(row.map_err(|e| failed(with_causes(&e)))?),
            None => None,
        };
        Ok(())
    }

    fn eof(&self) -> bool {
        self.row.is_none()
    }

    fn column(&self, ctx: &mut Context, column: c_int) -> rusqlite::Result<()> {
        let columns = self.function.signature().columns.len();
        let at = column as usize;
        let found = match at.checked_sub(columns) {
            None => self.row.as_ref().and_then(|row| row.get(at)),
            Some(argument) => self.arguments.get(argument),
        };
        match found {
            Some(value) => ctx.set_result(param(value)),
            None => ctx.set_result(Null),
        }
    }

    fn rowid(&self) -> rusqlite::Result<i64> {
        Ok(self.number)
    }
}
