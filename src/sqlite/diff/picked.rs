//! What of a comparison is to be carried over to another database: all of it, some tables, or some rows.

use std::ops::ControlFlow;

use super::matcher::Sink;
use super::{Compared, DiffError, TablePair};

/// What of a comparison is to be carried over to another database.
pub struct Picked<'a> {
    /// Tells whether a table is wanted.
    pub table: &'a dyn Fn(&str) -> bool,
    /// Hands out the wanted rows of a table.
    pub rows: &'a dyn Fn(&TablePair, &mut Sink<'_>) -> Result<(), DiffError>,
    /// Rows were picked one by one, so nothing of the schema is wanted.
    pub rows_only: bool,
    /// The settings of the database are wanted.
    pub settings: bool,
}

impl Picked<'_> {
    /// Tells whether any row of a table is wanted.
    pub(in crate::sqlite) fn any_row(&self, pair: &TablePair) -> Result<bool, DiffError> {
        let mut any = false;
        if pair.compared == Compared::Rows {
            (self.rows)(pair, &mut |_| {
                any = true;
                ControlFlow::Break(())
            })?;
        }
        Ok(any)
    }
}
