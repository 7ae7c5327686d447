//! `graft push`: sends commits to a remote and moves its refs.

use serde::Serialize;

use super::{Outcome, remote};
use crate::cli::context::Context;
use crate::cli::error::{Failure, exit};
use crate::cli::hooks::Hook;
use crate::cli::json;
use crate::cli::render::size::{bytes, count};
use crate::cli::render::traffic::{self, TransferJson};
use crate::model::ObjectId;
use crate::repo::Repository;
use crate::repo::remote::{Lease, Planned, PushOptions, Pushed, RefPush, Rejection};

/// Send commits to a remote and move its refs.
///
/// Sends only what the remote lacks. The refs move last and all at once; a push that is interrupted leaves them as they were, and
/// pushing again completes it. Without a refspec pushes the current branch to the one that it follows.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  graft push -u origin main\n  graft push\n  graft push --tags\n  graft push origin HEAD:review\n  graft push \
                  origin --delete old-branch\n  graft push -n"
)]
pub struct Args {
    /// Follow what is pushed to from now on.
    #[arg(short = 'u', long)]
    pub set_upstream: bool,

    /// Push all branches.
    #[arg(long, conflicts_with_all = ["delete", "refspecs"], visible_alias = "branches")]
    pub all: bool,

    /// Push all tags.
    #[arg(long, conflicts_with = "delete")]
    pub tags: bool,

    /// Let refs go back; commits that only the remote has are lost to it.
    #[arg(short, long)]
    pub force: bool,

    /// Let refs go back if they are where they were last fetched, or have the commit given.
    #[arg(long, value_name = "REF[:COMMIT]", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub force_with_lease: Vec<String>,

    /// Remove the refs named.
    #[arg(short, long, requires = "refspecs")]
    pub delete: bool,

    /// Only say what would be sent.
    #[arg(short = 'n', long)]
    pub dry_run: bool,

    /// Do not run the hook pre-push.
    #[arg(long)]
    pub no_verify: bool,

    /// The remote, by name or URL; that of the current branch if not given.
    pub remote: Option<String>,

    /// What goes where: `name`, `name:other`, `+name` to let it go back, `:name` to remove it.
    #[arg(value_name = "REFSPEC")]
    pub refspecs: Vec<String>,
}

#[derive(Serialize)]
struct Answer<'a> {
    #[serde(flatten)]
    transfer: TransferJson<'a>,
    refs: Vec<RefJson>,
    bytes: u64,
}

#[derive(Serialize)]
struct RefJson {
    r#ref: String,
    source: String,
    old: Option<String>,
    new: Option<String>,
    forced: bool,
    status: &'static str,
    reason: Option<String>,
}

/// Runs the command.
pub fn run(args: Args, ctx: &mut Context) -> Outcome {
    let repo = ctx.repository()?;
    let named = args.remote.as_ref().map(|text| remote::typed(text, &repo, ctx)).transpose()?;
    let options = PushOptions {
        remote: named,
        refspecs: args.refspecs,
        all: args.all,
        tags: args.tags,
        force: args.force,
        leases: args.force_with_lease.iter().map(|text| lease(text)).collect(),
        delete: args.delete,
        dry_run: args.dry_run,
        set_upstream: args.set_upstream,
    };
    let hook = (!args.no_verify).then(|| Hook::find("pre-push", &repo, ctx)).flatten();
    let mut refused = None;
    let pushed = repo.push_if(&options, &mut |planned| match hook.as_ref().map_or(Ok(()), |hook| ask(hook, planned)) {
        Ok(()) => true,
        Err(failure) => {
            refused = Some(failure);
            false
        }
    });
    let pushed = match refused {
        Some(failure) => return Err(failure),
        None => pushed?,
    };
    let rejected = pushed.refs.iter().any(|r| r.rejected.is_some());
    if ctx.out.json {
        answer(&pushed, args.dry_run, ctx)?;
        return Ok(if rejected { exit::NO } else { exit::DONE });
    }
    tell(&repo, &pushed, args.dry_run, ctx);
    match rejected {
        true => Err(failure(&pushed)),
        false => Ok(exit::DONE),
    }
}

/// Asks the hook, which gets the remote as arguments and a line per ref that would change, as Git writes them.
fn ask(hook: &Hook<'_>, planned: &Planned<'_>) -> Result<(), Failure> {
    let id = |id: Option<ObjectId>| id.unwrap_or(ObjectId::from_bytes([0; 32]));
    let line = |one: &RefPush| {
        let local = match (&one.local, one.new) {
            (_, None) => "(delete)",
            (Some(name), _) => name.as_str(),
            (None, _) => &one.source,
        };
        format!("{local} {} {} {}\n", id(one.new), one.remote, id(one.old))
    };
    let going = planned.refs.iter().filter(|one| one.rejected.is_none() && !one.is_current());
    let input: String = going.map(line).collect();
    let hook = hook.clone().arg(planned.name.unwrap_or(planned.url)).arg(planned.url).input(input);
    hook.must_agree("nothing was pushed")
}

/// Reads the value of `--force-with-lease`.
fn lease(text: &str) -> Lease {
    match text.split_once(':') {
        _ if text.is_empty() => Lease { name: None, value: None },
        None => Lease { name: Some(text.to_owned()), value: None },
        Some((name, value)) => Lease { name: Some(name.to_owned()), value: Some(value.to_owned()) },
    }
}

fn answer(pushed: &Pushed, dry_run: bool, ctx: &mut Context) -> Result<(), Failure> {
    let one = |r: &RefPush| RefJson {
        r#ref: r.remote.to_string(),
        source: r.source.clone(),
        old: r.old.map(|id| id.to_string()),
        new: r.new.map(|id| id.to_string()),
        forced: r.forced,
        status: if r.rejected.is_some() { "rejected" } else { status(r) },
        reason: r.rejected.as_ref().map(reason),
    };
    let value = Answer {
        transfer: TransferJson {
            remote: pushed.name.as_deref(),
            url: &pushed.url,
            dry_run,
            objects: pushed.sent.objects,
            storage_commits: pushed.sent.commits,
            segments: pushed.sent.segments,
            bundles: pushed.sent.bundles.len(),
            traffic: pushed.traffic.into(),
        },
        refs: pushed.refs.iter().map(one).collect(),
        bytes: pushed.sent.bytes,
    };
    json::write(&mut ctx.out, "push/1", &value)?;
    Ok(())
}

fn status(one: &RefPush) -> &'static str {
    match (one.old, one.new) {
        _ if one.is_current() => "current",
        (None, _) => "created",
        (_, None) => "deleted",
        _ if one.forced => "forced",
        _ => "forwarded",
    }
}

fn reason(rejection: &Rejection) -> String {
    match rejection {
        Rejection::FetchFirst => "fetch first".to_owned(),
        Rejection::NonFastForward => "non-fast-forward".to_owned(),
        Rejection::TagExists => "already exists".to_owned(),
        Rejection::Stale => "stale info".to_owned(),
        Rejection::Absent => "not there".to_owned(),
        Rejection::Nested(name) => format!("would lie inside or around {name}"),
    }
}

fn tell(repo: &Repository, pushed: &Pushed, dry_run: bool, ctx: &Context) {
    let sent = &pushed.sent;
    if dry_run || ctx.globals.verbose > 0 {
        let verb = if dry_run { "Would send" } else { "Sent" };
        ctx.say.note(format_args!(
            "{verb} {} and {} in {} and {}: {} in {}",
            count(sent.objects as u64, "object"),
            count(sent.commits as u64, "storage commit"),
            count(sent.bundles.len() as u64, "bundle"),
            count(sent.segments as u64, "segment"),
            bytes(sent.bytes),
            count(sent.requests, "request"),
        ));
    }
    if !dry_run && ctx.globals.verbose > 0 {
        ctx.say.note(traffic::traffic(pushed.traffic));
    }
    let shown: Vec<&RefPush> = pushed.refs.iter().filter(|r| !r.is_current() || ctx.globals.verbose > 0).collect();
    if shown.is_empty() {
        ctx.say.note("Everything up-to-date");
    } else {
        ctx.say.note(format_args!("To {}", pushed.url));
    }
    for one in shown {
        ctx.say.note(line(repo, one));
    }
    for (branch, upstream) in &pushed.followed {
        ctx.say.note(format_args!("branch '{}' follows '{}'", branch.short(), upstream.short()));
    }
}

fn line(repo: &Repository, one: &RefPush) -> String {
    let to = one.remote.short();
    let from = one.local.as_ref().map_or(one.source.as_str(), |name| name.short());
    let is_tag = one.remote.as_str().starts_with("refs/tags/");
    match (&one.rejected, one.old, one.new) {
        (Some(why), ..) if from.is_empty() => traffic::ref_line('!', "[rejected]", to, None, &reason(why)),
        (Some(why), ..) => traffic::ref_line('!', "[rejected]", from, Some(to), &reason(why)),
        (None, old, new) if old == new => traffic::ref_line('=', "[up to date]", from, Some(to), ""),
        (None, _, None) => traffic::ref_line('-', "[deleted]", to, None, ""),
        (None, None, Some(_)) => {
            let what = if is_tag { "[new tag]" } else { "[new branch]" };
            traffic::ref_line('*', what, from, Some(to), "")
        }
        (None, Some(old), Some(new)) => {
            let span = traffic::span(repo, &old, &new, one.forced);
            let (mark, remark) = if one.forced { ('+', "forced update") } else { (' ', "") };
            traffic::ref_line(mark, &span, from, Some(to), remark)
        }
    }
}

fn failure(pushed: &Pushed) -> Failure {
    let reasons: Vec<&Rejection> = pushed.refs.iter().filter_map(|r| r.rejected.as_ref()).collect();
    let help = match reasons.first() {
        Some(Rejection::FetchFirst) => {
            "the remote has commits that are not here: 'graft pull' brings them, then push again"
        }
        Some(Rejection::NonFastForward) => {
            "the remote has commits that yours do not follow: 'graft pull' first, or 'graft push --force-with-lease' to drop them"
        }
        Some(Rejection::TagExists) => "a tag of that name is there already; -f replaces it",
        Some(Rejection::Stale) => "somebody pushed in the meantime: 'graft fetch' and look before you overwrite it",
        Some(Rejection::Absent) => "'graft ls-remote' lists what is there",
        _ => "choose another name, or remove the one in the way",
    };
    Failure::new(format!("some refs were not pushed to '{}'", pushed.url)).help(help).exit(exit::NO)
}
