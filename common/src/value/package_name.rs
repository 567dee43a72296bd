//! Names of Debian packages.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::error::ValueError;
use crate::text_value;

/// The name of a package, as dpkg takes it (Debian Policy 5.6.1): lower-case letters, digits, `+`, `-` and `.`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PackageName(String);

impl PackageName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PackageName {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let is_start = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let is_allowed = |c: char| is_start(c) || "+-.".contains(c);
        if text.starts_with(is_start) && text.chars().all(is_allowed) {
            return Ok(Self(text.to_owned()));
        }
        let cause = "is no name of a Debian package";
        Err(ValueError::new(
            "package",
            text,
            cause,
            "write the name alone, such as open-iscsi, without a version",
        ))
    }
}

impl fmt::Display for PackageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_value!(PackageName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_no_version_and_is_no_option() {
        for good in ["open-iscsi", "g++", "libc6", "0ad", "python3.11"] {
            assert_eq!(good.parse::<PackageName>().unwrap().as_str(), good);
        }
        for bad in ["", "-y", "Open", "a=1", "a:arm64", "a/b", "../x", "a b", "ä1"] {
            assert!(bad.parse::<PackageName>().is_err(), "{bad:?}");
        }
    }
}
