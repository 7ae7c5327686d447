//! Tests of dates: Git reads the same texts at the same moment in the same time zone.

use jiff::tz::Offset;

use super::*;
use crate::repo::testing::{Random, TestGit};

/// Time zones as the environment names them, with minutes east of UTC.
const ZONES: [(&str, i32); 3] = [("UTC-1", 60), ("UTC-5:30", 330), ("UTC+8", -480)];

fn zone(minutes: i32) -> TimeZone {
    TimeZone::fixed(Offset::from_seconds(minutes * 60).unwrap())
}

/// Makes up what people might type, but no year by itself: with a month and a time Git takes the day before the last of the
/// month before.
fn typed(random: &mut Random) -> String {
    let words = [
        "yesterday",
        "noon",
        "midnight",
        "tea",
        "never",
        "now",
        "last",
        "friday",
        "Sun",
        "tuesdays",
        "two",
        "ten",
        "a",
        "ago",
        "days",
        "day",
        "weeks",
        "week",
        "month",
        "months",
        "years",
        "hours",
        "minutes",
        "sec",
        "seconds",
        "hour",
        "pm",
        "AM",
        "jan",
        "February",
        "Mar",
        "sept",
        "dec",
        "of",
        "the",
        "5th",
        "3",
        "12",
        "31",
        "02",
        "0002",
        "10:30",
        "7:5",
        "23:59:59",
        "25:00",
        "6.1.2021",
        "31/12/99",
        "1/2/3",
        "2/1",
        "2020-02-30",
        "2021-13-01",
        "12-5",
        "3pm",
        "11am",
        "0",
        "100",
        "T12",
        "2019-05-06T07:08:09",
        "+0300",
        "-0130",
        "GMT",
        "Z",
        "EST",
        "2.weeks.ago",
    ];
    let count = 1 + random.below(4);
    let marks = [" ", " ", " ", ".", ", ", "-"];
    let mut text = String::new();
    for n in 0..count {
        if n > 0 {
            text += random.pick(&marks);
        }
        text += random.pick(&words);
    }
    text
}

#[test]
fn approximate_dates_are_gits() {
    let git = TestGit::new();
    let plain = [
        "yesterday",
        "2 weeks ago",
        "last friday",
        "noon",
        "noon yesterday",
        "yesterday noon",
        "10:30 yesterday",
        "tea",
        "never",
        "3 days ago",
        "3.days.2.hours.ago",
        "last month",
        "one year ago",
        "june 5th 2022",
        "5 June",
        "Dec 31",
        "31 feb",
        "10am",
        "6pm yesterday",
        "2023-01-02",
        "2023-01-02 03:04",
        "2023-01-02 03:04:05 +0200",
        "1/2/2020",
        "13/2/2020",
        "1.2.2020",
        "@1600000000 +0200",
        "1600000000",
        "Tue, 14 Nov 2023 22:13:20 +0000",
        "2 fridays ago",
        "1 month 2 days ago",
        "12 months ago",
        "20230405",
        "may 1999",
        "2022 march 3",
        "3 march 2022 10:00",
    ];
    let mut understood = 0;
    for (n, (name, minutes)) in ZONES.into_iter().enumerate() {
        for round in 0..6 {
            // Different days of the week and month, and times of day; one in the last days of a month.
            let now = 1_700_000_000 + 86_400 * 31 * round + 7 * 3600 * round + i64::from(round == 5) * 17 * 86_400;
            let mut random = Random((n as u64) << 8 | round as u64);
            let mut texts: Vec<String> = plain.iter().map(|t| (*t).to_owned()).collect();
            texts.extend((0..150).map(|_| typed(&mut random)));
            let args: Vec<String> = texts.iter().map(|text| format!("--since={text}")).collect();
            let mut command = git.command(&["rev-parse"]);
            let output =
                command.args(&args).env("TZ", name).env("GIT_TEST_DATE_NOW", now.to_string()).output().unwrap();
            let output = String::from_utf8(output.stdout).unwrap();
            for (text, line) in texts.iter().zip(output.lines()) {
                // Git writes times before 1970 without their sign.
                let theirs = line.strip_prefix("--max-age=").unwrap().parse::<u64>().unwrap() as i64;
                let zone = zone(minutes);
                // The clock cannot be set for Git's strict reading.
                let clock = jiff::Timestamp::now().as_second();
                let strict = strict::read(text, clock, &zone).map(|(at, _)| at);
                match strict.or_else(|| approximate::read(text, now, &zone)) {
                    Some(ours) => {
                        assert_eq!(ours, theirs, "'{text}' at {now} in {name}");
                        understood += 1;
                    }
                    // Git takes what it does not understand for now.
                    None => assert_eq!(theirs, now, "'{text}' at {now} in {name}"),
                }
            }
        }
    }
    assert!(understood > 2500, "only {understood} understood");
}

#[test]
fn strict_dates_are_gits() {
    let git = TestGit::new();
    let mut texts: Vec<String> = [
        "@1700000000 +0130",
        "1700000000 -0500",
        "@1700000000",
        "1700000000",
        "2023-11-14T22:13:20Z",
        "2023-11-14T22:13:20+05:30",
        "2023-11-14 23:13:20 +0100",
        "2023-11-14 23:13:20.123 +0100",
        "2023-11-14 22:13",
        "20231114T221320Z",
        "20231114T2213",
        "20231114T22",
        "Tue, 14 Nov 2023 22:13:20 +0000",
        "Tue Nov 14 22:13:20 2023 -0330",
        "Tue, 14 Nov 2023 22:13:20 EST",
        "14.11.2022 10:00:00",
        "11/14/2022 10:00:00",
        "2022-11-14",
        "10:00:00",
        "yesterday",
        "soon",
        "",
        "2022-11-14 10:00 PM",
        "2022-11-14 12:00 AM",
        "1 Apr 05 10:00:00",
        "2022-02-30 10:00:00",
        "2100-01-01 00:00:00",
        "1969-12-31 23:00:00",
        "2022-11-14 10:00:00 +9999",
        "2022-11-14 10:00:00 +01",
        "2022-11-14 10:00:00 CEST",
        "@17 +0000",
        "17 +0000",
        "@1700000000 +01",
        "@1700000000 +0130 x",
        "2022-11-14 10:00:00 0300",
        "Nov 14 2022 10:00:00",
    ]
    .map(str::to_owned)
    .into();
    let mut random = Random(5);
    let parts: [&[&str]; 4] = [
        &[
            "2023-11-14",
            "14 Nov 2023",
            "Tue, 14 Nov 2023",
            "2023/11/14",
            "14.11.2021",
            "20220105",
            "5/6/2020",
            "Feb 3 1999",
        ],
        &[" ", "T", ", ", " at "],
        &["10:00:00", "7:05", "23:59:60", "1234", "235959", "3:00 pm", "24:00:00", "10:00:00.5"],
        &["", " +0130", "Z", " GMT", " -11:30", " PDT", " +2500", " (x)"],
    ];
    texts.extend((0..60).map(|_| parts.map(|part| random.pick(part)).concat()));
    let mut good = 0;
    for text in texts {
        let mut command = git.command(&["var", "GIT_AUTHOR_IDENT"]);
        let output = command.env("GIT_AUTHOR_DATE", &text).output().unwrap();
        let theirs = String::from_utf8(output.stdout).unwrap();
        let theirs = theirs.trim().split_once("> ").map(|(_, date)| date.to_owned());
        let ours = strict::read(&text, 1_790_000_000, &zone(60)).map(|(seconds, offset)| {
            let sign = if offset < 0 { '-' } else { '+' };
            format!("{seconds} {sign}{:02}{:02}", offset.abs() / 60, offset.abs() % 60)
        });
        good += usize::from(ours.is_some());
        // Git takes an empty date for none.
        if !text.is_empty() {
            assert_eq!(ours, theirs, "'{text}'");
        }
    }
    assert!(good > 60, "only {good} read");
}

#[test]
fn nonsense_is_refused_and_limits_hold() {
    for text in ["", "soon", "nonsense", "---", "ümläut", "9999999 years ago", "99999999999999999999 years ago"] {
        assert_eq!(approximate(text, 1_700_000_000), Err(DateError(text.to_owned())), "{text}");
        assert!(parse_typed(text, i64::MAX).is_err());
    }
    assert!(parse("yesterday", 1_700_000_000).is_err(), "the strict reading wants a whole date");
    assert!(parse_typed("yesterday", 1_700_000_000).is_ok());
    assert_eq!(parse("@1700000000 +0130", 0), Ok((1_700_000_000, 90)));
}
