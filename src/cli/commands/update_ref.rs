//! `graft update-ref`: changes one ref by hand.

mod batch;

use std::io::Read;

use super::Outcome;
use crate::cli::context::Context;
use crate::cli::error::{Failure, exit};
use crate::cli::revs;
use crate::model::{ObjectId, RefName};
use crate::repo::Repository;
use crate::repo::state::refs::Expected;

/// Set or remove refs, if they still have the values that are expected.
///
/// Made for scripts; 'graft branch' and 'graft tag' do more checking. An old value of zeros means that the ref must not exist.
///
/// With --stdin, reads commands, one a line, all of which happen or none: `update <ref> <new> [<old>]`, `create <ref> <new>`,
/// `delete <ref> [<old>]`, `verify <ref> [<old>]`, `symref-update <ref> <target>`, and `option no-deref` for the command that
/// follows. They happen at the end of the input, unless `start` and `commit` stand around them; `prepare` finds out whether
/// they will, and `abort` forgets them.
#[derive(clap::Args, Debug)]
#[command(
    override_usage = "graft update-ref [-m <REASON>] [--no-deref] <REF> <NEW> [OLD]\n       graft update-ref -d [--no-deref] <REF> [OLD]\n       \
                      graft update-ref [-m <REASON>] [--no-deref] --stdin [-z]",
    after_help = "Examples:\n  graft update-ref refs/heads/main HEAD~1\n  graft update-ref -d refs/heads/old 1a2b3c4"
)]
pub struct Args {
    /// Remove the ref.
    #[arg(short, long)]
    pub delete: bool,

    /// What the reflog says.
    #[arg(short, value_name = "REASON", default_value = "", hide_default_value = true)]
    pub message: String,

    /// Change a symbolic ref itself, not the ref that it names.
    #[arg(long)]
    pub no_deref: bool,

    /// Read commands from standard input.
    #[arg(long, conflicts_with_all = ["delete", "name"])]
    pub stdin: bool,

    /// Commands and their parts end in NUL.
    #[arg(short = 'z', requires = "stdin")]
    pub nul: bool,

    /// The full name of the ref.
    #[arg(value_name = "REF", required_unless_present = "stdin")]
    pub name: Option<String>,

    /// The new value, unless the ref is removed, and the value expected.
    #[arg(value_name = "VALUE")]
    pub values: Vec<String>,
}

/// Runs the command.
pub fn run(args: Args, ctx: &mut Context) -> Outcome {
    let repo = ctx.repository()?;
    let Some(name) = &args.name else {
        let mut input = Vec::new();
        std::io::stdin()
            .lock()
            .read_to_end(&mut input)
            .map_err(|e| Failure::new("cannot read standard input").because(&e))?;
        return batch::run(&args, &input, &repo, ctx);
    };
    let name = full_name(name)?;
    match (args.delete, args.values.as_slice()) {
        (true, []) => repo.remove_ref(&name, Expected::Any, !args.no_deref)?,
        (true, [old]) => repo.remove_ref(&name, expected(&repo, old)?, !args.no_deref)?,
        (false, [new]) => {
            repo.set_ref(&name, revs::object(&repo, new)?, Expected::Any, &args.message, !args.no_deref)?;
        }
        (false, [new, old]) => {
            let old = expected(&repo, old)?;
            repo.set_ref(&name, revs::object(&repo, new)?, old, &args.message, !args.no_deref)?;
        }
        _ => return Err(Failure::usage("wrong number of values").help("see 'graft help update-ref'")),
    }
    Ok(exit::DONE)
}

fn full_name(text: &str) -> Result<RefName, Failure> {
    RefName::new(text).map_err(|e| Failure::new(e.to_string()).help("give the full name, as in refs/heads/main"))
}

fn expected(repo: &Repository, text: &str) -> Result<Expected, Failure> {
    let is_none = text.is_empty() || ObjectId::from_hex(text).is_ok_and(|id| id.as_bytes() == &[0; 32]);
    Ok(if is_none { Expected::MustNotExist } else { Expected::MustExistAndMatch(revs::object(repo, text)?) })
}
