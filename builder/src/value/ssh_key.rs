//! SSH public keys.

use std::fmt;
use std::str::FromStr;

use ssh_key::authorized_keys::Entry;

use hc_common::value::ValueError;

use super::is_private_key;

/// One line of `authorized_keys`: a public key, with optional options before it and an optional comment after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshKey {
    line: String,
    /// The key without options and comment, for comparison.
    key: ssh_key::public::KeyData,
}

impl SshKey {
    /// The line, without its newline.
    pub fn as_str(&self) -> &str {
        &self.line
    }

    /// Whether both are the same key, regardless of comments.
    pub fn is_same_key(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl FromStr for SshKey {
    type Err = ValueError;

    /// The message never shows the text: it may be a private key, pasted by mistake.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |cause: &str, hint: &str| ValueError::hidden("SSH key", cause, hint);
        const FORM: &str = "use the line of a .pub file, such as ssh-ed25519 AAAA… me@laptop";
        let line = text.trim();
        if is_private_key(line) {
            return Err(refuse(
                "is a private key, which must not leave its machine",
                "use the public key: the line in the file with the same name and .pub",
            ));
        }
        if line.is_empty() || line.contains(['\n', '\r']) {
            return Err(refuse("is not one line", FORM));
        }
        if line.starts_with("ssh-dss") {
            return Err(refuse(
                "is DSA, which SSH servers no longer support",
                "create an Ed25519 key: ssh-keygen -t ed25519",
            ));
        }
        let entry: Entry = line.parse().map_err(|_| refuse("is not a public key", FORM))?;
        Ok(Self { line: line.to_owned(), key: entry.public_key().key_data().clone() })
    }
}

impl fmt::Display for SshKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";

    #[test]
    fn a_public_key_is_kept_unchanged() {
        for good in
            [KEY.to_owned(), format!("{KEY} me@laptop"), format!("from=\"10.0.0.0/8\",no-pty {KEY} x")]
        {
            assert_eq!(good.parse::<SshKey>().unwrap().as_str(), good);
        }
        let (one, two): (SshKey, SshKey) = (KEY.parse().unwrap(), format!(" {KEY} x\n").parse().unwrap());
        assert!(one.is_same_key(&two));
    }

    #[test]
    fn text_that_is_not_a_public_key_is_rejected_and_not_shown() {
        for (bad, want) in [
            ("", "not one line"),
            ("~/.ssh/id_ed25519.pub", "not a public key"),
            ("ssh-ed25519 AAAAsecret", "not a public key"),
            ("ssh-dss AAAAsecret", "is DSA"),
            ("-----BEGIN OPENSSH PRIVATE KEY-----\nsecret", "is a private key"),
        ] {
            let error = bad.parse::<SshKey>().unwrap_err().to_string();
            assert!(error.contains(want) && !error.contains("secret"), "{bad:?}: {error}");
        }
    }
}
