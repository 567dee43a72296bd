//! What an overlay asks for, as `overlay.toml` has it.
//!
//! Names, versions, paths and settings in these tables may hold `{{ expressions }}`; a table with `when` counts only where that expression is true.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::value::{DnsLabel, Role, UnitName};

use super::needs::PromiseKind;
/// What `overlay.toml` asks for.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Wants {
    pub(super) images: Vec<ImageWant>,
    pub(super) charts: Vec<ChartWant>,
    pub(super) packages: Vec<PackageWant>,
    pub(super) directories: Vec<DirWant>,
    pub(super) folders: Vec<FolderWant>,
    pub(super) k3s: Vec<K3sWant>,
    pub(super) provides: Vec<Word>,
    pub(super) modules: Vec<Word>,
    pub(super) sysctls: BTreeMap<String, String>,
    pub(super) files: Vec<FileWant>,
    pub(super) ready: Vec<ReadyWant>,
}

/// A word, which may count only where an expression is true.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(super) enum Word {
    Always(String),
    Sometimes { name: String, when: String },
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct FileWant {
    /// On the node, below `/etc`.
    pub(super) path: String,
    /// A template in the folder.
    pub(super) template: String,
    pub(super) mode: Option<String>,
    /// The node that has it; none is every node.
    pub(super) node: Option<String>,
    pub(super) when: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct ImageWant {
    pub(super) name: String,
    pub(super) when: Option<String>,
    pub(super) role: Option<Role>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct ChartWant {
    pub(super) name: DnsLabel,
    pub(super) chart: Option<String>,
    pub(super) repo: String,
    pub(super) version: String,
    pub(super) namespace: DnsLabel,
    /// A template in the folder.
    pub(super) values: Option<String>,
    /// A template in the folder that names secrets.
    pub(super) secret_values: Option<String>,
    pub(super) failure_policy: Option<String>,
    #[serde(default)]
    pub(super) bootstrap: bool,
    pub(super) memory: Option<String>,
    pub(super) memory_each_node: Option<String>,
    pub(super) when: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct PackageWant {
    pub(super) name: String,
    #[serde(default)]
    pub(super) recommends: bool,
    #[serde(default)]
    pub(super) enable: Vec<UnitName>,
    #[serde(default)]
    pub(super) disable: Vec<UnitName>,
    pub(super) role: Option<Role>,
    /// The node that gets it; none is any.
    pub(super) node: Option<String>,
    pub(super) when: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct DirWant {
    /// Below the mount point of the data disk.
    pub(super) path: String,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) mode: String,
    /// The node that has it; none is every node.
    pub(super) node: Option<String>,
    pub(super) when: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct FolderWant {
    /// A parameter of the type `folder`. No path: which files of a machine an overlay gets is for its user to say.
    pub(super) from: String,
    /// Below the overlay's own place on the node.
    pub(super) path: String,
    /// The node that has it; none is every node.
    pub(super) node: Option<String>,
    pub(super) when: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct K3sWant {
    #[serde(default)]
    pub(super) disable: Vec<String>,
    pub(super) flannel_backend: Option<String>,
    #[serde(default)]
    pub(super) server: BTreeMap<String, toml::Value>,
    #[serde(default)]
    pub(super) agent: BTreeMap<String, toml::Value>,
    #[serde(default)]
    pub(super) tls_san: Vec<String>,
    pub(super) when: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct ReadyWant {
    pub(super) kind: PromiseKind,
    /// `namespace/name`.
    pub(super) name: String,
    pub(super) when: Option<String>,
}

impl Wants {
    /// The templates of charts' values.
    pub(super) fn values(&self) -> impl Iterator<Item = &String> {
        self.charts.iter().flat_map(|chart| chart.values.iter().chain(&chart.secret_values))
    }

    /// The parameters whose folders go onto nodes.
    pub(super) fn folder_parameters(&self) -> impl Iterator<Item = &str> {
        self.folders.iter().map(|want| want.from.as_str())
    }
}
