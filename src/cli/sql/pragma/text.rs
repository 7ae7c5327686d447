//! Answers: fields in the order in which they are said, as lines of text or as JSON.

use serde::ser::{Serialize, Serializer};
use serde_json::Value as Json;

/// An answer.
#[derive(Clone, Debug)]
pub enum Shown {
    /// Fields with their names.
    Object(Vec<(String, Shown)>),
    /// Answers of one form.
    List(Vec<Shown>),
    /// Anything else.
    Plain(Json),
}

/// Makes an object of fields; lists come last, after a semicolon.
macro_rules! shown {
    ($($name:literal : $value:expr),* $(,)? $(; $list:literal => $items:expr)*) => {{
        type Shown = $crate::cli::sql::pragma::text::Shown;
        let plain = [$(($name.to_owned(), Shown::Plain($value.into()))),*];
        let lists = [$(($list.to_owned(), Shown::List($items))),*];
        Shown::Object(std::iter::empty().chain(plain).chain(lists).collect())
    }};
}
pub(super) use shown;

impl Serialize for Shown {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Object(fields) => s.collect_map(fields.iter().map(|(name, value)| (name, value))),
            Self::List(items) => s.collect_seq(items),
            Self::Plain(value) => value.serialize(s),
        }
    }
}

impl Shown {
    /// Returns the answer as one line of JSON.
    pub fn json(&self) -> String {
        serde_json::to_string(self).expect("names are texts")
    }

    /// Lays the answer out as lines.
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::List(rows) => table(rows),
            Self::Object(fields) => {
                let plain = fields.iter().filter(|(_, v)| !matches!(v, Self::List(_))).map(|(n, _)| n.chars().count());
                let width = plain.max().unwrap_or(0) + 1;
                let mut out = Vec::new();
                for (name, value) in fields {
                    match value {
                        Self::List(rows) => {
                            out.push(format!("{name}:"));
                            out.extend(table(rows).into_iter().map(|line| format!("  {line}")));
                        }
                        value => out.push(format!("{:<width$} {}", format!("{name}:"), value.scalar())),
                    }
                }
                out
            }
            other => vec![other.scalar()],
        }
    }

    fn scalar(&self) -> String {
        match self {
            Self::Plain(Json::Null) => "-".to_owned(),
            Self::Plain(Json::Bool(yes)) => if *yes { "yes" } else { "no" }.to_owned(),
            Self::Plain(Json::String(text)) => text.clone(),
            other => other.json(),
        }
    }
}

fn table(rows: &[Shown]) -> Vec<String> {
    let Some(Shown::Object(first)) = rows.first() else { return rows.iter().map(Shown::scalar).collect() };
    let mut lines: Vec<Vec<String>> = vec![first.iter().map(|(name, _)| name.clone()).collect()];
    for row in rows {
        if let Shown::Object(fields) = row {
            lines.push(fields.iter().map(|(_, value)| value.scalar()).collect());
        }
    }
    let width = |i: usize| lines.iter().filter_map(|row| row.get(i)).map(|c| c.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..first.len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let padded: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    lines.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn objects_and_lists_are_laid_out_in_order() {
        let row = |a: i32, b: Option<&str>| shown! { "z": a, "b": b };
        let answer = shown! { "pages": 3, "ok": true; "list" => vec![row(1, None), row(22, Some("x"))] };
        assert_eq!(answer.lines(), ["pages: 3", "ok:    yes", "list:", "  z   b", "  1   -", "  22  x"]);
        assert_eq!(answer.json(), r#"{"pages":3,"ok":true,"list":[{"z":1,"b":null},{"z":22,"b":"x"}]}"#);
    }
}
