//! CREATE TABLE, taken apart, compared, and put together from two that changed.

use super::tokens::{folded, parts, tokens, unquoted};
use crate::sqlite::diff::side::quoted;

/// A column as its table defines it.
#[derive(Clone, Debug)]
pub(super) struct ColumnDef {
    /// Its name.
    pub name: String,
    /// What follows the name, as it is compared.
    pub tokens: Vec<String>,
    /// What follows the name, as it was written.
    text: String,
}

/// A constraint of a table.
#[derive(Clone, Debug)]
struct Constraint {
    /// It as it is compared.
    tokens: Vec<String>,
    /// It as it was written.
    text: String,
}

/// The definition of a table.
#[derive(Clone, Debug)]
pub(super) struct Definition {
    /// Its columns, those that are generated included.
    pub columns: Vec<ColumnDef>,
    constraints: Vec<Constraint>,
    /// `rowid` for WITHOUT ROWID, and `strict`.
    options: Vec<String>,
    /// The text of one side, if it is just that.
    verbatim: Option<String>,
}

/// Why two definitions make no third.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Clash {
    /// The reason of the conflict.
    pub reason: &'static str,
    /// The columns that it is about, in lower case.
    pub columns: Vec<String>,
    /// More about it.
    pub detail: Option<&'static str>,
}

impl Clash {
    fn column(reason: &'static str, column: String) -> Self {
        Self { reason, columns: vec![column], detail: None }
    }

    fn constraint() -> Self {
        Self { reason: "definition", columns: Vec::new(), detail: Some("constraint") }
    }
}

impl Constraint {
    /// Returns its name, if it has one.
    fn name(&self) -> Option<&String> {
        self.tokens.get(1).filter(|_| self.tokens.first().is_some_and(|first| first == "constraint"))
    }
}

impl Definition {
    /// Takes a definition apart.
    pub fn parse(sql: &str) -> Self {
        let all = tokens(sql);
        let (items, after) = parts(&all).unwrap_or_default();
        let (mut columns, mut constraints) = (Vec::new(), Vec::new());
        for item in items {
            let Some((first, rest)) = item.split_first() else { continue };
            let is_constraint = ["constraint", "primary", "unique", "check", "foreign"];
            if is_constraint.contains(&first.to_ascii_lowercase().as_str()) {
                constraints.push(Constraint { tokens: item.iter().map(|t| folded(t)).collect(), text: item.join(" ") });
            } else {
                let tokens = rest.iter().map(|t| folded(t)).collect();
                columns.push(ColumnDef { name: unquoted(first), tokens, text: rest.join(" ") });
            }
        }
        let mut options: Vec<String> = after.iter().map(|t| folded(t)).collect();
        options.retain(|t| t == "rowid" || t == "strict");
        options.sort();
        Self { columns, constraints, options, verbatim: Some(sql.to_owned()) }
    }

    /// Tells whether two definitions say the same.
    pub fn is_same(&self, other: &Self) -> bool {
        let columns = |d: &Self| -> Vec<(String, Vec<String>)> {
            d.columns.iter().map(|c| (c.name.to_ascii_lowercase(), c.tokens.clone())).collect()
        };
        columns(self) == columns(other)
            && self.options == other.options
            && self.constraints.iter().map(|c| &c.tokens).eq(other.constraints.iter().map(|c| &c.tokens))
    }

    /// Writes it for a table of this name.
    pub fn sql(&self, name: &str) -> String {
        if let Some(text) = &self.verbatim {
            return text.clone();
        }
        let columns = self.columns.iter().map(|c| format!("{} {}", quoted(&c.name), c.text).trim_end().to_owned());
        let items: Vec<String> = columns.chain(self.constraints.iter().map(|c| c.text.clone())).collect();
        let options: Vec<&str> = [("rowid", "WITHOUT ROWID"), ("strict", "STRICT")]
            .into_iter()
            .filter(|(word, _)| self.options.iter().any(|o| o == word))
            .map(|(_, text)| text)
            .collect();
        format!("CREATE TABLE {}({}) {}", quoted(name), items.join(", "), options.join(", ")).trim_end().to_owned()
    }

    /// Tells whether a key of it counts up.
    pub fn is_autoincrement(&self) -> bool {
        self.columns.iter().any(|c| c.tokens.iter().any(|t| t == "autoincrement"))
    }

    /// Tells whether values are checked against the types of columns.
    pub fn is_strict(&self) -> bool {
        self.options.iter().any(|o| o == "strict")
    }

    fn column(&self, name: &str) -> Option<&ColumnDef> {
        self.columns.iter().find(|c| c.name.eq_ignore_ascii_case(name))
    }

    /// Merges two definitions that come from one.
    pub fn merged(base: &Self, ours: &Self, theirs: &Self) -> Result<Self, Clash> {
        if theirs.is_same(base) || ours.is_same(theirs) {
            return Ok(ours.clone());
        }
        if ours.is_same(base) {
            return Ok(theirs.clone());
        }
        Ok(Self {
            columns: merged_columns(base, ours, theirs)?,
            constraints: merged_constraints(base, ours, theirs)?,
            options: ["rowid", "strict"]
                .into_iter()
                .filter(|word| {
                    let has = |d: &Self| d.options.iter().any(|o| o == word);
                    let (b, o, t) = (has(base), has(ours), has(theirs));
                    if o == t || t == b { o } else { t }
                })
                .map(str::to_owned)
                .collect(),
            verbatim: None,
        })
    }
}

/// Merges columns by name: one change wins over none.
fn merged_columns(base: &Definition, ours: &Definition, theirs: &Definition) -> Result<Vec<ColumnDef>, Clash> {
    let mut columns = Vec::new();
    for o in &ours.columns {
        let name = || o.name.to_ascii_lowercase();
        let taken = match (base.column(&o.name), theirs.column(&o.name)) {
            (Some(b), None) if o.tokens != b.tokens => return Err(Clash::column("drop/modify", name())),
            (Some(_), None) => continue,
            (None, None) => o,
            (_, Some(t)) if t.tokens == o.tokens => o,
            (Some(b), Some(t)) if t.tokens == b.tokens => o,
            (Some(b), Some(t)) if o.tokens == b.tokens => t,
            (Some(_), Some(_)) => return Err(Clash::column("definition", name())),
            (None, Some(_)) => return Err(Clash::column("add/add", name())),
        };
        columns.push(ColumnDef { name: o.name.clone(), ..taken.clone() });
    }
    for t in theirs.columns.iter().filter(|t| ours.column(&t.name).is_none()) {
        match base.column(&t.name) {
            Some(b) if b.tokens != t.tokens => {
                return Err(Clash::column("drop/modify", t.name.to_ascii_lowercase()));
            }
            Some(_) => {}
            None => columns.push(t.clone()),
        }
    }
    Ok(columns)
}

/// Merges constraints as sets, those with a name by it.
fn merged_constraints(base: &Definition, ours: &Definition, theirs: &Definition) -> Result<Vec<Constraint>, Clash> {
    let holds = |d: &Definition, c: &Constraint| d.constraints.iter().any(|x| x.tokens == c.tokens);
    let beyond =
        |d: &Definition| -> Vec<Constraint> { d.constraints.iter().filter(|c| !holds(base, c)).cloned().collect() };
    let gone = |d: &Definition, c: &Constraint| !holds(d, c);
    let (new_o, new_t) = (beyond(ours), beyond(theirs));
    let texts = |all: &[Constraint], name: Option<&String>| -> Vec<Vec<String>> {
        let mut texts: Vec<_> =
            all.iter().filter(|c| name.is_none_or(|n| c.name() == Some(n))).map(|c| c.tokens.clone()).collect();
        texts.sort();
        texts
    };
    let clash = new_o.iter().filter_map(Constraint::name).any(|name| {
        let (o, t) = (texts(&new_o, Some(name)), texts(&new_t, Some(name)));
        !t.is_empty() && o != t
    });
    let both_gone = base.constraints.iter().any(|c| gone(ours, c) && gone(theirs, c));
    let replaced = both_gone && !new_o.is_empty() && !new_t.is_empty() && texts(&new_o, None) != texts(&new_t, None);
    let named = |d: &Definition, name: &String| d.constraints.iter().any(|c| c.name() == Some(name));
    let changed_and_gone = |new: &[Constraint], other: &Definition| {
        new.iter().filter_map(Constraint::name).any(|name| named(base, name) && !named(other, name))
    };
    if clash || replaced || changed_and_gone(&new_o, theirs) || changed_and_gone(&new_t, ours) {
        return Err(Clash::constraint());
    }
    let stays = |c: &&Constraint| !(holds(base, c) && gone(theirs, c));
    let mut kept: Vec<Constraint> = ours.constraints.iter().filter(stays).cloned().collect();
    kept.extend(new_t.into_iter().filter(|c| !holds(ours, c)));
    Ok(kept)
}
