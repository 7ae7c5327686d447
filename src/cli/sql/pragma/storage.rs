//! Pragmas about states and the storage log.

use std::sync::Arc;

use super::text::{Shown, shown};
use super::{Answer, GraftPragmas, Refusal};
use crate::cli::commands::volume::{self, Found, audit};
use crate::model::{Lsn, PageIdx, PageSet, PageSource, Snapshot};
use crate::repo::state::refs::Head;
use crate::sqlite::sql::pages;
use crate::store::{LoggedCommit, StorageLog, differing_pages, read_page};

impl GraftPragmas {
    pub(super) fn info(&self) -> Answer {
        let (id, s) = self.state()?;
        let head = s.head();
        let branch = match self.repo.refs().head()? {
            Head::Branch(name) => Some(name.as_str().trim_start_matches("refs/heads/").to_owned()),
            Head::Detached(_) => None,
        };
        Ok(shown! {
            "file": self.file_name()?,
            "revision": self.rev.as_deref(),
            "branch": branch,
            "commit": self.repo.head_commit()?.map(|id| id.to_string()),
            "snapshot": id.to_string(),
            "volume": s.volume.to_string(),
            "kind": volume::kind(s.kind),
            "bytes": s.byte_len,
            "pages": s.page_count,
            "log": head.map(|h| h.0.to_string()),
            "lsn": head.map(|h| h.1.get()),
            "storage_commit": head.map(|h| h.2.to_string()),
        })
    }

    pub(super) fn export(&self, to: &str) -> Answer {
        let (_, state) = self.state()?;
        let path = self.cwd.join(to);
        let done = self.repo.export_state(state, &path, false)?;
        Ok(shown! { "file": to, "bytes": done.byte_len, "pages": done.page_count })
    }

    /// The ranges of the state with their commit hashes, each checked.
    pub(super) fn snapshot(&self) -> Answer {
        let (id, s) = self.state()?;
        let mut commits = Vec::new();
        for (log, lsn, hash) in s.commits_newest_first() {
            self.repo.store().storage_commit(log, lsn, hash)?;
            commits
                .push(shown! { "log": log.to_string(), "lsn": lsn.get(), "hash": hash.to_string(), "verified": true });
        }
        Ok(shown! {
            "snapshot": id.to_string(),
            "volume": s.volume.to_string(),
            "bytes": s.byte_len,
            "pages": s.page_count;
            "commits" => commits
        })
    }

    /// All storage commits made for the volume, newest first; those that the state names are checked.
    pub(super) fn log_lsn(&self) -> Answer {
        let (_, s) = self.state()?;
        for (log, lsn, hash) in s.commits_newest_first() {
            self.repo.store().storage_commit(log, lsn, hash)?;
        }
        let all = self.repo.store().storage_log()?;
        if let Some((log, lsn, _)) = s.head() {
            all.state(log, lsn, s.kind)?;
        }
        Ok(Shown::List(all.of_volume(s.volume).into_iter().map(logged).collect()))
    }

    pub(super) fn show_lsn(&self, text: &str) -> Answer {
        let all = self.repo.store().storage_log()?;
        let found = self.find(&all, text)?;
        let (c, mut shown) = (&found.commit, logged(found));
        let more = shown! {
            "volume": found.volume.to_string(),
            "bytes": c.byte_len,
            "parent": c.parent.map(|p| p.to_string()),
            "content": c.content.to_string(),
            "page_set": runs(&c.pages),
        };
        if let (Shown::Object(fields), Shown::Object(more)) = (&mut shown, more) {
            fields.extend(more);
        }
        Ok(shown)
    }

    pub(super) fn diff_lsn(&self, text: &str) -> Answer {
        let words: Vec<&str> = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|w| !w.is_empty()).collect();
        let [a, b] = words[..] else {
            return Err(Refusal("two storage commits are compared, as in 'log:1 log:2'".to_owned(), None));
        };
        let all = self.repo.store().storage_log()?;
        let open = |text: &str| -> Answer<_> { Ok(self.repo.store().open_snapshot(self.state_of(&all, text)?)?) };
        let (from, to) = (open(a)?, open(b)?);
        let pages = differing_pages(&from, &to)?;
        Ok(shown! {
            "from": a,
            "to": b,
            "pages_before": from.page_count(),
            "pages_after": to.page_count(),
            "differing": pages.len(),
            "page_set": runs(&pages),
        })
    }

    pub(super) fn volume_list(&self) -> Answer {
        let tags = self.repo.store().volume_tags()?;
        let own = self.repo.store().volumes()?.into_iter().map(|v| (v.snapshot, None));
        let mut all: Vec<(Snapshot, Option<String>)> = own.collect();
        for entry in self.repo.index()?.entries() {
            use crate::repo::state::objects::ObjectReader;
            all.push((self.repo.snapshot(&entry.snapshot)?, Some(entry.path.as_str().to_owned())));
        }
        let row = |(s, path): (Snapshot, Option<String>)| {
            let named: Vec<&str> =
                tags.iter().filter(|(_, id)| **id == s.volume).map(|(name, _)| name.as_str()).collect();
            shown! {
                "volume": s.volume.to_string(),
                "file": path,
                "tags": named.join(","),
                "pages": s.page_count,
                "lsn": s.head().map(|h| h.1.get()),
            }
        };
        Ok(Shown::List(all.into_iter().map(row).collect()))
    }

    pub(super) fn volume_info(&self) -> Answer {
        let (_, s) = self.state()?;
        let all = self.repo.store().storage_log()?;
        let own = all.of_volume(s.volume);
        let written: u64 = own.iter().map(|c| u64::from(c.commit.pages.len())).sum();
        Ok(shown! {
            "volume": s.volume.to_string(),
            "file": self.file_name()?,
            "kind": volume::kind(s.kind),
            "bytes": s.byte_len,
            "pages": s.page_count,
            "storage_commits": own.len(),
            "checkpoints": own.iter().filter(|c| c.commit.checkpoint.is_some()).count(),
            "pages_written": written,
            "listed": s.commit_count(),
        })
    }

    /// Where the volume stands: the newest storage commit, the staged one, that of HEAD.
    pub(super) fn volume_status(&self) -> Answer {
        use crate::repo::state::objects::ObjectReader;
        let place = |s: &Snapshot| s.head().map(|(log, lsn, _)| format!("{log}:{lsn}"));
        let (mut staged, mut committed) = (None, None);
        // A volume that is no file is neither staged nor committed.
        if self.volume.is_none() {
            let path = self.file()?;
            if let Some(entry) = self.repo.index()?.get(path) {
                staged = Some(self.repo.snapshot(&entry.snapshot)?);
            }
            if let Some(file) = self.repo.head_files()?.into_iter().find(|t| t.path == *path) {
                committed = Some(self.repo.snapshot(&file.snapshot)?);
            }
        }
        let (_, s) = self.state()?;
        let newest = self.repo.store().volume(s.volume)?;
        Ok(shown! {
            "volume": s.volume.to_string(),
            "newest": newest.map(|r| format!("{}:{}", r.log, r.head)),
            "staged": staged.as_ref().and_then(place),
            "committed": committed.as_ref().and_then(place),
            "uncommitted": staged.as_ref().and_then(Snapshot::head) != committed.as_ref().and_then(Snapshot::head),
        })
    }

    /// Counts the pages that are here, and reads and verifies them if all are.
    pub(super) fn audit(&self) -> Answer {
        let (_, s) = self.state()?;
        let found = Found { snapshot: s, path: None };
        let audit::Audit { here, checksum } = audit::audit(&found, &self.repo)
            .map_err(|e| Refusal(crate::cli::error::plain(&e).trim_end().replace('\n', "; "), None))?;
        Ok(shown! { "pages": here.pages, "cached": here.cached, "bytes": here.bytes, "checksum": checksum })
    }

    pub(super) fn header(&self) -> Answer {
        let (_, s) = self.state()?;
        let open = self.repo.store().open_snapshot(s)?;
        let page = read_page(&open, PageIdx::FIRST)?;
        let fields =
            pages::header_fields(&page).into_iter().map(|(name, value)| (name.to_owned(), Shown::Plain(value.into())));
        Ok(Shown::Object(fields.collect()))
    }

    pub(super) fn page(&self, text: &str) -> Answer {
        let (_, s) = self.state()?;
        let page = text.parse().ok().and_then(PageIdx::new).filter(|p| p.get() <= s.page_count);
        let page = page.ok_or_else(|| {
            Refusal(format!("there is no page '{text}': they count from 1 to {}", s.page_count), None)
        })?;
        let open = Arc::new(self.repo.store().open_snapshot(s)?);
        let (origin, hash) = (open.origin(page)?, open.page_hash(page)?);
        let kinds = pages::uses(Arc::clone(&open) as _, page)?;
        let row = |u: pages::PageUse| shown! { "sqlite_page": u.number, "kind": u.kind, "owner": u.owner };
        Ok(shown! {
            "page": page.get(),
            "origin": origin.map(|c| format!("{}:{}", c.commit.log, c.commit.lsn)),
            "hash": hash.to_string();
            "holds" => kinds.into_iter().map(row).collect()
        })
    }

    /// Finds `LOG:LSN`, or `LSN` in the log of the state.
    pub(super) fn find<'l>(&self, all: &'l StorageLog, text: &str) -> Answer<&'l LoggedCommit> {
        let wrong = || Refusal(format!("'{text}' is no storage commit: LOG:LSN, or LSN in the current log"), None);
        let (log, lsn) = match text.trim().split_once(':') {
            Some((log, lsn)) => (log.parse().map_err(|_| wrong())?, lsn),
            None => (self.state()?.1.head().ok_or_else(wrong)?.0, text.trim()),
        };
        let lsn = lsn.parse().ok().and_then(Lsn::new).ok_or_else(wrong)?;
        all.get(log, lsn).ok_or_else(|| Refusal(format!("there is no storage commit {log}:{lsn}"), None))
    }

    pub(super) fn state_of(&self, all: &StorageLog, text: &str) -> Answer<Snapshot> {
        let c = self.find(all, text)?;
        Ok(all.state(c.commit.log, c.commit.lsn, crate::model::FileKind::Sqlite)?)
    }
}

/// A storage commit in the form of `graft_debug_log_lsn`.
pub(super) fn logged(c: &LoggedCommit) -> Shown {
    shown! {
        "log": c.commit.log.to_string(),
        "lsn": c.commit.lsn.get(),
        "pages": c.commit.page_count,
        "changed": c.commit.pages.len(),
        "checkpoint": c.commit.checkpoint.is_some(),
        "time": jiff::Timestamp::from_millisecond(c.commit.time).ok().map(|t| t.to_string()),
        "segment": c.placement.segment.to_string(),
        "hash": c.hash.to_string(),
    }
}

/// Writes a set of pages as ranges: `1-3 7`.
fn runs(pages: &PageSet) -> String {
    let run = |r: std::ops::RangeInclusive<PageIdx>| match (r.start(), r.end()) {
        (a, b) if a == b => a.to_string(),
        (a, b) => format!("{a}-{b}"),
    };
    pages.runs().map(run).collect::<Vec<_>>().join(" ")
}
