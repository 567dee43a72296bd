//! Explanations of known errors in k3s's log.

mod database;

pub(crate) use database::LINES as LINES_OF_DATABASE;
pub use database::of_database;

/// A text in the log, its meaning and the fix.
struct Sign {
    word: &'static str,
    meaning: &'static str,
    advice: &'static str,
}

/// Messages of k3s v1.36 and Go's libraries; the most specific first.
const SIGNS: [Sign; 22] = [
    Sign {
        word: "Node password rejected",
        meaning: "the server rejects this node's password (403): a node with this name joined before with another one",
        advice: "give every node a unique name; if this node was rebuilt, run on the server: \
        k3s kubectl -n kube-system delete secret <node>.node-password.k3s",
    },
    Sign {
        word: "token CA hash does not match",
        meaning: "the server belongs to another cluster than this node's token (the CA hash differs)",
        advice: "check the server's address; build all nodes from the same secrets file",
    },
    Sign {
        word: "bootstrap data already found and encrypted with different token",
        meaning: "the datastore was created with another server token",
        advice: "build the image with the secrets file of that cluster",
    },
    Sign {
        word: "newer than datastore and could cause a cluster outage",
        meaning: "the authorities or tokens on this card are not those that the cluster's datastore has",
        advice: "build the image with the secrets file of that cluster",
    },
    Sign {
        word: "duplicate node name found",
        meaning: "the cluster still has the etcd member of this node's old installation",
        advice: "run on a server of the cluster: k3s kubectl delete node <this node>",
    },
    Sign {
        word: "etcdserver: unhealthy cluster",
        meaning: "etcd adds no member while it cannot reach one of the others",
        advice: "power on the other servers; of one that is gone for good, delete the node: k3s kubectl delete node <name>",
    },
    Sign {
        word: "member has been permanently removed from the cluster",
        meaning: "the cluster has removed this node's etcd member, and its data here is of no use",
        advice: "run on this node: systemctl stop k3s; mv /var/lib/rancher/k3s/server/db/etcd /var/lib/rancher/k3s/server/db/etcd.removed; then flash it again",
    },
    Sign {
        word: "no bootstrap data found in datastore",
        meaning: "etcd has no data of a cluster: its first start was cut off",
        advice: "if the cluster never ran, delete /var/lib/rancher/k3s/server/db/etcd, then power the node off and on",
    },
    Sign {
        word: "failed to read consistent index",
        meaning: "the data of etcd is not complete: a write was cut off",
        advice: "if the cluster never ran, delete /var/lib/rancher/k3s/server/db/etcd, then power the node off and on",
    },
    Sign {
        word: "not authorized",
        meaning: "the server rejects this node's token",
        advice: "build all nodes from the same secrets file",
    },
    Sign {
        word: "401 Unauthorized",
        meaning: "the server rejects this node's token",
        advice: "build all nodes from the same secrets file",
    },
    Sign {
        word: "certificate has expired or is not yet valid",
        meaning: "a certificate is not valid at the time of this node's clock",
        advice: "check the clocks of this node and of the server",
    },
    Sign {
        word: "certificate is valid for",
        meaning: "the server's certificate does not have the name that this node uses",
        advice: "add the name or address to tls-san in the cluster file",
    },
    Sign {
        word: "certificate signed by unknown authority",
        meaning: "the server's certificate is not signed by this cluster's CA",
        advice: "check the server's address",
    },
    Sign {
        word: "no space left on device",
        meaning: "the disk is full",
        advice: "use a larger card, or free disk space",
    },
    Sign {
        word: "memory cgroup",
        meaning: "missing memory cgroup controller",
        advice: "add cgroup_memory=1 cgroup_enable=memory to the kernel command line",
    },
    Sign { word: "no default routes found", meaning: "missing default route", advice: "check the gateway" },
    Sign {
        word: "no such host",
        meaning: "the server's name cannot be resolved",
        advice: "check the name and the name server",
    },
    Sign {
        word: "connection refused",
        meaning: "the server is up, but k3s does not run on it yet",
        advice: "wait for k3s on the server, or see its own report",
    },
    Sign {
        word: "no route to host",
        meaning: "the server cannot be reached",
        advice: "power the server on; check its address and the cable",
    },
    Sign {
        word: "i/o timeout",
        meaning: "the server does not answer in time",
        advice: "power the server on; check its address and any firewall on port 6443",
    },
    Sign {
        word: "context deadline exceeded",
        meaning: "the server does not answer in time",
        advice: "power the server on; check its address and any firewall on port 6443",
    },
];

/// What lets a server start whose etcd keeps it from starting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// Start without the data of a first start that was cut off before anything was in it.
    SetAside,
    /// Remove the old member of this node, and join again.
    JoinAgain,
    /// k3s starts by itself once the other members can be reached.
    Wait,
}

/// The remedy for the newest line that has one. Without the cluster's bootstrap data no API server has ever started on
/// that datastore, and no server has joined it.
pub(crate) fn remedy(lines: &[String]) -> Option<Remedy> {
    let known = [
        ("no bootstrap data found in datastore", Remedy::SetAside),
        ("failed to read consistent index", Remedy::SetAside),
        ("duplicate node name found", Remedy::JoinAgain),
        ("etcdserver: unhealthy cluster", Remedy::Wait),
        ("too many learner members in cluster", Remedy::Wait),
    ];
    let of = |line: &String| known.iter().find(|(word, _)| line.contains(word)).map(|(_, remedy)| *remedy);
    lines.iter().rev().find_map(of)
}

/// The meaning of the newest line with a known text, and its fix.
pub fn diagnose(lines: &[String]) -> Option<(&'static str, &'static str)> {
    let known = |line: &String| SIGNS.iter().find(|sign| line.contains(sign.word));
    lines.iter().rev().find_map(known).map(|sign| (sign.meaning, sign.advice))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_known_line_is_explained() {
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        let text = "level=error msg=\"failed to get CA certs: Get https://127.0.0.1:6444/cacerts: EOF\"\n\
                    level=error msg=\"dial tcp 10.0.0.1:6443: connect: connection refused\"\n\
                    level=fatal msg=\"Node password rejected, duplicate hostname or contents of\"\n\
                    level=info msg=\"Shutting down\"";
        assert!(diagnose(&lines(text)).unwrap().0.contains("403"));
        assert!(
            diagnose(&lines(&text.replace("Node password", "x")))
                .unwrap()
                .0
                .contains("does not run on it yet")
        );
        assert_eq!(diagnose(&lines("all is well")), None);
        assert_eq!(diagnose(&[]), None);
    }
}
