//! A hermetic place to run `graft` in: own HOME, empty environment, fixed author, clock and time zone.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use tempfile::TempDir;

/// How long one command may run before the test gives it up as hung. Generous on purpose: no test
/// passes or fails by speed, this only turns an endless wait into a named failure.
const HANG: Duration = Duration::from_secs(240);

/// One scratch folder with a HOME and a worktree, and the environment every command gets.
pub struct TestEnvironment {
    root: TempDir,
    repo: PathBuf,
    clock: AtomicU32,
    vars: Vec<(String, String)>,
}

impl TestEnvironment {
    /// Makes an environment whose worktree is an empty folder (no repository yet).
    pub fn empty() -> Self {
        let root = tempfile::Builder::new().prefix("graft-test-").tempdir().expect("a scratch folder");
        let base = root.path().canonicalize().expect("the scratch folder exists");
        let repo = base.join("repo");
        std::fs::create_dir_all(base.join("home")).expect("HOME");
        std::fs::create_dir_all(&repo).expect("worktree");
        Self { root, repo, clock: AtomicU32::new(0), vars: Vec::new() }
    }

    /// Makes an environment with a fresh repository on branch `main`.
    pub fn init() -> Self {
        let env = Self::empty();
        env.graft(["init", "-b", "main"]).ok();
        env
    }

    /// Sets an environment variable for every later command.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.unset(name);
        self.vars.push((name.to_owned(), value.into()));
    }

    /// Takes an environment variable away again.
    pub fn unset(&mut self, name: &str) {
        self.vars.retain(|(known, _)| known != name);
    }

    /// The folder above HOME and the worktree, for files that are not to be tracked.
    pub fn outside(&self) -> PathBuf {
        self.root.path().canonicalize().expect("the scratch folder exists")
    }

    /// A path in the worktree.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.repo.join(name)
    }

    /// The worktree.
    pub fn repo(&self) -> &Path {
        &self.repo
    }

    /// The `.graft` folder.
    pub fn dot_graft(&self) -> PathBuf {
        self.repo.join(".graft")
    }

    /// A command that has the hermetic environment, run in `dir`.
    ///
    /// Each command is dated one minute after the one before, so histories have an order.
    pub fn program(&self, program: impl AsRef<OsStr>, dir: &Path) -> Command {
        let tick = self.clock.fetch_add(1, Ordering::Relaxed);
        let date = format!("2026-03-{:02}T{:02}:{:02}:00+01:00", 1 + tick / 1440, tick / 60 % 24, tick % 60);
        let home = self.outside().join("home");
        let mut command = Command::new(program);
        command
            .current_dir(dir)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", &home)
            .env("XDG_CONFIG_HOME", home.join(".config"))
            .env("TMPDIR", &home)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("LC_ALL", "C.UTF-8")
            .env("TZ", "UTC")
            .env("COLUMNS", "100")
            .env("EDITOR", "false")
            .env("GRAFT_AUTHOR_NAME", "Ada Author")
            .env("GRAFT_AUTHOR_EMAIL", "ada@example.org")
            .env("GRAFT_AUTHOR_DATE", &date)
            .env("GRAFT_COMMITTER_NAME", "Carl Committer")
            .env("GRAFT_COMMITTER_EMAIL", "carl@example.org")
            .env("GRAFT_COMMITTER_DATE", &date)
            .stdin(Stdio::null());
        for (name, value) in &self.vars {
            command.env(name, value);
        }
        command
    }

    /// A `graft` command in the worktree, not yet started.
    pub fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        self.command_in(&self.repo, args)
    }

    /// A `graft` command in `dir`, not yet started.
    pub fn command_in<S: AsRef<OsStr>>(&self, dir: &Path, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = self.program(env!("CARGO_BIN_EXE_graft"), dir);
        command.args(args);
        command
    }

    /// Runs `graft` in the worktree.
    pub fn graft<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Outcome {
        self.run(self.command(args))
    }

    /// Runs `graft` in `dir`.
    pub fn graft_in<S: AsRef<OsStr>>(&self, dir: &Path, args: impl IntoIterator<Item = S>) -> Outcome {
        self.run(self.command_in(dir, args))
    }

    /// Runs a prepared command to its end.
    pub fn run(&self, mut command: Command) -> Outcome {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let shown = shown(&command);
        let child = command.spawn().unwrap_or_else(|error| panic!("{shown} does not start: {error}"));
        wait(child, shown)
    }

    /// Runs commands one after the other and returns what a terminal would have shown, normalized.
    pub fn session(&self, commands: &[&[&str]]) -> String {
        let mut text = String::new();
        for args in commands {
            let outcome = self.graft(*args);
            text.push_str(&format!("$ graft {}\n{}", args.join(" "), outcome.stdout()));
            text.extend(outcome.stderr().lines().map(|line| format!("2> {line}\n")));
            if outcome.code() != 0 {
                text.push_str(&format!("=> {}\n", outcome.code()));
            }
        }
        self.normalize(&text)
    }

    /// Replaces what differs between runs: the scratch folder by `$ROOT`; ids, and abbreviations of those
    /// that history and index hold, by `<id1>` and so on in order of appearance; Gids by `<gid1>`.
    fn normalize(&self, text: &str) -> String {
        let text = text.replace(&*self.outside().to_string_lossy(), "$ROOT");
        let mut known: Vec<String> = Vec::new();
        for args in [["log", "--json"], ["ls-files", "--json"]] {
            let listed = self.graft(args).stdout();
            known.extend(words(&listed).filter(|word| is_id(word)).map(str::to_owned));
        }
        let (mut ids, mut gids) = (Vec::new(), Vec::new());
        let mut out = String::new();
        for word in words(&text) {
            let full = known.iter().find(|id| word.len() >= 7 && id.starts_with(word));
            if full.is_some() || is_id(word) {
                out.push_str(&format!("<id{}>", number(&mut ids, full.map_or(word, String::as_str))));
            } else if is_gid(word) {
                out.push_str(&format!("<gid{}>", number(&mut gids, word)));
            } else {
                out.push_str(word);
            }
        }
        out
    }
}

/// Splits a text into runs of letters and digits and what stands between them; together they are the text.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let part = |c: char| c.is_ascii_alphanumeric();
    let mut rest = text;
    std::iter::from_fn(move || {
        let inside = part(rest.chars().next()?);
        let end = rest.find(|c| part(c) != inside).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        rest = after;
        Some(word)
    })
}

fn is_id(word: &str) -> bool {
    word.len() == 64 && word.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// Base58 of 128 bits.
fn is_gid(word: &str) -> bool {
    (21..=22).contains(&word.len()) && word.bytes().any(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
}

/// The place of an id in the order of appearance, from 1.
fn number(seen: &mut Vec<String>, id: &str) -> usize {
    let at = seen.iter().position(|one| one == id);
    at.unwrap_or_else(|| {
        seen.push(id.to_owned());
        seen.len() - 1
    }) + 1
}

/// Writes a script that may run.
pub fn script(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder for the script");
    std::fs::write(path, text).expect("a script");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("a script that runs");
}

/// A command as one would type it, without its environment.
pub fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy();
    let args: Vec<_> = command.get_args().map(|arg| arg.to_string_lossy()).collect();
    let folder = command.get_current_dir().map_or(String::new(), |dir| dir.display().to_string());
    format!("{folder}$ {program} {}", args.join(" "))
}

/// Waits for a started command; a hang is killed and fails the test by name.
pub fn wait(child: std::process::Child, shown: String) -> Outcome {
    let pid = child.id();
    let (done, ended) = mpsc::channel::<()>();
    let guard = std::thread::spawn(move || {
        let hung = ended.recv_timeout(HANG) == Err(mpsc::RecvTimeoutError::Timeout);
        if hung {
            kill(pid);
        }
        hung
    });
    let output = child.wait_with_output().expect("output of the command");
    drop(done);
    assert!(!guard.join().expect("the guard does not panic"), "hung and was killed: {shown}");
    let outcome = Outcome { shown, output };
    outcome.never_a_panic();
    outcome
}

/// Sends SIGKILL to a process that this test started.
fn kill(pid: u32) {
    let sent = Command::new("sh").args(["-c", &format!("kill -9 {pid}")]).status();
    assert!(sent.is_ok(), "no shell to send a signal with");
}

/// What a command printed and how it ended.
pub struct Outcome {
    shown: String,
    output: Output,
}

impl Outcome {
    /// Exit code, or 1000 + the signal that ended the process.
    pub fn code(&self) -> i32 {
        use std::os::unix::process::ExitStatusExt;
        let status = self.output.status;
        status.code().unwrap_or_else(|| 1000 + status.signal().unwrap_or(0))
    }

    /// Standard output as text.
    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    /// Standard output, byte for byte.
    pub fn bytes(&self) -> &[u8] {
        &self.output.stdout
    }

    /// Standard error as text.
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }

    /// Demands exit code 0; returns standard output.
    #[track_caller]
    pub fn ok(&self) -> String {
        self.expect(0).stdout()
    }

    /// Demands this exit code.
    #[track_caller]
    pub fn expect(&self, code: i32) -> &Self {
        assert_eq!(self.code(), code, "exit code of {self}");
        self
    }

    /// Demands this exit code; a failure tells `when` it was.
    #[track_caller]
    pub fn expect_when(&self, code: i32, when: &str) -> &Self {
        assert_eq!(self.code(), code, "{when}: exit code of {self}");
        self
    }

    /// Demands exit code 128 and a message that has each of `words` in it (any case); returns it.
    #[track_caller]
    pub fn fails(&self, words: &[&str]) -> String {
        self.expect(128);
        let text = self.stderr();
        for word in words {
            assert!(text.to_lowercase().contains(&word.to_lowercase()), "the message does not say {word:?}: {self}");
        }
        assert!(self.output.stdout.is_empty(), "a failed command printed data: {self}");
        text
    }

    /// Demands what [`Outcome::fails`] does, and that the message names a way out.
    #[track_caller]
    pub fn refused(&self, words: &[&str]) -> String {
        let text = self.fails(words);
        assert!(text.lines().any(|line| line.starts_with("help: ")), "no way out is named: {self}");
        text
    }

    /// Demands exit code 2 and a message that has each of `words` in it.
    #[track_caller]
    pub fn wrong_usage(&self, words: &[&str]) {
        self.expect(2);
        let text = self.stderr();
        for word in words {
            assert!(text.contains(word), "the message does not say {word:?}: {self}");
        }
    }

    /// Demands exit code 0 and one JSON object with a schema name.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        let text = self.ok();
        let value: serde_json::Value =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("not one JSON value ({error}): {self}"));
        assert!(value["schema"].is_string(), "no schema name in {self}");
        value
    }

    /// Demands exit code 0 and one JSON object on each line.
    #[track_caller]
    pub fn ndjson(&self) -> Vec<serde_json::Value> {
        self.ok()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("not NDJSON ({error}): {self}")))
            .collect()
    }

    /// A user never sees a panic, a backtrace or a Rust type name.
    #[track_caller]
    fn never_a_panic(&self) {
        let text = self.stderr();
        for ugly in ["panicked at", "RUST_BACKTRACE", "stack backtrace", "unwrap()"] {
            assert!(!text.contains(ugly), "{ugly:?} in {self}");
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}\n--- code {}\n--- stdout\n{}--- stderr\n{}",
            self.shown,
            self.code(),
            self.stdout(),
            self.stderr()
        )
    }
}
