//! Changing the configuration: the repository's under its lock, the user's own without one.

use std::path::Path;

use crate::repo::Repository;
use crate::repo::error::Result;
use crate::repo::state::config::{ConfigError, ConfigFile};

/// Changes the user's own file; made if need be. The last of two that write at once wins, whole.
pub fn edit_user_config<T>(
    path: &Path,
    edit: impl FnOnce(&mut ConfigFile) -> Result<T, ConfigError>,
) -> Result<T, ConfigError> {
    let mut file = ConfigFile::open(path)?;
    let made = edit(&mut file)?;
    file.save(path.parent().unwrap_or(Path::new(".")))?;
    Ok(made)
}

impl Repository {
    /// Changes the repository's file. What this process read of it before stays as it was.
    pub fn edit_config<T>(&self, edit: impl FnOnce(&mut ConfigFile) -> Result<T, ConfigError>) -> Result<T> {
        let _lock = self.lock()?;
        let mut file = ConfigFile::open(&self.dir().join("config.toml"))?;
        let made = edit(&mut file)?;
        file.save(&self.tmp())?;
        Ok(made)
    }
}
