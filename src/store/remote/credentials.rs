//! Who we are to a remote: taken from the environment that the caller hands down and from files it names, never from the
//! URL or the configuration, and never from a metadata service unless asked to.

use std::collections::BTreeMap;
use std::path::Path;

use super::error::{RemoteError, Result};
use super::url::{RemoteUrl, Scheme, UrlError};

/// The variables of the environment that say how remotes are reached. Holds secrets: never shown.
#[derive(Clone, Default)]
pub struct RemoteEnv(BTreeMap<String, String>);

impl RemoteEnv {
    /// The beginnings of the variables' names; `HOME` is one more.
    pub const PREFIXES: [&'static str; 5] = ["AWS_", "AZURE_", "GOOGLE_", "HOME", "CLOUDSDK_"];

    /// Takes the variables that matter out of an environment.
    pub fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let wanted = |name: &str| Self::PREFIXES.iter().any(|prefix| name.starts_with(prefix));
        Self(variables.into_iter().filter(|(name, value)| wanted(name) && !value.is_empty()).collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn first(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| self.get(name)).map(str::to_owned)
    }
}

impl std::fmt::Debug for RemoteEnv {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

/// What proves who we are.
pub enum Credentials {
    /// Nothing; for places that everybody may read.
    Anonymous,
    /// An access key.
    Key {
        /// Its name.
        id: String,
        /// The key.
        secret: String,
        /// The token of a session.
        token: Option<String>,
    },
    /// A shared access signature, as the pairs of its query.
    Sas(Vec<(String, String)>),
    /// A registered application.
    Client {
        /// Its id.
        id: String,
        /// Its secret.
        secret: String,
        /// The tenant it belongs to.
        tenant: String,
    },
    /// A file with a service account or a user's own credentials.
    Account(String),
    /// A bearer token.
    Token(String),
    /// Whatever the metadata service of the machine says.
    Metadata,
}

/// Returns the endpoint to use instead of the provider's own.
pub fn endpoint(url: &RemoteUrl, env: &RemoteEnv) -> Option<String> {
    let found = url.option("endpoint").map(str::to_owned).or_else(|| match url.scheme {
        Scheme::S3 => env.first(&["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"]),
        Scheme::Azure => env.first(&["AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"]),
        _ => None,
    });
    found.map(|endpoint| endpoint.trim_end_matches('/').to_owned())
}

/// Returns the region of a bucket.
pub fn region(url: &RemoteUrl, env: &RemoteEnv) -> String {
    let found = url.option("region").map(str::to_owned);
    found.or_else(|| env.first(&["AWS_REGION", "AWS_DEFAULT_REGION"])).unwrap_or_else(|| "us-east-1".to_owned())
}

/// Returns the storage account of a container.
pub fn account(url: &RemoteUrl, env: &RemoteEnv) -> Option<String> {
    let found = url.option("account").map(str::to_owned);
    found.or_else(|| env.first(&["AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT"]))
}

/// Finds the credentials for a remote.
pub fn find(url: &RemoteUrl, env: &RemoteEnv) -> Result<Credentials> {
    match url.option("credentials") {
        None => {}
        Some("anonymous") => return Ok(Credentials::Anonymous),
        Some("metadata") => return Ok(Credentials::Metadata),
        Some(other) => {
            let (option, value) = ("credentials", other.to_owned());
            return Err(UrlError::Value { option, value, wanted: "'anonymous' or 'metadata'" }.into());
        }
    }
    let (found, wanted) = match url.scheme {
        Scheme::S3 => (
            s3(url, env),
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile in ~/.aws/credentials; 'credentials=anonymous' for a \
             public bucket, 'credentials=metadata' for those of the machine",
        ),
        Scheme::Azure => (
            azure(env),
            "AZURE_STORAGE_ACCOUNT_NAME with AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_TOKEN, or AZURE_TENANT_ID, \
             AZURE_CLIENT_ID and AZURE_CLIENT_SECRET; 'credentials=anonymous' or 'credentials=metadata'",
        ),
        _ => (
            google(env),
            "GOOGLE_APPLICATION_CREDENTIALS, or those that 'gcloud auth application-default login' stores; \
             'credentials=anonymous' or 'credentials=metadata'",
        ),
    };
    let is_usable = url.scheme != Scheme::Azure || account(url, env).is_some();
    found.filter(|_| is_usable).ok_or_else(|| RemoteError::NoCredentials { url: url.to_string(), wanted })
}

fn s3(url: &RemoteUrl, env: &RemoteEnv) -> Option<Credentials> {
    let token = env.first(&["AWS_SESSION_TOKEN"]);
    if let (None, Some(id), Some(secret)) =
        (url.option("profile"), env.get("AWS_ACCESS_KEY_ID"), env.get("AWS_SECRET_ACCESS_KEY"))
    {
        return Some(Credentials::Key { id: id.to_owned(), secret: secret.to_owned(), token });
    }
    let profile = url.option("profile").or_else(|| env.get("AWS_PROFILE")).unwrap_or("default");
    let file = env.first(&["AWS_SHARED_CREDENTIALS_FILE"]);
    let file = file.or_else(|| Some(format!("{}/.aws/credentials", env.get("HOME")?)))?;
    profile_in(&std::fs::read_to_string(file).ok()?, profile)
}

/// Reads one profile of a file of shared credentials.
fn profile_in(text: &str, profile: &str) -> Option<Credentials> {
    let mut values = BTreeMap::new();
    let mut inside = false;
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            inside = name.trim() == profile;
        } else if let (true, Some((key, value))) = (inside && !line.starts_with('#'), line.split_once('=')) {
            values.insert(key.trim().to_owned(), value.trim().to_owned());
        }
    }
    Some(Credentials::Key {
        id: values.remove("aws_access_key_id")?,
        secret: values.remove("aws_secret_access_key")?,
        token: values.remove("aws_session_token"),
    })
}

fn azure(env: &RemoteEnv) -> Option<Credentials> {
    if let Some(secret) = env.first(&["AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_KEY"]) {
        return Some(Credentials::Key { id: String::new(), secret, token: None });
    }
    if let Some(sas) = env.first(&["AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_SAS_KEY"]) {
        let pairs = sas.trim_start_matches('?').split('&').filter_map(|pair| pair.split_once('='));
        return Some(Credentials::Sas(pairs.map(|(k, v)| (k.to_owned(), super::url::decoded(v))).collect()));
    }
    Some(Credentials::Client {
        id: env.first(&["AZURE_CLIENT_ID"])?,
        secret: env.first(&["AZURE_CLIENT_SECRET"])?,
        tenant: env.first(&["AZURE_TENANT_ID"])?,
    })
}

fn google(env: &RemoteEnv) -> Option<Credentials> {
    if let Some(token) = env.first(&["GOOGLE_OAUTH_ACCESS_TOKEN"]) {
        return Some(Credentials::Token(token));
    }
    if let Some(path) = env.first(&["GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_SERVICE_ACCOUNT"]) {
        return Some(Credentials::Account(path));
    }
    let path = format!("{}/.config/gcloud/application_default_credentials.json", env.get("HOME")?);
    Path::new(&path).exists().then_some(Credentials::Account(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> RemoteEnv {
        RemoteEnv::new(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())))
    }

    #[test]
    fn nothing_is_guessed() {
        let bare = env(&[("HOME", "/nowhere"), ("USER", "ada")]);
        for url in ["s3://b", "az://c?account=a", "gs://b"] {
            let url: RemoteUrl = url.parse().expect("valid");
            assert!(matches!(find(&url, &bare), Err(RemoteError::NoCredentials { .. })), "{url}");
        }
        let public: RemoteUrl = "s3://b?credentials=anonymous".parse().expect("valid");
        assert!(matches!(find(&public, &bare), Ok(Credentials::Anonymous)));
        let odd: RemoteUrl = "s3://b?credentials=guess".parse().expect("valid");
        assert!(find(&odd, &bare).is_err());
    }

    #[test]
    fn secrets_are_found_and_not_shown() {
        let keys = env(&[("AWS_ACCESS_KEY_ID", "me"), ("AWS_SECRET_ACCESS_KEY", "hush")]);
        let url: RemoteUrl = "s3://b".parse().expect("valid");
        assert!(matches!(find(&url, &keys), Ok(Credentials::Key { id, secret, .. }) if id == "me" && secret == "hush"));
        assert!(!format!("{keys:?}").contains("hush"));
        let file = "[default]\naws_access_key_id=a\naws_secret_access_key = b\n[w]\naws_access_key_id = c\n# x\n\
                    aws_secret_access_key = d=\n";
        assert!(
            matches!(profile_in(file, "w"), Some(Credentials::Key { id, secret, .. }) if id == "c" && secret == "d=")
        );
        assert!(profile_in(file, "other").is_none());
    }
}
