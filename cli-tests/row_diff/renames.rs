//! Columns and tables with new names: what proves a rename, and what is shown of it.

use std::path::Path;

use snapbox::assert_data_eq;
use snapbox::str;

use super::lines;
use crate::database::sql;
use crate::env::TestEnvironment;

const CUSTOMERS: &str =
    "CREATE TABLE cust (id INTEGER PRIMARY KEY, name TEXT, mail TEXT); CREATE INDEX mails ON cust (mail);
    INSERT INTO cust VALUES (1, 'Ann', 'ann@x'), (2, 'Bob', 'bob@x'), (3, 'Cyd', 'cyd@x')";

/// Two databases, `old.db` and `new.db`, the latter changed.
fn pair(before: &str, change: &str) -> TestEnvironment {
    let env = TestEnvironment::empty();
    for (name, script) in [("old.db", before.to_owned()), ("new.db", format!("{before}; {change}"))] {
        sql(&env.path(name), &script);
    }
    env
}

fn shown(change: &str) -> String {
    let env = pair(CUSTOMERS, change);
    env.session(&[&["diff", "--no-index", "old.db", "new.db"], &["diff", "--no-index", "--stat", "old.db", "new.db"]])
}

#[test]
fn a_renamed_column_is_compared_under_its_new_name() {
    assert_data_eq!(
        shown("ALTER TABLE cust RENAME COLUMN mail TO email; UPDATE cust SET email = NULL WHERE id = 3"),
        str![[r#"
$ graft diff --no-index old.db new.db
diff --graft a/old.db b/new.db
table cust altered: column mail renamed to email
@@ cust (key id): 1 updated @@
~id=3 email: 'cyd@x' → NULL
=> 1
$ graft diff --no-index --stat old.db new.db
 new.db | 3 pages, 12 KiB of 12 KiB
   2 schema changes
   cust | +0 -0 ~1
 1 file changed, 1 row: 1 updated
=> 1

"#]]
    );
    // Nothing but the rename: one line, and no row.
    assert_data_eq!(
        shown("ALTER TABLE cust RENAME COLUMN mail TO email"),
        str![[r#"
$ graft diff --no-index old.db new.db
diff --graft a/old.db b/new.db
table cust altered: column mail renamed to email
=> 1
$ graft diff --no-index --stat old.db new.db
 new.db | 1 page, 4 KiB of 12 KiB
   2 schema changes
 1 file changed, no rows
=> 1

"#]]
    );
}

#[test]
fn a_column_with_other_values_is_another_column() {
    for change in [
        "ALTER TABLE cust DROP COLUMN mail; ALTER TABLE cust ADD COLUMN phone TEXT",
        "ALTER TABLE cust RENAME COLUMN mail TO phone; UPDATE cust SET phone = NULL",
    ] {
        let said = shown(&format!("DROP INDEX mails; {change}"));
        assert!(said.contains("table cust altered: column mail dropped, column phone added\n"), "{change}: {said}");
        assert!(!said.contains("renamed"), "{change}: {said}");
    }
    // A new column with values of its own shows them.
    let said = shown(
        "DROP INDEX mails; ALTER TABLE cust DROP COLUMN mail; ALTER TABLE cust ADD COLUMN phone TEXT; UPDATE cust SET phone = '+1' WHERE id = 2",
    );
    assert!(said.contains("~id=2 phone: absent → '+1'\n") && said.contains(" 1 row: 1 updated\n"), "{said}");
}

#[test]
fn a_renamed_key_still_tells_rows_apart() {
    for (table, change) in [
        ("CREATE TABLE t (id INTEGER PRIMARY KEY, a)", "ALTER TABLE t RENAME COLUMN id TO nr"),
        ("CREATE TABLE t (id TEXT PRIMARY KEY, a)", "ALTER TABLE t RENAME COLUMN id TO nr"),
        ("CREATE TABLE t (id TEXT PRIMARY KEY, a) WITHOUT ROWID", "ALTER TABLE t RENAME COLUMN id TO nr"),
    ] {
        let env = pair(
            &format!("{table}; INSERT INTO t VALUES (1, 'x'), (2, 'y'), (3, 'z')"),
            &format!("{change}; UPDATE t SET a = 'new' WHERE nr = 2"),
        );
        let lines = lines(&env.graft(["diff", "--no-index", "--json", "old.db", "new.db"]));
        let rows: Vec<_> = lines.iter().filter(|l| l["type"] == "row").collect();
        assert_eq!(rows.len(), 1, "{table}: {lines:?}");
        assert_eq!((&rows[0]["op"], &rows[0]["new"]["a"]), (&"update".into(), &"new".into()), "{table}");
        assert!(rows[0]["key"]["nr"] == 2 || rows[0]["key"]["nr"] == "2", "{table}: {lines:?}");
    }
}

#[test]
fn a_renamed_table_is_compared_with_what_it_was() {
    assert_data_eq!(
        shown("ALTER TABLE cust RENAME TO person; UPDATE person SET name = 'Zoe' WHERE id = 1"),
        str![[r#"
$ graft diff --no-index old.db new.db
diff --graft a/old.db b/new.db
table cust renamed to person
@@ person (key id): 1 updated @@
~id=1 name: 'Ann' → 'Zoe'
=> 1
$ graft diff --no-index --stat old.db new.db
 new.db | 2 pages, 8 KiB of 12 KiB
   2 schema changes
   person | +0 -0 ~1
 1 file changed, 1 row: 1 updated
=> 1

"#]]
    );
    let said = shown("ALTER TABLE cust RENAME TO other; ALTER TABLE other RENAME TO Cust");
    assert!(said.contains("table cust renamed to Cust\n") && said.contains("no rows\n"), "{said}");
    let env = pair(CUSTOMERS, "ALTER TABLE cust RENAME TO person; ALTER TABLE person RENAME COLUMN mail TO email");
    let lines = lines(&env.graft(["diff", "--no-index", "--json", "old.db", "new.db"]));
    assert!(lines.iter().all(|l| l["type"] != "row"), "{lines:?}");
    let table = lines.iter().find(|l| l["kind"] == "table").expect("the table");
    assert_eq!((&table["name"], &table["renamed_from"]), (&"person".into(), &"cust".into()));
    let both = serde_json::json!([{ "change": "renamed", "name": "mail", "to": "email" }]);
    assert_eq!(table["columns"], both);
    let summary = env.graft(["diff", "--no-index", "--summary", "old.db", "new.db"]);
    assert!(summary.stdout().contains(" rename table cust => person in new.db\n"), "{}", summary.stdout());
    // Either name finds it.
    for name in ["cust", "person"] {
        let said = env.graft(["diff", "--no-index", "-t", name, "old.db", "new.db"]);
        assert!(said.stdout().contains("table cust renamed to person"), "{name}: {}", said.stdout());
    }
    // Another table in the place of the first has nothing to do with it.
    let said = shown(
        "DROP TABLE cust; CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT, mail TEXT); INSERT INTO person VALUES (1, 'x', 'y')",
    );
    assert!(said.contains("table cust dropped\n") && said.contains("table person created\n"), "{said}");
}

#[test]
fn a_script_gives_the_wanted_state_and_touches_only_rows_that_differ() {
    for (change, statements) in [
        ("ALTER TABLE cust RENAME COLUMN mail TO email; UPDATE cust SET email = NULL WHERE id = 3", 2),
        ("ALTER TABLE cust RENAME COLUMN id TO nr", 0),
        ("ALTER TABLE cust RENAME TO person; UPDATE person SET name = 'Zoe' WHERE id = 1", 3),
        ("ALTER TABLE cust RENAME TO other; ALTER TABLE other RENAME TO Cust", 3),
    ] {
        let env = pair(CUSTOMERS, change);
        let script = env.graft(["diff", "--no-index", "--sql", "old.db", "new.db"]).expect(1).stdout();
        let is_row = |l: &&str| {
            l.starts_with("DELETE FROM \"cust\"") || l.starts_with("INSERT INTO \"") && l.contains(") VALUES (")
        };
        let single = script.lines().filter(is_row).count();
        assert_eq!(single, statements, "{change}: {script}");
        std::fs::write(env.path("change.sql"), &script).expect("a script");
        std::fs::copy(env.path("old.db"), env.path("applied.db")).expect("a copy");
        env.graft(["apply", "change.sql", "applied.db"]).ok();
        let (applied, wanted) = (env.path("applied.db"), env.path("new.db"));
        let left = env.graft([Path::new("diff"), Path::new("--no-index"), &applied, &wanted]);
        assert!(!left.stdout().contains("table ") && !left.stdout().contains("@@"), "{change}: {}", left.stdout());
    }
}
