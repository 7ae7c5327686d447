//! Graphs by hand, and of random histories beside Git's.

use super::*;
use crate::repo::testing::{Random, TestGit};

/// Draws commits given as `name:parents`.
fn drawn(history: &[&str]) -> String {
    let id = |c: char| ObjectId::from_bytes([c as u8; 32]);
    let mut graph = Graph::new([Style::new(); 6]);
    let mut text = String::new();
    for commit in history {
        let (name, parents) = commit.split_once(':').expect("name:parents");
        let parents: Vec<_> = parents.chars().map(id).collect();
        let mut rows = graph.commit(id(name.chars().next().expect("a name")), &parents, false);
        text.push_str(&format!("{}{name}\n", rows.next_row()));
        for row in rows.rest() {
            text.push_str(&format!("{}\n", row.trim_end()));
        }
    }
    text
}

#[test]
fn a_line_needs_no_edges() {
    assert_eq!(drawn(&["c:b", "b:a", "a:"]), "* c\n* b\n* a\n");
}

#[test]
fn a_merge_forks_and_joins() {
    assert_eq!(drawn(&["m:ba", "a:r", "b:r", "r:"]), "*   m\n|\\\n| * a\n* | b\n|/\n* r\n");
}

#[test]
fn lanes_give_way_to_a_fork_and_close_up_again() {
    assert_eq!(
        drawn(&["x:r", "m:ab", "b:r", "a:r", "r:"]),
        "* x\n| *   m\n| |\\\n| | * b\n| |/\n|/|\n| * a\n|/\n* r\n"
    );
    assert_eq!(drawn(&["m:ar", "x:r", "a:r", "r:"]), "*   m\n|\\\n| | * x\n| |/\n* / a\n|/\n* r\n");
}

#[test]
fn an_octopus_has_an_arm_per_parent() {
    assert_eq!(
        drawn(&["m:abc", "c:r", "b:r", "a:r", "r:"]),
        "*-.   m\n|\\ \\\n| | * c\n| * | b\n| |/\n* / a\n|/\n* r\n"
    );
}

/// Returns a random history as a stream for `git fast-import`, and the numbers of its tips: roots, merges of up to six
/// parents near and far, and lines that cross.
fn stream(seed: u64, first_mark: usize) -> (String, Vec<usize>, usize) {
    let mut random = Random(seed);
    let count = 8 + random.below(40);
    let near = 2 + random.below(12);
    let mut stream = String::new();
    let mut has_child = vec![false; count];
    for n in 0..count {
        let wanted = match random.below(20) {
            _ if n == 0 => 0,
            0 => 0,
            1..6 => 2,
            6..8 => 3,
            8 => 4,
            9 => 4 + random.below(3),
            _ => 1,
        };
        let mut parents: Vec<usize> = Vec::new();
        for _ in 0..wanted {
            let parent = n - 1 - random.below(n.min(near));
            if !parents.contains(&parent) {
                parents.push(parent);
            }
        }
        let time = 1_700_000_000 + 60 * n - random.below(200);
        stream += &format!("commit refs/import/{seed}/{n}\nmark :{}\n", first_mark + n);
        stream += &format!("committer A <a@b> {time} +0000\ndata 0\n");
        for (i, parent) in parents.iter().enumerate() {
            has_child[*parent] = true;
            stream += &format!("{} :{}\n", if i == 0 { "from" } else { "merge" }, first_mark + parent);
        }
    }
    (stream, (0..count).filter(|n| !has_child[*n]).collect(), first_mark + count)
}

#[test]
fn two_hundred_and_fifty_random_histories_look_as_in_git() {
    let git = TestGit::new();
    let (mut whole, mut all, mut mark) = (String::new(), Vec::new(), 1);
    for seed in 1..=250 {
        let (stream, tips, next) = stream(seed, mark);
        whole += &stream;
        all.push((seed, tips));
        mark = next;
    }
    git.feed(&["fast-import", "--quiet"], &whole);
    for (seed, tips) in all {
        let tips: Vec<String> = tips.iter().map(|n| format!("refs/import/{seed}/{n}")).collect();
        let tips: Vec<&str> = tips.iter().map(String::as_str).collect();
        let theirs = git.run(&[&["log", "--graph", "--format=%H %P"], &tips[..]].concat());
        let mut graph = Graph::new([Style::new(); 6]);
        let mut ours = String::new();
        for (at, _) in theirs.match_indices('*') {
            let line = theirs[at..]
                .lines()
                .next()
                .unwrap_or_default()
                .trim_start_matches(['*', '-', '.', '|', '\\', '/', '_', ' ']);
            let ids: Vec<ObjectId> = line.split_whitespace().map(|hex| ObjectId::from_hex(hex).unwrap()).collect();
            let mut rows = graph.commit(ids[0], &ids[1..], false);
            rows.above().for_each(|row| ours += &format!("{row}\n"));
            ours += &format!("{}{line}\n", rows.next_row());
            rows.rest().for_each(|row| ours += &format!("{row}\n"));
        }
        assert_eq!(ours.trim_end(), theirs.trim_end(), "seed {seed}");
    }
}

#[test]
fn a_root_ends_its_lane() {
    assert_eq!(drawn(&["m:ab", "a:", "b:"]), "*   m\n|\\\n* | a\n /\n* b\n");
}

#[test]
fn text_beyond_the_edges_stands_beside_straight_lanes() {
    let id = |n| ObjectId::from_bytes([n; 32]);
    let mut graph = Graph::new([Style::new(); 6]);
    let mut rows = graph.commit(id(1), &[id(2), id(3)], false);
    assert_eq!([rows.next_row(), rows.next_row(), rows.next_row()], ["*   ", "|\\  ", "| | "]);
}
