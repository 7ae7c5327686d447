//! Tests of reading a reflog backwards, of torn ends, and of the values it gives.

use std::fs;

use proptest::prelude::*;

use super::*;
use crate::model::Signature;

fn id(n: u64) -> Option<ObjectId> {
    (n > 0).then(|| ObjectId::from_bytes(*blake3::hash(&n.to_le_bytes()).as_bytes()))
}

fn entry(n: u64) -> ReflogEntry {
    ReflogEntry {
        old: id(n - 1),
        new: id(n),
        who: Signature { name: "A U Thor".into(), email: "a@b.c".into(), time: 1000 * n as i64, offset: -90 },
        message: format!("commit: number {n}"),
    }
}

fn read(log: &Reflog) -> Vec<ReflogEntry> {
    log.newest_first().unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn lines_are_those_of_git() {
    let line = entry(1).to_line();
    let (zeros, hex) = ("0".repeat(64), id(1).unwrap());
    assert_eq!(line, format!("{zeros} {hex} A U Thor <a@b.c> 1000 -0130\tcommit: number 1\n"));
    assert_eq!(ReflogEntry::parse(line.trim_end()), Some(entry(1)));
    let messy = ReflogEntry { message: " a\n\nb\tc ".into(), ..entry(1) };
    assert!(messy.to_line().ends_with("\ta b c\n"));
    for bad in ["", "x", &line[1..], &line.replace("<", "")] {
        assert_eq!(ReflogEntry::parse(bad.trim_end()), None, "{bad}");
    }
    let moved = ReflogEntry { message: "checkout: moving from main to a b".into(), ..entry(1) };
    assert_eq!(moved.checkout(), Some(("main", "a b")));
}

#[test]
fn reads_newest_first_across_blocks() {
    let dir = tempfile::tempdir().unwrap();
    let log = Reflog::new(dir.path().join("HEAD"));
    assert!(read(&log).is_empty());
    let text: String = (1..=500).map(|n| entry(n).to_line()).collect();
    fs::write(log.path(), text).unwrap();
    assert_eq!(read(&log), (1..=500).rev().map(entry).collect::<Vec<_>>());
    let mut offsets = Vec::new();
    let mut iter = log.newest_first().unwrap();
    while let Some(item) = iter.next_with_offset() {
        offsets.push(item.unwrap().0);
    }
    assert!(offsets.windows(2).all(|w| w[0] > w[1]) && offsets.last() == Some(&0));
    log.cut_at(offsets[1]).unwrap();
    assert_eq!(read(&log)[0], entry(498));
}

#[test]
fn a_torn_end_is_ignored_and_then_cut() {
    let dir = tempfile::tempdir().unwrap();
    let log = Reflog::new(dir.path().join("HEAD"));
    let (whole, line) = (entry(1).to_line(), entry(2).to_line());
    for len in 0..line.len() {
        for prefix in [whole.as_str(), ""] {
            fs::write(log.path(), format!("{prefix}{}", &line[..len])).unwrap();
            let kept = if prefix.is_empty() { vec![] } else { vec![entry(1)] };
            assert_eq!(read(&log), kept);
            log.append(&entry(3)).unwrap();
            assert_eq!(read(&log), [vec![entry(3)], kept].concat());
        }
    }
}

#[test]
fn damage_in_the_middle_is_an_error_but_older_entries_follow() {
    let dir = tempfile::tempdir().unwrap();
    let log = Reflog::new(dir.path().join("HEAD"));
    fs::write(log.path(), format!("{}junk\n{}", entry(1).to_line(), entry(2).to_line())).unwrap();
    let items: Vec<_> = log.newest_first().unwrap().collect();
    assert!(matches!(items[1], Err(ReflogError::Damaged { offset, .. }) if offset == entry(1).to_line().len() as u64));
    assert_eq!(items[0].as_ref().unwrap(), &entry(2));
    assert_eq!(items[2].as_ref().unwrap(), &entry(1));
}

#[test]
fn values_by_number_and_time() {
    let entries = || [3, 2].map(|n| Ok(entry(n))).into_iter();
    assert_eq!(nth_value(entries(), 0).unwrap(), Ok(id(3)));
    assert_eq!(nth_value(entries(), 1).unwrap(), Ok(id(2)));
    assert_eq!(nth_value(entries(), 2).unwrap(), Ok(id(1)), "what the oldest entry replaced");
    assert_eq!(nth_value(entries(), 3).unwrap(), Err(2));
    assert_eq!(nth_value(std::iter::once(Ok(entry(1))), 1).unwrap(), Err(1), "the ref did not exist before");
    assert_eq!(value_at(entries(), 2999).unwrap(), AtTime::Value(id(2)));
    assert_eq!(value_at(entries(), 3000).unwrap(), AtTime::Value(id(3)));
    assert_eq!(value_at(entries(), 10).unwrap(), AtTime::TooEarly { oldest: id(1), since: 2000 });
    assert_eq!(value_at(std::iter::empty(), 10).unwrap(), AtTime::Empty);
}

proptest! {
    #[test]
    fn any_entry_round_trips(
        name in "[a-zA-Zé. ]{0,5}[a-z]", email in "[a-z@.]{0,10}", time in any::<i64>(), offset in -840..840i32,
        words in prop::collection::vec("[!-~é]{1,6}", 0..4),
    ) {
        let who = Signature { name: name.replace('<', ""), email, time, offset };
        let entry = ReflogEntry { old: None, new: id(5), who, message: words.join(" ") };
        let line = entry.to_line();
        prop_assert_eq!(ReflogEntry::parse(line.strip_suffix('\n').unwrap()), Some(entry));
    }
}

#[test]
fn zeros_in_place_of_lines_are_damage_and_a_torn_line_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let log = Reflog::new(dir.path().join("HEAD"));
    let lines = entry(1).to_line() + &entry(2).to_line();
    for (kept, zeros) in [(0, lines.len()), (entry(1).to_line().len(), 9), (lines.len(), 20_000)] {
        let mut bytes = lines.as_bytes()[..kept].to_vec();
        bytes.resize(kept + zeros, 0);
        fs::write(log.path(), &bytes).unwrap();
        let found: Vec<_> = log.newest_first().unwrap().collect();
        assert!(matches!(found[0], Err(ReflogError::Damaged { offset, .. }) if offset == kept as u64), "{kept}");
        assert_eq!(found.len() - 1, lines[..kept].lines().count(), "what is left still reads");
        log.append(&entry(3)).unwrap();
        assert_eq!(read(&log)[0], entry(3));
        fs::write(log.path(), &lines.as_bytes()[..lines.len() - 5]).unwrap();
        assert_eq!(read(&log), [entry(1)]);
    }
}
