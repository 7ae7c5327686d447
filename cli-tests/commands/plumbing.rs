//! `rev-parse`, `cat-file`, `ls-tree`, `fsck`: looking inside.

use snapbox::assert_data_eq;
use snapbox::str;

use super::{change, small_history};
use crate::env::TestEnvironment;

#[test]
fn rev_parse_resolves_names_to_ids() {
    let env = small_history();
    let head = env.graft(["rev-parse", "HEAD"]).ok().trim().to_owned();
    assert!(head.len() == 64 && head.bytes().all(|b| b.is_ascii_hexdigit()), "{head}");
    let older = env.graft(["rev-parse", "HEAD~1"]).ok().trim().to_owned();
    for (name, wanted) in [
        ("@", &head),
        ("main", &head),
        ("refs/heads/main", &head),
        ("heads/main", &head),
        (&head[..], &head),
        (&head[..10], &head),
        ("HEAD^{commit}", &head),
        ("HEAD^0", &head),
        ("HEAD^", &older),
        ("HEAD^1", &older),
        ("HEAD@{1}", &older),
        ("main@{1}", &older),
        (":/Add", &older),
    ] {
        assert_eq!(env.graft(["rev-parse", name]).ok().trim(), wanted, "{name}");
    }
    let tree = env.graft(["rev-parse", "HEAD^{tree}"]).ok();
    assert_eq!(env.graft(["cat-file", "-t", tree.trim()]).ok(), "tree\n");
    let snapshot = env.graft(["rev-parse", "HEAD:app.db"]).ok();
    assert_eq!(env.graft(["cat-file", "-t", snapshot.trim()]).ok(), "snapshot\n");
    let both = env.graft(["rev-parse", "HEAD", "HEAD~1"]).ok();
    assert_eq!(both, format!("{head}\n{older}\n"));
    env.graft(["rev-parse", "HEAD^2"]).refused(&["HEAD^2"]);
    env.graft(["rev-parse", "HEAD:nothing.db"]).refused(&["nothing.db"]);
}

#[test]
fn an_ambiguous_prefix_lists_its_candidates() {
    let env = TestEnvironment::init();
    // Four hexadecimal digits are soon shared by two of many objects.
    let mut seen = std::collections::BTreeMap::<String, usize>::new();
    let mut shared = None;
    for round in 0..2000 {
        env.graft(["commit", "--allow-empty", "-qm", &round.to_string()]).ok();
        let id = env.graft(["rev-parse", "HEAD"]).ok();
        let count = seen.entry(id[..4].to_owned()).or_default();
        *count += 1;
        if *count == 2 {
            shared = Some(id[..4].to_owned());
            break;
        }
    }
    let prefix = shared.expect("two of two thousand commits share four digits");
    let message = env.graft(["rev-parse", &prefix]).refused(&[&prefix, "ambiguous"]);
    let candidates = message.matches(&prefix).count();
    assert!(candidates >= 3, "the candidates are not listed: {message}");
}

#[test]
fn what_looking_inside_shows() {
    let env = small_history();
    let commands: [&[&str]; 9] = [
        &["cat-file", "-t", "HEAD"],
        &["cat-file", "-p", "HEAD"],
        &["cat-file", "-p", "HEAD^{tree}"],
        &["cat-file", "-p", "HEAD~1:app.db"],
        &["cat-file", "-s", "HEAD^{tree}"],
        &["ls-tree", "HEAD"],
        &["ls-tree", "-r", "HEAD"],
        &["ls-tree", "HEAD", "data"],
        &["fsck"],
    ];
    assert_data_eq!(
        env.session(&commands),
        str![[r#"
$ graft cat-file -t HEAD
commit
$ graft cat-file -p HEAD
tree <id1>
parent <id2>
author Ada Author <ada@example.org> 1772319840 +0100
committer Carl Committer <carl@example.org> 1772319840 +0100

Count the items

And keep a log of it.
$ graft cat-file -p HEAD^{tree}
100644 snapshot <id3>	app.db
100644 snapshot <id4>	data/log.db
$ graft cat-file -p HEAD~1:app.db
kind sqlite
volume <gid1>
bytes 24576
pages 6
log <gid2> 1..1
  1 <id5>
$ graft cat-file -s HEAD^{tree}
153
$ graft ls-tree HEAD
100644 snapshot <id3>	app.db
040000 folder -	data
$ graft ls-tree -r HEAD
100644 snapshot <id3>	app.db
100644 snapshot <id4>	data/log.db
$ graft ls-tree HEAD data
040000 folder -	data
$ graft fsck
2> checked 2 refs, 4 reflog entries, 2 commits, 2 trees, 3 snapshots, 3 storage commits, 44 KiB of pages: no problems

"#]]
    );
}

#[test]
fn fsck_of_a_sound_repository_is_silent_about_problems() {
    let env = small_history();
    change(&env.path("app.db"));
    env.graft(["add", "app.db"]).ok();
    env.graft(["fsck"]).ok();
    env.graft(["fsck", "--rebuild-index"]).ok();
    env.graft(["fsck"]).ok();
    assert_eq!(env.graft(["status", "--porcelain"]).ok(), "M  app.db\n");
    let empty = TestEnvironment::init();
    empty.graft(["fsck"]).ok();
}
