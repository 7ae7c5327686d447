//! Commands about refs beside Git's: the same commits in both, the same commands, and the same output but for ids.

use std::ffi::OsString;

use crate::cli::args::{self, When};
use crate::cli::commands;
use crate::cli::context::Context;
use crate::cli::error::exit;
use crate::cli::output::Output;
use crate::model::{Commit, ObjectId, RefName, Tree};
use crate::repo::ops::init::InitOptions;
use crate::repo::state::refs::{Expected, RefEdit};
use crate::repo::testing::TestGit;
use crate::repo::{Repository, Settings};
use crate::store::Transaction;

/// One history in Git and in Graft.
struct Both {
    git: TestGit,
    dir: tempfile::TempDir,
    /// Git's ids and ours.
    ids: Vec<(String, String)>,
}

impl Both {
    /// Makes seven commits: 0-1-2-4-6 on main, 1-3-5 on dev, which 6 merges up to 3; and what was fetched of both.
    fn new() -> Self {
        let (git, dir) = (TestGit::new(), tempfile::tempdir().unwrap());
        Repository::init(dir.path(), &InitOptions::default(), &Settings::default()).unwrap();
        let repo = Repository::open(dir.path(), Settings::default()).unwrap();
        let lock = repo.store().lock().unwrap();
        let mut tx = Transaction::new(repo.store(), &lock).unwrap();
        let tree = tx.add_object(&Tree::default());
        let mut made: Vec<(ObjectId, ObjectId, u64)> = Vec::new();
        let parents: [&[usize]; 7] = [&[], &[0], &[1], &[1], &[2], &[3], &[4, 3]];
        for (n, parents) in parents.iter().enumerate() {
            git.set_now(1_700_000_000 + n as i64 * 60);
            let parents: Vec<_> = parents.iter().map(|p| made[*p]).collect();
            let message = format!("commit {n}\n\nbody\n");
            let theirs = git.commit_tree(&parents.iter().map(|p| p.0).collect::<Vec<_>>(), message.trim_end());
            let generation = parents.iter().map(|p| p.2 + 1).max().unwrap_or(1);
            let (author, committer) = (git.who(), git.who());
            let parents = parents.iter().map(|p| p.1).collect();
            let ours = tx.add_object(&Commit { tree, parents, generation, author, committer, message });
            made.push((theirs, ours, generation));
        }
        tx.publish().unwrap();
        let refs = [("heads/main", 6), ("heads/dev", 5), ("remotes/origin/main", 4), ("remotes/origin/dev", 5)];
        for (name, n) in refs {
            let name = RefName::new(&format!("refs/{name}")).unwrap();
            git.run(&["update-ref", "-m", "made", name.as_str(), &made[n].0.to_string()]);
            let edit = RefEdit::set(name, made[n].1, Expected::Any, "made");
            repo.refs().apply(&lock, &git.who(), &[edit]).unwrap();
        }
        git.run(&["config", "remote.origin.url", "x"]);
        git.run(&["config", "remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*"]);
        let empty = git.run(&["hash-object", "-t", "tree", "-w", "/dev/null"]);
        let mut ids = vec![(empty, tree.to_string())];
        ids.extend(made.iter().map(|(theirs, ours, _)| (theirs.to_string(), ours.to_string())));
        Self { git, dir, ids }
    }

    /// Runs a command and returns its exit code and output.
    fn ours(&self, line: &[&str]) -> (u8, String) {
        let argv = [&["graft"], line].concat();
        let argv = args::expand(argv.iter().map(OsString::from).collect());
        let Ok(parsed) = args::parse(argv, When::Never) else { return (exit::USAGE, String::new()) };
        let mut ctx = Context::new(parsed.globals).unwrap();
        ctx.cwd = self.dir.path().to_owned();
        ctx.out = Output::memory();
        let code = commands::run(parsed.command, &mut ctx).unwrap_or_else(|failure| failure.code());
        (code, ctx.out.into_text())
    }

    /// Runs a command of words without blanks in both and compares them; `·` stands for a blank.
    fn same(&self, line: &str) {
        let words: Vec<String> = line.split(' ').map(|word| word.replace('·', " ")).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let (code, ours) = self.ours(&words);
        let output = self.git.output(&words);
        let mut theirs = String::from_utf8(output.stdout).unwrap();
        for (git, graft) in &self.ids {
            theirs = theirs.replace(git, graft).replace(&git[..7], &graft[..7]);
        }
        let help = String::from_utf8_lossy(&output.stderr);
        assert_eq!(code == 0, output.status.success(), "{line}: {ours}, Git: {help}");
        // What a branch was set up to track goes to standard error here.
        let told = |text: &str| text.lines().filter(|l| !l.contains("set up to track")).collect::<Vec<_>>().join("\n");
        assert_eq!(told(&ours), told(&theirs), "{line}: {help}");
    }

    /// Lets ids of a new tag stand for each other.
    fn learn(&mut self, name: &str) {
        let theirs = self.git.run(&["rev-parse", name]);
        let ours = self.ours(&["rev-parse", name]).1.trim().to_owned();
        self.ids.push((theirs, ours));
    }
}

fn each(both: &Both, lines: &str) {
    for line in lines.lines().map(str::trim).filter(|l| !l.is_empty()) {
        both.same(line);
    }
}

#[test]
fn branches() {
    let both = Both::new();
    each(
        &both,
        "branch
        branch -u origin/main
        branch fix origin/dev
        branch free --no-track origin/dev
        branch -t side dev
        branch -u side side
        branch -v
        branch -vv
        branch -a
        branch -a -v
        branch -r
        branch --show-current
        branch -l d*
        branch -i --list D*
        branch --contains dev
        branch --contains
        branch --no-contains dev~1
        branch --merged
        branch --merged dev -a
        branch --no-merged main
        branch --points-at dev
        branch --sort -committerdate
        branch --sort -refname --sort objecttype
        branch --format %(HEAD)|%(refname)|%(refname:short)|%(upstream)|%(upstream:short)|%(upstream:remotename)
        branch --format %(refname:short)·%(upstream:track)·%(upstream:trackshort)·%(upstream:track,nobracket)
        branch --format %(objectname)|%(objectname:short)|%(objectname:short=7)|%(objecttype)|%(tree)|%(parent)|%(numparent)
        branch --format %(subject)|%(body)|%(contents)|%(contents:subject)|%(authorname)·%(authoremail)·%(authoremail:trim)
        branch --format %(committerdate)|%(committerdate:iso)|%(creatordate:raw)|%(author)|%(taggername)|%(symref)|%(*subject)
        branch --format %(refname:lstrip=2)|%(refname:rstrip=-1)|%(refname:lstrip=-1)|%%|%41
        branch --format %(nonsense)
        branch --format %(if)%(HEAD)%(then)here%(else)there%(end)·%(refname:short)
        branch --format %(if)%(upstream)%(then)%(upstream:short)·%(if:equals=[gone])%(upstream:track)%(then)gone%(end)%(end)|
        branch --format %(if:notequals=dev)%(refname:short)%(then)not·dev%(else)%(align:8,right)dev%(end)|%(end)
        branch --format %(align:30)%(refname)%(end)%(align:width=12,middle)%(refname:short)%(end)|
        branch --format %(align:3)%(refname)%(end)|%(align:left,20)%(align:10,right)x%(end)y%(end)|
        branch --format %(color:red)%(refname:short)%(color:reset)
        branch --format %(if)x%(end)
        branch --format %(then)x
        branch --format %(if)x%(then)y
        branch --format %(else)
        branch --format %(end)
        branch --format %(align)x%(end)
        branch --format %(color:nope)
        branch --format %(refname:short)·%(push)|%(push:short)|%(push:track)
        branch dev
        branch bad..name
        branch nope nope~1
        branch -f main dev
        branch -d dev
        branch -d main
        branch -d side
        branch -d fix
        branch -d nope free
        branch -D dev
        branch dev v9
        branch -m fix dev
        branch -m dev free
        branch -M dev free
        branch -c free copy
        branch -c copy free
        branch --unset-upstream
        branch --unset-upstream
        branch -u nope
        branch -u main nope
        branch -m trunk
        symbolic-ref HEAD
        branch -v",
    );
}

#[test]
fn tags() {
    let mut both = Both::new();
    each(
        &both,
        "tag
        tag v1.9 dev
        tag v1.10
        tag v1.10
        tag -f v1.10 dev~1
        tag -m first·tag v2
        tag x..y
        tag v3 nope",
    );
    both.learn("v2");
    both.same("tag -m of·a·tag v3 v2");
    both.learn("v3");
    each(
        &both,
        "tag
        tag -l v1*
        tag -n
        tag -n2
        tag --contains dev
        tag --merged main
        tag --points-at main
        tag --sort -version:refname
        tag --format %(refname:short)·%(objecttype)·%(*objecttype)·%(object)·%(type)·%(tag)·%(contents:subject)
        show-ref -d
        show-ref --tags
        show-ref --heads
        show-ref --head
        show-ref main
        show-ref ain
        show-ref -s dev
        show-ref --hash=7 dev
        show-ref --verify refs/heads/main
        show-ref --verify main
        show-ref --verify -q refs/heads/nope
        show-ref nope
        for-each-ref
        for-each-ref refs/heads
        for-each-ref refs/tags/ refs/heads/d*
        for-each-ref --count 2 --sort -refname
        for-each-ref refs/tags/v1.*
        for-each-ref refs/tags/v*0
        for-each-ref --no-merged main
        for-each-ref nope
        for-each-ref --format %(refname:short)%(if)%(*objecttype)%(then)·->·%(*subject)%(end)
        for-each-ref --format=%(if:equals=tag)%(objecttype)%(then)%(align:10)%(tag)%(end)%(else)-%(end)|
        tag -d v3
        describe --tags
        describe --tags --long dev main main~1
        describe --tags --abbrev=0 main
        describe --all main dev~1
        describe --tags --always main~4
        describe --tags --exact-match dev
        describe --tags --exact-match main~1
        describe --tags --match v1.9 main dev
        describe --tags --exclude v1.10 main dev
        describe --exact-match v2
        describe nope
        name-rev main dev~1 main^2
        name-rev --name-only --refs refs/heads/* main~2 dev~1
        name-rev --tags --name-only main dev
        tag -d v1.9 nope
        tag -d v2
        tag",
    );
}

#[test]
fn graph_and_single_refs() {
    let both = Both::new();
    each(
        &both,
        "merge-base main dev
        merge-base --all main dev origin/main
        merge-base --is-ancestor dev~1 main
        merge-base --is-ancestor dev main
        merge-base main
        merge-base main nope
        rev-list main
        rev-list --count dev..main
        rev-list main...dev
        rev-list --left-right --count main...dev
        rev-list --parents main
        rev-list --all --topo-order
        rev-list --branches=d* --reverse
        rev-list main --not dev
        rev-list main ^dev~1 --skip 1
        rev-list -n 2 main
        rev-list --merges --all
        rev-list --first-parent main
        rev-list main^!
        rev-list nope
        rev-parse main dev..main main...dev main^@ dev^! --not main
        rev-parse --short main
        rev-parse --abbrev-ref HEAD @{0}
        rev-parse --symbolic-full-name main origin/dev dev~1
        rev-parse --verify main dev
        rev-parse --verify main~1
        update-ref refs/heads/u dev
        update-ref refs/heads/u main main
        update-ref -m why refs/heads/u main dev
        update-ref refs/heads/u main^{tree}
        reflog u
        update-ref -d refs/heads/u dev
        update-ref -d refs/heads/u
        update-ref HEAD main~1
        reflog
        reflog main
        reflog show -n 1 main
        reflog exists refs/heads/main
        reflog exists refs/heads/nope
        reflog nope
        symbolic-ref HEAD
        symbolic-ref --short HEAD
        symbolic-ref refs/heads/main
        symbolic-ref -q refs/heads/main
        symbolic-ref refs/remotes/origin/HEAD refs/remotes/origin/main
        symbolic-ref --short refs/remotes/origin/HEAD
        branch -r
        rev-parse origin
        reset -q --soft dev
        reflog
        rev-parse ORIG_HEAD
        reset -q ORIG_HEAD~1
        reset nope
        reflog main
        symbolic-ref -m checkout:·moving·from·main·to·dev HEAD refs/heads/dev
        update-ref -m checkout:·moving·from·dev·to·main~1 --no-deref HEAD main~1
        branch
        update-ref HEAD main~2
        branch
        branch -u main
        branch -m else
        rev-parse --abbrev-ref HEAD
        rev-parse @{-1} @{-2}
        symbolic-ref HEAD",
    );
}

#[test]
fn reflogs_forget() {
    let both = Both::new();
    each(
        &both,
        "update-ref -m one refs/heads/main main~1
        update-ref -m two refs/heads/main dev
        update-ref -m three refs/heads/main dev~1
        update-ref -m four refs/heads/main main
        update-ref -m five refs/heads/main main~1
        reflog main
        reflog delete -n main@{1}
        reflog delete main@{1}
        reflog main
        reflog delete --rewrite main@{2} HEAD@{1}
        reflog main
        reflog
        reflog delete main
        reflog delete nope@{1}
        rev-parse main@{0} main@{1} main@{2} HEAD@{1} HEAD@{2}
        reflog expire --expire=never --expire-unreachable=never --all
        reflog main
        reflog expire --expire=never --expire-unreachable=now main
        reflog main
        reflog
        reflog expire --expire=never --expire-unreachable=now --all
        reflog
        reflog dev
        reflog expire --expire=now refs/heads/dev
        reflog dev
        reflog exists refs/heads/dev
        rev-parse dev@{0}
        rev-parse dev@{1}
        update-ref -m again refs/heads/dev main
        reflog dev
        reflog expire --expire=now --all
        reflog
        reflog main
        rev-parse HEAD@{0} main@{0}
        rev-parse main@{1}",
    );
    both.same("update-ref -m again refs/heads/u dev");
    let told = both.ours(&["reflog", "expire", "--expire=now", "-n", "u"]);
    assert!(told.0 == exit::DONE && told.1.starts_with("would forget refs/heads/u ") && told.1.ends_with(": again\n"));
    both.same("reflog u");
    // What the newest entry says cannot be taken back by forgetting it.
    both.same("update-ref refs/heads/u main~1");
    assert_ne!(both.ours(&["reflog", "delete", "u@{0}"]).0, exit::DONE);
    assert_ne!(both.ours(&["reflog", "delete", "u@{7}"]).0, exit::DONE);
    both.same("reflog u");
}
