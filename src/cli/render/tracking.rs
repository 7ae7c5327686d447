//! How a branch and the one that it follows stand to each other, in Git's words.

/// Returns one or more lines; `apart` counts the commits that only the branch has, and only the other one.
pub fn sentence(upstream: &str, apart: (usize, usize)) -> String {
    let commits = |n: usize| if n == 1 { "1 commit".to_owned() } else { format!("{n} commits") };
    match apart {
        (0, 0) => format!("Your branch is up to date with '{upstream}'.\n"),
        (ahead, 0) => format!("Your branch is ahead of '{upstream}' by {}.\n", commits(ahead)),
        (0, behind) => {
            format!("Your branch is behind '{upstream}' by {}, and can be fast-forwarded.\n", commits(behind))
        }
        (ahead, behind) => format!(
            "Your branch and '{upstream}' have diverged,\nand have {ahead} and {behind} different commits each, respectively.\n"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::sentence;

    #[test]
    fn all_four_relations() {
        assert_eq!(sentence("o/m", (0, 0)), "Your branch is up to date with 'o/m'.\n");
        assert_eq!(sentence("o/m", (1, 0)), "Your branch is ahead of 'o/m' by 1 commit.\n");
        assert_eq!(sentence("o/m", (0, 2)), "Your branch is behind 'o/m' by 2 commits, and can be fast-forwarded.\n");
        assert!(sentence("o/m", (1, 2)).ends_with("and have 1 and 2 different commits each, respectively.\n"));
    }
}
