//! `[k3s]` and `[external-datastore]`.

use schemars::{JsonSchema, Schema, json_schema};
use serde::Deserialize;

use crate::cluster::field::{Entries, Field};
use crate::cluster::field_type::{DatastoreKind, FieldType, FileName, SecretSource, SettingKey};
use crate::cluster::model::{Component, FlannelBackend, Setting};
use crate::cluster::problem::InvalidValue;
use crate::source::k3s_version::K3sVersionReq;
use crate::value::{DatastoreEndpoint, DomainName, KubeconfigMode, Secret, Subnet, TokenPassword};

/// k3s itself. Most settings cannot be changed once the cluster exists.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::cluster) struct K3sTable {
    /// A release, such as `v1.36.2+k3s1`, or a channel: `stable`, `latest`, `v1.36`. The release of a channel is locked
    /// in `hcimage.lock`, so all nodes and later builds use the same one.
    #[schemars(extend("default" = "stable", "examples" = ["v1.36.2+k3s1"]))]
    pub(in crate::cluster) version: Option<Field<K3sVersionReq>>,
    /// Where the cluster keeps its state: `sqlite` for one server; `etcd` for an odd number of at least three servers, of
    /// which a minority may fail; `external` for your own database, see `[external-datastore]`.
    #[schemars(extend("default" = "sqlite", "examples" = ["etcd"]))]
    pub(in crate::cluster) datastore: Option<Field<DatastoreKind>>,
    /// How packets travel between pods on different nodes. `wireguard-native` encrypts them; `host-gw` is faster if all
    /// nodes are in one network; with `none` a manifest must install a pod network, such as Cilium.
    #[schemars(extend("default" = "vxlan", "examples" = ["wireguard-native"]))]
    pub(in crate::cluster) flannel_backend: Option<Field<FlannelBackend>>,
    /// Packaged components of k3s to disable. k3s deletes the manifest with the name of a disabled component: a file in
    /// `manifests` must not have such a name. `gateway-api-crd` exists in k3s 1.37 and later.
    #[schemars(extend("default" = [], "examples" = [["traefik", "servicelb"]]))]
    pub(in crate::cluster) disable: Vec<Field<Component>>,
    /// Whether Kubernetes secrets are encrypted in the datastore. It cannot be enabled later; `hcimage init` writes `true`.
    #[schemars(extend("default" = false, "examples" = [true]))]
    pub(in crate::cluster) secrets_encryption: Option<Field<bool>>,
    /// The networks of the pods: one network, or one IPv4 and one IPv6 network. They must overlap neither your own
    /// network nor `service-cidr`.
    #[schemars(extend("default" = ["10.42.0.0/16"], "examples" = [["10.42.0.0/16", "fd42::/56"]]))]
    pub(in crate::cluster) cluster_cidr: Vec<Field<Subnet>>,
    /// The networks of the services: the same number and address families as `cluster-cidr`.
    #[schemars(extend("default" = ["10.43.0.0/16"], "examples" = [["10.43.0.0/16", "fd43::/112"]]))]
    pub(in crate::cluster) service_cidr: Vec<Field<Subnet>>,
    /// The domain of services inside the cluster.
    #[schemars(extend("default" = "cluster.local"))]
    pub(in crate::cluster) cluster_domain: Option<Field<DomainName>>,
    /// A token of your own choice, which servers join with: at least 20 random hexadecimal digits or 14 random letters and
    /// digits. The default is a random one. It is kept in the secrets file from the first build on; to change it later,
    /// change it here and run `hcimage rotate server-token`.
    #[schemars(extend("examples" = [{ "file": "token.txt" }]))]
    pub(in crate::cluster) token: Option<Field<SecretSource<TokenPassword>>>,
    /// The same for the token that agents join with, which must be another one: `hcimage rotate agent-token`.
    #[schemars(extend("examples" = [{ "file": "agent-token.txt" }]))]
    pub(in crate::cluster) agent_token: Option<Field<SecretSource<TokenPassword>>>,
    /// Permissions of the kubeconfig on the servers. `0644` makes every user of a server an administrator of the cluster.
    #[schemars(extend("default" = "0600"))]
    pub(in crate::cluster) kubeconfig_mode: Option<Field<KubeconfigMode>>,
    /// Whether the name of each Kubernetes node has eight digits more than its host name, such as `hc-1-4f0c7d12`: for a cluster in
    /// which host names repeat. They are made of the names of cluster and node, so a node that is flashed again has the same.
    #[schemars(extend("default" = false))]
    pub(in crate::cluster) with_node_id: Option<Field<bool>>,
    /// More settings for all servers, as in k3s's `config.yaml`: long flags without the leading hyphens. Keys that
    /// hcimage sets itself are rejected.
    #[schemars(extend("examples" = [{ "etcd-snapshot-retention": 10, "kubelet-arg": ["max-pods=200"] }]))]
    pub(in crate::cluster) server: Entries<SettingKey, SettingValue>,
    /// More settings for all agents. An agent does not start with a key for servers, so such keys are rejected.
    #[schemars(extend("examples" = [{ "kubelet-arg": ["max-pods=200"] }]))]
    pub(in crate::cluster) agent: Entries<SettingKey, SettingValue>,
}

/// Your own database, for `datastore = "external"` in `[k3s]`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("required" = ["endpoint"]))]
pub(in crate::cluster) struct ExternalTable {
    /// The address of the database: PostgreSQL, MySQL (with MariaDB), NATS or etcd. It usually contains a password, so
    /// keep it in a separate file. Special characters of the password are percent-encoded for PostgreSQL, `#` as `%23`;
    /// for MySQL they stay as they are. Make the database beforehand, with this user as its owner; without a name it is
    /// `kubernetes`.
    #[schemars(extend("examples" = [{ "file": "datastore-endpoint.txt" }, "postgres://k3s:password@db.home.lan:5432/k3s", "mysql://k3s:password@tcp(db.home.lan:3306)/k3s"]))]
    pub(in crate::cluster) endpoint: Option<Field<SecretSource<DatastoreEndpoint>>>,
    /// The CA certificate (PEM) that verifies the database's certificate.
    #[schemars(extend("examples" = ["db-ca.pem"]))]
    pub(in crate::cluster) ca_file: Option<Field<FileName>>,
    /// The client certificate (PEM) for the database. Needs `key-file`.
    pub(in crate::cluster) cert_file: Option<Field<FileName>>,
    /// The private key (PEM) of that certificate. Needs `cert-file`.
    pub(in crate::cluster) key_file: Option<Field<FileName>>,
}

/// The value of one of k3s's settings.
pub(in crate::cluster) type SettingValue = Field<Setting>;

/// The TOML form of a setting.
#[derive(Deserialize)]
#[serde(untagged)]
pub(in crate::cluster) enum RawSetting {
    Switch(bool),
    Number(i64),
    Text(String),
    List(Vec<String>),
}

impl FieldType for Setting {
    type Raw = RawSetting;

    fn from_raw(raw: RawSetting) -> Result<Self, InvalidValue> {
        Ok(match raw {
            RawSetting::Switch(on) => Self::Switch(on),
            RawSetting::Number(number) => Self::Number(number),
            RawSetting::Text(text) => Self::Text(text),
            RawSetting::List(items) => Self::List(items),
        })
    }

    fn schema() -> Schema {
        json_schema!({ "type": ["string", "integer", "boolean", "array"], "items": { "type": "string" }, "writeOnly": true })
    }
}

/// A secret without a format of its own.
pub(in crate::cluster) type SecretField = Field<SecretSource<Secret>>;
