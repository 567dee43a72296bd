//! The secrets of a cluster: its certificate authorities, tokens, node passwords and administrator.
//!
//! They are created once, by the first build, and stored in the secrets file beside the cluster file ([`store`]). Later
//! builds read them back: nothing random or signed is created twice, so a rebuild gives the same bytes and a node can
//! join again after it is flashed again. Only [`Secrets::node_files`] decides which node gets which secret. k3s uses
//! certificate authorities and tokens that exist before its first start (docs/facts/k3s.md;
//! <https://docs.k3s.io/cli/certificate>, "Using Custom CA Certificates").
//!
//! Only [`store`] uses the disk.

use std::collections::BTreeMap;

use crate::source::digest::Sha256Digest;
use crate::value::{DnsLabel, Hostname};

mod check;
mod clock;
mod error;
mod file;
mod kubeconfig;
mod member;
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
pub use member::{Credentials, MemberSecrets};
pub use node_files::{ADMIN_CERTIFICATE, ADMIN_KEY, AGENT_TOKEN, NODE_PASSWORD, NodeFile, TOKEN};
pub use password::Shape;
pub use pki::NOT_BEFORE;
pub use rotate::{BadItem, Item, Rotation, rotate_member};

use pki::{Authorities, CertifiedKey};
use token::User;

/// The secrets of one cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secrets {
    cluster: String,
    /// The password of the servers' token. k3s also encrypts bootstrap data in its datastore with it.
    server_password: Secret,
    /// The password of the agents' token.
    agent_password: Secret,
    node_passwords: BTreeMap<Hostname, Secret>,
    authorities: Authorities,
    service_key: Secret,
    admin: CertifiedKey,
    /// Of each overlay, by name.
    overlays: BTreeMap<DnsLabel, OverlaySecrets>,
}

/// Secrets of an overlay, by name.
pub type OverlaySecrets = BTreeMap<String, Secret>;

/// The secrets that each overlay wants made, by name.
pub type WantedSecrets = BTreeMap<DnsLabel, BTreeMap<String, Shape>>;

/// Where the salt of an overlay's hashes lies among its secrets, none of which has a `_` in its name.
const SALT: &str = "hash_salt";

/// Tokens that the user chose for a new cluster; random ones take the place of those that are not there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnTokens {
    /// The password of the servers' token.
    pub server: Option<Secret>,
    /// The password of the agents' token.
    pub agent: Option<Secret>,
}

impl Secrets {
    /// Creates new secrets. `now` is the time of this machine's clock, in seconds since 1970.
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
            overlays: BTreeMap::new(),
        };
        secrets.add_nodes(nodes)?;
        Ok(secrets)
    }

    /// Gives a password to each node without one, and returns those nodes. The others keep theirs: a cluster accepts
    /// only the first password of a node.
    pub fn add_nodes(&mut self, nodes: &[Hostname]) -> Result<Vec<Hostname>, SecretsError> {
        add_passwords(&mut self.node_passwords, nodes)
    }

    /// Gives each overlay its salt, and the secrets of these names that it does not have. Says whether any was missing.
    fn add_overlays(&mut self, wanted: &WantedSecrets) -> Result<bool, SecretsError> {
        let mut added = false;
        for (overlay, names) in wanted {
            let known = self.overlays.entry(overlay.clone()).or_default();
            let salt = (SALT, &Shape::default());
            for (name, shape) in names.iter().map(|(name, shape)| (name.as_str(), shape)).chain([salt]) {
                if !known.contains_key(name) {
                    known.insert(name.to_owned(), shape.random()?);
                    added = true;
                }
            }
        }
        Ok(added)
    }

    /// The secrets of an overlay that were made here, by name, and the salt of its hashes.
    pub fn overlay(&self, name: &DnsLabel) -> (OverlaySecrets, Option<Secret>) {
        let mut secrets = self.overlays.get(name).cloned().unwrap_or_default();
        let salt = secrets.remove(SALT);
        (secrets, salt)
    }

    /// Takes tokens that the user chose, before any node has others.
    fn take_tokens(&mut self, own: &OwnTokens) {
        let OwnTokens { server, agent } = own.clone();
        self.server_password = server.unwrap_or(self.server_password.clone());
        self.agent_password = agent.unwrap_or(self.agent_password.clone());
    }

    /// When the authorities were made, in seconds since 1970, by the clock of the machine that made them.
    pub fn made_at(&self) -> Option<i64> {
        check::made_at(&self.authorities.server)
    }

    /// When the first of the authorities ends, in seconds since 1970.
    pub fn authorities_end(&self) -> Option<i64> {
        check::end(self.authorities.each().map(|(_, pair)| pair))
    }

    /// The name of the cluster.
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// The CA certificate that verifies the cluster's API, PEM. It is not secret.
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

    /// The administrator's kubeconfig for the API at `url` ([`api_url`]). The server's certificate must have the host in
    /// it: the node's own name or address, or one of `tls-san`.
    pub fn kubeconfig(&self, url: &str) -> Secret {
        kubeconfig::render(&self.cluster, url, self.server_ca(), &self.admin)
    }
}

fn add_passwords(
    passwords: &mut BTreeMap<Hostname, Secret>,
    nodes: &[Hostname],
) -> Result<Vec<Hostname>, SecretsError> {
    let mut added = Vec::new();
    for node in nodes {
        if !passwords.contains_key(node) {
            passwords.insert(node.clone(), password::random()?);
            added.push(node.clone());
        }
    }
    Ok(added)
}

#[cfg(test)]
mod tests;
