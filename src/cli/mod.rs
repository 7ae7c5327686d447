//! The command line: arguments, rendering, pager, progress, error reports and exit codes.
