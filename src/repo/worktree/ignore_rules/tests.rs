//! Tests of the search for untracked files; Git says what random rules ignore and which folders collapse.

use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;
use crate::model::{FileKind, FileMode, ObjectId, VolumeId};
use crate::repo::state::index::IndexEntry;
use crate::repo::testing::{Random, TestGit};

struct Tree {
    dir: tempfile::TempDir,
    index: Index,
}

impl Tree {
    fn new(files: &[&str]) -> Self {
        let tree = Self { dir: tempfile::tempdir().unwrap(), index: Index::default() };
        for file in files {
            tree.write(file, "x");
        }
        tree
    }

    fn top(&self) -> &Path {
        self.dir.path()
    }

    fn write(&self, path: &str, content: &str) {
        let path = self.top().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn track(&mut self, path: &str) {
        track(&mut self.index, path);
    }

    fn search(&self, args: &[&str], options: SearchOptions) -> Result<Untracked, UntrackableError> {
        let args: Vec<PathBuf> = args.iter().map(PathBuf::from).collect();
        let specs = Pathspecs::new(self.top(), self.top(), &args).unwrap();
        untracked(self.top(), &specs, &self.index, options)
    }

    fn find(&self, args: &[&str]) -> Untracked {
        self.search(args, SearchOptions::default()).unwrap()
    }
}

fn track(index: &mut Index, path: &str) {
    index.insert(IndexEntry {
        path: RepoPath::new(path).unwrap(),
        mode: FileMode::Regular,
        snapshot: ObjectId::from_bytes([1; 32]),
        volume: VolumeId::new(1, [1; 9]),
        kind: FileKind::Sqlite,
        byte_len: 1,
        fingerprint: None,
        unmaterialized: false,
    });
}

fn names(found: &Untracked) -> Vec<&str> {
    found.files.iter().map(RepoPath::as_str).collect()
}

#[test]
fn sidecars_belong_to_their_database() {
    let tree = Tree::new(&["a.db-wal", "b.db-wal", "b.db-shm", "c.txt", "c.txt-journal", "d-shm/x", "e.db-journal"]);
    tree.write("b.db", "SQLite format 3\0rest");
    tree.write("e.db", "");
    let named = tree.search(&["b.db-wal"], SearchOptions::default());
    assert!(matches!(named, Err(UntrackableError::Sidecar(path)) if path == Path::new("b.db-wal")));
    assert_eq!(names(&tree.find(&["a.db-wal"])), ["a.db-wal"]);
    assert_eq!(names(&tree.find(&[])), ["a.db-wal", "b.db", "c.txt", "c.txt-journal", "d-shm/x", "e.db"]);
}

#[test]
fn folders_collapse_when_nothing_in_them_is_tracked() {
    let mut tree = Tree::new(&["a/b/x", "a/y", "c/x", "c/d/z", "a-b", "a.x", "e/f/gone.txt"]);
    tree.track("c/x");
    tree.track("e/was-deleted");
    fs::create_dir_all(tree.top().join("empty/deeper")).unwrap();
    let all = tree.find(&[]);
    assert_eq!(names(&all), ["a-b", "a.x", "a/b/x", "a/y", "c/d/z", "e/f/gone.txt"]);
    assert_eq!(all.collapsed, ["a-b", "a.x", "a/", "c/d/", "e/f/"]);
    assert_eq!(tree.find(&["a/b"]).collapsed, ["a/b/"]);
    assert_eq!(tree.find(&["*x"]).collapsed, ["a.x", "a/b/x"]);
    let brief = tree.search(&[], SearchOptions { collapse: true, ..Default::default() }).unwrap();
    assert_eq!(names(&brief), ["a-b", "a.x"]);
    assert_eq!(brief.collapsed, all.collapsed);
}

#[test]
fn rules_of_both_kinds_and_what_was_named() {
    let mut tree = Tree::new(&["a.log", "keep.log", "d/b.log", "d/c", "out/x", "out/y", "tmp/z", "g"]);
    tree.write(".gitignore", "*.log\nout/\n");
    tree.write(".graftignore", "!keep.log\n.g*ignore\n");
    tree.write("d/.gitignore", "!b.log\nc\n");
    tree.write(".graft/info/exclude", "tmp\ng\n!out/\n");
    tree.track("out/y");
    let found = tree.find(&[]);
    assert_eq!(names(&found), ["d/b.log", "keep.log"]);
    assert!(found.ignored_named.is_empty());
    let named = tree.find(&["a.log", "out/x", "tmp", "d", "g", "out/y", "nothing", "*.log"]);
    let ignored: Vec<_> = named.ignored_named.iter().map(RepoPath::as_str).collect();
    assert_eq!(ignored, ["a.log", "g", "out/x", "tmp"]);
    let all = tree.search(&[], SearchOptions { include_ignored: true, ..Default::default() }).unwrap();
    assert_eq!(
        names(&all),
        [".gitignore", ".graftignore", "a.log", "d/.gitignore", "d/b.log", "d/c", "g", "keep.log", "out/x", "tmp/z"]
    );
    let ignored = |path: &str| is_ignored(tree.top(), &RepoPath::new(path).unwrap());
    assert!(
        ignored("out/y") && ignored("tmp/deep/x") && ignored("a.log") && !ignored("keep.log") && !ignored("d/b.log")
    );
    tree.write("d/.graftignore", "ok\n[\n");
    assert!(tree.find(&[]).warnings.is_empty(), "a lone bracket is a name");
    fs::write(tree.top().join("d/.graftignore"), b"\xff\xfe\n").unwrap();
    assert!(
        matches!(&tree.find(&[]).warnings[..], [Warning::Unreadable { path, .. }] if path.ends_with("d/.graftignore"))
    );
}

#[test]
fn odd_things_are_passed_over_and_refused_when_named() {
    let tree = Tree::new(&["a", "sub/.graft/HEAD", "sub/x.db", ".git/config", "d/.git/HEAD", "d/x"]);
    symlink("a", tree.top().join("link")).unwrap();
    symlink("d", tree.top().join("to-folder")).unwrap();
    let bad = std::ffi::OsString::from_vec(b"bad\xffname".to_vec());
    fs::write(tree.top().join("d").join(&bad), "").unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(tree.top().join("socket")).unwrap();
    let found = tree.find(&[]);
    assert_eq!(names(&found), ["a", "d/x"]);
    let text: Vec<String> = found.warnings.iter().map(ToString::to_string).collect();
    for (part, count) in [("'link'", 1), ("'to-folder'", 1), ("UTF-8", 1), ("socket", 1), ("'sub'", 1)] {
        assert_eq!(text.iter().filter(|t| t.contains(part)).count(), count, "{part}: {text:?}");
    }
    let refused = |arg: &str| tree.search(&[arg], SearchOptions::default()).expect_err(arg);
    assert!(matches!(refused("link"), UntrackableError::Symlink(_)));
    assert!(matches!(refused("socket"), UntrackableError::Special(_)));
    assert!(matches!(refused("sub"), UntrackableError::NestedRepository(_)));
    // Root reads every folder, so the rest can only be seen by others.
    fs::set_permissions(tree.top().join("d"), fs::Permissions::from_mode(0o0)).unwrap();
    if fs::read_dir(tree.top().join("d")).is_err() {
        assert!(tree.find(&[]).warnings.iter().any(|w| matches!(w, Warning::Unreadable { .. })));
        assert!(matches!(refused("d"), UntrackableError::Unreadable { .. }));
    }
    fs::set_permissions(tree.top().join("d"), fs::Permissions::from_mode(0o755)).unwrap();
    let gone = Path::new("/nonexistent/top");
    let search = untracked(gone, &Pathspecs::default(), &Index::default(), SearchOptions::default());
    assert!(matches!(search, Err(UntrackableError::Unreadable { .. })));
}

/// Random rules in random folders: Git and we find the same untracked files and the same collapsed folders.
#[test]
fn random_rules_agree_with_git() {
    for seed in 0..25 {
        let git = TestGit::new();
        let mut random = Random(seed);
        let mut index = Index::default();
        let top = git.top().canonicalize().unwrap();
        for _ in 0..30 {
            let depth = random.below(4);
            let folders: Vec<&str> = (0..depth).map(|_| random.pick(&["a", "b", "c.d", "e"])).collect();
            let path = folders.iter().fold(top.clone(), |p, f| p.join(f));
            let path = path.join(random.pick(&["f1", "f2.log", "g.txt", "h"]));
            if fs::create_dir_all(path.parent().unwrap()).is_ok() {
                let _ = fs::write(path, "");
            }
        }
        let bits = [
            "a", "b/", "/a", "f1", "*.log", "**/h", "!f1", "!a/", "c.d/f?", "/b/a", "g.*", "e/**", "!*.log", "# x", "",
            "a/b", "\\!f1", "!b/a/",
        ];
        let rules = |random: &mut Random| {
            (0..1 + random.below(4)).map(|_| random.pick(&bits).to_owned() + "\n").collect::<String>()
        };
        for folder in ["", "a", "b", "a/b", "c.d"] {
            if top.join(folder).is_dir() && random.below(2) == 0 {
                fs::write(top.join(folder).join(".gitignore"), rules(&mut random)).unwrap();
            }
        }
        let exclude = rules(&mut random);
        fs::create_dir_all(top.join(".graft/info")).unwrap();
        fs::write(top.join(".graft/info/exclude"), &exclude).unwrap();
        fs::write(top.join(".git/info/exclude"), format!("{exclude}\n/.graft\n")).unwrap();
        for path in git.run(&["ls-files", "--others"]).lines().filter(|p| !p.starts_with(".graft")) {
            if random.below(3) == 0 {
                git.run(&["add", "-f", path]);
                track(&mut index, path);
            }
        }
        let found = untracked(&top, &Pathspecs::default(), &index, SearchOptions::default()).unwrap();
        let theirs = git.run(&["ls-files", "--others", "--exclude-standard"]);
        assert_eq!(names(&found).join("\n"), theirs, "seed {seed}");
        let theirs = git.run(&["ls-files", "--others", "--exclude-standard", "--directory", "--no-empty-directory"]);
        assert_eq!(found.collapsed.join("\n"), theirs, "seed {seed}");
        let brief = SearchOptions { collapse: true, ..Default::default() };
        let brief = untracked(&top, &Pathspecs::default(), &index, brief).unwrap();
        assert_eq!(brief.collapsed, found.collapsed, "seed {seed}");
    }
}
