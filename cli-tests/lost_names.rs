//! HEAD, the file of a branch, a pack or a reflog is gone, empty or garbage: `fsck` goes on and finds it, every message names it, and
//! HEAD can be made anew.

use std::path::{Path, PathBuf};

use crate::database::make;
use crate::env::TestEnvironment;

/// A repository with two commits on `main`, and another branch and a tag at the second.
fn repository() -> TestEnvironment {
    let env = TestEnvironment::init();
    make(&env.path("app.db"), 20, "DELETE");
    env.graft(["add", "."]).ok();
    env.graft(["commit", "-qm", "one"]).ok();
    env.graft(["commit", "--allow-empty", "-qm", "two"]).ok();
    env.graft(["branch", "side"]).ok();
    env.graft(["tag", "v1"]).ok();
    env
}

/// What happens to a file.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Blow {
    Gone,
    Empty,
    Zeros,
    Garbage,
}

impl Blow {
    fn strike(self, file: &Path) {
        let len = std::fs::metadata(file).expect("there").len() as usize;
        match self {
            Self::Gone => std::fs::remove_file(file),
            Self::Empty => std::fs::write(file, b""),
            Self::Zeros => std::fs::write(file, vec![0; len]),
            Self::Garbage => std::fs::write(file, b"garbage\n"),
        }
        .expect("written");
    }
}

const ALL: [Blow; 4] = [Blow::Gone, Blow::Empty, Blow::Zeros, Blow::Garbage];

#[test]
fn fsck_checks_the_rest_and_names_what_is_damaged() {
    for (file, name) in [("HEAD", "HEAD"), ("refs/heads/main", "main"), ("refs/heads/side", "side")] {
        for blow in ALL {
            let env = repository();
            blow.strike(&env.dot_graft().join(file));
            let seen = env.graft(["fsck", "--json"]);
            if file == "refs/heads/side" && blow == Blow::Gone {
                // Of a branch that had one value alone nothing tells whether it was ever made.
                continue;
            }
            seen.expect_when(1, &format!("{file}: {blow:?}"));
            let report: serde_json::Value = serde_json::from_str(&seen.stdout()).expect("JSON");
            assert_eq!(report["checked"]["commits"], 2, "{file}: {blow:?}: {seen}");
            let findings = report["findings"].as_array().expect("findings");
            assert!(!findings.is_empty() && findings.iter().all(|f| f.to_string().contains(name)), "{blow:?}: {seen}");
            assert!(findings.iter().all(|f| f["what"] != "index"), "the index is sound: {seen}");
        }
    }
}

#[test]
fn init_makes_a_head_anew_and_leaves_the_rest() {
    for blow in ALL {
        let env = repository();
        let log = env.graft(["log", "--format=%H %s"]).ok();
        blow.strike(&env.dot_graft().join("HEAD"));
        for args in [&["status"][..], &["log"], &["show", "HEAD"], &["commit", "-m", "x"]] {
            let text = env.graft(args).refused(&["HEAD"]);
            assert!(!text.contains("did you mean"), "{blow:?}: {text}");
        }
        if blow != Blow::Gone {
            let text = env.graft(["init"]).refused(&["HEAD"]);
            assert!(text.contains("graft init -b"), "{blow:?}: {text}");
        }
        assert!(env.graft(["log"]).stderr().contains("graft init -b"), "{blow:?}");
        env.graft(["init", "-b", "main"]).ok();
        assert_eq!(env.graft(["log", "--format=%H %s"]).ok(), log, "{blow:?}");
        assert_eq!(env.graft(["status", "--porcelain"]).ok(), "", "{blow:?}");
        env.graft(["fsck"]).ok();
    }
}

#[test]
fn init_leaves_a_sound_head_where_it_is() {
    let env = repository();
    env.graft(["switch", "-q", "side"]).ok();
    env.graft(["init", "-b", "other"]).ok();
    assert_eq!(env.graft(["branch", "--show-current"]).ok(), "side\n");
}

#[test]
fn a_branch_whose_file_is_gone_is_said_to_be_lost() {
    let env = repository();
    let tip = env.graft(["rev-parse", "HEAD"]).ok();
    Blow::Gone.strike(&env.dot_graft().join("refs/heads/main"));
    for args in [&["log"][..], &["show", "HEAD"], &["show", "main"], &["diff", "HEAD~1", "HEAD"], &["status"]] {
        let text = env.graft(args).refused(&["refs/heads/main", "lost", tip.trim()]);
        assert!(!text.contains("no commits yet") && !text.contains("neither"), "{text}");
    }
}

fn packs(env: &TestEnvironment) -> Vec<PathBuf> {
    let mut packs: Vec<_> = std::fs::read_dir(env.dot_graft().join("packs"))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    packs.sort();
    packs
}

#[test]
fn a_missing_pack_is_named() {
    let count = packs(&repository()).len();
    assert!(count >= 2, "{count}");
    for nth in 0..count {
        let env = repository();
        let gone = packs(&env).remove(nth);
        Blow::Gone.strike(&gone);
        let name = gone.strip_prefix(env.repo()).expect("inside").display().to_string();
        let seen = env.graft(["fsck"]);
        assert!(seen.expect(1).stdout().contains(&format!("damaged {name}: the file is missing")), "{seen}");
        for args in [&["diff", "HEAD~1", "HEAD"][..], &["log", "HEAD~1"], &["show", "v1"], &["status"]] {
            let text = env.graft(args).stderr();
            assert!(!text.contains("neither") && !text.contains("did you mean"), "{args:?}: {text}");
        }
    }
}

#[test]
fn a_reflog_that_lost_its_lines_says_so() {
    for log in ["logs/HEAD", "logs/refs/heads/main"] {
        for blow in [Blow::Empty, Blow::Zeros] {
            let env = repository();
            let file = env.dot_graft().join(log);
            blow.strike(&file);
            let seen = env.graft(["fsck"]);
            let name = log.trim_start_matches("logs/");
            assert!(
                seen.expect_when(1, log).stdout().contains(&format!("damaged reflog of {name}")),
                "{blow:?}: {seen}"
            );
            if blow == Blow::Zeros {
                let seen = env.graft(["reflog", name]);
                assert!(seen.stderr().contains("is damaged at byte 0"), "{seen}");
            }
            // The repository works as before, and the log goes on.
            env.graft(["commit", "--allow-empty", "-qm", "three"]).ok();
            assert_eq!(env.graft(["reflog", name]).ok().lines().count(), 1, "{log}: {blow:?}");
            env.graft(["fsck"]).ok();
        }
        // The newest line alone was not yet on disk.
        let env = repository();
        let file = env.dot_graft().join(log);
        let mut bytes = std::fs::read(&file).expect("read");
        let last = bytes[..bytes.len() - 1].iter().rposition(|b| *b == b'\n').expect("two lines") + 1;
        bytes[last..].fill(0);
        std::fs::write(&file, bytes).expect("written");
        env.graft(["fsck"]).expect(1);
    }
}

#[test]
fn a_reflog_that_was_emptied_on_purpose_is_no_damage() {
    let env = repository();
    env.graft(["reflog", "expire", "--expire=now", "--all"]).ok();
    env.graft(["fsck"]).ok();
}
