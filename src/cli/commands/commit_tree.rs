//! `graft commit-tree`: records a commit of any tree, for scripts.

use std::io::{Read, Write};

use serde::Serialize;

use super::Outcome;
use crate::cli::context::Context;
use crate::cli::error::{Failure, exit};
use crate::cli::{json, revs};

/// Record a commit of a tree, and show its id.
///
/// Made for scripts: no ref names the commit, and the index and the worktree stay as they are. Without -m the message is read
/// from standard input.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  graft commit-tree HEAD^{tree} -p main -p prices -m \"Join prices\"")]
pub struct Args {
    /// A parent; several in their order.
    #[arg(short, value_name = "COMMIT")]
    pub parent: Vec<String>,

    /// The message; several are paragraphs.
    #[arg(short, value_name = "TEXT")]
    pub message: Vec<String>,

    /// The tree, or a commit whose tree is meant.
    pub tree: String,
}

#[derive(Serialize)]
struct Answer {
    id: String,
}

/// Runs the command.
pub fn run(args: Args, ctx: &mut Context) -> Outcome {
    let repo = ctx.repository()?;
    let tree = revs::with(&repo, |revs| revs.tree(&args.tree))?;
    let parents = args.parent.iter().map(|word| revs::commit(&repo, word)).collect::<Result<Vec<_>, _>>()?;
    let message = match args.message.as_slice() {
        [] => {
            let mut text = String::new();
            let read = std::io::stdin().read_to_string(&mut text);
            read.map_err(|e| Failure::new("cannot read the message from standard input").because(&e))?;
            text
        }
        parts => format!("{}\n", parts.join("\n\n")),
    };
    let id = repo.commit_tree(tree, &parents, &message)?;
    match ctx.out.json {
        true => json::write(&mut ctx.out, "commit-tree/1", &Answer { id: id.to_string() })?,
        false => writeln!(ctx.out, "{id}")?,
    }
    Ok(exit::DONE)
}
