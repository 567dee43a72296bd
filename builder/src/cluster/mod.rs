//! The cluster file: from `cluster.toml` to a [`Cluster`] that has passed all checks.

mod model;

pub use model::*;
