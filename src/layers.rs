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

#[test]
fn the_test_itself_can_fail() {
    assert!(says("use rusqlite::Connection;", "rusqlite") && says("    println!(\"x\")", "println!"));
    assert!(!says("let my_rusqlite::x", "rusqlite") && !says("eprintln!()", "println!"));
}
