//! What only one cluster has: its certificate authorities, tokens, node passwords and administrator.
//!
//! All of it is made once, when the cluster is first built, and lives in the secrets file beside the cluster file
//! ([`store`]). Later builds read it back: nothing that is random or signed is made twice, so a rebuild gives the same
//! bytes and a node that is flashed again is let in again. What goes onto which card is decided in [`NodeFile`]'s
//! list alone. k3s takes authorities and tokens that are there before its first start (k3s-facts 5 and 6;
//! <https://docs.k3s.io/cli/certificate>, "Using Custom CA Certificates").
//!
//! Only [`store`] touches the disk.

use std::collections::BTreeMap;

use crate::source::digest::Sha256Digest;
use crate::value::Hostname;

mod check;
mod clock;
mod error;
mod file;
mod kubeconfig;
mod node_files;
mod password;
mod pem;
mod pki;
mod rotate;
pub mod store;
mod token;

pub use crate::value::{BootstrapRole, Secret};
pub use check::Warning;
pub use clock::Clock;
pub use error::{Damage, SecretsError};
pub use kubeconfig::api_url;
pub use node_files::{AGENT_TOKEN, NODE_PASSWORD, NodeFile, TOKEN};
pub use pki::NOT_BEFORE;
pub use rotate::{BadItem, Item, Rotation};

use pki::{Authorities, CertifiedKey};
use token::User;

/// The secrets of one cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secrets {
    cluster: String,
    /// What servers join with, without the hash. It also encrypts what k3s keeps in its datastore.
    server_password: Secret,
    /// What agents join with, without the hash.
    agent_password: Secret,
    node_passwords: BTreeMap<Hostname, Secret>,
    authorities: Authorities,
    service_key: Secret,
    admin: CertifiedKey,
}

impl Secrets {
    /// Makes new ones. `now` is the time by this machine's clock, in seconds since 1970.
    pub fn make(cluster: &str, nodes: &[Hostname], now: i64) -> Result<Self, SecretsError> {
        let authorities = Authorities::make(now)?;
        let admin = pki::make_admin(&authorities.client, now)?;
        let mut secrets = Self {
            cluster: cluster.into(),
            server_password: password::random()?,
            agent_password: password::random()?,
            node_passwords: BTreeMap::new(),
            authorities,
            service_key: pki::make_service_key()?,
            admin,
        };
        secrets.add_nodes(nodes)?;
        Ok(secrets)
    }

    /// Gives a password to each node that has none yet, and returns those nodes. The others keep theirs: a cluster
    /// knows a node by its first password for ever.
    pub fn add_nodes(&mut self, nodes: &[Hostname]) -> Result<Vec<Hostname>, SecretsError> {
        let mut added = Vec::new();
        for node in nodes {
            if !self.node_passwords.contains_key(node) {
                self.node_passwords.insert(node.clone(), password::random()?);
                added.push(node.clone());
            }
        }
        Ok(added)
    }

    /// The name of the cluster.
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// The certificate that the cluster's API is trusted by, PEM. It is not secret.
    pub fn server_ca(&self) -> &str {
        &self.authorities.server.certificate
    }

    /// The hash that pins [`Secrets::server_ca`] in tokens. It is not secret.
    pub fn ca_hash(&self) -> Sha256Digest {
        token::ca_hash(self.server_ca())
    }

    /// The token that servers join with, pinned.
    pub fn server_token(&self) -> Secret {
        token::pinned(self.server_ca(), User::Server, &self.server_password)
    }

    /// The token that agents join with, pinned.
    pub fn agent_token(&self) -> Secret {
        token::pinned(self.server_ca(), User::Node, &self.agent_password)
    }

    /// The administrator's kubeconfig for the API at `url` ([`api_url`]). The name or address in it must be one that the
    /// server's certificate has: the node's own, or one of `tls-san`.
    pub fn kubeconfig(&self, url: &str) -> Secret {
        kubeconfig::render(&self.cluster, url, self.server_ca(), &self.admin)
    }
}

#[cfg(test)]
mod tests;
