//! The pager: long output on a terminal goes through the program that the user chose.

use std::io::{self, BufWriter, Write};
use std::process::{Child, ChildStdin, Command, Stdio};

use super::interrupt;

/// A running pager.
pub struct Pager {
    child: Child,
    input: Option<BufWriter<ChildStdin>>,
    _quiet: interrupt::Ignored,
}

/// Chooses the pager: `GRAFT_PAGER`, then the configuration's `core.pager`, then `PAGER`, then `less` if there is one.
///
/// Returns `None` if the choice is no pager: an empty text or `cat`.
pub fn choose(env: &dyn Fn(&str) -> Option<String>, configured: Option<String>) -> Option<String> {
    let installed = |name: &str| {
        let path = env("PATH").unwrap_or_default();
        std::env::split_paths(&path).any(|dir| dir.join(name).is_file()).then(|| name.to_owned())
    };
    let choice = env("GRAFT_PAGER").or(configured).or_else(|| env("PAGER")).or_else(|| installed("less"))?;
    let choice = choice.trim();
    (!choice.is_empty() && choice != "cat").then(|| choice.to_owned())
}

impl Pager {
    /// Starts a pager: through the shell if its command line needs one, otherwise directly, so that a missing program is an
    /// error here rather than lost output.
    ///
    /// `less` gets `FRX` (leave at once if all fits, keep colours, do not clear the screen) unless the user set `LESS`.
    pub fn start(command: &str) -> io::Result<Self> {
        let mut words = command.split_whitespace();
        let mut program = match words.next() {
            Some(program) if !command.contains(|c: char| "|&;<>()$`\\\"'*?[]#~=%!{}\n".contains(c)) => {
                let mut direct = Command::new(program);
                direct.args(words);
                direct
            }
            _ => {
                let mut shell = Command::new("sh");
                shell.arg("-c").arg(command);
                shell
            }
        };
        program.stdin(Stdio::piped());
        for (name, value) in [("LESS", "FRX"), ("LV", "-c")] {
            if std::env::var_os(name).is_none() {
                program.env(name, value);
            }
        }
        let quiet = interrupt::Ignored::begin();
        let mut child = program.spawn()?;
        let input = child.stdin.take().map(BufWriter::new);
        Ok(Self { child, input, _quiet: quiet })
    }

    /// Ends the text and waits until the user has left.
    pub fn wait(&mut self) {
        drop(self.input.take());
        // How the pager ended says nothing about the command.
        let _ = self.child.wait();
    }
}

impl Write for Pager {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.input {
            Some(input) => input.write(bytes),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.input.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl Drop for Pager {
    fn drop(&mut self) {
        self.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_one_named_wins_and_cat_means_none() {
        let env = |set: &'static [(&str, &str)]| {
            move |name: &str| set.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned())
        };
        let configured = || Some("more".to_owned());
        assert_eq!(choose(&env(&[]), None), None, "nothing is installed without a PATH");
        let dir = tempfile::tempdir().expect("temp dir");
        std::fs::write(dir.path().join("less"), "").expect("write");
        let path = dir.path().display().to_string();
        let installed = move |name: &str| (name == "PATH").then(|| path.clone());
        assert_eq!(choose(&installed, None).as_deref(), Some("less"));
        assert_eq!(choose(&env(&[("PAGER", "most")]), None).as_deref(), Some("most"));
        assert_eq!(choose(&env(&[("PAGER", "most")]), configured()).as_deref(), Some("more"));
        assert_eq!(choose(&env(&[("GRAFT_PAGER", "less -S")]), configured()).as_deref(), Some("less -S"));
        assert_eq!(choose(&env(&[("GRAFT_PAGER", "cat")]), configured()), None);
        assert_eq!(choose(&env(&[("GRAFT_PAGER", "")]), configured()), None);
    }

    #[test]
    fn what_is_written_reaches_the_pager() {
        let dir = tempfile::tempdir().expect("temp dir");
        let copy = dir.path().join("copy");
        let mut pager = Pager::start(&format!("cat > '{}'", copy.display())).expect("sh starts");
        pager.write_all(b"line\n").expect("write");
        pager.wait();
        assert_eq!(std::fs::read(&copy).expect("read"), b"line\n");
        assert_eq!(pager.write(b"x").expect_err("closed").kind(), io::ErrorKind::BrokenPipe);
        assert!(Pager::start("no-such-pager -F").is_err(), "found out before anything is written");
    }
}
