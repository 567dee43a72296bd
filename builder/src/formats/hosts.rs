//! `/etc/hosts`: the node's own name.

use crate::value::Hostname;
use hc_common::text::Lines;

/// The path of the file.
pub const PATH: &str = "/etc/hosts";

/// Debian's address for the machine's own name (Debian Reference, 5.1.1).
const OWN: &str = "127.0.1.1";

/// Renames `old`, the base's name, to `new` for the address 127.0.1.1; a domain after the old name stays. If no line of
/// that address has the new name then, one is added after `127.0.0.1`, or at the end.
pub fn edit(text: &str, old: &str, new: &Hostname) -> String {
    let mut lines = Lines::parse(text);
    for line in lines.bodies_mut().filter(|line| address(line) == Some(OWN)) {
        *line = renamed(line, old, new.as_str());
    }
    let named =
        lines.bodies().any(|line| address(line) == Some(OWN) && names(line).any(|n| n == new.as_str()));
    if !named {
        let below = lines.bodies().position(|line| address(line) == Some("127.0.0.1"));
        let at = below.map_or(lines.len(), |line| line.saturating_add(1));
        lines.insert(at, format!("{OWN}\t{new}"));
    }
    lines.render()
}

/// The line up to its comment.
fn active(line: &str) -> &str {
    line.split('#').next().unwrap_or_default()
}

fn address(line: &str) -> Option<&str> {
    active(line).split_ascii_whitespace().next()
}

fn names(line: &str) -> impl Iterator<Item = &str> {
    active(line).split_ascii_whitespace().skip(1)
}

/// Replaces words and keeps the blanks between them and the comment.
fn renamed(line: &str, old: &str, new: &str) -> String {
    let active = active(line);
    let words = active.split_inclusive(|c: char| c.is_ascii_whitespace()).map(|piece| {
        let word = piece.trim_end_matches(|c: char| c.is_ascii_whitespace());
        let blank = piece.strip_prefix(word).unwrap_or_default();
        match word.strip_prefix(old) {
            Some(domain) if !word.is_empty() && (domain.is_empty() || domain.starts_with('.')) => {
                format!("{new}{domain}{blank}")
            }
            _ => piece.to_owned(),
        }
    });
    words.chain(line.strip_prefix(active).map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_node_s_own_name_changes() {
        let new = "hc-1".parse().unwrap();
        for (text, want) in [
            ("127.0.1.1\t\traspberrypi\n", "127.0.1.1\t\thc-1\n"),
            ("127.0.1.1 raspberrypi.lan raspberrypi # x\n", "127.0.1.1 hc-1.lan hc-1 # x\n"),
            ("127.0.1.1 raspberrypi2\n", "127.0.1.1 raspberrypi2\n127.0.1.1\thc-1\n"),
            ("10.0.0.1 raspberrypi\n", "10.0.0.1 raspberrypi\n127.0.1.1\thc-1\n"),
            ("#127.0.1.1 raspberrypi\n", "#127.0.1.1 raspberrypi\n127.0.1.1\thc-1\n"),
            ("127.0.0.1 localhost\n::1 localhost\n", "127.0.0.1 localhost\n127.0.1.1\thc-1\n::1 localhost\n"),
            ("", "127.0.1.1\thc-1\n"),
        ] {
            let once = edit(text, "raspberrypi", &new);
            assert_eq!(once, want, "{text:?}");
            assert_eq!(edit(&once, "raspberrypi", &new), once);
        }
    }

    #[test]
    fn an_empty_old_name_matches_nothing() {
        let text = "127.0.1.1 a.b\n";
        assert_eq!(edit(text, "", &"hc-1".parse().unwrap()), "127.0.1.1 a.b\n127.0.1.1\thc-1\n");
    }
}
