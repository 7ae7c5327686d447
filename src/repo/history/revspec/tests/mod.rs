//! Tests of revspecs: Git resolves the same texts on the same refs, reflogs and objects, and must agree.

mod fixture;

use std::fs;
use std::sync::Mutex;

use fixture::Fixture;

use super::*;
use crate::model::ObjectKind;
use crate::repo::state::monitor::Silent;
use crate::repo::testing::{GitObjects, Random, TestGit, seeds};

/// Long after the last commit of a history.
const NOW: i64 = 1_700_500_000;

/// Resolves what Git has, with nothing staged.
fn resolver<'a>(
    objects: &'a GitObjects,
    refs: &'a RefStore,
    config: &'a Config,
    top: &'a Path,
    said: &'a Said,
) -> Resolver<'a> {
    Resolver {
        objects,
        refs,
        config,
        index: Box::new(|| Ok(Index::default())),
        top,
        cwd: top,
        now: NOW,
        monitor: &Silent,
        said,
        asked: Default::default(),
        known: Default::default(),
    }
}

/// Makes up a revision; about two of three name something.
fn spec(random: &mut Random, fixture: &Fixture) -> String {
    let names = [
        "HEAD",
        "@",
        "main",
        "dev",
        "feature/x",
        "a@b",
        "heads/main",
        "refs/heads/dev",
        "v1",
        "v2",
        "vv",
        "treetag",
        "both",
        "tags/v2",
        "origin/main",
        "origin",
        "remotes/origin/main",
        "nope",
        "v1-3-gabcdef0",
    ];
    let marked = [
        "@{-1}",
        "@{-2}",
        "@{-3}",
        "@{-9}",
        "@{u}",
        "main@{upstream}",
        "dev@{U}",
        "a@b@{u}",
        "v1@{u}",
        "@{-1}@{u}",
        "@@{u}",
        "@{push}",
        "main@{push}",
        "dev@{PUSH}",
        "a@b@{push}",
        "feature/x@{push}",
        "@{0}",
        "@{1}",
        "@@{1}",
        "main@{2}",
        "HEAD@{3}",
        "dev@{9}",
        "both@{0}",
        "main@{u}@{1}",
        "@{-1}@{1}",
        "@{1700050000}",
        "main@{1700003000}",
        "feature/x@{@1700020000 +0000}",
        "dev@{2023-11-14 23:00:00 +0000}",
        "main@{soonish}",
        "origin/main@{1}",
        "v1@{1}",
        "@{}",
        "@{2}^",
        "main@{1699000000}",
        "@{30 hours ago}",
        "main@{4.days.ago}",
        "feature/x@{last week}",
        "@@{yesterday}",
    ];
    let suffixes = [
        "^",
        "^2",
        "^3",
        "^0",
        "~",
        "~0",
        "~2",
        "~5",
        "^^",
        "^{}",
        "^{commit}",
        "^{tree}",
        "^{tag}",
        "^{blob}",
        "^{object}",
        "^{/fix}",
        "^{/!-ad}",
        "^{/^Fix}",
        "^{/body 1}",
        "^{/x:y}",
        "^{nope}",
        "^{/}",
        "^{/drop.*body}",
        "~1^2~1",
    ];
    let paths = [":a", ":b", ":d/c", ":nope", ":./c", ":../a", ":../../a", ":"];
    let whole = [":/nothing", ":/!x", ":a", ":0:b", ":1:a", ":./c", ":../b", ":d/e", ":nope", ""];
    let mut text = match random.below(20) {
        0..2 => return random.pick(&whole).to_owned(),
        2..10 => random.pick(&names).to_owned(),
        10..16 => random.pick(&marked).to_owned(),
        _ => {
            let all: Vec<(ObjectId, ObjectKind)> = fixture.history.objects.all().collect();
            let id = random.pick(&all).0;
            match random.below(6) {
                0 => id.to_string(),
                1 => format!("x-1-g{}", id.to_hex_with_len(9)),
                2 => id.to_hex_with_len(10).to_uppercase(),
                _ => id.to_hex_with_len(4 + random.below(8)),
            }
        }
    };
    for _ in 0..[0, 0, 1, 1, 1, 2, 3][random.below(7)] {
        text += random.pick(&suffixes);
    }
    if random.below(5) == 0 {
        text += random.pick(&paths);
    }
    text
}

#[test]
fn single_revisions_agree_with_git() {
    let (mut good, mut bad, mut dated) = (0, 0, 0);
    for seed in 0..seeds(50) {
        let fixture = Fixture::random(seed);
        let mut random = Random(seed + 1000);
        let (mut input, mut wanted) = (String::new(), Vec::new());
        for _ in 0..60 {
            let text = spec(&mut random, &fixture);
            let heard = Heard::default();
            let found = fixture.with(&heard, |revs| revs.object(&text));
            let by_date = heard.0.into_inner().unwrap().iter().any(|notice| notice.contains("goes back only to"));
            match found {
                // Git takes the oldest value for all the time before it.
                Ok(_) if by_date => dated += 1,
                Err(RevError::NotThen { .. }) => dated += 1,
                Ok(id) => {
                    input += &format!("{text}\n");
                    wanted.push((text, id.to_string()));
                }
                // A folder has an id in Git.
                Err(RevError::Folder { .. }) => {}
                // Git takes all that stands between the first and the last brace for a date.
                Err(_) if text.contains("@{") && text.contains("^{") => {}
                Err(error) => {
                    bad += 1;
                    if bad % 4 == 0 {
                        let theirs = fixture.git(&["rev-parse", "--verify", &text]);
                        assert!(theirs.is_err(), "seed {seed}: {text}: {error}, but Git says {theirs:?}");
                    }
                }
            }
        }
        good += wanted.len();
        let git = &fixture.history.git;
        let mut command = git.command(&["cat-file", "--batch-check=%(objectname)"]);
        fs::write(git.top().join("specs"), input).unwrap();
        let specs = fs::File::open(git.top().join("specs")).unwrap();
        let output = command.current_dir(git.top().join("d")).stdin(specs).output().unwrap();
        let theirs = String::from_utf8(output.stdout).unwrap();
        let mut theirs = theirs.lines();
        for (text, ours) in &wanted {
            let said = theirs.next().unwrap_or("nothing");
            assert_eq!(ours, said, "seed {seed}: {text}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
    assert!(
        good + dated > 1200 && bad > 400 && dated > 0,
        "{good} name something, {bad} do not, {dated} are told by dates"
    );
}

/// Git 2.47 took the oldest ref first (later versions do not), so its log says which commit is the newest.
#[test]
fn the_newest_commit_with_a_message_is_found() {
    type Test = fn(&str) -> bool;
    let searches: [(&str, Test); 4] = [
        (":/fix", |m| m.contains("fix")),
        (":/!-a", |m| !m.contains('a')),
        (":/^drop", |m| m.starts_with("drop")),
        (":/p.*body", |m| m.split_once('p').is_some_and(|(_, rest)| rest.contains("body"))),
    ];
    for seed in 0..seeds(12) {
        let fixture = Fixture::random(seed);
        let log = fixture.git(&["log", "--all", "--format=%H%x00%B%x01"]).unwrap();
        let commits: Vec<(&str, &str)> = log.split('\x01').filter_map(|c| c.trim_start().split_once('\0')).collect();
        for (text, fits) in searches {
            let wanted = commits.iter().find(|(_, message)| fits(message));
            let found = fixture.id(text).ok();
            // Of several commits of one second any may be the newest.
            let time = |id: ObjectId| fixture.history.time(&id);
            let wanted = wanted.map(|(id, _)| time(ObjectId::from_hex(id).unwrap()));
            assert_eq!(found.map(time), wanted, "seed {seed}: {text}");
            let message = |id: &ObjectId| fixture.history.objects.commit(id).unwrap().message;
            assert!(found.is_none_or(|id| fits(&message(&id))), "seed {seed}: {text}");
        }
    }
}

#[test]
fn sets_agree_with_git() {
    let mut good = 0;
    for seed in 100..100 + seeds(50) {
        let fixture = Fixture::random(seed);
        let mut random = Random(seed);
        for _ in 0..8 {
            let ends = ["HEAD", "main", "dev~1", "v2", "vv", "feature/x", "", "a@b^", "@{1}", "nope", "both~3"];
            let mut words = Vec::new();
            for _ in 0..1 + random.below(3) {
                let (a, b) = (random.pick(&ends), random.pick(&ends));
                words.push(match random.below(12) {
                    0..2 => format!("{a}..{b}"),
                    2..4 => format!("{a}...{b}"),
                    4 => format!("^{a}"),
                    5 => "--not".to_owned(),
                    6 => format!("{a}{}", random.pick(&["^@", "^!", "^-", "^-2", "^-0"])),
                    7 => random
                        .pick(&["--branches", "--tags", "--remotes", "--branches=f*", "--glob=heads/feature"])
                        .into(),
                    8 => format!("--exclude={}", random.pick(&["main", "*", "v*", "refs/tags/v2"])),
                    _ => a.to_owned(),
                });
            }
            if words.iter().any(|w| w.is_empty() || w == "..")
                || words.last().is_some_and(|w| w.starts_with("--exclude"))
            {
                continue;
            }
            let ours = fixture.with(&Silent, |revs| revs.set(&words));
            let mut args = vec!["rev-parse"];
            args.extend(words.iter().map(String::as_str));
            let theirs = fixture.git(&args);
            match (ours, theirs) {
                (Ok(ours), Ok(theirs)) => {
                    let line = |item: &RevItem| format!("{}{}", if item.exclude { "^" } else { "" }, item.id);
                    let mut ours: Vec<String> = ours.items.iter().map(line).collect();
                    let mut theirs: Vec<&str> = theirs.lines().collect();
                    // Merge bases of one second have no order.
                    if words.iter().any(|w| w.contains("...")) {
                        ours.sort();
                        theirs.sort_unstable();
                    }
                    assert_eq!(ours, theirs, "seed {seed}: {words:?}");
                    good += 1;
                }
                (Err(_), Err(_)) => {}
                (ours, theirs) => panic!("seed {seed}: {words:?}: {ours:?}, but Git says {theirs:?}"),
            }
        }
    }
    assert!(good > 150, "only {good} sets name something");
}

/// Listens to what the user is told.
#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Monitor for Heard {
    fn notice(&self, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }
}

#[test]
fn ambiguous_ids_are_settled_by_what_is_wanted_as_in_git() {
    let git = TestGit::new();
    let mut stream = String::new();
    for n in 0..1200 {
        let at = 1_700_000_000 + n;
        stream += &format!("commit refs/heads/main\nmark :{}\ncommitter A <a@b.c> {at} +0000\ndata 2\nm\n", n + 1);
        stream += &format!("M 100644 inline a\ndata <<E\n{n}\nE\n\n");
        stream += &format!("tag t{n}\nfrom :{}\ntagger A <a@b.c> {at} +0000\ndata 2\nt\n", n + 1);
    }
    git.feed(&["fast-import", "--quiet"], &stream);
    let objects = GitObjects::load(&git);
    let refs = RefStore::new(&git.top().join(".git"));
    let top = git.top();
    let config = Config::default();
    let said = Said::default();
    let revs = resolver(&objects, &refs, &config, top, &said);
    let all: Vec<String> = objects.all().map(|(id, _)| id.to_string()).collect();
    let mut prefixes: Vec<&str> = all.windows(2).filter(|w| w[0][..4] == w[1][..4]).map(|w| &w[0][..4]).collect();
    prefixes.dedup();
    assert!(prefixes.len() > 50, "only {} ambiguous prefixes", prefixes.len());
    let forms = ["", "^0", "^{commit}", "^{tree}", "^{}", "^{object}", "~1", ":a"];
    let texts: Vec<String> = prefixes.iter().flat_map(|p| forms.map(|form| format!("{p}{form}"))).collect();
    let theirs = git.feed(&["cat-file", "--batch-check=%(objectname)"], &texts.join("\n"));
    let theirs = String::from_utf8(theirs).unwrap();
    let (mut settled, mut listed) = (0, 0);
    for (text, theirs) in texts.iter().zip(theirs.lines()) {
        match revs.object(text) {
            Ok(id) => {
                assert_eq!(id.to_string(), theirs, "{text}");
                settled += 1;
            }
            Err(error) => {
                assert!(theirs.ends_with(" missing") || theirs.ends_with(" ambiguous"), "{text}: {error}: {theirs}");
                let RevError::Ambiguous { candidates, .. } = error else { continue };
                if listed < 40 {
                    // The command that wants a commit says which candidates it sees.
                    let git_says = git.attempt(&["rev-parse", "--verify", text]).unwrap_err();
                    let theirs: Vec<&str> = git_says
                        .lines()
                        .filter_map(|l| l.strip_prefix("hint:   "))
                        .map(|l| l.split(' ').next().unwrap())
                        .collect();
                    let ours: Vec<&str> = candidates.iter().map(|c| c.short.as_str()).collect();
                    assert_eq!(ours, theirs, "{text}: {git_says}");
                    listed += 1;
                }
            }
        }
    }
    assert!(settled > 50 && listed > 20, "{settled} settled, {listed} listed");
    for (id, _) in objects.all().take(300) {
        let short = revs.abbreviate(&id, Some(4));
        assert_eq!(revs.id(&short).unwrap(), id);
        assert!(short.len() == 4 || revs.id(&short[..short.len() - 1]).is_err(), "{short} is as short as can be");
    }
}

#[test]
fn names_are_shortened_and_lengthened_as_git_does() {
    let fixture = Fixture::random(8);
    let git = &fixture.history.git;
    for name in [
        "HEAD",
        "@",
        "main",
        "both",
        "heads/both",
        "tags/both",
        "origin",
        "origin/main",
        "@{u}",
        "@{-1}",
        "v2~1",
        "a@b",
    ] {
        let full = fixture.with(&Silent, |revs| revs.full_name(name)).ok().flatten();
        let short = full.as_ref().map(|full| fixture.with(&Silent, |revs| revs.shorten(full)).unwrap());
        // Git prints nothing for an ambiguous name, and fails for the branch before if that is gone.
        if name != "both" {
            let theirs = |option: &str| git.attempt(&["rev-parse", option, name]).unwrap_or_default();
            assert_eq!(full.map(|n| n.to_string()).unwrap_or_default(), theirs("--symbolic-full-name"), "{name}");
            assert_eq!(short.unwrap_or_default(), theirs("--abbrev-ref"), "{name}");
        }
    }
}

#[test]
fn errors_say_what_may_have_been_meant() {
    let fixture = Fixture::random(1);
    let error = |text: &str| fixture.id(text).unwrap_err().to_string();
    assert!(matches!(fixture.id("mian~1"), Err(RevError::Unknown { near: Some(near), .. }) if near == "main"));
    assert!(matches!(fixture.id("xyzzy"), Err(RevError::Unknown { near: None, .. })));
    assert_eq!(error("HEAD~1000").split(':').next(), Some("'HEAD~1000' does not exist"));
    assert_eq!(error("treetag^0"), "'treetag' is a tree, not a commit");
    assert_eq!(error("main@{99}").split(" has only").next(), Some("the reflog of 'main'"));
    assert_eq!(error("v1@{0}"), "'v1' has no reflog");
    assert_eq!(error("feature/x@{u}"), "no upstream is configured for the branch 'feature/x'");
    assert_eq!(error("a@b@{u}"), "the upstream 'origin/gone' of the branch 'a@b' does not exist");
    assert_eq!(error("nobody@{u}"), "no such branch: 'nobody'");
    assert!(matches!(fixture.id("main@{nonsense}"), Err(RevError::Date(_))));
    assert!(matches!(fixture.id(&"ab".repeat(32)), Err(RevError::Unknown { .. })), "no damage, only a wrong id");
    let heard = Heard::default();
    fixture.with(&heard, |revs| {
        revs.id("both").unwrap();
        revs.id("both^0").unwrap();
        assert!(matches!(revs.id("main@{1000000000}"), Err(RevError::NotThen { .. })), "no commit is that old");
    });
    let heard = heard.0.into_inner().unwrap();
    assert_eq!(heard[0], "the name 'both' is ambiguous; refs/tags/both was taken");
    assert_eq!(heard.len(), 1, "{heard:?}");
}

#[test]
fn a_branch_without_commits_is_named() {
    let git = TestGit::new();
    let refs = RefStore::new(&git.top().join(".git"));
    let (objects, config, top, said) = (GitObjects::load(&git), Config::default(), git.top(), Said::default());
    let revs = resolver(&objects, &refs, &config, top, &said);
    for text in ["HEAD", "@~1", "main", "@{0}"] {
        assert!(matches!(revs.id(text), Err(RevError::Unborn { .. })), "{text}");
    }
    assert!(matches!(revs.id("dev"), Err(RevError::Unknown { .. })));
}
