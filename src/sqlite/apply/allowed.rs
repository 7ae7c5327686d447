//! What a script may do: only what `graft diff --sql` writes. It may come from anybody.
//!
//! SQLite asks before it prepares a statement of the script what that would do; what no such script does is refused, and by the
//! text only one transaction and the settings that are written are let through.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};

use crate::sqlite::script::definition::{CLOSE_SCHEMA, OPEN_SCHEMA};

/// Pragmas that scripts have, or ask by.
const PRAGMAS: [&str; 14] = [
    "foreign_keys",
    "ignore_check_constraints",
    "encoding",
    "user_version",
    "application_id",
    "page_size",
    "auto_vacuum",
    "table_info",
    "table_xinfo",
    "index_list",
    "index_info",
    "index_xinfo",
    "foreign_key_list",
    "writable_schema",
];
/// Settings outside of the transaction.
const OUTSIDE: [&str; 3] =
    ["PRAGMA foreign_keys = OFF", "PRAGMA ignore_check_constraints = ON", "PRAGMA ignore_check_constraints = OFF"];
/// How the setting begins that a new database may get before its transaction.
const ENCODING: &str = "PRAGMA encoding = '";
/// How settings within the transaction begin.
const INSIDE: [&str; 2] = ["PRAGMA user_version = ", "PRAGMA application_id = "];
/// How the temporary tables of scripts are called.
const OWN: &str = "graft_";
/// Functions and tables that reach beyond the rows of the database.
const BEYOND: [&str; 4] = ["load_extension", "fts3_tokenizer", "sqlite_dbpage", "sqlite_dbptr"];

/// Watches what statements of a script would do.
pub(super) struct Allowed {
    asks: Arc<AtomicBool>,
    ends: Arc<AtomicBool>,
    refused: Arc<Mutex<Option<String>>>,
}

fn lock(refused: &Mutex<Option<String>>) -> MutexGuard<'_, Option<String>> {
    // It is replaced as a whole.
    refused.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Allowed {
    /// Has SQLite ask from now on.
    pub fn watch(conn: &mut Connection) -> rusqlite::Result<Self> {
        let allowed = Self { asks: Arc::default(), ends: Arc::default(), refused: Arc::default() };
        let (asks, ends, refused) =
            (Arc::clone(&allowed.asks), Arc::clone(&allowed.ends), Arc::clone(&allowed.refused));
        conn.authorizer(Some(move |context: AuthContext<'_>| {
            if !asks.load(Ordering::Relaxed) {
                return Authorization::Allow;
            }
            ends.fetch_or(matches!(context.action, AuthAction::Transaction { .. }), Ordering::Relaxed);
            match beyond(&context.action) {
                None => Authorization::Allow,
                Some(what) => {
                    *lock(&refused) = Some(what);
                    Authorization::Deny
                }
            }
        }))?;
        Ok(allowed)
    }

    /// Prepares a statement of the script.
    pub fn prepare<T>(&self, prepare: impl FnOnce() -> T) -> T {
        self.ends.store(false, Ordering::Relaxed);
        self.asks.store(true, Ordering::Relaxed);
        let prepared = prepare();
        self.asks.store(false, Ordering::Relaxed);
        prepared
    }

    /// Says what the statement would have done that was refused.
    pub fn refused(&self) -> Option<String> {
        lock(&self.refused).take()
    }

    /// Says what is amiss with a statement that may be prepared, by its text; `inside` the transaction.
    pub fn fault(&self, sql: &str, inside: bool) -> Option<&'static str> {
        let sql = sql.trim_end_matches(';');
        if self.ends.load(Ordering::Relaxed) && !["BEGIN IMMEDIATE", "COMMIT"].contains(&sql) {
            return Some("it begins or ends transactions of its own");
        }
        let is_setting = sql.get(..6).is_some_and(|word| word.eq_ignore_ascii_case("PRAGMA"));
        let known = match inside {
            // What these let through is watched by `mending`.
            true if [OPEN_SCHEMA, CLOSE_SCHEMA].contains(&sql) => true,
            true => INSIDE.iter().any(|begin| sql.strip_prefix(begin).is_some_and(is_number)),
            false => OUTSIDE.contains(&sql) || sql.starts_with(ENCODING),
        };
        (is_setting && !known).then_some("it has a setting that no such script has")
    }
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
}

/// Says what an action is, if no script does it.
fn beyond(action: &AuthAction<'_>) -> Option<String> {
    let own = |name: &str| name.starts_with(OWN);
    let reaches = |name: &str| BEYOND.iter().any(|b| b.eq_ignore_ascii_case(name));
    Some(match *action {
        AuthAction::Attach { .. } | AuthAction::Detach { .. } => "another database is attached".to_owned(),
        AuthAction::Savepoint { .. } => "there is a savepoint".to_owned(),
        AuthAction::CreateTempTrigger { trigger_name: name, .. }
        | AuthAction::DropTempTrigger { trigger_name: name, .. }
        | AuthAction::CreateTempView { view_name: name }
        | AuthAction::DropTempView { view_name: name }
        | AuthAction::CreateTempIndex { index_name: name, .. }
        | AuthAction::DropTempIndex { index_name: name, .. } => format!("there is something temporary, {name}"),
        AuthAction::CreateTempTable { table_name: name } | AuthAction::DropTempTable { table_name: name }
            if !own(name) =>
        {
            format!("there is a temporary table, {name}")
        }
        AuthAction::Pragma { pragma_name: name, .. } if !PRAGMAS.contains(&name.to_ascii_lowercase().as_str()) => {
            format!("there is the setting {name}")
        }
        AuthAction::Function { function_name: name } | AuthAction::Read { table_name: name, .. } if reaches(name) => {
            format!("there is {name}")
        }
        AuthAction::CreateVtable { module_name: name, .. } if reaches(name) => format!("there is {name}"),
        AuthAction::Unknown { .. } => "there is something unknown".to_owned(),
        _ => return None,
    })
}
