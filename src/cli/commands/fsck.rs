//! `graft fsck`: verifies the repository.

use std::io::Write;

use serde::Serialize;

use super::Outcome;
use crate::cli::context::Context;
use crate::cli::error::exit;
use crate::cli::json;
use crate::cli::render::size::{bytes, count};
use crate::cli::style::Theme;
use crate::repo::RepoError;
use crate::repo::ops::fsck::{FsckOptions, FsckReport};
use crate::repo::state::index::IndexError;
use crate::store::remote::RemoteReport;

/// Verify the repository.
///
/// Reads everything that refs and reflogs lead to (commits, trees, snapshots, storage commits, pages) and checks every
/// hash. Names what is damaged and what cannot be read because of it. Exits with 1 if anything is damaged.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  graft fsck\n  graft fsck --rebuild-index\n  graft fsck --remote origin")]
pub struct Args {
    /// First make the store's index anew from the segments and packs, and the list of staged files from the last commit if
    /// it is damaged.
    #[arg(long)]
    pub rebuild_index: bool,

    /// Check objects and storage commits, but read no page.
    #[arg(long)]
    pub connectivity_only: bool,

    /// Verify a remote instead: read all of it. The usual remote if none is named.
    #[arg(
        long,
        value_name = "NAME",
        num_args = 0..=1,
        default_missing_value = "",
        conflicts_with_all = ["rebuild_index", "connectivity_only"]
    )]
    pub remote: Option<String>,
}

#[derive(Serialize)]
struct RemoteAnswer<'a> {
    ok: bool,
    remote: &'a str,
    refs: usize,
    bundles: usize,
    segments: usize,
    objects: usize,
    storage_commits: usize,
    volumes: usize,
    volume_commits: usize,
    bytes: u64,
    unneeded: usize,
    unneeded_bytes: u64,
    findings: &'a [String],
}

#[derive(Serialize)]
struct Answer<'a> {
    ok: bool,
    rebuilt: bool,
    checked: Checked,
    findings: Vec<Finding<'a>>,
}

#[derive(Serialize)]
struct Checked {
    refs: u64,
    reflog_entries: u64,
    commits: u64,
    trees: u64,
    snapshots: u64,
    tags: u64,
    storage_commits: u64,
    page_bytes: u64,
}

#[derive(Serialize)]
struct Finding<'a> {
    what: &'a str,
    problem: &'a str,
    affects: &'a [String],
}

/// Runs the command.
pub fn run(args: Args, ctx: &mut Context) -> Outcome {
    let repo = ctx.repository()?;
    if let Some(name) = &args.remote {
        let name = if name.is_empty() { repo.default_remote()? } else { super::remote::typed(name, &repo, ctx)? };
        return remote(&name, &repo.verify_remote(&name)?, ctx);
    }
    if args.rebuild_index && matches!(repo.index(), Err(RepoError::Index(IndexError::Damaged { .. }))) {
        repo.reset_index()?;
        ctx.say.note("The list of staged files was made anew from the last commit; add again what was staged.");
    }
    let options = FsckOptions { rebuild_index: args.rebuild_index, connectivity_only: args.connectivity_only };
    let report = repo.fsck(options)?;
    if ctx.out.json {
        json::write(&mut ctx.out, "fsck/1", &answer(&report))?;
    } else {
        let text = text(&report, &ctx.out.theme);
        ctx.out.write_all(text.as_bytes())?;
        ctx.say.note(totals(&report));
    }
    Ok(if report.findings.is_empty() { exit::DONE } else { exit::NO })
}

fn remote(name: &str, report: &RemoteReport, ctx: &mut Context) -> Outcome {
    let ok = report.findings.is_empty();
    if ctx.out.json {
        let answer = RemoteAnswer {
            ok,
            remote: name,
            refs: report.refs,
            bundles: report.bundles,
            segments: report.segments,
            objects: report.objects,
            storage_commits: report.commits,
            volumes: report.volumes,
            volume_commits: report.volume_commits,
            bytes: report.bytes,
            unneeded: report.unneeded.0,
            unneeded_bytes: report.unneeded.1,
            findings: &report.findings,
        };
        json::write(&mut ctx.out, "fsck-remote/1", &answer)?;
        return Ok(if ok { exit::DONE } else { exit::NO });
    }
    let theme = &ctx.out.theme;
    let damaged = format!("{}damaged{:#}", theme.error, theme.error);
    for finding in &report.findings {
        writeln!(ctx.out, "{damaged} {finding}")?;
    }
    let volumes = match report.volumes {
        0 => String::new(),
        n => format!("; {} with {}", count(n as u64, "volume"), count(report.volume_commits as u64, "storage commit")),
    };
    ctx.say.note(format_args!(
        "{}: {}, {}, {} in {} and {}{volumes}; {}",
        if ok { "all is well" } else { "damage was found" },
        count(report.refs as u64, "ref"),
        count(report.objects as u64, "object"),
        count(report.commits as u64, "storage commit"),
        count(report.bundles as u64, "bundle"),
        count(report.segments as u64, "segment"),
        bytes(report.bytes),
    ));
    if report.unneeded.0 > 0 {
        let (n, size) = report.unneeded;
        ctx.say.hint(format_args!(
            "{} ({}) that nothing leads to: 'graft gc --remote {name}'",
            count(n as u64, "object"),
            bytes(size)
        ));
    }
    Ok(if ok { exit::DONE } else { exit::NO })
}

fn answer(report: &FsckReport) -> Answer<'_> {
    let c = report.checked;
    Answer {
        ok: report.findings.is_empty(),
        rebuilt: report.rebuilt,
        checked: Checked {
            refs: c.refs,
            reflog_entries: c.reflog_entries,
            commits: c.commits,
            trees: c.trees,
            snapshots: c.snapshots,
            tags: c.tags,
            storage_commits: c.storage_commits,
            page_bytes: c.page_bytes,
        },
        findings: report
            .findings
            .iter()
            .map(|f| Finding { what: &f.what, problem: &f.problem, affects: &f.affects })
            .collect(),
    }
}

/// Writes a paragraph per finding.
fn text(report: &FsckReport, theme: &Theme) -> String {
    let mut text = String::new();
    for finding in &report.findings {
        text += &format!("{}damaged{:#} {}: {}\n", theme.error, theme.error, finding.what, finding.problem);
        for affected in &finding.affects {
            text += &format!("  affects {affected}\n");
        }
    }
    text
}

fn entries(n: u64) -> String {
    if n == 1 { "1 reflog entry".to_owned() } else { format!("{n} reflog entries") }
}

fn totals(report: &FsckReport) -> String {
    let c = report.checked;
    let parts = [
        count(c.refs, "ref"),
        entries(c.reflog_entries),
        count(c.commits, "commit"),
        count(c.trees, "tree"),
        count(c.snapshots, "snapshot"),
        count(c.storage_commits, "storage commit"),
        format!("{} of pages", bytes(c.page_bytes)),
    ];
    let verdict = match report.findings.len() as u64 {
        0 => "no problems".to_owned(),
        n => count(n, "problem"),
    };
    let rebuilt = if report.rebuilt { "index rebuilt; " } else { "" };
    format!("{rebuilt}checked {}: {verdict}", parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::ops::fsck::{self, Counts};

    #[test]
    fn findings_name_what_is_damaged_and_what_it_affects() {
        let finding = fsck::Finding {
            what: "object 1a2b".to_owned(),
            problem: "it is missing".to_owned(),
            affects: vec!["app.db at 1a2b3c4 (first)".to_owned()],
        };
        let checked = Counts { refs: 1, commits: 2, page_bytes: 4096, ..Counts::default() };
        let report = FsckReport { checked, findings: vec![finding], rebuilt: true };
        assert_eq!(
            text(&report, &Theme::plain()),
            "damaged object 1a2b: it is missing\n  affects app.db at 1a2b3c4 (first)\n"
        );
        assert_eq!(
            totals(&report),
            "index rebuilt; checked 1 ref, 0 reflog entries, 2 commits, 0 trees, 0 snapshots, 0 storage commits, 4 KiB of pages: 1 problem"
        );
        let mut out = Vec::new();
        json::write(&mut out, "fsck/1", &answer(&report)).expect("memory");
        let json = String::from_utf8_lossy(&out);
        assert!(
            json.starts_with("{\"schema\":\"graft.fsck/1\",\"ok\":false,\"rebuilt\":true,\"checked\":{\"refs\":1"),
            "{json}"
        );
    }
}
