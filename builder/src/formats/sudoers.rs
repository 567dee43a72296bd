//! `/etc/sudoers.d/99-hcimage`: the accounts that may become root (sudoers(5)).

use std::fmt::Write as _;

use crate::value::UserName;

/// The path of the file. The last matching rule wins, and the files are read in order of their names. A name with a dot
/// would be ignored.
pub const PATH: &str = "/etc/sudoers.d/99-hcimage";

/// The permissions that visudo requires.
pub const MODE: u16 = 0o440;

/// The main file, which includes the directory of [`PATH`].
pub const MAIN_PATH: &str = "/etc/sudoers";

/// The rules: each account, and whether sudo asks for its password, which it must have then.
pub fn render<'a>(users: impl IntoIterator<Item = (&'a UserName, bool)>) -> String {
    let mut text = String::from("# Written by hcimage.\n");
    for (user, asks) in users {
        let tag = if asks { "" } else { "NOPASSWD: " };
        // Writing into a String cannot fail.
        let _ = writeln!(text, "{user} ALL=(ALL:ALL) {tag}ALL");
    }
    text
}

/// Whether the main file includes the directory of [`PATH`]. `#includedir` is the older spelling, not a comment.
pub fn reads_dir(main: &str) -> bool {
    main.lines().any(|line| {
        let mut words = line.split_ascii_whitespace();
        let includes = matches!(words.next(), Some("@includedir" | "#includedir"));
        includes && words.next().is_some_and(|dir| dir.trim_end_matches('/') == "/etc/sudoers.d")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_include_the_directory() {
        assert!(reads_dir("Defaults x\n@includedir /etc/sudoers.d\n"));
        assert!(reads_dir("#includedir /etc/sudoers.d/\n"));
        assert!(!reads_dir("# @includedir /etc/sudoers.d\n@includedir /etc/other\n"));
    }
}
