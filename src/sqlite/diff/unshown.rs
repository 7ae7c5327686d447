//! Virtual tables whose content differs although they show no rows: full-text indexes that keep no text.

use std::ops::ControlFlow;

use super::{Compared, Diff, DiffError, TableKind, TablePair};

/// Where full-text modules keep what they index; empty as long as nothing is indexed.
const INDEXED: [&str; 4] = ["_docsize", "_idx", "_segdir", "_segments"];

/// A table whose content differs and cannot be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unshown {
    /// The table.
    pub table: String,
    /// It indexes the rows of another table, from which it can be made again.
    pub of_other: bool,
}

impl Unshown {
    /// Says what a script or a changeset leaves out.
    pub(in crate::sqlite) fn left_out(&self) -> String {
        format!("what {} indexes: it keeps no rows of its own", self.table)
    }
}

impl Diff {
    /// Names the tables in which something differs that cannot be shown as rows, nor carried over.
    pub fn unshown(&self) -> Result<Vec<Unshown>, DiffError> {
        let mut found = Vec::new();
        for pair in self.tables.iter().filter(|t| t.compared == Compared::NoContent) {
            let Some(new) = pair.new.as_ref().filter(|new| new.kind == TableKind::Virtual) else { continue };
            if self.holds_other_content(pair)? {
                found.push(Unshown { table: pair.name.clone(), of_other: new.indexes_other_content() });
            }
        }
        Ok(found)
    }

    /// Tells whether the tables in which a virtual table keeps its content hold anything else than before.
    fn holds_other_content(&self, pair: &TablePair) -> Result<bool, DiffError> {
        let prefix = format!("{}_", pair.name.to_ascii_lowercase());
        for shadow in self.tables.iter().filter(|t| t.new.as_ref().is_some_and(|new| new.shadow)) {
            let name = shadow.name.to_ascii_lowercase();
            let Some(end) = name.strip_prefix(&prefix) else { continue };
            // An index that is new holds the frame of an empty one.
            let counts = pair.old.is_some() || INDEXED.contains(&&*format!("_{end}"));
            let mut differs = false;
            if counts {
                self.row_pairs(shadow, &mut |_| {
                    differs = true;
                    ControlFlow::Break(())
                })?;
            }
            if differs {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
