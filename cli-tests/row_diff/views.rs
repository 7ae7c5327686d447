//! The views of `diff`, what they can be narrowed to, and what is said where something is misspelled.

use snapbox::assert_data_eq;
use snapbox::str;

use super::{CHANGES, lines, shop};
use crate::database::sql;
use crate::env::TestEnvironment;

#[test]
fn two_files_stand_under_their_own_names() {
    let env = TestEnvironment::empty();
    std::fs::create_dir(env.path("sub")).expect("a folder");
    sql(&env.path("a.db"), "CREATE TABLE t (x)");
    sql(&env.path("sub/b.db"), "CREATE TABLE t (x); INSERT INTO t VALUES (1)");
    let head = |args: &[&str]| {
        let said = env.graft([&["diff", "--no-index"], args].concat()).expect(1).stdout();
        said.lines().next().map(str::to_owned)
    };
    assert_eq!(head(&["a.db", "sub/b.db"]).as_deref(), Some("diff --graft a/a.db b/sub/b.db"));
    assert_eq!(head(&["-R", "a.db", "sub/b.db"]).as_deref(), Some("diff --graft a/sub/b.db b/a.db"));
    assert_eq!(head(&["./a.db", "sub/b.db"]).as_deref(), Some("diff --graft a/a.db b/sub/b.db"));
    assert_eq!(head(&["/dev/null", "a.db"]).as_deref(), Some("diff --graft a/a.db b/a.db"));
    assert_eq!(head(&["a.db", "/dev/null"]).as_deref(), Some("diff --graft a/a.db b/a.db"));
}

#[test]
fn an_empty_file_that_becomes_a_database_shows_its_rows() {
    let env = TestEnvironment::init();
    std::fs::write(env.path("app.db"), "").expect("an empty file");
    env.graft(["add", "app.db"]).ok();
    env.graft(["commit", "-qm", "Empty"]).ok();
    sql(&env.path("app.db"), "CREATE TABLE t (x); INSERT INTO t VALUES (1)");
    let wanted = "table t created\n+CREATE TABLE t (x)\n@@ t (by rowid): 1 inserted @@\n+rowid=1 x=1\n";
    let worktree = env.graft(["diff"]).ok();
    assert!(worktree.ends_with(wanted), "{worktree}");
    env.graft(["add", "app.db"]).ok();
    assert_eq!(env.graft(["diff", "--cached"]).ok(), worktree);
    env.graft(["commit", "-qm", "Filled"]).ok();
    let log = env.graft(["log", "-1", "-p", "--format=%s"]).ok();
    assert!(log.ends_with(&worktree), "{log}");
    // The other way round as well.
    std::fs::write(env.path("app.db"), "").expect("an empty file");
    let gone = env.graft(["diff"]).ok();
    assert!(
        gone.ends_with("table t dropped\n-CREATE TABLE t (x)\n@@ t (by rowid): 1 deleted @@\n-rowid=1 x=1\n"),
        "{gone}"
    );
}

/// Two databases that differ in what a full-text index holds and in nothing else.
fn full_text(before: &str, change: &str) -> TestEnvironment {
    let env = TestEnvironment::empty();
    sql(&env.path("a.db"), before);
    sql(&env.path("b.db"), &format!("{before}; {change}"));
    env
}

#[test]
fn what_an_index_without_text_loses_is_said() {
    let made = "CREATE TABLE k (a); CREATE VIRTUAL TABLE f USING fts5 (body, content='')";
    let filled = "INSERT INTO f (rowid, body) VALUES (1, 'alpha'), (2, 'beta')";
    for (before, change) in [
        (made.to_owned(), filled.to_owned()),
        ("CREATE TABLE k (a)".to_owned(), format!("{made}; {filled}").replace("CREATE TABLE k (a);", "")),
        (format!("{made}; {filled}"), "INSERT INTO f (f, rowid, body) VALUES ('delete', 1, 'alpha')".to_owned()),
        (
            "CREATE VIRTUAL TABLE f USING fts4 (content='', body)".to_owned(),
            "INSERT INTO f (docid, body) VALUES (1, 'alpha')".to_owned(),
        ),
    ] {
        let env = full_text(&before, &change);
        let diff = |how: &[&str]| env.graft([&["diff", "--no-index"], how, &["a.db", "b.db"]].concat());
        let said = diff(&[]).expect(1).stdout();
        assert!(said.contains("what f indexes differs; it keeps no rows of its own"), "{change}: {said}");
        let stat = diff(&["--stat"]).stdout();
        assert!(stat.contains("f | differs, but has no rows of its own"), "{change}: {stat}");
        let json = lines(&diff(&["--json"]));
        assert!(json.iter().any(|l| l["type"] == "unshown" && l["table"] == "f"), "{change}: {json:?}");
        let script = diff(&["--sql"]);
        assert!(
            script.stderr().contains("the script does not carry over what f indexes"),
            "{change}: {}",
            script.stderr()
        );
        if !change.contains("CREATE") {
            let changes = diff(&["--changeset=out.bin"]);
            assert!(changes.stderr().contains("the changeset does not carry over what f indexes"), "{change}");
        }
    }
    // An index that is new and empty, one that was not touched, and one that follows its rows leave nothing to say.
    let rows = "CREATE TABLE d (id INTEGER PRIMARY KEY, body); INSERT INTO d VALUES (1, 'one');
                CREATE VIRTUAL TABLE f USING fts5 (body, content='d', content_rowid='id'); INSERT INTO f (f) VALUES ('rebuild')";
    for (before, change) in [
        ("CREATE TABLE k (a)", "CREATE VIRTUAL TABLE f USING fts5 (body, content='')"),
        (&*format!("{made}; {filled}"), "INSERT INTO k VALUES (1); VACUUM"),
        (rows, "INSERT INTO d VALUES (2, 'two'); INSERT INTO f (f) VALUES ('rebuild')"),
    ] {
        let env = full_text(before, change);
        let diff = |how: &[&str]| env.graft([&["diff", "--no-index"], how, &["a.db", "b.db"]].concat());
        let said = diff(&[]).expect(1).stdout();
        assert!(!said.contains("indexes"), "{change}: {said}");
        assert_eq!(diff(&["--sql"]).stderr(), "", "{change}");
    }
    // A stale index that is made again is a change, and the script makes it.
    let stale = rows.replace("INSERT INTO f (f) VALUES ('rebuild')", "");
    let env = full_text(&stale, "INSERT INTO f (f) VALUES ('rebuild')");
    let said = env.graft(["diff", "--no-index", "a.db", "b.db"]).stdout();
    assert!(said.contains("what f indexes differs"), "{said}");
    let script = env.graft(["diff", "--no-index", "--sql", "a.db", "b.db"]);
    assert!(script.stdout().contains("VALUES ('rebuild');") && script.stderr().is_empty(), "{script}");
}

#[test]
fn what_every_view_says() {
    let env = shop();
    sql(&env.path("shop.db"), CHANGES);
    let commands: [&[&str]; 9] = [
        &["diff"],
        &["diff", "--stat"],
        &["diff", "--summary"],
        &["diff", "--name-only"],
        &["diff", "--name-status"],
        &["diff", "--schema"],
        &["diff", "--csv", "-t", "tag"],
        &["diff", "-R", "-t", "tag"],
        &["diff", "--pages"],
    ];
    assert_data_eq!(
        env.session(&commands),
        str![[r#"
$ graft diff
diff --graft a/shop.db b/shop.db
index product_name created
+CREATE INDEX product_name ON product (name)
table note altered: column author added
-CREATE TABLE note (body TEXT)
+CREATE TABLE note (body TEXT, author TEXT DEFAULT 'nobody')
setting user_version: 0 → 7
@@ note (by rowid): 1 updated @@
~rowid=2 author: absent → 'Ada'
@@ product (key id): 1 inserted, 1 deleted, 1 updated @@
~id=1 price: 2.5 → 2.75
-id=3 name='cake' price=4.0 photo=NULL
+id=9 name='it/'s "new"' price=1e-20 photo=blob(2 KiB, 3c0d138b)
@@ tag (key word): 1 inserted @@
+word='new' uses=NULL
$ graft diff --stat
 shop.db | 6 pages, 24 KiB of 20 KiB → 24 KiB
   2 schema changes
   note    | +0 -0 ~1
   product | +1 -1 ~1
   tag     | +1 -0 ~0
 1 file changed, 5 rows: 2 inserted, 1 deleted, 2 updated
$ graft diff --summary
 create index product_name in shop.db
 alter table note in shop.db
$ graft diff --name-only
shop.db
$ graft diff --name-status
M	shop.db
$ graft diff --schema
diff --graft a/shop.db b/shop.db
index product_name created
+CREATE INDEX product_name ON product (name)
table note altered: column author added
-CREATE TABLE note (body TEXT)
+CREATE TABLE note (body TEXT, author TEXT DEFAULT 'nobody')
setting user_version: 0 → 7
$ graft diff --csv -t tag
file,table,op,key,column,old,new
shop.db,tag,insert,word=new,word,,new
shop.db,tag,insert,word=new,uses,,
$ graft diff -R -t tag
diff --graft a/shop.db b/shop.db
@@ tag (key word): 1 deleted @@
-word='new' uses=NULL
$ graft diff --pages
shop.db: 6 pages of 4 KiB, 24 KiB; file 20 KiB → 24 KiB
  1-6

"#]]
    );
}

#[test]
fn json_has_typed_values() {
    let env = shop();
    sql(&env.path("shop.db"), CHANGES);
    let lines = env.graft(["diff", "--json"]).ndjson();
    assert!(lines.iter().all(|line| line["schema"] == "graft.diff/1"));
    let of = |kind: &str| lines.iter().filter(|line| line["type"] == kind).collect::<Vec<_>>();
    assert_eq!(of("file").len(), 1);
    let update =
        of("row").into_iter().find(|row| row["op"] == "update" && row["table"] == "product").expect("an update");
    assert_eq!(
        (&update["key"]["id"], &update["old"]["price"], &update["new"]["price"]),
        (&1.into(), &2.5.into(), &2.75.into())
    );
    assert_eq!(update["new"].as_object().expect("cells").len(), 1, "only the cells that differ: {update}");
    let insert =
        of("row").into_iter().find(|row| row["op"] == "insert" && row["table"] == "product").expect("an insert");
    assert_eq!(insert["new"]["price"], 1e-20);
    assert!(insert["new"]["photo"]["$blob"].as_str().is_some_and(|text| text.len() == 2668), "{insert}");
    let ends: Vec<_> =
        of("table_end").iter().map(|t| (t["inserted"].clone(), t["deleted"].clone(), t["updated"].clone())).collect();
    assert_eq!(ends, [(0.into(), 0.into(), 1.into()), (1.into(), 1.into(), 1.into()), (1.into(), 0.into(), 0.into())]);
}

#[test]
fn rows_can_be_chosen() {
    let env = shop();
    sql(&env.path("shop.db"), CHANGES);
    let lines = |args: &[&str]| -> Vec<String> {
        let text = env.graft([&["diff", "-t", "product"], args].concat()).ok();
        text.lines().filter(|l| l.starts_with(['+', '-', '~']) && l.contains('=')).map(|l| l[..4].to_owned()).collect()
    };
    assert_eq!(lines(&["--where", "id >= 3"]), ["-id=", "+id="]);
    assert_eq!(lines(&["--where", "name LIKE 'c%'"]), ["-id="]);
    // The row as it was or as it is.
    assert_eq!(lines(&["--where", "price = 2.5"]), ["~id="]);
    assert_eq!(lines(&["--where", "price = 2.75"]), ["~id="]);
    assert_eq!(lines(&["--diff-filter=AD"]), ["-id=", "+id="]);
    assert_eq!(lines(&["--diff-filter=m"]), ["-id=", "+id="]);
    let limited = env.graft(["diff", "-t", "product", "--limit", "1"]).ok();
    assert!(limited.contains("2 more rows not shown (--limit 1)"), "{limited}");
    let stat = env.graft(["diff", "--stat", "--where", "id = 9"]).ok();
    assert!(stat.contains("product | +1 -0 ~0"), "{stat}");
}

#[test]
fn a_limit_counts_rows_that_are_not_shown() {
    let env = TestEnvironment::init();
    sql(&env.path("app.db"), "CREATE TABLE t (x)");
    env.graft(["add", "app.db"]).ok();
    sql(&env.path("app.db"), "INSERT INTO t VALUES (1), (1), (1), (2)");
    let diff = |args: &[&str]| env.graft([&["diff", "--identity=bag"], args].concat());
    // Equal rows stand on one line.
    let one = diff(&["--limit=1"]).ok();
    assert!(one.contains("+x=1 (3 times)\n… 1 more row not shown (--limit 1)\n"), "{one}");
    let all = diff(&["--limit=2"]).ok();
    assert!(all.ends_with("+x=1 (3 times)\n+x=2\n"), "{all}");
    let omitted = |limit: &str| {
        let lines = diff(&["--json", limit]).ndjson();
        lines.iter().find(|line| line["type"] == "table_end").map(|line| line["omitted"].clone()).expect("a table")
    };
    assert_eq!((omitted("--limit=1"), omitted("--limit=2")), (1.into(), 0.into()));
}

#[test]
fn no_rows_are_shown_where_none_are_wanted() {
    let env = shop();
    sql(&env.path("shop.db"), CHANGES);
    let none = |format: &str| env.graft(["diff", "--limit=0", "-t", "product", format]).ok();
    assert!(none("--patch").contains("… 3 more rows not shown (--limit 0)"));
    assert_eq!(none("--csv"), "file,table,op,key,column,old,new\r\n");
}

#[test]
fn a_file_that_is_no_database_is_named_in_every_view() {
    let env = TestEnvironment::init();
    std::fs::write(env.path("notes.txt"), "one").expect("a file");
    env.graft(["add", "notes.txt"]).ok();
    std::fs::write(env.path("notes.txt"), "one two").expect("a file");
    let wanted = "diff --graft a/notes.txt b/notes.txt\nthe bytes differ: 3 B → 7 B\n";
    for view in [&["diff"][..], &["diff", "--diff-filter=M"], &["diff", "--diff-filter=d"], &["diff", "--schema"]] {
        assert_eq!(env.graft(view).ok(), wanted, "{view:?}");
    }
}

#[test]
fn exit_codes_are_gits() {
    let env = shop();
    env.graft(["diff", "--exit-code"]).expect(0);
    env.graft(["diff", "--quiet"]).expect(0);
    sql(&env.path("shop.db"), "UPDATE tag SET uses = 3 WHERE word = 'hot'");
    env.graft(["diff"]).expect(0);
    env.graft(["diff", "--exit-code"]).expect(1);
    let quiet = env.graft(["diff", "--quiet"]);
    assert_eq!((quiet.expect(1).stdout(), quiet.stderr()), (String::new(), String::new()));
    env.graft(["diff", "--exit-code", "-t", "tag"]).expect(1);
    env.graft(["diff", "--exit-code", "-t", "product"]).expect(0);
    env.graft(["diff", "--exit-code", "--staged"]).expect(0);
    env.graft(["add", "."]).ok();
    env.graft(["diff", "--exit-code"]).expect(0);
    env.graft(["diff", "--exit-code", "--staged"]).expect(1);
    env.graft(["diff", "--exit-code", "HEAD"]).expect(1);
}

#[test]
fn what_is_misspelled_is_an_error_with_a_suggestion() {
    let env = shop();
    sql(&env.path("shop.db"), CHANGES);
    let path = env.graft(["diff", "--", "shpo.db"]).refused(&["'shpo.db' is not tracked"]);
    assert!(path.contains("did you mean 'shop.db'?"), "{path}");
    let word = env.graft(["diff", "mian"]).refused(&["'mian' is neither a revision nor a tracked file"]);
    assert!(word.contains("did you mean 'main'?"), "{word}");
    let table = env.graft(["diff", "-t", "prodcut"]).refused(&["no table is called 'prodcut'"]);
    assert!(table.contains("did you mean 'product'?"), "{table}");
    // A table that is there but does not differ is no error.
    env.graft(["diff", "--stat", "-t", "n*"]).ok();
    env.graft(["diff", "--where", "prise > 1"]).wrong_usage(&["'prise > 1' is no condition", "no such column: prise"]);
    env.graft(["diff", "--diff-filter=Z"]).wrong_usage(&["'Z'"]);
}

#[test]
fn revisions_ranges_and_states_of_one_file() {
    let env = shop();
    sql(&env.path("shop.db"), "UPDATE tag SET uses = 3 WHERE word = 'hot'");
    env.graft(["commit", "-qam", "two"]).ok();
    sql(&env.path("shop.db"), "UPDATE tag SET uses = 4 WHERE word = 'hot'");
    env.graft(["commit", "-qam", "three"]).ok();
    let uses = |args: &[&str]| {
        let text = env.graft([&["diff"], args].concat()).ok();
        text.lines().find(|l| l.starts_with('~')).unwrap_or("none").to_owned()
    };
    assert_eq!(uses(&["HEAD~2", "HEAD~1"]), "~word='hot' uses: 2 → 3");
    assert_eq!(uses(&["HEAD~2..HEAD"]), "~word='hot' uses: 2 → 4");
    assert_eq!(uses(&["HEAD~1.."]), "~word='hot' uses: 3 → 4");
    assert_eq!(uses(&["HEAD...HEAD~1"]), "none");
    assert_eq!(uses(&["HEAD~1...HEAD"]), "~word='hot' uses: 3 → 4");
    assert_eq!(uses(&["HEAD~1"]), "~word='hot' uses: 3 → 4");
    assert_eq!(uses(&["-R", "HEAD~1"]), "~word='hot' uses: 4 → 3");
    assert_eq!(uses(&["HEAD~2:shop.db", "HEAD:shop.db"]), "~word='hot' uses: 2 → 4");
    let shown = env.graft(["show", "-p", "HEAD~1"]).ok();
    assert!(shown.contains("~word='hot' uses: 2 → 3"), "{shown}");
    let log = env.graft(["log", "-p", "--oneline", "-n2"]).ok();
    assert_eq!(log.lines().filter(|l| l.starts_with('~')).count(), 2, "{log}");
}

#[test]
fn two_files_need_no_repository() {
    let env = crate::env::TestEnvironment::empty();
    sql(&env.path("a.db"), "CREATE TABLE t (id INTEGER PRIMARY KEY, n); INSERT INTO t VALUES (1, 1), (2, 2)");
    std::fs::copy(env.path("a.db"), env.path("b.db")).expect("a copy");
    env.graft(["diff", "--no-index", "a.db", "b.db"]).expect(0);
    sql(&env.path("b.db"), "UPDATE t SET n = 5 WHERE id = 2");
    let text = env.graft(["diff", "a.db", "b.db"]).expect(1).stdout();
    assert!(text.ends_with("~id=2 n: 2 → 5\n"), "{text}");
    let gone = env.graft(["diff", "--no-index", "--stat", "a.db", "/dev/null"]).expect(1).stdout();
    assert!(gone.contains("t | +0 -2 ~0"), "{gone}");
    env.graft(["diff", "--no-index", "a.db", "c.db"]).fails(&["c.db"]);
    // What a program has written to the WAL counts, and stays there.
    std::fs::copy(env.path("b.db"), env.path("a.db")).expect("a copy");
    let mut app = crate::app::App::open(&env.path("b.db"));
    app.sql("PRAGMA journal_mode = WAL");
    app.sql("INSERT INTO t VALUES (3, 3)");
    let text = env.graft(["diff", "--no-index", "a.db", "b.db"]).expect(1).stdout();
    assert!(text.contains("+id=3 n=3") && !text.contains("id=2"), "{text}");
    assert!(crate::database::has_sidecar(&env.path("b.db")));
}

#[test]
fn a_long_text_is_compared_word_by_word() {
    let env = shop();
    let text =
        "The quick brown fox jumps over the lazy dog, and then it rests for a long while under the old oak tree.";
    sql(&env.path("shop.db"), &format!("UPDATE note SET body = '{text}' WHERE rowid = 1"));
    env.graft(["commit", "-qam", "long"]).ok();
    sql(&env.path("shop.db"), "UPDATE note SET body = replace(body, 'lazy', 'sleepy') WHERE rowid = 1");
    let shown = env.graft(["diff"]).ok();
    assert!(shown.contains("[-lazy-]{+sleepy+}") && !shown.contains("oak tree"), "{shown}");
}

#[test]
fn whoever_reads_slowly_keeps_no_application_waiting() {
    use std::io::Read;
    let env = shop();
    sql(
        &env.path("shop.db"),
        "PRAGMA journal_mode = DELETE; WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 9000)
         INSERT INTO note SELECT printf('a note with number %d and some more words', i) FROM c",
    );
    let mut child = env.command(["diff"]).stdout(std::process::Stdio::piped()).spawn().expect("graft starts");
    let mut out = child.stdout.take().expect("a pipe");
    let mut text = vec![0; 1];
    out.read_exact(&mut text).expect("the beginning of the text");
    // More is to come than fits into the pipe, and nobody reads it.
    let app = rusqlite::Connection::open(env.path("shop.db")).expect("the database opens");
    app.execute_batch("UPDATE tag SET uses = 8").expect("nobody holds a lock");
    out.read_to_end(&mut text).expect("the rest");
    assert!(child.wait().expect("it ends").success());
    assert!(text.len() > 400_000, "{} bytes", text.len());
}

#[test]
fn a_renamed_file_is_known_by_its_volume() {
    let env = shop();
    env.graft(["mv", "shop.db", "store.db"]).ok();
    let whole = |text: &str| text.contains("rename from shop.db\nrename to store.db") && !text.contains("@@");
    // Nothing but the name differs, against the index and the worktree alike.
    for args in [&["diff", "--staged"][..], &["diff", "HEAD"]] {
        let text = env.graft(args).ok();
        assert!(whole(&text), "{args:?}: {text}");
        assert!(env.graft([args, &["--stat"]].concat()).ok().contains("shop.db => store.db"), "{args:?}");
        assert_eq!(env.graft([args, &["--name-status"]].concat()).ok(), "R\tshop.db\tstore.db\n", "{args:?}");
        let json = env.graft([args, &["--json"]].concat()).ndjson();
        assert_eq!(json[0]["renamed_from"], "shop.db", "{args:?}");
        assert_eq!(json[0]["change"], "renamed", "{args:?}");
        assert_eq!(env.graft([args, &["-t", "product"]].concat()).ok(), "", "{args:?}");
    }
    assert_eq!(env.graft(["diff"]).ok(), "");
    sql(&env.path("store.db"), "UPDATE tag SET uses = 77 WHERE word = 'hot'");
    let text = env.graft(["diff", "HEAD"]).ok();
    assert!(text.contains("rename to store.db") && text.contains("@@ tag (key word): 1 updated @@"), "{text}");
    let text = env.graft(["diff", "-R", "HEAD"]).ok();
    assert!(text.contains("rename from store.db\nrename to shop.db"), "{text}");
    std::fs::remove_file(env.path("store.db")).expect("there");
    assert_eq!(env.graft(["diff", "--name-status", "HEAD"]).ok(), "D\tshop.db\n");
}

#[test]
fn a_file_that_is_gone_is_described_as_it_was() {
    let env = shop();
    std::fs::write(env.path("note"), "hello").expect("a file");
    env.graft(["add", "note"]).ok();
    env.graft(["commit", "-qm", "A note"]).ok();
    std::fs::remove_file(env.path("note")).expect("there");
    let line = env.graft(["diff", "--json"]).json();
    assert_eq!((&line["change"], &line["kind"], &line["bytes"]), (&"deleted".into(), &"opaque".into(), &5.into()));
    assert_eq!(env.graft(["diff", "--json", "HEAD"]).json(), line);
}

#[test]
fn where_nothing_is_yet_that_is_said() {
    let env = crate::env::TestEnvironment::init();
    for args in [&["diff", "HEAD"][..], &["diff", "--staged", "HEAD"], &["diff", "HEAD", "--", "x.db"]] {
        env.graft(args).refused(&["the branch 'main' has no commits yet"]);
    }
    for args in [&["diff", "."][..], &["diff"], &["diff", "--staged"]] {
        assert_eq!(env.graft(args).ok(), "");
    }
    env.graft(["restore", "."]).refused(&["'.'"]);
    env.graft(["rm", "-r", "."]).refused(&["'.'"]);
}
