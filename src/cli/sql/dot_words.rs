//! The words of a dot-command, which of them it is, and the list that `.help` shows.

/// A dot-command: its name, its arguments, and what it does.
pub struct Known {
    /// The name without the dot.
    pub name: &'static str,
    /// Its arguments.
    pub arguments: &'static str,
    /// What it does.
    pub about: &'static str,
}

const fn known(name: &'static str, arguments: &'static str, about: &'static str) -> Known {
    Known { name, arguments, about }
}

/// All dot-commands, in the order of their names.
pub const KNOWN: [Known; 26] = [
    known("at", "[REV | -]", "Move to a revision, with - back to the worktree; show where"),
    known("bail", "on|off", "Stop after an error"),
    known("changes", "on|off", "Show how many rows each statement changed"),
    known("databases", "", "List the attached databases"),
    known("dump", "[TABLE]...", "Write tables as SQL that makes them again"),
    known("echo", "on|off", "Show each statement before its answer"),
    known("exit", "[CODE]", "Leave"),
    known("headers", "on|off", "Show the names of columns"),
    known("help", "", "Show this list"),
    known("import", "[--csv|--tsv] [--skip N] FILE TABLE", "Insert the rows of a text file; makes the table if needed"),
    known("indexes", "[TABLE]", "List indexes"),
    known("mode", "[MODE [TABLE]]", "Choose how rows are written, or show how"),
    known("nullvalue", "TEXT", "Show TEXT for NULL"),
    known("once", "FILE", "Write the next answer to a file"),
    known("output", "[FILE]", "Write answers to a file, or to standard output again"),
    known("print", "TEXT...", "Write a text"),
    known("quit", "", "Leave"),
    known("read", "FILE", "Run the statements and commands of a file"),
    known("schema", "[TABLE]", "Show the statements that made tables"),
    known("separator", "COLUMN [ROW]", "Choose what stands between values and after rows"),
    known("show", "", "Show the settings"),
    known("tables", "[PATTERN]", "List tables and views"),
    known("timeout", "MS", "Wait this long for locks of others"),
    known("timer", "on|off", "Show how long each statement took"),
    known("version", "", "Show the versions of Graft and SQLite"),
    known("width", "[N]...", "Set the least width of columns; negative ones put values to the right"),
];

/// Finds a command by its name or the start of it, as the shell of SQLite does.
pub fn find(name: &str) -> Option<&'static Known> {
    let exact = KNOWN.iter().find(|k| k.name == name);
    // Older spellings.
    let alias = match name {
        "indices" => Some("indexes"),
        "header" => Some("headers"),
        _ => None,
    };
    let alias = alias.and_then(|name| KNOWN.iter().find(|k| k.name == name));
    exact.or(alias).or_else(|| KNOWN.iter().find(|k| !name.is_empty() && k.name.starts_with(name)))
}

/// Splits a line into words; single and double quotes keep spaces, and in double ones a backslash escapes.
pub fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut chars = line.chars().peekable();
    loop {
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        let Some(&first) = chars.peek() else { return words };
        let mut word = String::new();
        if first == '\'' || first == '"' {
            chars.next();
            while let Some(c) = chars.next() {
                match c {
                    c if c == first => break,
                    '\\' if first == '"' => word.extend(chars.next().map(unescape)),
                    c => word.push(c),
                }
            }
        } else {
            while let Some(c) = chars.next_if(|c| !c.is_whitespace()) {
                match c {
                    '\\' => word.extend(chars.next().map(unescape)),
                    c => word.push(c),
                }
            }
        }
        words.push(word);
    }
}

fn unescape(c: char) -> char {
    match c {
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        '0' => '\0',
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_may_be_quoted() {
        assert_eq!(split("read 'a b' \"c\\td\" e\\n"), ["read", "a b", "c\td", "e\n"]);
        assert!(split("  ").is_empty());
    }

    #[test]
    fn a_start_is_enough() {
        assert_eq!(find("tab").map(|k| k.name), Some("tables"));
        assert_eq!(find("e").map(|k| k.name), Some("echo"));
        assert!(find("xyz").is_none() && find("").is_none());
        assert!(KNOWN.is_sorted_by_key(|k| k.name));
    }
}
