//! Man pages, made from the help texts; `man/` holds them and a test here fails when they are stale.

use std::io;

use clap::CommandFactory;

use super::args::Cli;

/// Makes all man pages: file name and contents, `graft.1` first.
pub fn pages() -> io::Result<Vec<(String, Vec<u8>)>> {
    let whole = Cli::command();
    let mut pages = vec![page(&whole.clone().next_line_help(false), "graft")?];
    collect(&whole, "graft", &mut pages)?;
    Ok(pages)
}

fn collect(above: &clap::Command, prefix: &str, pages: &mut Vec<(String, Vec<u8>)>) -> io::Result<()> {
    for command in above.get_subcommands().filter(|c| !c.is_hide_set()) {
        let name = format!("{prefix}-{}", command.get_name());
        pages.push(page(command, &name)?);
        collect(command, &name, pages)?;
    }
    Ok(())
}

fn page(command: &clap::Command, name: &str) -> io::Result<(String, Vec<u8>)> {
    let typed = name.replacen('-', " ", 1);
    let command = command.clone().name(name.to_owned()).bin_name(typed.clone()).display_name(name.to_owned());
    let mut text = Vec::new();
    clap_mangen::Man::new(command).title(name.to_uppercase()).section("1").manual("Graft Manual").render(&mut text)?;
    Ok((format!("{name}.1"), text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// `GRAFT_UPDATE_MAN=1 cargo test man` rewrites the pages.
    #[test]
    fn man_pages_are_fresh() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("man");
        let pages = pages().expect("memory");
        if std::env::var_os("GRAFT_UPDATE_MAN").is_some() {
            let _ = std::fs::remove_dir_all(&dir);
            std::fs::create_dir_all(&dir).expect("create man/");
            for (name, text) in &pages {
                std::fs::write(dir.join(name), text).expect("write page");
            }
        }
        let mut there: Vec<String> = std::fs::read_dir(&dir)
            .expect("man/ exists")
            .map(|e| e.expect("entry").file_name().to_string_lossy().into_owned())
            .collect();
        let mut wanted: Vec<String> = pages.iter().map(|(name, _)| name.clone()).collect();
        there.sort();
        wanted.sort();
        assert_eq!(there, wanted, "run GRAFT_UPDATE_MAN=1 cargo test man");
        for (name, text) in &pages {
            let stored = std::fs::read(dir.join(name)).expect("page");
            assert!(stored == *text, "man/{name} is stale: run GRAFT_UPDATE_MAN=1 cargo test man");
        }
    }
}
