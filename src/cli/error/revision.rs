//! What to do about a revision that names nothing, or too much.

use super::Failure;
use crate::cli::render::date::DateFormat;
use crate::repo::RepoError;
use crate::repo::history::revspec::{Candidate, RevError};
use crate::repo::ops::branch::BranchError;
use crate::repo::ops::tag::TagError;

/// How many candidates of an ambiguous id are listed.
const LISTED: usize = 10;

impl From<RevError> for Failure {
    fn from(error: RevError) -> Self {
        RepoError::from(error).into()
    }
}

/// Returns what helps against an error.
pub(super) fn help(error: &RevError) -> Option<String> {
    let help = match error {
        RevError::Unknown { near: Some(near), .. } => format!("did you mean '{near}'?"),
        RevError::Unknown { .. } | RevError::NoMessage(_) => "'graft log --oneline --all' lists commits".to_owned(),
        RevError::Unborn { .. } => "make the first one with 'graft commit'".to_owned(),
        RevError::Dangling { name, .. } => {
            format!("its earlier values stand in '.graft/logs/{name}'; 'graft fsck' tells what else is affected")
        }
        RevError::Ambiguous { candidates, .. } => listed(candidates),
        RevError::NoPath { rev, near: Some(near), .. } => format!("did you mean '{rev}:{near}'?"),
        RevError::NoPath { rev, .. } => format!("'graft ls-tree -r {rev}' lists the files"),
        RevError::Folder { rev, path } if rev.is_empty() => format!("'graft ls-files {path}' lists the files in it"),
        RevError::Folder { rev, path } => format!("'graft ls-tree -r {rev} {path}' lists the files in it"),
        RevError::NotInIndex { near: Some(near), .. } => format!("did you mean ':{near}'?"),
        RevError::NotInIndex { .. } => "'graft ls-files' lists the files".to_owned(),
        RevError::NoStage { path, .. } => format!("':{path}' names it"),
        RevError::NoBranch(_) => "'graft branch' lists the branches".to_owned(),
        RevError::NoUpstream(branch) | RevError::UpstreamGone { branch, .. } => {
            format!("'graft branch --set-upstream-to=<upstream> {branch}' sets it")
        }
        RevError::NotThen { .. } => "'graft log --date=iso' says when each commit was made".to_owned(),
        RevError::Date(_) => "as in '@{yesterday}', '@{2 hours ago}', '@{2026-11-21 14:30}'".to_owned(),
        RevError::NoParent { text, .. } | RevError::NoAncestor { text, .. } => {
            format!("'graft log --oneline {text}' lists its history")
        }
        _ => return None,
    };
    Some(help)
}

/// Returns what helps against an error about branches.
pub(super) fn branch(error: &BranchError) -> Option<String> {
    let help = match error {
        BranchError::Name(_) => "as in 'fix', 'feature/prices'".to_owned(),
        BranchError::Exists(name) => format!("choose another name, or move it with 'graft branch -f {name} <commit>'"),
        BranchError::CheckedOut(_) => {
            "'graft reset' moves it; to remove or replace it, go to another one with 'graft switch'".to_owned()
        }
        BranchError::NotFound(_) => "'graft branch -a' lists the branches".to_owned(),
        BranchError::Unmerged { name, .. } => format!("'graft branch -D {name}' removes it all the same"),
        BranchError::Unborn(_) => "make the first commit with 'graft commit'".to_owned(),
        BranchError::Detached => "name the branch".to_owned(),
        BranchError::NoUpstream(_) => "'graft branch -a' lists what can be followed".to_owned(),
        BranchError::FollowsNothing(_) => return None,
    };
    Some(help)
}

/// Returns what helps against an error about tags.
pub(super) fn tag(error: &TagError) -> Option<String> {
    let help = match error {
        TagError::Name(_) => "as in 'v1.0'",
        TagError::Exists(_) => "choose another name, or move it with -f",
        TagError::NotFound(_) => "'graft tag' lists the tags",
        TagError::EmptyMessage => "give one with -m",
    };
    Some(help.to_owned())
}

fn listed(candidates: &[Candidate]) -> String {
    let mut text = "it may be one of".to_owned();
    for candidate in candidates.iter().take(LISTED) {
        text += &format!("\n  {} {}", candidate.short, candidate.kind);
        if let Some((time, offset)) = candidate.time {
            text += &format!(" {}", DateFormat::SHORT.render(time, offset, &jiff::ZonedDateTime::now()));
        }
        if let Some(title) = &candidate.title {
            text += &format!(" {title}");
        }
    }
    if candidates.len() > LISTED {
        text += &format!("\n  … and {} more", candidates.len() - LISTED);
    }
    text
}
