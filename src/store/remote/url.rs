//! Where a remote is: URLs with options, checked when they are given, shown without secrets.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Why a URL is none of a remote.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum UrlError {
    /// The part before `:` is not known.
    #[error("'{scheme}' is not a kind of remote (fs, file, s3, az, gs, or a path)")]
    Scheme {
        /// The part before `:`.
        scheme: String,
    },
    /// The bucket, container or path is missing.
    #[error("'{url}' names no {what}")]
    Empty {
        /// The URL.
        url: String,
        /// What is missing.
        what: &'static str,
    },
    /// A part of the path cannot be the beginning of keys.
    #[error("'{url}': '{part}' cannot be part of the path (letters, digits, '.', '_' and '-' can)")]
    Part {
        /// The URL.
        url: String,
        /// The part.
        part: String,
    },
    /// An option that this kind of remote does not have.
    #[error("'{option}' is not an option of {scheme} remotes ({known})")]
    Option {
        /// The option.
        option: String,
        /// The kind of remote.
        scheme: &'static str,
        /// The options it has.
        known: String,
    },
    /// A value that the option cannot have.
    #[error("{option} = '{value}' is not {wanted}")]
    Value {
        /// The option.
        option: &'static str,
        /// Its value.
        value: String,
        /// What it could be.
        wanted: &'static str,
    },
    /// A key or password, which would be stored and shown.
    #[error("the URL holds a secret ({0}), which would be written into the configuration")]
    Secret(String),
}

/// The kinds of remotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// A folder.
    Directory,
    /// The memory of this process.
    Memory,
    /// S3 and what speaks like it.
    S3,
    /// Azure Blob Storage.
    Azure,
    /// Google Cloud Storage.
    Google,
}

/// The URL of a remote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteUrl {
    /// What it is.
    pub scheme: Scheme,
    /// The bucket or container, or the name of a memory; empty for a directory.
    pub bucket: String,
    /// The path of a directory, or what keys begin with in the bucket.
    pub path: String,
    /// The options, by name.
    pub options: BTreeMap<String, String>,
}

impl Scheme {
    /// Returns the name in URLs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Directory => "fs",
            Self::Memory => "memory",
            Self::S3 => "s3",
            Self::Azure => "az",
            Self::Google => "gs",
        }
    }

    /// Returns the options that a URL or the configuration may have.
    pub fn options(self) -> &'static [&'static str] {
        match self {
            Self::Directory | Self::Memory => &[],
            Self::S3 => &["endpoint", "region", "profile", "credentials", "virtual-hosted"],
            Self::Azure => &["endpoint", "account", "credentials"],
            Self::Google => &["endpoint", "credentials"],
        }
    }
}

impl RemoteUrl {
    /// Parses a URL or path; a relative path begins at `base`.
    pub fn parse(text: &str, base: &Path) -> Result<Self, UrlError> {
        if let Some(name) = text.strip_prefix("memory:") {
            let name = name.trim_start_matches('/');
            return match name.is_empty() {
                true => Err(UrlError::Empty { url: text.to_owned(), what: "memory" }),
                false => Ok(Self::plain(Scheme::Memory, name, "")),
            };
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return directory(
                text,
                text.strip_prefix("fs:").or_else(|| text.strip_prefix("file:")).unwrap_or(text),
                base,
            );
        };
        let scheme = match scheme {
            "fs" | "file" => return directory(text, &decoded(rest), base),
            "s3" | "s3a" => Scheme::S3,
            "az" | "azure" | "abfs" | "abfss" => Scheme::Azure,
            "gs" | "gcs" => Scheme::Google,
            other => return Err(UrlError::Scheme { scheme: other.to_owned() }),
        };
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (bucket, path) = place.split_once('/').unwrap_or((place, ""));
        if bucket.contains('@') {
            return Err(UrlError::Secret("before '@'".to_owned()));
        }
        let what = if scheme == Scheme::Azure { "container" } else { "bucket" };
        if bucket.is_empty() {
            return Err(UrlError::Empty { url: without_query(text), what });
        }
        let path = path.trim_matches('/');
        for part in std::iter::once(bucket).chain(path.split('/').filter(|_| !path.is_empty())) {
            if !super::backend::is_key(part) {
                return Err(UrlError::Part { url: without_query(text), part: part.to_owned() });
            }
        }
        let mut url = Self::plain(scheme, bucket, path);
        for pair in query.split('&').filter(|p| !p.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, "true"));
            url.set(name, &decoded(value))?;
        }
        Ok(url)
    }

    fn plain(scheme: Scheme, bucket: &str, path: &str) -> Self {
        Self { scheme, bucket: bucket.to_owned(), path: path.to_owned(), options: BTreeMap::new() }
    }

    /// Sets an option, as a URL or the configuration has it.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), UrlError> {
        let name = name.to_ascii_lowercase().replace('_', "-");
        let known = self.scheme.options();
        if !known.contains(&name.as_str()) {
            let is_secret = ["key", "secret", "token", "password", "sas", "sig"].iter().any(|w| name.contains(w));
            return Err(match is_secret {
                true => UrlError::Secret(name),
                false => UrlError::Option {
                    option: name,
                    scheme: self.scheme.name(),
                    known: if known.is_empty() { "they have none".to_owned() } else { known.join(", ") },
                },
            });
        }
        self.options.insert(name, value.to_owned());
        Ok(())
    }

    /// Returns an option.
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options.get(name).map(String::as_str)
    }

    /// Returns the folder of a directory remote.
    pub fn directory(&self) -> Option<PathBuf> {
        (self.scheme == Scheme::Directory).then(|| PathBuf::from(&self.path))
    }
}

/// Writes the URL such that it parses to the same.
impl fmt::Display for RemoteUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scheme {
            Scheme::Directory => return f.write_str(&self.path),
            Scheme::Memory => return write!(f, "memory:{}", self.bucket),
            scheme => write!(f, "{}://{}", scheme.name(), self.bucket)?,
        }
        if !self.path.is_empty() {
            write!(f, "/{}", self.path)?;
        }
        for (i, (name, value)) in self.options.iter().enumerate() {
            write!(f, "{}{name}={}", if i == 0 { '?' } else { '&' }, encoded(value))?;
        }
        Ok(())
    }
}

impl FromStr for RemoteUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        Self::parse(text, Path::new("/"))
    }
}

fn directory(text: &str, path: &str, base: &Path) -> Result<RemoteUrl, UrlError> {
    if path.is_empty() {
        return Err(UrlError::Empty { url: text.to_owned(), what: "path" });
    }
    let mut full = PathBuf::new();
    for part in base.join(path).components() {
        match part {
            std::path::Component::ParentDir => drop(full.pop()),
            std::path::Component::CurDir => {}
            other => full.push(other),
        }
    }
    Ok(RemoteUrl::plain(Scheme::Directory, "", &full.to_string_lossy()))
}

fn without_query(text: &str) -> String {
    text.split('?').next().unwrap_or(text).to_owned()
}

pub(super) fn decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let hex = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match hex.and_then(|h| u8::from_str_radix(h, 16).ok()) {
            Some(byte) => (out.push(byte), at += 3),
            None => (out.push(bytes[at]), at += 1),
        };
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|b| match b {
            b if b.is_ascii_alphanumeric() || b"._-/:".contains(&b) => char::from(b).to_string(),
            b => format!("%{b:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<RemoteUrl, UrlError> {
        RemoteUrl::parse(text, Path::new("/here"))
    }

    #[test]
    fn urls_and_paths() {
        for (text, shown) in [
            ("/srv/x", "/srv/x"),
            ("../x", "/x"),
            ("x/./y", "/here/x/y"),
            ("fs:///srv/x", "/srv/x"),
            ("file:///srv/a%20b", "/srv/a b"),
            ("fs://x", "/here/x"),
            ("memory:one", "memory:one"),
            ("s3://b", "s3://b"),
            ("s3://b/a/c/?region=r&endpoint=http://h:1", "s3://b/a/c?endpoint=http://h:1&region=r"),
            ("az://c/p?account=me", "az://c/p?account=me"),
            ("gs://b/p", "gs://b/p"),
        ] {
            let url = parse(text).expect(text);
            assert_eq!(url.to_string(), shown, "{text}");
            assert_eq!(parse(shown), Ok(url), "{shown}");
        }
    }

    #[test]
    fn what_is_no_remote_says_why() {
        for (text, why) in [
            ("ftp://x/y", "'ftp' is not a kind of remote"),
            ("s3://", "names no bucket"),
            ("az:///p", "names no container"),
            ("fs://", "names no path"),
            ("memory:", "names no memory"),
            ("s3://b/../c", "'..' cannot be part"),
            ("s3://b/a b", "'a b' cannot be part"),
            ("s3://b?colour=red", "'colour' is not an option of s3 remotes (endpoint"),
            ("s3://me:pw@b/p", "holds a secret (before '@')"),
            ("s3://b?secret_access_key=xyz", "holds a secret (secret-access-key)"),
            ("az://c?sas_token=xyz", "holds a secret (sas-token)"),
        ] {
            let error = parse(text).expect_err(text).to_string();
            assert!(error.contains(why), "{text}: {error}");
            assert!(!error.contains("xyz") && !error.contains("pw"), "{error}");
        }
    }
}
