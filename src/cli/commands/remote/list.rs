//! `graft remote list`: the names of remotes, with -v their URLs.

use std::io::Write;

use serde::Serialize;

use crate::cli::commands::Outcome;
use crate::cli::context::Context;
use crate::cli::error::exit;
use crate::cli::json;

/// List the remotes; with -v also their URLs.
#[derive(clap::Args, Debug)]
pub struct Args {}

#[derive(Serialize)]
struct Answer<'a> {
    name: &'a str,
    url: String,
    fetch: Vec<String>,
}

/// Runs the command.
pub fn run(_: Args, ctx: &mut Context) -> Outcome {
    let repo = ctx.repository()?;
    for name in &repo.remote_names() {
        let url = repo.remote_url_text(name)?;
        if ctx.out.json {
            let fetch = repo.config().get_all(&format!("remote.{name}.fetch"));
            let fetch = fetch.iter().map(|entry| entry.value.clone()).collect();
            json::write(&mut ctx.out, "remote/1", &Answer { name, url, fetch })?;
        } else if ctx.globals.verbose > 0 {
            writeln!(ctx.out, "{name}\t{url}")?;
        } else {
            writeln!(ctx.out, "{name}")?;
        }
    }
    Ok(exit::DONE)
}
