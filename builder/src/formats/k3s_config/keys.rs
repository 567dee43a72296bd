//! The keys of k3s's `config.yaml`: the long flags of `k3s server` and `k3s agent`, each described once.
//!
//! Read from k3s's `pkg/cli/cmds/{server,agent,log}.go` at Kubernetes 1.36, up to 1.36.3 (July 2026). Other releases know a few
//! more or less: a key that is not here is doubtful, not wrong.
//!
//! A new key of a user's is a row here. One that hcimage writes is a row here and a line where its value is computed
//! (`plan/k3s_settings.rs`, or the feature whose it is); where the user sets it in `[k3s]`, also a field in `cluster/`.

use crate::value::Role;

use Roles::{Agent, Both, Server};

/// What is known of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Descriptor {
    /// The long flag without its hyphens.
    pub key: &'static str,
    /// Whose k3s knows it: an agent that finds a key of servers does not start.
    pub roles: Roles,
    /// Who sets it.
    pub owner: Owner,
    /// What k3s takes without it, where hcimage knows that and leaves it out.
    pub default: Option<&'static str>,
    /// What stands above it in the file, for a person.
    pub comment: Option<&'static str>,
    /// Whether its value may be a secret, which `hcimage plan` must not show.
    pub secret: bool,
}

/// Whose k3s knows a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Roles {
    /// Servers' and agents'.
    Both,
    /// Servers' alone.
    Server,
    /// Agents' alone.
    Agent,
}

impl Roles {
    /// Whether a node with this role knows the key.
    pub fn include(self, role: Role) -> bool {
        matches!((self, role), (Both, _) | (Server, Role::Server) | (Agent, Role::Agent))
    }
}

/// Who sets a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// The user, in `[k3s.server]` or `[k3s.agent]`; hcimage may add to a list.
    User,
    /// hcimage, or nobody; with what a user is to do instead.
    Hcimage(&'static str),
}

const fn user(roles: Roles, key: &'static str) -> Descriptor {
    Descriptor { key, roles, owner: Owner::User, default: None, comment: None, secret: false }
}

/// hcimage writes it.
const fn written(roles: Roles, key: &'static str, instead: &'static str) -> Descriptor {
    Descriptor { owner: Owner::Hcimage(instead), ..user(roles, key) }
}

/// Nobody writes it: it would break what is built in.
const fn refused(key: &'static str, instead: &'static str) -> Descriptor {
    written(Both, key, instead)
}

const fn default(default: &'static str, of: Descriptor) -> Descriptor {
    Descriptor { default: Some(default), ..of }
}

const fn commented(comment: &'static str, of: Descriptor) -> Descriptor {
    Descriptor { comment: Some(comment), ..of }
}

const fn secret(of: Descriptor) -> Descriptor {
    Descriptor { secret: true, ..of }
}

/// All keys. Those that hcimage writes come first, in the order in which they stand in the file.
pub static KEYS: [Descriptor; 122] = [
    written(Both, "node-name", "set the node's `name`"),
    written(Both, "node-ip", "set the node's `address`"),
    written(Both, "flannel-iface", "set the node's `interface`"),
    written(Both, "server", "leave it out: nodes join the first server"),
    written(Both, "token-file", "leave it out: tokens are made when building and kept in the secrets file"),
    written(Both, "node-label", "set the node's `labels`"),
    written(Both, "node-taint", "set the node's `taints`"),
    user(Both, "kubelet-arg"),
    // The reason is written into the file too, since a person would wonder.
    commented(
        "The base's iptables is too old for Kubernetes (before 1.8.6).",
        written(
            Both,
            "prefer-bundled-bin",
            "leave it out: hcimage sets it where the base's iptables is too old",
        ),
    ),
    written(Server, "cluster-init", "set `datastore = \"etcd\"` in [k3s]"),
    written(Server, "secrets-encryption", "set `secrets-encryption` in [k3s]"),
    written(
        Server,
        "agent-token-file",
        "leave it out: tokens are made when building and kept in the secrets file",
    ),
    default("vxlan", written(Server, "flannel-backend", "set `flannel-backend` in [k3s]")),
    written(Server, "cluster-cidr", "set `cluster-cidr` in [k3s]"),
    written(Server, "service-cidr", "set `service-cidr` in [k3s]"),
    written(Server, "cluster-domain", "set `cluster-domain` in [k3s]"),
    written(Server, "tls-san", "set `tls-san` at the top of the file"),
    written(Server, "disable", "set `disable` in [k3s]"),
    secret(written(Server, "datastore-endpoint", "set `endpoint` in [external-datastore]")),
    secret(written(Server, "datastore-cafile", "set `ca-file` in [external-datastore]")),
    secret(written(Server, "datastore-certfile", "set `cert-file` in [external-datastore]")),
    secret(written(Server, "datastore-keyfile", "set `key-file` in [external-datastore]")),
    // What follows hcimage never writes.
    refused("advertise-address", "set the node's `address`"),
    refused("advertise-port", "leave it out: nodes join at port 6443"),
    refused("agent-token", "leave it out: tokens are made when building and kept in the secrets file"),
    refused("cluster-reset", "leave it out: it is for an hour of need, not for every start"),
    refused("cluster-reset-restore-path", "leave it out: it is for an hour of need, not for every start"),
    refused("config", "leave it out: settings written here are that file"),
    refused("data-dir", "leave it out: what is built into the image lies in k3s's usual directory"),
    refused("disable-agent", "leave it out: every server runs workloads too; use a taint to keep them off"),
    refused("docker", "leave it out: the images that are built in are for k3s's own containerd"),
    refused("https-listen-port", "leave it out: nodes join at port 6443"),
    refused("node-external-ip", "leave it out: it is another on every node"),
    refused("private-registry", "set [registries]"),
    refused("rootless", "leave it out: a node's k3s runs as root"),
    refused("token", "leave it out: tokens are made when building and kept in the secrets file"),
    refused("with-node-id", "set `with-node-id` in [k3s]"),
    refused("write-kubeconfig", "leave it out: the first boot reads k3s's usual file"),
    refused("write-kubeconfig-group", "set `kubeconfig-mode` in [k3s]"),
    refused("write-kubeconfig-mode", "set `kubeconfig-mode` in [k3s]"),
    refused(
        "disable-apiserver",
        "leave it out: a server that serves no API cannot be the one that others join",
    ),
    refused("disable-etcd", "set `datastore` in [k3s]"),
    // The user's.
    user(Both, "alsologtostderr"),
    user(Both, "bind-address"),
    user(Both, "container-runtime-endpoint"),
    user(Both, "debug"),
    user(Both, "default-runtime"),
    user(Both, "disable-default-registry-endpoint"),
    user(Both, "enable-pprof"),
    user(Both, "flannel-cni-conf"),
    user(Both, "flannel-conf"),
    user(Both, "image-credential-provider-bin-dir"),
    user(Both, "image-credential-provider-config"),
    user(Both, "image-service-endpoint"),
    user(Both, "kube-proxy-arg"),
    user(Both, "lb-server-port"),
    user(Both, "log"),
    user(Both, "node-external-dns"),
    user(Both, "node-internal-dns"),
    user(Both, "nonroot-devices"),
    user(Both, "pause-image"),
    user(Both, "protect-kernel-defaults"),
    user(Both, "resolv-conf"),
    user(Both, "selinux"),
    user(Both, "snapshotter"),
    user(Both, "v"),
    user(Both, "vmodule"),
    user(Both, "vpn-auth"),
    user(Both, "vpn-auth-file"),
    user(Both, "airgap-extra-registry"),
    user(Server, "cluster-dns"),
    user(Server, "default-local-storage-path"),
    user(Server, "disable-cloud-controller"),
    user(Server, "disable-controller-manager"),
    user(Server, "disable-helm-controller"),
    user(Server, "disable-kube-proxy"),
    user(Server, "disable-network-policy"),
    user(Server, "disable-scheduler"),
    user(Server, "egress-selector-mode"),
    user(Server, "embedded-registry"),
    user(Server, "etcd-arg"),
    user(Server, "etcd-disable-snapshots"),
    user(Server, "etcd-expose-metrics"),
    user(Server, "etcd-s3"),
    user(Server, "etcd-s3-access-key"),
    user(Server, "etcd-s3-bucket"),
    user(Server, "etcd-s3-bucket-lookup-type"),
    user(Server, "etcd-s3-config-secret"),
    user(Server, "etcd-s3-endpoint"),
    user(Server, "etcd-s3-endpoint-ca"),
    user(Server, "etcd-s3-folder"),
    user(Server, "etcd-s3-insecure"),
    user(Server, "etcd-s3-proxy"),
    user(Server, "etcd-s3-region"),
    user(Server, "etcd-s3-retention"),
    user(Server, "etcd-s3-secret-key"),
    user(Server, "etcd-s3-session-token"),
    user(Server, "etcd-s3-skip-ssl-verify"),
    user(Server, "etcd-s3-timeout"),
    user(Server, "etcd-snapshot-compress"),
    user(Server, "etcd-snapshot-dir"),
    user(Server, "etcd-snapshot-name"),
    user(Server, "etcd-snapshot-reconcile-interval"),
    user(Server, "etcd-snapshot-retention"),
    user(Server, "etcd-snapshot-schedule-cron"),
    user(Server, "flannel-external-ip"),
    user(Server, "flannel-ipv6-masq"),
    user(Server, "helm-controller-arg"),
    user(Server, "helm-job-image"),
    user(Server, "kine-tls"),
    user(Server, "kube-apiserver-arg"),
    user(Server, "kube-cloud-controller-manager-arg"),
    user(Server, "kube-controller-manager-arg"),
    user(Server, "kube-scheduler-arg"),
    user(Server, "service-node-port-range"),
    user(Server, "servicelb-namespace"),
    user(Server, "supervisor-metrics"),
    user(Server, "system-default-registry"),
    user(Server, "tls-san-security"),
    user(Server, "secrets-encryption-provider"),
    user(Server, "write-kubeconfig-name"),
    user(Agent, "disable-apiserver-lb"),
];

/// What is known of a key.
pub fn find(key: &str) -> Option<&'static Descriptor> {
    KEYS.iter().find(|known| known.key == key)
}

/// The keys that a user may set for a role.
pub fn of_user(role: Role) -> impl Iterator<Item = &'static str> {
    let may = move |known: &&Descriptor| known.owner == Owner::User && known.roles.include(role);
    KEYS.iter().filter(may).map(|known| known.key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_is_listed_twice() {
        let mut all: Vec<&str> = KEYS.iter().map(|known| known.key).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
