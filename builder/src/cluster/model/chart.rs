//! A Helm chart, and how k3s installs it.

use crate::charts::ChartPlace;
use crate::formats::helm_chart::FailurePolicy;
use crate::value::{DnsLabel, Secret};

/// A Helm chart that k3s installs.
#[derive(Debug, Clone)]
pub struct Chart {
    /// The name of the release.
    pub release: DnsLabel,
    /// Where the chart comes from.
    pub place: ChartPlace,
    /// The namespace of its objects.
    pub namespace: DnsLabel,
    /// Values, as YAML.
    pub values: Option<String>,
    /// Values that only the cluster may know, as YAML.
    pub secret_values: Option<Secret>,
    /// What k3s does where Helm fails.
    pub failure_policy: Option<FailurePolicy>,
    /// Whether the cluster needs it to begin with.
    pub bootstrap: bool,
    /// Where an overlay brings it.
    pub overlay: Option<ChartOverlay>,
}

/// The overlay that brings a chart. What the chart has of secret values then has masks for the secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChartOverlay {
    /// Its name.
    pub name: DnsLabel,
    /// The template of the secret values.
    pub secret_values: Option<String>,
}

impl Chart {
    /// The name of the `Addon` object that k3s creates for its file.
    pub fn addon(&self) -> String {
        Self::addon_of(&self.release)
    }

    /// The same for a chart of this name.
    pub(in crate::cluster) fn addon_of(release: &DnsLabel) -> String {
        format!("chart-{release}")
    }
}
