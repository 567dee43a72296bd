//! Names of clusters and overlays.

use std::fmt;
use std::str::FromStr;

use hc_common::value::ValueError;
use hc_common::value::is_label;
use serde::Deserialize;

/// A lowercase RFC 1123 label, such as `home`: valid in file names, in Kubernetes and in a kubeconfig.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct DnsLabel(String);

const LONGEST: usize = 63;

impl DnsLabel {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for DnsLabel {
    type Error = ValueError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl FromStr for DnsLabel {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if !is_label(text) || text.len() > LONGEST {
            return Err(ValueError::new(
                "name",
                text,
                "is invalid",
                "use up to 63 lowercase letters, digits and hyphens, such as home",
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for DnsLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_lowercase_label_is_accepted() {
        for good in ["home", "a", "lab-2"] {
            assert_eq!(good.parse::<DnsLabel>().unwrap().as_str(), good);
        }
        for bad in ["", "Home", "my home", "-a", "a/b", "..", &"x".repeat(64)] {
            assert!(bad.parse::<DnsLabel>().is_err(), "{bad}");
        }
    }
}
