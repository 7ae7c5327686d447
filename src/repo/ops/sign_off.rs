//! Sign-off: the line that says who vouches for a commit, put below its message where Git puts it.

use crate::model::Signature;
use crate::repo::ops::commit::tidy;

/// Lines that tools write, by which a paragraph is known to be trailers even if other lines are among them.
const GENERATED: [&str; 2] = ["Signed-off-by: ", "(cherry picked from commit "];

/// Returns a message with the sign-off of `who` as its last line, in the paragraph of trailers if it ends with one. A message
/// that ends with the same line stays as it is.
pub fn sign_off(message: &str, who: &Signature) -> String {
    let message = tidy(message);
    let line = format!("Signed-off-by: {who}\n");
    let trailers = trailers(&message);
    match trailers.last() {
        _ if message.is_empty() => format!("\n\n{line}"),
        None => format!("{message}\n{line}"),
        Some(last) if last.trim_end() == line.trim_end() => message,
        Some(_) => message + &line,
    }
}

/// Tells whether a message holds sign-offs at most.
pub fn says_nothing(message: &str) -> bool {
    message.lines().all(|line| line.trim().is_empty() || line.starts_with(GENERATED[0]))
}

/// Returns the trailers that a tidy message ends with, one by one: `Token: value`, and lines below it that are indented. The
/// first paragraph is the title, and of another one that is no trailer at least a quarter has to be some, by a line that tools write.
fn trailers(message: &str) -> Vec<&str> {
    let Some((_, paragraph)) = message.trim_end().rsplit_once("\n\n") else { return Vec::new() };
    let (mut trailers, mut others, mut continued, mut generated) = (0usize, 0usize, 0usize, false);
    // From the end, since only what stands above an indented line tells what it belongs to.
    for line in paragraph.lines().rev() {
        if GENERATED.iter().any(|start| line.starts_with(start)) {
            (trailers, continued, generated) = (trailers + 1, 0, true);
        } else if is_trailer(line) {
            (trailers, continued) = (trailers + 1, 0);
        } else if line.starts_with(char::is_whitespace) {
            continued += 1;
        } else {
            (others, continued) = (others + 1 + continued, 0);
        }
    }
    others += continued;
    if !(generated && trailers * 3 >= others || trailers > 0 && others == 0) {
        return Vec::new();
    }
    let mut found: Vec<&str> = Vec::new();
    let mut start = 0;
    let mut at = 0;
    for line in paragraph.split_inclusive('\n') {
        if at > 0 && !line.starts_with(char::is_whitespace) {
            found.push(&paragraph[start..at]);
            start = at;
        }
        at += line.len();
    }
    found.push(&paragraph[start..]);
    found
}

/// Tells whether a line begins with a word and a colon.
fn is_trailer(line: &str) -> bool {
    line.split_once(':').is_some_and(|(token, _)| {
        let word = token.trim_end_matches([' ', '\t']);
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::testing::TestGit;

    #[test]
    fn the_line_stands_where_git_puts_it() {
        let git = TestGit::new();
        let who = git.who();
        let own = format!("Signed-off-by: {who}");
        let messages = [
            "title".to_owned(),
            "title\n\nbody".to_owned(),
            "title\nsecond line: no trailer".to_owned(),
            "Title: with a colon".to_owned(),
            "title\n\nReviewed-by: B <b@x>".to_owned(),
            "title\n\nbody\n\nReviewed-by: B <b@x>\nAcked-by : C".to_owned(),
            format!("title\n\n{own}"),
            format!("title\n\n{own}\n\n"),
            format!("title\n\n{own}\nReviewed-by: B <b@x>"),
            format!("title\n\nbody\n{own}"),
            format!("title\n\none\ntwo\nthree\n{own}"),
            format!("title\n\none\ntwo\nthree\nfour\n{own}"),
            "title\n\none\ntwo\nSigned-off-by: D <d@x>".to_owned(),
            "title\n\nKey: value\n  that goes on\nOther: x".to_owned(),
            "title\n\n  indented first\nKey: value".to_owned(),
            "title\n\nsee https://example.org".to_owned(),
            "title\n\nnot a trailer\nKey: value".to_owned(),
            "title\n\n(cherry picked from commit 1234)".to_owned(),
            "title\n\nbody\n\n\n\nKey: value\n\n".to_owned(),
        ];
        for message in messages {
            git.run(&["commit", "-q", "--allow-empty", "-s", "-m", &message]);
            let wanted = git.feed(&["log", "-1", "--format=tformat:%B"], "");
            let signed = sign_off(&message, &who) + "\n";
            assert_eq!(signed, String::from_utf8(wanted).unwrap(), "{message:?}");
        }
    }

    #[test]
    fn an_empty_message_leaves_room_for_one() {
        let who = TestGit::new().who();
        let signed = sign_off(" \n", &who);
        assert_eq!(signed, format!("\n\nSigned-off-by: {who}\n"));
        assert!(says_nothing(&signed) && !says_nothing(&sign_off("x", &who)));
    }
}
