//! What a person must do where the program must not.

use super::setting;

/// The token or the authorities are not those of the cluster.
pub(crate) const SAME_SECRETS: &str =
    "build all nodes of a cluster from the same secrets file, and flash this node again";

/// After the majority of the servers is lost for good: the commands for one of the others. k3s refuses to reset a cluster
/// while `server` is set; a server with the data of a member does not need it.
pub(crate) fn lost_quorum() -> String {
    format!(
        "power on the servers that do not answer: etcd needs more than half of them. If those are lost for good, run on a \
         server that still has its data: systemctl stop k3s; sed -i '/^server:/d' /etc/rancher/k3s/config.yaml; rm -f {}; \
         k3s server --cluster-reset; systemctl start k3s. It keeps the data of that server (its last seconds may be \
         missing) as a cluster of one; then power this node off and on, and it joins",
        setting::PATH
    )
}

/// The command that removes the etcd member of a node, with the node.
pub(crate) fn delete_node(name: &str) -> String {
    format!(
        "if the old machine is gone for good, run on a server of the cluster: k3s kubectl delete node {name}"
    )
}

/// The command that removes a member that belongs to no Node any more.
pub(crate) fn remove_member(member: &str) -> String {
    let tls = "/var/lib/rancher/k3s/server/tls/etcd";
    let etcdctl =
        format!("etcdctl --cacert {tls}/server-ca.crt --cert {tls}/client.crt --key {tls}/client.key");
    format!(
        "run on a server of the cluster, with etcdctl of Debian's package etcd-client and ETCDCTL_API=3: {etcdctl} member \
         list, then {etcdctl} member remove with the identifier of {member}"
    )
}
