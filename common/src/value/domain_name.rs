//! Names of the domain name system.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::error::ValueError;
use super::hostname::Hostname;
use crate::text_value;

/// A lowercase domain name such as `home.lan` or `k3s`, without a trailing dot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DomainName(String);

/// Characters of a whole name (RFC 1035 section 2.3.4, less the length bytes) and of one label.
const LONGEST: usize = 253;
const LONGEST_LABEL: usize = 63;

impl DomainName {
    /// The domain of multicast DNS (RFC 6762).
    pub fn local() -> Self {
        Self("local".to_owned())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of a host in this domain. `None` if it is too long for a domain name.
    pub fn host(&self, host: &Hostname) -> Option<Self> {
        format!("{host}.{self}").parse().ok()
    }
}

impl FromStr for DomainName {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |cause: &str, hint: &str| Err(ValueError::new("name", text, cause, hint));
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            return refuse("has uppercase letters", "use lowercase letters");
        }
        if text.ends_with('.') && text.len() > 1 {
            return refuse("ends with a dot", "remove the dot");
        }
        if text.len() > LONGEST || text.split('.').any(|label| label.len() > LONGEST_LABEL) {
            return refuse("is too long for a domain name", "shorten it");
        }
        if !text.split('.').all(is_label) {
            return refuse(
                "is not a domain name",
                "use labels of a-z, 0-9 and hyphens, separated by dots, such as home.lan",
            );
        }
        if text.split('.').next_back().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit())) {
            return refuse("ends with a number, as only addresses do", "use a complete address or a name");
        }
        Ok(Self(text.to_owned()))
    }
}

/// A label of RFC 1123, section 2.1, in lowercase.
pub fn is_label(text: &str) -> bool {
    let inner = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-');
    !text.is_empty() && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

impl fmt::Display for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_value!(DomainName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_valid_domain_name_is_accepted() {
        for good in ["lan", "home.lan", "k3s.1and1.de", "xn--bcher-kva.example", "4u"] {
            assert_eq!(good.parse::<DomainName>().unwrap().as_str(), good);
        }
        let (long_label, long) = ("x".repeat(64), "abc.".repeat(64) + "de");
        for (bad, want) in [
            ("", "not a domain name"),
            (".", "not a domain name"),
            ("a..b", "not a domain name"),
            ("-a.lan", "not a domain name"),
            ("a_b.lan", "not a domain name"),
            ("bücher.example", "not a domain name"),
            ("home.lan.", "ends with a dot"),
            ("Home.lan", "uppercase letters"),
            ("192.168.1.300", "only addresses do"),
            ("7", "only addresses do"),
            (&long_label, "too long"),
            (&long, "too long"),
        ] {
            let error = bad.parse::<DomainName>().unwrap_err().to_string();
            assert!(error.contains(want), "{bad:?}: {error}");
        }
    }
}
