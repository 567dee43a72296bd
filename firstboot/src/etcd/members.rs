//! The members of the cluster's etcd, as one of its servers lists them.

use std::net::IpAddr;
use std::time::Duration;

use hc_common::value::Host;
use serde::Deserialize;

use crate::join_probe::{self, JoinError, Token};
use crate::seed::Endpoint;
use crate::sys::System;

/// How long the random end of a member's name is.
const SUFFIX: usize = 8;

/// One member.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Member {
    /// The node's name with a random end; empty for a member that has not started yet.
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default, rename = "peerURLs")]
    peer_urls: Vec<String>,
    #[serde(default, rename = "isLearner")]
    pub(crate) learner: bool,
}

#[derive(Deserialize)]
struct Info {
    #[serde(default)]
    members: Vec<Member>,
}

/// All members, as `server` lists them.
pub(crate) fn ask(
    sys: &dyn System,
    server: &Endpoint,
    token: &Token,
    end: Duration,
) -> Result<Vec<Member>, JoinError> {
    let body = join_probe::members(sys, server, token, end)?;
    let info: Info = serde_json::from_slice(&body)
        .map_err(|e| JoinError::Talk(format!("its list of etcd members cannot be read ({e})")))?;
    Ok(info.members)
}

impl Member {
    /// Whether it is the member of a node: `<node>-<8 hex digits>`.
    pub(crate) fn is_of(&self, node: &str) -> bool {
        let hex = |end: &str| end.len() == SUFFIX && end.bytes().all(|b| b.is_ascii_hexdigit());
        self.name.rsplit_once('-').is_some_and(|(name, end)| name == node && hex(end))
    }

    /// The addresses where the other members reach it.
    pub(crate) fn addresses(&self) -> Vec<IpAddr> {
        let address = |url: &String| {
            let (_, place) = url.split_once("://")?;
            match place.parse::<Endpoint>().ok()?.host() {
                Host::Address(address) => Some(*address),
                Host::Name(_) => None,
            }
        };
        self.peer_urls.iter().filter_map(address).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, url: &str) -> Member {
        Member { name: name.to_owned(), peer_urls: vec![url.to_owned()], learner: false }
    }

    #[test]
    fn a_member_belongs_to_one_node() {
        for (name, node, expected) in [
            ("hc-1-0a1b2c3d", "hc-1", true),
            ("hc-1-0a1b2c3d", "hc", false),
            ("hc-1-0a1b2c3d", "hc-1-0a1b2c3d", false),
            ("hc-1-0a1b2c3d-0a1b2c3d", "hc-1", false),
            ("hc-1-0a1b2c3", "hc-1", false),
            ("hc-1-0a1b2c3g", "hc-1", false),
            ("hc-1", "hc-1", false),
            ("", "hc-1", false),
        ] {
            assert_eq!(member(name, "").is_of(node), expected, "{name} of {node}");
        }
    }

    #[test]
    fn addresses_of_both_families() {
        let address = |url| member("a", url).addresses();
        assert_eq!(address("https://10.0.0.1:2380"), ["10.0.0.1".parse::<IpAddr>().unwrap()]);
        assert_eq!(address("https://[fd00::1]:2380"), ["fd00::1".parse::<IpAddr>().unwrap()]);
        for strange in ["", "10.0.0.1:2380", "https://", "https://a.example:2380", "unix:///x"] {
            assert!(address(strange).is_empty(), "{strange}");
        }
    }

    /// As k3s writes it: identifiers are numbers up to 2^64.
    #[test]
    fn the_list_of_k3s_is_read() {
        let text = r#"{"members":[{"ID":17305990437372234527,"name":"hc-2-5a1b2c3d","peerURLs":["https://10.0.0.2:2380"],
            "clientURLs":["https://10.0.0.2:2379"]},{"ID":3,"peerURLs":["https://10.0.0.3:2380"],"isLearner":true}]}"#;
        let Info { members } = serde_json::from_str(text).unwrap();
        assert!(members[0].is_of("hc-2") && !members[0].learner);
        assert!(members[1].name.is_empty() && members[1].learner);
    }
}
