//! A disk that is full in the middle of a switch: an error in words, and nothing lost.

use std::process::Command;

use super::{status, two_branches, worktree};
use crate::database::{make, sql};
use crate::env::TestEnvironment;

/// Switches with ever less room to write in: the limit is on the size of a single file.
#[test]
fn no_room_for_one_of_the_files() {
    let env = two_branches();
    let before = worktree(&env);
    let mut refused = 0;
    for blocks in [0, 1, 4, 8, 16, 32, 48, 64, 96] {
        let mut shell = env.program("sh", env.repo());
        let graft = env!("CARGO_BIN_EXE_graft");
        shell.args(["-c", &format!("trap '' XFSZ; ulimit -f {blocks}; exec '{graft}' switch dev")]);
        let outcome = env.run(shell);
        if outcome.code() == 0 {
            env.graft(["switch", "main"]).ok();
            continue;
        }
        refused += 1;
        assert_eq!(outcome.code(), 128, "{blocks} blocks: {outcome}");
        // The next command puts back what could not be put back without room.
        assert_eq!(status(&env), "", "{blocks} blocks");
        assert_eq!(env.graft(["branch", "--show-current"]).ok(), "main\n");
        assert_eq!(worktree(&env), before, "{blocks} blocks");
        env.graft(["fsck"]).ok();
    }
    assert!(refused >= 4, "the disk was full only {refused} times");
    env.graft(["switch", "dev"]).ok();
}

/// The same on a file system that is full as a whole: a small tmpfs in a mount namespace of its own. Where none can be made, as in
/// a container without that right, the test above has to do and this one says so.
#[test]
fn a_small_file_system() {
    let env = TestEnvironment::empty();
    let probe = Command::new("unshare")
        .args(["-rm", "sh", "-c", "mount -t tmpfs -o size=1m tmpfs \"$0\""])
        .arg(env.repo())
        .output()
        .expect("unshare belongs to every Linux");
    if !probe.status.success() {
        eprintln!("no file system can be mounted here: {}", String::from_utf8_lossy(&probe.stderr));
        return no_room_for_one_of_the_files();
    }
    let (first, second) = (env.outside().join("first.db"), env.outside().join("second.db"));
    make(&first, 3000, "DELETE");
    std::fs::copy(&first, &second).expect("copy");
    sql(&second, "UPDATE item SET n = -1, body = hex(randomblob(40))");
    let script = env.outside().join("script.sh");
    std::fs::write(&script, SCRIPT).expect("write");
    let mut command = env.program("unshare", env.repo());
    command.args(["-rm", "sh"]).arg(&script).arg(env.repo()).arg(env!("CARGO_BIN_EXE_graft")).arg(&first).arg(&second);
    let outcome = env.run(command);
    let text = outcome.ok();
    assert!(text.contains("refused") && text.ends_with("all there\n"), "{outcome}");
}

/// Fills the rest of a small file system with ballast, less each time, and switches.
const SCRIPT: &str = r#"
set -e
top=$1 graft=$2 first=$3 second=$4
mount -t tmpfs -o size=8m tmpfs "$top"
cd "$top"
"$graft" init -q -b main
cp "$first" a.db; cp "$first" b.db
"$graft" add .; "$graft" commit -qm one
"$graft" switch -qc dev
cp "$second" a.db; cp "$second" b.db
"$graft" commit -qam two
"$graft" switch -q main
sum() { cat a.db b.db | cksum; }
for free in 0 40 120 240 360 480 600 700 900; do
    have=$(df -k --output=avail . | tail -1)
    [ "$have" -le "$free" ] || head -c $(( (have - free) * 1024 )) /dev/zero > ballast
    if "$graft" switch -q dev 2> err.txt; then
        rm -f ballast
        "$graft" switch -q main
    else
        echo "refused with $free KiB: $(head -1 err.txt)"
        rm -f ballast
        [ "$("$graft" branch --show-current)" = main ]
    fi
    rm -f err.txt
    [ -z "$("$graft" status --porcelain)" ] || { "$graft" status; exit 1; }
    [ "$("$graft" export HEAD:a.db -o - | cksum)" = "$(cksum < "$first")" ]
    "$graft" fsck > /dev/null
done
"$graft" switch -q dev
[ -z "$("$graft" status --porcelain)" ]
echo all there
"#;
