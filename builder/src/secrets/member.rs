//! The secrets of nodes that join a cluster made elsewhere: a password for each, kept in the secrets file, and the
//! credentials of that cluster, which are in the cluster file.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Deserialize;
use zeroize::Zeroizing;

use super::error::{Damage, SecretsError};
use super::file::{MEMBER, SCHEMA, Unreadable, at, versioned};
use super::node_files::{AGENT_TOKEN, NODE_PASSWORD, NodeFile, TOKEN, line, private};
use super::token::{self, User};
use super::{add_passwords, password};
use crate::value::{BootstrapRole, CaHash, Hostname, Role, Secret};

/// What lets nodes into a cluster that was made elsewhere.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The hash of its CA.
    pub ca_hash: CaHash,
    /// The password of its token.
    pub token: Secret,
    /// That of its token for agents, where it has one of its own.
    pub agent_token: Option<Secret>,
}

/// The passwords that identify nodes to a cluster made elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberSecrets {
    cluster: String,
    node_passwords: BTreeMap<Hostname, Secret>,
}

impl MemberSecrets {
    /// New ones, without any node.
    pub(super) fn make(cluster: &str) -> Self {
        Self { cluster: cluster.to_owned(), node_passwords: BTreeMap::new() }
    }

    /// Gives a password to each node without one, and returns those nodes.
    pub(super) fn add_nodes(&mut self, nodes: &[Hostname]) -> Result<Vec<Hostname>, SecretsError> {
        add_passwords(&mut self.node_passwords, nodes)
    }

    /// The name of the cluster.
    pub(super) fn cluster(&self) -> &str {
        &self.cluster
    }

    /// All secret files of a node: its password, and the tokens that its role needs.
    ///
    /// # Errors
    /// If `node` has no password.
    pub fn node_files(
        &self,
        node: &Hostname,
        bootstrap_role: BootstrapRole,
        credentials: &Credentials,
    ) -> Result<Vec<NodeFile>, SecretsError> {
        let password = self.node_passwords.get(node);
        let password = password.ok_or_else(|| SecretsError::UnknownNode { name: node.clone() })?;
        let Credentials { ca_hash, token, agent_token } = credentials;
        let mut files = vec![private(NODE_PASSWORD, line(password), "identifies the node to the cluster")];
        match bootstrap_role.role() {
            Role::Server => {
                let pinned = token::with_hash(ca_hash, User::Server, token);
                files.push(private(TOKEN, line(&pinned), "lets this server join, and pins the cluster's CA"));
                let agents = agent_token.as_ref().map(line);
                files.extend(
                    agents.map(|agents| private(AGENT_TOKEN, agents, "lets agents join, but not servers")),
                );
            }
            Role::Agent => {
                let pinned = token::with_hash(ca_hash, User::Node, agent_token.as_ref().unwrap_or(token));
                files.push(private(TOKEN, line(&pinned), "lets this agent join, and pins the cluster's CA"));
            }
        }
        Ok(files)
    }
}

const HEADER: &str = "\
# The passwords that identify nodes to the cluster that they join, created by hcimage in the first build.
#
# Keep this file out of version control, and keep a backup in a safe place: the cluster knows each node by its password, so
# a node can join again after it is flashed again only with it. You may remove the line of a node that has left the cluster
# permanently.
";

/// The file.
pub(super) fn render(secrets: &MemberSecrets) -> Secret {
    let cluster = toml::Value::String(secrets.cluster.clone());
    let mut text = String::with_capacity(1024 + 128 * secrets.node_passwords.len());
    // Writing into a String cannot fail.
    let _ = write!(
        text,
        "{HEADER}\nschema = {SCHEMA}\nkind = \"{MEMBER}\"\ncluster = {cluster}\n\n[node-passwords]\n"
    );
    for (node, password) in &secrets.node_passwords {
        let _ = writeln!(text, "{} = \"{}\"", node.as_str(), password.expose());
    }
    Secret::new(text)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    #[serde(rename = "schema")]
    _schema: u32,
    #[serde(rename = "kind")]
    _kind: String,
    cluster: String,
    node_passwords: BTreeMap<Hostname, Zeroizing<String>>,
}

/// Parses a file. An error never contains its text.
pub(super) fn parse(text: &str) -> Result<MemberSecrets, Unreadable> {
    versioned(text, Some(MEMBER))?;
    let file: File = toml::from_str(text).map_err(|error| {
        at(text, &error, "or its table has an unknown or missing key, or an invalid value")
    })?;
    let passwords = file.node_passwords.into_iter().map(|(node, password)| (node, password.into()));
    let secrets = MemberSecrets { cluster: file.cluster, node_passwords: passwords.collect() };
    if !secrets.node_passwords.values().all(password::is_valid) {
        return Err(Unreadable::Damaged(Damage::new("a node password is not 32 hexadecimal digits")));
    }
    Ok(secrets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Hostname {
        text.parse().unwrap()
    }

    fn credentials(agent_token: Option<&str>) -> Credentials {
        let ca_hash = "0123456789abcdef".repeat(4).parse().unwrap();
        Credentials { ca_hash, token: Secret::new("of-servers"), agent_token: agent_token.map(Secret::new) }
    }

    fn member() -> MemberSecrets {
        let mut secrets = MemberSecrets::make("home");
        assert_eq!(secrets.add_nodes(&[name("hc-2"), name("hc-3")]).unwrap().len(), 2);
        secrets
    }

    #[test]
    fn a_file_that_is_read_back_is_the_same() {
        let secrets = member();
        let text = render(&secrets);
        assert_eq!(parse(text.expose()), Ok(secrets));
        assert!(!text.expose().contains("of-servers"), "the token is in the cluster file alone");
        let short = text.expose().replace("hc-2 = \"", "hc-2 = \"hunter2");
        let Err(Unreadable::Damaged(damage)) = parse(&short) else { panic!("it was read") };
        assert!(!damage.to_string().contains("hunter2"), "{damage}");
        for other in ["schema = 1\n", "schema = 1\nkind = \"x\"\n"] {
            assert_eq!(parse(other), Err(Unreadable::OtherKind), "{other}");
        }
        assert_eq!(parse("schema = 2\nkind = \"member\"\n"), Err(Unreadable::Newer(2)));
    }

    #[test]
    fn each_role_gets_its_token_with_the_pin_and_no_more() {
        let hash = "0123456789abcdef".repeat(4);
        let files = |role, agent_token| {
            let files = member().node_files(&name("hc-2"), role, &credentials(agent_token)).unwrap();
            assert_eq!((files[0].path, files[0].content.expose().len()), (NODE_PASSWORD, 33));
            let rest =
                files.iter().skip(1).map(|file| (file.path, file.content.expose().to_owned(), file.mode));
            rest.collect::<Vec<_>>()
        };
        let token = |user: &str, password: &str| (TOKEN, format!("K10{hash}::{user}:{password}\n"), 0o600);
        assert_eq!(files(BootstrapRole::Agent, None), [token("node", "of-servers")]);
        assert_eq!(files(BootstrapRole::Agent, Some("of-agents")), [token("node", "of-agents")]);
        assert_eq!(files(BootstrapRole::JoinServer, None), [token("server", "of-servers")]);
        let both = [token("server", "of-servers"), (AGENT_TOKEN, "of-agents\n".to_owned(), 0o600)];
        assert_eq!(files(BootstrapRole::JoinServer, Some("of-agents")), both);
    }
}
