//! The documentation says what is true: the sessions of the guide run as shown, and links lead somewhere.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use regex::Regex;

use crate::env::TestEnvironment;

/// Where the guide's examples are said to happen.
const PLACE: &str = "/home/ada/shop";

/// What the guide calls `sqlite3`, made of Python's, so that the test needs no more than the others.
const SQLITE3: &str = r#"#!/usr/bin/env python3
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
for statement in sys.argv[2:]:
    for row in connection.execute(statement):
        print('|'.join('' if v is None else str(v) for v in row))
connection.close()
"#;

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A command of a session and what is shown below it.
struct Step {
    line: usize,
    command: String,
    shown: String,
}

/// Takes the ```` ```console ```` blocks of a text apart.
fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut inside = false;
    for (number, line) in text.lines().enumerate() {
        match line.strip_prefix("$ ") {
            _ if line.starts_with("```") => inside = line == "```console",
            Some(command) if inside => {
                steps.push(Step { line: number + 1, command: command.to_owned(), shown: String::new() });
            }
            None if inside => {
                let step = steps.last_mut().expect("a session begins with a command");
                step.shown += &format!("{line}\n");
            }
            _ => {}
        }
    }
    steps
}

/// Replaces what differs from run to run: ids, and the dates of commits.
fn normalized(text: &str) -> String {
    let ids = Regex::new(r"\b[0-9a-f]{7,64}\b").expect("a valid pattern");
    let dates = Regex::new(r"(?m)^Date: .*$").expect("a valid pattern");
    dates.replace_all(&ids.replace_all(text, "<id>"), "Date: <date>").into_owned()
}

#[test]
fn the_sessions_of_the_guide_run_as_shown() {
    let mut env = TestEnvironment::empty();
    let bin = env.outside().join("bin");
    fs::create_dir(&bin).expect("a folder for programs");
    symlink(env!("CARGO_BIN_EXE_graft"), bin.join("graft")).expect("a link to graft");
    fs::write(bin.join("sqlite3"), SQLITE3).expect("a script");
    fs::set_permissions(bin.join("sqlite3"), fs::Permissions::from_mode(0o755)).expect("a script that runs");
    env.set("PATH", format!("{}:{}", bin.display(), std::env::var("PATH").expect("a PATH")));
    env.set("GRAFT_COMMITTER_NAME", "Ada Author");
    env.set("GRAFT_COMMITTER_EMAIL", "ada@example.org");

    let steps = steps(&read(&project("docs/guide.md")));
    assert!(steps.len() > 40, "only {} commands were found in the guide", steps.len());
    for Step { line, command, shown } in steps {
        let mut shell = env.program("sh", env.repo());
        shell.args(["-c", &format!("exec 2>&1\n{command}")]);
        let seen = env.run(shell).stdout().replace(&env.repo().display().to_string(), PLACE);
        assert_eq!(normalized(&seen), normalized(&shown), "docs/guide.md, line {line}: $ {command}");
    }
}

#[test]
fn links_lead_somewhere() {
    let link = Regex::new(r"\]\(([^)\s]+)\)").expect("a valid pattern");
    let mut pages: Vec<PathBuf> =
        fs::read_dir(project("docs")).expect("docs").map(|e| e.expect("a file").path()).collect();
    pages.extend(["README.md", "CHANGELOG.md"].map(project));
    let mut checked = 0;
    for page in pages.iter().filter(|page| page.extension().is_some_and(|e| e == "md")) {
        for found in link.captures_iter(&read(page)) {
            let target = &found[1];
            if target.contains("://") {
                continue;
            }
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let file = if file.is_empty() { page.clone() } else { page.with_file_name("").join(file) };
            assert!(file.exists(), "{} links to {target}, which is not there", page.display());
            if !heading.is_empty() {
                let there = read(&file).lines().filter_map(anchor).any(|a| a == heading);
                assert!(there, "{} links to {target}, but no heading is called that", page.display());
            }
            checked += 1;
        }
    }
    assert!(checked > 40, "only {checked} links were found");
}

/// The name under which a heading is linked to.
fn anchor(line: &str) -> Option<String> {
    let heading = line.trim_start_matches('#').strip_prefix(' ').filter(|_| line.starts_with('#'))?;
    let kept = heading.to_lowercase().replace(' ', "-");
    Some(kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect())
}
