//! `graft_status`: the worktree as a table.
//!
//! A process of its own looks at the worktree. This one may hold SQLite's locks on a database of it, which POSIX drops when any
//! descriptor of the file is closed here.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value as Json;

use crate::model::{SourceError, Value};
use crate::sqlite::sql::functions::{Rows, Signature, TableFunction};

const STATUS: Signature = Signature {
    name: "graft_status",
    columns: &[
        ("path", "TEXT"),
        ("area", "TEXT"),
        ("change", "TEXT"),
        ("kind", "TEXT"),
        ("bytes", "INTEGER"),
        ("renamed_from", "TEXT"),
    ],
    arguments: &[],
    required: 0,
};

/// The function.
pub struct Status {
    /// The top of the worktree.
    pub top: PathBuf,
}

impl TableFunction for Status {
    fn signature(&self) -> Signature {
        STATUS
    }

    fn rows(&self, _: &[Value]) -> Result<Rows, SourceError> {
        let status = self.ask()?;
        let mut rows: Vec<Vec<Value>> = Vec::new();
        for area in ["staged", "unstaged"] {
            for change in status[area].as_array().into_iter().flatten() {
                rows.push(vec![
                    of_json(&change["path"]),
                    text(area),
                    of_json(&change["change"]),
                    of_json(&change["kind"]),
                    of_json(&change["bytes"]),
                    of_json(&change["renamed_from"]),
                ]);
            }
        }
        for path in status["untracked"].as_array().into_iter().flatten() {
            let mut row = vec![of_json(path), text("untracked"), text("added")];
            row.extend([Value::Null, Value::Null, Value::Null]);
            rows.push(row);
        }
        Ok(Box::new(rows.into_iter().map(Ok)))
    }
}

impl Status {
    fn ask(&self) -> Result<Json, SourceError> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("-C").arg(&self.top).args(["--json", "status"]).stdin(Stdio::null());
        let output = command.stderr(Stdio::piped()).output()?;
        if !output.status.success() {
            let said: Result<Json, _> = serde_json::from_slice(&output.stderr);
            let why = said.ok().and_then(|e| e["error"].as_str().map(str::to_owned));
            return Err(why.unwrap_or_else(|| "'graft status' failed".to_owned()).into());
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.as_bytes().to_vec())
}

fn of_json(value: &Json) -> Value {
    match value {
        Json::String(s) => text(s),
        other => other.as_i64().map_or(Value::Null, Value::Integer),
    }
}
