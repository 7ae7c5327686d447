//! `config` and the global options.

use snapbox::assert_data_eq;
use snapbox::str;

use super::{change, small_history};
use crate::env::TestEnvironment;

#[test]
fn config_is_set_read_and_unset() {
    let env = TestEnvironment::init();
    let commands: [&[&str]; 12] = [
        &["config", "get", "user.name"],
        &["config", "set", "user.name", "Ada Lovelace"],
        &["config", "get", "user.name"],
        &["config", "set", "--global", "user.name", "Everywhere"],
        &["config", "get", "user.name"],
        &["config", "list", "--show-origin"],
        &["config", "unset", "user.name"],
        &["config", "get", "user.name"],
        &["config", "unset", "user.name"],
        &["config", "set", "core.busyTimeout", "soon"],
        &["config", "set", "nosection", "x"],
        &["config", "set", "user.emial", "x"],
    ];
    assert_data_eq!(
        env.session(&commands),
        str![[r#"
$ graft config get user.name
=> 1
$ graft config set user.name Ada Lovelace
$ graft config get user.name
Ada Lovelace
$ graft config set --global user.name Everywhere
$ graft config get user.name
Ada Lovelace
$ graft config list --show-origin
file:$ROOT/home/.config/graft/config.toml	user.name=Everywhere
file:$ROOT/repo/.graft/config.toml	user.name=Ada Lovelace
$ graft config unset user.name
$ graft config get user.name
Everywhere
$ graft config unset user.name
=> 1
$ graft config set core.busyTimeout soon
$ graft config set nosection x
2> error: 'nosection' is not a configuration key (section.name or section.subsection.name)
2> help: as in 'graft config set user.name Ada'
=> 128
$ graft config set user.emial x

"#]]
    );
}

#[test]
fn setting_a_value_keeps_the_comments_of_the_file() {
    let env = TestEnvironment::init();
    let path = env.dot_graft().join("config.toml");
    let before = std::fs::read_to_string(&path).unwrap_or_default();
    std::fs::write(&path, format!("# mine\n{before}\n[user]\n# me\nname = \"A\" # short\n")).expect("a file");
    env.graft(["config", "set", "user.name", "B"]).ok();
    let after = std::fs::read_to_string(&path).expect("the file");
    for kept in ["# mine", "# me", "# short", "\"B\""] {
        assert!(after.contains(kept), "{kept} in {after}");
    }
    std::fs::write(&path, "[user\nname=").expect("a file");
    env.graft(["config", "list"]).refused(&["config.toml", "line 1"]);
    env.graft(["commit", "--allow-empty", "-m", "x"]).refused(&["config.toml"]);
}

#[test]
fn settings_for_one_run() {
    let env = small_history();
    assert_eq!(env.graft(["-c", "user.name=Once", "config", "get", "user.name"]).ok(), "Once\n");
    env.graft(["config", "get", "user.name"]).expect(1);
}

#[test]
fn directories_add_up() {
    let env = small_history();
    assert_eq!(env.graft_in(&env.outside(), ["-C", "repo", "-C", "data", "ls-files"]).ok(), "log.db\n");
    env.graft(["-C", "nowhere", "status"]).refused(&["nowhere"]);
}

#[test]
fn colour_only_where_asked() {
    let env = small_history();
    change(&env.path("app.db"));
    for args in [vec!["status"], vec!["log"], vec!["show"], vec!["status", "-s"]] {
        assert!(!env.graft(args.clone()).ok().contains('\x1b'), "colour off a terminal in {args:?}");
        let always = [vec!["--color", "always"], args.clone()].concat();
        assert!(env.graft(always).ok().contains('\x1b'), "no colour in {args:?}");
    }
    let never = env.graft(["--color", "never", "no-such-command"]);
    assert!(!never.expect(2).stderr().contains('\x1b'));
}

#[test]
fn quiet_and_verbose() {
    let env = small_history();
    change(&env.path("app.db"));
    let quiet = env.graft(["-q", "commit", "-am", "quiet"]);
    assert_eq!((quiet.ok(), quiet.stderr()), (String::new(), String::new()));
    let verbose = env.graft(["-vv", "--log-format", "json", "status"]);
    assert!(verbose.ok().contains("main"), "{verbose}");
    let lines: Vec<String> = verbose.stderr().lines().map(str::to_owned).collect();
    assert!(!lines.is_empty(), "nothing was logged");
    for line in &lines {
        let parsed: Result<serde_json::Value, _> = serde_json::from_str(line);
        assert!(parsed.is_ok(), "not JSON: {line}");
    }
    let mut logged = env.command(["status"]);
    logged.env("GRAFT_LOG", "graft=debug");
    assert!(!env.run(logged).stderr().is_empty());
    assert_eq!(env.graft(["status"]).stderr(), "", "logs unasked");
}

#[test]
fn a_reader_that_goes_away_is_no_error_message() {
    let env = small_history();
    for round in 0..300 {
        env.graft(["commit", "--allow-empty", "-qm", &format!("{round} {}", "x".repeat(200))]).ok();
    }
    let mut pipe = env.program("sh", env.repo());
    pipe.args(["-c", &format!("{} log | head -n 1", env!("CARGO_BIN_EXE_graft"))]);
    let outcome = env.run(pipe);
    outcome.ok();
    assert_eq!(outcome.stderr(), "");
}
