//! The name of a user account.

use std::fmt;
use std::str::FromStr;

use hc_common::value::ValueError;

/// A name that Debian's adduser accepts: a lowercase letter, then lowercase letters, digits, hyphens and underscores.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserName(String);

/// The size of a name in utmp, in bytes.
const LONGEST: usize = 32;

/// Accounts of Debian's base-passwd and of packages in supported bases.
const SYSTEM: [&str; 22] = [
    "root",
    "daemon",
    "bin",
    "sys",
    "sync",
    "games",
    "man",
    "lp",
    "mail",
    "news",
    "uucp",
    "proxy",
    "www-data",
    "backup",
    "list",
    "irc",
    "nobody",
    "messagebus",
    "sshd",
    "avahi",
    "sudo",
    "ssh",
];

impl UserName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UserName {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |cause: &str, hint: &str| Err(ValueError::new("user name", text, cause, hint));
        let plain = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
        if !text.starts_with(|c: char| c.is_ascii_lowercase()) || !text.bytes().all(plain) {
            return refuse(
                "is not a valid Linux user name",
                "begin with a-z and continue with a-z, 0-9, hyphen and underscore",
            );
        }
        if text.len() > LONGEST {
            return refuse("is longer than 32 characters", "shorten it");
        }
        if SYSTEM.contains(&text) || text.starts_with("systemd-") {
            return refuse("belongs to the system", "choose another, such as admin");
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_free_and_valid_user_name_is_accepted() {
        for good in ["pi", "admin", "a-b_c1"] {
            assert_eq!(good.parse::<UserName>().unwrap().as_str(), good);
        }
        for bad in ["", "Pi", "1a", "-a", "a b", "a:b", "root", "www-data", "systemd-x", &"a".repeat(33)] {
            assert!(bad.parse::<UserName>().is_err(), "{bad}");
        }
    }
}
