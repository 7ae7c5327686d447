//! Options of commands that list refs: which ones, in which order, and how they look.

use super::error::Failure;
use super::ref_format::RefFormat;
use super::revs;
use crate::model::ObjectId;
use crate::repo::Repository;
use crate::repo::history::ref_list::{RefQuery, SortKey};

/// Which refs to list, and how.
#[derive(clap::Args, Debug, Default)]
#[command(next_help_heading = "Which ones, and how they look")]
pub struct ListArgs {
    /// Only those that have this commit in their history; HEAD if none is named.
    #[arg(long, value_name = "COMMIT", num_args = 0..=1, default_missing_value = "HEAD", visible_alias = "with")]
    pub contains: Vec<String>,

    /// Only those that do not have this commit in their history.
    #[arg(long, value_name = "COMMIT", num_args = 0..=1, default_missing_value = "HEAD", visible_alias = "without")]
    pub no_contains: Vec<String>,

    /// Only those that are in the history of this commit.
    #[arg(long, value_name = "COMMIT", num_args = 0..=1, default_missing_value = "HEAD")]
    pub merged: Vec<String>,

    /// Only those that are not in the history of this commit.
    #[arg(long, value_name = "COMMIT", num_args = 0..=1, default_missing_value = "HEAD")]
    pub no_merged: Vec<String>,

    /// Only those that name this object.
    #[arg(long, value_name = "OBJECT", num_args = 0..=1, default_missing_value = "HEAD")]
    pub points_at: Vec<String>,

    /// The order: refname, version:refname, objectname, authordate, committerdate, taggerdate or creatordate; '-' before it
    /// turns it round.
    #[arg(long, value_name = "KEY", value_parser = sort_key, allow_hyphen_values = true)]
    pub sort: Vec<SortKey>,

    /// Ignore case in patterns and in the order.
    #[arg(short, long)]
    pub ignore_case: bool,

    /// What to write of each, as in '%(refname:short) %(objectname:short) %(subject)'.
    ///
    /// Fields are Git's, and so are '%(if)…%(then)…%(else)…%(end)', '%(align:20)…%(end)' and '%(color:red)'.
    #[arg(long, value_name = "FORMAT", value_parser = RefFormat::parse)]
    pub format: Option<RefFormat>,
}

fn sort_key(text: &str) -> Result<SortKey, String> {
    SortKey::parse(text).ok_or_else(|| "refname, version:refname, committerdate, … are keys".to_owned())
}

impl ListArgs {
    /// Tells whether any of the options is there that only make sense for a list.
    pub fn is_list(&self) -> bool {
        let revs = [&self.contains, &self.no_contains, &self.merged, &self.no_merged, &self.points_at];
        revs.iter().any(|list| !list.is_empty()) || !self.sort.is_empty() || self.format.is_some()
    }

    /// Returns what to ask for.
    pub fn query(&self, repo: &Repository, folders: &[&str], patterns: &[String]) -> Result<RefQuery, Failure> {
        let commits = |words: &[String]| -> Result<Vec<ObjectId>, Failure> {
            words.iter().map(|word| revs::commit(repo, word)).collect()
        };
        Ok(RefQuery {
            folders: folders.iter().map(|f| (*f).to_owned()).collect(),
            patterns: patterns.to_vec(),
            whole_names: false,
            ignore_case: self.ignore_case,
            contains: commits(&self.contains)?,
            no_contains: commits(&self.no_contains)?,
            merged: commits(&self.merged)?,
            no_merged: commits(&self.no_merged)?,
            points_at: self.points_at.iter().map(|word| revs::object(repo, word)).collect::<Result<_, _>>()?,
            sort: self.sort.clone(),
        })
    }
}
