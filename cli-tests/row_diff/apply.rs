//! `apply`: all changes or none, the rows in the way by name, nothing but the changes.

use super::{CHANGES, shop};
use crate::app::App;
use crate::database::{number, sql};
use crate::env::TestEnvironment;

/// Writes what turns the committed shop into the changed one, and brings the shop back.
fn recorded(changes: &str) -> TestEnvironment {
    let env = shop();
    sql(&env.path("shop.db"), changes);
    let script = env.graft(["diff", "--sql"]).ok();
    std::fs::write(env.path("changes.sql"), script).expect("a file");
    env.graft(["commit", "-qam", "Change the shop"]).ok();
    env.graft(["restore", "--force", "--source", "HEAD~1", "shop.db"]).ok();
    env
}

#[test]
fn a_script_turns_one_state_into_the_other() {
    let env = recorded(CHANGES);
    env.graft(["diff", "--exit-code", "HEAD"]).expect(1);
    let said = env.graft(["apply", "--check", "changes.sql"]);
    assert!(said.expect(0).stderr().contains("All changes fit"), "{}", said.stderr());
    env.graft(["diff", "--exit-code", "HEAD~1"]).expect(0);
    env.graft(["apply", "changes.sql"]).ok();
    let left = env.graft(["diff", "HEAD"]).ok();
    assert!(!left.contains("@@") && !left.contains("altered") && !left.contains("setting"), "{left}");
}

#[test]
fn rows_that_do_not_fit_are_named_and_nothing_changes() {
    let env = recorded(CHANGES);
    sql(
        &env.path("shop.db"),
        "UPDATE product SET price = 99 WHERE id = 1; DELETE FROM product WHERE id = 3; INSERT INTO product VALUES (9, 'x', 1, 1)",
    );
    let before = std::fs::read(env.path("shop.db")).expect("the shop");
    let refused = env.graft(["apply", "changes.sql"]);
    let said = refused.expect(1).stderr();
    for conflict in [
        "conflict in product: \"id\" = 1: the row holds other values",
        "conflict in product: \"id\" = 3: there is no such row",
        "UNIQUE constraint failed: product.id",
        "3 conflicts",
    ] {
        assert!(said.contains(conflict), "{conflict:?} is not in {said}");
    }
    assert!(std::fs::read(env.path("shop.db")).expect("the shop") == before, "the database was changed");
    let json = env.graft(["apply", "--json", "changes.sql"]).expect(1).stdout();
    assert!(json.contains("\"applied\":false") && json.contains("\"table\":\"product\""), "{json}");
}

#[test]
fn a_script_for_another_schema_is_refused_in_few_words() {
    let env = recorded(
        "CREATE TABLE fresh (x); INSERT INTO fresh VALUES ('kept out of messages'); DELETE FROM product WHERE id = 1",
    );
    let script = std::fs::read_to_string(env.path("changes.sql")).expect("the script");
    env.graft(["apply", "changes.sql"]).ok();
    // Once more: the table is there already.
    let again = env.graft(["apply", "changes.sql"]);
    let said = again.expect(1).stderr();
    assert!(said.contains("conflict in the schema: table fresh already exists: CREATE TABLE fresh (x)"), "{said}");
    assert!(!said.contains("kept out") && said.lines().count() < 5, "{said}");
    let json = env.graft(["apply", "--json", "changes.sql"]).expect(1).stdout();
    assert!(json.contains("\"table\":null") && json.contains("\"row\":\"CREATE TABLE fresh (x)\""), "{json}");
    // A part of a script is none, and changes nothing.
    env.graft(["restore", "--force", "--source", "HEAD~1", "shop.db"]).ok();
    let before = std::fs::read(env.path("shop.db")).expect("the shop");
    for (cut, why) in [("COMMIT;", "cut off"), ("BEGIN IMMEDIATE;", "outside of its transaction")] {
        std::fs::write(env.path("part.sql"), script.replace(cut, "")).expect("a file");
        env.graft(["apply", "part.sql"]).fails(&[why]);
        assert!(std::fs::read(env.path("shop.db")).expect("the shop") == before, "the database was changed");
    }
}

#[test]
fn scripts_and_changesets_carry_over_the_rows_that_were_picked() {
    let env = shop();
    let shop = env.path("shop.db");
    sql(
        &shop,
        "UPDATE product SET price = 99 WHERE id = 1; DELETE FROM product WHERE id = 3; INSERT INTO product VALUES (9, 'n', 1, x'');
         UPDATE tag SET uses = 50 WHERE word = 'hot'; PRAGMA user_version = 7; CREATE INDEX by_price ON product (price)",
    );
    let picks: [(&[&str], &str); 4] = [
        (&["--where", "price = 99"], "0 inserted, 0 deleted, 1 updated"),
        (&["--diff-filter", "AD"], "1 inserted, 1 deleted, 0 updated"),
        (&["-t", "product", "--diff-filter=d", "--where", "id > 0"], "1 inserted, 0 deleted, 1 updated"),
        (&["-t", "tag"], "0 inserted, 0 deleted, 1 updated"),
    ];
    std::fs::copy(&shop, env.path("changed.db")).expect("a copy");
    for (options, expected) in picks {
        let script = env.graft([&["diff", "--sql"], options].concat()).ok();
        assert!(!script.contains("user_version") && !script.contains("by_price"), "{options:?}: {script}");
        std::fs::write(env.path("picked.sql"), &script).expect("a file");
        env.graft([&["diff", "--changeset=picked.bin"], options].concat()).ok();
        let shown = env.graft([&["diff", "--csv"], options].concat()).ok();
        for file in ["picked.sql", "picked.bin"] {
            env.graft(["restore", "--force", "shop.db"]).ok();
            let said = env.graft(["apply", file, "shop.db"]).expect(0).stderr();
            assert!(said.contains(expected), "{options:?} {file}: {said}");
            assert_eq!(env.graft(["diff", "--csv"]).ok(), shown, "{options:?} {file}");
        }
        std::fs::copy(env.path("changed.db"), &shop).expect("a copy");
    }
    // Rows of a table that differs in more than rows cannot be picked; other tables can.
    sql(&shop, "ALTER TABLE product ADD COLUMN origin DEFAULT 'here'");
    for to in ["--sql", "--changeset=no.bin"] {
        env.graft(["diff", to, "--where", "price = 99"]).refused(&["product", "definition"]);
    }
    assert!(env.graft(["diff", "--sql", "--where", "uses = 50"]).ok().contains("UPDATE \"tag\""));
    env.graft(["diff", "--sql", "--limit", "1"]).wrong_usage(&["--sql", "--limit"]);
}

#[test]
fn changesets_carry_rows_and_name_what_does_not_fit() {
    let env = shop();
    sql(
        &env.path("shop.db"),
        "UPDATE product SET price = 2.75 WHERE id = 1; DELETE FROM product WHERE id = 3; INSERT INTO product VALUES (9, 'n', 1, x'');
         INSERT INTO note VALUES ('third'); UPDATE tag SET word = 'warm' WHERE word = 'hot'",
    );
    env.graft(["diff", "--changeset", "changes.bin"]).ok();
    env.graft(["commit", "-qam", "Change the shop"]).ok();
    env.graft(["restore", "--force", "--source", "HEAD~1", "shop.db"]).ok();
    env.graft(["apply", "changes.bin"]).expect(2);
    env.graft(["apply", "changes.bin", "shop.db"]).ok();
    let left = env.graft(["diff", "HEAD"]).ok();
    assert!(!left.contains("@@"), "{left}");
    let again = env.graft(["apply", "changes.bin", "shop.db"]);
    let said = again.expect(1).stderr();
    assert!(said.contains("conflict in product: key 3: there is no such row"), "{said}");
    assert!(said.contains("conflict in product: key 9: there is a row with this key"), "{said}");
    // Tables that are not there are not passed over in silence.
    sql(&env.path("other.db"), "CREATE TABLE product (id INTEGER PRIMARY KEY)");
    let said = env.graft(["apply", "changes.bin", "other.db"]).expect(1).stderr();
    for missing in ["there is no table note", "table product has fewer columns", "there is no table tag"] {
        assert!(said.contains(missing), "{missing:?} is not in {said}");
    }
    assert_eq!(number(&env.path("other.db"), "SELECT count(*) FROM product"), 0);
    // What a changeset cannot hold is refused.
    sql(&env.path("shop.db"), "ALTER TABLE note ADD COLUMN author");
    env.graft(["diff", "--changeset", "no.bin"]).refused(&["note", "definition"]);
    assert!(!env.path("no.bin").exists());
    // A name that is surely none of a file to write.
    env.graft(["diff", "--changeset", "HEAD~1", "HEAD"])
        .wrong_usage(&["'HEAD~1' is a revision", "--changeset=changes.bin"]);
    env.graft(["diff", "--changeset", "shop.db"]).wrong_usage(&["'shop.db' is a database"]);
    assert!(!env.path("HEAD~1").exists());
}

#[test]
fn triggers_and_foreign_keys_do_nothing_while_applying() {
    let env = TestEnvironment::init();
    let db = env.path("t.db");
    sql(
        &db,
        "CREATE TABLE parent (id INTEGER PRIMARY KEY, n);
         CREATE TABLE child (id INTEGER PRIMARY KEY, parent REFERENCES parent ON DELETE CASCADE, u UNIQUE ON CONFLICT REPLACE);
         CREATE TABLE log (what);
         CREATE TRIGGER on_child AFTER INSERT ON child BEGIN INSERT INTO log VALUES ('child ' || new.id); END;
         CREATE TRIGGER on_parent AFTER DELETE ON parent BEGIN INSERT INTO log VALUES ('parent; gone'); END;
         INSERT INTO parent VALUES (1, 1), (2, 2); INSERT INTO child VALUES (1, 1, 'a'), (2, 2, 'b'); DELETE FROM log",
    );
    env.graft(["add", "."]).ok();
    env.graft(["commit", "-qm", "one"]).ok();
    // The values of a unique column change places, and a parent goes while its child stays.
    sql(
        &db,
        "PRAGMA foreign_keys = OFF; DELETE FROM parent WHERE id = 1; UPDATE child SET u = 'c' WHERE id = 1;
         UPDATE child SET u = 'a' WHERE id = 2; UPDATE child SET u = 'b' WHERE id = 1; INSERT INTO child VALUES (7, 9, 'z');
         DELETE FROM log WHERE what LIKE 'parent%'",
    );
    let script = env.graft(["diff", "--sql"]).ok();
    std::fs::write(env.path("s.sql"), &script).expect("a file");
    env.graft(["diff", "--changeset", "s.bin"]).ok();
    env.graft(["commit", "-qam", "two"]).ok();
    for changes in ["s.sql", "s.bin"] {
        env.graft(["restore", "--force", "--source", "HEAD~1", "t.db"]).ok();
        let said = env.graft(["apply", changes, "t.db"]).expect(1).stderr();
        for dangling in
            ["conflict in child: rowid 1, \"parent\" = 1: it refers to a row of parent", "rowid 7", "2 conflicts"]
        {
            assert!(said.contains(dangling), "{changes}: {dangling:?} is not in {said}");
        }
        env.graft(["apply", "--no-verify", changes, "t.db"]).ok();
        let left = env.graft(["diff", "HEAD"]).ok();
        assert!(!left.contains("@@") && !left.contains("trigger"), "{changes}: {left}");
    }
}

#[test]
fn a_database_in_use_is_changed_under_the_eyes_of_its_application() {
    let env = recorded("UPDATE tag SET uses = 50 WHERE word = 'hot'");
    let mut app = App::open(&env.path("shop.db"));
    app.sql("SELECT count(*) FROM tag");
    env.graft(["apply", "changes.sql"]).ok();
    assert_eq!(app.number("SELECT uses FROM tag WHERE word = 'hot'"), 50);
    env.graft(["restore", "--force", "--source", "HEAD~1", "shop.db"]).ok();
    app.sql("BEGIN IMMEDIATE");
    env.graft(["--busy-timeout", "50", "apply", "changes.sql"]).refused(&["locked", &app.pid().to_string()]);
    app.sql("ROLLBACK");
    env.graft(["apply", "changes.sql"]).ok();
}

#[test]
fn only_what_graft_wrote_is_applied() {
    let env = shop();
    std::fs::write(env.path("own.sql"), "DROP TABLE product;").expect("a file");
    env.graft(["apply", "own.sql", "shop.db"]).refused(&["neither a script"]);
    std::fs::write(env.path("torn.bin"), [b'T', 3, 1, 0]).expect("a file");
    env.graft(["apply", "torn.bin", "shop.db"]).refused(&["neither a script"]);
    env.graft(["apply", "missing.sql"]).fails(&["missing.sql"]);
    sql(&env.path("shop.db"), "UPDATE product SET price = 1 WHERE id = 1");
    let script = env.graft(["diff", "--sql"]).ok();
    env.graft(["restore", "--force", "shop.db"]).ok();
    let (head, end) = script.split_at(script.find("UPDATE \"product\"").expect("the row"));
    for (evil, why) in [
        ("ATTACH 'evil.db' AS evil;", "another database is attached"),
        ("PRAGMA writable_schema = ON;\nDELETE FROM sqlite_master;", "writes the schema itself"),
        (
            "PRAGMA writable_schema = ON;\nUPDATE main.sqlite_master SET sql = 'CREATE TABLE tag (other)' WHERE name = 'tag';
             PRAGMA writable_schema = OFF;",
            "writes the schema itself",
        ),
    ] {
        std::fs::write(env.path("evil.sql"), format!("{head}{evil}\n{end}")).expect("a file");
        env.graft(["apply", "evil.sql"]).fails(&[why]);
        assert!(!env.path("evil.db").exists());
        env.graft(["diff", "--exit-code"]).expect(0);
    }
    // What does not say what it was made from may destroy anything.
    let bare = "-- graft diff --sql: shop.db\nBEGIN IMMEDIATE;\nDROP TABLE product;\nCOMMIT;\n";
    std::fs::write(env.path("bare.sql"), bare).expect("a file");
    env.graft(["apply", "bare.sql"]).fails(&["does not say what it was made from"]);
    assert_eq!(number(&env.path("shop.db"), "SELECT count(*) FROM product"), 3);
}
