//! The command-line flags of `k3s server` and `k3s agent`, which are also the keys of config.yaml.
//!
//! The names are those of k3s's `pkg/cli/cmds/{server,agent,root}.go`. The stand-in acts on a few of them (the
//! README lists which) and accepts the others without a word, since a real k3s would act on them.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};

/// Which of the two commands runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// `k3s server`
    Server,
    /// `k3s agent`
    Agent,
}

/// Switches: no value, or `=true` and `=false`.
const SWITCHES: &[&str] = &[
    "alsologtostderr",
    "debug",
    "disable-default-registry-endpoint",
    "docker",
    "enable-pprof",
    "nonroot-devices",
    "prefer-bundled-bin",
    "protect-kernel-defaults",
    "rootless",
    "selinux",
    "with-node-id",
];

/// Flags of both commands that take a value. Whether one may be repeated does not matter to the parser.
const VALUES: &[&str] = &[
    "bind-address",
    "config",
    "container-runtime-endpoint",
    "data-dir",
    "default-runtime",
    "flannel-cni-conf",
    "flannel-conf",
    "flannel-iface",
    "image-credential-provider-bin-dir",
    "image-credential-provider-config",
    "image-service-endpoint",
    "kube-proxy-arg",
    "kubelet-arg",
    "lb-server-port",
    "log",
    "node-external-dns",
    "node-external-ip",
    "node-internal-dns",
    "node-ip",
    "node-label",
    "node-name",
    "node-taint",
    "pause-image",
    "private-registry",
    "resolv-conf",
    "server",
    "snapshotter",
    "token",
    "token-file",
    "v",
    "vmodule",
    "vpn-auth",
    "vpn-auth-file",
];

/// Switches that only an agent knows.
const AGENT_SWITCHES: &[&str] = &["disable-apiserver-lb"];

/// Switches that only a server knows.
const SERVER_SWITCHES: &[&str] = &[
    "cluster-init",
    "cluster-reset",
    "disable-agent",
    "disable-apiserver",
    "disable-cloud-controller",
    "disable-controller-manager",
    "disable-etcd",
    "disable-helm-controller",
    "disable-kube-proxy",
    "disable-network-policy",
    "disable-scheduler",
    "embedded-registry",
    "etcd-disable-snapshots",
    "etcd-expose-metrics",
    "etcd-s3",
    "etcd-s3-insecure",
    "etcd-s3-skip-ssl-verify",
    "etcd-snapshot-compress",
    "flannel-external-ip",
    "flannel-ipv6-masq",
    "kine-tls",
    "secrets-encryption",
    "supervisor-metrics",
    "tls-san-security",
];

/// Flags with a value that only a server knows.
const SERVER_VALUES: &[&str] = &[
    "advertise-address",
    "advertise-port",
    "agent-token",
    "agent-token-file",
    "cluster-cidr",
    "cluster-dns",
    "cluster-domain",
    "cluster-reset-restore-path",
    "datastore-cafile",
    "datastore-certfile",
    "datastore-endpoint",
    "datastore-keyfile",
    "default-local-storage-path",
    "disable",
    "egress-selector-mode",
    "etcd-arg",
    "etcd-s3-access-key",
    "etcd-s3-bucket",
    "etcd-s3-config-secret",
    "etcd-s3-endpoint",
    "etcd-s3-endpoint-ca",
    "etcd-s3-folder",
    "etcd-s3-proxy",
    "etcd-s3-region",
    "etcd-s3-secret-key",
    "etcd-s3-timeout",
    "etcd-snapshot-dir",
    "etcd-snapshot-name",
    "etcd-snapshot-reconcile-interval",
    "etcd-snapshot-retention",
    "etcd-snapshot-schedule-cron",
    "flannel-backend",
    "helm-job-image",
    "https-listen-port",
    "kube-apiserver-arg",
    "kube-cloud-controller-manager-arg",
    "kube-controller-manager-arg",
    "kube-scheduler-arg",
    "secrets-encryption-provider",
    "service-cidr",
    "service-node-port-range",
    "servicelb-namespace",
    "system-default-registry",
    "tls-san",
    "write-kubeconfig",
    "write-kubeconfig-group",
    "write-kubeconfig-mode",
];

/// One-letter forms, and other names of the same flag.
const ALIASES: &[(&str, &str)] = &[
    ("c", "config"),
    ("d", "data-dir"),
    ("i", "node-ip"),
    ("l", "log"),
    ("o", "write-kubeconfig"),
    ("s", "server"),
    ("t", "token"),
];

/// Variables that stand in for a flag that is given neither on the command line nor in a file.
const VARIABLES: &[(&str, &str)] = &[
    ("K3S_TOKEN", "token"),
    ("K3S_TOKEN_FILE", "token-file"),
    ("K3S_AGENT_TOKEN", "agent-token"),
    ("K3S_AGENT_TOKEN_FILE", "agent-token-file"),
    ("K3S_URL", "server"),
    ("K3S_NODE_NAME", "node-name"),
    ("K3S_KUBECONFIG_OUTPUT", "write-kubeconfig"),
    ("K3S_KUBECONFIG_MODE", "write-kubeconfig-mode"),
    ("K3S_LB_SERVER_PORT", "lb-server-port"),
    ("K3S_CLUSTER_INIT", "cluster-init"),
    ("K3S_DATA_DIR", "data-dir"),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Switch,
    Value,
}

/// The full name of a flag and its kind, if this command knows it.
fn find(role: Role, name: &str) -> Option<(&'static str, Kind)> {
    let full = ALIASES.iter().find(|(short, _)| *short == name).map_or(name, |(_, long)| long);
    let of_role: [(&[&str], Kind); 2] = match role {
        Role::Server => [(SERVER_SWITCHES, Kind::Switch), (SERVER_VALUES, Kind::Value)],
        Role::Agent => [(AGENT_SWITCHES, Kind::Switch), (&[], Kind::Value)],
    };
    let lists = [(SWITCHES, Kind::Switch), (VALUES, Kind::Value)].into_iter().chain(of_role);
    lists
        .into_iter()
        .find_map(|(names, kind)| names.iter().find(|known| **known == full).map(|known| (*known, kind)))
}

/// Whether this command knows a flag of this name.
pub(crate) fn is_known(role: Role, name: &str) -> bool {
    find(role, name).is_some()
}

/// The flags that were given, each with all its values in order.
#[derive(Debug, Default)]
pub(crate) struct Given(BTreeMap<&'static str, Vec<String>>);

impl Given {
    /// The value that counts where one is wanted: the last.
    pub(crate) fn last(&self, name: &str) -> Option<&str> {
        self.all(name).last().map(String::as_str)
    }

    /// All values of a flag that may be repeated.
    pub(crate) fn all(&self, name: &str) -> &[String] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// Fills in what was not given from the variables of the environment.
    pub(crate) fn add_variables(&mut self, role: Role, variable: impl Fn(&str) -> Option<String>) {
        for (name, flag) in VARIABLES {
            if let (true, Some(value)) = (is_known(role, flag), variable(name).filter(|v| !v.is_empty())) {
                self.0.entry(flag).or_insert_with(|| vec![value]);
            }
        }
    }
}

/// Parses arguments as `--name value`, `--name=value`, `-n value` or a bare switch.
///
/// # Errors
/// When a flag is not known to this command or its value is missing. Values are never part of the error: one
/// of them may be the token.
pub(crate) fn parse(role: Role, arguments: impl IntoIterator<Item = String>) -> Result<Given> {
    let mut given = Given::default();
    let mut rest = arguments.into_iter();
    while let Some(argument) = rest.next() {
        let (dashed, inline) = match argument.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (argument.as_str(), None),
        };
        let Some(name) = dashed.strip_prefix("--").or_else(|| dashed.strip_prefix('-')) else {
            bail!("an argument that is no flag: flags start with \"--\"");
        };
        let Some((flag, kind)) = find(role, name) else { bail!("flag provided but not defined: -{name}") };
        let value = match (inline, kind) {
            (Some(value), _) => value,
            (None, Kind::Switch) => "true".into(),
            (None, Kind::Value) => rest.next().with_context(|| format!("flag needs an argument: -{name}"))?,
        };
        given.0.entry(flag).or_default().push(value);
    }
    Ok(given)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_words(role: Role, words: &str) -> Result<Given> {
        parse(role, words.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn all_forms_of_a_flag() {
        let given = parse_words(Role::Server, "--node-name a --node-name=b -t s --cluster-init").unwrap();
        assert_eq!(given.all("node-name"), ["a", "b"]);
        assert_eq!(given.last("node-name"), Some("b"));
        assert_eq!(given.last("token"), Some("s"));
        assert_eq!(given.last("cluster-init"), Some("true"));
        assert_eq!(given.last("data-dir"), None);
    }

    #[test]
    fn an_agent_does_not_know_what_only_a_server_knows() {
        parse_words(Role::Server, "--tls-san x").unwrap();
        let error = parse_words(Role::Agent, "--tls-san x").unwrap_err();
        assert_eq!(error.to_string(), "flag provided but not defined: -tls-san");
    }

    #[test]
    fn a_missing_value_and_a_stray_word_are_refused() {
        assert!(parse_words(Role::Server, "--token").is_err());
        let stray = parse_words(Role::Server, "hunter2").unwrap_err();
        assert!(!stray.to_string().contains("hunter2"));
    }

    #[test]
    fn a_variable_counts_only_where_nothing_else_was_given() {
        let mut given = parse_words(Role::Agent, "--token given").unwrap();
        given.add_variables(Role::Agent, |name| Some(format!("from {name}")));
        assert_eq!(given.last("token"), Some("given"));
        assert_eq!(given.last("server"), Some("from K3S_URL"));
        assert_eq!(given.last("write-kubeconfig-mode"), None, "a server's variable");
    }

    #[test]
    fn no_flag_is_listed_twice() {
        let mut all: Vec<_> = [SWITCHES, VALUES, AGENT_SWITCHES, SERVER_SWITCHES, SERVER_VALUES].concat();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
