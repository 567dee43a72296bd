//! The name of a directory on the data disk.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::error::ValueError;
use crate::paths::DATASTORE_FOLDER;
use crate::text_value;

/// A relative path such as `media/photos`, without `.`, `..` or empty parts: it cannot leave the disk, nor reach the datastore that may
/// be on it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DirName(String);

impl DirName {
    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DirName {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let bad = |cause: &str| {
            Err(ValueError::new(
                "directory",
                text,
                cause,
                "give a path below the data disk, such as media/photos",
            ))
        };
        if text.starts_with('/') {
            return bad("begins with a slash");
        }
        if text.split('/').any(|part| part.is_empty() || part == "." || part == "..") {
            return bad("has an empty part, `.` or `..`");
        }
        if text.chars().any(char::is_control) {
            return bad("has a control character");
        }
        if text.split('/').next() == Some(DATASTORE_FOLDER) {
            return bad("is where a data disk has the state of the cluster");
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for DirName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_value!(DirName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_path_below_the_disk_is_accepted() {
        for good in ["media", "media/photos", "with space", "..x", "k3s-datastores", "a/k3s-datastore"] {
            assert_eq!(good.parse::<DirName>().unwrap().as_str(), good);
        }
        for bad in
            ["", "/media", "../x", "a/../b", "a//b", "a/", "./a", "a\nb", "k3s-datastore", "k3s-datastore/x"]
        {
            assert!(bad.parse::<DirName>().is_err(), "{bad:?}");
        }
    }
}
