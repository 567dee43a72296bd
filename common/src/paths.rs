//! Names that both programs use on the node.

/// Where k3s looks for archives of container images; it imports them before it starts anything
/// (<https://docs.k3s.io/installation/airgap>).
pub const K3S_IMAGES_DIR: &str = "/var/lib/rancher/k3s/agent/images";

/// Where a server of k3s keeps the state of the cluster, both SQLite and etcd.
pub const K3S_DATASTORE_DIR: &str = "/var/lib/rancher/k3s/server/db";

/// The directory of a data disk that is mounted there, if it has the datastore.
pub const DATASTORE_FOLDER: &str = "k3s-datastore";
