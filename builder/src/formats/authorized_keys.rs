//! `~/.ssh/authorized_keys`: the SSH keys of an account (sshd(8)).

use crate::value::SshKey;
use hc_common::text::Lines;

/// Adds the keys that are not in the file yet. A key of the base keeps its options and comment.
pub fn edit(text: &str, keys: &[SshKey]) -> String {
    let mut lines = Lines::parse(text);
    for key in keys {
        let there = |line: &str| {
            line == key.as_str() || line.parse::<SshKey>().is_ok_and(|known| known.is_same_key(key))
        };
        if !lines.bodies().any(there) {
            lines.push(key.as_str());
        }
    }
    lines.render()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";

    #[test]
    fn a_key_is_added_once_and_other_lines_stay() {
        let key: SshKey = format!("{KEY} me@laptop").parse().unwrap();
        for (text, want) in [
            ("", format!("{KEY} me@laptop\n")),
            ("# vendor\nunknown-type AAAA\n", format!("# vendor\nunknown-type AAAA\n{KEY} me@laptop\n")),
        ] {
            let once = edit(text, std::slice::from_ref(&key));
            assert_eq!(once, want);
            assert_eq!(edit(&once, std::slice::from_ref(&key)), once);
        }
        let restricted = format!("no-pty {KEY} backup\n");
        assert_eq!(edit(&restricted, std::slice::from_ref(&key)), restricted);
    }
}
