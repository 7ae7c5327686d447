//! What went to a remote and came from it, and what became of refs, in Git's words.

use serde::Serialize;

use super::size::{bytes, count};
use crate::cli::revs;
use crate::model::ObjectId;
use crate::repo::Repository;
use crate::store::remote::Traffic;

/// Requests and bytes, for `--json`.
#[derive(Serialize)]
pub struct TrafficJson {
    requests: u64,
    reads: u64,
    writes: u64,
    lists: u64,
    sent: u64,
    received: u64,
}

impl From<Traffic> for TrafficJson {
    fn from(t: Traffic) -> Self {
        let Traffic { reads, writes, lists, sent, received, .. } = t;
        Self { requests: t.requests(), reads, writes, lists, sent, received }
    }
}

/// A push or fetch but for its refs, for `--json`.
#[derive(Serialize)]
pub struct TransferJson<'a> {
    /// The name of the remote.
    pub remote: Option<&'a str>,
    /// Its URL.
    pub url: &'a str,
    /// Whether nothing was done.
    pub dry_run: bool,
    /// Repository objects that went or came.
    pub objects: usize,
    /// Storage commits.
    pub storage_commits: usize,
    /// Segments beside bundles.
    pub segments: usize,
    /// Bundles.
    pub bundles: usize,
    /// Requests and bytes in all.
    pub traffic: TrafficJson,
}

/// `5 requests (2 reads, 3 writes), 8.2 KiB sent, 1.0 KiB received`.
pub fn traffic(t: Traffic) -> String {
    let lists = if t.lists > 0 { format!(", {}", count(t.lists, "list")) } else { String::new() };
    format!(
        "{} ({}, {}{lists}), {} sent, {} received",
        count(t.requests(), "request"),
        count(t.reads, "read"),
        count(t.writes, "write"),
        bytes(t.sent),
        bytes(t.received)
    )
}

/// One line of a list of refs: a mark, what happened, from where to where, and a remark.
pub fn ref_line(mark: char, summary: &str, from: &str, to: Option<&str>, remark: &str) -> String {
    let names = match to {
        Some(to) => format!("{from:<10} -> {to}"),
        None => from.to_owned(),
    };
    let remark = if remark.is_empty() { String::new() } else { format!(" ({remark})") };
    format!(" {mark} {summary:<19} {names}{remark}").trim_end().to_owned()
}

/// `1234567..89abcde`, with three dots where the one is not an ancestor of the other.
pub fn span(repo: &Repository, old: &ObjectId, new: &ObjectId, forced: bool) -> String {
    let dots = if forced { "..." } else { ".." };
    format!("{}{dots}{}", revs::short(repo, old), revs::short(repo, new))
}
