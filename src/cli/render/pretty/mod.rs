//! Commits as `log` and `show` write them: Git's named formats and `--format` patterns.

mod pattern;

use anstyle::Style;
use jiff::ZonedDateTime;

use super::date::DateFormat;
use crate::cli::style::Theme;
use crate::model::{Commit, ObjectId, RefName, Signature};
pub use pattern::{Pattern, style as color_words};

/// How to write a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// Id and subject on one line.
    Oneline,
    /// Id, author, subject.
    Short,
    /// Id, author, date, message: the default.
    Medium,
    /// Id, author, committer, message.
    Full,
    /// Id, author, committer, both dates, message.
    Fuller,
    /// Abbreviated id, subject and date as people cite a commit.
    Reference,
    /// The commit object.
    Raw,
    /// A pattern; `true` if it ends every commit (`tformat:`) rather than standing between two (`format:`).
    Pattern(Pattern, bool),
}

impl Format {
    /// Parses the value of `--format`.
    pub fn parse(text: &str) -> Result<Self, String> {
        Ok(match text {
            "oneline" => Self::Oneline,
            "short" => Self::Short,
            "medium" => Self::Medium,
            "full" => Self::Full,
            "fuller" => Self::Fuller,
            "reference" => Self::Reference,
            "raw" => Self::Raw,
            _ => match (text.strip_prefix("format:"), text.strip_prefix("tformat:")) {
                (Some(pattern), _) => Self::Pattern(Pattern::parse(pattern), false),
                (_, Some(pattern)) => Self::Pattern(Pattern::parse(pattern), true),
                _ if text.contains('%') || text.is_empty() => Self::Pattern(Pattern::parse(text), true),
                _ => {
                    return Err("known formats are oneline, short, medium, full, fuller, reference, raw and patterns such as '%h %s'"
                        .to_owned());
                }
            },
        })
    }

    /// Tells whether a blank line stands between two commits.
    pub fn is_paragraph(&self) -> bool {
        matches!(self, Self::Short | Self::Medium | Self::Full | Self::Fuller | Self::Raw)
    }
}

/// A ref that names a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoration {
    /// `HEAD`, and the branch it stands for unless it is detached.
    Head(Option<String>),
    /// A tag.
    Tag(String),
    /// A branch of a remote.
    Remote(String),
    /// A branch.
    Branch(String),
    /// The stash, in full.
    Other(String),
}

impl Decoration {
    /// Turns refs into decorations: `HEAD` first, the others in reverse order of their names, as in Git, which shows only
    /// branches, tags, branches of remotes and the stash. `head` is what `HEAD` stands for. With `full`, names keep their folders.
    pub fn list(refs: &[RefName], head: Option<&RefName>, full: bool) -> Vec<Self> {
        let is_shown = |name: &&RefName| {
            let name = name.as_str();
            let folders = ["refs/heads/", "refs/tags/", "refs/remotes/"];
            ["HEAD", "refs/stash"].contains(&name) || folders.iter().any(|folder| name.starts_with(folder))
        };
        let mut refs: Vec<&RefName> = refs.iter().filter(is_shown).collect();
        refs.sort_by(|a, b| b.cmp(a));
        let mut list: Vec<Self> = refs.into_iter().map(|name| Self::of(name, head, full)).collect();
        let on_branch = list.iter().any(|d| matches!(d, Self::Head(None))) && head.is_some();
        if on_branch {
            // "HEAD -> main" says both.
            list.retain(|d| *d != Self::Head(None));
        }
        list.sort_by_key(|d| !matches!(d, Self::Head(_)));
        list
    }

    fn of(name: &RefName, head: Option<&RefName>, full: bool) -> Self {
        let short = if full { name.as_str() } else { name.short() }.to_owned();
        match name.as_str() {
            "HEAD" => Self::Head(None),
            _ if head == Some(name) => Self::Head(Some(short)),
            full if full.starts_with("refs/heads/") => Self::Branch(short),
            full if full.starts_with("refs/tags/") => Self::Tag(short),
            full if full.starts_with("refs/remotes/") => Self::Remote(short),
            full => Self::Other(full.to_owned()),
        }
    }

    fn text(&self, theme: &Theme) -> String {
        let ink = |style: Style, text: &str| format!("{style}{text}{style:#}");
        match self {
            Self::Head(None) => ink(theme.head, "HEAD"),
            Self::Head(Some(branch)) => format!("{} {}", ink(theme.head, "HEAD ->"), ink(theme.branch, branch)),
            Self::Tag(name) => ink(theme.tag, &format!("tag: {name}")),
            Self::Remote(name) => ink(theme.remote, name),
            Self::Branch(name) => ink(theme.branch, name),
            Self::Other(name) => ink(theme.heading, name),
        }
    }
}

/// A commit and what is known about it.
#[derive(Clone, Debug)]
pub struct Shown<'a> {
    /// Its id.
    pub id: ObjectId,
    /// Its contents.
    pub commit: &'a Commit,
    /// The refs that name it; empty if they are not to be shown.
    pub decorations: &'a [Decoration],
}

/// What all commits of one listing have in common.
pub struct Look<'a> {
    /// Styles for roles.
    pub theme: Theme,
    /// How to write dates.
    pub date: DateFormat,
    /// The time now, and the zone for local dates.
    pub now: ZonedDateTime,
    /// Abbreviates an id.
    pub short: &'a dyn Fn(&ObjectId) -> String,
    /// Whether the formats that have a choice abbreviate ids (`--abbrev-commit`).
    pub abbreviate: bool,
}

impl Look<'_> {
    fn date(&self, who: &Signature) -> String {
        self.date.render(who.time, who.offset, &self.now)
    }

    fn id(&self, id: &ObjectId) -> String {
        if self.abbreviate { (self.short)(id) } else { id.to_string() }
    }

    /// Writes ` (HEAD -> main, tag: v1)`, or nothing without decorations.
    fn decorations(&self, list: &[Decoration]) -> String {
        if list.is_empty() {
            return String::new();
        }
        let style = self.theme.id;
        let between = format!("{style}, {style:#}");
        let names: Vec<String> = list.iter().map(|d| d.text(&self.theme)).collect();
        format!("{style} ({style:#}{}{style}){style:#}", names.join(&between))
    }
}

/// Writes a commit without the newline at its end.
pub fn commit(shown: &Shown<'_>, format: &Format, look: &Look<'_>) -> String {
    let Shown { id, commit, decorations } = shown;
    let style = look.theme.id;
    let heading = |label: &str, id: String| format!("{style}{label}{id}{style:#}{}", look.decorations(decorations));
    match format {
        Format::Oneline => format!("{} {}", heading("", look.id(id)), subject(&commit.message)),
        Format::Reference => {
            format!("{} ({}, {})", (look.short)(id), subject(&commit.message), look.date(&commit.author))
        }
        Format::Pattern(pattern, _) => pattern.render(shown, look),
        Format::Raw => {
            let text = super::object::commit(&Commit { message: String::new(), ..(*commit).clone() });
            let lines =
                format!("{}\n{}\n{}", heading("commit ", look.id(id)), text.trim_end(), indented(&commit.message));
            lines.trim_end().to_owned()
        }
        Format::Short | Format::Medium | Format::Full | Format::Fuller => {
            let mut lines = vec![heading("commit ", look.id(id))];
            if commit.parents.len() > 1 {
                let parents: Vec<String> = commit.parents.iter().map(|p| (look.short)(p)).collect();
                lines.push(format!("Merge: {}", parents.join(" ")));
            }
            let (author, committer) = (&commit.author, &commit.committer);
            match format {
                Format::Short => lines.push(format!("Author: {author}")),
                Format::Medium => {
                    lines.push(format!("Author: {author}"));
                    lines.push(format!("Date:   {}", look.date(author)));
                }
                Format::Full => {
                    lines.push(format!("Author: {author}"));
                    lines.push(format!("Commit: {committer}"));
                }
                _ => {
                    lines.push(format!("Author:     {author}"));
                    lines.push(format!("AuthorDate: {}", look.date(author)));
                    lines.push(format!("Commit:     {committer}"));
                    lines.push(format!("CommitDate: {}", look.date(committer)));
                }
            }
            let message = match format {
                Format::Short => indented(first_paragraph(&commit.message)),
                _ => indented(&commit.message),
            };
            lines.push(message);
            lines.join("\n").trim_end().to_owned()
        }
    }
}

/// Returns the first paragraph of a message.
fn first_paragraph(message: &str) -> &str {
    let message = message.trim_start_matches('\n');
    message.split_once("\n\n").map_or(message, |(first, _)| first)
}

/// Returns the first paragraph of a message on one line.
pub fn subject(message: &str) -> String {
    message
        .trim_start_matches('\n')
        .lines()
        .map(str::trim_end)
        .take_while(|l| !l.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Returns what follows the first paragraph of a message.
pub fn body(message: &str) -> &str {
    let message = message.trim_start_matches('\n');
    message.split_once("\n\n").map_or("", |(_, body)| body.trim_start_matches('\n'))
}

/// Indents a message by four spaces, a blank line before it.
fn indented(message: &str) -> String {
    let line = |l: &str| if l.is_empty() { String::new() } else { format!("    {l}") };
    let lines: Vec<String> = message.trim_end().lines().map(line).collect();
    format!("\n{}", lines.join("\n"))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use jiff::Timestamp;
    use jiff::tz::TimeZone;

    pub fn sample() -> Commit {
        let who = |name: &str, time| Signature {
            name: name.to_owned(),
            email: format!("{}@example.org", name.to_lowercase()),
            time,
            offset: 60,
        };
        Commit {
            tree: ObjectId::from_bytes([0xee; 32]),
            parents: vec![ObjectId::from_bytes([0xaa; 32]), ObjectId::from_bytes([0xbb; 32])],
            generation: 3,
            author: who("Ada", 1_700_000_000),
            committer: who("Bob", 1_700_000_100),
            message: "Raise prices,\nall of them\n\nBy ten percent.\n\nTwice.\n".to_owned(),
        }
    }

    pub fn look(short: &dyn Fn(&ObjectId) -> String) -> Look<'_> {
        let now = Timestamp::from_second(1_700_003_600).expect("in range").to_zoned_datetime(TimeZone::UTC);
        Look { theme: Theme::plain(), date: DateFormat::DEFAULT, now, short, abbreviate: false }
    }

    pub fn shown(format: &str) -> String {
        let decorations = [Decoration::Head(Some("main".to_owned())), Decoration::Tag("v1".to_owned())];
        let made = sample();
        let entry = Shown { id: ObjectId::from_bytes([0x12; 32]), commit: &made, decorations: &decorations };
        commit(&entry, &Format::parse(format).expect("a format"), &look(&|id| id.to_hex_with_len(7)))
    }

    #[test]
    fn named_formats_are_gits() {
        let id = "12".repeat(32);
        let message = "    Raise prices,\n    all of them\n\n    By ten percent.\n\n    Twice.";
        assert_eq!(shown("oneline"), format!("{id} (HEAD -> main, tag: v1) Raise prices, all of them"));
        assert_eq!(shown("reference"), "1212121 (Raise prices, all of them, Tue Nov 14 23:13:20 2023 +0100)");
        let head = format!("commit {id} (HEAD -> main, tag: v1)\nMerge: aaaaaaa bbbbbbb\n");
        assert_eq!(
            shown("short"),
            format!("{head}Author: Ada <ada@example.org>\n\n    Raise prices,\n    all of them")
        );
        assert_eq!(
            shown("medium"),
            format!("{head}Author: Ada <ada@example.org>\nDate:   Tue Nov 14 23:13:20 2023 +0100\n\n{message}")
        );
        assert_eq!(
            shown("full"),
            format!("{head}Author: Ada <ada@example.org>\nCommit: Bob <bob@example.org>\n\n{message}")
        );
        assert_eq!(
            shown("fuller"),
            format!(
                "{head}Author:     Ada <ada@example.org>\nAuthorDate: Tue Nov 14 23:13:20 2023 +0100\nCommit:     Bob \
                 <bob@example.org>\nCommitDate: Tue Nov 14 23:15:00 2023 +0100\n\n{message}"
            )
        );
        let raw = shown("raw");
        assert!(raw.starts_with(&format!("commit {id} (HEAD -> main, tag: v1)\ntree eeee")), "{raw}");
        assert!(raw.ends_with(&format!("committer Bob <bob@example.org> 1700000100 +0100\n\n{message}")), "{raw}");
        assert!(Format::parse("nonsense").is_err());
    }

    #[test]
    fn a_commit_without_a_message_ends_with_its_header() {
        let made = Commit { message: String::new(), parents: vec![], ..sample() };
        let entry = Shown { id: ObjectId::from_bytes([1; 32]), commit: &made, decorations: &[] };
        let text = commit(&entry, &Format::Short, &look(&|id| id.to_hex_with_len(7)));
        assert!(text.ends_with("\nAuthor: Ada <ada@example.org>"), "{text:?}");
    }

    #[test]
    fn head_and_its_branch_are_one_decoration() {
        let names = [
            "HEAD",
            "refs/heads/main",
            "refs/heads/old",
            "refs/tags/v1",
            "refs/remotes/origin/main",
            "refs/stash",
            "refs/x",
        ];
        let refs: Vec<RefName> = names.iter().map(|n| RefName::new(n).expect("valid")).collect();
        let text = |head| {
            let list = Decoration::list(&refs, head, false);
            list.iter().map(|d| d.text(&Theme::plain())).collect::<Vec<_>>().join(", ")
        };
        assert_eq!(text(Some(&refs[1])), "HEAD -> main, tag: v1, refs/stash, origin/main, old");
        assert_eq!(text(None), "HEAD, tag: v1, refs/stash, origin/main, old, main");
    }
}
