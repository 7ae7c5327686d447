//! Panics: a bug of Graft's own is one clear line, never a backtrace.

use std::panic::PanicHookInfo;

/// Replaces the standard panic report, unless `RUST_BACKTRACE=full` asks for it.
pub fn install_hook() {
    if std::env::var_os("RUST_BACKTRACE").is_some_and(|v| v == "full") {
        return;
    }
    std::panic::set_hook(Box::new(|info| super::messages::write_stderr(&report(info))));
}

fn report(info: &PanicHookInfo<'_>) -> String {
    let what = info.payload_as_str().unwrap_or("something that cannot happen did happen");
    let place = info.location().map(|l| format!(" ({}:{})", l.file(), l.line())).unwrap_or_default();
    lines(what, &place)
}

fn lines(what: &str, place: &str) -> String {
    let what = what.split_whitespace().collect::<Vec<_>>().join(" ");
    format!(
        "error: this is a bug in graft: {what}{place}\nhelp: nothing that was committed is lost; run 'graft fsck' to check the \
         repository, and please report this line\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_one_error_and_one_help_line() {
        let text = lines("index out of\nbounds", " (src/x.rs:1)");
        assert_eq!(text.lines().count(), 2);
        assert!(text.starts_with("error: this is a bug in graft: index out of bounds (src/x.rs:1)\n"), "{text}");
    }
}
