//! The cluster file as it is written: the doc comments here are the reference that users read.

mod data_disk;
mod k3s;
mod network;
mod node;
mod registries;
mod user;

pub(super) use data_disk::{DataDiskTable, DirTable};
pub(super) use k3s::{ExternalTable, K3sTable, SettingValue};
pub(super) use network::{NetworkTable, WifiTable};
pub(super) use node::NodeTable;
pub(super) use registries::{ConfigTable, MirrorTable, RegistriesTable, TlsTable};
pub(super) use user::UserTable;

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use crate::value::{DnsLabel, Host, TimeZone};

use super::field::{Entries, Field};
use super::field_type::{BoardName, FileName};

/// One file describes a whole cluster. `hcimage init` writes a commented one.
///
/// Paths are relative to the directory of the cluster file. A secret may stand in the file itself or in a file of its
/// own: `psk = { file = "wifi-password.txt" }`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("required" = ["schema", "name", "nodes"]))]
pub(super) struct File {
    /// The version of this format: always 1.
    #[schemars(extend("minimum" = 1, "maximum" = 1, "examples" = [1]))]
    pub(super) schema: Option<Field<u32>>,
    /// What the cluster is called. It is also the name of the kubeconfig's context.
    #[schemars(extend("examples" = ["home"]))]
    pub(super) name: Option<Field<DnsLabel>>,
    /// A fixed name or address under which the API always answers: a name of your DNS, a reservation of your DHCP
    /// server, or a virtual address. The kubeconfig uses it.
    ///
    /// Nodes join at the first server's own fixed address. Where that server has none (DHCP), they join here, so it
    /// must lead to the first server.
    #[schemars(extend("examples" = ["k3s.home.lan"]))]
    pub(super) api: Option<Field<Host>>,
    /// Further names and addresses under which you want to reach the API. The servers' own names and addresses, and
    /// `api`, need not be listed.
    #[schemars(extend("examples" = [["k3s.example.org"]], "default" = []))]
    pub(super) tls_san: Vec<Field<Host>>,
    /// The time zone of all nodes. Without it the base image's own stays.
    #[schemars(extend("examples" = ["Europe/Berlin"]))]
    pub(super) time_zone: Option<Field<TimeZone>>,
    /// YAML or JSON files that k3s applies when the cluster starts. The part of a file's name before the first dot
    /// must be unique, of small letters, digits and hyphens.
    #[schemars(extend("examples" = [["apps/shop.yaml"]], "default" = []))]
    pub(super) manifests: Vec<Field<FileName>>,
    pub(super) k3s: K3sTable,
    pub(super) external_datastore: Option<ExternalTable>,
    pub(super) network: NetworkTable,
    /// One table a node, in any order. The first server in the file begins the cluster; all others join it.
    pub(super) nodes: Vec<NodeTable>,
    pub(super) data_disk: Option<DataDiskTable>,
    /// Accounts on every node. Without any, nobody can log in to a node but by accounts that you have put into the image
    /// yourself, and `kubectl` is the only way in: the default account of the base is not made, and an empty password is
    /// taken away.
    pub(super) users: Vec<UserTable>,
    pub(super) registries: Option<RegistriesTable>,
    /// What a board's images are built from, by the board's name. Without it the board's default base is downloaded.
    pub(super) boards: Entries<BoardName, BoardTable>,
    /// Reserved: overlays are not available in this version, and a file that has one is refused.
    pub(super) overlays: Entries<DnsLabel, Parameters>,
}

/// What the images of one board are built from.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct BoardTable {
    /// The stock image, a file or an https address: a raw or qcow2 image, or one packed with xz, gzip, zstd, tar or zip.
    /// An address needs a `.sha256` file beside it.
    #[schemars(extend("examples" = ["debian-12.img"]))]
    pub(super) base: Option<Field<FileName>>,
}

/// The parameters of an overlay: any keys, whose values are never shown.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Parameters {}

impl JsonSchema for Parameters {
    fn schema_name() -> Cow<'static, str> {
        "Parameters".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "additionalProperties": { "writeOnly": true } })
    }
}
