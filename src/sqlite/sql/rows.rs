//! Single rows of a state, looked up by SQLite.

use std::sync::Arc;

use crate::model::{PageSource, SourceError, Value};
use crate::sqlite::diff::side::{param, quoted, value};
use crate::sqlite::vfs;

/// Returns the rows of a table whose `key` column (or `rowid`) holds exactly `wanted`, with these columns.
///
/// Fails where SQLite cannot look them up, as the table needs a collation that only the application has.
pub fn find(
    source: Arc<dyn PageSource>,
    table: &str,
    columns: &[String],
    key: &str,
    wanted: &Value,
) -> Result<Vec<Vec<Value>>, SourceError> {
    let conn = vfs::open(source)?;
    let list: Vec<String> = std::iter::once(key).chain(columns.iter().map(String::as_str)).map(quoted).collect();
    let sql = format!("SELECT {} FROM {} WHERE {} = ?1", list.join(", "), quoted(table), quoted(key));
    let mut statement = conn.prepare(&sql)?;
    let mut rows = statement.query([param(wanted)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let values = (0..list.len()).map(|i| row.get_ref(i).map(value)).collect::<Result<Vec<_>, _>>()?;
        // SQLite's idea of equal is wider: 1 and 1.0, 'a' and 'A'.
        if values[0].is_same(wanted) {
            found.push(values[1..].to_vec());
        }
    }
    Ok(found)
}
