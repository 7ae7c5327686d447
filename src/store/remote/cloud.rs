//! Remotes in a bucket, through `object_store`. The only place that is asynchronous: callers block, on a runtime of its own.
//!
//! `object_store` repeats requests that may have had their effect. A repeated conditional write can then be refused because
//! of its own first try; callers read again and compare before they believe a refusal (see [`Backend::swap`]).

use std::fs::File;
use std::future::Future;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use futures_util::StreamExt;
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path;
use object_store::{
    BackoffConfig, ClientOptions, GetOptions, GetRange, GetResult, ObjectStore, ObjectStoreExt, PutMode, PutPayload,
    RetryConfig, UpdateVersion,
};
use tokio::runtime::{Builder, Runtime};

use super::backend::{Backend, Found, Listed, Version};
use super::credentials::{self, Credentials, RemoteEnv};
use super::error::{RemoteError, Result};
use super::url::{RemoteUrl, Scheme, UrlError};
use crate::model::limits;

/// Files up to this size are sent in one request.
const ONE_REQUEST: u64 = 16 << 20;
/// Bytes of a part of a larger one.
const PART: u64 = 8 << 20;
/// Parts of one file under way at the same time.
const PARTS_AT_ONCE: usize = 4;

/// Shared by all remotes of this process.
static RUNTIME: LazyLock<std::io::Result<Runtime>> =
    LazyLock::new(|| Builder::new_multi_thread().worker_threads(2).thread_name("remote").enable_all().build());

/// A remote in a bucket or container.
pub struct Cloud {
    store: Arc<dyn ObjectStore>,
    runtime: &'static Runtime,
    base: String,
    url: String,
}

impl Cloud {
    /// Prepares access to a bucket; sends no request.
    pub fn open(url: &RemoteUrl, env: &RemoteEnv) -> Result<Self> {
        // Another part of the process may have chosen one before; either serves.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = RUNTIME.as_ref().map_err(|e| RemoteError::Io {
            action: "start threads for",
            path: url.to_string().into(),
            source: std::io::Error::new(e.kind(), e.to_string()),
        })?;
        Ok(Self { store: build(url, env)?, runtime, base: url.path.clone(), url: url.to_string() })
    }

    fn path(&self, key: &str) -> Path {
        match self.base.is_empty() {
            true => Path::from(key),
            false => Path::from(format!("{}/{key}", self.base)),
        }
    }

    fn damaged(&self, key: &str, what: &str) -> RemoteError {
        RemoteError::Damaged { url: self.url.clone(), key: key.to_owned(), what: what.to_owned() }
    }

    fn wait<T>(&self, key: &str, what: impl Future<Output = object_store::Result<T>>) -> Result<T> {
        self.runtime.block_on(what).map_err(|e| explain(&self.url, key, e))
    }

    /// As `wait`, where the object may be absent.
    fn find<T>(&self, key: &str, what: impl Future<Output = object_store::Result<T>>) -> Result<Option<T>> {
        match self.runtime.block_on(what) {
            Ok(found) => Ok(Some(found)),
            Err(object_store::Error::NotFound { source, .. }) if !is_no_bucket(&source.to_string()) => Ok(None),
            Err(e) => Err(explain(&self.url, key, e)),
        }
    }
}

impl Backend for Cloud {
    fn read(&self, key: &str) -> Result<Option<Found>> {
        let found = self.find(key, async {
            let found = self.store.get(&self.path(key)).await?;
            let version = Version { tag: found.meta.e_tag.clone(), generation: found.meta.version.clone() };
            Ok((collect(found, limits::of_key(key)).await?, version))
        })?;
        match found {
            Some((None, _)) => Err(self.damaged(key, &format!("it is longer than {} bytes", limits::of_key(key)))),
            found => Ok(found.and_then(|(bytes, version)| Some(Found { bytes: bytes?, version }))),
        }
    }

    fn read_range(&self, key: &str, range: Range<u64>) -> Result<Option<Vec<u8>>> {
        let wanted = (range.end - range.start) as usize;
        if wanted == 0 {
            return Ok(Some(Vec::new()));
        }
        let options = GetOptions { range: Some(GetRange::Bounded(range)), ..GetOptions::default() };
        let found = self
            .find(key, async { collect(self.store.get_opts(&self.path(key), options).await?, wanted as u64).await })?;
        match found {
            None => Ok(None),
            Some(Some(bytes)) if bytes.len() == wanted => Ok(Some(bytes)),
            Some(Some(_)) => Err(self.damaged(key, "it is too short")),
            Some(None) => Err(self.damaged(key, "the answer is longer than what was asked for")),
        }
    }

    fn size(&self, key: &str) -> Result<Option<u64>> {
        Ok(self.find(key, self.store.head(&self.path(key)))?.map(|meta| meta.size))
    }

    fn swap(&self, key: &str, old: Option<&Version>, new: &[u8]) -> Result<bool> {
        let mode = match old {
            None => PutMode::Create,
            Some(v) => PutMode::Update(UpdateVersion { e_tag: v.tag.clone(), version: v.generation.clone() }),
        };
        let payload = PutPayload::from(new.to_vec());
        match self.runtime.block_on(self.store.put_opts(&self.path(key), payload, mode.into())) {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => Ok(false),
            // The object to be replaced is gone.
            Err(object_store::Error::NotFound { source, .. })
                if old.is_some() && !is_no_bucket(&source.to_string()) =>
            {
                Ok(false)
            }
            Err(e) => Err(explain(&self.url, key, e)),
        }
    }

    fn upload(&self, key: &str, file: &File, len: u64, sent: &dyn Fn(u64)) -> Result<()> {
        let read = |at: u64, len: u64| {
            let mut bytes = vec![0; len as usize];
            file.read_exact_at(&mut bytes, at).map(|()| PutPayload::from(bytes)).map_err(|source| RemoteError::Io {
                action: "read",
                path: key.into(),
                source,
            })
        };
        let path = self.path(key);
        if len <= ONE_REQUEST {
            self.wait(key, self.store.put(&path, read(0, len)?))?;
            sent(len);
            return Ok(());
        }
        let mut upload = self.wait(key, self.store.put_multipart(&path))?;
        let mut at = 0;
        while at < len {
            let mut parts = Vec::with_capacity(PARTS_AT_ONCE);
            let before = at;
            while at < len && parts.len() < PARTS_AT_ONCE {
                let part = PART.min(len - at);
                match read(at, part) {
                    Ok(payload) => parts.push(upload.put_part(payload)),
                    Err(e) => {
                        let _ = self.runtime.block_on(upload.abort());
                        return Err(e);
                    }
                }
                at += part;
            }
            if let Err(e) = self.wait(key, futures_util::future::try_join_all(parts)) {
                let _ = self.runtime.block_on(upload.abort());
                return Err(e);
            }
            sent(at - before);
        }
        self.wait(key, upload.complete()).map(drop)
    }

    fn list(&self, prefix: &str, each: &mut dyn FnMut(Listed) -> bool) -> Result<()> {
        let folder = match (self.base.is_empty(), prefix.is_empty()) {
            (true, true) => None,
            (true, false) => Some(Path::from(prefix)),
            (false, true) => Some(Path::from(self.base.as_str())),
            (false, false) => Some(self.path(prefix)),
        };
        let mut found = self.store.list(folder.as_ref());
        let skip = if self.base.is_empty() { 0 } else { self.base.len() + 1 };
        while let Some(meta) = self.runtime.block_on(found.next()) {
            let meta = meta.map_err(|e| explain(&self.url, "list", e))?;
            let key = meta.location.as_ref().get(skip..).unwrap_or_default().to_owned();
            if !each(Listed { key, len: meta.size, modified_ms: meta.last_modified.timestamp_millis() }) {
                break;
            }
        }
        Ok(())
    }

    fn remove(&self, key: &str) -> Result<()> {
        self.find(key, self.store.delete(&self.path(key))).map(drop)
    }
}

/// Reads an answer as it comes, whatever length it declares; `None` if it has more than `limit` bytes.
async fn collect(answer: GetResult, limit: u64) -> object_store::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    let mut parts = answer.into_stream();
    while let Some(part) = parts.next().await {
        bytes.extend_from_slice(&part?);
        if bytes.len() as u64 > limit {
            return Ok(None);
        }
    }
    Ok(Some(bytes))
}

/// Makes the client. Nothing is taken from the environment but what `env` holds, and no metadata service is asked for
/// credentials unless the option `credentials=metadata` says so.
fn build(url: &RemoteUrl, env: &RemoteEnv) -> Result<Arc<dyn ObjectStore>> {
    let retry = RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(3),
            base: 2.,
        },
        max_retries: 4,
        retry_timeout: Duration::from_secs(60),
    };
    let endpoint = credentials::endpoint(url, env);
    let plain = endpoint.as_deref().is_some_and(|e| e.starts_with("http://"));
    let client = ClientOptions::new()
        .with_allow_http(plain)
        .with_connect_timeout(Duration::from_secs(5))
        .with_timeout(Duration::from_secs(120));
    let who = credentials::find(url, env)?;
    let misfit = |e: object_store::Error| explain(&url.to_string(), "open", e);
    Ok(match url.scheme {
        Scheme::S3 => {
            let mut s3 = AmazonS3Builder::new()
                .with_bucket_name(&url.bucket)
                .with_region(credentials::region(url, env))
                .with_retry(retry)
                .with_client_options(client)
                .with_virtual_hosted_style_request(flag(url, "virtual-hosted")?);
            if let Some(endpoint) = endpoint {
                s3 = s3.with_endpoint(endpoint);
            }
            s3 = match who {
                Credentials::Anonymous => s3.with_skip_signature(true),
                Credentials::Key { id, secret, token } => {
                    let s3 = s3.with_access_key_id(id).with_secret_access_key(secret);
                    if let Some(token) = token { s3.with_token(token) } else { s3 }
                }
                _ => s3,
            };
            Arc::new(s3.build().map_err(misfit)?)
        }
        Scheme::Azure => {
            let mut azure = MicrosoftAzureBuilder::new()
                .with_container_name(&url.bucket)
                .with_retry(retry)
                .with_client_options(client);
            if let Some(account) = credentials::account(url, env) {
                azure = azure.with_account(account);
            }
            if let Some(endpoint) = endpoint {
                azure = azure.with_endpoint(endpoint).with_allow_http(plain);
            }
            azure = match who {
                Credentials::Anonymous => azure.with_skip_signature(true),
                Credentials::Key { secret, .. } => azure.with_access_key(secret),
                Credentials::Sas(pairs) => azure.with_sas_authorization(pairs),
                Credentials::Client { id, secret, tenant } => {
                    azure.with_client_secret_authorization(id, secret, tenant)
                }
                _ => azure,
            };
            Arc::new(azure.build().map_err(misfit)?)
        }
        _ => {
            let mut gcs = GoogleCloudStorageBuilder::new()
                .with_bucket_name(&url.bucket)
                .with_retry(retry)
                .with_client_options(client);
            if let Some(endpoint) = endpoint {
                gcs = gcs.with_base_url(&endpoint);
            }
            gcs = match who {
                Credentials::Anonymous => gcs.with_skip_signature(true),
                Credentials::Account(path) => gcs.with_application_credentials(path),
                Credentials::Token(token) => gcs.with_bearer_token(token),
                _ => gcs,
            };
            Arc::new(gcs.build().map_err(misfit)?)
        }
    })
}

fn flag(url: &RemoteUrl, option: &'static str) -> Result<bool, UrlError> {
    match url.option(option) {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(value) => Err(UrlError::Value { option, value: value.to_owned(), wanted: "true or false" }),
    }
}

fn is_no_bucket(text: &str) -> bool {
    ["NoSuchBucket", "ContainerNotFound", "The specified bucket does not exist"].iter().any(|word| text.contains(word))
}

/// Turns an error of `object_store` into one that says what is the matter.
fn explain(url: &str, key: &str, error: object_store::Error) -> RemoteError {
    let (url, key) = (url.to_owned(), key.to_owned());
    match error {
        object_store::Error::NotFound { source, .. } if is_no_bucket(&source.to_string()) => {
            RemoteError::NoPlace { url, source: None }
        }
        object_store::Error::NotFound { .. } => RemoteError::Missing { url, key },
        object_store::Error::PermissionDenied { source, .. } | object_store::Error::Unauthenticated { source, .. } => {
            RemoteError::Denied { url, key, source: first_cause(source) }
        }
        object_store::Error::Generic { source, .. } => {
            let mut at: Option<&(dyn std::error::Error + 'static)> = Some(source.as_ref());
            let mut is_transport = false;
            while let Some(e) = at {
                is_transport |= e.to_string().contains("error sending request");
                at = e.source();
            }
            match is_transport {
                true => RemoteError::Unreachable { url, source: first_cause(source) },
                false if is_no_bucket(&source.to_string()) => RemoteError::NoPlace { url, source: None },
                false => RemoteError::Failed { url, key, source: first_cause(source) },
            }
        }
        other => RemoteError::Failed { url, key, source: Box::new(other) },
    }
}

/// Returns the innermost cause: the layers above repeat URLs and the number of tries.
fn first_cause(error: Box<dyn std::error::Error + Send + Sync>) -> super::error::Source {
    let mut cause: &(dyn std::error::Error + 'static) = error.as_ref();
    while let Some(next) = cause.source() {
        cause = next;
    }
    let text = cause.to_string();
    // Services answer in XML; the message inside is for people, the rest are numbers of requests and hosts.
    let inside = |tag: &str| {
        let rest = text.split_once(&format!("<{tag}>"))?.1;
        Some(rest.split_once(&format!("</{tag}>"))?.0.lines().next().unwrap_or_default().to_owned())
    };
    match (inside("Code"), inside("Message")) {
        (Some(code), Some(message)) => format!("{code}: {message}").into(),
        _ => text.lines().next().unwrap_or_default().to_owned().into(),
    }
}
