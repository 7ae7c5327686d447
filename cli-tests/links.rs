//! The worktree ends at symbolic links: what lies behind one is nobody's business.

use std::os::unix::fs::symlink;
use std::path::PathBuf;

use crate::database::{make, sql};
use crate::env::TestEnvironment;
use crate::tree::files_under;

/// A repository whose branch `none` lacks the folder `d`, on another branch that has it; the folder was moved elsewhere and replaced
/// by a link.
fn moved_away() -> (TestEnvironment, PathBuf) {
    let env = TestEnvironment::init();
    std::fs::create_dir(env.path("d")).expect("a folder");
    make(&env.path("d/app.db"), 20, "DELETE");
    std::fs::write(env.path("d/f"), "one").expect("a file");
    std::fs::write(env.path("t"), "t").expect("a file");
    env.graft(["add", "."]).ok();
    env.graft(["commit", "-m", "one"]).ok();
    env.graft(["branch", "b"]).ok();
    env.graft(["rm", "-r", "d"]).ok();
    env.graft(["commit", "-m", "two"]).ok();
    env.graft(["branch", "none"]).ok();
    env.graft(["switch", "b"]).ok();
    let elsewhere = env.outside().join("disk2");
    std::fs::rename(env.path("d"), &elsewhere).expect("moved");
    symlink(&elsewhere, env.path("d")).expect("a link");
    (env, elsewhere)
}

#[test]
fn nothing_behind_a_link_is_written_or_removed() {
    let commands: [&[&str]; 12] = [
        &["switch", "none"],
        &["merge", "none"],
        &["reset", "--hard", "none"],
        &["reset", "--hard"],
        &["rm", "-r", "d"],
        &["mv", "d", "q"],
        &["mv", "t", "d/t"],
        &["restore", "--force", "d/f"],
        &["checkout", "none", "--", "."],
        &["stash", "-u"],
        &["clean", "-fd"],
        &["commit", "-am", "three"],
    ];
    for command in commands {
        let (env, elsewhere) = moved_away();
        sql(&elsewhere.join("app.db"), "UPDATE item SET body = 'there' WHERE id = 1");
        std::fs::write(elsewhere.join("f"), "edited there").expect("a file");
        let before: Vec<Vec<u8>> =
            ["app.db", "f"].map(|name| std::fs::read(elsewhere.join(name)).expect("a file")).into();
        let done = env.graft(command);
        env.graft(["undo"]);
        let after: Vec<Vec<u8>> =
            ["app.db", "f"].iter().map(|name| std::fs::read(elsewhere.join(name)).unwrap_or_default()).collect();
        assert!(before == after, "{command:?} changed what lies behind the link: {done}");
        assert_eq!(files_under(&elsewhere).len(), 2, "{command:?} left something behind the link: {done}");
    }
}

#[test]
fn what_lies_behind_a_link_counts_as_deleted() {
    let (env, _) = moved_away();
    assert_eq!(env.graft(["status", "--porcelain", "-uno"]).ok(), " D d/app.db\n D d/f\n");
    env.graft(["mv", "d", "q"]).refused(&["d/app.db", "symbolic link"]);
    env.graft(["mv", "t", "d/t"]).refused(&["d/t", "symbolic link"]);
    env.graft(["restore", "d/f"]).refused(&["d/f"]);
    env.graft(["add", "d/f"]).refused(&["d"]);
    env.graft(["commit", "-am", "gone"]).ok();
    assert_eq!(env.graft(["ls-files"]).ok(), "t\n");
}

#[test]
fn a_script_does_not_reach_through_a_link() {
    let env = TestEnvironment::init();
    let elsewhere = env.outside().join("disk2");
    std::fs::create_dir(&elsewhere).expect("a folder");
    make(&elsewhere.join("x.db"), 3, "DELETE");
    symlink(&elsewhere, env.path("d")).expect("a link");
    let before = std::fs::read(elsewhere.join("x.db")).expect("the database");
    let (old, new) = (env.outside().join("old.db"), env.outside().join("new.db"));
    for copy in [&old, &new] {
        std::fs::copy(elsewhere.join("x.db"), copy).expect("a copy");
    }
    sql(&new, "DELETE FROM item WHERE id = 1");
    let names = [&old, &new].map(|path| path.to_str().expect("UTF-8").to_owned());
    let script = env.graft(["diff", "--sql", "--no-index", &names[0], &names[1]]).stdout();
    let (_, rest) = script.split_once('\n').expect("lines");
    std::fs::write(env.path("changes.sql"), format!("-- graft diff --sql: d/x.db\n{rest}")).expect("a script");
    env.graft(["apply", "--check", "changes.sql", names[0].as_str()]).ok();
    env.graft(["apply", "changes.sql"]).refused(&["d/x.db"]);
    assert!(before == std::fs::read(elsewhere.join("x.db")).expect("the database"));
}

#[test]
fn a_forged_journal_writes_nothing_outside() {
    for trusted in [true, false] {
        let env = TestEnvironment::init();
        let outside = env.outside().join("victim");
        std::fs::create_dir(&outside).expect("a folder");
        std::fs::write(env.path("payload"), "touch owned").expect("a file");
        env.graft(["add", "payload"]).ok();
        env.graft(["commit", "-m", "one"]).ok();
        let id = env.graft(["rev-parse", "HEAD:payload"]).ok();
        symlink(&outside, env.path("d")).expect("a link");
        let journal = format!(
            "{{\"phase\":\"writing\",\"operation\":{{\"operation\":\"0123456789abcdef\",\"command\":\"graft log\"}},\"who\":{{\"name\":\"a\",\
             \"email\":\"b\",\"time\":1,\"offset\":0}},\"files\":[{{\"path\":\"d/rc\",\"before\":{{\"mode\":\"executable\",\"snapshot\":\"{}\"}},\
             \"after\":null}}],\"index\":[],\"refs\":[]}}",
            id.trim()
        );
        std::fs::write(env.dot_graft().join("moving"), journal).expect("a journal");
        if !trusted {
            env.graft(["trust", "--revoke"]);
        }
        for command in [&["log", "--oneline"][..], &["status"], &["add", "payload"], &["undo"]] {
            env.graft(command);
            assert!(files_under(&outside).is_empty(), "{command:?} wrote outside the worktree");
        }
    }
}

/// A folder outside with files that are older than a minute, as leftovers are.
fn precious(env: &TestEnvironment) -> PathBuf {
    let folder = env.outside().join("precious");
    std::fs::create_dir_all(folder.join("sub")).expect("a folder");
    for name in ["thesis.txt", "sub/key", "tmp-0123456789abcdef"] {
        std::fs::write(folder.join(name), "mine").expect("a file");
        let file = std::fs::File::options().write(true).open(folder.join(name)).expect("the file");
        let old = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
        file.set_times(std::fs::FileTimes::new().set_modified(old)).expect("an old file");
    }
    folder
}

fn is_untouched(folder: &std::path::Path) -> bool {
    let all = ["sub/key", "thesis.txt", "tmp-0123456789abcdef"].map(PathBuf::from);
    let mut found = files_under(folder);
    found.sort();
    found == all && all.iter().all(|name| std::fs::read(folder.join(name)).expect("a file") == b"mine")
}

#[test]
fn nothing_in_a_repository_is_a_link() {
    for name in ["tmp", "segments", "packs", "refs", "logs", "lock", "store.lock", "index-tail", "index", "HEAD"] {
        let env = TestEnvironment::init();
        make(&env.path("app.db"), 5, "DELETE");
        env.graft(["add", "app.db"]).ok();
        env.graft(["commit", "-m", "one"]).ok();
        let folder = precious(&env);
        let place = env.dot_graft().join(name);
        let is_folder = place.is_dir();
        let kept = env.outside().join("kept");
        if place.exists() {
            std::fs::rename(&place, &kept).expect("moved");
        }
        let target = if is_folder || name == "tmp" { folder.clone() } else { folder.join("thesis.txt") };
        symlink(target, &place).expect("a link");
        for command in [
            &["status"][..],
            &["log"],
            &["add", "app.db"],
            &["commit", "--allow-empty", "-m", "two"],
            &["branch", "b"],
            &["tag", "t"],
            &["fsck"],
            &["undo"],
        ] {
            let done = env.graft(command);
            assert!(is_untouched(&folder), "{name}: {command:?} changed what lies behind the link: {done}");
            assert_ne!(done.code(), 0, "{name}: {done}");
        }
        env.graft(["status"]).refused(&[name, "symbolic link"]);
    }
}

#[test]
fn nothing_in_a_folder_remote_is_a_link() {
    for name in ["tmp", "bundles", "lock", "catalogues"] {
        let env = TestEnvironment::init();
        make(&env.path("app.db"), 5, "DELETE");
        env.graft(["add", "app.db"]).ok();
        env.graft(["commit", "-m", "one"]).ok();
        let hub = env.outside().join("hub");
        env.graft(["remote", "add", "origin", hub.to_str().expect("UTF-8")]).ok();
        env.graft(["push", "origin", "main"]).ok();
        let folder = precious(&env);
        let place = hub.join(name);
        let target = if name == "lock" { folder.join("thesis.txt") } else { folder.clone() };
        if place.exists() {
            std::fs::rename(&place, env.outside().join("kept")).expect("moved");
        }
        symlink(target, &place).expect("a link");
        env.graft(["commit", "--allow-empty", "-m", "two"]).ok();
        env.graft(["push", "origin", "main"]).fails(&[name, "symbolic link"]);
        env.graft(["gc", "--remote", "origin"]);
        assert!(is_untouched(&folder), "{name}: what lies behind the link was changed");
    }
}

#[test]
fn a_log_that_is_a_link_leads_to_no_removal() {
    let env = TestEnvironment::init();
    make(&env.path("app.db"), 5, "DELETE");
    env.graft(["add", "app.db"]).ok();
    env.graft(["commit", "-m", "one"]).ok();
    let folder = precious(&env);
    symlink(&folder, env.dot_graft().join("logs/refs/heads/topic")).expect("a link");
    for command in [&["branch", "topic"][..], &["switch", "-c", "topic"], &["branch", "topic/deeper"]] {
        let done = env.graft(command);
        let kept = ["thesis.txt", "sub/key", "tmp-0123456789abcdef"].iter().all(|name| folder.join(name).exists());
        assert!(kept, "{command:?} removed what lies behind the link: {done}");
    }
}
