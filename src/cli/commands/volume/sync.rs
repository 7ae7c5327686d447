//! What replicates volumes: `push`, `pull`, `fetch`, `clone`, `status`, `hydrate`, `ls-remote`.

use std::io::Write;

use clap::ValueHint;
use serde::Serialize;

use super::own;
use crate::cli::commands::{Outcome, remote};
use crate::cli::context::Context;
use crate::cli::error::{Failure, exit};
use crate::cli::json;
use crate::cli::render::size::{bytes, count};
use crate::cli::render::traffic::TrafficJson;
use crate::model::VolumeId;
use crate::repo::Repository;
use crate::store::replica::{self, Relation, Standing};

/// Arguments of `push`.
#[derive(clap::Args, Debug)]
pub struct Push {
    /// The volume
    #[arg(value_name = "VOLUME")]
    pub volume: String,

    /// The remote, by name or URL; the one that the volume goes with, or the usual one
    #[arg(value_name = "REMOTE", value_hint = ValueHint::Url)]
    pub remote: Option<String>,

    /// What the volume is called on the remote; its tag, or its id, if not given
    #[arg(long = "as", value_name = "NAME")]
    pub name: Option<String>,
}

/// Arguments of `fetch`.
#[derive(clap::Args, Debug)]
pub struct Fetch {
    /// The volume
    #[arg(value_name = "VOLUME")]
    pub volume: String,

    /// The remote; it can only be the one that the volume goes with
    #[arg(value_name = "REMOTE", value_hint = ValueHint::Url)]
    pub remote: Option<String>,
}

/// Arguments of `pull`.
#[derive(clap::Args, Debug)]
pub struct Pull {
    /// The volume
    #[arg(value_name = "VOLUME")]
    pub volume: String,

    /// The remote; it can only be the one that the volume goes with
    #[arg(value_name = "REMOTE", value_hint = ValueHint::Url)]
    pub remote: Option<String>,

    /// Go to the state of the remote even if the volume has changes of its own; another volume, with a tag, keeps those
    #[arg(short, long)]
    pub force: bool,
}

/// Arguments of `clone`.
#[derive(clap::Args, Debug)]
pub struct Clone {
    /// The remote, by name or URL
    #[arg(value_name = "REMOTE", value_hint = ValueHint::Url)]
    pub remote: String,

    /// The name of the volume there
    #[arg(value_name = "NAME")]
    pub name: String,

    /// Name the new volume; as it is called on the remote if not given
    #[arg(short, long, value_name = "TAG")]
    pub tag: Option<String>,

    /// Bring all pages at once
    #[arg(long)]
    pub hydrate: bool,
}

/// Arguments of `status`.
#[derive(clap::Args, Debug)]
pub struct Status {
    /// The volumes; all that go with a remote if none is named
    #[arg(value_name = "VOLUME")]
    pub volumes: Vec<String>,

    /// Ask the remotes first
    #[arg(short, long)]
    pub fetch: bool,
}

/// Arguments of `hydrate`.
#[derive(clap::Args, Debug)]
pub struct Hydrate {
    /// The volume
    #[arg(value_name = "VOLUME")]
    pub volume: String,

    /// Only say how much is missing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
}

/// Arguments of `ls-remote`.
#[derive(clap::Args, Debug)]
pub struct LsRemote {
    /// The remote, by name or URL; the usual one if not given
    #[arg(value_name = "REMOTE", value_hint = ValueHint::Url)]
    pub remote: Option<String>,
}

/// Finds a volume that can be replicated.
fn volume(repo: &Repository, text: &str, ctx: &Context) -> Result<VolumeId, Failure> {
    Ok(own(repo, &ctx.cwd, text)?.volume)
}

fn typed(repo: &Repository, text: Option<&str>, ctx: &Context) -> Result<Option<String>, Failure> {
    text.map(|text| remote::typed(text, repo, ctx)).transpose()
}

pub fn push(repo: &Repository, args: &Push, ctx: &mut Context) -> Outcome {
    #[derive(Serialize)]
    struct Answer<'a> {
        volume: String,
        url: &'a str,
        name: &'a str,
        log: String,
        lsn: Option<u64>,
        pages: u32,
        bytes: u64,
        traffic: TrafficJson,
    }
    let id = volume(repo, &args.volume, ctx)?;
    let remote = typed(repo, args.remote.as_deref(), ctx)?;
    let pushed = repo.push_volume(id, remote.as_deref(), args.name.as_deref())?;
    let done = &pushed.done;
    if ctx.out.json {
        let answer = Answer {
            volume: id.to_string(),
            url: &pushed.url,
            name: &done.name,
            log: done.log.to_string(),
            lsn: done.lsn.map(|lsn| lsn.get()),
            pages: done.pages,
            bytes: done.bytes,
            traffic: pushed.traffic.into(),
        };
        json::write(&mut ctx.out, "volume-push/1", &answer)?;
        return Ok(exit::DONE);
    }
    match done.lsn {
        Some(lsn) => ctx.say.note(format_args!(
            "Pushed {} ({}) to {}, LSN {lsn} of '{}'",
            count(done.pages.into(), "page"),
            bytes(done.bytes),
            pushed.url,
            done.name
        )),
        None => ctx.say.note("Everything up-to-date"),
    }
    Ok(exit::DONE)
}

pub fn fetch(repo: &Repository, args: &Fetch, ctx: &mut Context) -> Outcome {
    let id = volume(repo, &args.volume, ctx)?;
    let remote = typed(repo, args.remote.as_deref(), ctx)?;
    let fetched = repo.fetch_volume(id, remote.as_deref())?;
    if ctx.out.json {
        return one(repo, id, ctx);
    }
    tell_outcome(fetched.done.outcome, ctx);
    if fetched.done.entries > 0 {
        ctx.say.note(format_args!("{} from {}", count(fetched.done.entries, "storage commit"), fetched.url));
    }
    one(repo, id, ctx)
}

pub fn pull(repo: &Repository, args: &Pull, ctx: &mut Context) -> Outcome {
    #[derive(Serialize)]
    struct Answer<'a> {
        volume: String,
        url: &'a str,
        moved: bool,
        lsn: Option<u64>,
        fetched: u64,
        kept: Option<String>,
        kept_tag: Option<&'a str>,
        traffic: TrafficJson,
    }
    let id = volume(repo, &args.volume, ctx)?;
    let remote = typed(repo, args.remote.as_deref(), ctx)?;
    let pulled = repo.pull_volume(id, remote.as_deref(), args.force)?;
    let done = &pulled.done;
    if ctx.out.json {
        let answer = Answer {
            volume: id.to_string(),
            url: &pulled.url,
            moved: done.is_moved,
            lsn: done.fetched.lsn.map(|lsn| lsn.get()),
            fetched: done.fetched.entries,
            kept: done.kept.as_ref().map(|(volume, _)| volume.to_string()),
            kept_tag: done.kept.as_ref().map(|(_, tag)| tag.as_str()),
            traffic: pulled.traffic.into(),
        };
        json::write(&mut ctx.out, "volume-pull/1", &answer)?;
        return Ok(exit::DONE);
    }
    tell_outcome(done.fetched.outcome, ctx);
    if let Some((_, tag)) = &done.kept {
        ctx.say.note(format_args!("What the volume held is kept as '{tag}'"));
    }
    match (done.is_moved, done.fetched.lsn) {
        (true, Some(lsn)) => ctx.say.note(format_args!("Now at LSN {lsn} of {}", pulled.url)),
        _ => ctx.say.note("Already up to date."),
    }
    Ok(exit::DONE)
}

fn tell_outcome(outcome: replica::Outcome, ctx: &Context) {
    match outcome {
        replica::Outcome::None => {}
        replica::Outcome::Heard(lsn) => {
            ctx.say.note(format_args!("The push of LSN {lsn} that was interrupted has arrived"));
        }
        replica::Outcome::Refused(lsn) => ctx.say.warning(format_args!(
            "the push of LSN {lsn} that was interrupted came too late: somebody else has pushed"
        )),
        replica::Outcome::Unheard(lsn) => ctx.say.note(format_args!(
            "The push of LSN {lsn} that was interrupted has not arrived; 'graft volume push' sends it again"
        )),
    }
}

pub fn clone(repo: &Repository, args: &Clone, ctx: &mut Context) -> Outcome {
    #[derive(Serialize)]
    struct Answer<'a> {
        volume: String,
        tag: &'a str,
        url: &'a str,
        lsn: Option<u64>,
        pages: u32,
        bytes: u64,
        traffic: TrafficJson,
    }
    let tag = args.tag.as_deref().unwrap_or(&args.name);
    if repo.store().volume_tags()?.contains_key(tag) {
        return Err(Failure::from(crate::store::VolumeError::Taken(tag.to_owned()))
            .help("name the clone otherwise, as in '--tag <TAG>'"));
    }
    let remote = remote::typed(&args.remote, repo, ctx)?;
    let cloned = repo.clone_volume(&remote, &args.name, Some(tag))?;
    let done = &cloned.done;
    if args.hydrate {
        repo.hydrate_volume(done.volume, false)?;
    }
    if ctx.out.json {
        let answer = Answer {
            volume: done.volume.to_string(),
            tag,
            url: &cloned.url,
            lsn: done.fetched.lsn.map(|lsn| lsn.get()),
            pages: done.state.page_count,
            bytes: done.state.byte_len,
            traffic: cloned.traffic.into(),
        };
        json::write(&mut ctx.out, "volume-clone/1", &answer)?;
        return Ok(exit::DONE);
    }
    writeln!(ctx.out, "{}", done.volume)?;
    match done.fetched.lsn {
        Some(lsn) => ctx.say.note(format_args!(
            "'{tag}' is at LSN {lsn} of {}, {}",
            cloned.url,
            count(done.state.page_count.into(), "page")
        )),
        None => ctx.say.note(format_args!("'{tag}' is empty: nothing has been pushed to it yet")),
    }
    Ok(exit::DONE)
}

/// How a volume stands, as `status` shows it.
#[derive(Serialize)]
struct Shown {
    volume: String,
    tags: Vec<String>,
    remote: String,
    name: String,
    status: &'static str,
    ahead: u64,
    behind: u64,
    log: Option<String>,
    lsn: Option<u64>,
    remote_log: String,
    synced_lsn: Option<u64>,
    remote_lsn: Option<u64>,
    pending_lsn: Option<u64>,
}

pub fn status(repo: &Repository, args: &Status, ctx: &mut Context) -> Outcome {
    let ids = match args.volumes.is_empty() {
        true => repo.store().paired_volumes()?,
        false => args.volumes.iter().map(|text| volume(repo, text, ctx)).collect::<Result<_, _>>()?,
    };
    for id in ids {
        if args.fetch {
            tell_outcome(repo.fetch_volume(id, None)?.done.outcome, ctx);
        } else if repo.store().pairing(id)?.is_some_and(|pairing| pairing.pending.is_some()) {
            // An outcome that nobody knows is found out if it can be; being offline must not hide the rest.
            match repo.settle_volume(id) {
                Ok(settled) => tell_outcome(settled.done, ctx),
                Err(error) => {
                    ctx.say.warning(format_args!("a push was interrupted, and its outcome is not known: {error}"))
                }
            }
        }
        one(repo, id, ctx)?;
    }
    Ok(exit::DONE)
}

/// Shows how one volume stands.
fn one(repo: &Repository, id: VolumeId, ctx: &mut Context) -> Outcome {
    let standing = repo.store().standing(id)?;
    let Some(standing) = standing else {
        return Err(replica::ReplicaError::NotPaired(repo.store().volume_label(id)?).into());
    };
    let tags = repo.store().volume_tags()?;
    let tags: Vec<String> = tags.into_iter().filter(|(_, of)| *of == id).map(|(name, _)| name).collect();
    if !ctx.out.json {
        writeln!(ctx.out, "{}: {}", repo.store().volume_label(id)?, words(&standing))?;
        return Ok(exit::DONE);
    }
    let shown = Shown {
        volume: id.to_string(),
        tags,
        status: match standing.relation {
            Relation::UpToDate => "up-to-date",
            Relation::Ahead => "ahead",
            Relation::Behind => "behind",
            Relation::Diverged => "diverged",
        },
        ahead: standing.ahead,
        behind: standing.behind,
        log: standing.local.map(|(log, _)| log.to_string()),
        lsn: standing.local.map(|(_, lsn)| lsn.get()),
        remote_log: standing.log.to_string(),
        synced_lsn: standing.synced.map(|lsn| lsn.get()),
        remote_lsn: standing.fetched.map(|lsn| lsn.get()),
        pending_lsn: standing.pending.map(|lsn| lsn.get()),
        remote: standing.remote,
        name: standing.name,
    };
    json::write(&mut ctx.out, "volume-status/1", &shown)?;
    Ok(exit::DONE)
}

fn words(standing: &Standing) -> String {
    let Standing { ahead, behind, remote, name, .. } = standing;
    let relation = match standing.relation {
        Relation::UpToDate => "up to date".to_owned(),
        Relation::Ahead => format!("ahead {ahead}"),
        Relation::Behind => format!("behind {behind}"),
        Relation::Diverged => format!("diverged, ahead {ahead}, behind {behind}"),
    };
    let place = match standing.synced {
        Some(lsn) => format!("synced at LSN {lsn} of '{name}' on {remote}"),
        None => format!("not synced yet with '{name}' on {remote}"),
    };
    let newer = standing.fetched.filter(|lsn| Some(*lsn) > standing.synced);
    let newer = newer.map_or(String::new(), |lsn| format!(", which is at LSN {lsn}"));
    let pending = standing.pending.map_or(String::new(), |lsn| format!("; a push of LSN {lsn} was interrupted"));
    format!("{relation} ({place}{newer}{pending})")
}

pub fn hydrate(repo: &Repository, args: &Hydrate, ctx: &mut Context) -> Outcome {
    #[derive(Serialize)]
    struct Answer {
        volume: String,
        dry_run: bool,
        segments: usize,
        present: u64,
        missing: u64,
        traffic: TrafficJson,
    }
    let id = volume(repo, &args.volume, ctx)?;
    let hydrated = repo.hydrate_volume(id, args.dry_run)?;
    let done = &hydrated.done;
    let missing = done.total - done.present;
    if ctx.out.json {
        let answer = Answer {
            volume: id.to_string(),
            dry_run: args.dry_run,
            segments: done.segments,
            present: done.present,
            missing,
            traffic: hydrated.traffic.into(),
        };
        json::write(&mut ctx.out, "volume-hydrate/1", &answer)?;
        return Ok(exit::DONE);
    }
    let verb = if args.dry_run { "missing of" } else { "fetched of" };
    match done.segments {
        0 => ctx.say.note("Everything is here."),
        n => ctx.say.note(format_args!("{} {verb} {}", bytes(missing), count(n as u64, "segment"))),
    }
    Ok(exit::DONE)
}

pub fn ls_remote(repo: &Repository, args: &LsRemote, ctx: &mut Context) -> Outcome {
    #[derive(Serialize)]
    struct Listed<'a> {
        name: &'a str,
        url: &'a str,
    }
    let remote = match typed(repo, args.remote.as_deref(), ctx)? {
        Some(remote) => remote,
        None => repo.default_remote()?,
    };
    let listed = repo.remote_volumes(&remote)?;
    for name in &listed.done {
        match ctx.out.json {
            true => json::write(&mut ctx.out, "remote-volume/1", &Listed { name, url: &listed.url })?,
            false => writeln!(ctx.out, "{name}")?,
        }
    }
    Ok(exit::DONE)
}
