//! One damaged file under `.graft` at a time: what can be rebuilt is, anything else is named; never a wrong
//! row, never a panic, and the rest of the history still reads.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::database::{assert_same, make, serialize, sql};
use crate::env::{Outcome, TestEnvironment};
use crate::tree::{copy_tree, files_under};

/// Revisions of `app.db` in the repository that is damaged.
const STATES: usize = 5;

/// The repository to damage.
struct Made {
    folder: PathBuf,
    /// Commit ids, oldest first; each has its own `app.db`.
    ids: Vec<String>,
    /// What `export ID:app.db` writes.
    states: Vec<Vec<u8>>,
    /// Files of `.graft` that first appeared when state N was added (`2N`) or committed (`2N + 1`).
    born: BTreeMap<PathBuf, usize>,
}

/// A test's own copy of it, and what it answers when it is whole.
struct Whole {
    env: TestEnvironment,
    made: &'static Made,
    answers: Vec<String>,
}

/// Commands that only look. `export` of every state is tried beside them.
const PROBES: [&[&str]; 9] = [
    &["status", "--porcelain"],
    &["log"],
    &["log", "--oneline", "--stat"],
    &["show", "HEAD~1"],
    &["rev-parse", "HEAD"],
    &["ls-files", "-s"],
    &["cat-file", "-p", "HEAD~2"],
    &["ls-tree", "-r", "HEAD"],
    &["config", "list"],
];

/// How a file is damaged.
#[derive(Debug, Clone, Copy)]
enum Damage {
    /// One bit, this many 64ths into the file.
    Flip(usize),
    /// Cut to this many 64ths; 63 means all but the last byte.
    Truncate(usize),
    Delete,
}

const DAMAGES: [Damage; 9] = [
    Damage::Flip(0),
    Damage::Flip(9),
    Damage::Flip(32),
    Damage::Flip(50),
    Damage::Flip(64),
    Damage::Truncate(0),
    Damage::Truncate(32),
    Damage::Truncate(63),
    Damage::Delete,
];

impl Damage {
    fn apply(self, path: &Path) {
        let mut bytes = std::fs::read(path).expect("the file to damage");
        match self {
            Self::Flip(at) if !bytes.is_empty() => {
                let at = (bytes.len() * at / 64).min(bytes.len() - 1);
                bytes[at] ^= 0x04;
                std::fs::write(path, &bytes).expect("damage");
            }
            Self::Flip(_) => {}
            Self::Truncate(63) => std::fs::write(path, &bytes[..bytes.len().saturating_sub(1)]).expect("damage"),
            Self::Truncate(at) => std::fs::write(path, &bytes[..bytes.len() * at / 64]).expect("damage"),
            Self::Delete => std::fs::remove_file(path).expect("damage"),
        }
    }
}

/// What must hold after the damage, beyond "no wrong answer, no panic".
#[derive(Clone, Copy, PartialEq)]
enum Bar {
    /// Everything works as if nothing had happened.
    Rebuilt,
    /// Every answer is right or an error that `fsck` confirms.
    RightOrNamed,
    /// A text file that a user may edit: answers may follow the edit, stored content may not.
    Text,
}

impl Made {
    fn new() -> Self {
        let env = TestEnvironment::init();
        let path = env.path("app.db");
        std::fs::write(env.path("notes.txt"), "notes\n".repeat(3000)).expect("a file");
        env.graft(["add", "notes.txt"]).ok();
        env.graft(["commit", "-m", "notes"]).ok();
        // More than 256 operations, so that index entries have been folded into the store as well.
        for round in 0..270 {
            std::fs::write(env.path("counter"), round.to_string()).expect("a file");
            env.graft(["add", "counter"]).ok();
        }
        env.graft(["commit", "-m", "counter"]).ok();
        make(&path, 300, "DELETE");
        let (mut ids, mut states, mut born) = (Vec::new(), Vec::new(), BTreeMap::new());
        for step in 0..STATES {
            sql(&path, &format!("UPDATE item SET n = {step} + id WHERE id % 5 = {step}"));
            let before = files_under(&env.dot_graft());
            env.graft(["add", "app.db"]).ok();
            note_born(&mut born, &before, &env, 2 * step);
            let before = files_under(&env.dot_graft());
            env.graft(["commit", "-m", &format!("state {step}")]).ok();
            note_born(&mut born, &before, &env, 2 * step + 1);
            ids.push(env.graft(["rev-parse", "HEAD"]).ok().trim().to_owned());
            states.push(serialize(&path));
        }
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("to-damage");
        copy_tree(env.repo(), &folder);
        Self { folder, ids, states, born }
    }
}

impl Whole {
    /// A copy of one repository that is made once.
    fn new() -> Self {
        static MADE: OnceLock<Made> = OnceLock::new();
        let made = MADE.get_or_init(Made::new);
        let env = TestEnvironment::empty();
        copy_tree(&made.folder, env.repo());
        let answers = PROBES.iter().map(|args| env.graft(*args).ok()).collect();
        env.graft(["fsck"]).ok();
        // The copy to put back after each damage.
        copy_tree(env.repo(), &env.outside().join("kept"));
        Self { env, made, answers }
    }

    /// Puts the whole repository back.
    fn restore(&self) {
        copy_tree(&self.env.outside().join("kept"), self.env.repo());
    }

    fn export(&self, state: usize) -> (Outcome, Option<Vec<u8>>) {
        let out = self.env.outside().join("out.db");
        std::fs::remove_file(&out).ok();
        let what = format!("{}:app.db", self.made.ids[state]);
        let outcome = self.env.graft(["export", &what, "-o", out.to_str().expect("UTF-8")]);
        (outcome, std::fs::read(&out).ok())
    }

    /// Files of one kind: those whose path in `.graft` starts with `prefix`.
    fn files(&self, prefix: &str, at_most: usize) -> Vec<PathBuf> {
        let all: Vec<PathBuf> =
            files_under(&self.env.dot_graft()).into_iter().filter(|file| file.starts_with(prefix)).collect();
        assert!(!all.is_empty(), "no {prefix} under .graft");
        let (matter, others): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|file| self.made.born.get(file).is_some_and(|born| born / 2 == STATES - 1));
        let step = others.len().div_ceil(at_most - matter.len()).max(1);
        // Those that HEAD cannot do without, and some of the others.
        matter.into_iter().chain(others.into_iter().rev().step_by(step)).collect()
    }

    /// Damages each file of a kind in each way, and checks every answer.
    fn check(&self, prefix: &str, bar: Bar) {
        for file in self.files(prefix, 6) {
            for damage in DAMAGES {
                self.restore();
                let path = self.env.dot_graft().join(&file);
                damage.apply(&path);
                self.check_one(&file, &format!("{damage:?} of {}", file.display()), bar);
            }
        }
    }

    fn check_one(&self, file: &Path, when: &str, bar: Bar) {
        let mut failed = Vec::new();
        for (args, wanted) in PROBES.iter().zip(&self.answers) {
            let outcome = self.env.graft(*args);
            match outcome.code() {
                0 if bar == Bar::Text => {}
                // What has no readable state to compare with is shown as modified, so that it is added anew.
                0 if args[0] == "status" && outcome.stderr().contains("cannot be read") => {
                    assert_eq!(outcome.ok(), " M app.db\n", "{when}: a wrong answer of {args:?}");
                    failed.push(format!("{args:?}: {}", outcome.stderr()));
                }
                0 => assert_eq!(&outcome.ok(), wanted, "{when}: a wrong answer of {args:?}"),
                _ => {
                    assert_ne!(outcome.fails(&[]), "", "{when}: a failure without a word");
                    failed.push(format!("{args:?}: {}", outcome.stderr()));
                }
            }
        }
        for state in 0..STATES {
            let (outcome, bytes) = self.export(state);
            if outcome.code() == 0 {
                assert_same(when, &bytes.expect("the export"), &self.made.states[state]);
                continue;
            }
            assert_ne!(outcome.fails(&[]), "", "{when}: a failure without a word");
            assert!(bytes.is_none(), "{when}: a failed export left a file");
            assert!(!self.must_read(file, state), "{when}: state {state} should still read: {outcome}");
            failed.push(format!("export of state {state}: {}", outcome.stderr()));
        }
        let fsck = self.env.graft(["fsck"]);
        match bar {
            Bar::Rebuilt => {
                assert!(failed.is_empty(), "{when}: can be rebuilt, but {}", failed.join("\n"));
                fsck.expect_when(0, when);
            }
            Bar::RightOrNamed if failed.is_empty() => assert!([0, 1].contains(&fsck.code()), "{when}: {fsck}"),
            Bar::RightOrNamed => {
                assert!([1, 128].contains(&fsck.code()), "{when}: fsck finds nothing, but {}", failed.join("\n"));
            }
            Bar::Text => assert!([0, 1, 128].contains(&fsck.code()), "{when}: {fsck}"),
        }
    }

    /// Whether a state must read although this file is damaged: everything older than a segment, and
    /// everything but the one operation whose objects a pack holds.
    fn must_read(&self, file: &Path, state: usize) -> bool {
        match self.made.born.get(file) {
            Some(born) if file.starts_with("segments") => state < born / 2,
            Some(born) if file.starts_with("packs") => state != born / 2,
            // The format of a later release may mean anything.
            _ => !["segments", "packs", "format"].iter().any(|kind| file.starts_with(kind)),
        }
    }
}

fn note_born(born: &mut BTreeMap<PathBuf, usize>, before: &[PathBuf], env: &TestEnvironment, at: usize) {
    for file in files_under(&env.dot_graft()) {
        if !before.contains(&file) && (file.starts_with("segments") || file.starts_with("packs")) {
            born.insert(file, at);
        }
    }
}

#[test]
fn head_and_config() {
    let whole = Whole::new();
    whole.check("HEAD", Bar::Text);
    whole.check("config.toml", Bar::Text);
}

#[test]
fn refs() {
    Whole::new().check("refs", Bar::RightOrNamed);
}

#[test]
fn reflogs() {
    Whole::new().check("logs", Bar::RightOrNamed);
}

#[test]
fn the_index() {
    Whole::new().check("index", Bar::RightOrNamed);
}

#[test]
fn segments() {
    Whole::new().check("segments", Bar::RightOrNamed);
}

#[test]
fn packs() {
    Whole::new().check("packs", Bar::RightOrNamed);
}

#[test]
fn the_index_tail() {
    Whole::new().check("index-tail", Bar::Rebuilt);
}

#[test]
fn the_store() {
    let whole = Whole::new();
    whole.check("store", Bar::Rebuilt);
    whole.restore();
    std::fs::remove_dir_all(whole.env.dot_graft().join("store")).expect("the store goes");
    whole.check_one(Path::new("store"), "the whole store is gone", Bar::Rebuilt);
}

#[test]
fn the_format() {
    Whole::new().check("format", Bar::RightOrNamed);
}

#[test]
fn the_writer() {
    Whole::new().check("writer", Bar::RightOrNamed);
}

#[test]
fn everything_that_can_be_rebuilt_is_gone_at_once() {
    let whole = Whole::new();
    for folder in ["store", "tmp"] {
        std::fs::remove_dir_all(whole.env.dot_graft().join(folder)).ok();
    }
    for file in ["index-tail", "lock"] {
        std::fs::remove_file(whole.env.dot_graft().join(file)).ok();
    }
    whole.check_one(Path::new("store"), "all that can be rebuilt is gone", Bar::Rebuilt);
}

#[test]
fn every_kind_of_file_is_damaged_by_a_test() {
    let whole = Whole::new();
    let known = [
        "HEAD",
        "config.toml",
        "refs",
        "logs",
        "index",
        "segments",
        "packs",
        "index-tail",
        "store",
        "store.lock",
        "lock",
        "format",
        "writer",
    ];
    for file in files_under(&whole.env.dot_graft()) {
        assert!(known.iter().any(|kind| file.starts_with(kind)), "nothing damages {}", file.display());
    }
}

#[test]
fn fsck_names_what_is_damaged_and_what_it_affects() {
    let whole = Whole::new();
    for (file, born) in &whole.made.born {
        whole.restore();
        Damage::Flip(20).apply(&whole.env.dot_graft().join(file));
        let fsck = whole.env.graft(["fsck"]);
        let text = fsck.expect_when(1, &file.display().to_string()).stdout() + &fsck.stderr();
        let name = file.file_name().expect("a name").to_string_lossy();
        let id = &whole.made.ids[born / 2][..7];
        assert!(text.contains(&*name), "{} is not named: {text}", file.display());
        assert!(text.contains("app.db") || text.contains(id), "what {} affects is not named: {text}", file.display());
    }
}

#[test]
fn adding_the_same_content_again_heals() {
    let whole = Whole::new();
    for (file, born) in &whole.made.born {
        // A pack of a commit holds what no add can make again.
        if born % 2 == 1 {
            continue;
        }
        for damage in [Damage::Flip(20), Damage::Truncate(32), Damage::Delete] {
            whole.restore();
            std::fs::write(whole.env.path("app.db"), &whole.made.states[born / 2]).expect("the old content");
            damage.apply(&whole.env.dot_graft().join(file));
            let when = format!("{damage:?} of {}", file.display());
            whole.env.graft(["fsck"]).expect_when(1, &when);
            let added = whole.env.graft(["add", "app.db"]);
            let said = added.expect_when(0, &when).stderr();
            let notices: Vec<&str> = said.lines().collect();
            let once: BTreeSet<&str> = notices.iter().copied().collect();
            assert_eq!(notices.len(), once.len(), "{when}: {said}");
            whole.env.graft(["fsck"]).expect_when(0, &when);
            for state in 0..STATES {
                let (outcome, bytes) = whole.export(state);
                outcome.expect_when(0, &when);
                assert_same(&when, &bytes.expect("the export"), &whole.made.states[state]);
            }
        }
    }
}
