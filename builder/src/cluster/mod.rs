//! The cluster file: from `cluster.toml` to a [`Cluster`] that has passed all checks.
//!
//! The text is parsed to TOML with positions, which `validate` compares with the `schema`; then to the typed `file`,
//! whose parts are checked against each other (`check`); and finally to a [`Cluster`] (`resolve`). Problems are
//! collected in all steps and reported together.

mod check;
mod field;
mod field_type;
mod file;
mod k3s_keys;
mod load;
mod model;
mod overlay_schema;
mod problem;
mod reference;
mod report;
mod resolve;
mod schema;
mod schema_query;
mod single_node;
mod suggest;
mod template;
mod validate;

pub use check::{CgroupV1Unsupported, check_base};
pub use load::{Checked, ClusterError, LoadContext, leads_outside, load, parse, read_file};
pub use model::*;
pub use problem::Severity;
pub use reference::reference;
pub use report::{Finding, Report};
pub use schema::schema;
pub use single_node::{InvalidSingleNode, SingleNode, single_node};
pub use template::{FixedAddresses, TemplateOptions, template};

/// The networks of pods and services where the cluster file names none (k3s's `--cluster-cidr`, `--service-cidr`).
pub const DEFAULT_CLUSTER_CIDR: &str = "10.42.0.0/16";
/// See [`DEFAULT_CLUSTER_CIDR`].
pub const DEFAULT_SERVICE_CIDR: &str = "10.43.0.0/16";
