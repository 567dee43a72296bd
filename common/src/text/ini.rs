//! Texts of `[section]` and `key=value`, as systemd (systemd.syntax(7)) and GLib's key files have them.

/// A key with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The section without its brackets; empty before the first one.
    pub section: &'a str,
    /// The key.
    pub key: &'a str,
    /// The value, continued lines joined by a space.
    pub value: String,
    /// The line of the text, from 1.
    pub line: usize,
}

/// All keys in order. What is neither a section nor a key is skipped, as by the programs.
pub fn entries(text: &str) -> Vec<Entry<'_>> {
    let mut section = "";
    let mut found: Vec<Entry<'_>> = Vec::new();
    let mut continues = false;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.starts_with(['#', ';']) {
            continue;
        }
        if std::mem::take(&mut continues) {
            if let Some(last) = found.last_mut() {
                continues = line.ends_with('\\');
                last.value.push(' ');
                last.value.push_str(line.trim_end_matches('\\').trim_end());
            }
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name;
        } else if let Some((key, value)) = line.split_once('=') {
            continues = value.ends_with('\\');
            let value = value.trim_end_matches('\\').trim().to_owned();
            found.push(Entry { section, key: key.trim_end(), value, line: number.saturating_add(1) });
        }
    }
    found
}

/// Whether a value means yes to systemd and to GLib.
pub fn is_true(value: &str) -> bool {
    ["1", "yes", "y", "true", "t", "on"].iter().any(|word| value.eq_ignore_ascii_case(word))
}

/// Whether a value means no.
pub fn is_false(value: &str) -> bool {
    ["0", "no", "n", "false", "f", "off"].iter().any(|word| value.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_their_section_and_line() {
        let text =
            "a=0\n[Match]\n# x=1\nName = eth0 \\\n; between\n  eth1\n\nnothing\n[Link]\r\nUnmanaged=yes\r\n";
        let found = entries(text);
        let found: Vec<_> = found.iter().map(|e| (e.section, e.key, e.value.as_str(), e.line)).collect();
        assert_eq!(
            found,
            [("", "a", "0", 1), ("Match", "Name", "eth0 eth1", 4), ("Link", "Unmanaged", "yes", 10)]
        );
        assert!(is_true("On") && !is_true("no") && is_false("false") && !is_false("2"));
    }
}
