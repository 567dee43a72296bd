//! A node's part in forming the cluster.

use super::role::Role;

/// A node's part in forming the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BootstrapRole {
    /// The server that begins the cluster; the only one with the keys of the certificate authorities.
    InitServer,
    /// A server that joins.
    JoinServer,
    /// Runs workloads only.
    Agent,
}

impl BootstrapRole {
    /// What runs on the node.
    pub fn role(self) -> Role {
        match self {
            Self::InitServer | Self::JoinServer => Role::Server,
            Self::Agent => Role::Agent,
        }
    }

    /// Whether the node joins a cluster that another one began.
    pub fn joins(self) -> bool {
        self != Self::InitServer
    }
}
