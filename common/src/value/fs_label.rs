//! A file system's label.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::error::ValueError;
use crate::text_value;

/// The label of an ext4 file system, with characters that need no escape in fstab, `/dev/disk/by-label` or a shell.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FsLabel(String);

/// Bytes of `s_volume_name` in the ext4 superblock.
const LONGEST: usize = 16;

impl FsLabel {
    /// The label as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for FsLabel {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |cause: &str, hint: &str| Err(ValueError::new("file system label", text, cause, hint));
        if text.is_empty() {
            return refuse("is empty", "use a label such as k8s-data");
        }
        if !text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')) {
            return refuse(
                "has an invalid character",
                "use only letters, digits, hyphens, underscores and dots",
            );
        }
        if text.len() > LONGEST {
            return refuse("is longer than 16 bytes, the limit of ext4", "shorten it");
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for FsLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_value!(FsLabel);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_fit_ext4_and_need_no_escape() {
        for good in ["k8s-data", "x", "A_b.c-0123456789"] {
            assert_eq!(good.parse::<FsLabel>().unwrap().as_str(), good);
        }
        for (bad, want) in [
            ("", "is empty"),
            ("12345678901234567", "16 bytes"),
            ("k8s data", "has an invalid character"),
            ("k8s/data", "has an invalid character"),
            ("k8s\"data", "has an invalid character"),
            ("k8s'data", "has an invalid character"),
            ("dätä", "has an invalid character"),
            ("a\n", "has an invalid character"),
        ] {
            let error = bad.parse::<FsLabel>().unwrap_err().to_string();
            assert!(error.contains(want), "{bad:?}: {error}");
        }
    }
}
