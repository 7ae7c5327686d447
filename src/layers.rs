//! Tests that the storeys of the house use each other only downwards, which one crate cannot enforce by itself.

use std::fs;
use std::path::{Path, PathBuf};

/// Each storey, and the storeys it may use.
const MAY_USE: [(&str, &[&str]); 6] = [
    ("cli", &["repo", "store", "sqlite", "model", "util", "cli"]),
    ("repo", &["store", "sqlite", "model", "util", "repo"]),
    ("store", &["model", "util", "store"]),
    ("sqlite", &["model", "util", "sqlite"]),
    ("model", &["model"]),
    ("util", &["util"]),
];

/// The rooms of `repo`, each of which may use those below it; the handle and what all share lie beside them.
const ROOMS: [&str; 8] = ["ops", "sql", "volume", "worktree", "remote", "history", "state", "text"];

/// Each guarded word, and the only storey that may say it.
const ONLY_IN: [(&str, &str); 10] = [
    ("rusqlite", "sqlite"),
    ("fjall", "store"),
    ("lsm_tree", "store"),
    ("object_store", "store"),
    ("tokio", "store"),
    ("clap", "cli"),
    ("miette", "cli"),
    ("indicatif", "cli"),
    ("println!", "cli"),
    ("eprintln!", "cli"),
];

fn sources(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).expect("the sources are there").map(|e| e.expect("readable").path());
    entries.flat_map(|p| if p.is_dir() { sources(&p) } else { vec![p] }).collect()
}

/// Returns the lines that are code: no comments.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(n, line)| (n + 1, line.split("//").next().unwrap_or("")))
}

/// Tells whether a line names another module and not only begins with its name.
fn names(line: &str, path: &str) -> bool {
    line.match_indices(path)
        .any(|(i, _)| !line[i + path.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_'))
}

fn says(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(i, _)| {
        let before = line[..i].chars().next_back();
        let after = line[i + word.len()..].chars().next();
        let part_of_name = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        !part_of_name(before)
            && (word.ends_with('!') || (!part_of_name(after) && line[i + word.len()..].starts_with("::")))
    })
}

#[test]
fn arrows_point_downwards() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for (storey, allowed) in MAY_USE {
        for file in sources(&src.join(storey)) {
            let inside = file.strip_prefix(&src).expect("it was found there");
            let is_test = inside.ends_with("tests.rs") || inside.components().any(|part| part.as_os_str() == "tests");
            let text = fs::read_to_string(&file).expect("UTF-8");
            for (n, line) in code(&text) {
                if line.trim_start().starts_with("use crate::{") {
                    wrong.push(format!("{}:{n}: name the storey on a line of its own", file.display()));
                }
                for (other, _) in MAY_USE {
                    if line.contains(&format!("crate::{other}")) && !allowed.contains(&other) {
                        wrong.push(format!("{}:{n}: {storey} uses {other}", file.display()));
                    }
                }
                for (word, home) in ONLY_IN {
                    if storey != home && !is_test && says(line, word) {
                        wrong.push(format!("{}:{n}: '{word}' outside {home}", file.display()));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// What a line of a room's file says of rooms above it, and the ways out of the room that name none.
fn upward(inside: &Path, line: &str) -> Vec<String> {
    let mut parts = inside.iter().skip(1).map(|part| part.to_str().expect("UTF-8"));
    let Some((at, room)) = parts.next().and_then(|room| ROOMS.iter().position(|r| *r == room).map(|at| (at, room)))
    else {
        return Vec::new();
    };
    let depth = parts.filter(|part| *part != "mod.rs").count();
    let mut wrong: Vec<String> = ROOMS[..at]
        .iter()
        .filter(|above| names(line, &format!("crate::repo::{above}")))
        .map(|above| format!("{room} uses {above}"))
        .collect();
    if line.contains("crate::repo::{") {
        let listed = line.split("crate::repo::{").nth(1).unwrap_or("");
        wrong.extend(
            ROOMS.iter().filter(|other| names(listed, other)).map(|_| "name the room on a line of its own".into()),
        );
    }
    if line.contains(&"super::".repeat(depth + 1)) {
        wrong.push(format!("name what lies outside of {room} by its whole path"));
    }
    wrong
}

#[test]
fn rooms_use_those_below() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for file in sources(&src.join("repo")) {
        let inside = file.strip_prefix(&src).expect("it was found there");
        let text = fs::read_to_string(&file).expect("UTF-8");
        if inside.ends_with("tests.rs") || inside.iter().any(|part| part == "tests") {
            continue;
        }
        let shipped = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or("");
        for (n, line) in code(shipped) {
            wrong.extend(upward(inside, line).into_iter().map(|what| format!("{}:{n}: {what}", file.display())));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_test_itself_can_fail() {
    let says_of = |file: &str, line: &str| upward(Path::new(file), line).len();
    assert_eq!(says_of("repo/state/refs/mod.rs", "use crate::repo::ops::add::AddOptions;"), 1);
    assert_eq!(says_of("repo/state/pending.rs", "use super::super::ops::add::AddOptions;"), 1);
    assert_eq!(says_of("repo/text/date/parse.rs", "use crate::repo::{Repository, state::refs::Head};"), 1);
    assert_eq!(says_of("repo/ops/add.rs", "use crate::repo::state::refs::Head;"), 0);
    assert_eq!(says_of("repo/worktree/moves/plan.rs", "use super::super::capture::How;"), 0);
    assert_eq!(says_of("repo/mod.rs", "use ops::add;"), 0);
    assert!(says("use rusqlite::Connection;", "rusqlite") && says("    println!(\"x\")", "println!"));
    assert!(!says("let my_rusqlite::x", "rusqlite") && !says("eprintln!()", "println!"));
}
