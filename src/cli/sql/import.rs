//! `.import`: rows of a text file into a table.

use std::fs::File;
use std::io::BufReader;

use super::csv::Records;
use super::mode::Mode;
use super::{Flow, Shell, Stop};
use crate::cli::error::Failure;
use crate::sqlite::sql::RunError;

/// What `.import` is asked for.
#[derive(Default)]
struct Request<'a> {
    file: Option<&'a str>,
    table: Option<&'a str>,
    mode: Option<Mode>,
    skip: u64,
}

/// Why rows cannot be imported.
enum ImportError {
    File(std::io::Error),
    Run(RunError),
}

impl From<RunError> for ImportError {
    fn from(error: RunError) -> Self {
        Self::Run(error)
    }
}

impl Shell<'_> {
    pub(super) fn import(&mut self, words: &[String]) -> Flow {
        let request = match parse(words) {
            Ok(request) => request,
            Err(failure) => return self.fail(failure),
        };
        let (Some(file), Some(table)) = (request.file, request.table) else {
            return self.fail(Failure::usage(".import needs a file and a table: .import [--csv] FILE TABLE"));
        };
        let mode = request.mode.unwrap_or(self.form.mode);
        let separator = match request.mode {
            Some(mode) => mode.separators().0,
            None => self.form.column_separator(),
        };
        let &[separator] = separator.as_bytes() else {
            return self.fail(Failure::usage("a separator of exactly one byte is needed for .import"));
        };
        let opened = match File::open(self.ctx.resolve(file.as_ref())) {
            Ok(opened) => opened,
            Err(e) => return self.fail(Failure::new(format!("cannot read '{file}'")).because(&e)),
        };
        let mut records = Records::new(BufReader::new(opened), separator, mode == Mode::Csv);
        let mut skip = request.skip;
        let next = std::iter::from_fn(|| {
            loop {
                let record = records.read().map_err(ImportError::File).transpose();
                if skip == 0 {
                    return record;
                }
                record.as_ref()?;
                skip -= 1;
            }
        });
        let done = match self.session.import(table, next) {
            Ok(done) => done,
            Err(ImportError::File(e)) => {
                return self.fail(Failure::new(format!("cannot import '{file}'; nothing was")).because(&e));
            }
            Err(ImportError::Run(RunError::Interrupted)) => return Err(Stop::Interrupted),
            Err(ImportError::Run(RunError::Output(e))) => return Err(e.into()),
            Err(ImportError::Run(RunError::Sql(e))) => {
                let line = records.line();
                let mut failure =
                    Failure::new(format!("cannot import '{file}'; nothing was: {} (line {line})", e.message));
                if e.read_only {
                    failure = failure.help(self.place.write_help());
                }
                return self.fail(failure);
            }
        };
        for (number, found) in &done.uneven {
            self.ctx.say.warning(format_args!("record {number} of '{file}' has {found} values"));
        }
        Ok(())
    }
}

fn parse(words: &[String]) -> Result<Request<'_>, Failure> {
    let mut request = Request::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.trim_start_matches('-') {
            "csv" if word.starts_with('-') => request.mode = Some(Mode::Csv),
            "tsv" | "tabs" if word.starts_with('-') => request.mode = Some(Mode::Tsv),
            "skip" if word.starts_with('-') => {
                let count = words.next().and_then(|n| n.parse().ok());
                request.skip = count.ok_or_else(|| Failure::usage("--skip needs a number of records"))?;
            }
            _ if word.starts_with("--") => return Err(Failure::usage(format!(".import knows no option '{word}'"))),
            _ if request.file.is_none() => request.file = Some(word),
            _ if request.table.is_none() => request.table = Some(word),
            _ => return Err(Failure::usage(".import takes one file and one table")),
        }
    }
    Ok(request)
}
