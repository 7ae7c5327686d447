//! Tests of walks over random histories that Git and we read alike.

use super::*;
use crate::model::ObjectId;
use crate::repo::testing::{History, Random, seeds};

fn sorted(mut ids: Vec<ObjectId>) -> Vec<ObjectId> {
    ids.sort();
    ids
}

#[test]
fn ancestry_agrees_with_git() {
    let mut several = 0;
    for seed in 0..seeds(120) {
        let history = History::random(seed, 40);
        let mut random = Random(seed);
        let (git, objects) = (&history.git, &history.objects);
        for _ in 0..4 {
            let mut pick = || history.commits[history.commits.len() - 1 - random.below(20)];
            let (a, b, c) = (pick(), pick(), pick());
            let [ga, gb, gc] = [a, b, c].map(|id| id.to_string());
            let bases = |args: &[&str]| History::ids(&git.attempt(args).unwrap_or_default());
            let ours = merge_bases(objects, a, &[b]).unwrap();
            assert_eq!(sorted(ours.clone()), sorted(bases(&["merge-base", "--all", &ga, &gb])), "seed {seed}");
            several += usize::from(ours.len() > 1);
            let times: Vec<i64> = ours.iter().map(|id| history.time(id)).collect();
            assert!(times.is_sorted_by(|a, b| a >= b), "newest first");
            let ours = merge_bases(objects, a, &[b, c]).unwrap();
            assert_eq!(sorted(ours), sorted(bases(&["merge-base", "--all", &ga, &gb, &gc])), "seed {seed}");
            let theirs = git.run(&["rev-list", "--left-right", "--count", &format!("{ga}...{gb}")]);
            let (ahead, behind) = ahead_behind(objects, a, b).unwrap();
            assert_eq!(format!("{ahead}\t{behind}"), theirs, "seed {seed}");
        }
        let some: Vec<ObjectId> = (0..8).map(|_| history.pick(&mut random)).collect();
        let (from, among) = some.split_at(3);
        let found = reached(objects, from, among).unwrap();
        assert_eq!(reaching(objects, among, from).unwrap(), {
            let reaches = |id: &&ObjectId| from.iter().any(|f| is_ancestor(objects, *f, **id).unwrap());
            among.iter().filter(reaches).copied().collect()
        });
        for id in among {
            let wanted = from.iter().any(|f| is_ancestor(objects, *id, *f).unwrap());
            assert_eq!(found.contains(id), wanted, "seed {seed}");
        }
        let tip = *history.commits.last().unwrap();
        let reached = History::ids(&git.run(&["rev-list", &tip.to_string()]));
        for id in &history.commits {
            assert_eq!(is_ancestor(objects, *id, tip).unwrap(), reached.contains(id), "seed {seed}");
        }
    }
    assert!(several > 20, "only {several} pairs with several merge bases");
}

#[test]
fn questions_about_neighbours_read_no_history() {
    let history = History::random(7, 400);
    let tip = *history.commits.last().unwrap();
    let parent = crate::repo::state::objects::ObjectReader::commit(&history.objects, &tip).unwrap().parents[0];
    type Question<'a> = &'a dyn Fn();
    let ask: [Question<'_>; 3] = [
        &|| assert_eq!(merge_bases(&history.objects, tip, &[parent]).unwrap(), [parent]),
        &|| assert!(is_ancestor(&history.objects, parent, tip).unwrap()),
        &|| assert!(ahead_behind(&history.objects, parent, tip).unwrap().0 == 0),
    ];
    for question in ask {
        history.objects.forget_reads();
        question();
        assert!(history.objects.reads() < 40, "{}", history.objects.reads());
    }
}
