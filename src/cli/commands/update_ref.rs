//! `graft update-ref`: changes one ref by hand.

use super::Outcome;
use crate::cli::context::Context;
use crate::cli::error::{Failure, exit};
use crate::cli::revs;
use crate::model::{ObjectId, RefName};
use crate::repo::Repository;
use crate::repo::refs::Expected;

/// Set or remove a ref, if it still has the value that is expected.
///
/// Made for scripts; 'graft branch' and 'graft tag' do more checking. An old value of zeros means that the ref must not exist.
#[derive(clap::Args, Debug)]
#[command(
    override_usage = "graft update-ref [-m <REASON>] [--no-deref] <REF> <NEW> [OLD]\n       graft update-ref -d [--no-deref] <REF> [OLD]",
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

    /// The full name of the ref.
    #[arg(value_name = "REF")]
    pub name: String,

    /// The new value, unless the ref is removed, and the value expected.
    #[arg(value_name = "VALUE")]
    pub values: Vec<String>,
}

/// Runs the command.
pub fn run(args: Args, ctx: &mut Context) -> Outcome {
    let repo = ctx.repository()?;
    let name = RefName::new(&args.name)
        .map_err(|e| Failure::new(e.to_string()).help("give the full name, as in refs/heads/main"))?;
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

fn expected(repo: &Repository, text: &str) -> Result<Expected, Failure> {
    let is_none = text.is_empty() || ObjectId::from_hex(text).is_ok_and(|id| id.as_bytes() == &[0; 32]);
    Ok(if is_none { Expected::MustNotExist } else { Expected::MustExistAndMatch(revs::object(repo, text)?) })
}
