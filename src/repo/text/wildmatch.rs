//! Git's wildcard patterns: `*`, `?`, `[a-z]`, `\x` and, in paths, `**`.

/// How a pattern is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// `*`, `?` and `[…]` stop at `/`, and `**` crosses it (Git's `:(glob)`); otherwise `*` crosses it too.
    pub by_component: bool,
    /// Upper and lower case letters are the same.
    pub ignore_case: bool,
}

/// Tells whether a text has any character that patterns treat specially.
pub fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '[', '\\'])
}

/// Tells whether the whole of `text` matches `pattern`. A malformed pattern matches nothing.
pub fn matches(pattern: &str, text: &str, flags: Flags) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    Matcher { pattern: &pattern, text: &text, flags }.run()
}

struct Matcher<'a> {
    pattern: &'a [char],
    text: &'a [char],
    flags: Flags,
}

/// What one step of the pattern allows.
enum Step {
    /// One character, and the pattern goes on here.
    One(usize),
    /// The character does not match, or the pattern is malformed.
    None,
}

impl Matcher<'_> {
    /// Matches by remembering, for each place in the pattern, the places of the text that can be reached: the time is
    /// at most the product of both lengths, whatever stars there are.
    fn run(&self) -> bool {
        let width = self.text.len() + 1;
        let mut reached = vec![false; (self.pattern.len() + 1) * width];
        reached[0] = true;
        for p in 0..self.pattern.len() {
            for t in 0..width {
                if reached[p * width + t] {
                    self.advance(p, t, &mut |p, t| reached[p * width + t] = true);
                }
            }
        }
        reached[self.pattern.len() * width + self.text.len()]
    }

    /// Reports every place that can follow place `p` of the pattern with the text consumed up to `t`.
    fn advance(&self, p: usize, t: usize, reach: &mut dyn FnMut(usize, usize)) {
        if self.pattern[p] == '*' {
            return self.star(p, t, reach);
        }
        let Some(&c) = self.text.get(t) else { return };
        if let Step::One(next) = self.single(p, c) {
            reach(next, t + 1);
        }
    }

    fn star(&self, p: usize, t: usize, reach: &mut dyn FnMut(usize, usize)) {
        let after = p + self.pattern[p..].iter().take_while(|&&c| c == '*').count();
        let at_start = p == 0 || self.pattern[p - 1] == '/';
        let is_double = after - p >= 2 && at_start && self.pattern.get(after).is_none_or(|&c| c == '/');
        let crosses = !self.flags.by_component || is_double;
        if self.flags.by_component && is_double && after < self.pattern.len() {
            // `**/` also stands for no folder at all.
            reach(after + 1, t);
        }
        for end in t..=self.text.len() {
            reach(after, end);
            if end < self.text.len() && self.text[end] == '/' && !crosses {
                break;
            }
        }
    }

    /// Matches one character against the pattern at `p`, which is no star.
    fn single(&self, p: usize, c: char) -> Step {
        let yes = |ok: bool, next: usize| if ok { Step::One(next) } else { Step::None };
        match self.pattern[p] {
            '?' => yes(!(self.flags.by_component && c == '/'), p + 1),
            '[' => match self.class(p + 1, c) {
                Some((ok, next)) => yes(ok && !(self.flags.by_component && c == '/'), next),
                None => Step::None,
            },
            '\\' => match self.pattern.get(p + 1) {
                Some(&literal) => yes(self.same(literal, c), p + 2),
                None => Step::None,
            },
            literal => yes(self.same(literal, c), p + 1),
        }
    }

    fn same(&self, a: char, b: char) -> bool {
        a == b || self.flags.ignore_case && a.to_lowercase().eq(b.to_lowercase())
    }

    /// Matches a bracket expression that begins behind its `[`; `None` if it has no end.
    fn class(&self, start: usize, c: char) -> Option<(bool, usize)> {
        let mut at = start;
        let negated = matches!(self.pattern.get(at), Some('!' | '^'));
        at += usize::from(negated);
        let (first, mut found) = (at, false);
        loop {
            match *self.pattern.get(at)? {
                ']' if at > first => return Some((found != negated, at + 1)),
                '[' if self.pattern.get(at + 1) == Some(&':') => {
                    let end = at + 2 + self.pattern[at + 2..].windows(2).position(|w| w == [':', ']'])?;
                    let name: String = self.pattern[at + 2..end].iter().collect();
                    found |= self.posix(&name, c)?;
                    at = end + 2;
                }
                _ => {
                    let (low, next) = self.class_char(at)?;
                    let is_range =
                        self.pattern.get(next) == Some(&'-') && self.pattern.get(next + 1).is_some_and(|&c| c != ']');
                    let (high, next) = if is_range { self.class_char(next + 1)? } else { (low, next) };
                    found |= self.in_range(low, high, c);
                    at = next;
                }
            }
        }
    }

    fn class_char(&self, at: usize) -> Option<(char, usize)> {
        match *self.pattern.get(at)? {
            '\\' => Some((*self.pattern.get(at + 1)?, at + 2)),
            c => Some((c, at + 1)),
        }
    }

    fn in_range(&self, low: char, high: char, c: char) -> bool {
        let within = |c: char| low <= c && c <= high;
        within(c) || self.flags.ignore_case && (within(c.to_ascii_lowercase()) || within(c.to_ascii_uppercase()))
    }

    /// Tells whether a character is of a POSIX class; `None` if there is no such class.
    fn posix(&self, name: &str, c: char) -> Option<bool> {
        Some(match name {
            "alnum" => c.is_ascii_alphanumeric(),
            "alpha" => c.is_ascii_alphabetic(),
            "blank" => c == ' ' || c == '\t',
            "cntrl" => c.is_ascii_control(),
            "digit" => c.is_ascii_digit(),
            "graph" => c.is_ascii_graphic(),
            "lower" => c.is_ascii_lowercase() || self.flags.ignore_case && c.is_ascii_uppercase(),
            "print" => c.is_ascii_graphic() || c == ' ',
            "punct" => c.is_ascii_punctuation(),
            "space" => c.is_ascii_whitespace() || c == '\x0b',
            "upper" => c.is_ascii_uppercase() || self.flags.ignore_case && c.is_ascii_lowercase(),
            "xdigit" => c.is_ascii_hexdigit(),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::testing::{Random, TestGit};

    fn check(pattern: &str, text: &str, by_component: bool) -> bool {
        matches(pattern, text, Flags { by_component, ignore_case: false })
    }

    #[test]
    fn stars_cross_folders_only_when_they_may() {
        assert!(check("*.db", "a/b.db", false) && !check("*.db", "a/b.db", true));
        assert!(check("**/b.db", "b.db", true) && check("a/**", "a/b/c", true) && check("a/**/c", "a/c", true));
        assert!(!check("a/**", "a", true) && !check("a**c", "a/c", true));
        assert!(matches("A*[B-D]", "axc", Flags { by_component: false, ignore_case: true }));
    }

    #[test]
    fn long_patterns_take_no_time() {
        let text = "a".repeat(2000);
        assert!(!check(&"*a".repeat(40), &text.replace('a', "b"), false));
        assert!(check(&"*a".repeat(40), &text, false));
    }

    /// Random patterns over random paths: Git's `:(glob)` and plain pathspecs select the same files.
    #[test]
    fn random_patterns_agree_with_git() {
        let git = TestGit::new();
        let mut random = Random(8);
        let mut word = |letters: &[&str], max: usize| -> String {
            let len = 1 + random.below(max);
            (0..len).map(|_| random.pick(letters)).collect()
        };
        let mut paths: Vec<String> = Vec::new();
        while paths.len() < 60 {
            let path = word(&["a", "b", "B", "-", "]", "a/", "b/", "ab/"], 5);
            if !path.ends_with('/') && !paths.contains(&path) {
                paths.push(path);
            }
        }
        let blob = git.run(&["hash-object", "-w", "/dev/null"]);
        let lines: String = paths.iter().map(|p| format!("100644 {blob} 0\t{p}\n")).collect();
        let list = git.top().join("list");
        std::fs::write(&list, lines).unwrap();
        let mut command = git.command(&["update-index", "--index-info"]);
        assert!(command.stdin(std::fs::File::open(&list).unwrap()).status().unwrap().success());
        let paths: Vec<String> = git.run(&["ls-files"]).lines().map(str::to_owned).collect();
        let bits = [
            "a",
            "b",
            "B",
            "*",
            "**",
            "?",
            "/",
            "**/",
            "[ab]",
            "[!a]",
            "[^b]",
            "[]a]",
            "[a-]",
            "[[:upper:]]",
            "\\a",
            "[",
            "-",
            "[A-Z]",
            "[\\]b]",
        ];
        for n in 0..400 {
            let pattern = word(&bits, 5);
            for (magic, flags) in [
                ("", Flags::default()),
                ("glob,", Flags { by_component: true, ignore_case: false }),
                ("icase,", Flags { by_component: false, ignore_case: true }),
            ] {
                let Ok(theirs) = git.attempt(&["ls-files", "--", &format!(":({magic}top){pattern}")]) else { continue };
                // A pathspec also means the file or folder of that very name, which is not asked here.
                let plain = pattern.trim_end_matches('/').to_lowercase();
                let is_plain = |p: &str| p == plain || p.strip_prefix(&plain).is_some_and(|r| r.starts_with('/'));
                // Git matches only from the first wildcard on, and there takes "**" for the beginning of a part.
                let is_misread = pattern
                    .find(['*', '?', '[', '\\'])
                    .is_some_and(|at| pattern[at..].starts_with("**") && at > 0 && !pattern[..at].ends_with('/'));
                // Nor does Git find a capital of the pattern in brackets when case is ignored.
                let is_missed = flags.ignore_case && pattern.contains('[') && pattern.contains('B');
                if is_misread
                    || is_missed
                    || paths.iter().any(|p| is_plain(&p.to_lowercase()))
                    || pattern.contains("//")
                    || pattern.starts_with('/')
                {
                    continue;
                }
                let ours: Vec<&str> =
                    paths.iter().map(String::as_str).filter(|p| matches(&pattern, p, flags)).collect();
                assert_eq!(ours.join("\n"), theirs, "pattern {n}: {magic}{pattern}");
            }
        }
    }
}
