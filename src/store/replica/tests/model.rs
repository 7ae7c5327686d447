//! Random histories of two volumes and their remote, against plain bytes.

use super::*;

/// A generator of small numbers that is the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// Writes something, also beyond the end; sometimes the volume becomes shorter or only longer.
fn change(side: &Side, bytes: &mut Vec<u8>, dice: &mut Dice) {
    let pages = (bytes.len() / PAGE_SIZE) as u32;
    let (at, content, end) = match dice.roll(6) {
        0 => (1, Vec::new(), (dice.roll(u64::from(pages) + 1)) as u32),
        1 => (1, Vec::new(), pages + dice.roll(40) as u32),
        _ => {
            let at = dice.roll(60) as u32 + 1;
            let content = noise(dice.roll(1000), dice.roll(5) as u32 + 1);
            let end = at + (content.len() / PAGE_SIZE) as u32 - 1;
            (at, content, end.max(pages))
        }
    };
    bytes.resize(end as usize * PAGE_SIZE, 0);
    let start = (at as usize - 1) * PAGE_SIZE;
    if !content.is_empty() {
        bytes[start..start + content.len()].copy_from_slice(&content);
    }
    side.write(at, content, end);
}

#[test]
fn volumes_and_their_remote_agree_after_any_history() {
    let rounds = std::env::var("GRAFT_TEST_HISTORIES").ok().and_then(|n| n.parse().ok()).unwrap_or(3);
    for seed in 0..rounds {
        let dir = tempfile::tempdir().expect("a folder");
        let name = format!("replica-model-{seed}");
        let mut dice = Dice(seed);
        let one = Side::new(&dir.path().join("one"), &name);
        one.push().expect("pushed");
        let mut sides = [one, Side::clone(&dir.path().join("two"), &name)];
        let mut contents = [Vec::new(), Vec::new()];
        // What the remote holds, and what each side was synced with last.
        let (mut there, mut lsn, mut synced) = (Vec::new(), 0u64, [0u64; 2]);
        for step in 0..60 {
            let me = dice.roll(2) as usize;
            let at = format!("seed {seed}, step {step}");
            match dice.roll(10) {
                0..=3 => change(&sides[me], &mut contents[me], &mut dice),
                4 => sides[me].reopen(),
                5..=7 => match sides[me].push() {
                    Ok(pushed) => {
                        assert!(pushed.lsn.is_none() || synced[me] == lsn, "{at}");
                        if pushed.lsn.is_some() {
                            (there, lsn) = (contents[me].clone(), lsn + 1);
                            assert_eq!(pushed.lsn.map(|l| l.get()), Some(lsn), "{at}");
                            synced[me] = lsn;
                        }
                    }
                    Err(ReplicaError::Moved { .. }) => assert!(synced[me] < lsn, "{at}"),
                    Err(other) => panic!("{at}: {other}"),
                },
                8 => match sides[me].pull(false) {
                    Ok(pulled) if pulled.is_moved => {
                        contents[me] = there.clone();
                        synced[me] = lsn;
                    }
                    Ok(_) => assert_eq!(synced[me], lsn, "{at}"),
                    Err(ReplicaError::Diverged { .. }) => assert!(synced[me] < lsn, "{at}"),
                    Err(other) => panic!("{at}: {other}"),
                },
                _ => {
                    sides[me].pull(true).expect("pulled");
                    // Where nothing was pushed there is nothing to go to.
                    if lsn > 0 {
                        (contents[me], synced[me]) = (there.clone(), lsn);
                    }
                }
            }
            assert!(sides[me].read().expect("readable") == contents[me], "{at}");
        }
        assert_remote_sound(&name);
        let judge = Side::clone(&dir.path().join("judge"), &name);
        assert!(judge.read().expect("readable") == there, "seed {seed}");
    }
}

#[test]
fn a_long_log_has_checkpoints_and_is_cloned_and_read() {
    let dir = tempfile::tempdir().expect("a folder");
    let one = Side::new(&dir.path().join("one"), "replica-long");
    one.write(1, noise(1, 300), 300);
    one.push().expect("pushed");
    // With more of them there is a second checkpoint.
    let pushes = if std::env::var_os("GRAFT_TEST_HISTORIES").is_some() { 150 } else { 70 };
    for n in 0..pushes {
        one.write(n + 1, noise(u64::from(n) + 10, 1), 300);
        one.push().expect("pushed");
    }
    let pairing = one.store.pairing(one.id).expect("readable").expect("paired");
    let listed = pairing.base.expect("pushed").commit_count();
    assert!(listed <= crate::store::MAX_LISTED, "{listed}");
    let two = Side::clone(&dir.path().join("two"), "replica-long");
    assert!(two.read().expect("readable") == one.read().expect("readable"));
    two.write(299, noise(5, 3), 301);
    two.push().expect("pushed");
    // Segments of its own that were not kept are found again when the volume goes over to the remote's log.
    one.pull(false).expect("pulled");
    one.hydrate().expect("hydrated");
    assert!(two.read().expect("readable") == one.read().expect("readable"));
    assert_remote_sound("replica-long");
}
