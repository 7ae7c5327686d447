//! Repositories are as docs/format.md describes them: a reader made from that page reads every state of every file.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::env::TestEnvironment;
use crate::format_reader::{Repository, files};

/// A database of many pages whose application commits small changes, shrinks it and lets it grow again.
struct Application(rusqlite::Connection, u64);

impl Application {
    fn create(path: &Path) -> Self {
        let app = Self(rusqlite::Connection::open(path).expect("a database"), 1);
        app.run("PRAGMA page_size = 1024; CREATE TABLE t (id INTEGER PRIMARY KEY, x)");
        app
    }

    fn run(&self, sql: &str) {
        self.0.execute_batch(sql).expect("valid SQL");
    }

    fn grow(&self, rows: u32) {
        self.run(&format!("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) INSERT INTO t (x) SELECT randomblob(500) FROM n"));
    }

    fn touch(&mut self) {
        self.1 = self.1 * 48271 % 0x7fff_ffff;
        self.run(&format!("UPDATE t SET x = randomblob(500) WHERE id % 997 = {}", self.1 % 997));
    }
}

/// Blanks the fields of a database's header in which a file written in place may differ from the stored state.
fn lasting(path: &str, mut content: Vec<u8>) -> Vec<u8> {
    if path.ends_with(".db") {
        [18..20, 24..28, 40..44, 92..100].into_iter().for_each(|field| content[field].fill(0));
    }
    content
}

#[test]
fn the_description_of_the_format_is_enough_to_read_a_repository() {
    let env = TestEnvironment::init();
    let mut app = Application::create(&env.path("app.db"));
    app.grow(8000);
    fs::create_dir(env.path("dir")).expect("a folder");
    fs::write(env.path("dir/ünï.txt"), "hello").expect("a file");
    fs::write(env.path("empty"), "").expect("a file");
    fs::write(env.path("run.sh"), "#!/bin/sh\n").expect("a file");
    fs::set_permissions(env.path("run.sh"), fs::Permissions::from_mode(0o755)).expect("a mode");

    // Every commit in order, with what the files held.
    let mut wanted: Vec<BTreeMap<String, Vec<u8>>> = Vec::new();
    for round in 0..80 {
        app.touch();
        match round {
            20 => app.run("DELETE FROM t WHERE id > 6000; VACUUM"),
            30 => app.grow(2000),
            40 => drop(fs::copy(env.path("app.db"), env.path("copy.db")).expect("a copy")),
            50 => fs::write(env.path("dir/ünï.txt"), vec![b'x'; 100_000]).expect("a file"),
            // What comes next forks from an old state.
            60 => drop(env.graft(["checkout", "-f", "HEAD~5", "--", "app.db"]).ok()),
            _ => {}
        }
        env.graft(["add", "-A"]).ok();
        env.graft(["commit", "-q", "-m", &format!("round {round}")]).ok();
        let held = files(env.repo()).into_iter().filter(|path| !path.starts_with(env.dot_graft()));
        let named = held.map(|path| (path.strip_prefix(env.repo()).expect("below").display().to_string(), path));
        wanted.push(named.map(|(name, path)| (name, fs::read(path).expect("a file"))).collect());
    }

    let mut repo = Repository::open(&env.dot_graft());
    let mut id = repo.resolve("HEAD");
    let staged = repo.commit(&id).2;
    assert!(repo.index().into_iter().map(|(path, _, snapshot)| (path, snapshot)).eq(staged));
    assert_eq!(repo.index().iter().map(|(_, flags, _)| flags & 3).collect::<Vec<_>>(), [0, 0, 2, 2, 3]);
    let last = wanted.len() - 1;
    for (round, wanted) in wanted.iter().enumerate().rev() {
        let (parents, generation, files) = repo.commit(&id);
        assert_eq!(generation, round as u64 + 1);
        assert!(files.keys().eq(wanted.keys()), "round {round}");
        for (path, snapshot) in &files {
            // Every state of the large files would take long and say no more.
            if path.ends_with(".db") && round % 5 != 0 && round != last {
                continue;
            }
            let (found, wanted) = (repo.file(snapshot), wanted[path].clone());
            assert!(lasting(path, found) == lasting(path, wanted), "{path} of round {round}");
        }
        assert_eq!(parents.len(), usize::from(round > 0));
        id = parents.first().copied().unwrap_or(id);
    }
    assert!(repo.found_by_map > 0, "no page was found through a page map");
    assert_eq!(repo.tail(), 160, "add and commit are an operation each");
    let log = fs::read_to_string(env.dot_graft().join("logs/HEAD")).expect("a reflog");
    let line = regex::Regex::new(r"^[0-9a-f]{64} [0-9a-f]{64} Carl Committer <carl@example\.org> \d+ \+0100\t")
        .expect("valid");
    assert!(log.lines().count() == 80 && log.lines().all(|l| line.is_match(l)));
}
