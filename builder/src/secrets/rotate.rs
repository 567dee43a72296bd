//! Renewing secrets of a running cluster, with the steps for its nodes.
//!
//! Sources: <https://docs.k3s.io/cli/token>, <https://docs.k3s.io/cli/certificate>, k3s
//! `pkg/server/handlers/token.go` and `pkg/nodepassword`.

use std::str::FromStr;

use super::node_files::{AGENT_TOKEN, TOKEN};
use super::{OwnTokens, Secrets, SecretsError, password, pki};
use crate::value::Hostname;

/// A secret that a user may want to renew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// The administrator's certificate with its key, in the kubeconfig.
    AdminCertificate,
    /// The token of agents.
    AgentToken,
    /// The token of servers.
    ServerToken,
    /// The password that identifies a node.
    NodePassword(Hostname),
    /// The authorities.
    Authorities,
    /// The key that signs service-account tokens.
    ServiceKey,
}

/// Text that is not the name of an [`Item`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown item {0:?}: use admin-certificate, agent-token, server-token, node-password:NODE, authorities or service-key"
)]
pub struct BadItem(String);

impl FromStr for Item {
    type Err = BadItem;

    fn from_str(text: &str) -> Result<Self, BadItem> {
        let bad = || BadItem(text.to_owned());
        Ok(match text {
            "admin-certificate" => Self::AdminCertificate,
            "agent-token" => Self::AgentToken,
            "server-token" => Self::ServerToken,
            "authorities" => Self::Authorities,
            "service-key" => Self::ServiceKey,
            _ => {
                let node = text.strip_prefix("node-password:").ok_or_else(bad)?;
                Self::NodePassword(node.parse().map_err(|_| bad())?)
            }
        })
    }
}

/// The result of a rotation.
#[derive(Debug, PartialEq, Eq)]
pub enum Rotation {
    /// The item was renewed.
    Renewed {
        /// The new secrets, to be saved.
        secrets: Box<Secrets>,
        /// The steps for the running nodes, in order. They name files, never their contents.
        steps: Vec<String>,
    },
    /// The item cannot be renewed.
    NotRenewable {
        /// Why.
        why: &'static str,
        /// The alternative steps, in order.
        instead: Vec<String>,
    },
}

impl Secrets {
    /// Renews one item. `now` is the time of this machine's clock, in seconds since 1970.
    ///
    /// # Errors
    /// If the system gives no random numbers, or the certificate cannot be created.
    pub fn rotate(&self, item: &Item, now: i64) -> Result<Rotation, SecretsError> {
        self.rotate_to(item, &OwnTokens::default(), now)
    }

    /// The same; a token that the cluster file sets is the new one. It must be changed there first.
    pub(super) fn rotate_to(&self, item: &Item, own: &OwnTokens, now: i64) -> Result<Rotation, SecretsError> {
        Ok(match item {
            Item::AgentToken if own.agent.as_ref() == Some(&self.agent_password) => {
                set_by_file("agent-token")
            }
            Item::ServerToken if own.server.as_ref() == Some(&self.server_password) => set_by_file("token"),
            Item::AdminCertificate => {
                let admin = pki::make_admin(&self.authorities.client, now)?;
                renewed(Self { admin, ..self.clone() }, admin_steps())
            }
            Item::AgentToken => {
                let agent_password = own.agent.clone().map_or_else(password::random, Ok)?;
                renewed(Self { agent_password, ..self.clone() }, agent_token_steps())
            }
            Item::ServerToken => {
                let server_password = own.server.clone().map_or_else(password::random, Ok)?;
                renewed(Self { server_password, ..self.clone() }, server_token_steps())
            }
            Item::NodePassword(node) => node_password(node),
            Item::Authorities => authorities(),
            Item::ServiceKey => service_key(),
        })
    }
}

/// What may be renewed of nodes that join a cluster made elsewhere.
pub fn rotate_member(item: &Item) -> Rotation {
    match item {
        Item::NodePassword(node) => node_password(node),
        _ => Rotation::NotRenewable {
            why: "the nodes of this file join a cluster that was made elsewhere: only its servers can renew its secrets",
            instead: vec![
                "Read https://docs.k3s.io/cli/token and https://docs.k3s.io/cli/certificate for the cluster's own tokens \
                and certificates."
                    .into(),
                "After a new token, change `token` in [join], build the images again, and write the token into \
                /etc/rancher/k3s/token on the nodes that run."
                    .into(),
            ],
        },
    }
}

fn set_by_file(key: &str) -> Rotation {
    Rotation::NotRenewable {
        why: "the cluster file sets this token",
        instead: vec![
            format!("Change `{key}` in [k3s], or the file that it names."),
            "Run this command again: it takes the new token, and says what to do on the nodes.".into(),
        ],
    }
}

fn renewed(secrets: Secrets, steps: Vec<String>) -> Rotation {
    Rotation::Renewed { secrets: Box::new(secrets), steps }
}

fn admin_steps() -> Vec<String> {
    vec![
        "The nodes need no change. Use the new kubeconfig from now on.".into(),
        "The old kubeconfig works until its certificate expires: Kubernetes cannot revoke it. If it was stolen, only \
        new certificate authorities help."
            .into(),
    ]
}

fn agent_token_steps() -> Vec<String> {
    vec![
        format!(
            "On every server, one after the other: write the value of `agent` under [tokens] in the secrets file to \
            {AGENT_TOKEN}, then run `systemctl restart k3s`."
        ),
        format!(
            "Then on every agent: write it after the last colon in {TOKEN}, then run `systemctl restart k3s-agent`."
        ),
        "An agent with the old token continues to run, but cannot join after its next restart.".into(),
        "Rebuild images that were built before and are not flashed yet.".into(),
    ]
}

/// k3s expects the new token without its hash here: it puts `server:` before the given text (`tokenRotate`).
fn server_token_steps() -> Vec<String> {
    vec![
        "On one server: `k3s token rotate --new-token PASSWORD`, where PASSWORD is the value of `server` under \
         [tokens] in the secrets file."
            .into(),
        format!(
            "On every server, one after the other: write it after the last colon in {TOKEN}, then run `systemctl \
            restart k3s`."
        ),
        "The agents need no change: they have their own token.".into(),
        "Keep the old secrets file as long as you keep older etcd snapshots: they can be restored only with the old \
        token."
            .into(),
        "Rebuild images of servers that were built before and are not flashed yet.".into(),
    ]
}

fn node_password(node: &Hostname) -> Rotation {
    let name = node.as_str();
    Rotation::NotRenewable {
        why: "the cluster keeps the first password of a node and rejects any other",
        instead: vec![
            format!("Run `kubectl delete node {name}` while the node is off."),
            format!(
                "Run `kubectl -n kube-system delete secret {name}.node-password.k3s --ignore-not-found`: k3s does it \
                too, but later."
            ),
            format!("Remove the line `{name}` under [node-passwords] in the secrets file."),
            "Build the node's image again, which creates a new password. Flash it and start the node.".into(),
        ],
    }
}

fn authorities() -> Rotation {
    Rotation::NotRenewable {
        why: "every node and pod trusts them, and every token contains the hash of one: only a running server can \
        replace them",
        instead: vec![
            "Read https://docs.k3s.io/cli/certificate, \"Rotating Self-Signed CA Certificates\": run `k3s certificate \
            rotate-ca` on a server, then update the tokens on all nodes."
                .into(),
            "The secrets file is not updated: nodes with images built from it afterwards cannot join. To set up a new \
            cluster instead, move the secrets file away and build all images again."
                .into(),
        ],
    }
}

fn service_key() -> Rotation {
    Rotation::NotRenewable {
        why: "every pod has a token that is signed with it, and would lose access at once",
        instead: vec![
            "Read https://docs.k3s.io/cli/certificate, \"Service-Account Issuer Key Rotation\": put a new key before \
            the old one in a copy of service.key, then run `k3s certificate rotate-ca`."
                .into(),
        ],
    }
}
