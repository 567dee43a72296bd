//! A node's part in forming the cluster.

use super::role::Role;

/// A node's part in forming the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Seat {
    /// The server that begins the cluster; the only one with the keys of the certificate authorities.
    FirstServer,
    /// A server that joins.
    FurtherServer,
    /// Runs workloads only.
    Agent,
}

impl Seat {
    /// What runs on the node.
    pub fn role(self) -> Role {
        match self {
            Self::FirstServer | Self::FurtherServer => Role::Server,
            Self::Agent => Role::Agent,
        }
    }

    /// Whether the node joins a cluster that another one began.
    pub fn joins(self) -> bool {
        self != Self::FirstServer
    }
}
