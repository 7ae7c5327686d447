//! Long text that changed, as one line in which removed words stand in `[-…-]` and added ones in `{+…+}`.

use crate::cli::diff::value::escaped;
use crate::cli::style::Theme;

/// Text shorter than this is shown whole, old and new.
const SHORT: usize = 60;
/// Characters of unchanged text shown on either side of a change.
const AROUND: usize = 24;
/// Pairs of words compared before the middle is shown as replaced.
const MAX_WORK: usize = 1 << 20;
/// Characters shown of all that changed.
const MAX_SHOWN: usize = 2000;

/// What happened to a run of words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Same,
    Removed,
    Added,
}

/// Shows how a text changed; `None` if both are short, or have nothing in common.
pub fn diff(old: &str, new: &str, theme: &Theme) -> Option<String> {
    if old.chars().count().max(new.chars().count()) < SHORT {
        return None;
    }
    let (a, b): (Vec<&str>, Vec<&str>) = (words(old), words(new));
    let runs = runs(&a, &b);
    if !runs.iter().any(|(kind, text)| *kind == Kind::Same && !text.trim().is_empty()) {
        return None;
    }
    let mut out = String::from("'");
    let last = runs.len() - 1;
    let mut shown = 0;
    for (i, (kind, text)) in runs.iter().enumerate() {
        if shown > MAX_SHOWN {
            out.push('…');
            break;
        }
        match kind {
            Kind::Same => out.push_str(&context(text, i == 0, i == last)),
            Kind::Removed | Kind::Added => {
                let (style, open, close) = match kind {
                    Kind::Removed => (theme.removed, "[-", "-]"),
                    _ => (theme.added, "{+", "+}"),
                };
                let part: String = text.chars().take(MAX_SHOWN).collect();
                let more = if part.len() < text.len() { "…" } else { "" };
                shown += part.chars().count();
                out.push_str(&format!("{style}{open}{}{more}{close}{style:#}", escaped(&part)));
            }
        }
    }
    out.push('\'');
    Some(out)
}

/// Keeps what stands next to a change.
fn context(text: &str, first: bool, last: bool) -> String {
    let chars: Vec<char> = text.chars().collect();
    let (before, after) = (if first { 0 } else { AROUND }, if last { 0 } else { AROUND });
    if chars.len() <= before + after + 3 {
        return escaped(text);
    }
    let part = |chars: &[char]| escaped(&chars.iter().collect::<String>());
    format!("{}…{}", part(&chars[..before]), part(&chars[chars.len() - after..]))
}

/// Splits a text into words, spaces and single other characters; together they are the text.
fn words(text: &str) -> Vec<&str> {
    let class = |c: char| if c.is_alphanumeric() || c == '_' { 1 } else { u8::from(c.is_whitespace()) * 2 };
    let mut out = Vec::new();
    let mut start = 0;
    let mut before = None;
    for (i, c) in text.char_indices() {
        if before.is_some_and(|b| b != class(c) || b == 0) {
            out.push(&text[start..i]);
            start = i;
        }
        before = Some(class(c));
    }
    if start < text.len() {
        out.push(&text[start..]);
    }
    out
}

fn runs(a: &[&str], b: &[&str]) -> Vec<(Kind, String)> {
    let head = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let tail = a[head..].iter().rev().zip(b[head..].iter().rev()).take_while(|(x, y)| x == y).count();
    let (mid_a, mid_b) = (&a[head..a.len() - tail], &b[head..b.len() - tail]);
    let mut runs = vec![(Kind::Same, a[..head].concat())];
    let mut push = |kind: Kind, text: &str| match runs.last_mut() {
        Some((k, run)) if *k == kind => run.push_str(text),
        _ => runs.push((kind, text.to_owned())),
    };
    if mid_a.len().saturating_mul(mid_b.len()) > MAX_WORK {
        push(Kind::Removed, &mid_a.concat());
        push(Kind::Added, &mid_b.concat());
    } else {
        let (rows, columns) = (mid_a.len() + 1, mid_b.len() + 1);
        // The length of the longest common sequence of what is left from (i, j) on.
        let mut longest = vec![0u32; rows * columns];
        for i in (0..mid_a.len()).rev() {
            for j in (0..mid_b.len()).rev() {
                longest[i * columns + j] = if mid_a[i] == mid_b[j] {
                    longest[(i + 1) * columns + j + 1] + 1
                } else {
                    longest[(i + 1) * columns + j].max(longest[i * columns + j + 1])
                };
            }
        }
        let (mut i, mut j) = (0, 0);
        while i < mid_a.len() || j < mid_b.len() {
            if i < mid_a.len() && j < mid_b.len() && mid_a[i] == mid_b[j] {
                push(Kind::Same, mid_a[i]);
                (i, j) = (i + 1, j + 1);
            } else if j == mid_b.len()
                || i < mid_a.len() && longest[(i + 1) * columns + j] >= longest[i * columns + j + 1]
            {
                push(Kind::Removed, mid_a[i]);
                i += 1;
            } else {
                push(Kind::Added, mid_b[j]);
                j += 1;
            }
        }
    }
    push(Kind::Same, &a[a.len() - tail..].concat());
    runs.retain(|(_, text)| !text.is_empty());
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plain(old: &str, new: &str) -> Option<String> {
        diff(old, new, &Theme::plain())
    }

    #[test]
    fn only_what_changed_and_its_neighbours_are_shown() {
        let old = "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt";
        let new = "Lorem ipsum dolor sit amet, consectetur ADIPISCING elit, sed do eiusmod tempor incididunt";
        assert_eq!(
            plain(old, new).as_deref(),
            Some("'…r sit amet, consectetur [-adipiscing-]{+ADIPISCING+} elit, sed do eiusmod te…'")
        );
        assert_eq!(plain("short", "shorter"), None);
        assert_eq!(plain(&"a".repeat(99), &"b".repeat(99)), None);
        let added = format!("{old} ut labore");
        assert_eq!(plain(old, &added).as_deref(), Some("'…iusmod tempor incididunt{+ ut labore+}'"));
    }

    proptest! {
        #[test]
        fn both_texts_can_be_told_from_the_runs(a in "[ab \n]{0,40}", b in "[ab \n]{0,40}") {
            let runs = runs(&words(&a), &words(&b));
            let side = |not: Kind| runs.iter().filter(|(k, _)| *k != not).map(|(_, t)| t.as_str()).collect::<String>();
            prop_assert_eq!(side(Kind::Added), a);
            prop_assert_eq!(side(Kind::Removed), b);
        }
    }
}
