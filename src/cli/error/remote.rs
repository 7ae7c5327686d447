//! What to do about errors of remotes: each names the way out.

use super::explain;
use crate::repo::remote::SyncError;
use crate::repo::state::shallow::ShallowError;
use crate::store::StoreError;
use crate::store::remote::{RemoteError, UrlError};
use crate::store::replica::ReplicaError;

/// Returns the help for an error of a remote.
pub fn remote(error: &RemoteError) -> Option<String> {
    let text = |help: &str| Some(help.to_owned());
    match error {
        RemoteError::Url(UrlError::Scheme { .. }) => {
            text("as in 's3://bucket/path', 'az://container/path', 'gs://bucket/path', 'file:///srv/app' or a path")
        }
        RemoteError::Url(UrlError::Secret(_)) => text(
            "leave it out; secrets are taken from the environment or from the provider's own files (see 'graft help remote')",
        ),
        RemoteError::Url(
            UrlError::Empty { .. } | UrlError::Part { .. } | UrlError::Option { .. } | UrlError::Value { .. },
        ) => text("'graft help remote' lists the forms and options of URLs"),
        RemoteError::NoCredentials { wanted, .. } => Some(format!("set {wanted}")),
        RemoteError::Denied { .. } => text(
            "see that the credentials in the environment are those for this bucket, and may read, write and list it",
        ),
        RemoteError::NoPlace { .. } => {
            text("make it first, or correct the URL with 'graft remote set-url <NAME> <URL>'")
        }
        RemoteError::Unreachable { .. } => text(
            "see that the network and the endpoint are up; 'graft remote get-url <NAME>' shows the URL. Nothing was changed",
        ),
        RemoteError::Failed { .. } => text("try again; a push or fetch that was interrupted goes on where it stopped"),
        RemoteError::Missing { .. } | RemoteError::Damaged { .. } => text(
            "nothing was changed here. A repository that has the history can push it to another place: \
             'graft remote set-url <NAME> <URL>', then 'graft push --all --tags'",
        ),
        RemoteError::Repository { url } => Some(format!(
            "push it to a place for both, an empty folder for example: 'graft -C {url} push --all --tags <FOLDER>', then name that folder"
        )),
        RemoteError::NotARemote { .. } => text("name an empty place, or a path of its own inside the bucket"),
        RemoteError::NewerVersion { .. } => text("use a newer graft; nothing was changed"),
        RemoteError::Busy { .. } => text("try again when fewer others push at the same time"),
        RemoteError::TooManyRefs { .. } => {
            text("remove refs that nobody needs, or use another remote for some of them")
        }
        RemoteError::Store(e) => match &**e {
            StoreError::OtherCommit { .. } => text(
                "one of the two repositories was made by copying the other's files; clone it anew from the remote, and bring your \
                 changes over",
            ),
            other => explain::store(other).map(str::to_owned),
        },
        RemoteError::Lock(_) => text("wait until the other process has finished"),
        RemoteError::Interrupted(_) | RemoteError::Io { .. } => None,
    }
}

/// Returns the help for an error of replicating a volume.
pub fn replica(error: &ReplicaError) -> Option<String> {
    let text = |help: &str| Some(help.to_owned());
    match error {
        ReplicaError::Volume(e) => explain::volume(e).map(str::to_owned),
        ReplicaError::Remote(RemoteError::Missing { .. } | RemoteError::Damaged { .. }) => text(
            "nothing was changed here. A volume that is wholly here ('graft volume hydrate') can be pushed elsewhere: fork it, and \
             push the fork",
        ),
        ReplicaError::Remote(e) => remote(e),
        ReplicaError::NotPaired(volume) => Some(format!("push it first: 'graft volume push {volume} <REMOTE>'")),
        ReplicaError::OtherRemote { volume, .. } => {
            Some(format!("push a copy of it there: 'graft volume fork {volume}', and push that"))
        }
        ReplicaError::Taken { name, .. } => Some(format!(
            "work on that one, 'graft volume clone <REMOTE> {name}', or push under another name with '--as <NAME>'"
        )),
        ReplicaError::Name(_) => text("as in 'orders' or 'orders-2026'"),
        ReplicaError::NoVolume { .. } => text("'graft volume ls-remote <REMOTE>' lists them"),
        ReplicaError::Moved { .. } => text(
            "nothing was pushed. 'graft volume fetch' learns what others did, 'graft volume pull' goes on from there; \
             'graft volume status' tells how the two stand",
        ),
        ReplicaError::Diverged { volume, .. } => Some(format!(
            "keep yours as a volume of its own ('graft volume fork {volume} --tag mine') and go to the state of the remote with \
             'graft volume pull --force {volume}', which keeps the old state under a tag as well; then make your changes again"
        )),
        ReplicaError::Writing(_) => text("try again when it has ended"),
    }
}

/// Returns the help for an error of what was asked of a remote.
pub fn sync(error: &SyncError) -> Option<String> {
    let text = |help: &str| Some(help.to_owned());
    match error {
        SyncError::Name(_) => text("letters, digits, '-', '_' and '.' make a name"),
        SyncError::NoRemote(_) => text("'graft remote -v' lists the remotes; 'graft remote add <NAME> <URL>' adds one"),
        SyncError::Exists(name) => {
            Some(format!("change its URL with 'graft remote set-url {name} <URL>', or choose another name"))
        }
        SyncError::NoneConfigured => text("name one, or add it: 'graft remote add origin <URL>'"),
        SyncError::NoUrl(name) => Some(format!("set it with 'graft config remote.{name}.url <URL>'")),
        SyncError::Refspec(_) => text("as in 'main', 'main:release', '+refs/heads/*:refs/heads/*' or ':old-branch'"),
        SyncError::NoSource(_) => {
            text("'graft branch' and 'graft tag' list what there is; commit first if the branch is new")
        }
        SyncError::NoRemoteRef { .. } | SyncError::NoBranch { .. } => text("'graft ls-remote' lists what is there"),
        SyncError::VagueDestination(_) => text("give it in full, as in 'HEAD:refs/heads/main'"),
        SyncError::Twice(_) => text("name each destination once"),
        SyncError::NotACommit(_) => text("push or fetch it as a tag, under refs/tags/"),
        SyncError::NoUpstream { branch, remote } => {
            Some(format!("push it and follow it from then on: 'graft push -u {remote} {branch}'"))
        }
        SyncError::OtherName { branch, upstream } => {
            let (remote, name) = upstream.split_once('/').unwrap_or(("origin", upstream));
            Some(format!("say which: 'graft push {remote} HEAD:{name}' or 'graft push {remote} {branch}'"))
        }
        SyncError::NotAgreed(_) => text("'--no-verify' goes on without the hook"),
        SyncError::Detached => {
            text("name what to push and where to, as in 'graft push origin HEAD:main', or be on a branch")
        }
        SyncError::CheckedOut(_) => text("use 'graft pull', or fetch without naming a destination"),
        SyncError::Diverged { upstream, .. } => Some(format!(
            "'graft pull --no-rebase' merges them; look at both with 'graft log --graph HEAD {upstream}'; or keep yours on a branch of its own ('graft branch mine') and go to \
             theirs with 'graft reset --hard {upstream}', or overwrite theirs with 'graft push --force-with-lease'"
        )),
        SyncError::NotEmpty(_) => text("name another folder, or empty that one"),
        SyncError::EmptyRemote(_) => text("push to it first"),
        SyncError::Collecting(_) => text("try again in a moment"),
    }
}

/// Returns the help for a history that is not wholly here.
pub fn shallow(error: &ShallowError) -> String {
    match error {
        ShallowError::Cut(_) => "'graft fetch --unshallow' brings it".to_owned(),
        ShallowError::Damaged(_) => "remove it and run 'graft fetch --unshallow'".to_owned(),
    }
}
