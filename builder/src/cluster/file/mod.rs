//! The types of the cluster file. Their doc comments are the reference for users.

mod chart;
mod data_disk;
mod image;
mod join;
mod k3s;
mod network;
mod node;
mod overlay;
mod package;
mod registries;
mod report;
mod user;

pub(super) use chart::{ChartAuthTable, ChartTable};
pub(super) use data_disk::{DataDiskTable, DirTable};
pub(super) use image::ImageTable;
pub(super) use join::JoinTable;
pub(super) use k3s::{ExternalTable, K3sTable, SettingValue};
pub(super) use network::{NetworkTable, RouteTable, WifiTable};
pub(super) use node::NodeTable;
pub(super) use overlay::{GivenValue, OverlayTable};
pub(super) use package::PackageTable;
pub(super) use registries::{ConfigTable, MirrorTable, RegistriesTable, TlsTable};
pub(super) use report::ReportTable;
pub(super) use user::UserTable;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_spanned::Spanned;

use crate::value::{DnsLabel, Host, TimeZone};

use super::field::{Entries, Field};
use super::field_type::{BoardName, FileName};

/// One file describes a whole cluster. `hcimage init` writes a commented one.
///
/// Paths are relative to the directory of the cluster file. A secret can be in the file itself or in a separate file:
/// `psk = { file = "wifi-password.txt" }`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("required" = ["schema", "name", "nodes"]))]
pub(super) struct File {
    /// The version of this format: always 1.
    #[schemars(extend("minimum" = 1, "maximum" = 1, "examples" = [1]))]
    pub(super) schema: Option<Field<u32>>,
    /// The name of the cluster and of the kubeconfig's context.
    #[schemars(extend("examples" = ["home"]))]
    pub(super) name: Option<Field<DnsLabel>>,
    /// A fixed name or address of the API: a name in your DNS, a reservation in your DHCP server, or a virtual address.
    /// The kubeconfig uses it.
    ///
    /// Nodes join at the first server's fixed address. If that server has none (DHCP), they join at this address, so it
    /// must lead to the first server.
    #[schemars(extend("examples" = ["k3s.home.lan"]))]
    pub(super) api: Option<Field<Host>>,
    /// More names and addresses of the API, for its certificate. The servers' own names and addresses and `api` are
    /// included already.
    #[schemars(extend("examples" = [["k3s.example.org"]], "default" = []))]
    pub(super) tls_san: Vec<Field<Host>>,
    /// The time zone of all nodes. The default is the base image's own.
    #[schemars(extend("examples" = ["Europe/Berlin"]))]
    pub(super) time_zone: Option<Field<TimeZone>>,
    /// YAML or JSON files that k3s applies when the cluster starts. The part of a file's name before the first dot must
    /// be unique, use only lowercase letters, digits and hyphens, and not be that of a manifest of k3s itself.
    #[schemars(extend("examples" = [["apps/shop.yaml"]], "default" = []))]
    pub(super) manifests: Vec<Field<FileName>>,
    /// Whether nodes may pull container images from registries. Otherwise every image that `manifests` names must be in
    /// `[[images]]` or in k3s itself, with a version, so that the nodes need no network.
    #[schemars(extend("default" = false, "examples" = [true]))]
    pub(super) online: Option<Field<bool>>,
    /// One table for each image, archive or folder of images.
    #[schemars(with = "Vec<ImageTable>")]
    pub(super) images: Vec<Spanned<ImageTable>>,
    /// One table for each Helm chart.
    #[schemars(with = "Vec<ChartTable>")]
    pub(super) charts: Vec<Spanned<ChartTable>>,
    /// One table for each package of the base's distribution.
    pub(super) packages: Vec<PackageTable>,
    pub(super) k3s: K3sTable,
    pub(super) join: Option<JoinTable>,
    pub(super) external_datastore: Option<ExternalTable>,
    pub(super) network: NetworkTable,
    /// One table per node, in any order. The first server in the file starts the cluster; all other nodes join it. With
    /// `[join]` no node starts one.
    pub(super) nodes: Vec<NodeTable>,
    pub(super) data_disk: Option<DataDiskTable>,
    /// Accounts on every node. Without any, the only access is `kubectl`, or accounts that you added to the base image:
    /// the base's default account is not created, an empty password is removed, and nobody is asked for an account on the
    /// console (`userconf.txt` on the boot partition has no effect).
    pub(super) users: Vec<UserTable>,
    pub(super) report: ReportTable,
    pub(super) registries: Option<RegistriesTable>,
    /// The base image of a board, by the board's name. The default is the board profile's base, which is downloaded.
    pub(super) boards: Entries<BoardName, BoardTable>,
    /// Overlays: applications and capabilities that the cluster has from the start, each with its parameters. `hcimage
    /// overlays` lists them.
    #[schemars(with = "Entries<DnsLabel, OverlayTable>")]
    pub(super) overlays: Entries<DnsLabel, Spanned<OverlayTable>>,
}

/// The base image of one board.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct BoardTable {
    /// The stock image, a file or an https address: a raw or qcow2 image, or one packed with xz, gzip, zstd, tar or zip.
    /// An address needs a `.sha256` file, `SHA256SUMS` or `SHA512SUMS` beside it.
    #[schemars(extend("examples" = ["debian-12.img"]))]
    pub(super) base: Option<Field<FileName>>,
}
