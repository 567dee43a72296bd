//! `[join]`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::cluster::field::Field;
use crate::cluster::field_type::SecretSource;
use crate::value::{CaHash, JoinToken, ServerAddress};

/// A cluster that exists already: all nodes of this file join it, agents as well as servers. No certificate authority and
/// no kubeconfig is made: use those of that cluster. Set `version` in `[k3s]` to its release; nodes must not be newer
/// than its servers. For servers the other settings in `[k3s]` must be those of that cluster, too.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("required" = ["server", "token"]))]
pub(in crate::cluster) struct JoinTable {
    /// Where a server of the cluster listens: a name or address, with a port if it is not 6443. It must be in that
    /// server's certificate (`tls-san`).
    #[schemars(extend("examples" = ["192.168.1.10", "https://k3s.home.lan:6443"]))]
    pub(in crate::cluster) server: Option<Field<ServerAddress>>,
    /// Its token: the text of `/var/lib/rancher/k3s/server/node-token` on one of its servers. For agents alone, the text
    /// of `server/agent-token` there gives fewer rights. Keep it in a separate file.
    ///
    /// It has the hash of the cluster's CA, by which a node recognizes the cluster. A password without the hash needs
    /// `ca-hash`. Bootstrap tokens (`k3s token create`) are rejected, because they expire.
    #[schemars(extend("examples" = [{ "file": "node-token.txt" }]))]
    pub(in crate::cluster) token: Option<Field<SecretSource<JoinToken>>>,
    /// The cluster's token for agents (`server/agent-token`), if it was set up with one of its own: agents join with it,
    /// and a joining server needs it too.
    #[schemars(extend("examples" = [{ "file": "agent-token.txt" }]))]
    pub(in crate::cluster) agent_token: Option<Field<SecretSource<JoinToken>>>,
    /// The hash of the cluster's CA, for a token without it: what
    /// `sha256sum /var/lib/rancher/k3s/server/tls/server-ca.crt` prints on a server with k3s's own CA.
    #[schemars(extend("examples" = ["5f1c6b6c0b8a4b9a3a3f1d0c9a7b64c2f1f2a0d3e4b5c6d7e8f9a0b1c2d3e4f5"]))]
    pub(in crate::cluster) ca_hash: Option<Field<CaHash>>,
}
