//! Rows in every mode that needs no look at other rows; tables are drawn in `grid`.

use std::io::{self, Write};

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use super::grid::Grid;
use super::mode::{Form, Mode};
use crate::cli::diff::value::Typed;
use crate::model::Value;
use crate::sqlite::sql::{Cell, Cells, real_text, sql_literal, to_value};

/// Writes the answer of one statement.
pub trait Writer {
    /// Takes the names of the columns.
    fn begin(&mut self, columns: &[String], out: &mut dyn Write) -> io::Result<()>;
    /// Takes a row.
    fn row(&mut self, cells: &Cells<'_>, out: &mut dyn Write) -> io::Result<()>;
    /// Ends.
    fn end(&mut self, out: &mut dyn Write) -> io::Result<()>;
}

/// Makes the writer for a form.
pub fn writer(form: &Form, statement: u64) -> Box<dyn Writer> {
    let form = form.clone();
    if form.typed {
        return Box::new(TypedRows { statement });
    }
    match form.mode {
        Mode::List | Mode::Csv | Mode::Tsv | Mode::Quote => Box::new(Separated { form, columns: Vec::new() }),
        Mode::Line => Box::new(Lines { form, columns: Vec::new(), rows: 0 }),
        Mode::Insert => Box::new(Inserts { form, into: String::new() }),
        Mode::Json => Box::new(Objects { columns: Vec::new(), array: true, rows: 0 }),
        Mode::Ndjson => Box::new(Objects { columns: Vec::new(), array: false, rows: 0 }),
        Mode::Table | Mode::Box | Mode::Column | Mode::Markdown => Box::new(Grid::new(form)),
    }
}

/// Returns a value as bytes for people: a text as it is.
pub fn shown<'a>(cell: Cell<'a>, null: &'a str) -> std::borrow::Cow<'a, [u8]> {
    match cell {
        Cell::Null => null.as_bytes().into(),
        Cell::Integer(n) => n.to_string().into_bytes().into(),
        Cell::Real(n) => real_text(n).into_bytes().into(),
        Cell::Text(bytes) | Cell::Blob(bytes) => bytes.into(),
    }
}

/// `list`, `csv`, `tsv` and `quote`.
struct Separated {
    form: Form,
    columns: Vec<String>,
}

impl Separated {
    fn put(&self, i: usize, text: &[u8], out: &mut dyn Write) -> io::Result<()> {
        if i > 0 {
            out.write_all(self.form.column_separator().as_bytes())?;
        }
        match self.form.mode {
            Mode::Csv if needs_quotes(text, self.form.column_separator()) => {
                out.write_all(b"\"")?;
                for (n, part) in text.split(|b| *b == b'"').enumerate() {
                    if n > 0 {
                        out.write_all(b"\"\"")?;
                    }
                    out.write_all(part)?;
                }
                out.write_all(b"\"")
            }
            _ => out.write_all(text),
        }
    }
}

/// Tells whether SQLite's shell would quote a value of a CSV file.
fn needs_quotes(text: &[u8], separator: &str) -> bool {
    text.is_empty()
        || text.iter().any(|b| *b <= b' ' || *b >= 0x7f || matches!(b, b'"' | b'\''))
        || (!separator.is_empty() && text.windows(separator.len()).any(|w| w == separator.as_bytes()))
}

impl Writer for Separated {
    fn begin(&mut self, columns: &[String], _: &mut dyn Write) -> io::Result<()> {
        self.columns = columns.to_vec();
        Ok(())
    }

    fn row(&mut self, cells: &Cells<'_>, out: &mut dyn Write) -> io::Result<()> {
        if self.form.header == Some(true) {
            for (i, name) in self.columns.iter().enumerate() {
                match self.form.mode {
                    Mode::Quote => self.put(i, sql_literal(&Value::Text(name.clone().into_bytes())).as_bytes(), out)?,
                    _ => self.put(i, name.as_bytes(), out)?,
                }
            }
            out.write_all(self.form.row_separator().as_bytes())?;
            self.form.header = Some(false);
        }
        for (i, cell) in cells.iter().enumerate() {
            match (self.form.mode, cell) {
                (Mode::Quote, cell) => self.put(i, sql_literal(&to_value(cell)).as_bytes(), out)?,
                (Mode::Csv, Cell::Null) => {
                    if i > 0 {
                        out.write_all(self.form.column_separator().as_bytes())?;
                    }
                    out.write_all(self.form.null.as_bytes())?;
                }
                (_, cell) => self.put(i, &shown(cell, &self.form.null), out)?,
            }
        }
        out.write_all(self.form.row_separator().as_bytes())
    }

    fn end(&mut self, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}

/// `line`.
struct Lines {
    form: Form,
    columns: Vec<String>,
    rows: u64,
}

impl Writer for Lines {
    fn begin(&mut self, columns: &[String], _: &mut dyn Write) -> io::Result<()> {
        let width = columns.iter().map(|c| c.chars().count()).max().unwrap_or(0).max(5);
        self.columns = columns.iter().map(|c| format!("{}{c}", " ".repeat(width - c.chars().count()))).collect();
        Ok(())
    }

    fn row(&mut self, cells: &Cells<'_>, out: &mut dyn Write) -> io::Result<()> {
        if self.rows > 0 {
            out.write_all(b"\n")?;
        }
        self.rows += 1;
        for (name, cell) in self.columns.iter().zip(cells.iter()) {
            write!(out, "{name} = ")?;
            out.write_all(&shown(cell, &self.form.null))?;
            out.write_all(b"\n")?;
        }
        Ok(())
    }

    fn end(&mut self, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}

/// `insert`.
struct Inserts {
    form: Form,
    into: String,
}

impl Writer for Inserts {
    fn begin(&mut self, columns: &[String], _: &mut dyn Write) -> io::Result<()> {
        let name = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
        let plain = |text: &str| {
            let word = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') && !text.is_empty();
            if word && text != "table" { text.to_owned() } else { name(text) }
        };
        self.into = plain(&self.form.table);
        if self.form.header == Some(true) {
            let list: Vec<String> = columns.iter().map(|c| plain(c)).collect();
            self.into += &format!("({})", list.join(","));
        }
        Ok(())
    }

    fn row(&mut self, cells: &Cells<'_>, out: &mut dyn Write) -> io::Result<()> {
        let values: Vec<String> = cells.iter().map(|c| sql_literal(&to_value(c))).collect();
        writeln!(out, "INSERT INTO {} VALUES({});", self.into, values.join(","))
    }

    fn end(&mut self, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}

/// `json` and `ndjson`. A column name that comes twice is one of JSON's duplicate keys, as in SQLite's shell.
struct Objects {
    columns: Vec<String>,
    array: bool,
    rows: u64,
}

struct Object<'a>(&'a [String], &'a Cells<'a>);

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(Some(self.0.len()))?;
        for (name, cell) in self.0.iter().zip(self.1.iter()) {
            map.serialize_entry(name, &Typed(&to_value(cell)))?;
        }
        map.end()
    }
}

impl Writer for Objects {
    fn begin(&mut self, columns: &[String], out: &mut dyn Write) -> io::Result<()> {
        self.columns = columns.to_vec();
        if self.array { out.write_all(b"[") } else { Ok(()) }
    }

    fn row(&mut self, cells: &Cells<'_>, out: &mut dyn Write) -> io::Result<()> {
        if self.array && self.rows > 0 {
            out.write_all(b",\n")?;
        }
        self.rows += 1;
        serde_json::to_writer(&mut *out, &Object(&self.columns, cells))?;
        if self.array { Ok(()) } else { out.write_all(b"\n") }
    }

    fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if self.array { out.write_all(b"]\n") } else { Ok(()) }
    }
}

/// `--json`: a line with the columns, then a line per row, both with the number of the statement.
struct TypedRows {
    statement: u64,
}

struct List<'a>(&'a Cells<'a>);

impl Serialize for List<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut list = s.serialize_seq(Some(self.0.len()))?;
        for cell in self.0.iter() {
            list.serialize_element(&Typed(&to_value(cell)))?;
        }
        list.end()
    }
}

impl Writer for TypedRows {
    fn begin(&mut self, columns: &[String], out: &mut dyn Write) -> io::Result<()> {
        #[derive(serde::Serialize)]
        struct Columns<'a> {
            r#type: &'a str,
            statement: u64,
            columns: &'a [String],
        }
        crate::cli::json::write(out, "sql/1", &Columns { r#type: "columns", statement: self.statement, columns })
    }

    fn row(&mut self, cells: &Cells<'_>, out: &mut dyn Write) -> io::Result<()> {
        #[derive(serde::Serialize)]
        struct Row<'a> {
            r#type: &'a str,
            statement: u64,
            values: List<'a>,
        }
        crate::cli::json::write(out, "sql/1", &Row { r#type: "row", statement: self.statement, values: List(cells) })
    }

    fn end(&mut self, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}
