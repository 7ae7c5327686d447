//! The editor for commit messages: which one, what it is given, and what is taken from it.

use std::io::IsTerminal;
use std::path::Path;
use std::process::Command;

use super::error::Failure;
use super::interrupt::Ignored;
use crate::util::fs;

/// Chooses the editor: `GRAFT_EDITOR`, the configuration's `core.editor`, `VISUAL`, `EDITOR`, and on a terminal `vi`.
pub fn choose(
    var: &dyn Fn(&str) -> Option<String>,
    configured: Option<String>,
    on_terminal: bool,
) -> Result<String, Failure> {
    let named = var("GRAFT_EDITOR").or(configured).or_else(|| var("VISUAL")).or_else(|| var("EDITOR"));
    let dumb = var("TERM").is_none_or(|term| term == "dumb");
    match named {
        Some(editor) => Ok(editor),
        None if on_terminal && !dumb => Ok("vi".to_owned()),
        None => Err(Failure::new("no message given, and no editor to ask for one")
            .help("give the message with -m or -F, or set EDITOR")),
    }
}

/// Tells whether an editor could talk to the user here.
pub fn on_terminal() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

/// Lets the user edit `text` in `file`, and returns what they made of it; `tmp` lies on the same file system.
pub fn edit(editor: &str, file: &Path, tmp: &Path, text: &str) -> Result<String, Failure> {
    let failed =
        |what: &str, e: &std::io::Error| Failure::new(format!("cannot {what} '{}'", file.display())).because(e);
    fs::replace(file, tmp, text.as_bytes()).map_err(|e| failed("write", &e))?;
    let ignored = Ignored::begin();
    let status = Command::new("sh").arg("-c").arg(format!("{editor} \"$@\"")).arg(editor).arg(file).status();
    drop(ignored);
    match status {
        Ok(status) if status.success() => std::fs::read_to_string(file).map_err(|e| failed("read", &e)),
        Ok(status) => {
            let failure = Failure::new(format!("the editor '{editor}' ended with {status}; nothing was committed"));
            Err(failure.help("choose another with GRAFT_EDITOR, or give the message with -m"))
        }
        Err(e) => Err(Failure::new(format!("cannot start the editor '{editor}'")).because(&e)),
    }
}

/// Makes the text to edit: a message to start from, and remarks as comment lines.
pub fn template(message: &str, remarks: &str) -> String {
    let advice = "Please enter the commit message for your changes. Lines starting\nwith '#' will be ignored, and an empty message \
                  aborts the commit.\n\n";
    let comment = |line: &str| match line.chars().next() {
        None => "#\n".to_owned(),
        Some('\t') => format!("#{line}\n"),
        Some(_) => format!("# {line}\n"),
    };
    let remarks: String = advice.lines().chain(remarks.trim_end().lines()).map(comment).collect();
    format!("{}\n\n{remarks}", message.trim_end()).trim_start_matches(' ').to_owned()
}

/// Takes the comment lines out of an edited message.
pub fn without_comments(text: &str) -> String {
    text.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_editor_named_wins() {
        let env = |set: &'static [(&str, &str)]| {
            move |name: &str| set.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned())
        };
        let all = [("EDITOR", "ed"), ("VISUAL", "gvim"), ("GRAFT_EDITOR", "nano"), ("TERM", "xterm")];
        assert_eq!(choose(&env(&[("EDITOR", "ed"), ("VISUAL", "gvim")]), None, false).as_deref(), Ok("gvim"));
        assert_eq!(choose(&env(&[("EDITOR", "ed")]), Some("code -w".into()), false).as_deref(), Ok("code -w"));
        assert_eq!(
            choose(&move |name| env(&[])(name).or(all.iter().find(|a| a.0 == name).map(|a| a.1.into())), None, true)
                .as_deref(),
            Ok("nano")
        );
        assert_eq!(choose(&env(&[("TERM", "xterm")]), None, true).as_deref(), Ok("vi"));
        assert!(choose(&env(&[("TERM", "xterm")]), None, false).is_err());
        assert!(choose(&env(&[("TERM", "dumb")]), None, true).is_err());
    }

    #[test]
    fn what_the_editor_leaves_is_the_message() {
        let dir = tempfile::tempdir().expect("temp dir");
        let file = dir.path().join("MSG");
        let edited = edit("sed -i 's/old/new/'", &file, dir.path(), "old words\n# old\n").expect("sed edits");
        assert_eq!(without_comments(&edited), "new words\n");
        let failure = edit("false", &file, dir.path(), "x").expect_err("a failing editor");
        assert!(
            super::super::error::plain(&failure).starts_with("error: the editor 'false' ended with exit status: 1")
        );
    }

    #[test]
    fn remarks_are_comments() {
        let text = template("", "On branch main\n\nChanges:\n\tmodified: x\n\n");
        assert!(text.starts_with("\n\n# Please enter"), "{text}");
        assert!(text.ends_with("#\n# On branch main\n#\n# Changes:\n#\tmodified: x\n"), "{text}");
        assert_eq!(without_comments(&text).trim(), "");
        assert!(template("old\n", "").starts_with("old\n\n# Please"));
    }
}
