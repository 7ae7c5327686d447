//! Tests of reading, precedence, kinds of values, and of edits that keep what people wrote.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

struct Files {
    dir: tempfile::TempDir,
}

impl Files {
    fn new(user: &str, repository: &str) -> Self {
        let files = Self { dir: tempfile::tempdir().unwrap() };
        fs::write(files.path("user"), user).unwrap();
        fs::write(files.path("repo"), repository).unwrap();
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn load(&self, overrides: &[&str]) -> Result<Config, ConfigError> {
        Config::load(&Sources {
            user: Some(self.path("user")),
            repository: Some(self.path("repo")),
            overrides: overrides.iter().map(|&s| s.to_owned()).collect(),
        })
    }

    /// Changes the repository's file and returns its text.
    fn edit(&self, change: impl FnOnce(&mut ConfigFile)) -> String {
        let mut file = ConfigFile::open(&self.path("repo")).unwrap();
        change(&mut file);
        file.save(self.dir.path()).unwrap();
        fs::read_to_string(self.path("repo")).unwrap()
    }
}

fn key(text: &str) -> Key {
    text.parse().unwrap()
}

#[test]
fn precedence_case_and_origin() {
    let files = Files::new(
        "[User]\nNAME = 'me'\nemail = 'a@b'\n[init]\ndefaultBranch = 'trunk'\n",
        "user.name = 'here'\n[remote.origin]\nurl = 'fs:///x'\nfetch = ['a', 'b']\n[branch.\"f/x.1\"]\nmerge = 'm'\n[branch.a.b]\nmerge = 'n'\n",
    );
    let config = files.load(&["USER.Name=cli", "core.flag"]).unwrap();
    assert_eq!(config.string("user.name"), Some("cli"));
    assert_eq!(config.get("user.name").unwrap().origin, Origin::CommandLine);
    assert_eq!(config.bool("core.flag").unwrap(), Some(true));
    let config = files.load(&[]).unwrap();
    assert_eq!(config.string("user.NAME"), Some("here"));
    assert_eq!(config.string("user.email"), Some("a@b"));
    assert_eq!(config.string("init.defaultbranch"), Some("trunk"));
    assert_eq!(config.string("branch.f/x.1.merge"), Some("m"));
    assert_eq!(config.string("branch.F/x.1.merge"), None, "subsections tell case");
    assert_eq!(config.string("branch.a.b.merge"), Some("n"));
    let fetch: Vec<_> = config.get_all("remote.origin.fetch").iter().map(|e| e.value.clone()).collect();
    assert_eq!(fetch, ["a", "b"]);
    assert_eq!(config.subsections("Branch"), ["a.b", "f/x.1"]);
    assert_eq!(config.get("user.email").unwrap().origin.to_string(), format!("file:{}", files.path("user").display()));
    assert!(matches!(files.load(&["nodot=1"]), Err(ConfigError::Key(_))));
    assert!(
        Config::load(&Sources { user: Some("/nonexistent/x".into()), ..Sources::default() })
            .unwrap()
            .list()
            .next()
            .is_none()
    );
}

#[test]
fn kinds_of_values() {
    let files = Files::new(
        "[t]\nyes = 'Yes'\nno = false\nempty = ''\nn = 12\nk = '4k'\nms = 250\ns = '1.5s'\nm = '2 m'\nsize = '10MiB'\nmb = '10MB'\nbytes = 7\nbad = 'soon'\nneg = -1\n",
        "",
    );
    let config = files.load(&[]).unwrap();
    assert_eq!(config.bool("t.yes").unwrap(), Some(true));
    assert_eq!(config.bool("t.no").unwrap(), Some(false));
    assert_eq!(config.bool("t.empty").unwrap(), Some(false));
    assert_eq!(config.bool("t.none").unwrap(), None);
    assert_eq!(config.int("t.n").unwrap(), Some(12));
    assert_eq!(config.int("t.k").unwrap(), Some(4096));
    assert_eq!(config.int("t.neg").unwrap(), Some(-1));
    assert_eq!(config.duration("t.ms").unwrap(), Some(Duration::from_millis(250)));
    assert_eq!(config.duration("t.s").unwrap(), Some(Duration::from_millis(1500)));
    assert_eq!(config.duration("t.m").unwrap(), Some(Duration::from_secs(120)));
    assert_eq!(config.size("t.size").unwrap(), Some(10 << 20));
    assert_eq!(config.size("t.mb").unwrap(), Some(10_000_000));
    assert_eq!(config.size("t.k").unwrap(), Some(4096));
    assert_eq!(config.size("t.bytes").unwrap(), Some(7));
    for result in [
        config.bool("t.bad").map(drop),
        config.int("t.bad").map(drop),
        config.duration("t.bad").map(drop),
        config.size("t.bad").map(drop),
    ] {
        let text = result.expect_err("not of that kind").to_string();
        assert!(text.contains("t.bad") && text.contains("soon") && text.contains("user"), "{text}");
    }
    assert!(config.duration("t.neg").is_err() && config.size("t.neg").is_err());
}

#[test]
fn damage_names_file_and_line() {
    for (text, line) in [("[a]\nb = 1\n[a\n", 3), ("[a]\nb = \n", 2), ("[a]\nx = 1\nx = 2\n", 3)] {
        match Files::new("", text).load(&[]) {
            Err(ConfigError::Syntax { path, line: found, .. }) => {
                assert!(path.ends_with("repo"));
                assert_eq!(found, line, "{text:?}");
            }
            other => panic!("{text:?}: {other:?}"),
        }
    }
    let files = Files::new("", "");
    fs::write(files.path("repo"), b"[a]\nb = 'x'\nc = '\xff'\n").unwrap();
    assert!(matches!(files.load(&[]), Err(ConfigError::Syntax { line: 3, .. })));
    for text in ["top = 1\n", "[a]\nb = [[1]]\n", "[a]\n\"b c\" = 1\n", "[[a]]\nb = 1\n"] {
        assert!(matches!(Files::new("", text).load(&[]), Err(ConfigError::Shape { .. })), "{text}");
    }
}

#[test]
fn edits_keep_comments_and_spelling() {
    let text = "# mine\n[User]\n# who\nName = \"me\" # yes\nother = 1\n\n[core]\nbusyTimeout = 5000\n";
    let files = Files::new("", text);
    let after = files.edit(|f| f.set(&key("user.name"), "you").unwrap());
    assert_eq!(after, text.replace("\"me\"", "\"you\""));
    let after = files.edit(|f| f.set(&key("core.busytimeout"), "250").unwrap());
    assert!(after.contains("busyTimeout = 250\n"), "{after}");
    let after = files.edit(|f| f.set(&key("remote.origin.url"), "fs:///r").unwrap());
    assert!(after.ends_with("[remote.origin]\nurl = \"fs:///r\"\n"), "{after}");
    let after = files.edit(|f| f.set(&key("branch.a.b/c.merge"), "007").unwrap());
    assert!(after.contains("[branch.\"a.b/c\"]\nmerge = \"007\"\n"), "{after}");
    files.edit(|f| f.add(&key("remote.origin.fetch"), "one").unwrap());
    let after = files.edit(|f| f.add(&key("remote.origin.fetch"), "two").unwrap());
    assert!(after.contains("fetch = [\"one\", \"two\"]\n"), "{after}");
    let mut file = ConfigFile::open(&files.path("repo")).unwrap();
    assert!(matches!(file.set(&key("remote.origin.fetch"), "x"), Err(ConfigError::Several { count: 2, .. })));
    files.edit(|f| assert!(f.rename_section("branch", "a.b/c", "d")));
    assert_eq!(files.load(&[]).unwrap().string("branch.d.merge"), Some("007"));
    files.edit(|f| {
        assert!(f.remove_section("remote", "origin") && !f.remove_section("remote", "origin"));
        assert!(f.unset(&key("branch.d.merge")) && !f.unset(&key("branch.d.merge")));
    });
    let after = files.edit(|f| assert!(f.unset(&key("CORE.BusyTimeout"))));
    assert!(!after.contains("core") && !after.contains("branch") && !after.contains("remote"), "{after}");
    assert!(after.starts_with("# mine\n[User]\n# who\n"), "{after}");
}

#[test]
fn of_several_spellings_the_one_in_force_is_changed() {
    let files = Files::new("", "[core]\na = 1\n[Core]\nA = 2\nb = 1\nB = 2\n");
    let after = files.edit(|f| {
        f.set(&key("core.a"), "3").unwrap();
        f.set(&key("core.b"), "3").unwrap();
    });
    assert_eq!(after, "[core]\na = 1\n[Core]\nA = 3\nb = 1\nB = 3\n");
    assert_eq!(files.load(&[]).unwrap().int("core.a").unwrap(), Some(3));
}

#[test]
fn keys_are_checked() {
    for good in ["a.b", "a.b.c", "a.b c/d.e.f", "a-1.b-2"] {
        assert!(good.parse::<Key>().is_ok(), "{good}");
    }
    for bad in ["", "a", "a.", ".b", "a..b", "a.1b", "a b.c", "a.x\ny.c", "a.b c"] {
        assert!(bad.parse::<Key>().is_err(), "{bad:?}");
    }
    assert_eq!(key("Branch.Feature.X.Merge").to_string(), "branch.Feature.X.merge");
}

proptest! {
    /// Whatever is set and unset in whatever order, the file holds exactly that.
    #[test]
    fn files_hold_what_was_set(
        steps in prop::collection::vec(("[ab]", prop::option::of("[xy.é]{1,3}"), "[cd]", prop::option::of("[a-z0-9 \"\\\\#é\\n]{0,6}")), 0..25),
    ) {
        let files = Files::new("", "");
        let mut model = BTreeMap::new();
        for (section, subsection, name, value) in steps {
            let dotted = match subsection { Some(s) => format!("{section}.{s}.{name}"), None => format!("{section}.{name}") };
            let key: Key = dotted.parse().unwrap();
            let mut file = ConfigFile::open(&files.path("repo")).unwrap();
            match value {
                Some(value) => match file.set(&key, &value) {
                    Ok(()) => drop(model.insert(key, value)),
                    // A table in TOML cannot be a value as well.
                    Err(ConfigError::Shape { .. }) => continue,
                    Err(e) => panic!("{e}"),
                },
                None => prop_assert_eq!(file.unset(&key), model.remove(&key).is_some()),
            }
            file.save(files.dir.path()).unwrap();
            let config = files.load(&[]).unwrap();
            let held: BTreeMap<_, _> = config.list().map(|e| (e.key.clone(), e.value.clone())).collect();
            prop_assert_eq!(&held, &model);
        }
    }
}
