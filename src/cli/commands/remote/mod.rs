//! `graft remote`: names for remotes.

mod list;
mod manage;
mod show;

use clap::Subcommand;

use super::Outcome;
use crate::cli::context::Context;
use crate::cli::error::Failure;
use crate::repo::Repository;
use crate::store::remote::{RemoteError, RemoteUrl};

/// Manage names for remotes.
///
/// A remote is a place in plain object storage that several repositories push to and fetch from: a folder, a bucket of S3 or of
/// anything that speaks like it, Azure Blob Storage or Google Cloud Storage. Without a subcommand lists the names, with -v also
/// the URLs.
#[derive(clap::Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  graft remote add origin s3://bucket/app\n  graft remote -v\n  graft remote set-url origin /mnt/share/app",
    after_long_help = URLS
)]
pub struct Args {
    /// What to do; `list` if nothing is said.
    #[command(subcommand)]
    pub action: Option<Action>,
}

const URLS: &str = "URLS\n    /srv/app, ../app, file:///srv/app\n        A folder, local or on a network file system. It is made if \
    need be.\n    s3://bucket/path?region=R&endpoint=URL\n        Options: endpoint, region, profile, virtual-hosted=true, \
    credentials=anonymous or\n        metadata. Environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN,\n        \
    AWS_REGION, AWS_ENDPOINT_URL, AWS_PROFILE; profiles are read from ~/.aws/credentials.\n    az://container/path?account=NAME\n        \
    Options: account, endpoint, credentials. Environment: AZURE_STORAGE_ACCOUNT_NAME,\n        AZURE_STORAGE_ACCOUNT_KEY, \
    AZURE_STORAGE_SAS_TOKEN, or AZURE_TENANT_ID,\n        AZURE_CLIENT_ID and AZURE_CLIENT_SECRET.\n    gs://bucket/path\n        \
    Options: endpoint, credentials. Environment: GOOGLE_APPLICATION_CREDENTIALS, or what\n        'gcloud auth application-default \
    login' stored.\n\n    Options may stand in the URL or in the configuration, as in 'graft config\n    remote.origin.region \
    eu-central-1'. Secrets are never taken from either, and no metadata\n    service is asked for credentials unless \
    credentials=metadata says so.\n\nExamples:\n  graft remote add origin s3://bucket/app\n  graft remote -v\n  graft remote set-url \
    origin /mnt/share/app";

/// What to do with remotes.
#[derive(Subcommand, Debug)]
#[allow(missing_docs, reason = "a comment on a variant would replace the help text of its Args")]
pub enum Action {
    Add(manage::AddArgs),
    List(list::Args),
    Remove(manage::RemoveArgs),
    Rename(manage::RenameArgs),
    GetUrl(manage::GetUrlArgs),
    SetUrl(manage::SetUrlArgs),
    Show(show::Args),
    Prune(manage::PruneArgs),
}

/// Runs the command.
pub fn run(args: Args, ctx: &mut Context) -> Outcome {
    match args.action {
        None => list::run(list::Args {}, ctx),
        Some(Action::List(args)) => list::run(args, ctx),
        Some(Action::Add(args)) => manage::add(args, ctx),
        Some(Action::Remove(args)) => manage::remove(args, ctx),
        Some(Action::Rename(args)) => manage::rename(args, ctx),
        Some(Action::GetUrl(args)) => manage::get_url(args, ctx),
        Some(Action::SetUrl(args)) => manage::set_url(args, ctx),
        Some(Action::Show(args)) => show::run(args, ctx),
        Some(Action::Prune(args)) => manage::prune(args, ctx),
    }
}

/// Reads a URL of the command line; a relative path begins where the user stands.
pub fn url(text: &str, ctx: &Context) -> Result<RemoteUrl, Failure> {
    RemoteUrl::parse(text, &ctx.cwd).map_err(|e| crate::repo::RepoError::from(RemoteError::from(e)).into())
}

/// Returns a remote as typed in the form that operations take: a name, or a URL that means the same from anywhere.
pub fn typed(text: &str, repo: &Repository, ctx: &Context) -> Result<String, Failure> {
    let is_name = repo.remote_names().iter().any(|name| name == text);
    let is_place = text.contains([':', '/']) || text == "." || text == "..";
    match is_place && !is_name {
        true => Ok(url(text, ctx)?.to_string()),
        false => Ok(text.to_owned()),
    }
}
