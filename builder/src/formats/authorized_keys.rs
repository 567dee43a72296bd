//! `~/.ssh/authorized_keys`: the SSH keys of an account (sshd(8)).

use crate::value::SshKey;
use hc_common::text::Lines;

/// Where sshd looks below a home directory, unless it is told otherwise (sshd_config(5), `AuthorizedKeysFile`). Debian's looks at
/// both.
pub const PATHS: [&str; 2] = ["/.ssh/authorized_keys", "/.ssh/authorized_keys2"];

/// Whether a line lets somebody in whose key is none of `known`.
pub fn has_other_than(text: &str, known: &[SshKey]) -> bool {
    let is_known = |line: &str| {
        line.parse::<SshKey>().is_ok_and(|found| known.iter().any(|key| key.is_same_key(&found)))
    };
    let mut keys = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    keys.any(|line| !is_known(line))
}

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
        let known = std::slice::from_ref(&key);
        for (text, other) in [
            (format!("# {KEY}\n\n"), false),
            (format!("no-pty {KEY} laptop\n"), false),
            (format!("{KEY}\nssh-rsa AAAA somebody\n"), true),
        ] {
            assert_eq!(has_other_than(&text, known), other, "{text}");
        }
        assert!(has_other_than(KEY, &[]));
        let restricted = format!("no-pty {KEY} backup\n");
        assert_eq!(edit(&restricted, std::slice::from_ref(&key)), restricted);
    }
}
