//! `[[packages]]`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::cluster::field::Field;
use crate::value::{Hostname, PackageName, Role, UnitName};

/// A package of the base's own distribution, with all that it needs. It is taken from the base's own sources while building,
/// and installed by `dpkg` on the first boot, before k3s starts: no network is needed.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("required" = ["name"]))]
pub(in crate::cluster) struct PackageTable {
    /// The name of the package.
    #[schemars(extend("examples" = ["open-iscsi"]))]
    pub(in crate::cluster) name: Option<Field<PackageName>>,
    /// Whether what it recommends is installed too, as `apt` does by default. That may be a whole kernel.
    #[schemars(extend("examples" = [true], "default" = false))]
    pub(in crate::cluster) recommends: Option<Field<bool>>,
    /// Units that are enabled and started, besides those that the package enables itself.
    #[schemars(extend("examples" = [["iscsid.service"]], "default" = []))]
    pub(in crate::cluster) enable: Vec<Field<UnitName>>,
    /// Units that the package would enable, and that are neither started nor enabled.
    #[schemars(extend("examples" = [["nfs-server.service"]], "default" = []))]
    pub(in crate::cluster) disable: Vec<Field<UnitName>>,
    /// The role of the nodes that get it. The default is both.
    #[schemars(extend("examples" = ["agent"]))]
    pub(in crate::cluster) role: Option<Field<Role>>,
    /// The nodes that get it. The default is all.
    #[schemars(extend("examples" = [["home-2"]], "default" = []))]
    pub(in crate::cluster) nodes: Vec<Field<Hostname>>,
}
