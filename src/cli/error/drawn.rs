//! A failure for a terminal: a cross, the chain of causes as a branch, the help; long lines are wrapped.

use unicode_width::UnicodeWidthStr;

use super::Failure;
use crate::cli::style::Theme;

/// Draws a failure for a terminal of this many columns.
pub fn drawn(failure: &Failure, theme: &Theme, width: usize) -> String {
    let mut text = String::new();
    let mut part = |style: anstyle::Style, mark: &str, below: &str, said: &str| {
        let room = width.saturating_sub(mark.width());
        let mut start = format!("{style}{mark}{style:#}");
        for line in said.lines().flat_map(|line| wrapped(line, room)) {
            text.push_str(format!("{start}{line}").trim_end());
            text.push('\n');
            start = format!("{style}{below}{style:#}");
        }
    };
    part(theme.error, "  × ", if failure.causes.is_empty() { "    " } else { "  │ " }, &failure.message);
    for (n, cause) in failure.causes.iter().enumerate() {
        match n + 1 == failure.causes.len() {
            true => part(theme.error, "  ╰─▶ ", "      ", cause),
            false => part(theme.error, "  ├─▶ ", "  │   ", cause),
        }
    }
    if let Some(help) = &failure.help {
        part(theme.help, "  help: ", "        ", help);
    }
    text
}

/// Breaks a line at spaces; a word that is wider than `room` stays whole, so that paths and ids can be copied.
fn wrapped(line: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in line.split_inclusive(' ') {
        let last = lines.last_mut().expect("there is always one");
        if last.is_empty() || last.width() + word.trim_end().width() <= room {
            last.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_hang_below_and_long_lines_are_wrapped() {
        let mut failure = Failure::new("cannot read 'app.db', which was there a moment ago").help("make it readable");
        failure.causes = vec!["the folder cannot be searched".to_owned(), "permission denied".to_owned()];
        let lines = [
            "  × cannot read 'app.db', which",
            "  │ was there a moment ago",
            "  ├─▶ the folder cannot be",
            "  │   searched",
            "  ╰─▶ permission denied",
            "  help: make it readable",
            "",
        ];
        let text = lines.join("\n");
        assert_eq!(drawn(&failure, &Theme::default(), 32), text);
        let inked = drawn(&failure, &Theme::new(true), 32);
        assert_eq!(anstream::adapter::strip_str(&inked).to_string(), text);
        assert!(inked.starts_with('\u{1b}'), "{inked:?}");
    }

    #[test]
    fn indented_lines_and_wide_words_stay_as_they_are() {
        let failure = Failure::new("try:\n  graft fsck /a/path/that/is/longer/than/the/screen").help("日本語 日本語");
        assert_eq!(
            drawn(&failure, &Theme::default(), 16),
            "  × try:\n      graft fsck\n    /a/path/that/is/longer/than/the/screen\n  help: 日本語\n        日本語\n"
        );
    }
}
