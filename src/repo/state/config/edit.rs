//! Changes a configuration file and keeps its comments, order and spelling.

use std::path::{Path, PathBuf};

use toml_edit::{Array, DocumentMut, Item, Table, TableLike, Value};

use super::{ConfigError, Key, parse_file, texts};
use crate::util::fs as durable;

/// A configuration file that is being changed.
///
/// For the repository's file the caller holds the repository lock from [`ConfigFile::open`] to [`ConfigFile::save`].
#[derive(Debug)]
pub struct ConfigFile {
    path: PathBuf,
    doc: DocumentMut,
}

impl ConfigFile {
    /// Reads the file; a missing one is empty.
    pub fn open(path: &Path) -> Result<Self, ConfigError> {
        Ok(Self { path: path.to_owned(), doc: parse_file(path)? })
    }

    /// Replaces the file, durably; makes its folder if need be. `tmp` is a folder on the same file system.
    pub fn save(&self, tmp: &Path) -> Result<(), ConfigError> {
        let parent = self.path.parent().unwrap_or(Path::new("."));
        durable::create_dir_all(parent)
            .and_then(|()| durable::create_dir_all(tmp))
            .and_then(|()| durable::replace(&self.path, tmp, self.doc.to_string().as_bytes()))
            .map_err(|source| ConfigError::Io { path: self.path.clone(), source })
    }

    /// Sets a key to one value; refused if it has several.
    pub fn set(&mut self, key: &Key, value: &str) -> Result<(), ConfigError> {
        let count = self.values(key).len();
        if count > 1 {
            return Err(ConfigError::Several { path: self.path.clone(), key: key.to_string(), count });
        }
        self.put(key, |old| match old.and_then(Item::as_value) {
            // What stands around the old value is kept: a comment behind it, above all.
            Some(old) => decorated_like(old, to_value(value)),
            None => to_value(value),
        })
    }

    /// Adds one more value to a key.
    pub fn add(&mut self, key: &Key, value: &str) -> Result<(), ConfigError> {
        let mut values = self.values(key);
        if values.is_empty() {
            return self.set(key, value);
        }
        values.push(value.to_owned());
        self.put(key, |old| {
            let array = Value::Array(values.iter().map(|v| to_value(v)).collect::<Array>());
            old.and_then(Item::as_value).map_or(array.clone(), |old| decorated_like(old, array))
        })
    }

    /// Removes a key with all its values; tells whether it was there.
    pub fn unset(&mut self, key: &Key) -> bool {
        let Some((path, name)) = self.locate(key) else { return false };
        let Some(table) = descend(self.doc.as_table_mut(), &path) else { return false };
        let removed = table.remove(&name).is_some();
        self.prune(path);
        removed
    }

    /// Removes a whole section such as `remote.origin`; tells whether it was there.
    pub fn remove_section(&mut self, section: &str, subsection: &str) -> bool {
        let Some(mut path) = self.locate_table(section, Some(subsection)) else { return false };
        let Some(last) = path.pop() else { return false };
        let removed = descend(self.doc.as_table_mut(), &path).is_some_and(|t| t.remove(&last).is_some());
        self.prune(path);
        removed
    }

    /// Gives a subsection another name, as when a branch is renamed; what stood under that name is replaced. Tells
    /// whether it was there.
    pub fn rename_section(&mut self, section: &str, old: &str, new: &str) -> bool {
        let Some(mut path) = self.locate_table(section, Some(old)) else { return false };
        let Some(last) = path.pop() else { return false };
        let moved = descend(self.doc.as_table_mut(), &path).and_then(|t| t.remove(&last));
        let Some(moved) = moved else { return false };
        self.remove_section(section, new);
        let path = self.locate_table(section, None).unwrap_or_else(|| vec![section.to_owned()]);
        make(self.doc.as_table_mut(), &path).is_some_and(|table| {
            table.insert(new, moved);
            true
        })
    }

    fn values(&self, key: &Key) -> Vec<String> {
        let Some((path, name)) = self.locate(key) else { return Vec::new() };
        let mut table: &dyn TableLike = self.doc.as_table();
        for part in &path {
            match table.get(part).and_then(Item::as_table_like) {
                Some(inner) => table = inner,
                None => return Vec::new(),
            }
        }
        table.get(&name).and_then(texts).unwrap_or_default()
    }

    /// Writes a value made from the present item.
    fn put(&mut self, key: &Key, value: impl FnOnce(Option<&Item>) -> Value) -> Result<(), ConfigError> {
        let shape = |reason| ConfigError::Shape { path: self.path.clone(), key: key.to_string(), reason };
        let (path, name) = match self.locate(key) {
            Some(found) => found,
            None => {
                let table = self.locate_table(key.section(), key.subsection()).unwrap_or_else(|| {
                    let section = self.locate_table(key.section(), None);
                    let mut path = section.unwrap_or_else(|| vec![key.section().to_owned()]);
                    path.extend(key.subsection().map(str::to_owned));
                    path
                });
                (table, key.name().to_owned())
            }
        };
        let table = make(self.doc.as_table_mut(), &path).ok_or_else(|| shape("stands where a section should be"))?;
        if table.get(&name).is_some_and(|item| item.is_table_like()) {
            return Err(shape("is a section"));
        }
        let value = value(table.get(&name));
        match table.get_mut(&name) {
            Some(item) => *item = Item::Value(value),
            None => drop(table.insert(&name, Item::Value(value))),
        }
        Ok(())
    }

    /// Finds the tables that lead to a key, and how the file spells its name; of several spellings the one in force.
    fn locate(&self, key: &Key) -> Option<(Vec<String>, String)> {
        self.locate_tables(key.section(), key.subsection()).into_iter().rev().find_map(|path| {
            let mut table: &dyn TableLike = self.doc.as_table();
            for part in &path {
                table = table.get(part)?.as_table_like()?;
            }
            let spelled = table.iter().filter(|(n, i)| n.eq_ignore_ascii_case(key.name()) && !i.is_table_like());
            let name = spelled.last()?.0.to_owned();
            Some((path, name))
        })
    }

    /// Finds the table of a section or subsection as the file spells it.
    fn locate_table(&self, section: &str, subsection: Option<&str>) -> Option<Vec<String>> {
        self.locate_tables(section, subsection).into_iter().next()
    }

    /// Finds all tables of a section or subsection: `[core]` and `[Core]` are two tables to TOML.
    fn locate_tables(&self, section: &str, subsection: Option<&str>) -> Vec<Vec<String>> {
        let matching = self.doc.iter().filter(|(n, i)| n.eq_ignore_ascii_case(section) && i.is_table_like());
        matching
            .filter_map(|(name, item)| {
                let mut path = vec![name.to_owned()];
                let found = match subsection {
                    None => true,
                    Some(subsection) => find_nested(item.as_table_like()?, subsection, &mut path),
                };
                found.then_some(path)
            })
            .collect()
    }

    /// Removes tables that have become empty, from the inside, unless a comment stands with them.
    fn prune(&mut self, mut path: Vec<String>) {
        while let Some(last) = path.pop() {
            let Some(outer) = descend(self.doc.as_table_mut(), &path) else { return };
            let is_bare = |item: &Item| {
                let comment =
                    item.as_table().and_then(|t| t.decor().prefix()?.as_str()).is_some_and(|s| s.contains('#'));
                item.as_table_like().is_some_and(|t| t.is_empty()) && !comment
            };
            if !outer.get(&last).is_some_and(is_bare) {
                return;
            }
            outer.remove(&last);
        }
    }
}

/// Finds the table of a subsection, which may be written as one quoted name or, if it has dots, as nested tables.
fn find_nested(table: &dyn TableLike, subsection: &str, path: &mut Vec<String>) -> bool {
    if table.get(subsection).is_some_and(Item::is_table_like) {
        path.push(subsection.to_owned());
        return true;
    }
    for (name, item) in table.iter() {
        let rest = subsection.strip_prefix(name).and_then(|rest| rest.strip_prefix('.'));
        let (Some(rest), Some(inner)) = (rest, item.as_table_like()) else { continue };
        path.push(name.to_owned());
        if find_nested(inner, rest, path) {
            return true;
        }
        path.pop();
    }
    false
}

fn descend<'a>(table: &'a mut dyn TableLike, path: &[String]) -> Option<&'a mut dyn TableLike> {
    match path.split_first() {
        None => Some(table),
        Some((first, rest)) => descend(table.get_mut(first)?.as_table_like_mut()?, rest),
    }
}

/// Descends and makes the tables that are missing; `None` if something else stands in the way.
fn make<'a>(table: &'a mut dyn TableLike, path: &[String]) -> Option<&'a mut dyn TableLike> {
    let Some((first, rest)) = path.split_first() else { return Some(table) };
    if !table.contains_key(first) {
        let mut inner = Table::new();
        // A table that only holds other tables needs no header of its own.
        inner.set_implicit(!rest.is_empty());
        table.insert(first, Item::Table(inner));
    }
    make(table.get_mut(first)?.as_table_like_mut()?, rest)
}

/// Writes truth values and whole numbers as such, anything else as text.
fn to_value(text: &str) -> Value {
    match (text, text.parse::<i64>()) {
        ("true", _) => true.into(),
        ("false", _) => false.into(),
        (_, Ok(number)) if number.to_string() == text => number.into(),
        _ => text.into(),
    }
}

fn decorated_like(old: &Value, mut new: Value) -> Value {
    *new.decor_mut() = old.decor().clone();
    new
}
