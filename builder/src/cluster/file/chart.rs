//! `[[charts]]`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::charts::{ChartName, ChartRepo, ChartVersion};
use crate::cluster::field::Field;
use crate::cluster::field_type::{FileName, Word};
use crate::formats::helm_chart::FailurePolicy;
use crate::value::DnsLabel;

use super::k3s::SecretField;

/// A Helm chart that k3s installs when the cluster starts. The servers have it from the start, so no network is needed; the
/// container images that it asks for must be in `[[images]]`: `hcimage images --check` compares them.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("required" = ["name"]))]
pub(in crate::cluster) struct ChartTable {
    /// The name of the release.
    #[schemars(extend("examples" = ["metallb"]))]
    pub(in crate::cluster) name: Option<Field<DnsLabel>>,
    /// The repository: the address that `helm repo add` takes, or `oci://` with the part of a registry above the chart.
    #[schemars(extend("examples" = ["https://metallb.github.io/metallb"]))]
    pub(in crate::cluster) repo: Option<Field<ChartRepo>>,
    /// The chart in the repository. The default is `name`.
    #[schemars(extend("examples" = ["metallb"]))]
    pub(in crate::cluster) chart: Option<Field<ChartName>>,
    /// The version, complete. Needed with `repo`.
    #[schemars(extend("examples" = ["0.16.1"]))]
    pub(in crate::cluster) version: Option<Field<ChartVersion>>,
    /// In place of `repo`: a packed chart, or the folder of one.
    #[schemars(extend("examples" = ["charts/shop"]))]
    pub(in crate::cluster) path: Option<Field<FileName>>,
    /// The namespace of its objects, which is created.
    #[schemars(extend("examples" = ["metallb-system"], "default" = "default"))]
    pub(in crate::cluster) namespace: Option<Field<DnsLabel>>,
    /// A YAML file with values.
    #[schemars(extend("examples" = ["metallb.yaml"]))]
    pub(in crate::cluster) values: Option<Field<FileName>>,
    /// A YAML file with values that only the cluster may know, such as passwords. They are kept in a Secret, and win over
    /// `values`.
    #[schemars(extend("examples" = ["shop-secrets.yaml"]))]
    pub(in crate::cluster) secret_values: Option<Field<FileName>>,
    /// What k3s does where Helm fails: `reinstall` uninstalls the release, with volumes that it made, and begins anew, so it
    /// heals by itself; `retry` upgrades what is there (k3s 1.35.8, 1.36.3 or later); `abort` leaves it to you. Choose
    /// `retry` or `abort` for charts that keep data.
    #[schemars(extend("examples" = ["abort"], "default" = "reinstall"))]
    pub(in crate::cluster) failure_policy: Option<Field<FailurePolicy>>,
    /// Whether the cluster needs it to begin with, such as a pod network: Helm then runs on the host's network.
    #[schemars(extend("examples" = [true], "default" = false))]
    pub(in crate::cluster) bootstrap: Option<Field<bool>>,
    pub(in crate::cluster) auth: ChartAuthTable,
    /// The CA certificate that verifies the repository's, in PEM format.
    #[schemars(extend("examples" = ["home-ca.pem"]))]
    pub(in crate::cluster) ca_file: Option<Field<FileName>>,
}

/// Who asks the repository. It is used while building, and not on the nodes. For `oci://` see `[registries]`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::cluster) struct ChartAuthTable {
    /// The user's name. Needs `password`.
    #[schemars(extend("examples" = ["pull"]))]
    pub(in crate::cluster) username: Option<Field<Word>>,
    /// The password. Needs `username`.
    #[schemars(extend("examples" = [{ "file": "charts-password.txt" }]))]
    pub(in crate::cluster) password: Option<SecretField>,
}
