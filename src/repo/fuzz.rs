//! Mutated inputs for the small languages that users type, for the files of `.graft`, and for whole remotes. See [`crate::util::fuzz`].

use std::fs;
use std::path::{Path, PathBuf};

use super::ops::add::AddOptions;
use super::ops::clone::CloneOptions;
use super::ops::commit::CommitOptions;
use super::ops::fsck::FsckOptions;
use super::ops::init::InitOptions;
use super::remote::PushOptions;
use super::text::{date, pathspec::Pathspecs};
use super::worktree::ignore_rules;
use super::{Repository, Settings};
use crate::model::{FileKind, PageIdx, RepoPath};
use crate::store::{page_run, read_page};
use crate::util::fuzz::{self, Dice};
use crate::util::panics::caught;

fn settings() -> Settings {
    let overrides = vec!["user.name=Ada".to_owned(), "user.email=ada@example.org".to_owned()];
    Settings { overrides, ..Settings::default() }
}

#[test]
fn revisions_are_parsed_without_a_panic() {
    let seeds = [
        "main~3^2^{commit}",
        "@{u}..HEAD@{2 days ago}",
        ":/fix",
        "v1-4-gdeadbee:dir/a.db",
        "^a...b",
        "HEAD^{/x y}",
        "@{-1}",
        "a^@",
    ];
    let dir = tempfile::tempdir().expect("a folder");
    let repo = made(dir.path(), "memory:fuzz-revspec");
    fuzz::text("revspec", 1000, &seeds, |text| {
        let _ = (repo.resolver(dir.path()).commit(text), repo.resolver(dir.path()).object(text));
    });
}

#[test]
fn dates_are_parsed_without_a_panic() {
    let seeds = [
        "2026-03-01T10:20:30+01:30",
        "3 days 2 hours ago",
        "@1700000000 +0100",
        "last friday noon",
        "Thu, 1 Jan 1970 00:00:00 GMT",
        "never",
    ];
    fuzz::text("date", 4000, &seeds, |text| {
        let _ = (date::parse(text, 1_700_000_000), date::parse_typed(text, 0), date::approximate(text, i64::MAX / 4));
    });
}

#[test]
fn pathspecs_and_ignore_rules_are_read_without_a_panic() {
    let top = tempfile::tempdir().expect("a folder");
    let path = RepoPath::new("dir/app.db").expect("valid");
    fuzz::text("pathspec", 3000, &[":(glob,icase)dir/**/*.db", ":!a/[b-d]?", ":/x", "../y/./z", ":(attr:x)"], |text| {
        if let Ok(specs) = Pathspecs::new(top.path(), &top.path().join("dir"), &[PathBuf::from(text)]) {
            let _ = (specs.matches(&path), specs.covers("dir"), specs.may_match_in("dir"));
        }
    });
    fuzz::text("ignore-rules", 400, &["*.db\n!keep.db\n/a/**/b\n[a-z]?\\ \n#c\n", "**/**/**\n"], |text| {
        fs::write(top.path().join(".graftignore"), text).expect("written");
        ignore_rules::is_ignored(top.path(), &path);
    });
}

/// A repository with two commits of two files, and its URL of a remote.
fn made(top: &Path, url: &str) -> Repository {
    Repository::init(top, &InitOptions::default(), &settings()).expect("init");
    Repository::open(top, settings()).expect("open").add_remote("origin", &url.parse().expect("a URL")).expect("added");
    let repo = Repository::open(top, settings()).expect("open");
    for round in 0..2u8 {
        for name in ["a.bin", "dir/b.bin"] {
            let path = top.join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            fs::write(&path, vec![round + 1; 9000]).expect("written");
            let add = AddOptions { pathspecs: vec![name.into()], cwd: top.to_owned(), ..AddOptions::default() };
            repo.add(&add).expect("added");
        }
        let message = Some(format!("round {round}"));
        repo.commit_index(&CommitOptions { message, ..CommitOptions::default() }).expect("committed");
    }
    repo
}

/// Looks at a repository in every way that reads its files; errors are answers.
fn look(top: &Path) {
    let Ok(repo) = Repository::open(top, settings()) else { return };
    let _ = (
        repo.status(&Default::default()),
        repo.index(),
        repo.head_commit(),
        repo.refs().tips(),
        repo.operations().read(),
    );
    let _ = (repo.refs().log(&crate::model::RefName::head()), repo.resolver(top).commit("HEAD~1"), repo.cut());
    let _ = (repo.store().volumes(), repo.fsck(FsckOptions { connectivity_only: true, ..FsckOptions::default() }));
}

#[test]
fn files_of_a_repository_are_read_without_a_panic() {
    let dir = tempfile::tempdir().expect("a folder");
    let top = dir.path().join("repo");
    drop(made(&top, &format!("{}", dir.path().join("remote").display())));
    let graft = top.join(".graft");
    let moving =
        br#"{"phase":"writing","operation":{"id":1,"command":"x","time":1,"offset":0},"who":{"name":"A","email":"b",
        "time":1,"offset":0},"files":[],"index":[],"refs":[]}"#;
    fs::write(graft.join("packed-refs"), "# pack-refs with: sorted\n").expect("written");
    let names = [
        "index",
        "HEAD",
        "refs/heads/main",
        "packed-refs",
        "logs/HEAD",
        "logs/operations",
        "config.toml",
        "info/exclude",
        "index-tail",
        "shallow",
        "attributes",
        "moving",
        "writer",
        "damage",
    ];
    for name in names {
        let path = graft.join(name);
        let whole = fs::read(&path).ok();
        let seed = match name {
            "moving" => moving.to_vec(),
            _ => whole.clone().unwrap_or_else(|| b"0123456789abcdef\n".to_vec()),
        };
        let mend = |bytes: &mut [u8]| {
            if let Some(end) = bytes.len().checked_sub(32).filter(|_| name == "index") {
                let hash = *blake3::hash(&bytes[..end]).as_bytes();
                bytes[end..].copy_from_slice(&hash);
            }
        };
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fuzz::run(&name.replace('/', "-"), 40, &[seed], mend, |bytes| {
            fs::write(&path, bytes).expect("written");
            look(&top);
        });
        match whole {
            Some(bytes) => fs::write(&path, bytes).expect("put back"),
            None => drop(fs::remove_file(&path)),
        }
    }
    let repo = Repository::open(&top, settings()).expect("as it was");
    assert!(repo.status(&Default::default()).expect("readable").is_clean());
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        match entry.path().is_dir() {
            true => out.extend(files(&entry.path())),
            false => out.push(entry.path()),
        }
    }
    out.sort();
    out
}

/// Makes the checksum of a file of a remote right again, where others do not name it by its hash.
fn mend(bytes: &mut [u8]) {
    if let Some(end) = bytes.iter().take(120).position(|byte| *byte == b'\n').filter(|end| *end >= 64) {
        let hash = blake3::hash(&bytes[end + 1..]).to_hex();
        bytes[end - 64..end].copy_from_slice(hash.as_bytes());
    }
}

#[test]
fn damaged_remotes_are_cloned_without_a_panic_or_a_wrong_row() {
    let dir = tempfile::tempdir().expect("a folder");
    let (top, remote) = (dir.path().join("repo"), dir.path().join("remote"));
    let url = remote.display().to_string();
    let repo = made(&top, &url);
    let push =
        PushOptions { remote: Some("origin".to_owned()), refspecs: vec!["main".to_owned()], ..PushOptions::default() };
    repo.push(&push).expect("pushed");
    let volume = repo.store().create_volume(FileKind::Opaque).expect("a volume");
    let state = repo.store().volume_state(volume).expect("readable").expect("there").snapshot;
    let pages = page_run(PageIdx::FIRST, vec![7; 3 * 4096]);
    repo.store().write_volume(&state, FileKind::Opaque, 3 * 4096, pages).expect("written");
    repo.push_volume(volume, Some("origin"), Some("app")).expect("pushed");
    let all = files(&remote);
    let (mut refused, mut whole) = (0, 0);
    for n in 0..fuzz::count(40) {
        let mut dice = Dice::new(n);
        let path = &all[dice.below(all.len())];
        let good = fs::read(path).expect("readable");
        let mut bad = good.clone();
        dice.mutate(&mut bad);
        if n % 2 == 1 {
            mend(&mut bad);
        }
        fs::write(path, &bad).expect("written");
        let into = dir.path().join("clone");
        let options = CloneOptions {
            url: url.parse().expect("a URL"),
            into: into.clone(),
            name: "origin".to_owned(),
            branch: None,
            checkout: true,
            lazy: n % 3 == 0,
            depth: None,
            single_branch: false,
        };
        let outcome = caught(|| Repository::clone_from(&options, &settings()).map(drop));
        match outcome.unwrap_or_else(|said| panic!("clone of remote {n}: {said}")) {
            Ok(()) => {
                whole += 1;
                if let Ok(bytes) = fs::read(into.join("a.bin")) {
                    assert!(bytes == [2; 9000], "remote {n}: a wrong row");
                }
            }
            Err(_) => refused += 1,
        }
        let _ = fs::remove_dir_all(&into);
        let cloned = caught(|| repo.clone_volume("origin", "app", None).map(|cloned| cloned.done));
        if let Ok(cloned) = cloned.unwrap_or_else(|said| panic!("volume of remote {n}: {said}")) {
            let open = repo.store().open_snapshot(cloned.state).expect("its storage commits came");
            let page =
                caught(|| read_page(&open, PageIdx::FIRST)).unwrap_or_else(|said| panic!("page of remote {n}: {said}"));
            assert!(page.is_err() || page.is_ok_and(|page| page == [7; 4096]), "remote {n}: a wrong page");
            repo.store().remove_volume(cloned.volume).expect("removed");
        }
        fs::write(path, &good).expect("put back");
    }
    assert!(refused > 0, "{refused} refused, {whole} cloned");
}
