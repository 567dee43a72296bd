//! Labels of Kubernetes nodes.
//!
//! The syntax is that of apimachinery's `IsQualifiedName` and `IsValidLabelValue`. The keys that a kubelet may set on
//! its own node are those of its `--node-labels` flag (k8s.io/kubelet/pkg/apis `IsKubeletLabel`).

use std::fmt;
use std::str::FromStr;

use hc_common::value::ValueError;
use hc_common::value::is_label;

/// The key of a label that a node may put on itself, such as `disk` or `example.org/disk`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LabelKey(String);

/// The value of a label; may be empty.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LabelValue(String);

/// The maximum length of a name and of a value.
const LONGEST: usize = 63;
/// The maximum length of a prefix.
const LONGEST_PREFIX: usize = 253;

/// Keys below kubernetes.io and k8s.io that a kubelet may set despite their prefix.
const ALLOWED: [&str; 13] = [
    "kubernetes.io/hostname",
    "kubernetes.io/arch",
    "kubernetes.io/os",
    "beta.kubernetes.io/arch",
    "beta.kubernetes.io/os",
    "beta.kubernetes.io/instance-type",
    "node.kubernetes.io/instance-type",
    "failure-domain.beta.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.kubernetes.io/region",
    "failure-domain.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
];

/// Prefixes below kubernetes.io that a kubelet may use, with or without a subdomain.
const ALLOWED_PREFIXES: [&str; 2] = ["kubelet.kubernetes.io", "node.kubernetes.io"];

/// Whether a key has valid syntax, regardless of who may set it.
pub(super) fn is_qualified_name(text: &str) -> bool {
    match text.split_once('/') {
        Some((prefix, name)) => is_prefix(prefix) && is_name(name),
        None => is_name(text),
    }
}

fn is_prefix(text: &str) -> bool {
    text.len() <= LONGEST_PREFIX && text.split('.').all(is_label)
}

fn is_name(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let ends = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_alphanumeric());
    text.len() <= LONGEST
        && text.bytes().all(inner)
        && ends(text.bytes().next())
        && ends(text.bytes().next_back())
}

/// Whether a text is a valid value of a label or a taint.
pub(super) fn is_value(text: &str) -> bool {
    text.is_empty() || is_name(text)
}

/// Whether a kubelet may not set a label with this key on its own node.
fn is_restricted(key: &str) -> bool {
    let Some((prefix, _)) = key.split_once('/') else { return false };
    let within = |domain: &str| {
        prefix == domain || prefix.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
    };
    let of_kubernetes = within("kubernetes.io") || within("k8s.io");
    let open = ALLOWED.contains(&key) || ALLOWED_PREFIXES.iter().any(|domain| within(domain));
    of_kubernetes && !open
}

impl LabelKey {
    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for LabelKey {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |cause: &str, hint: &str| Err(ValueError::new("label key", text, cause, hint));
        if !is_qualified_name(text) {
            return refuse(
                "is not valid in Kubernetes",
                "use up to 63 letters, digits and - _ . with an optional prefix: a domain and a slash",
            );
        }
        if is_restricted(text) {
            return refuse(
                "is reserved for Kubernetes: the kubelet does not start with it",
                "use your own prefix, or set it on the running cluster: kubectl label node <name> <key>=<value>",
            );
        }
        Ok(Self(text.to_owned()))
    }
}

impl LabelValue {
    /// The value as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for LabelValue {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if !is_value(text) {
            return Err(ValueError::new(
                "label value",
                text,
                "is not valid in Kubernetes",
                "use up to 63 letters, digits and - _ . with a letter or a digit at both ends",
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for LabelKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for LabelValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_key_that_a_node_may_set_is_accepted() {
        for good in [
            "disk",
            "Disk_1.a",
            "example.org/disk",
            "topology.kubernetes.io/zone",
            "topology.kubernetes.io/region",
            "node.kubernetes.io/anything",
            "x.node.kubernetes.io/anything",
            "mykubernetes.io/x",
            "node.longhorn.io/create-default-disk",
        ] {
            assert_eq!(good.parse::<LabelKey>().unwrap().as_str(), good);
        }
        let (long, prefix) = ("x".repeat(64), format!("{}/x", "abc.".repeat(64) + "d"));
        for (bad, want) in [
            ("", "not valid in Kubernetes"),
            ("/x", "not valid in Kubernetes"),
            ("example.org/", "not valid in Kubernetes"),
            ("a/b/c", "not valid in Kubernetes"),
            ("Example.org/x", "not valid in Kubernetes"),
            ("-x", "not valid in Kubernetes"),
            ("x ", "not valid in Kubernetes"),
            ("x=y", "not valid in Kubernetes"),
            (&long, "not valid in Kubernetes"),
            (&prefix, "not valid in Kubernetes"),
            ("node-role.kubernetes.io/worker", "does not start"),
            ("kubernetes.io/x", "does not start"),
            ("node-restriction.kubernetes.io/x", "does not start"),
            ("x.k8s.io/y", "does not start"),
        ] {
            let error = bad.parse::<LabelKey>().unwrap_err().to_string();
            assert!(error.contains(want), "{bad:?}: {error}");
        }
    }

    #[test]
    fn only_a_valid_label_value_is_accepted() {
        for good in ["", "ssd", "v1.2_3-x", "0"] {
            assert_eq!(good.parse::<LabelValue>().unwrap().as_str(), good);
        }
        for bad in ["a b", "-a", "a/b", "ä", &"x".repeat(64)] {
            assert!(bad.parse::<LabelValue>().is_err(), "{bad}");
        }
    }
}
