//! The cluster file: from `cluster.toml` to a [`Cluster`] that has passed all checks.
//!
//! The text becomes TOML with places ([`shape`] compares it with the [`schema`]), then the typed [`file`], whose parts
//! are checked against each other ([`check`]), and at last a [`Cluster`] ([`resolve`]). Problems are collected on the
//! whole way and reported together.

mod check;
mod field;
mod file;
mod form;
mod k3s_keys;
mod load;
mod lookup;
mod model;
mod problem;
mod reference;
mod report;
mod resolve;
mod schema;
mod shape;
mod single;
mod suggest;
mod template;

pub use check::{OldCgroup, check_base};
pub use load::{Checked, ClusterError, Surroundings, load, parse};
pub use model::*;
pub use problem::Severity;
pub use reference::reference;
pub use report::{Finding, Report};
pub use schema::schema;
pub use single::{BadSingle, Single, single};
pub use template::{FixedAddresses, Wishes, template};
