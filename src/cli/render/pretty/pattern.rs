//! `--format` patterns: Git's `%` codes.

use anstyle::{Ansi256Color, AnsiColor, Color, RgbColor, Style};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::{Look, Shown, body, subject};
use crate::cli::render::date::DateFormat;
use crate::model::Signature;

/// A parsed pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Field(Around, Field),
    Color(Style),
    Reset,
    /// Colour ids and refs from here on.
    Auto,
    /// Pads or cuts the next field.
    Column {
        width: usize,
        right: bool,
        cut: Option<Cut>,
    },
}

/// What surrounds a field depending on whether it is empty: `%+x`, `% x`, `%-x`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Around {
    Nothing,
    NewlineBefore,
    SpaceBefore,
    EatNewlinesIfEmpty,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    Left,
    Middle,
    Right,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Author,
    Committer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Id { short: bool },
    Tree { short: bool },
    Parents { short: bool },
    Refs { wrapped: bool },
    Subject,
    FileName,
    Body,
    Message,
    Person(Who, char),
}

impl Pattern {
    /// Parses a pattern; what is no known code stands for itself.
    pub fn parse(text: &str) -> Self {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('%') {
            plain.push_str(&rest[..at]);
            let code = &rest[at + 1..];
            match literal(code).map(|(c, n)| (Err(c), n)).or_else(|| piece(code).map(|(p, n)| (Ok(p), n))) {
                Some((Err(c), used)) => {
                    plain.push(c);
                    rest = &code[used..];
                }
                Some((Ok(piece), used)) => {
                    if !plain.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut plain)));
                    }
                    pieces.push(piece);
                    rest = &code[used..];
                }
                None => {
                    plain.push('%');
                    rest = code;
                }
            }
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Self(pieces)
    }

    /// Writes a commit by the pattern.
    pub fn render(&self, shown: &Shown<'_>, look: &Look<'_>) -> String {
        let colored = look.theme.heading != Style::new();
        let (mut out, mut auto, mut column) = (String::new(), false, None);
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Color(style) if colored => out.push_str(&style.to_string()),
                Piece::Reset if colored => out.push_str(&anstyle::Reset.to_string()),
                Piece::Color(_) | Piece::Reset => {}
                Piece::Auto => auto = true,
                Piece::Column { width, right, cut } => column = Some((*width, *right, *cut)),
                Piece::Field(around, field) => {
                    let value = field.value(shown, look, auto);
                    match (around, value.is_empty()) {
                        (Around::NewlineBefore, false) => out.push('\n'),
                        (Around::SpaceBefore, false) => out.push(' '),
                        (Around::EatNewlinesIfEmpty, true) => out.truncate(out.trim_end_matches('\n').len()),
                        _ => {}
                    }
                    out.push_str(&match column.take() {
                        Some((width, right, cut)) => fitted(value, width, right, cut),
                        None => value,
                    });
                }
            }
        }
        out
    }
}

impl Field {
    fn value(self, shown: &Shown<'_>, look: &Look<'_>, auto: bool) -> String {
        let commit = shown.commit;
        let id = |id: &crate::model::ObjectId, short: bool| if short { (look.short)(id) } else { id.to_string() };
        match self {
            Self::Id { short } if auto => format!("{}{}{:#}", look.theme.id, id(&shown.id, short), look.theme.id),
            Self::Id { short } => id(&shown.id, short),
            Self::Tree { short } => id(&commit.tree, short),
            Self::Parents { short } => commit.parents.iter().map(|p| id(p, short)).collect::<Vec<_>>().join(" "),
            Self::Refs { wrapped } => {
                let theme = if auto { look.theme } else { crate::cli::style::Theme::plain() };
                let plain = Look { theme, date: look.date.clone(), now: look.now.clone(), ..*look };
                let text = plain.decorations(shown.decorations);
                match wrapped {
                    true => text,
                    false => shown.decorations.iter().map(|d| d.text(&plain.theme)).collect::<Vec<_>>().join(", "),
                }
            }
            Self::Subject => subject(&commit.message),
            Self::FileName => file_name(&subject(&commit.message)),
            Self::Body => body(&commit.message).to_owned(),
            Self::Message => commit.message.clone(),
            Self::Person(Who::Author, code) => person(&commit.author, code, look),
            Self::Person(Who::Committer, code) => person(&commit.committer, code, look),
        }
    }
}

/// Codes of a person: name, mail, the part of the mail before `@`, and dates.
const PERSON_CODES: &str = "nNeElLdDrtiIsh";

fn person(who: &Signature, code: char, look: &Look<'_>) -> String {
    let date = |format: &DateFormat| format.render(who.time, who.offset, &look.now);
    match code {
        'n' | 'N' => who.name.clone(),
        'e' | 'E' => who.email.clone(),
        'l' | 'L' => who.email.split('@').next().unwrap_or_default().to_owned(),
        'd' => date(&look.date),
        'D' => date(&DateFormat::RFC),
        'r' => date(&DateFormat::RELATIVE),
        't' => date(&DateFormat::UNIX),
        'i' => date(&DateFormat::ISO),
        'I' => date(&DateFormat::ISO_STRICT),
        's' => date(&DateFormat::SHORT),
        _ => date(&DateFormat::HUMAN),
    }
}

/// Turns a subject into a text fit for a file name.
fn file_name(subject: &str) -> String {
    let mut name = String::new();
    for c in subject.chars() {
        match c {
            '.' if name.ends_with('.') => {}
            c if c.is_ascii_alphanumeric() || c == '.' || c == '_' => name.push(c),
            _ if name.ends_with('-') || name.is_empty() => {}
            _ => name.push('-'),
        }
    }
    name.trim_end_matches(['.', '-']).to_owned()
}

/// Parses `%`, `n` and `xHH`: characters that are hard to type.
fn literal(code: &str) -> Option<(char, usize)> {
    match code.chars().next()? {
        '%' => Some(('%', 1)),
        'n' => Some(('\n', 1)),
        'x' => u8::from_str_radix(code.get(1..3)?, 16).ok().map(|b| (char::from(b), 3)),
        _ => None,
    }
}

/// Parses the code behind a `%`; returns it with its length in bytes.
fn piece(code: &str) -> Option<(Piece, usize)> {
    let around = match code.chars().next()? {
        '+' => Around::NewlineBefore,
        ' ' => Around::SpaceBefore,
        '-' => Around::EatNewlinesIfEmpty,
        'C' => return color(&code[1..]).map(|(piece, used)| (piece, used + 1)),
        '<' | '>' => return column(code),
        _ => Around::Nothing,
    };
    let skip = usize::from(around != Around::Nothing);
    let (field, used) = field(&code[skip..])?;
    Some((Piece::Field(around, field), skip + used))
}

fn field(code: &str) -> Option<(Field, usize)> {
    let mut chars = code.chars();
    let one = |field| Some((field, 1));
    match chars.next()? {
        'H' => one(Field::Id { short: false }),
        'h' => one(Field::Id { short: true }),
        'T' => one(Field::Tree { short: false }),
        't' => one(Field::Tree { short: true }),
        'P' => one(Field::Parents { short: false }),
        'p' => one(Field::Parents { short: true }),
        'd' => one(Field::Refs { wrapped: true }),
        'D' => one(Field::Refs { wrapped: false }),
        's' => one(Field::Subject),
        'f' => one(Field::FileName),
        'b' => one(Field::Body),
        'B' => one(Field::Message),
        c @ ('a' | 'c') => {
            let who = if c == 'a' { Who::Author } else { Who::Committer };
            let code = chars.next().filter(|c| PERSON_CODES.contains(*c))?;
            Some((Field::Person(who, code), 2))
        }
        _ => None,
    }
}

/// Parses `<(20,trunc)` and `>(20)`.
fn column(code: &str) -> Option<(Piece, usize)> {
    let inside = code[1..].strip_prefix('(')?;
    let end = inside.find(')')?;
    let (width, cut) = inside[..end].split_once(',').map_or((&inside[..end], None), |(w, c)| (w, Some(c.trim())));
    let cut = match cut {
        None => None,
        Some("trunc") => Some(Cut::Right),
        Some("ltrunc") => Some(Cut::Left),
        Some("mtrunc") => Some(Cut::Middle),
        Some(_) => return None,
    };
    Some((Piece::Column { width: width.trim().parse().ok()?, right: code.starts_with('>'), cut }, end + 3))
}

/// Pads a text to a width in columns, and cuts it there if asked.
fn fitted(text: String, width: usize, right: bool, cut: Option<Cut>) -> String {
    let columns = text.width();
    if columns > width {
        let Some(cut) = cut else { return text };
        let keep = width.saturating_sub(2);
        return match cut {
            Cut::Right => format!("{}..", leading(text.chars(), keep)),
            Cut::Left => format!("..{}", trailing(&text, keep)),
            Cut::Middle => format!("{}..{}", leading(text.chars(), keep / 2), trailing(&text, keep - keep / 2)),
        };
    }
    let space = " ".repeat(width - columns);
    if right { space + &text } else { text + &space }
}

fn leading(chars: impl Iterator<Item = char>, width: usize) -> String {
    let mut used = 0;
    chars
        .take_while(|c| {
            used += c.width().unwrap_or(0);
            used <= width
        })
        .collect()
}

fn trailing(text: &str, width: usize) -> String {
    leading(text.chars().rev(), width).chars().rev().collect()
}

/// Parses what follows `%C`: a few names by themselves, anything in brackets.
fn color(code: &str) -> Option<(Piece, usize)> {
    for (name, piece) in [
        ("red", Piece::Color(ink(AnsiColor::Red))),
        ("green", Piece::Color(ink(AnsiColor::Green))),
        ("blue", Piece::Color(ink(AnsiColor::Blue))),
        ("reset", Piece::Reset),
    ] {
        if code.starts_with(name) {
            return Some((piece, name.len()));
        }
    }
    let inside = code.strip_prefix('(')?;
    let end = inside.find(')')?;
    let words = inside[..end].strip_prefix("auto,").or(inside[..end].strip_prefix("always,")).unwrap_or(&inside[..end]);
    let piece = match words.trim() {
        "auto" => Piece::Auto,
        "reset" => Piece::Reset,
        words => Piece::Color(style(words)?),
    };
    Some((piece, end + 2))
}

fn ink(color: AnsiColor) -> Style {
    Style::new().fg_color(Some(Color::Ansi(color)))
}

/// Reads Git's colour words: attributes, then foreground and background.
pub fn style(words: &str) -> Option<Style> {
    let mut style = Style::new();
    let mut foreground = true;
    for word in words.split_whitespace() {
        style = match word {
            "bold" => style.bold(),
            "dim" => style.dimmed(),
            "ul" => style.underline(),
            "italic" => style.italic(),
            "reverse" => style.invert(),
            "strike" => style.strikethrough(),
            _ => {
                let color = named(word)?;
                let painted = if foreground { style.fg_color(color) } else { style.bg_color(color) };
                foreground = false;
                painted
            }
        };
    }
    Some(style)
}

/// Returns a colour by its name, number or `#rrggbb`; the inner `None` is the terminal's own.
fn named(word: &str) -> Option<Option<Color>> {
    const NAMES: [(&str, AnsiColor); 8] = [
        ("black", AnsiColor::Black),
        ("red", AnsiColor::Red),
        ("green", AnsiColor::Green),
        ("yellow", AnsiColor::Yellow),
        ("blue", AnsiColor::Blue),
        ("magenta", AnsiColor::Magenta),
        ("cyan", AnsiColor::Cyan),
        ("white", AnsiColor::White),
    ];
    if word == "normal" || word == "default" {
        return Some(None);
    }
    let (name, bright) = word.strip_prefix("bright").map_or((word, false), |name| (name, true));
    if let Some((_, color)) = NAMES.iter().find(|(n, _)| *n == name) {
        return Some(Some(Color::Ansi(color.bright(bright))));
    }
    if let Some(hex) = word.strip_prefix('#').filter(|h| h.len() == 6) {
        let part = |at: usize| hex.get(at..at + 2).and_then(|h| u8::from_str_radix(h, 16).ok());
        return Some(Some(Color::Rgb(RgbColor(part(0)?, part(2)?, part(4)?))));
    }
    word.parse().ok().map(|n: u8| Some(Color::Ansi256(Ansi256Color(n))))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{look, sample, shown};
    use super::*;
    use crate::cli::style::Theme;
    use crate::model::{Commit, ObjectId};

    #[test]
    fn codes_are_gits() {
        for (pattern, text) in [
            ("%h %s", "1212121 Raise prices, all of them"),
            ("%p|%t", "aaaaaaa bbbbbbb|eeeeeee"),
            ("%an <%ae> %al", "Ada <ada@example.org> ada"),
            ("%cn %ct %cI", "Bob 1700000100 2023-11-14T23:15:00+01:00"),
            ("%as %ar", "2023-11-14 60 minutes ago"),
            ("%ad", "Tue Nov 14 23:13:20 2023 +0100"),
            ("%aD|%ai", "Tue, 14 Nov 2023 23:13:20 +0100|2023-11-14 23:13:20 +0100"),
            ("%d|%D", " (HEAD -> main, tag: v1)|HEAD -> main, tag: v1"),
            ("%f", "Raise-prices-all-of-them"),
            ("%b", "By ten percent.\n\nTwice.\n"),
            ("a%nb%%c%x41", "a\nb%cA"),
            ("%zz %", "%zz %"),
            ("%Cred%h%Creset%C(bold blue)x%C(auto)", "1212121x"),
            ("%<(10)%h|%>(10)%h|%<(8,trunc)%s|%>(8,ltrunc)%s", "1212121   |   1212121|Raise ..|..f them"),
            ("%+D%- D", "\nHEAD -> main, tag: v1%- D"),
        ] {
            assert_eq!(shown(&format!("format:{pattern}")), text, "{pattern}");
        }
    }

    #[test]
    fn what_surrounds_an_empty_field_goes_with_it() {
        let made = Commit { message: "m".to_owned(), ..sample() };
        let entry = Shown { id: ObjectId::from_bytes([1; 32]), commit: &made, decorations: &[] };
        let text = Pattern::parse("%s%+b% D\n\n%-b|").render(&entry, &look(&|id| id.to_hex_with_len(7)));
        assert_eq!(text, "m|");
    }

    #[test]
    fn colours_appear_only_where_wanted() {
        let made = sample();
        let entry = Shown { id: ObjectId::from_bytes([1; 32]), commit: &made, decorations: &[] };
        let short = |id: &ObjectId| id.to_hex_with_len(4);
        let colored = Look { theme: Theme::colored(), ..look(&short) };
        let pattern = Pattern::parse("%C(red)%h%C(reset) %C(auto)%h%C(#010203 52)");
        assert_eq!(
            pattern.render(&entry, &colored),
            "\x1b[31m0101\x1b[0m \x1b[33m0101\x1b[0m\x1b[38;2;1;2;3m\x1b[48;5;52m"
        );
        assert_eq!(pattern.render(&entry, &look(&short)), "0101 0101");
    }
}
