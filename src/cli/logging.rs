//! Log lines on standard error, on demand: `-v`, `GRAFT_LOG`, `--log-format`.

use tracing_subscriber::EnvFilter;

use super::args::{Globals, LogFormat};

/// Starts logging if `-v` or `GRAFT_LOG` asks for it; costs nothing otherwise. With `lists_more`, `-v` asks for longer results
/// and not for a log.
pub fn start(globals: &Globals, lists_more: bool, style: bool) {
    let verbose = if lists_more { 0 } else { globals.verbose };
    let level = match verbose {
        0 => "warn",
        1 => "graft=info",
        2 => "graft=debug",
        _ => "graft=trace",
    };
    let filter = match std::env::var("GRAFT_LOG") {
        Ok(chosen) if !chosen.trim().is_empty() => chosen,
        _ if verbose == 0 => return,
        _ => level.to_owned(),
    };
    let lines = tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(EnvFilter::new(filter));
    // Logging was started already only when a test did so.
    let _ = match globals.log_format {
        LogFormat::Text => lines.with_ansi(style).with_target(false).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
}
