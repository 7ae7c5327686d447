//! Another program with the database open: a Python process that runs the SQL it is told to.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

/// A connection held open by a process of its own, with another SQLite than Graft's.
pub struct App {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl App {
    /// Opens `database`; the application gives up at once when it meets a lock.
    pub fn open(database: &Path) -> Self {
        Self::open_patient(database, 0)
    }

    /// Opens `database`; the application waits `seconds` for locks.
    pub fn open_patient(database: &Path, seconds: u32) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/cli-tests/app.py");
        let mut child = Command::new("python3")
            .arg(script)
            .arg(database)
            .arg(seconds.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is needed by these tests");
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().expect("stdout is a pipe"));
        Self { child, input, output }
    }

    /// The process id, which lock messages should name.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends the process at once, as a crash would.
    pub fn kill(mut self) {
        self.child.kill().expect("it is ours");
        self.child.wait().expect("it is ours");
    }

    /// Runs one statement; returns its rows, or SQLite's message.
    pub fn try_sql(&mut self, sql: &str) -> Result<Vec<Vec<Value>>, String> {
        self.ask(&json!({ "sql": sql }))
    }

    /// Runs one statement that must succeed.
    #[track_caller]
    pub fn sql(&mut self, sql: &str) -> Vec<Vec<Value>> {
        self.try_sql(sql).unwrap_or_else(|error| panic!("the application's {sql:?} failed: {error}"))
    }

    /// Begins a query and stops after its first row, so its read transaction stays open.
    #[track_caller]
    pub fn step(&mut self, sql: &str) -> Vec<Value> {
        self.ask(&json!({ "sql": sql, "step": true }))
            .unwrap_or_else(|error| panic!("the application's {sql:?} failed: {error}"))
            .remove(0)
    }

    /// The one number that a statement returns.
    #[track_caller]
    pub fn number(&mut self, sql: &str) -> i64 {
        self.sql(sql)[0][0].as_i64().expect("an integer")
    }

    fn ask(&mut self, request: &Value) -> Result<Vec<Vec<Value>>, String> {
        let input = self.input.as_mut().expect("the application runs");
        writeln!(input, "{request}").expect("the application listens");
        let mut line = String::new();
        self.output.read_line(&mut line).expect("an answer");
        let mut answer: Value = serde_json::from_str(&line).expect("an answer in JSON");
        match answer["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(serde_json::from_value(answer["rows"].take()).expect("rows")),
        }
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.input = None;
        self.child.wait().ok();
    }
}
