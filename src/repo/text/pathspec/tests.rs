//! Tests of pathspecs; Git says which files random arguments select.

use super::*;
use crate::repo::testing::{Random, TestGit};

fn path(text: &str) -> RepoPath {
    RepoPath::new(text).unwrap()
}

fn specs(cwd: &str, args: &[&str]) -> Result<Pathspecs, PathspecError> {
    let args: Vec<PathBuf> = args.iter().map(PathBuf::from).collect();
    Pathspecs::new(Path::new("/nowhere/top"), &Path::new("/nowhere/top").join(cwd), &args)
}

#[test]
fn files_folders_and_patterns() {
    let none = specs("", &[]).unwrap();
    assert!(none.is_empty() && none.matches(&path("a/b")) && none.covers("a") && none.may_match_in("a"));
    let some = specs("data", &["app.db", "../logs/", "*.bak", "./x/../y"]).unwrap();
    for yes in ["data/app.db", "data/app.db/inside", "logs/a/b", "data/z.bak", "data/d/z.bak", "data/y"] {
        assert!(some.matches(&path(yes)), "{yes}");
    }
    for no in ["app.db", "logs", "z.bak", "data/x"] {
        assert!(!some.matches(&path(no)), "{no}");
    }
    assert!(some.covers("logs") && some.covers("logs/a") && !some.covers("data"));
    assert!(some.may_match_in("data/deep") && some.may_match_in("") && !some.may_match_in("other"));
    assert!(some.names(&path("data/app.db")) && !some.names(&path("data/z.bak")));
    let paths = [path("data/app.db"), path("logs/x"), path("data/y")];
    assert_eq!(some.unmatched(&paths.iter().collect::<Vec<_>>()), Some(PathBuf::from("*.bak")));
    let some = specs("d", &[":/a", ":!a/b", ":(top,icase)C"]).unwrap();
    assert!(some.matches(&path("a/x")) && !some.matches(&path("d/a/b/x")) && some.matches(&path("c/y")));
    assert!(specs("a", &["b", ".."]).unwrap().matches(&path("z")));
    assert!(specs("", &[":!a"]).unwrap().matches(&path("b")) && !specs("", &[":!a"]).unwrap().covers(""));
    assert!(
        specs("", &[":(literal)a*"]).unwrap().matches(&path("a*"))
            && !specs("", &[":(literal)a*"]).unwrap().matches(&path("ab"))
    );
}

#[test]
fn what_is_not_in_the_repository_is_refused_by_name() {
    use std::os::unix::ffi::OsStringExt;
    let fails = |cwd: &str, arg: &str| specs(cwd, &[arg]).expect_err(arg);
    for (cwd, arg) in [("", "../x"), ("a", "../../x"), ("", "/etc/passwd"), ("", "/nowhere/topper"), ("", "../*.db")] {
        assert!(matches!(fails(cwd, arg), PathspecError::Outside { path, .. } if path == Path::new(arg)), "{arg}");
    }
    assert!(matches!(fails("", ".graft/config.toml"), PathspecError::Reserved { .. }));
    assert!(matches!(fails("a", "../b/.git"), PathspecError::Reserved { .. }));
    assert!(matches!(fails("", ""), PathspecError::Empty));
    assert!(matches!(fails("", ":(nonsense)x"), PathspecError::Magic { word, .. } if word == "nonsense"));
    let bad = PathBuf::from(std::ffi::OsString::from_vec(b"a\xffb".to_vec()));
    let top = Path::new("/nowhere/top");
    assert!(
        matches!(Pathspecs::new(top, top, std::slice::from_ref(&bad)), Err(PathspecError::NotUtf8(path)) if path == bad)
    );
    assert!(matches!(repo_path(top, top, &bad), Err(PathspecError::NotUtf8(_))));
    assert_eq!(repo_path(top, &top.join("a"), Path::new("../b/c")).unwrap(), path("b/c"));
    assert!(matches!(repo_path(top, &top.join("a"), Path::new("..")), Err(PathspecError::Empty)));
}

#[test]
fn symbolic_links_are_not_followed_inside_but_above() {
    let tmp = tempfile::tempdir().unwrap();
    let base = tmp.path().canonicalize().unwrap();
    let top = base.join("top");
    std::fs::create_dir_all(top.join("real")).unwrap();
    std::os::unix::fs::symlink("real", top.join("link")).unwrap();
    std::os::unix::fs::symlink(&top, base.join("alias")).unwrap();
    let find = |arg: &str| repo_path(&top, &top, Path::new(arg));
    assert!(matches!(find("link/x"), Err(PathspecError::BeyondSymlink { link, .. }) if link == "link"));
    assert_eq!(find("link").unwrap(), path("link"), "the link itself is a path");
    assert_eq!(find(base.join("alias/real/new.db").to_str().unwrap()).unwrap(), path("real/new.db"));
    assert_eq!(repo_path(&top, &base.join("alias/real"), Path::new("x")).unwrap(), path("real/x"));
    let spec = Pathspecs::new(&top, &top, &[PathBuf::from("link/*.db")]);
    assert!(matches!(spec, Err(PathspecError::BeyondSymlink { .. })));
}

#[test]
fn random_arguments_agree_with_git() {
    let git = TestGit::new();
    let all = ["a", "b.db", "d/a", "d/b.db", "d/e/a.db", "d/e/f/x", "d-x/a", "D/A", "g/a*", "g/ab", "x.db/y"];
    for name in all {
        std::fs::create_dir_all(git.top().join(name).parent().unwrap()).unwrap();
        std::fs::write(git.top().join(name), "").unwrap();
    }
    git.run(&["add", "-A"]);
    let empty = git.run(&["hash-object", "-t", "tree", "-w", "/dev/null"]);
    let top = git.top().canonicalize().unwrap();
    let mut random = Random(8);
    let bits = ["a", "b.db", "d", "d/", "e", "/", "*", "?", "../", "./", "*.db", ".", "..", "D", "g/", "a*", "x.db"];
    let magics = [
        "",
        "",
        "",
        "",
        ":/",
        ":!",
        ":(top)",
        ":(glob)",
        ":(icase)",
        ":(exclude,top)",
        ":(literal)",
        ":(top,glob)",
        ":^/",
    ];
    for n in 0..800 {
        let cwd = random.pick(&["", "d", "d/e"]);
        let mut args: Vec<String> = (0..1 + random.below(2))
            .map(|_| {
                let magic = random.pick(&magics);
                let path: String = (0..1 + random.below(3)).map(|_| random.pick(&bits)).collect();
                // Git takes what follows ":/" as it stands, so that "." and ".." in it match nothing.
                let is_top = magic.contains(['/', 't']) && !magic.contains("exclude")
                    || magic.contains("top")
                    || magic == ":!" && path.starts_with('/');
                let plain = path
                    .replace("..", "a")
                    .replace("./", "")
                    .replace("/.", "/")
                    .replace("//", "/")
                    .replace(".db", "\0")
                    .replace('.', "")
                    .replace('\0', ".db");
                let path = if is_top { plain.trim_start_matches('/').to_owned() } else { path };
                format!("{magic}{path}")
            })
            .collect();
        // With excluding arguments alone Git looks only at the folder one stands in.
        args.push(".".to_owned());
        if n % 2 == 0 && !args[0].contains(['!', '^']) && !args[0].contains("exclude") {
            args.truncate(1);
        }
        // `ls-files` looks for a common folder of its arguments first and then forgets some of their magic.
        let mut git_args = vec!["diff-index", "--cached", "--name-only", &empty, "--"];
        git_args.extend(args.iter().map(String::as_str));
        let output = git.command(&git_args).current_dir(git.top().join(cwd)).output().unwrap();
        let paths: Vec<PathBuf> = args.iter().map(PathBuf::from).collect();
        let ours = Pathspecs::new(&top, &top.join(cwd), &paths);
        assert_eq!(output.status.success(), ours.is_ok(), "{cwd}: {args:?}: {output:?}");
        let Ok(ours) = ours else { continue };
        let mut selected: Vec<&str> = all.into_iter().filter(|p| ours.matches(&path(p))).collect();
        selected.sort_unstable();
        assert_eq!(selected.join("\n"), String::from_utf8(output.stdout).unwrap().trim_end(), "{cwd}: {args:?}");
        for name in all {
            let Some((folder, _)) = name.rsplit_once('/') else { continue };
            assert!(ours.may_match_in(folder) || !ours.matches(&path(name)), "{args:?} in {folder}");
            assert!(!ours.covers(folder) || ours.matches(&path(name)), "{args:?} covers {folder}");
        }
    }
}
