//! What surrounds the fields of a format: text, colours, `%(if)…%(then)…%(else)…%(end)` and `%(align:…)…%(end)`.

use anstyle::Style;
use unicode_width::UnicodeWidthStr;

use super::{Field, Scope};
use crate::cli::render::pretty::color_words;
use crate::repo::RepoError;
use crate::repo::state::refs::Ref;

/// A part of a format.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    Text(String),
    Field(Field),
    /// `None` is the terminal's own colour.
    Color(Option<Style>),
    If {
        test: Test,
        condition: Vec<Piece>,
        then: Vec<Piece>,
        other: Vec<Piece>,
    },
    Align {
        width: usize,
        position: Position,
        inner: Vec<Piece>,
    },
}

/// When the condition of an `%(if)` holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    NotBlank,
    Equals(String),
    Differs(String),
}

/// Where aligned text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    Left,
    Middle,
    Right,
}

/// Where the pieces that follow go to.
enum Open {
    Top,
    Condition(Test),
    Then(Test, Vec<Piece>),
    Else(Test, Vec<Piece>, Vec<Piece>),
    Align(usize, Position),
}

/// Gathers pieces into blocks.
pub struct Builder {
    /// Blocks that are not closed, each with the pieces it has so far.
    open: Vec<(Open, Vec<Piece>)>,
}

impl Builder {
    pub fn new() -> Self {
        Self { open: vec![(Open::Top, Vec::new())] }
    }

    pub fn push(&mut self, piece: Piece) {
        self.open.last_mut().expect("the top is never closed").1.push(piece);
    }

    /// Takes what stands in `%(…)`.
    pub fn code(&mut self, code: &str) -> Result<(), String> {
        let (name, option) = code.split_once(':').map_or((code, None), |(name, option)| (name, Some(option)));
        match (name, option) {
            ("if", None) => self.open.push((Open::Condition(Test::NotBlank), Vec::new())),
            ("if", Some(option)) => {
                let test = match option.split_once('=') {
                    Some(("equals", text)) => Test::Equals(text.to_owned()),
                    Some(("notequals", text)) => Test::Differs(text.to_owned()),
                    _ => return Err(format!("'%(if:{option})' is neither equals= nor notequals=")),
                };
                self.open.push((Open::Condition(test), Vec::new()));
            }
            ("then", None) => self.then()?,
            ("else", None) => self.otherwise()?,
            ("end", None) => self.end()?,
            ("align", option) => {
                let (width, position) = option.and_then(alignment).ok_or("'%(align:…)' needs a width")?;
                self.open.push((Open::Align(width, position), Vec::new()));
            }
            ("color", Some("reset")) => self.push(Piece::Color(None)),
            ("color", option) => {
                let style = option.and_then(color_words);
                let style = style.ok_or_else(|| format!("'{}' is no colour", option.unwrap_or_default()))?;
                self.push(Piece::Color(Some(style)));
            }
            _ => self.push(Piece::Field(Field::parse(code)?)),
        }
        Ok(())
    }

    fn pop(&mut self) -> (Open, Vec<Piece>) {
        match self.open.len() {
            0 | 1 => (Open::Top, Vec::new()),
            _ => self.open.pop().expect("more than one"),
        }
    }

    fn then(&mut self) -> Result<(), String> {
        match self.pop() {
            (Open::Condition(test), condition) => {
                self.open.push((Open::Then(test, condition), Vec::new()));
                Ok(())
            }
            _ => Err("'%(then)' without '%(if)'".to_owned()),
        }
    }

    fn otherwise(&mut self) -> Result<(), String> {
        match self.pop() {
            (Open::Then(test, condition), then) => {
                self.open.push((Open::Else(test, condition, then), Vec::new()));
                Ok(())
            }
            _ => Err("'%(else)' without '%(then)'".to_owned()),
        }
    }

    fn end(&mut self) -> Result<(), String> {
        let piece = match self.pop() {
            (Open::Then(test, condition), then) => Piece::If { test, condition, then, other: Vec::new() },
            (Open::Else(test, condition, then), other) => Piece::If { test, condition, then, other },
            (Open::Align(width, position), inner) => Piece::Align { width, position, inner },
            (Open::Condition(_), _) => return Err("'%(if)' without '%(then)'".to_owned()),
            (Open::Top, _) => return Err("'%(end)' without a beginning".to_owned()),
        };
        self.push(piece);
        Ok(())
    }

    pub fn finish(mut self) -> Result<Vec<Piece>, String> {
        match self.open.pop() {
            Some((Open::Top, pieces)) => Ok(pieces),
            _ => Err("'%(end)' is missing".to_owned()),
        }
    }
}

/// Reads `<width>[,<position>]`, each perhaps with its name.
fn alignment(option: &str) -> Option<(usize, Position)> {
    let (mut width, mut position) = (None, Position::Left);
    for part in option.split(',') {
        let part = part.strip_prefix("width=").or(part.strip_prefix("position=")).unwrap_or(part);
        match part {
            "left" => position = Position::Left,
            "middle" => position = Position::Middle,
            "right" => position = Position::Right,
            number => width = Some(number.parse().ok()?),
        }
    }
    Some((width?, position))
}

/// Writes pieces.
pub fn render(pieces: &[Piece], one: &Ref, scope: &Scope<'_>) -> Result<String, RepoError> {
    let mut line = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(text) => line += text,
            Piece::Field(field) => line += &field.value(one, scope)?,
            Piece::Color(style) if scope.colored => {
                line += &style.map_or_else(|| anstyle::Reset.to_string(), |style| style.to_string());
            }
            Piece::Color(_) => {}
            Piece::If { test, condition, then, other } => {
                let text = render(condition, one, scope)?;
                let holds = match test {
                    Test::NotBlank => !text.trim().is_empty(),
                    Test::Equals(wanted) => text == *wanted,
                    Test::Differs(wanted) => text != *wanted,
                };
                line += &render(if holds { then } else { other }, one, scope)?;
            }
            Piece::Align { width, position, inner } => {
                let text = render(inner, one, scope)?;
                let missing = width.saturating_sub(anstream::adapter::strip_str(&text).to_string().width());
                let before = match position {
                    Position::Left => 0,
                    Position::Middle => missing / 2,
                    Position::Right => missing,
                };
                line += &format!("{}{text}{}", " ".repeat(before), " ".repeat(missing - before));
            }
        }
    }
    Ok(line)
}

/// Tells whether a line ends in a colour other than the terminal's own.
pub fn leaves_color(pieces: &[Piece]) -> bool {
    pieces.iter().rev().find_map(|piece| match piece {
        Piece::Color(style) => Some(style.is_some()),
        Piece::If { then, other, .. } => (leaves_color(then) || leaves_color(other)).then_some(true),
        Piece::Align { inner, .. } => leaves_color(inner).then_some(true),
        Piece::Text(_) | Piece::Field(_) => None,
    }) == Some(true)
}
