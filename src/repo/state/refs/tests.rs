//! Tests of refs: reading, transactions, conflicts, interrupted changes; Git itself says what random edits must give.

use std::time::Duration;

use super::*;
use crate::model::Signature;
use crate::repo::state::reflog::ReflogEntry;
use crate::repo::testing::{Random, TestGit};
use crate::util::lock::FileLock;

struct Fixture {
    _tmp: tempfile::TempDir,
    refs: RefStore,
    lock: FileLock,
}

fn fixture() -> Fixture {
    let tmp = tempfile::tempdir().unwrap();
    for dir in ["refs/heads", "refs/tags", "tmp"] {
        fs::create_dir_all(tmp.path().join(dir)).unwrap();
    }
    fs::write(tmp.path().join("HEAD"), "ref: refs/heads/main\n").unwrap();
    let lock = FileLock::acquire(&tmp.path().join("lock"), Duration::ZERO, &|_| ()).unwrap();
    Fixture { refs: RefStore::new(tmp.path()), lock, _tmp: tmp }
}

impl Fixture {
    fn apply(&self, edits: &[RefEdit]) -> Result<(), RefError> {
        self.refs.apply(&self.lock, &who(), edits)
    }

    fn names(&self, prefix: &str) -> Vec<String> {
        self.refs.list(prefix).unwrap().refs.iter().map(|r| r.name.to_string()).collect()
    }

    fn log(&self, name: &RefName) -> Vec<ReflogEntry> {
        self.refs.log(name).unwrap().collect::<Result<_, _>>().unwrap()
    }
}

fn who() -> Signature {
    Signature { name: "A U Thor".into(), email: "author@example.com".into(), time: 1_700_000_000, offset: 60 }
}

fn id(n: u8) -> ObjectId {
    ObjectId::from_bytes([n; 32])
}

fn branch(name: &str) -> RefName {
    RefName::branch(name).unwrap()
}

fn create(name: &str, n: u8) -> RefEdit {
    RefEdit::set(branch(name), id(n), Expected::MustNotExist, "branch: Created")
}

#[test]
fn head_follows_the_branch_and_can_be_detached() {
    let f = fixture();
    assert_eq!(f.refs.head().unwrap(), Head::Branch(branch("main")));
    assert_eq!(f.refs.resolve(&RefName::head()).unwrap(), None, "no commit yet");
    f.apply(&[RefEdit::set(RefName::head(), id(1), Expected::MustNotExist, "commit (initial): one")]).unwrap();
    assert_eq!(f.refs.read(&branch("main")).unwrap(), Some(Target::Object(id(1))));
    assert_eq!(f.refs.head().unwrap(), Head::Branch(branch("main")));
    f.apply(&[RefEdit::set(branch("main"), id(2), Expected::MustExistAndMatch(id(1)), "commit: two")]).unwrap();
    assert_eq!(f.log(&RefName::head()), f.log(&branch("main")), "HEAD's log has what happens to its branch");
    f.apply(&[create("dev", 1), RefEdit::point(RefName::head(), branch("dev"), "checkout: moving from main to dev")])
        .unwrap();
    let newest = f.log(&RefName::head()).remove(0);
    assert_eq!((newest.old, newest.new), (Some(id(2)), Some(id(1))), "also to a branch made in the same step");
    f.apply(&[RefEdit::detach(RefName::head(), id(2), Expected::Any, "checkout: moving from dev to 02")]).unwrap();
    assert_eq!(f.refs.head().unwrap(), Head::Detached(id(2)));
    assert_eq!(f.refs.read(&branch("dev")).unwrap(), Some(Target::Object(id(1))));
    assert_eq!(f.refs.previous_branch(1).unwrap(), Ok("dev".to_owned()));
    assert_eq!(f.refs.previous_branch(2).unwrap(), Ok("main".to_owned()));
    assert_eq!(f.refs.previous_branch(3).unwrap(), Err(2));
}

#[test]
fn expectations_hold_for_all_or_nothing_happens() {
    let f = fixture();
    f.apply(&[create("a", 1)]).unwrap();
    let before = (f.names("refs/"), f.log(&branch("a")));
    let expect = |edits: &[RefEdit]| f.apply(edits).expect_err("refused");
    assert!(matches!(expect(&[create("b", 2), create("a", 2)]), RefError::Exists { found, .. } if found == id(1)));
    let moved = RefEdit::set(branch("a"), id(3), Expected::MustExistAndMatch(id(2)), "");
    assert!(matches!(expect(&[create("b", 2), moved]), RefError::Moved { .. }));
    let absent = RefEdit::delete(branch("x"), Expected::MustExistAndMatch(id(2)));
    assert!(matches!(expect(&[create("b", 2), absent]), RefError::Absent { .. }));
    assert!(matches!(expect(&[create("b", 2), create("b", 2)]), RefError::Twice { .. }));
    assert!(matches!(expect(&[create("b", 2), create("a/c", 2)]), RefError::Nested { .. }));
    assert!(matches!(expect(&[create("n", 2), create("n/c", 2)]), RefError::Nested { .. }));
    f.apply(&[create("n/c/d", 2)]).unwrap();
    assert!(matches!(expect(&[create("n", 2)]), RefError::Nested { existing, .. } if existing == branch("n/c/d")));
    f.refs.pack(&f.lock).unwrap();
    assert!(matches!(expect(&[create("n", 2)]), RefError::Nested { .. }), "packed refs are in the way too");
    assert!(matches!(expect(&[create("a/c", 2)]), RefError::Nested { .. }));
    f.apply(&[RefEdit::delete(branch("n/c/d"), Expected::Any)]).unwrap();
    assert_eq!((f.names("refs/"), f.log(&branch("a"))), before);
    assert!(!f.refs.dir.join("refs/heads/n").exists() && !f.refs.dir.join("logs/refs/heads/n").exists());
    assert!(f.refs.dir.join("refs/heads").exists());
    fs::create_dir_all(f.refs.dir.join("refs/heads/n/left/empty")).unwrap();
    fs::create_dir_all(f.refs.dir.join("logs/refs/heads/n")).unwrap();
    f.apply(&[create("n", 4)]).unwrap();
}

#[test]
fn an_interrupted_change_leaves_no_trace_in_the_log() {
    let f = fixture();
    let main = branch("main");
    f.apply(&[RefEdit::set(RefName::head(), id(1), Expected::Any, "one")]).unwrap();
    // As if the process had died between the log and the ref.
    let entry = ReflogEntry { old: Some(id(1)), new: Some(id(2)), who: who(), message: "lost".into() };
    for name in [&main, &RefName::head()] {
        f.refs.append_log(name, &entry).unwrap();
        assert_eq!(f.log(name).len(), 1);
    }
    f.apply(&[RefEdit::set(RefName::head(), id(3), Expected::MustExistAndMatch(id(1)), "two")]).unwrap();
    for name in [&main, &RefName::head()] {
        let messages: Vec<_> = f.log(name).into_iter().map(|e| e.message).collect();
        assert_eq!(messages, ["two", "one"]);
    }
    let entry = ReflogEntry { old: None, new: Some(id(2)), who: who(), message: "never made".into() };
    f.refs.append_log(&branch("dev"), &entry).unwrap();
    assert!(f.log(&branch("dev")).is_empty());
    // Such a leftover does not prevent refs below or above it either.
    f.apply(&[create("dev/x", 1)]).unwrap();
    f.apply(&[RefEdit::delete(branch("dev/x"), Expected::Any)]).unwrap();
    f.refs.append_log(&branch("new/y"), &entry).unwrap();
    f.apply(&[create("new", 1)]).unwrap();
    assert_eq!(f.log(&branch("new")).len(), 1);
}

#[test]
fn damage_is_named_and_the_rest_is_listed() {
    let f = fixture();
    f.apply(&[create("a", 1), create("b", 2)]).unwrap();
    for content in ["", "junk\n", &"a".repeat(63), "ref: ../x\n", &format!("{}x", id(1))] {
        fs::write(f.refs.dir.join("refs/heads/a"), content).unwrap();
        let error = f.refs.read(&branch("a")).expect_err(content);
        assert!(error.to_string().contains("refs/heads/a"), "{error}");
        let list = f.refs.list("refs/").unwrap();
        assert_eq!((list.refs.len(), list.broken.len()), (1, 1));
    }
    assert!(f.apply(&[create("a", 3)]).is_err());
    assert!(f.apply(&[create("a/b", 3)]).is_err());
    f.apply(&[RefEdit::set(branch("a"), id(3), Expected::Any, "mended")]).unwrap();
    fs::write(f.refs.dir.join("refs/heads/a"), "").unwrap();
    f.apply(&[RefEdit::delete(branch("a"), Expected::Any)]).unwrap();
    fs::write(f.refs.dir.join("refs/heads/bad name"), "").unwrap();
    fs::write(f.refs.dir.join("refs/heads/lost"), "ref: refs/heads/nowhere\n").unwrap();
    fs::write(f.refs.dir.join("refs/heads/loop"), "ref: refs/heads/loop\n").unwrap();
    let list = f.refs.list("refs/").unwrap();
    assert_eq!((list.refs.len(), list.broken.len()), (1, 3), "{:?}", list.broken);
    assert_eq!(f.refs.list("refs/heads/b").unwrap().refs.len(), 1);
    assert!(f.refs.list("refs/nothing/").unwrap().refs.is_empty());
    fs::remove_file(f.refs.dir.join("HEAD")).unwrap();
    assert!(matches!(f.refs.head(), Err(RefError::NoHead { .. })));
}

#[test]
fn packed_refs_hold_until_damaged() {
    let f = fixture();
    f.apply(&[create("a", 1), create("d/e", 2), create("main", 3)]).unwrap();
    fs::write(f.refs.dir.join("refs/heads/sym"), "ref: refs/heads/a\n").unwrap();
    assert_eq!(f.refs.pack(&f.lock).unwrap(), 3);
    assert_eq!(f.names("refs/"), ["refs/heads/a", "refs/heads/d/e", "refs/heads/main", "refs/heads/sym"]);
    assert!(!f.refs.dir.join("refs/heads/d").exists());
    f.apply(&[RefEdit::set(branch("a"), id(9), Expected::MustExistAndMatch(id(1)), "move")]).unwrap();
    assert_eq!(f.refs.resolve(&branch("sym")).unwrap(), Some(id(9)), "the loose ref hides the packed one");
    f.apply(&[RefEdit::delete(branch("a"), Expected::Any)]).unwrap();
    assert_eq!(f.refs.read(&branch("a")).unwrap(), None, "and does not uncover it when removed");
    let path = f.refs.dir.join("packed-refs");
    let good = fs::read(&path).unwrap();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(&path, &bad).unwrap();
        assert!(matches!(f.refs.read(&branch("main")), Err(RefError::DamagedPacked { .. })), "byte {at}");
        fs::write(&path, &good[..at]).unwrap();
        assert!(matches!(f.refs.read(&branch("main")), Err(RefError::DamagedPacked { .. })), "cut at {at}");
    }
    f.apply(&[create("new", 1)]).expect_err("nobody knows whether it exists");
    assert_eq!(f.refs.list("refs/").unwrap().broken.len(), 2, "the file, and the symbolic ref into it");
}

/// Random edits of names that get in each other's way, in Git and here: the same refs, the same logs, the same refusals.
#[test]
fn random_edits_agree_with_git() {
    for seed in 0..12 {
        let git = TestGit::new();
        let ids: Vec<ObjectId> = (0..4).map(|n| git.commit_tree(&[], &format!("c{n}"))).collect();
        let f = fixture();
        let mut random = Random(seed);
        let names = ["main", "a", "a/b", "a/b/c", "a/d", "e", "tag"];
        for step in 0..60 {
            git.set_now(1_700_000_000 + step);
            let full = |name: &str| match name {
                "tag" => RefName::tag("a").unwrap(),
                name => branch(name),
            };
            let (name, other, target) = (full(random.pick(&names)), full(random.pick(&names)), random.pick(&ids));
            let (hex, expected) = (target.to_string(), random.pick(&ids));
            let old = expected.to_string();
            let apply = |edit: RefEdit| f.refs.apply(&f.lock, &git.who(), &[edit]);
            let head = f.refs.head().unwrap();
            let (theirs, ours) = match random.below(10) {
                0..3 => (
                    git.attempt(&["update-ref", "-m", "set", name.as_str(), &hex]),
                    apply(RefEdit::set(name, target, Expected::Any, "set")),
                ),
                3 => (
                    git.attempt(&["update-ref", "-m", "create", name.as_str(), &hex, &"0".repeat(64)]),
                    apply(RefEdit::set(name, target, Expected::MustNotExist, "create")),
                ),
                4 => (
                    git.attempt(&["update-ref", "-m", "swap", name.as_str(), &hex, &old]),
                    apply(RefEdit::set(name, target, Expected::MustExistAndMatch(expected), "swap")),
                ),
                5 => (
                    git.attempt(&["update-ref", "-m", "through HEAD", "HEAD", &hex]),
                    apply(RefEdit::set(RefName::head(), target, Expected::Any, "through HEAD")),
                ),
                6 => (
                    git.attempt(&["update-ref", "--no-deref", "-m", "detach", "HEAD", &hex]),
                    apply(RefEdit::detach(RefName::head(), target, Expected::Any, "detach")),
                ),
                7 if f.refs.resolve(&name).unwrap().is_some() && name.as_branch().is_some() => (
                    git.attempt(&["symbolic-ref", "-m", "attach", "HEAD", name.as_str()]),
                    apply(RefEdit::point(RefName::head(), name, "attach")),
                ),
                // Git logs the removal of HEAD's branch in HEAD's log; no command of ours removes that branch.
                8 if head != Head::Branch(name.clone()) => (
                    git.attempt(&["update-ref", "-d", name.as_str(), &old]),
                    apply(RefEdit::delete(name, Expected::MustExistAndMatch(expected))),
                ),
                9 if name.as_branch().is_some() && other.as_branch().is_some() && name != other => {
                    let message = format!("Branch: renamed {name} to {other}");
                    (
                        git.attempt(&["branch", "-m", name.short(), other.short()]),
                        f.refs.rename(&f.lock, &git.who(), &name, &other, Expected::MustNotExist, &message),
                    )
                }
                _ => continue,
            };
            assert_eq!(theirs.is_ok(), ours.is_ok(), "seed {seed} step {step}: {theirs:?} {ours:?}");
            compare(&git, &f, &format!("seed {seed} step {step}"));
            if random.below(12) == 0 {
                f.refs.pack(&f.lock).unwrap();
                git.run(&["pack-refs", "--all"]);
                compare(&git, &f, &format!("seed {seed} packed after step {step}"));
            }
        }
    }
}

fn compare(git: &TestGit, f: &Fixture, context: &str) {
    let list = f.refs.list("refs/").unwrap();
    assert!(list.broken.is_empty(), "{context}: {:?}", list.broken);
    let ours: Vec<_> = list.refs.iter().map(|r| format!("{} {}", r.id, r.name)).collect();
    assert_eq!(ours.join("\n"), git.run(&["for-each-ref", "--format=%(objectname) %(refname)"]), "{context}");
    let head = match f.refs.head().unwrap() {
        Head::Branch(name) => format!("ref: {name}\n"),
        Head::Detached(id) => format!("{id}\n"),
    };
    assert_eq!(head, fs::read_to_string(git.top().join(".git/HEAD")).unwrap(), "{context}");
    for name in f.refs.list("refs/heads/").unwrap().refs.into_iter().map(|r| r.name).chain([RefName::head()]) {
        let read = |dir: PathBuf| fs::read_to_string(dir.join("logs").join(name.as_str())).unwrap_or_default();
        assert_eq!(read(f.refs.dir.clone()), read(git.top().join(".git")), "{context}: log of {name}");
    }
}

#[test]
fn a_thousand_refs_are_listed_loose_and_packed() {
    let f = fixture();
    for n in 0..1000 {
        fs::write(f.refs.dir.join(format!("refs/heads/branch-{n}")), format!("{}\n", id(n as u8))).unwrap();
    }
    assert_eq!(f.refs.list("refs/").unwrap().refs.len(), 1000);
    f.refs.pack(&f.lock).unwrap();
    assert_eq!(f.refs.list("refs/").unwrap().refs.len(), 1000);
}
