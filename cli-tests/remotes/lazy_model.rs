//! Random commands in an ordinary clone and in a lazy one side by side: whatever they do to files in the one, they do to volumes in
//! the other. But for `rm` and `mv`: a file that is not tracked any more can stay in the worktree, a volume cannot.

use super::Place;
use crate::database::sql;

/// A small generator of pseudo-random numbers (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }

    fn of<'t>(&mut self, all: &[&'t str]) -> &'t str {
        all[self.below(all.len() as u64) as usize]
    }
}

const FILES: [&str; 3] = ["app.db", "b.db", "c.db"];
const BRANCHES: [&str; 3] = ["main", "x", "y"];
const SUM: &str = "SELECT count(*), sum(n * id), max(n) FROM item";

/// What is to be seen of a repository: its state in words, and what each database holds.
fn seen(place: &Place, name: &str) -> String {
    let dir = place.dir(name);
    let mut text = place.run(name, &["status", "--porcelain", "-b"]);
    // An entry of the stash is called after the id of a commit.
    let log = place.run(name, &["log", "--all", "--format=%s %d"]);
    text += &log.lines().filter(|line| !line.contains(" on ")).collect::<Vec<_>>().join("\n");
    text += &place.run(name, &["stash", "list"]).lines().count().to_string();
    for file in place.run(name, &["ls-files"]).lines() {
        let rows = place.env.graft_in(&dir, ["sql", "--db", file, SUM]);
        text += &format!("\n{file}: {}", if rows.code() == 0 { rows.stdout() } else { "gone\n".to_owned() });
    }
    text
}

fn walk(seed: u64, steps: u32) {
    let place = Place::new();
    let one = place.dir("one");
    for file in ["b.db", "c.db"] {
        sql(&one.join(file), "CREATE TABLE item(id INTEGER PRIMARY KEY, n); INSERT INTO item VALUES(1, 1), (2, 2)");
    }
    place.run("one", &["add", "."]);
    place.run("one", &["commit", "-qm", "all"]);
    place.run("one", &["push", "-q"]);
    place.clone("plain");
    place.env.graft_in(&place.env.outside(), ["clone", "-q", "--lazy", &place.url, "lazy"]).ok();
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut trace = Vec::new();
    for step in 0..steps {
        let file = random.of(&FILES);
        let branch = random.of(&BRANCHES);
        let number = format!("step {step}");
        // The first commit lacks two of the files, which would stay in the worktree.
        let commits = place.env.graft_in(&place.dir("plain"), ["rev-list", "--count", "HEAD"]).stdout();
        let is_low = ["", "1", "2"].contains(&commits.trim());
        let back = if is_low { "HEAD" } else { "HEAD~1" };
        let args: Vec<&str> = match random.below(24) {
            0..=6 => {
                let id = random.below(2) + 1;
                let change = format!("UPDATE item SET n = {} WHERE id = {id}", random.below(4));
                trace.push(format!("{file}: {change}"));
                if one.parent().expect("a folder").join("plain").join(file).exists() {
                    sql(&place.dir("plain").join(file), &change);
                    place.run("lazy", &["sql", "--db", file, &change]);
                }
                vec!["status", "--porcelain"]
            }
            7 => vec!["add", file],
            8 | 9 => vec!["commit", "-qam", &number],
            10 => vec!["commit", "-qm", &number],
            11 => vec!["switch", "-q", branch],
            12 => vec!["switch", "-qc", branch],
            13 => vec!["switch", "-qf", branch],
            14 => vec!["merge", "-q", "--ff-only", branch],
            15 => vec!["reset", "-q", "--hard", random.of(&["HEAD", back])],
            16 => vec!["reset", "-q", random.of(&["HEAD", back])],
            17 => vec!["reset", "-q", "--soft", back],
            18 => vec!["stash", "-q"],
            19 => vec!["stash", "pop", "-q"],
            20 => vec!["restore", "--staged", file],
            21 => vec![random.of(&["undo", "redo"])],
            22 => vec!["commit", "-qm", &number, "--", file],
            _ => vec!["reset", "-q", "--keep", branch],
        };
        trace.push(args.join(" "));
        let [plain, lazy] = ["plain", "lazy"].map(|name| place.env.graft_in(&place.dir(name), &args));
        let story = || trace.join("\n");
        assert_eq!(plain.code(), lazy.code(), "seed {seed}:\n{}\n{plain}\n{lazy}", story());
        assert_eq!(seen(&place, "plain"), seen(&place, "lazy"), "seed {seed}:\n{}\n{plain}\n{lazy}", story());
    }
    for name in ["plain", "lazy"] {
        place.run(name, &["fsck"]);
    }
    // As files they hold the same.
    place.run("lazy", &["materialize"]);
    assert_eq!(seen(&place, "plain"), seen(&place, "lazy"), "seed {seed}: as files");
}

#[test]
fn a_lazy_clone_does_what_an_ordinary_one_does() {
    walk(7, 30);
}

/// What only `cli-tests/run --all` runs.
mod at_length {
    use super::*;

    /// `GRAFT_TEST_SEEDS=100..200` chooses others.
    #[test]
    #[ignore = "takes minutes: cli-tests/run --all"]
    fn lazy_clones_do_what_ordinary_ones_do() {
        let text = std::env::var("GRAFT_TEST_SEEDS").unwrap_or_else(|_| "1..40".to_owned());
        let (from, to) = text.split_once("..").expect("a range of numbers");
        let number = |text: &str| text.parse::<u64>().expect("a number");
        for seed in number(from)..number(to) {
            walk(seed, 60);
        }
    }
}
