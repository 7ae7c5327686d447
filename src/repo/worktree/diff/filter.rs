//! `--diff-filter`: which kinds of change are wanted, of files and of rows.

use crate::repo::state::types::ChangeKind;
use crate::sqlite::diff::RowKinds;

/// Kinds of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filter {
    /// Rows, and files alike, that are new, gone, or others.
    pub rows: RowKinds,
    /// Files with another name.
    pub renamed: bool,
    /// Files that became a database, or are none any more.
    pub type_changed: bool,
}

impl Default for Filter {
    fn default() -> Self {
        Self { rows: RowKinds::ALL, renamed: true, type_changed: true }
    }
}

impl Filter {
    /// Reads Git's letters: capitals choose, small ones leave out. Of some kinds that Git knows there are none here.
    pub fn parse(letters: &str) -> Result<Self, String> {
        let all = !letters.chars().any(char::is_uppercase);
        let rows = RowKinds { inserted: all, deleted: all, updated: all };
        let mut filter = Self { rows, renamed: all, type_changed: all };
        for letter in letters.chars() {
            let to = letter.is_uppercase();
            match letter.to_ascii_uppercase() {
                'A' => filter.rows.inserted = to,
                'D' => filter.rows.deleted = to,
                'M' => filter.rows.updated = to,
                'R' => filter.renamed = to,
                'T' => filter.type_changed = to,
                'B' | 'C' | 'U' | 'X' => {}
                _ => {
                    let known = "A (added), D (deleted), M (modified), R (renamed) and T (type changed)";
                    return Err(format!("'{letter}' is none of {known}"));
                }
            }
        }
        Ok(filter)
    }

    /// Tells whether a file is wanted.
    pub fn takes_file(self, change: ChangeKind) -> bool {
        match change {
            ChangeKind::Added => self.rows.inserted,
            ChangeKind::Deleted => self.rows.deleted,
            ChangeKind::Renamed => self.renamed,
            ChangeKind::TypeChanged => self.type_changed,
            ChangeKind::Modified | ChangeKind::Unchanged => self.rows.updated,
        }
    }

    /// Returns what of a database's rows is wanted: of a file with another name or type all or none, if it is asked for by letter;
    /// otherwise those of the kinds wanted.
    pub fn for_rows_of(self, change: ChangeKind) -> Option<RowKinds> {
        match change {
            ChangeKind::Renamed | ChangeKind::TypeChanged if self.takes_file(change) => Some(RowKinds::ALL),
            ChangeKind::Renamed | ChangeKind::TypeChanged if self.rows == RowKinds::ALL => None,
            _ => Some(self.rows),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_gits() {
        let only = |letters: &str| {
            let has = |letter| letters.contains(letter);
            let rows = RowKinds { inserted: has('A'), deleted: has('D'), updated: has('M') };
            Filter { rows, renamed: has('R'), type_changed: has('T') }
        };
        assert_eq!(Filter::parse("AD"), Ok(only("AD")));
        assert_eq!(Filter::parse("ACMRT"), Ok(only("AMRT")));
        assert_eq!(Filter::parse("m"), Ok(only("ADRT")));
        assert_eq!(Filter::parse("Ad"), Ok(only("A")));
        assert!(Filter::parse("Z").is_err());
    }

    #[test]
    fn rows_of_a_renamed_file_follow_the_file() {
        let rows = |letters| Filter::parse(letters).expect("letters").for_rows_of(ChangeKind::Renamed);
        assert_eq!(rows("R"), Some(RowKinds::ALL));
        assert_eq!(rows("r"), None);
        assert_eq!(rows("M"), Filter::parse("M").ok().map(|filter| filter.rows));
    }
}
