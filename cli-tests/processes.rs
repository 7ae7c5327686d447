//! Several processes in one repository: no commit is lost, none holds another's file unasked, readers are not blocked.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::thread;

use crate::app::App;
use crate::database::{assert_same, make, number, serialize, sql};
use crate::env::{TestEnvironment, shown, wait};

const PROCESSES: usize = 4;
const ROUNDS: usize = 50;

/// A repository with one database for each process.
fn repository() -> TestEnvironment {
    let env = TestEnvironment::init();
    for process in 0..PROCESSES {
        make(&env.path(name(process)), 60, if process % 2 == 0 { "DELETE" } else { "WAL" });
    }
    env.graft(["add", "."]).ok();
    env.graft(["commit", "-m", "start"]).ok();
    env
}

fn name(process: usize) -> String {
    format!("p{process}.db")
}

/// Runs `work` in one thread per process, each with commands of its own.
fn at_once(env: &TestEnvironment, args: impl Fn(usize, usize) -> Vec<String> + Sync) {
    thread::scope(|scope| {
        for process in 0..PROCESSES {
            let path = env.path(name(process));
            let commands: Vec<_> = (0..ROUNDS)
                .map(|round| {
                    env.command(["--lock-timeout", "200"].map(String::from).into_iter().chain(args(process, round)))
                })
                .collect();
            scope.spawn(move || {
                for (round, mut command) in commands.into_iter().enumerate() {
                    sql(&path, &format!("UPDATE item SET n = {round} + 1 WHERE id = {round} + 1"));
                    let shown = shown(&command);
                    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("graft starts");
                    wait(child, shown).ok();
                }
            });
        }
    });
}

/// Commit messages with the paths each commit changed, newest first; the first commit is left out.
fn history(env: &TestEnvironment) -> Vec<(String, BTreeSet<String>)> {
    let mut seen: Vec<(String, BTreeSet<String>)> = Vec::new();
    for commit in env.graft(["log", "--json"]).ndjson() {
        let id = commit["id"].as_str().expect("an id");
        let tree: BTreeSet<String> = env.graft(["ls-tree", "-r", id]).ok().lines().map(str::to_owned).collect();
        if let Some(newer) = seen.last_mut() {
            newer.1 = newer.1.difference(&tree).map(|entry| path_of(entry)).collect();
        }
        seen.push((commit["message"].as_str().expect("a message").trim().to_owned(), tree));
    }
    seen.pop().expect("the first commit");
    seen
}

/// The path of a line of `ls-tree`.
fn path_of(entry: &str) -> String {
    entry.split('\t').next_back().expect("a path").to_owned()
}

#[test]
fn two_hundred_commits_of_four_processes_by_path() {
    let env = repository();
    at_once(&env, |process, round| {
        ["commit", "-m", &format!("p{process} round {round}"), &name(process)].map(str::to_owned).to_vec()
    });
    let history = history(&env);
    assert_eq!(history.len(), PROCESSES * ROUNDS);
    let mut wrong = Vec::new();
    for (subject, changed) in &history {
        let own = format!("{}.db", subject.split(' ').next().expect("a word"));
        if changed.iter().ne([&own]) {
            wrong.push(format!("{subject}: {changed:?}"));
        }
    }
    assert!(wrong.is_empty(), "commits with other files than their own: {wrong:#?}");
    for process in 0..PROCESSES {
        let rounds: Vec<&String> = history
            .iter()
            .filter(|(subject, _)| subject.starts_with(&format!("p{process} ")))
            .map(|(subject, _)| subject)
            .collect();
        let wanted: Vec<String> = (0..ROUNDS).rev().map(|round| format!("p{process} round {round}")).collect();
        assert!(rounds.into_iter().eq(wanted.iter()), "a commit of p{process} is lost or out of order");
    }
    settled(&env);
}

#[test]
fn two_hundred_commits_of_everything_changed() {
    let env = repository();
    at_once(&env, |process, round| {
        let message = format!("p{process} round {round}");
        ["commit", "--allow-empty", "-a", "-m", &message].map(str::to_owned).to_vec()
    });
    let subjects: BTreeSet<String> = history(&env).into_iter().map(|(subject, _)| subject).collect();
    assert_eq!(subjects.len(), PROCESSES * ROUNDS);
    // The last process to commit saw what all had written.
    env.graft(["commit", "--allow-empty", "-am", "end"]).ok();
    settled(&env);
}

/// Every file at HEAD is what the worktree holds, and everything is sound.
fn settled(env: &TestEnvironment) {
    assert_eq!(env.graft(["status", "--porcelain"]).ok(), "");
    env.graft(["fsck"]).ok();
    for process in 0..PROCESSES {
        let path = env.path(name(process));
        assert_eq!(number(&path, "SELECT sum(n) FROM item"), (1..=ROUNDS as i64).sum::<i64>());
        let out = env.outside().join(name(process));
        env.graft(["export", &format!("HEAD:{}", name(process)), "-o", out.to_str().expect("UTF-8")]).ok();
        assert_same(&name(process), &std::fs::read(&out).expect("exported"), &serialize(&path));
    }
}

#[test]
fn a_commit_by_path_leaves_what_others_staged() {
    let env = repository();
    for process in 0..2 {
        sql(&env.path(name(process)), "UPDATE item SET n = 9");
    }
    env.graft(["add", "p0.db"]).ok();
    env.graft(["commit", "-m", "only p1", "p1.db"]).ok();
    assert_eq!(env.graft(["status", "--porcelain"]).ok(), "M  p0.db\n");
    let changed = &history(&env)[0].1;
    assert!(changed.iter().eq(["p1.db"]), "{changed:?}");
    env.graft(["commit", "-m", "p0"]).ok();
    assert_eq!(env.graft(["status", "--porcelain"]).ok(), "");
}

const READERS: [&[&str]; 7] = [
    &["log"],
    &["status", "--porcelain"],
    &["show"],
    &["ls-files", "-s"],
    &["ls-tree", "HEAD"],
    &["export", "HEAD:p1.db", "-o", "/dev/null"],
    &["rev-parse", "HEAD"],
];

#[test]
fn readers_answer_while_an_add_waits_for_an_application() {
    let env = repository();
    let mut app = App::open(&env.path("p0.db"));
    app.sql("BEGIN EXCLUSIVE");
    app.sql("UPDATE item SET n = 5");
    let mut add = env.command(["--busy-timeout", "3600000", "add", "p0.db"]);
    let mut add = add.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("graft starts");
    thread::sleep(std::time::Duration::from_millis(200));
    for args in READERS.iter().filter(|args| args[0] != "status") {
        env.graft(*args).ok();
    }
    // A status that must look into the locked file ends by its own time-out.
    let status = env.graft(["--busy-timeout", "50", "status", "--porcelain"]);
    assert!([0, 128].contains(&status.code()), "{status}");
    // Another writer is not held up by a file that is none of its business.
    sql(&env.path("p1.db"), "UPDATE item SET n = 6");
    env.graft(["--lock-timeout", "100", "commit", "-m", "meanwhile", "p1.db"]).ok();
    assert!(add.try_wait().expect("a state").is_none(), "add did not wait");
    app.sql("COMMIT");
    wait(add, "add of a locked file".into()).ok();
    env.graft(["commit", "-m", "after"]).ok();
    assert_eq!(env.graft(["status", "--porcelain"]).ok(), "");
}

#[test]
fn readers_answer_during_a_long_add() {
    let env = repository();
    make(&env.path("big.db"), 600_000, "OFF");
    let mut add = env.command(["add", "big.db"]);
    let mut add = add.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("graft starts");
    let mut answered = BTreeSet::new();
    while add.try_wait().expect("a state").is_none() {
        for args in READERS {
            env.graft(args).ok();
            if add.try_wait().expect("a state").is_none() {
                answered.insert(args);
            }
        }
    }
    wait(add, "add of a large file".into()).ok();
    // A reader that waits for the writer ends after it, and then is not among these.
    assert_eq!(answered.len(), READERS.len(), "only {answered:?} answered during the add");
    env.graft(["commit", "-m", "big"]).ok();
    assert_eq!(env.graft(["status", "--porcelain"]).ok(), "");
}
