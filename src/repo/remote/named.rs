//! Remotes by name: `remote.<name>.url`, what is fetched from it, and options for how it is reached.

use std::path::Path;

use super::{Refspec, SyncError};
use crate::model::{ObjectId, RefName};
use crate::repo::error::Result;
use crate::repo::state::config::{Config, Key};
use crate::repo::state::refs::{Expected, RefEdit};
use crate::repo::{Repository, Settings};
use crate::store::remote::{Remote, RemoteError, RemoteUrl};

/// A remote as the configuration has it, or as a URL stands for it.
#[derive(Clone, Debug)]
pub struct NamedRemote {
    /// Its name; `None` for a URL as typed.
    pub name: Option<String>,
    /// Where it is, with the options of the configuration.
    pub url: RemoteUrl,
    /// What is fetched from it.
    pub fetch: Vec<Refspec>,
}

/// The refs of a remote.
#[derive(Clone, Debug)]
pub struct RemoteRefs {
    /// The URL.
    pub url: String,
    /// The branch that a clone checks out.
    pub head: Option<RefName>,
    /// Names, what they name, and what annotated tags lead to; sorted.
    pub refs: Vec<(RefName, ObjectId, Option<ObjectId>)>,
}

impl NamedRemote {
    /// Returns the name for people: that of the configuration, or the URL.
    pub fn label(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.url.to_string())
    }

    /// Asks for the refs.
    pub fn refs(&self, settings: &Settings) -> Result<RemoteRefs> {
        let root = Remote::open(&self.url, &settings.remote_env)?.existing_state()?.root;
        let refs = root.refs.into_iter().map(|r| (r.name, r.id, r.peeled)).collect();
        Ok(RemoteRefs { url: self.url.to_string(), head: root.head, refs })
    }
}

fn key(text: &str) -> Result<Key> {
    Ok(text.parse::<Key>()?)
}

fn check_name(name: &str) -> Result<(), SyncError> {
    let is_ref = RefName::new(&format!("refs/remotes/{name}/x")).is_ok();
    match is_ref && !name.starts_with('-') && !name.contains('/') && name != "." {
        true => Ok(()),
        false => Err(SyncError::Name(name.to_owned())),
    }
}

fn url_text(config: &Config, name: &str) -> Result<String> {
    match config.get(&format!("remote.{name}.url")) {
        Some(entry) => Ok(entry.value.clone()),
        None if config.subsections("remote").contains(&name) => Err(SyncError::NoUrl(name.to_owned()).into()),
        None => Err(SyncError::NoRemote(name.to_owned()).into()),
    }
}

/// Returns a remote by name, or the one that a URL or path, as seen from `top`, stands for.
pub(in crate::repo) fn named_remote(config: &Config, top: &Path, text: &str) -> Result<NamedRemote> {
    if !config.subsections("remote").contains(&text) {
        let is_place = text.contains([':', '/']) || text == "." || text == ".." || top.join(text).is_dir();
        if !is_place {
            return Err(SyncError::NoRemote(text.to_owned()).into());
        }
        let url = RemoteUrl::parse(text, top).map_err(RemoteError::from)?;
        return Ok(NamedRemote { name: None, url, fetch: Vec::new() });
    }
    let mut url = RemoteUrl::parse(&url_text(config, text)?, top).map_err(RemoteError::from)?;
    for option in url.scheme.options() {
        // The URL is the more particular of the two.
        if let (Some(entry), None) = (config.get(&format!("remote.{text}.{option}")), url.option(option)) {
            url.set(option, &entry.value).map_err(RemoteError::from)?;
        }
    }
    let fetch = config.get_all(&format!("remote.{text}.fetch"));
    let fetch = fetch.iter().map(|e| e.value.parse().map_err(SyncError::from)).collect::<Result<_, _>>()?;
    Ok(NamedRemote { name: Some(text.to_owned()), url, fetch })
}

impl Repository {
    /// Returns the names of all remotes, sorted.
    pub fn remote_names(&self) -> Vec<String> {
        let all = self.config().subsections("remote").into_iter();
        all.filter(|name| self.config().get(&format!("remote.{name}.url")).is_some()).map(str::to_owned).collect()
    }

    /// Returns the URL of a remote as it is written in the configuration.
    pub fn remote_url_text(&self, name: &str) -> Result<String> {
        url_text(self.config(), name)
    }

    /// Returns a remote by name, or the one that a URL or path stands for.
    pub fn named_remote(&self, text: &str) -> Result<NamedRemote> {
        named_remote(self.config(), self.top(), text)
    }

    /// Returns the name of the remote to use when none is named: that of the current branch, the only one, or `origin`.
    pub fn default_remote(&self) -> Result<String> {
        let branch = self.current_branch()?;
        let setting =
            branch.as_ref().and_then(RefName::as_branch).and_then(|b| self.config().get(&format!("branch.{b}.remote")));
        if let Some(entry) = setting.filter(|entry| entry.value != ".") {
            return Ok(entry.value.clone());
        }
        match self.remote_names().as_slice() {
            [] => Err(SyncError::NoneConfigured.into()),
            [only] => Ok(only.clone()),
            names if names.iter().any(|n| n == "origin") => Ok("origin".to_owned()),
            _ => Err(SyncError::NoneConfigured.into()),
        }
    }

    /// Opens a remote; sends no request.
    pub fn open_remote(&self, remote: &NamedRemote) -> Result<Remote> {
        Ok(Remote::open(&remote.url, &self.settings().remote_env)?)
    }

    /// Asks a remote for its refs.
    pub fn remote_refs(&self, remote: &NamedRemote) -> Result<RemoteRefs> {
        remote.refs(self.settings())
    }

    /// Adds a remote. A relative path is stored as it is from the root of the file system.
    pub fn add_remote(&self, name: &str, url: &RemoteUrl) -> Result<()> {
        check_name(name)?;
        if self.config().subsections("remote").contains(&name) {
            return Err(SyncError::Exists(name.to_owned()).into());
        }
        self.edit_config(|file| {
            file.set(&format!("remote.{name}.url").parse::<Key>()?, &url.to_string())?;
            file.set(&format!("remote.{name}.fetch").parse::<Key>()?, &format!("+refs/heads/*:refs/remotes/{name}/*"))
        })
    }

    /// Changes the URL of a remote; returns the one it had.
    pub fn set_remote_url(&self, name: &str, url: &RemoteUrl) -> Result<String> {
        let old = self.remote_url_text(name)?;
        let key = key(&format!("remote.{name}.url"))?;
        self.edit_config(|file| file.set(&key, &url.to_string()))?;
        Ok(old)
    }

    /// Removes a remote, what was fetched of its branches, and that branches here follow them.
    pub fn remove_remote(&self, name: &str) -> Result<()> {
        self.deny_unknown(name)?;
        let followers = self.followers(name);
        self.edit_config(|file| {
            file.remove_section("remote", name);
            for branch in &followers {
                file.unset(&format!("branch.{branch}.remote").parse::<Key>()?);
                file.unset(&format!("branch.{branch}.merge").parse::<Key>()?);
            }
            Ok(())
        })?;
        let tracked = self.refs().list(&format!("refs/remotes/{name}/"))?.refs;
        let edits: Vec<_> = tracked.into_iter().map(|r| RefEdit::delete(r.name, Expected::Any)).collect();
        let lock = self.lock()?;
        Ok(self.refs().apply(&lock, &self.fetcher(), &edits)?)
    }

    /// Renames a remote, with what was fetched of its branches and what follows them.
    pub fn rename_remote(&self, old: &str, new: &str) -> Result<()> {
        check_name(new)?;
        self.deny_unknown(old)?;
        if self.config().subsections("remote").contains(&new) {
            return Err(SyncError::Exists(new.to_owned()).into());
        }
        let followers = self.followers(old);
        let specs: Vec<String> =
            self.config().get_all(&format!("remote.{old}.fetch")).iter().map(|e| e.value.clone()).collect();
        self.edit_config(|file| {
            file.rename_section("remote", old, new);
            let fetch = format!("remote.{new}.fetch").parse::<Key>()?;
            file.unset(&fetch);
            for spec in &specs {
                file.add(&fetch, &spec.replace(&format!("refs/remotes/{old}/"), &format!("refs/remotes/{new}/")))?;
            }
            for branch in &followers {
                file.set(&format!("branch.{branch}.remote").parse::<Key>()?, new)?;
            }
            Ok(())
        })?;
        let lock = self.lock()?;
        self.store().rename_remote_of_volumes(old, new, &lock)?;
        for tracked in self.refs().list(&format!("refs/remotes/{old}/"))?.refs {
            let rest = &tracked.name.as_str()["refs/remotes/".len() + old.len()..];
            let to = RefName::new(&format!("refs/remotes/{new}{rest}")).map_err(|_| SyncError::Name(new.to_owned()))?;
            let edits = match &tracked.symbolic {
                Some(target) => {
                    let rest = target.as_str().strip_prefix(&format!("refs/remotes/{old}")).unwrap_or_default();
                    let target = RefName::new(&format!("refs/remotes/{new}{rest}")).unwrap_or_else(|_| target.clone());
                    [RefEdit::point(to, target, "remote: renamed"), RefEdit::delete(tracked.name, Expected::Any)]
                }
                None => [
                    RefEdit::set(to, tracked.id, Expected::Any, "remote: renamed"),
                    RefEdit::delete(tracked.name, Expected::Any),
                ],
            };
            self.refs().apply(&lock, &self.fetcher(), &edits)?;
        }
        Ok(())
    }

    fn deny_unknown(&self, name: &str) -> Result<()> {
        match self.config().subsections("remote").contains(&name) {
            true => Ok(()),
            false => Err(SyncError::NoRemote(name.to_owned()).into()),
        }
    }

    /// Returns the branches that follow one of a remote.
    pub fn followers(&self, remote: &str) -> Vec<String> {
        let follows = |branch: &&str| {
            self.config().get(&format!("branch.{branch}.remote")).is_some_and(|entry| entry.value == remote)
        };
        self.config().subsections("branch").into_iter().filter(follows).map(str::to_owned).collect()
    }

    /// Returns who stands in the reflogs of fetched refs: fetching needs no name.
    pub(in crate::repo) fn fetcher(&self) -> crate::model::Signature {
        self.committer().unwrap_or_else(|_| crate::model::Signature {
            name: "graft".to_owned(),
            email: String::new(),
            time: crate::repo::now_ns() / 1_000_000_000,
            offset: 0,
        })
    }
}
