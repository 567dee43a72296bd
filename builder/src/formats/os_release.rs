//! `/etc/os-release`: the system of an image (os-release(5)).

use std::collections::BTreeMap;

use thiserror::Error;

/// The path of the file: often a link into `/usr/lib`.
pub const PATH: &str = "/etc/os-release";

/// The settings of an os-release file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OsRelease {
    values: BTreeMap<String, String>,
}

/// A line that is not of the form `NAME=value`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("line {line} is not of the form NAME=value or NAME=\"value\": this is not an os-release file")]
pub struct OsReleaseError {
    /// Counted from 1.
    line: usize,
}

impl OsRelease {
    /// Reads the file. A duplicate name has its last value, as in a shell.
    pub fn parse(text: &str) -> Result<Self, OsReleaseError> {
        let mut values = BTreeMap::new();
        for (line, content) in (1..).zip(text.lines()) {
            let content = content.trim();
            if content.is_empty() || content.starts_with('#') {
                continue;
            }
            let (name, value) = assignment(content).ok_or(OsReleaseError { line })?;
            values.insert(name, value);
        }
        Ok(Self { values })
    }

    /// A value, such as that of `ID`, `VERSION_CODENAME` or `PRETTY_NAME`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }
}

fn assignment(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once('=')?;
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !(plain && begins) {
        return None;
    }
    Some((name.to_owned(), unquoted(value)?))
}

/// Removes shell quotes and escapes; `None` if a quote is open or followed by text.
fn unquoted(value: &str) -> Option<String> {
    let inside = |quote: char| value.strip_prefix(quote).map(|rest| rest.strip_suffix(quote));
    match (inside('\''), inside('"')) {
        (Some(single), _) => single.filter(|text| !text.contains('\'')).map(str::to_owned),
        (_, Some(double)) => unescaped(double?, '"', |c| matches!(c, '"' | '\\' | '$' | '`')),
        (None, None) => unescaped(value, '\'', |_| true).filter(|_| !value.contains('"')),
    }
}

/// Removes the backslash before a `special` character; `None` for a bare `forbidden` one or a single backslash.
fn unescaped(text: &str, forbidden: char, special: impl Fn(char) -> bool) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match c {
            '\\' => {
                let next = characters.next()?;
                if !special(next) {
                    out.push('\\');
                }
                out.push(next);
            }
            c if c == forbidden => return None,
            c => out.push(c),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// The result of a shell, the reference of these tests.
    fn shell(text: &str, name: &str) -> String {
        let script = format!("{text}\nprintf %s \"${name}\"");
        let output = Command::new("sh").args(["-c", &script]).output().expect("running sh");
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn values_are_those_of_a_shell() {
        let text = "# about\nPRETTY_NAME=\"Raspbian GNU/Linux 11 (bullseye)\"\nID=debian\n\nVERSION_ID='11'\n\
                    ODD=\"a \\\"b\\\" \\$c \\\\ \\x `\"\nBARE=a\\ b\nEMPTY=\nQUOTED=\"\"\nID=raspbian\n";
        let text = text.replace(" `", " \\`");
        let parsed = OsRelease::parse(&text).unwrap();
        for name in ["PRETTY_NAME", "ID", "VERSION_ID", "ODD", "BARE", "EMPTY", "QUOTED"] {
            assert_eq!(parsed.get(name).unwrap(), shell(&text, name), "{name}");
        }
        assert_eq!(parsed.get("ABSENT"), None);
    }

    #[test]
    fn a_line_that_is_not_an_assignment_is_rejected_by_number() {
        for bad in
            ["ID", "=x", "1D=x", "A B=x", "ID=\"x", "ID='x", "ID=\"x\"y\"", "ID='x'y'", "ID=x\"", "ID=x\\"]
        {
            let error = OsRelease::parse(&format!("A=1\n{bad}\n")).unwrap_err();
            assert!(error.to_string().starts_with("line 2 is not"), "{bad}");
        }
    }
}
