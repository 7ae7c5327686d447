//! One line of a reflog.

use crate::model::{ObjectId, Signature};

/// One change of a ref.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReflogEntry {
    /// The value before; `None` if the ref was made.
    pub old: Option<ObjectId>,
    /// The value after; `None` if the ref was removed.
    pub new: Option<ObjectId>,
    /// Who changed it, and when.
    pub who: Signature,
    /// What was done, on one line.
    pub message: String,
}

impl ReflogEntry {
    /// Renders the line, newline included; white space in the message becomes single blanks, as in Git.
    pub fn to_line(&self) -> String {
        let message = self.message.split_whitespace().collect::<Vec<_>>().join(" ");
        let Signature { time, offset, .. } = self.who;
        let sign = if offset < 0 { '-' } else { '+' };
        let (hours, minutes) = (offset.unsigned_abs() / 60, offset.unsigned_abs() % 60);
        let (old, new) = (hex(self.old), hex(self.new));
        let who = self.who.to_string().replace(['\n', '\t'], " ");
        format!("{old} {new} {who} {time} {sign}{hours:02}{minutes:02}\t{message}\n")
    }

    /// Parses a line without its newline.
    pub fn parse(line: &str) -> Option<Self> {
        let (head, message) = line.split_once('\t').unwrap_or((line, ""));
        let (old, head) = head.split_once(' ')?;
        let (new, head) = head.split_once(' ')?;
        let (name, head) = head.split_once('<')?;
        let (email, head) = head.split_once("> ")?;
        let (time, zone) = head.split_once(' ')?;
        Some(Self {
            old: value(old)?,
            new: value(new)?,
            who: Signature {
                name: name.strip_suffix(' ').unwrap_or(name).to_owned(),
                email: email.to_owned(),
                time: time.parse().ok()?,
                offset: zone_minutes(zone)?,
            },
            message: message.to_owned(),
        })
    }

    /// Returns where HEAD moved from and to, if the entry is that of a `checkout` or `switch`.
    pub fn checkout(&self) -> Option<(&str, &str)> {
        self.message.strip_prefix("checkout: moving from ")?.split_once(" to ")
    }
}

/// Parses `+hhmm` or `-hhmm` into minutes east of UTC.
fn zone_minutes(zone: &str) -> Option<i32> {
    let (sign, digits) = match zone.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    if digits.len() != 4 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number: i32 = digits.parse().ok()?;
    Some(sign * (number / 100 * 60 + number % 100))
}

fn hex(id: Option<ObjectId>) -> String {
    id.map_or_else(|| "0".repeat(64), |id| id.to_string())
}

fn value(hex: &str) -> Option<Option<ObjectId>> {
    let id = ObjectId::from_hex(hex).ok()?;
    Some(Some(id).filter(|id| id.as_bytes() != &[0; 32]))
}
