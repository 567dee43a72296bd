//! What a node's name in the cluster has after its host name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::error::ValueError;
use super::hostname::Hostname;

/// Eight lowercase hexadecimal digits that follow a node's host name, as k3s's `with-node-id` appends them (`ensureNodeID` in
/// `pkg/agent/config/config.go`). k3s draws them on the node; here they are the same on every card of the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NodeId(String);

impl NodeId {
    /// The first digits of a digest. `None` where it has fewer, or others than lowercase hexadecimal ones.
    pub fn of_digest(digest: &str) -> Option<Self> {
        digest.get(..Self::DIGITS)?.parse().ok()
    }

    /// The node's name in the cluster.
    ///
    /// # Errors
    /// When it is longer than a host name may be.
    pub fn appended_to(&self, hostname: &Hostname) -> Result<Hostname, ValueError> {
        format!("{hostname}-{self}").parse()
    }

    const DIGITS: usize = 8;
}

impl FromStr for NodeId {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_digit = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        if text.len() == Self::DIGITS && text.bytes().all(is_digit) {
            return Ok(Self(text.to_owned()));
        }
        Err(ValueError::new("node ID", text, "is none", "use eight digits from 0 to 9 and a to f"))
    }
}

impl TryFrom<String> for NodeId {
    type Error = ValueError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<NodeId> for String {
    fn from(id: NodeId) -> Self {
        id.0
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_eight_digits_after_a_name() {
        let id: NodeId = "0a1b2c3d".parse().unwrap();
        assert_eq!(id.appended_to(&"hc-1".parse().unwrap()).unwrap().as_str(), "hc-1-0a1b2c3d");
        assert!(id.appended_to(&"a".repeat(54).parse().unwrap()).is_ok());
        assert!(id.appended_to(&"a".repeat(55).parse().unwrap()).is_err());
        assert_eq!(NodeId::of_digest("0a1b2c3d4e5f"), Some(id));
        for bad in ["", "0a1b2c3", "0a1b2c3d4", "0A1B2C3D", "0a1b2c3g", "0a1b2cé"] {
            assert!(bad.parse::<NodeId>().is_err(), "{bad}");
        }
        assert_eq!(NodeId::of_digest("0a1b2c"), None);
    }
}
