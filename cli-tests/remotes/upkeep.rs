//! `fsck --remote` and `gc --remote`.

use super::{Place, files};

#[test]
fn fsck_finds_every_damage() {
    let place = Place::new();
    place.change("one", 3);
    place.run("one", &["push"]);
    let answer = place.env.graft_in(&place.dir("one"), ["fsck", "--remote", "--json"]).json();
    assert!(answer["ok"] == true && answer["objects"] == 6 && answer["storage_commits"] == 2, "{answer}");
    for file in files(&place.dir("hub")).into_iter().filter(|f| !f.ends_with("lock")) {
        let whole = std::fs::read(&file).expect("read");
        let name = file.file_name().expect("a name").to_string_lossy().into_owned();
        for at in [0, whole.len() / 3, whole.len() - 1] {
            let mut bytes = whole.clone();
            bytes[at] ^= 4;
            std::fs::write(&file, bytes).expect("write");
            let found = place.env.graft_in(&place.dir("one"), ["fsck", "--remote", "origin"]);
            assert!(found.code() == 1 || name == "root" && found.code() == 128, "{found}");
            assert!(found.stdout().contains(&name) || found.stderr().contains(&name), "{found}");
        }
        std::fs::remove_file(&file).expect("remove");
        if name != "root" {
            place.env.graft_in(&place.dir("one"), ["fsck", "--remote"]).expect(1);
        }
        std::fs::write(&file, &whole).expect("write back");
    }
    place.run("one", &["fsck", "--remote"]);
    let left: Vec<_> = files(&place.dir("one").join(".graft/tmp"));
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn gc_merges_and_removes_and_disturbs_nobody() {
    let place = Place::new();
    place.clone("two");
    for row in 1..=12 {
        place.change("one", row);
        place.run("one", &["push"]);
    }
    // A branch that is gone leaves what only it had.
    place.run("one", &["branch", "side"]);
    place.change("one", 40);
    place.run("one", &["push", "origin", "HEAD:refs/heads/gone"]);
    place.run("one", &["push", "origin", ":gone"]);
    place.run("one", &["reset", "-q", "--hard", "side"]);
    let before = files(&place.dir("hub"));
    let dry = place.env.graft_in(&place.dir("one"), ["gc", "--remote", "-n", "--json"]).json();
    assert!(dry["bundles_before"] == 14 && dry["bundles_after"] == 1 && dry["removed"] == 0, "{dry}");
    assert_eq!(files(&place.dir("hub")), before);
    let young = place.env.graft_in(&place.dir("one"), ["gc", "--remote", "--json"]).json();
    assert!(young["removed"] == 0 && young["kept"] == 14, "{young}");
    let done = place.env.graft_in(&place.dir("one"), ["gc", "--remote", "--force", "--json"]).json();
    assert!(done["bundles_after"] == 1 && done["removed"].as_u64() >= Some(14), "{done}");
    let answer = place.env.graft_in(&place.dir("one"), ["fsck", "--remote", "--json"]).json();
    assert!(answer["ok"] == true && answer["bundles"] == 1 && answer["unneeded"] == 0, "{answer}");
    // Whoever had the remote before goes on.
    place.run("two", &["pull"]);
    place.assert_sound("two");
    place.assert_equal("one", "two");
    place.change("two", 50);
    place.run("two", &["push"]);
    place.run("one", &["pull"]);
    place.clone("three");
    place.assert_sound("three");
    place.assert_equal("one", "three");
}

#[test]
fn gc_beside_pushes_loses_nothing() {
    let place = Place::new();
    place.clone("two");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for row in 1..=8 {
                place.change("one", row);
                place.run("one", &["push"]);
            }
        });
        scope.spawn(|| {
            for _ in 0..6 {
                // With a grace period, as while others push.
                place.run("two", &["gc", "--remote", "--grace", "1 hour"]);
            }
        });
    });
    place.run("two", &["fsck", "--remote"]);
    place.run("two", &["pull"]);
    place.assert_sound("two");
    place.assert_equal("one", "two");
}
