//! `/etc/sudoers.d/99-hcimage`: who may become root (sudoers(5)).

use std::fmt::Write as _;

use crate::value::UserName;

/// Where the file goes. Of several rules the last one holds, and these files are read by name. A name with a dot in it
/// would be passed over.
pub const PATH: &str = "/etc/sudoers.d/99-hcimage";

/// Permission bits as visudo asks for them.
pub const MODE: u16 = 0o440;

/// Reads the directory of [`PATH`].
pub const MAIN_PATH: &str = "/etc/sudoers";

/// The rules: who, and whether sudo asks for the password of the account, which it must have then.
pub fn render<'a>(users: impl IntoIterator<Item = (&'a UserName, bool)>) -> String {
    let mut text = String::from("# Written by hcimage.\n");
    for (user, asks) in users {
        let tag = if asks { "" } else { "NOPASSWD: " };
        // Writing into a String cannot fail.
        let _ = writeln!(text, "{user} ALL=(ALL:ALL) {tag}ALL");
    }
    text
}

/// Whether the main file reads the directory of [`PATH`]. A `#` is no comment there: `#includedir` is the older spelling.
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
    fn both_spellings_read_the_dir() {
        assert!(reads_dir("Defaults x\n@includedir /etc/sudoers.d\n"));
        assert!(reads_dir("#includedir /etc/sudoers.d/\n"));
        assert!(!reads_dir("# @includedir /etc/sudoers.d\n@includedir /etc/other\n"));
    }
}
