//! Which secret goes onto which card.
//!
//! k3s-facts 5 and 6. The authorities go to the first server only: servers that join fetch them with the server token.
//! An agent gets nothing that makes it more than an agent: no key of an authority, no server token. Its token pins the
//! authority, so it needs no certificate either.

use super::pki::Authority;
use super::{Secrets, SecretsError};
use crate::value::{BootstrapRole, Hostname, Secret};

/// `token-file` of every node (see [`crate::formats::k3s_config`]): what it joins with, pinned.
pub const TOKEN: &str = "/etc/rancher/k3s/token";

/// `agent-token-file` of a server: the password that agents join with. A server compares it and needs no pin.
pub const AGENT_TOKEN: &str = "/etc/rancher/k3s/agent-token";

/// Where k3s looks for the password by which the cluster knows this node again.
pub const NODE_PASSWORD: &str = "/etc/rancher/node/password";

/// The key that signs service-account tokens.
const SERVICE_KEY: &str = "/var/lib/rancher/k3s/server/tls/service.key";

/// A file for a card, owned by root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeFile {
    /// Where it goes on the node.
    pub path: &'static str,
    /// Its permissions.
    pub mode: u16,
    /// Its bytes. Certificates are not secret; they are kept with the rest for one rule: nothing here is shown.
    pub content: Secret,
    /// Why it is there.
    pub reason: &'static str,
}

impl Secrets {
    /// All secret files of a node, always in the same order.
    ///
    /// # Errors
    /// When there is no password for `node`: [`Secrets::add_nodes`] makes it.
    pub fn node_files(
        &self,
        node: &Hostname,
        bootstrap_role: BootstrapRole,
    ) -> Result<Vec<NodeFile>, SecretsError> {
        let password = self.node_passwords.get(node);
        let password = password.ok_or_else(|| SecretsError::UnknownNode { name: node.clone() })?;
        let mut files = vec![private(NODE_PASSWORD, line(password), "by it the cluster knows a node again")];
        match bootstrap_role {
            BootstrapRole::InitServer => {
                files.extend(self.server_tokens());
                files.extend(self.authority_files());
            }
            BootstrapRole::JoinServer => files.extend(self.server_tokens()),
            BootstrapRole::Agent => {
                let reason = "lets this agent in, and no other cluster's server deceive it";
                files.push(private(TOKEN, line(&self.agent_token()), reason));
            }
        }
        Ok(files)
    }

    fn server_tokens(&self) -> [NodeFile; 2] {
        [
            private(TOKEN, line(&self.server_token()), "lets servers join"),
            private(AGENT_TOKEN, line(&self.agent_password), "lets agents join, and nothing more"),
        ]
    }

    fn authority_files(&self) -> Vec<NodeFile> {
        let mut files = Vec::new();
        for (authority, pair) in self.authorities.each() {
            let (certificate, key) = paths(authority);
            let content = Secret::new(pair.certificate.clone());
            let reason = "an authority of the cluster";
            files.push(NodeFile { path: certificate, mode: 0o644, content, reason });
            files.push(private(
                key,
                pair.key.clone(),
                "the key of an authority; k3s makes a new one without it",
            ));
        }
        files.push(private(SERVICE_KEY, self.service_key.clone(), "signs service-account tokens"));
        files
    }
}

fn private(path: &'static str, content: Secret, reason: &'static str) -> NodeFile {
    NodeFile { path, mode: 0o600, content, reason }
}

/// k3s cuts the newline off again (`pkg/util`, `ReadFile`; `pkg/agent/config`, the node password).
fn line(secret: &Secret) -> Secret {
    Secret::new(format!("{}\n", secret.expose()))
}

/// Certificate and key as k3s names them (`pkg/daemons/control/deps/deps.go`, `CreateRuntimeCertFiles`).
fn paths(authority: Authority) -> (&'static str, &'static str) {
    macro_rules! pair {
        ($name:literal) => {
            (
                concat!("/var/lib/rancher/k3s/server/tls/", $name, ".crt"),
                concat!("/var/lib/rancher/k3s/server/tls/", $name, ".key"),
            )
        };
    }
    match authority {
        Authority::Server => pair!("server-ca"),
        Authority::Client => pair!("client-ca"),
        Authority::RequestHeader => pair!("request-header-ca"),
        Authority::EtcdPeer => pair!("etcd/peer-ca"),
        Authority::EtcdServer => pair!("etcd/server-ca"),
    }
}
