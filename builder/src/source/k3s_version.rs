//! Versions and channels of k3s.

use std::fmt;
use std::str::FromStr;

/// A k3s release such as `v1.36.2+k3s1`, or a release candidate such as `v1.36.2-rc1+k3s1`. Newer is greater.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct K3sVersion {
    /// Kubernetes' major, minor and patch number.
    kubernetes: (u32, u32, u32),
    candidate: Candidate,
    /// The number after `k3s`.
    revision: u32,
}

/// Candidates come before the release; the derived order relies on the order of the variants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Candidate {
    Number(u32),
    Released,
}

/// Text that is not a version of k3s.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid k3s version \"{0}\": expected the form v1.36.2+k3s1")]
pub struct BadVersion(String);

impl K3sVersion {
    /// The minor version of Kubernetes: 36 for `v1.36.2+k3s1`.
    pub fn minor(&self) -> u32 {
        self.kubernetes.1
    }

    /// Major, minor and patch number of Kubernetes.
    pub fn kubernetes(&self) -> [u64; 3] {
        let (major, minor, patch) = self.kubernetes;
        [major, minor, patch].map(u64::from)
    }

    /// Whether it is the release of Kubernetes 1.`minor`.`patch` or a later one; a candidate for that is not.
    pub(super) fn is_at_least(&self, minor: u32, patch: u32) -> bool {
        *self >= Self { kubernetes: (1, minor, patch), candidate: Candidate::Released, revision: 0 }
    }
}

impl FromStr for K3sVersion {
    type Err = BadVersion;

    fn from_str(text: &str) -> Result<Self, BadVersion> {
        parse(text).ok_or_else(|| BadVersion(text.chars().take(80).collect()))
    }
}

fn parse(text: &str) -> Option<K3sVersion> {
    let (version, revision) = text.strip_prefix('v')?.split_once("+k3s")?;
    let (version, candidate) = match version.split_once("-rc") {
        Some((version, candidate)) => (version, Candidate::Number(number(candidate)?)),
        None => (version, Candidate::Released),
    };
    let mut parts = version.split('.').map(number);
    let kubernetes = (parts.next()??, parts.next()??, parts.next()??);
    let complete = parts.next().is_none();
    complete.then_some(K3sVersion { kubernetes, candidate, revision: number(revision)? })
}

/// Digits only, without a leading zero: each version has exactly one spelling.
fn number(text: &str) -> Option<u32> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

impl fmt::Display for K3sVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor, patch) = self.kubernetes;
        write!(f, "v{major}.{minor}.{patch}")?;
        if let Candidate::Number(n) = self.candidate {
            write!(f, "-rc{n}")?;
        }
        write!(f, "+k3s{}", self.revision)
    }
}

impl TryFrom<String> for K3sVersion {
    type Error = BadVersion;

    fn try_from(text: String) -> Result<Self, BadVersion> {
        text.parse()
    }
}

impl From<K3sVersion> for String {
    fn from(version: K3sVersion) -> Self {
        version.to_string()
    }
}

/// A requested version: an exact one, or a channel.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum K3sVersionReq {
    /// Exactly this version.
    Version(K3sVersion),
    /// A channel of k3s's channel server: `stable`, `latest`, `v1.36`.
    Channel(String),
}

/// Text that is neither.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid k3s version \"{0}\": expected a release (v1.36.2+k3s1) or a channel (stable, latest, v1.36)"
)]
pub struct BadVersionReq(String);

impl FromStr for K3sVersionReq {
    type Err = BadVersionReq;

    fn from_str(text: &str) -> Result<Self, BadVersionReq> {
        let minor = |text: &str| {
            let (major, minor) = text.strip_prefix('v')?.split_once('.')?;
            number(major).zip(number(minor))
        };
        match text {
            "stable" | "latest" | "testing" => Ok(Self::Channel(text.to_owned())),
            _ if minor(text).is_some() => Ok(Self::Channel(text.to_owned())),
            _ => text.parse().map(Self::Version).map_err(|BadVersion(text)| BadVersionReq(text)),
        }
    }
}

impl TryFrom<String> for K3sVersionReq {
    type Error = BadVersionReq;

    fn try_from(text: String) -> Result<Self, BadVersionReq> {
        text.parse()
    }
}

impl From<K3sVersionReq> for String {
    fn from(wanted: K3sVersionReq) -> Self {
        match wanted {
            K3sVersionReq::Version(version) => version.to_string(),
            K3sVersionReq::Channel(channel) => channel,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_valid_version_is_written_as_it_was_read() {
        for text in ["v1.36.2+k3s1", "v1.30.10+k3s12", "v1.36.0-rc2+k3s1"] {
            assert_eq!(text.parse::<K3sVersion>().unwrap().to_string(), text);
        }
        assert_eq!("v1.36.2+k3s1".parse::<K3sVersion>().unwrap().minor(), 36);
    }

    #[test]
    fn an_invalid_version_is_rejected() {
        for text in [
            "",
            "v",
            "1.36.2+k3s1",
            "v1.36.2",
            "v1.36.2+k3s",
            "v1.36+k3s1",
            "v1.36.2.1+k3s1",
            "v1.36.2-k3s1",
            "v1.36.2%2Bk3s1",
            "v1.36.2+k3s1/../..",
            "v01.36.2+k3s1",
            "v1.36.2+k3s1 ",
            "v1.+36.2+k3s1",
            "v1.36.99999999999+k3s1",
            "v1.36.2-rc+k3s1",
            "v1.36.2+rke2r1",
        ] {
            assert!(text.parse::<K3sVersion>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_newer_version_is_greater() {
        let sorted = [
            "v1.9.9+k3s1",
            "v1.36.2-rc1+k3s1",
            "v1.36.2-rc2+k3s1",
            "v1.36.2+k3s1",
            "v1.36.2+k3s2",
            "v1.36.10+k3s1",
            "v2.0.0+k3s1",
        ];
        let versions: Vec<K3sVersion> = sorted.iter().map(|text| text.parse().unwrap()).collect();
        assert!(versions.is_sorted_by(|a, b| a < b), "{versions:?}");
    }

    #[test]
    fn a_version_requirement_is_a_release_or_a_channel() {
        assert_eq!("stable".parse(), Ok(K3sVersionReq::Channel("stable".into())));
        assert_eq!("v1.36".parse(), Ok(K3sVersionReq::Channel("v1.36".into())));
        assert!(matches!("v1.36.2+k3s1".parse(), Ok(K3sVersionReq::Version(_))));
        for bad in ["", "Stable", "v1", "1.36", "v1.36.2", "../stable", "v1.36/x"] {
            assert!(bad.parse::<K3sVersionReq>().is_err(), "{bad}");
        }
    }
}
