//! The ignore rules in force in a folder: a stack with those of every folder above it.

use std::path::Path;

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::repo::state::types::Warning;

/// The rules of one folder, strongest last.
#[derive(Default)]
struct Level(Vec<Gitignore>);

/// The rules of a folder and all above it.
pub struct Rules {
    /// From `.graft/info/exclude`, then the top, then each folder on the way down.
    levels: Vec<Level>,
}

impl Rules {
    /// Starts above the top, with the rules that are the repository's own.
    pub fn new(top: &Path) -> Self {
        let mut level = Level::default();
        level.read(top, &top.join(".graft/info/exclude"), &mut Vec::new());
        Self { levels: vec![level] }
    }

    /// Adds the rules of a folder, given relative to the top.
    pub fn enter(&mut self, top: &Path, folder: &str, warnings: &mut Vec<Warning>) {
        let dir = top.join(folder);
        let mut level = Level::default();
        for name in [".gitignore", ".graftignore"] {
            level.read(&dir, &dir.join(name), warnings);
        }
        self.levels.push(level);
    }

    /// Forgets the rules of the folder entered last.
    pub fn leave(&mut self) {
        self.levels.pop();
    }

    /// Tells whether a file or folder in the folder entered last is ignored. Folders above it are not asked.
    pub fn ignores(&self, path: &Path, is_dir: bool) -> bool {
        let verdicts = self.levels.iter().rev().flat_map(|level| level.0.iter().rev()).map(|g| g.matched(path, is_dir));
        verdicts.into_iter().find(|verdict| !verdict.is_none()).is_some_and(|verdict| verdict.is_ignore())
    }
}

impl Level {
    /// Reads a file of rules if there is one; what cannot be read or understood is reported and left out.
    fn read(&mut self, root: &Path, file: &Path, warnings: &mut Vec<Warning>) {
        if !file.is_file() {
            return;
        }
        let mut builder = GitignoreBuilder::new(root);
        let mut report = |error: ignore::Error| {
            warnings.push(Warning::Unreadable { path: file.display().to_string(), reason: error.to_string() });
        };
        if let Some(error) = builder.add(file) {
            report(error);
        }
        match builder.build() {
            Ok(rules) if !rules.is_empty() => self.0.push(rules),
            Ok(_) => {}
            Err(error) => report(error),
        }
    }
}
