//! Names that both programs use on the node.

/// Where k3s looks for archives of container images; it imports them before it starts anything
/// (<https://docs.k3s.io/installation/airgap>).
pub const K3S_IMAGES_DIR: &str = "/var/lib/rancher/k3s/agent/images";
