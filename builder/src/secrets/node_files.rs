//! The secret files of each node.
//!
//! See docs/facts/k3s.md. The CA keys go to the first server only: servers that join fetch them with the server token.
//! An agent gets no more rights than an agent needs: no CA key, no server token. Its token pins the server CA, so it
//! needs no certificate either.

use super::pki::Authority;
use super::{Secrets, SecretsError};
use crate::value::{BootstrapRole, Hostname, Secret};

/// `token-file` of every node (see [`crate::formats::k3s_config`]): the pinned token that it joins with.
pub const TOKEN: &str = "/etc/rancher/k3s/token";

/// `agent-token-file` of a server: the password that agents join with. A server compares it and needs no pin.
pub const AGENT_TOKEN: &str = "/etc/rancher/k3s/agent-token";

/// The file where k3s expects the password that identifies this node to the cluster.
pub const NODE_PASSWORD: &str = "/etc/rancher/node/password";

/// The administrator's certificate on a server, for its first boot alone: see [`Secrets::admin_files`].
pub const ADMIN_CERTIFICATE: &str = "/etc/hcimage/admin.crt";

/// Its key.
pub const ADMIN_KEY: &str = "/etc/hcimage/admin.key";

/// The key that signs service-account tokens.
const SERVICE_KEY: &str = "/var/lib/rancher/k3s/server/tls/service.key";

/// A secret file of a node, owned by root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeFile {
    /// Its path on the node.
    pub path: &'static str,
    /// Its permissions.
    pub mode: u16,
    /// Its bytes. Certificates are not secret, but one rule for all is simpler: nothing here is shown.
    pub content: Secret,
    /// The reason for it.
    pub reason: &'static str,
}

impl Secrets {
    /// All secret files of a node, always in the same order.
    ///
    /// # Errors
    /// If `node` has no password: [`Secrets::add_nodes`] creates it.
    pub fn node_files(
        &self,
        node: &Hostname,
        bootstrap_role: BootstrapRole,
    ) -> Result<Vec<NodeFile>, SecretsError> {
        let password = self.node_passwords.get(node);
        let password = password.ok_or_else(|| SecretsError::UnknownNode { name: node.clone() })?;
        let mut files = vec![private(NODE_PASSWORD, line(password), "identifies the node to the cluster")];
        match bootstrap_role {
            BootstrapRole::InitServer => {
                files.extend(self.server_tokens());
                files.extend(self.authority_files());
            }
            BootstrapRole::JoinServer => files.extend(self.server_tokens()),
            BootstrapRole::Agent => {
                let reason = "lets this agent join, and pins the cluster's CA";
                files.push(private(TOKEN, line(&self.agent_token()), reason));
            }
        }
        Ok(files)
    }

    /// The administrator's credentials, for servers that share an etcd: one that was flashed again removes its own old
    /// member by them. They give it no right that it has not: with the servers' token it could fetch the authorities' keys.
    /// firstboot deletes them once the node is Ready.
    pub fn admin_files(&self) -> [NodeFile; 2] {
        let certificate = Secret::new(self.admin.certificate.clone());
        let reason =
            "lets a server that was flashed again remove its old etcd member; deleted once it is Ready";
        [private(ADMIN_CERTIFICATE, certificate, reason), private(ADMIN_KEY, self.admin.key.clone(), reason)]
    }

    fn server_tokens(&self) -> [NodeFile; 2] {
        [
            private(TOKEN, line(&self.server_token()), "lets servers join"),
            private(AGENT_TOKEN, line(&self.agent_password), "lets agents join, but not servers"),
        ]
    }

    fn authority_files(&self) -> Vec<NodeFile> {
        let mut files = Vec::new();
        for (authority, pair) in self.authorities.each() {
            let (certificate, key) = paths(authority);
            let content = Secret::new(pair.certificate.clone());
            let reason = "a certificate authority of the cluster";
            files.push(NodeFile { path: certificate, mode: 0o644, content, reason });
            files.push(private(
                key,
                pair.key.clone(),
                "the key of a certificate authority; without it k3s creates a new one",
            ));
        }
        files.push(private(SERVICE_KEY, self.service_key.clone(), "signs service-account tokens"));
        files
    }
}

pub(super) fn private(path: &'static str, content: Secret, reason: &'static str) -> NodeFile {
    NodeFile { path, mode: 0o600, content, reason }
}

/// k3s strips the newline (`pkg/util`, `ReadFile`; `pkg/agent/config`, the node password).
pub(super) fn line(secret: &Secret) -> Secret {
    Secret::new(format!("{}\n", secret.expose()))
}

/// The file names of certificate and key in k3s (`pkg/daemons/control/deps/deps.go`, `CreateRuntimeCertFiles`).
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
