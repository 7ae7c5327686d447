//! Rows of tables without a usable key: which row of the base a row of either side is.
//!
//! A row at its place is itself. What is not at its place but equal to a row that is gone is that row, in the order of
//! rowids, as after VACUUM; what is at the place of a row that is gone was changed; the rest was inserted or deleted. Only
//! what the diffs name is looked at: everything else is equal and in its place.

use rusqlite::{OptionalExtension, params};

use super::cells::{Row, pack};
use super::changes::{OURS, unpacked};
use super::plan::Plan;
use super::{Merge, Of, Result};
use crate::model::Value;
use crate::sqlite::diff::Identity;
use crate::sqlite::diff::encode::encode;

/// What the key of a row of the base begins with, and of one that was inserted.
const OF_BASE: u8 = 1;
const INSERTED: u8 = 2;

/// Sides as numbers in the spool.
const SIDES: [(Of, i64); 2] = [(Of::Ours, 0), (Of::Theirs, 1)];

impl Merge<'_> {
    /// Gathers the changes of a table whose rows are followed.
    pub(super) fn follow_rows(&self, plan: &Plan) -> Result<()> {
        let conn = self.spool.conn();
        conn.execute("DELETE FROM w", [])?;
        for (of, side) in SIDES {
            let sql = "INSERT INTO w (side, rid, old, new) VALUES (?1, ?2, ?3, ?4)";
            let mut add = conn.prepare(sql)?;
            self.each_change(of, plan, Identity::Rowid, &mut |row| {
                let Some(Value::Integer(rid)) = row.key.first() else { return Ok(()) };
                add.execute(params![side, rid, row.old.as_ref().map(pack), row.new.as_ref().map(pack)])?;
                Ok(())
            })?;
            drop(add);
            self.pair_followed(side)?;
        }
        // What theirs did to rows of the base, and what it inserted.
        let sql = "SELECT rid, old, new, k FROM w WHERE side = 1 ORDER BY rid";
        let mut statement = conn.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let rid: i64 = row.get(0)?;
            let packed = |i| row.get::<_, Option<Vec<u8>>>(i);
            let (old, new, key) = (packed(1)?, packed(2)?, packed(3)?);
            if let (Some(new), Some(key)) = (&new, &key) {
                let mut unit = self.spool.get(plan.number, key)?.unwrap_or_default();
                unit.key.clone_from(key);
                unit.theirs = unpacked(Some(new.clone()));
                if key[0] == INSERTED {
                    unit.shown = Some(rid);
                }
                self.spool.put(plan.number, &unit)?;
            }
            if let Some(old) = old {
                let key = of_base(rid);
                let mut unit = self.spool.get(plan.number, &key)?.unwrap_or_default();
                (unit.key, unit.shown, unit.base) = (key, Some(rid), unpacked(Some(old)));
                self.spool.put(plan.number, &unit)?;
            }
        }
        drop(rows);
        drop(statement);
        // A row that only moved was not changed.
        let moved = "DELETE FROM u WHERE t = ?1 AND b IS th";
        conn.execute(moved, [plan.number])?;
        self.followed_ours(plan)
    }

    /// Fills in what ours has for the rows that theirs changed.
    fn followed_ours(&self, plan: &Plan) -> Result<()> {
        let conn = self.spool.conn();
        let here = "SELECT rid, new FROM w WHERE side = 0 AND k = ?1";
        let gone = "SELECT EXISTS (SELECT 1 FROM w WHERE side = 0 AND rid = ?1 AND old IS NOT NULL)";
        conn.execute_batch("CREATE INDEX IF NOT EXISTS w_by_key ON w (side, k)")?;
        self.spool.each(plan.number, &mut |mut unit| {
            let mut found = conn.prepare_cached(here)?;
            let found: Option<(i64, Vec<u8>)> =
                found.query_row([&unit.key], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
            match found {
                Some((rid, row)) => {
                    (unit.ours, unit.place) = (unpacked(Some(row)), Some(rid));
                    if unit.key[0] == INSERTED {
                        unit.shown = Some(rid);
                    }
                }
                None if unit.key[0] == INSERTED => return Ok(()),
                None => {
                    let rid = unit.shown.unwrap_or_default();
                    if conn.prepare_cached(gone)?.query_row([rid], |row| row.get::<_, bool>(0))? {
                        return Ok(());
                    }
                    // Ours did not touch it: it is as in the base, in the layout of ours.
                    (unit.ours, unit.place) = (self.at_place(OURS, plan, rid)?, Some(rid));
                }
            }
            self.spool.put(plan.number, &unit)
        })
    }

    /// Reads the row that lies at a place in a state.
    fn at_place(&self, which: usize, plan: &Plan, rid: i64) -> Result<Option<Row>> {
        let state = [&self.b, &self.o, &self.t][which];
        let (Some(table), Some(layout)) =
            (state.tables.get(&plan.lower), plan.merged().and_then(|m| m.layouts[which].as_ref()))
        else {
            return Ok(None);
        };
        let Some(rowid) = table.real.rowid_name() else { return Ok(None) };
        let names: Vec<String> =
            table.real.columns.iter().map(|c| crate::sqlite::diff::side::quoted(&c.name)).collect();
        let name = crate::sqlite::diff::side::quoted(&table.real.name);
        let sql = format!("SELECT {} FROM {name} WHERE {rowid} = ?1", names.join(", "));
        let read = |row: &rusqlite::Row<'_>| {
            (0..names.len())
                .map(|i| row.get_ref(i).map(crate::sqlite::diff::side::value))
                .collect::<rusqlite::Result<Vec<_>>>()
        };
        let values = state.conn.prepare_cached(&sql)?.query_row([rid], read).optional()?;
        Ok(values.map(|values| layout.row(&values)).transpose()?)
    }

    /// Finds out for the rows that are new at their places which rows of the base they are.
    fn pair_followed(&self, side: i64) -> Result<()> {
        let conn = self.spool.conn();
        // Equal rows elsewhere, in the order of rowids.
        conn.execute_batch(
            "CREATE TEMP TABLE IF NOT EXISTS moved (rid INTEGER PRIMARY KEY, was INTEGER UNIQUE); DELETE FROM moved",
        )?;
        let equal = "INSERT INTO moved SELECT n.rid, o.rid FROM \
                     (SELECT rid, new AS r, row_number() OVER (PARTITION BY new ORDER BY rid) AS i FROM w WHERE side = ?1 AND new IS NOT NULL) n \
                     JOIN (SELECT rid, old AS r, row_number() OVER (PARTITION BY old ORDER BY rid) AS i FROM w WHERE side = ?1 AND old IS NOT NULL) o \
                     ON n.r = o.r AND n.i = o.i";
        conn.execute(equal, [side])?;
        // Then what lies where a row of the base is gone.
        let in_place = "INSERT INTO moved SELECT rid, rid FROM w WHERE side = ?1 AND old IS NOT NULL AND new IS NOT NULL \
                        AND rid NOT IN (SELECT rid FROM moved) AND rid NOT IN (SELECT was FROM moved)";
        conn.execute(in_place, [side])?;
        let mut set = conn.prepare("UPDATE w SET k = ?3 WHERE side = ?1 AND rid = ?2")?;
        let mut known = conn.prepare("SELECT rid, was FROM moved")?;
        let pairs: Vec<(i64, i64)> =
            known.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<_>>()?;
        for (rid, was) in pairs {
            set.execute(params![side, rid, of_base(was)])?;
        }
        let inserted = "SELECT rid, new, row_number() OVER (PARTITION BY new ORDER BY rid) FROM w \
                        WHERE side = ?1 AND new IS NOT NULL AND k IS NULL";
        let mut statement = conn.prepare(inserted)?;
        let rows: Vec<(i64, Vec<u8>, i64)> = statement
            .query_map([side], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
            .collect::<rusqlite::Result<_>>()?;
        for (rid, row, nth) in rows {
            set.execute(params![side, rid, inserted_key(&row, nth)])?;
        }
        Ok(())
    }

    /// Gathers how many rows of each kind both sides have more than the base, of a table that is a bag.
    pub(super) fn count_rows(&self, plan: &Plan) -> Result<()> {
        for (of, _) in SIDES {
            self.each_change(of, plan, Identity::Bag, &mut |row| {
                for (found, sign) in [(row.old, -1), (row.new, 1)] {
                    let Some(found) = found else { continue };
                    let key = pack(&found);
                    let mut unit = self.spool.get(plan.number, &key)?.unwrap_or_default();
                    let count = sign * row.count as i64;
                    match of {
                        Of::Theirs => unit.more.0 += count,
                        Of::Ours => unit.more.1 += count,
                    }
                    (unit.key, unit.theirs) = (key, Some(found));
                    self.spool.put(plan.number, &unit)?;
                }
                Ok(())
            })?;
        }
        self.spool.conn().execute("DELETE FROM u WHERE t = ?1 AND more_t = 0", [plan.number])?;
        Ok(())
    }
}

/// Returns the key of a row of the base, by its rowid.
pub(super) fn of_base(rid: i64) -> Vec<u8> {
    let mut key = vec![OF_BASE];
    key.extend(encode([&Value::Integer(rid)]));
    key
}

/// Returns the key of an inserted row: the `nth` of those that are equal.
fn inserted_key(row: &[u8], nth: i64) -> Vec<u8> {
    let mut key = vec![INSERTED];
    key.extend_from_slice(row);
    key.extend_from_slice(&nth.to_be_bytes());
    key
}
