//! Charts, workloads, services and certificates of the cluster: whether each is as it must be, and why not, as far as the cluster
//! says.

mod objects;
mod pods;

pub use objects::Objects;
pub(crate) use pods::{Pod, complaint};

/// Whether an object is as it must be, or why not, as far as the cluster says.
pub type State = Result<(), Option<String>>;
