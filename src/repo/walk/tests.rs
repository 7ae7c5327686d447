//! Tests of walks over random histories that are built in Git and here alike.

use super::*;
use crate::repo::testing::{History, Random};

#[test]
fn ancestry_agrees_with_git() {
    for seed in 0..10 {
        let history = History::random(seed, 60);
        let mut random = Random(seed);
        for _ in 0..60 {
            let (a, b, c) = (history.pick(&mut random), history.pick(&mut random), history.pick(&mut random));
            let (ga, gb, gc) = (history.git_id(a), history.git_id(b), history.git_id(c));
            let bases = |args: &[&str]| history.from_git(&history.git.attempt(args).unwrap_or_default());
            let sorted = |mut ids: Vec<_>| {
                ids.sort();
                ids
            };
            let ours = merge_bases(&history.objects, a, &[b]).unwrap();
            assert_eq!(sorted(ours.clone()), sorted(bases(&["merge-base", "--all", &ga, &gb])), "seed {seed}");
            let times: Vec<i64> = ours.iter().map(|id| history.time(id)).collect();
            assert!(times.is_sorted_by(|a, b| a >= b), "newest first");
            let ours = merge_bases(&history.objects, a, &[b, c]).unwrap();
            assert_eq!(sorted(ours), sorted(bases(&["merge-base", "--all", &ga, &gb, &gc])), "seed {seed}");
            let theirs = history.git.output(&["merge-base", "--is-ancestor", &ga, &gb]).status.success();
            assert_eq!(is_ancestor(&history.objects, a, b).unwrap(), theirs, "seed {seed}");
            let (ahead, behind) = ahead_behind(&history.objects, a, b).unwrap();
            let theirs = history.git.run(&["rev-list", "--left-right", "--count", &format!("{ga}...{gb}")]);
            assert_eq!(format!("{ahead}\t{behind}"), theirs, "seed {seed}");
        }
    }
}
