//! `graft log` beside Git's: the same history in both, and the same output but for ids.

use std::collections::HashMap;
use std::ffi::OsString;

use crate::cli::args::{self, Globals, When};
use crate::cli::commands;
use crate::cli::context::Context;
use crate::cli::output::Output;
use crate::model::{Commit, ObjectId, RefName, Signature, Tree};
use crate::repo::ops::init::InitOptions;
use crate::repo::state::refs::{Expected, RefEdit};
use crate::repo::testing::TestGit;
use crate::repo::{Repository, Settings};
use crate::store::Transaction;

/// One history in Git and in Graft.
struct Both {
    git: TestGit,
    dir: tempfile::TempDir,
    /// Git's ids and ours.
    ids: Vec<(String, String)>,
}

impl Both {
    /// Makes commits of `name:parents`, one a minute, and branches, the first of which is checked out.
    fn new(commits: &[&str], branches: &[(&str, char)]) -> Self {
        let (git, dir) = (TestGit::new(), tempfile::tempdir().expect("temp dir"));
        Repository::init(dir.path(), &InitOptions::default(), &Settings::default()).expect("init");
        let repo = Repository::open(dir.path(), Settings::default()).expect("open");
        let lock = repo.store().lock().expect("lock");
        let mut tx = Transaction::new(repo.store(), &lock).expect("transaction");
        let tree = tx.add_object(&Tree::default());
        let empty = git.run(&["hash-object", "-t", "tree", "-w", "/dev/null"]);
        let mut ids = vec![(empty.clone(), tree.to_string())];
        let mut made: HashMap<char, (String, ObjectId, u64)> = HashMap::new();
        for (n, commit) in commits.iter().enumerate() {
            let (name, parents) = commit.split_once(':').expect("name:parents");
            let parents: Vec<_> = parents.chars().map(|c| made[&c].clone()).collect();
            git.set_now(1_700_000_000 + n as i64 * 60);
            let message = format!("subject of {name}\nin two lines\n\n  body %s\n\nend\n");
            let mut args = vec!["commit-tree", &empty, "-m", &message];
            args.extend(parents.iter().flat_map(|p| ["-p", p.0.as_str()]));
            let author = if n % 3 == 0 { "Ada" } else { "Bob" };
            let mut command = git.command(&args);
            command.env("GIT_AUTHOR_NAME", author).env("GIT_AUTHOR_DATE", "1600000000 -0330");
            let theirs = String::from_utf8(command.output().expect("git").stdout).expect("an id").trim().to_owned();
            let generation = parents.iter().map(|p| p.2).max().unwrap_or(0) + 1;
            let author = Signature { name: author.into(), time: 1_600_000_000, offset: -210, ..git.who() };
            let parents = parents.iter().map(|p| p.1).collect();
            let ours = Commit { tree, parents, generation, author, committer: git.who(), message };
            let ours = tx.add_object(&ours);
            ids.push((theirs.clone(), ours.to_string()));
            made.insert(name.chars().next().expect("a name"), (theirs, ours, generation));
        }
        tx.publish().expect("publish");
        for (branch, at) in branches {
            let (theirs, ours, _) = &made[at];
            git.run(&["update-ref", branch, theirs]);
            let edit = RefEdit::set(RefName::new(branch).expect("valid"), *ours, Expected::Any, "made");
            repo.refs().apply(&lock, &git.who(), &[edit]).expect("ref");
        }
        Self { git, dir, ids }
    }

    /// Runs a command that is no `log`.
    fn ours(&self, args: &[&str]) {
        let argv = [&["graft"], args].concat();
        let parsed = args::parse(argv.iter().map(OsString::from).collect(), When::Never).expect("a right line");
        let mut ctx = Context::new(Globals::default()).expect("context");
        ctx.cwd = self.dir.path().to_owned();
        ctx.out = Output::memory();
        commands::run(parsed.command, &mut ctx).expect("done");
    }

    /// Returns our output, and Git's with our ids; without blanks at the ends of lines.
    fn outputs(&self, args: &[&str]) -> (String, String) {
        let argv = [&["graft", "log"], args].concat();
        let argv = args::expand(argv.iter().map(OsString::from).collect());
        let parsed = args::parse(argv, When::Never).expect("a right line");
        let mut ctx = Context::new(Globals::default()).expect("context");
        ctx.cwd = self.dir.path().to_owned();
        ctx.out = Output::memory();
        commands::run(parsed.command, &mut ctx).expect("log");
        let mut theirs = self.git.run(&[&["log", "--abbrev=7"], args].concat());
        for (git, graft) in &self.ids {
            theirs = theirs.replace(git, graft).replace(&git[..7], &graft[..7]);
        }
        let trimmed = |text: &str| text.lines().map(|l| format!("{}\n", l.trim_end())).collect::<String>();
        (trimmed(&ctx.out.into_text()), trimmed(&theirs))
    }

    fn agree(&self, args: &[&str]) {
        let (ours, theirs) = self.outputs(args);
        assert_eq!(ours, theirs, "log {args:?}");
    }
}

#[test]
fn listings_are_gits() {
    let refs =
        [("refs/heads/main", 'm'), ("refs/heads/side", 'x'), ("refs/tags/v1", 'a'), ("refs/remotes/o/main", 'b')];
    let both = Both::new(&["r:", "a:r", "b:a", "c:a", "d:c", "m:bd", "x:m"], &refs);
    for format in [
        "oneline",
        "short",
        "medium",
        "full",
        "fuller",
        "reference",
        "raw",
        "%h %s%d",
        "format:%h%n%b",
        "%an|%cn|%aI|%p",
        "",
    ] {
        both.agree(&[&format!("--format={format}")]);
        both.agree(&[&format!("--format={format}"), "--abbrev-commit", "--date=iso", "--decorate"]);
        // Git runs the rows of empty texts together.
        if !format.is_empty() {
            both.agree(&[&format!("--format={format}"), "--graph", "--all"]);
        }
    }
    for line in [
        "",
        "--oneline",
        "--oneline --decorate=full --all",
        "--oneline --no-abbrev-commit",
        "--oneline -2",
        "--oneline --skip=2 -n 2",
        "--oneline --reverse",
        "--oneline --reverse -3",
        "--oneline --topo-order",
        "--oneline --date-order side",
        "--oneline --merges",
        "--oneline --no-merges",
        "--oneline --first-parent",
        "--oneline --author=ada",
        "--oneline --author=ada -i",
        "--oneline --grep=^end",
        "--oneline --grep=of.[abc] --grep=of.m",
        "--oneline --grep=of.[abc] --invert-grep",
        "--oneline -F --grep=of.m",
        "--oneline -F --grep=%s --author=Ada",
        "--oneline -E --grep=of.(a|b)",
        "--oneline --committer=thor",
        "--oneline --committer=Thor --author=Bob -i --grep=OF.[ABC]",
        "--oneline v1..",
        "--oneline main ^v1",
        "--oneline o/main...v1",
        "--oneline --branches",
        "--oneline --since=@1700000120 --until=@1700000240",
        "--oneline --tags --graph",
        "--graph -3",
        "--graph --oneline --first-parent",
        "--date=unix --format=%ad|%cd",
        "--date=short -1",
        "--date=raw -1",
    ] {
        both.agree(&line.split(' ').filter(|w| !w.is_empty()).collect::<Vec<_>>());
    }
}

#[test]
fn graphs_are_gits() {
    let histories: [&[&str]; 7] = [
        &["r:", "s:", "a:r", "b:s", "m:ab"],
        &["r:", "a:r", "b:r", "m:ab"],
        &["r:", "a:r", "b:a", "c:r", "m:bc", "d:c", "n:md"],
        &["r:", "a:r", "b:r", "c:ab", "d:ba", "e:cd"],
        &["r:", "a:r", "b:r", "c:r", "d:r", "x:r", "m:abcd", "y:x", "n:my"],
        &["r:", "s:", "a:r", "b:s", "c:a", "m:bac", "d:c", "o:dmb", "e:o", "p:ea"],
        &["r:", "a:r", "b:r", "c:r", "d:c", "m:acd", "n:bm", "o:rmn", "p:no"],
    ];
    for history in histories {
        let last = history.last().and_then(|c| c.chars().next()).expect("a commit");
        let both = Both::new(history, &[("refs/heads/main", last)]);
        both.agree(&["--graph", "--oneline"]);
        both.agree(&["--graph"]);
        both.agree(&["--graph", "--format=%h%n%n%s"]);
        both.agree(&["--graph", "--date-order", "-5"]);
        both.agree(&["--graph", "--oneline", "--first-parent"]);
        both.agree(&["--graph", "--oneline", "--author=Ada"]);
    }
}

#[test]
fn decorations_are_gits() {
    let refs = [
        ("refs/heads/main", 'b'),
        ("refs/heads/zeta", 'b'),
        ("refs/heads/alpha", 'b'),
        ("refs/tags/v2", 'b'),
        ("refs/tags/v1", 'b'),
        ("refs/tags/old", 'r'),
        ("refs/remotes/o/main", 'b'),
        ("refs/remotes/o/x", 'a'),
        ("refs/heads/v1", 'a'),
        ("refs/stash", 'a'),
        ("refs/odd/one", 'a'),
        ("refs/notes/commits", 'r'),
    ];
    let both = Both::new(&["r:", "a:r", "b:a"], &refs);
    let point = |name: &str, to: &str| {
        both.git.run(&["symbolic-ref", name, to]);
        both.ours(&["symbolic-ref", name, to]);
    };
    point("refs/remotes/o/HEAD", "refs/remotes/o/main");
    point("refs/heads/link", "refs/heads/zeta");
    let check = || {
        for line in [
            "--oneline --decorate",
            "--oneline --decorate=short",
            "--oneline --decorate=full",
            "--oneline --decorate=no",
            "--oneline --no-decorate",
            "--format=%d|%D",
            "--decorate",
            "--decorate=full --format=%d",
            "--format=%h%d --all",
        ] {
            both.agree(&line.split(' ').collect::<Vec<_>>());
        }
    };
    check();
    // HEAD on no branch.
    both.git.run(&["update-ref", "--no-deref", "HEAD", "main"]);
    both.ours(&["update-ref", "--no-deref", "HEAD", "main"]);
    check();
}
