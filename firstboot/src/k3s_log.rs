//! What the last lines of k3s's log mean, for a person.

/// A word of the log, what it means, and what to do.
struct Sign {
    word: &'static str,
    meaning: &'static str,
    advice: &'static str,
}

/// Words as k3s v1.36 and Go's libraries write them; the more telling ones first.
const SIGNS: [Sign; 16] = [
    Sign {
        word: "Node password rejected",
        meaning: "the server rejects this node's password (403): a node of this name joined before with another one",
        advice: "give every node its own name; if this node was built anew, run on the server: \
                 k3s kubectl -n kube-system delete secret <node>.node-password.k3s",
    },
    Sign {
        word: "token CA hash does not match",
        meaning: "the server belongs to another cluster than this node's token (its CA has another hash)",
        advice: "check that the server's address is the right machine; build all nodes from one secrets file",
    },
    Sign {
        word: "bootstrap data already found and encrypted with different token",
        meaning: "the datastore was made with another server token",
        advice: "build the image with the secrets file of that cluster",
    },
    Sign {
        word: "not authorized",
        meaning: "the server does not take this node's token",
        advice: "build all nodes from one secrets file",
    },
    Sign {
        word: "401 Unauthorized",
        meaning: "the server does not take this node's token",
        advice: "build all nodes from one secrets file",
    },
    Sign {
        word: "certificate has expired or is not yet valid",
        meaning: "a certificate is not valid by this node's clock",
        advice: "check the clock of this node and of the server",
    },
    Sign {
        word: "certificate is valid for",
        meaning: "the server's certificate is for other names than the one that this node uses",
        advice: "add the name or address to tls-san in the cluster file",
    },
    Sign {
        word: "certificate signed by unknown authority",
        meaning: "the server's certificate is not signed by this cluster's CA",
        advice: "check that the server's address is the right machine",
    },
    Sign {
        word: "no space left on device",
        meaning: "the card is full",
        advice: "use a larger card, or free space on it",
    },
    Sign {
        word: "memory cgroup",
        meaning: "the kernel has no memory cgroup",
        advice: "add cgroup_memory=1 cgroup_enable=memory to the kernel's command line",
    },
    Sign {
        word: "no default routes found",
        meaning: "there is no default route",
        advice: "check the gateway",
    },
    Sign {
        word: "no such host",
        meaning: "the server's name cannot be resolved",
        advice: "check the name and the name server",
    },
    Sign {
        word: "connection refused",
        meaning: "the server's machine is there, but k3s does not run on it yet",
        advice: "switch the server on and wait for it",
    },
    Sign {
        word: "no route to host",
        meaning: "the server's machine is not there",
        advice: "switch the server on; check its address and the cable",
    },
    Sign {
        word: "i/o timeout",
        meaning: "the server does not answer in time",
        advice: "switch the server on; check its address and any firewall on port 6443",
    },
    Sign {
        word: "context deadline exceeded",
        meaning: "the server does not answer in time",
        advice: "switch the server on; check its address and any firewall on port 6443",
    },
];

/// What the newest line with a known word means, and what to do about it.
pub(crate) fn meaning(lines: &[String]) -> Option<(&'static str, &'static str)> {
    let known = |line: &String| SIGNS.iter().find(|sign| line.contains(sign.word));
    lines.iter().rev().find_map(known).map(|sign| (sign.meaning, sign.advice))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_known_line_counts() {
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        let text = "level=error msg=\"failed to get CA certs: Get https://127.0.0.1:6444/cacerts: EOF\"\n\
                    level=error msg=\"dial tcp 10.0.0.1:6443: connect: connection refused\"\n\
                    level=fatal msg=\"Node password rejected, duplicate hostname or contents of\"\n\
                    level=info msg=\"Shutting down\"";
        assert!(meaning(&lines(text)).unwrap().0.contains("403"));
        assert!(
            meaning(&lines(&text.replace("Node password", "x")))
                .unwrap()
                .0
                .contains("does not run on it yet")
        );
        assert_eq!(meaning(&lines("all is well")), None);
        assert_eq!(meaning(&[]), None);
    }
}
