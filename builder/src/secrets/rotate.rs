//! What can be renewed in a cluster that runs, and what must be done on its nodes then.
//!
//! Sources: <https://docs.k3s.io/cli/token>, <https://docs.k3s.io/cli/certificate>, k3s
//! `pkg/server/handlers/token.go` and `pkg/nodepassword`.

use std::str::FromStr;

use super::node_files::{AGENT_TOKEN, TOKEN};
use super::{Secrets, SecretsError, password, pki};
use crate::value::Hostname;

/// Something that one may wish to renew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// The administrator's certificate with its key, in the kubeconfig.
    AdminCertificate,
    /// What agents join with.
    AgentToken,
    /// What servers join with.
    ServerToken,
    /// What the cluster knows a node by.
    NodePassword(Hostname),
    /// The authorities.
    Authorities,
    /// The key that signs service-account tokens.
    ServiceKey,
}

/// Not something that may be renewed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is none of admin-certificate, agent-token, server-token, node-password:NODE, authorities, service-key"
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

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
pub enum Rotation {
    /// There is a new one.
    Renewed {
        /// The secrets with it, to be saved.
        secrets: Box<Secrets>,
        /// What to do on the running nodes, in order; it names files, never what is in them.
        steps: Vec<String>,
    },
    /// It stays.
    NotRenewable {
        /// Why.
        why: &'static str,
        /// What to do instead, in order.
        instead: Vec<String>,
    },
}

impl Secrets {
    /// Renews one thing. `now` is the time by this machine's clock, in seconds since 1970.
    ///
    /// # Errors
    /// When no random numbers are to be had, or the certificate cannot be made.
    pub fn rotate(&self, item: &Item, now: i64) -> Result<Rotation, SecretsError> {
        Ok(match item {
            Item::AdminCertificate => {
                let admin = pki::make_admin(&self.authorities.client, now)?;
                renewed(Self { admin, ..self.clone() }, admin_steps())
            }
            Item::AgentToken => {
                let agent_password = password::random()?;
                renewed(Self { agent_password, ..self.clone() }, agent_token_steps())
            }
            Item::ServerToken => {
                let server_password = password::random()?;
                renewed(Self { server_password, ..self.clone() }, server_token_steps())
            }
            Item::NodePassword(node) => node_password(node),
            Item::Authorities => authorities(),
            Item::ServiceKey => service_key(),
        })
    }
}

fn renewed(secrets: Secrets, steps: Vec<String>) -> Rotation {
    Rotation::Renewed { secrets: Box::new(secrets), steps }
}

fn admin_steps() -> Vec<String> {
    vec![
        "The nodes need nothing. Use the new kubeconfig from now on.".into(),
        "The old kubeconfig works until its certificate ends: Kubernetes cannot revoke one. If it fell into wrong \
         hands, only new authorities help."
            .into(),
    ]
}

fn agent_token_steps() -> Vec<String> {
    vec![
        format!(
            "On every server, one after the other: put the value of `agent` under [tokens] in the secrets file into \
             {AGENT_TOKEN}, then `systemctl restart k3s`."
        ),
        format!(
            "Then on every agent: put it behind the last colon in {TOKEN}, then `systemctl restart k3s-agent`."
        ),
        "An agent that still has the old token runs on, and is refused when it starts the next time.".into(),
        "Cards that were built before and not flashed yet must be built again.".into(),
    ]
}

/// k3s takes a new token without its hash here: it puts `server:` before whatever it is given (`tokenRotate`).
fn server_token_steps() -> Vec<String> {
    vec![
        "On one server: `k3s token rotate --new-token PASSWORD`, where PASSWORD is the value of `server` under \
         [tokens] in the secrets file."
            .into(),
        format!(
            "On every server, one after the other: put it behind the last colon in {TOKEN}, then `systemctl restart \
             k3s`."
        ),
        "The agents need nothing: they have a token of their own.".into(),
        "Keep the old secrets file for as long as you keep etcd snapshots from before: they open with the old token \
         only."
            .into(),
        "Servers' cards that were built before and not flashed yet must be built again.".into(),
    ]
}

fn node_password(node: &Hostname) -> Rotation {
    let name = node.as_str();
    Rotation::NotRenewable {
        why: "the cluster keeps the first password of a node for ever and refuses any other",
        instead: vec![
            format!("`kubectl delete node {name}`, while the node is off."),
            format!(
                "`kubectl -n kube-system delete secret {name}.node-password.k3s --ignore-not-found`: k3s does it too, \
                 a while after the node is gone."
            ),
            format!("Remove the line `{name}` under [node-passwords] in the secrets file."),
            "Build the node's card again, which makes a new password, flash it, and start the node.".into(),
        ],
    }
}

fn authorities() -> Rotation {
    Rotation::NotRenewable {
        why: "every node and pod trusts them, and every token carries the hash of one: only a running server can \
              change them",
        instead: vec![
            "Read https://docs.k3s.io/cli/certificate, \"Rotating Self-Signed CA Certificates\": `k3s certificate \
             rotate-ca` on a server, then new tokens on all nodes."
                .into(),
            "The secrets file does not follow: cards built from it afterwards cannot join. For a cluster that can be \
             set up anew, move the secrets file away and build all cards again."
                .into(),
        ],
    }
}

fn service_key() -> Rotation {
    Rotation::NotRenewable {
        why: "every pod holds a token that is signed with it, and would be locked out at once",
        instead: vec![
            "Read https://docs.k3s.io/cli/certificate, \"Service-Account Issuer Key Rotation\": a new key goes \
             before the old one in a copy of service.key, then `k3s certificate rotate-ca`."
                .into(),
        ],
    }
}
