//! Stops a command before each write, fsync and rename of Graft in turn.

use std::path::Path;

use crate::env::TestEnvironment;

/// Exit code of a process that aborted, as [`Outcome::code`](crate::env::Outcome::code) gives it.
const ABORTED: i32 = 1006;

/// Aborts `args` in `dir` at each of its crash points in turn; `back` restores what was before, `judge` looks at what is left.
pub fn walk(env: &TestEnvironment, dir: &Path, args: &[&str], back: &dyn Fn(), judge: &dyn Fn(u64)) {
    back();
    let count_file = env.outside().join("count");
    let mut counted = env.command_in(dir, args);
    counted.env("GRAFT_CRASH_COUNT", &count_file);
    env.run(counted).ok();
    let count: u64 = std::fs::read_to_string(&count_file).expect("a count").trim().parse().expect("a number");
    assert!(count > 3, "{args:?} has {count} crash points");
    for at in 1..=count {
        back();
        let mut command = env.command_in(dir, args);
        command.env("GRAFT_CRASH_AT", at.to_string());
        env.run(command).expect_when(ABORTED, &format!("at crash point {at} of {count}"));
        judge(at);
    }
}
