//! Rows that hang on one in conflict by declared references: they wait with it, and are settled with it.
//!
//! New lines of *their* order must not hang on *our* order of the same number, and an order that stays keeps its lines.

use rusqlite::params;

use super::cells::Row;
use super::plan::Plan;
use super::references::{Reference, refers_loosely};
use super::{ConflictKind, Member, Merge, Of, Result, RowKey};
use crate::model::Value;
use crate::sqlite::diff::Identity;
use crate::sqlite::diff::encode::encode;

/// A row in conflict.
#[derive(Clone, Debug)]
pub(super) struct Undecided {
    /// The place of the conflict.
    pub conflict: usize,
    /// The table in lower case.
    pub table: String,
    /// What the row is paired by.
    pub key: Vec<u8>,
}

/// A reference to a table: the child, its number among the child's references, the columns in the child and in the parent.
struct Link {
    child: String,
    number: usize,
    columns: Vec<usize>,
    to: Vec<usize>,
}

impl Merge<'_> {
    /// Finds what hangs on rows in conflict.
    pub(super) fn carry_all(&mut self) -> Result<()> {
        for Undecided { conflict, table, key } in self.undecided.clone() {
            let kind = self.conflicts[conflict].kind;
            let mut members = Vec::new();
            if matches!(kind, ConflictKind::InsertInsert | ConflictKind::UpdateDelete) {
                self.carry(&table, &key, &mut members)?;
            }
            if matches!(kind, ConflictKind::InsertInsert | ConflictKind::DeleteUpdate) {
                self.carry_ours(&table, &key, &mut members, &mut Vec::new())?;
            }
            self.conflicts[conflict].members = members;
        }
        Ok(())
    }

    /// Lets the rows of theirs that hang on one that waits wait too: those that refer to what is not inserted, and deletions of those
    /// that referred to what stays.
    pub(super) fn carry(&self, table: &str, key: &[u8], members: &mut Vec<Member>) -> Result<()> {
        let Some(plan) = self.plans.get(table) else { return Ok(()) };
        let links = self.links_to(plan)?;
        let Some(unit) = self.spool.get(plan.number, key)?.filter(|_| !links.is_empty()) else { return Ok(()) };
        let (row, gone) = match (&unit.base, &unit.theirs) {
            (None, Some(theirs)) => (theirs, false),
            (Some(base), None) => (base, true),
            _ => return Ok(()),
        };
        for link in links {
            let child = &self.plans[&link.child];
            for found in self.hanging(Of::Theirs, child, &link, row, gone)? {
                if self.spool.hold(child.number, &found)? {
                    add_member(members, self.member(child, &found)?);
                    self.carry(&link.child, &found, members)?;
                }
            }
        }
        Ok(())
    }

    /// Names the rows of ours that hang on the row: they go with it if theirs is chosen.
    fn carry_ours(
        &self,
        table: &str,
        key: &[u8],
        members: &mut Vec<Member>,
        seen: &mut Vec<(i64, Vec<u8>)>,
    ) -> Result<()> {
        let Some(plan) = self.plans.get(table) else { return Ok(()) };
        let links = self.links_to(plan)?;
        if links.is_empty() || seen.contains(&(plan.number, key.to_vec())) {
            return Ok(());
        }
        seen.push((plan.number, key.to_vec()));
        let (base, ours) = match self.spool.get(plan.number, key)? {
            Some(unit) => (unit.base, unit.ours),
            None => self.changed_by_ours(plan, key)?,
        };
        let (row, gone) = match (&base, &ours) {
            (None, Some(ours)) => (ours, false),
            (Some(base), None) => (base, true),
            _ => return Ok(()),
        };
        for link in links {
            let child = &self.plans[&link.child];
            for found in self.hanging(Of::Ours, child, &link, row, gone)? {
                // What theirs deleted too is no concern of the conflict.
                let theirs_has = self.spool.get(child.number, &found)?.is_none_or(|unit| unit.theirs.is_some());
                if !gone || theirs_has {
                    add_member(members, self.member(child, &found)?);
                    self.carry_ours(&link.child, &found, members, seen)?;
                }
            }
        }
        Ok(())
    }

    /// Returns the references to a table.
    fn links_to(&self, plan: &Plan) -> Result<Vec<Link>> {
        let mut links = Vec::new();
        for child in self.plans.values().filter(|c| c.merged().is_some() && !c.is_virtual()) {
            for (number, Reference { columns, parent, to }) in self.references(child)?.into_iter().enumerate() {
                let places = child.columns(&columns).zip(plan.columns(&to));
                if let Some((columns, to)) = places.filter(|_| parent == plan.lower && !to.is_empty()) {
                    links.push(Link { child: child.lower.clone(), number, columns, to });
                }
            }
        }
        Ok(links)
    }

    /// Finds the rows of a child that one side let refer to a row, or deleted when they did.
    fn hanging(&self, of: Of, child: &Plan, link: &Link, row: &Row, gone: bool) -> Result<Vec<Vec<u8>>> {
        let side = i64::from(of == Of::Theirs);
        let conn = self.spool.conn();
        let known = "SELECT EXISTS (SELECT 1 FROM r WHERE side = ?1 AND child = ?2 AND fk = ?3)";
        let number = link.number as i64;
        if !conn.prepare_cached(known)?.query_row(params![side, child.number, number], |row| row.get(0))? {
            self.index_references(of, child, link)?;
        }
        let Some(value) = refers_loosely(row, &link.to) else { return Ok(Vec::new()) };
        let sql = "SELECT k FROM r WHERE side = ?1 AND child = ?2 AND fk = ?3 AND gone = ?4 AND v = ?5 ORDER BY k";
        let mut statement = conn.prepare_cached(sql)?;
        let found = statement.query_map(params![side, child.number, number, gone, value], |row| row.get(0))?;
        Ok(found.collect::<rusqlite::Result<_>>()?)
    }

    /// Notes what the rows refer to that one side changed in a child.
    fn index_references(&self, of: Of, child: &Plan, link: &Link) -> Result<()> {
        let conn = self.spool.conn();
        let mut add = conn.prepare("INSERT INTO r VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
        let side = i64::from(of == Of::Theirs);
        // A row that nothing refers to: that it is there says that the index is made.
        add.execute(params![side, child.number, link.number as i64, 2, Vec::<u8>::new(), Vec::<u8>::new()])?;
        let mut note = |key: &[u8], old: Option<&Row>, new: Option<&Row>| -> Result<()> {
            let (row, gone) = match (old, new) {
                (Some(b), Some(x)) if link.columns.iter().all(|i| b[*i].is_same(&x[*i])) => return Ok(()),
                (_, Some(x)) => (x, false),
                (Some(b), None) => (b, true),
                (None, None) => return Ok(()),
            };
            if let Some(value) = refers_loosely(row, &link.columns) {
                add.execute(params![side, child.number, link.number as i64, gone, value, key])?;
            }
            Ok(())
        };
        match of {
            Of::Theirs => {
                self.spool.each(child.number, &mut |unit| note(&unit.key, unit.base.as_ref(), unit.theirs.as_ref()))
            }
            Of::Ours => {
                self.gather_ours(child)?;
                let mut statement = conn.prepare("SELECT k, b, x FROM d WHERE t = ?1")?;
                let mut rows = statement.query([child.number])?;
                while let Some(row) = rows.next()? {
                    let key: Vec<u8> = row.get(0)?;
                    let (old, new) = (super::changes::unpacked(row.get(1)?), super::changes::unpacked(row.get(2)?));
                    note(&key, old.as_ref(), new.as_ref())?;
                }
                Ok(())
            }
        }
    }

    /// Gathers what ours changed in a table, once.
    fn gather_ours(&self, plan: &Plan) -> Result<()> {
        let conn = self.spool.conn();
        let known = "SELECT EXISTS (SELECT 1 FROM d WHERE t = ?1)";
        if conn.query_row(known, [plan.number], |row| row.get(0))? {
            return Ok(());
        }
        let by_rowid = plan.merged().is_some_and(|m| m.pairing == super::plan::Pairing::Rowid);
        let identity = if by_rowid { Identity::Rowid } else { Identity::Auto };
        let mut add = conn.prepare("INSERT OR REPLACE INTO d (t, k, shown, b, x) VALUES (?1, ?2, ?3, ?4, ?5)")?;
        self.each_change(Of::Ours, plan, identity, &mut |row| {
            let rid = match row.key.first() {
                Some(Value::Integer(rid)) if by_rowid => Some(*rid),
                _ => None,
            };
            let key = match rid {
                Some(rid) => Some(super::keyless::of_base(rid)),
                None => row.old.as_ref().or(row.new.as_ref()).and_then(|r| plan.key_of(r)).map(|k| encode(&k)),
            };
            let packed = |row: &Option<Row>| row.as_ref().map(super::cells::pack);
            add.execute(params![plan.number, key, rid, packed(&row.old), packed(&row.new)])?;
            Ok(())
        })
    }

    /// Returns what ours did to a row that theirs left alone.
    fn changed_by_ours(&self, plan: &Plan, key: &[u8]) -> Result<(Option<Row>, Option<Row>)> {
        self.gather_ours(plan)?;
        let mut statement = self.spool.conn().prepare_cached("SELECT b, x FROM d WHERE t = ?1 AND k = ?2")?;
        let mut rows = statement.query(params![plan.number, key])?;
        let unpacked = super::changes::unpacked;
        Ok(match rows.next()? {
            Some(row) => (unpacked(row.get(0)?), unpacked(row.get(1)?)),
            None => (None, None),
        })
    }

    /// Returns a row as a member of a conflict.
    pub(super) fn member(&self, plan: &Plan, key: &[u8]) -> Result<Member> {
        let unit = self.spool.get(plan.number, key)?;
        let key = match unit {
            Some(unit) => plan.shown_key(&unit),
            None => {
                let sql = "SELECT shown FROM d WHERE t = ?1 AND k = ?2";
                let known: rusqlite::Result<Option<i64>> =
                    self.spool.conn().query_row(sql, params![plan.number, key], |row| row.get(0));
                match known {
                    Ok(Some(rid)) => RowKey::Rowid(rid),
                    _ => plan.key_shown(crate::sqlite::diff::encode::decode(key).unwrap_or_default()),
                }
            }
        };
        Ok(Member { table: plan.name.clone(), key })
    }
}

/// Adds a member once.
pub(super) fn add_member(members: &mut Vec<Member>, member: Member) {
    if !members.contains(&member) {
        members.push(member);
    }
}
