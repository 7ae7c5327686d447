//! Remotes: plain object storage that several writers share safely.
//!
//! [`Backend`] is what Graft needs of a place; directories, memory and buckets provide it.

mod backend;
pub(in crate::store) mod bundle;
mod catalogue;
mod check;
mod closure;
mod cloud;
mod collect;
mod credentials;
mod directory;
mod error;
#[cfg(test)]
mod hostile;
mod hydrate;
mod memory;
mod parallel;
mod place;
mod receive;
mod root;
mod send;
mod traffic;
mod url;
mod volume_check;
pub mod volume_log;

#[cfg(test)]
pub mod faults;

pub use backend::{Backend, Found, Listed, Version, is_key};
pub use check::RemoteReport;
pub(in crate::store) use closure::Known;
pub use collect::Collected;
pub use credentials::RemoteEnv;
pub use error::RemoteError;
pub use hydrate::Presence;
pub use place::{PLANS, Remote, State};
pub use receive::{Received, Receiver, WHOLE};
pub use root::{BundleEntry, ROOT, RefEntry, Root};
pub use send::{Parcel, Sent};
pub use traffic::{Traffic, Watch};
pub use url::{RemoteUrl, Scheme, UrlError};

use error::Result;

/// Opens the place that a URL names. Sends no request and makes nothing.
pub fn open_backend(url: &RemoteUrl, env: &RemoteEnv) -> Result<Box<dyn Backend>> {
    Ok(match url.scheme {
        Scheme::Directory => Box::new(directory::Directory::open(url.path.as_ref())),
        #[cfg(test)]
        Scheme::Memory => Box::new(faults::Faulty::new(&url.bucket, memory::Memory::open(&url.bucket))),
        #[cfg(not(test))]
        Scheme::Memory => Box::new(memory::Memory::open(&url.bucket)),
        Scheme::S3 | Scheme::Azure | Scheme::Google => Box::new(cloud::Cloud::open(url, env)?),
    })
}
