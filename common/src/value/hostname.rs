//! The name of a node.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::error::ValueError;
use crate::text_value;

/// A lowercase RFC 1123 label: the host name, and the name of the Kubernetes node.
///
/// Kubernetes converts node names to lowercase, so uppercase is rejected: the two names would differ.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hostname(String);

/// Bytes in a DNS label, RFC 1035 section 2.3.4.
const LONGEST: usize = 63;

impl Hostname {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Hostname {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |cause: &str, hint: &str| Err(ValueError::new("host name", text, cause, hint));
        if text.is_empty() {
            return refuse("is empty", "use a name such as hc-1");
        }
        if text.len() > LONGEST {
            return refuse("is longer than 63 characters", "shorten it");
        }
        if text.contains('.') {
            return refuse("has a dot", "use the name without a domain");
        }
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            return refuse("has uppercase letters", "use lowercase letters");
        }
        if !text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-')) {
            return refuse("has an invalid character", "use only a-z, 0-9 and -");
        }
        if text.starts_with('-') || text.ends_with('-') {
            return refuse("begins or ends with a hyphen", "begin and end it with a letter or a digit");
        }
        if text == "localhost" {
            return refuse("is reserved for the machine itself", "give the node a unique name, such as hc-1");
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Hostname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_value!(Hostname);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_valid_name_is_accepted_unchanged() {
        for good in ["a", "hc-1", "0", "node--7", &"x".repeat(63)] {
            assert_eq!(good.parse::<Hostname>().unwrap().as_str(), good);
        }
    }

    #[test]
    fn an_invalid_name_is_rejected_with_cause_and_fix() {
        let long = "x".repeat(64);
        for (bad, want) in [
            ("", "is empty: use a name"),
            (long.as_str(), "longer than 63 characters: shorten"),
            ("hc-1.lan", "has a dot: use the name without a domain"),
            ("HC-1", "uppercase letters: use lowercase"),
            ("hc_1", "invalid character: use only a-z"),
            ("hc 1", "invalid character: use only a-z"),
            ("knöten", "invalid character: use only a-z"),
            ("hc-1\n", "invalid character: use only a-z"),
            ("-hc", "hyphen: begin and end"),
            ("hc-", "hyphen: begin and end"),
            ("localhost", "is reserved for the machine itself: give the node a unique name"),
        ] {
            let error = bad.parse::<Hostname>().unwrap_err().to_string();
            assert!(error.starts_with("host name \"") && error.contains(want), "{bad:?}: {error}");
        }
    }

    #[test]
    fn serde_rejects_the_same_names_as_parsing() {
        #[derive(Debug, Deserialize)]
        struct File {
            name: Hostname,
        }
        assert_eq!(toml::from_str::<File>("name = 'hc-1'").unwrap().name.as_str(), "hc-1");
        assert!(toml::from_str::<File>("name = 'HC'").unwrap_err().to_string().contains("uppercase letters"));
    }
}
