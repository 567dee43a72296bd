//! A node's role in forming the cluster.

use super::role::Role;

/// A node's role in forming the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BootstrapRole {
    /// The server that starts the cluster; the only node whose image has the keys of the certificate authorities.
    InitServer,
    /// A server that joins.
    JoinServer,
    /// Runs workloads only.
    Agent,
}

impl BootstrapRole {
    /// The role in the running cluster.
    pub fn role(self) -> Role {
        match self {
            Self::InitServer | Self::JoinServer => Role::Server,
            Self::Agent => Role::Agent,
        }
    }

    /// Whether the node joins an existing cluster.
    pub fn joins(self) -> bool {
        self != Self::InitServer
    }
}
