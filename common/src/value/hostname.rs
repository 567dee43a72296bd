//! The name of a node.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::error::ValueError;
use crate::text_value;

/// A lower-case RFC 1123 label: the host name, and the name of the Kubernetes node.
///
/// Kubernetes folds node names to lower case, so upper case is refused here rather than shown differently there.
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
            return refuse("is empty", "write a name such as hc-1");
        }
        if text.len() > LONGEST {
            return refuse("is longer than 63 characters", "shorten it");
        }
        if text.contains('.') {
            return refuse("has a dot", "write the name alone, without a domain");
        }
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            return refuse("has capital letters", "write it in lower case");
        }
        if !text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-')) {
            return refuse("has a character that a host name cannot have", "use only a-z, 0-9 and -");
        }
        if text.starts_with('-') || text.ends_with('-') {
            return refuse("begins or ends with a hyphen", "begin and end it with a letter or a digit");
        }
        if text == "localhost" {
            return refuse(
                "is what every machine calls itself",
                "give the node a name of its own, such as hc-1",
            );
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
    fn good_names_are_taken_as_they_are() {
        for good in ["a", "hc-1", "0", "node--7", &"x".repeat(63)] {
            assert_eq!(good.parse::<Hostname>().unwrap().as_str(), good);
        }
    }

    #[test]
    fn bad_names_are_refused_with_cause_and_cure() {
        let long = "x".repeat(64);
        for (bad, want) in [
            ("", "is empty: write a name"),
            (long.as_str(), "longer than 63 characters: shorten"),
            ("hc-1.lan", "has a dot: write the name alone"),
            ("HC-1", "capital letters: write it in lower case"),
            ("hc_1", "cannot have: use only a-z"),
            ("hc 1", "cannot have: use only a-z"),
            ("knöten", "cannot have: use only a-z"),
            ("hc-1\n", "cannot have: use only a-z"),
            ("-hc", "hyphen: begin and end"),
            ("hc-", "hyphen: begin and end"),
            ("localhost", "calls itself: give the node a name"),
        ] {
            let error = bad.parse::<Hostname>().unwrap_err().to_string();
            assert!(error.starts_with("host name \"") && error.contains(want), "{bad:?}: {error}");
        }
    }

    #[test]
    fn serde_refuses_what_parsing_refuses() {
        #[derive(Debug, Deserialize)]
        struct File {
            name: Hostname,
        }
        assert_eq!(toml::from_str::<File>("name = 'hc-1'").unwrap().name.as_str(), "hc-1");
        assert!(toml::from_str::<File>("name = 'HC'").unwrap_err().to_string().contains("capital letters"));
    }
}
