//! The tour of the README on a real database: the first thing that has to work.

use crate::database::{assert_same, copy_database, fixture, serialize, sql};
use crate::env::TestEnvironment;

#[test]
fn the_tour_on_a_real_database() {
    let env = TestEnvironment::empty();
    let app = env.path("app.db");
    copy_database(&fixture("chinook.sqlite"), &app);
    let first = std::fs::read(&app).expect("the database");

    env.graft(["init"]).ok();
    assert!(env.dot_graft().is_dir());
    assert_eq!(env.graft(["status", "--porcelain"]).ok(), "?? app.db\n");
    env.graft(["add", "app.db"]).ok();
    assert_eq!(env.graft(["status", "--porcelain"]).ok(), "A  app.db\n");
    env.graft(["commit", "-m", "first"]).ok();
    assert_eq!(env.graft(["status", "--porcelain"]).ok(), "");
    assert_same("add and commit leave the file alone", &std::fs::read(&app).expect("app"), &first);

    sql(&app, "UPDATE Artist SET Name = 'Nobody' WHERE ArtistId = 1");
    let second = serialize(&app);
    assert_eq!(env.graft(["status", "--porcelain"]).ok(), " M app.db\n");
    env.graft(["commit", "-am", "second"]).ok();
    assert_eq!(env.graft(["status", "--porcelain"]).ok(), "");

    let log = env.graft(["log", "--oneline"]).ok();
    let subjects: Vec<&str> = log.lines().map(|line| line.split_once(' ').expect("id and subject").1).collect();
    assert_eq!(subjects.len(), 2, "{log}");
    assert!(subjects[0].ends_with("second") && subjects[1].ends_with("first"), "{log}");
    let show = env.graft(["show"]).ok();
    assert!(show.contains("second") && show.contains("app.db"), "{show}");

    let old = env.outside().join("old.db");
    env.graft(["export", "HEAD~1:app.db", "-o", old.to_str().expect("UTF-8")]).ok();
    assert_same("export of the first state", &std::fs::read(&old).expect("old"), &first);
    env.graft(["export", "HEAD:app.db", "-o", "now.db"]).ok();
    assert_same("export of the second", &std::fs::read(env.path("now.db")).expect("now"), &second);

    env.graft(["checkout", "HEAD~1", "--", "app.db"]).ok();
    let name = crate::database::text(&app, "SELECT Name FROM Artist WHERE ArtistId = 1");
    assert_eq!(name, "AC/DC");
    crate::database::assert_sound(&app);
    env.graft(["fsck"]).ok();
}

#[test]
fn nothing_but_the_repository_is_written_beside_the_database() {
    let env = TestEnvironment::init();
    copy_database(&fixture("chinook.sqlite"), &env.path("app.db"));
    env.graft(["add", "app.db"]).ok();
    env.graft(["commit", "-m", "first"]).ok();
    env.graft(["status"]).ok();
    let mut names: Vec<_> = std::fs::read_dir(env.repo())
        .expect("the worktree")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    names.sort();
    assert_eq!(names, [".graft", "app.db"]);
    let home = env.outside().join("home");
    let found = env.program("find", &home).args([".", "-type", "f"]).output().expect("find");
    let found = String::from_utf8(found.stdout).expect("UTF-8");
    let lines: Vec<&str> = found.lines().collect();
    assert!(
        lines.len() == 1 && found.starts_with("./.local/state/graft/trusted/"),
        "{found}: that the user made the repository, and no more"
    );
}
