//! The commands, one per file: an `Args` struct whose doc comments are the help and the man page, and a `run` that calls one
//! operation and renders its value.

pub mod add;
pub mod apply;
pub mod branch;
pub mod cat_file;
mod checked_out;
pub mod checkout;
pub mod clean;
pub mod clone;
pub mod commit;
pub mod commit_tree;
pub mod completions;
pub mod config;
pub mod demo;
pub mod describe;
pub mod diff;
pub mod difftool_helper;
pub mod export;
pub mod fetch;
pub mod for_each_ref;
pub mod fsck;
pub mod gc;
pub mod help;
pub mod hydrate;
pub mod init;
pub mod log;
pub mod ls_files;
pub mod ls_remote;
pub mod ls_tree;
pub mod materialize;
pub mod merge;
pub mod merge_base;
pub mod merge_driver;
pub mod merge_file;
pub mod mv;
pub mod name_rev;
pub mod pick;
pub mod pull;
pub mod push;
#[cfg(test)]
mod ref_tests;
pub mod reflog;
pub mod remote;
pub mod reset;
pub mod restore;
pub mod rev_list;
pub mod rev_parse;
pub mod rm;
pub mod show;
pub mod show_ref;
pub mod sql;
pub mod stash;
pub mod status;
pub mod switch;
mod switched;
pub mod symbolic_ref;
pub mod tag;
pub mod trust;
pub mod undo;
pub mod update_ref;
pub mod volume;

use clap::Subcommand;

use super::context::Context;
use super::error::Failure;

/// What a command ends with: its exit code, or why it failed.
pub type Outcome = Result<u8, Failure>;

/// The commands by what they are for, in the order of `graft help`.
pub const GROUPS: &[(&str, &[&str])] = &[
    ("Start", &["init", "clone", "config", "trust", "demo"]),
    ("Work on the next commit", &["add", "mv", "rm", "clean", "status", "commit"]),
    ("See what changed", &["log", "show", "diff", "apply", "merge-file"]),
    ("Query", &["sql"]),
    (
        "Grow, mark and move",
        &["branch", "switch", "merge", "cherry-pick", "revert", "tag", "reset", "stash", "undo", "redo", "reflog"],
    ),
    ("Work with others", &["remote", "push", "fetch", "pull", "hydrate", "materialize", "ls-remote", "gc"]),
    ("Bring back earlier states", &["restore", "checkout", "export"]),
    (
        "Look behind the scenes",
        &[
            "ls-files",
            "ls-tree",
            "rev-parse",
            "rev-list",
            "merge-base",
            "describe",
            "name-rev",
            "commit-tree",
            "show-ref",
            "for-each-ref",
            "update-ref",
            "symbolic-ref",
            "cat-file",
            "fsck",
            "difftool-helper",
            "merge-driver",
            "volume",
        ],
    ),
    ("Get help", &["help", "completions"]),
];

/// The commands. Their help texts are the documentation of the `Args` structs.
#[derive(Subcommand, Debug)]
#[allow(missing_docs, reason = "a comment on a variant would replace the help text of its Args")]
pub enum Command {
    Init(init::Args),
    Clone(clone::Args),
    Add(add::Args),
    Mv(mv::Args),
    Rm(rm::Args),
    Clean(clean::Args),
    Status(status::Args),
    Commit(commit::Args),
    Log(Box<log::Args>),
    Show(show::Args),
    Diff(diff::Args),
    Apply(apply::Args),
    Sql(sql::Args),
    DifftoolHelper(difftool_helper::Args),
    Branch(Box<branch::Args>),
    Switch(switch::Args),
    Merge(merge::Args),
    CherryPick(pick::CherryPickArgs),
    Revert(pick::RevertArgs),
    Tag(Box<tag::Args>),
    Reset(reset::Args),
    Stash(stash::Args),
    Undo(undo::Args),
    Redo(undo::RedoArgs),
    Reflog(reflog::Args),
    Remote(remote::Args),
    Push(push::Args),
    Fetch(fetch::Args),
    Pull(pull::Args),
    LsRemote(ls_remote::Args),
    Hydrate(hydrate::Args),
    Materialize(materialize::Args),
    Gc(gc::Args),
    Restore(restore::Args),
    Checkout(checkout::Args),
    Export(export::Args),
    LsFiles(ls_files::Args),
    LsTree(ls_tree::Args),
    RevParse(rev_parse::Args),
    RevList(Box<rev_list::Args>),
    MergeBase(merge_base::Args),
    MergeFile(merge_file::Args),
    MergeDriver(merge_driver::Args),
    Describe(describe::Args),
    NameRev(name_rev::Args),
    CommitTree(commit_tree::Args),
    ShowRef(show_ref::Args),
    ForEachRef(Box<for_each_ref::Args>),
    UpdateRef(update_ref::Args),
    SymbolicRef(symbolic_ref::Args),
    CatFile(cat_file::Args),
    Volume(volume::Args),
    Config(config::Args),
    Trust(trust::Args),
    Fsck(fsck::Args),
    Demo(demo::Args),
    Completions(completions::Args),
    Help(help::Args),
}

impl Command {
    /// Tells whether `-v` makes this command list more, as Git's does, rather than write a log.
    pub fn lists_more(&self) -> bool {
        matches!(self, Self::Branch(_) | Self::Remote(_))
    }
}

/// Runs a command.
pub fn run(command: Command, ctx: &mut Context) -> Outcome {
    match command {
        Command::Init(args) => init::run(args, ctx),
        Command::Clone(args) => clone::run(args, ctx),
        Command::Add(args) => add::run(args, ctx),
        Command::Mv(args) => mv::run(args, ctx),
        Command::Rm(args) => rm::run(args, ctx),
        Command::Clean(args) => clean::run(args, ctx),
        Command::Status(args) => status::run(args, ctx),
        Command::Commit(args) => commit::run(args, ctx),
        Command::Log(args) => log::run(*args, ctx),
        Command::Show(args) => show::run(args, ctx),
        Command::Diff(args) => diff::run(args, ctx),
        Command::Apply(args) => apply::run(args, ctx),
        Command::DifftoolHelper(args) => difftool_helper::run(args, ctx),
        Command::Sql(args) => sql::run(args, ctx),
        Command::LsFiles(args) => ls_files::run(args, ctx),
        Command::Branch(args) => branch::run(*args, ctx),
        Command::Tag(args) => tag::run(*args, ctx),
        Command::Switch(args) => switch::run(args, ctx),
        Command::Merge(args) => merge::run(args, ctx),
        Command::CherryPick(args) => pick::cherry_pick(args, ctx),
        Command::Revert(args) => pick::revert(args, ctx),
        Command::MergeFile(args) => merge_file::run(args, ctx),
        Command::MergeDriver(args) => merge_driver::run(args, ctx),
        Command::Reset(args) => reset::run(args, ctx),
        Command::Stash(args) => stash::run(args, ctx),
        Command::Undo(args) => undo::run(args, ctx),
        Command::Redo(args) => undo::redo(args, ctx),
        Command::Reflog(args) => reflog::run(args, ctx),
        Command::RevList(args) => rev_list::run(*args, ctx),
        Command::Describe(args) => describe::run(args, ctx),
        Command::NameRev(args) => name_rev::run(args, ctx),
        Command::CommitTree(args) => commit_tree::run(args, ctx),
        Command::MergeBase(args) => merge_base::run(args, ctx),
        Command::ShowRef(args) => show_ref::run(args, ctx),
        Command::ForEachRef(args) => for_each_ref::run(*args, ctx),
        Command::UpdateRef(args) => update_ref::run(args, ctx),
        Command::SymbolicRef(args) => symbolic_ref::run(args, ctx),
        Command::Remote(args) => remote::run(args, ctx),
        Command::Push(args) => push::run(args, ctx),
        Command::Fetch(args) => fetch::run(args, ctx),
        Command::Pull(args) => pull::run(args, ctx),
        Command::LsRemote(args) => ls_remote::run(args, ctx),
        Command::Hydrate(args) => hydrate::run(args, ctx),
        Command::Materialize(args) => materialize::run(args, ctx),
        Command::Gc(args) => gc::run(args, ctx),
        Command::Restore(args) => restore::run(args, ctx),
        Command::Checkout(args) => checkout::run(args, ctx),
        Command::Export(args) => export::run(args, ctx),
        Command::LsTree(args) => ls_tree::run(args, ctx),
        Command::RevParse(args) => rev_parse::run(args, ctx),
        Command::CatFile(args) => cat_file::run(args, ctx),
        Command::Volume(args) => volume::run(args, ctx),
        Command::Config(args) => config::run(args, ctx),
        Command::Trust(args) => trust::run(args, ctx),
        Command::Fsck(args) => fsck::run(args, ctx),
        Command::Demo(args) => demo::run(args, ctx),
        Command::Completions(args) => completions::run(args, ctx),
        Command::Help(args) => help::run(args, ctx),
    }
}
