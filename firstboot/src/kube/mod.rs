//! A client of the cluster's API, with the credentials that k3s wrote on this node.
//!
//! `k3s kubectl` would unpack and start a program of 260 MB for each query. An exchange of this client is one request over
//! TLS, with one time limit for all of it and a bounded answer. It keeps no connection and watches nothing: its callers ask
//! again, with pauses.

mod access;
mod client;
mod error;
mod line;
mod objects;

pub use access::{Access, endpoint};
pub use client::{Apply, Client, Selector, encoded};
pub use error::{KubeError, bounded};
pub use line::Line;
pub use objects::{ADDONS, Addon, AddonSpec, Condition, Meta, Node, Owner, condition};
