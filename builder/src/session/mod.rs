//! A build from beginning to end, without a command line: what `hcimage build`, `plan` and `rotate` do.
//!
//! A [`Project`] says what is to be built and [`Sources`] from what. [`Session::build`] resolves and locks the inputs,
//! fetches, verifies and probes them, plans every node, and only then writes images and kubeconfig. Nothing here prints:
//! progress and messages go to the session's [`Progress`], results and errors to the caller.

mod bill;
mod build;
mod checksums;
mod error;
mod folders;
mod imager;
mod images;
mod live;
mod preview;
mod project;
mod rotate;
mod sources;
mod update;
mod vendor;

use std::collections::BTreeMap;

use crate::interrupt::Interrupt;
use crate::os::is_without_secrets;
use crate::progress::Progress;
use crate::source::SourceContext;
use crate::source::cache::Cache;
use crate::source::fetch::{Fetcher, RetryPolicy};
use crate::value::Hostname;

pub use build::{BuiltNode, Destination, Outcome};
pub use error::SessionError;
pub use imager::Served;
pub use images::{ContainerImages, ImagePlaces};
pub use preview::Preview;
pub use project::Project;
pub use rotate::Rotated;
pub use sources::{K3sChoice, Sources};
pub use update::Changed;
pub use vendor::Vendored;

/// What inputs are obtained with: network, cache, and the way to the user.
pub struct Session {
    interrupt: Interrupt,
    progress: Box<dyn Progress>,
    fetcher: Fetcher,
    cache: Cache,
}

impl Session {
    /// A session with the user's cache.
    ///
    /// # Errors
    /// [`SessionError::Source`] when the system names no directory for caches.
    pub fn of_user(interrupt: Interrupt, progress: Box<dyn Progress>) -> Result<Self, SessionError> {
        let cache = Cache::of_user()?;
        Ok(Self { interrupt, progress, fetcher: Fetcher::new(RetryPolicy::default()), cache })
    }

    /// The same, which takes everything from the cache where `is_offline`.
    pub fn offline(self, is_offline: bool) -> Self {
        Self { fetcher: self.fetcher.offline(is_offline), ..self }
    }

    /// What the functions of [`crate::source`] and [`crate::pipeline`] take.
    pub fn cx(&self) -> SourceContext<'_> {
        let Self { interrupt, progress, fetcher, cache } = self;
        SourceContext { fetcher, cache, progress: progress.as_ref(), interrupt, may_keep: is_without_secrets }
    }
    /// Tells the user of each warning once, with the nodes that it is for.
    fn warn<'a>(&self, nodes: impl Iterator<Item = (&'a Hostname, &'a [String])>) {
        let mut nodes_of: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (node, warnings) in nodes {
            warnings.iter().for_each(|warning| nodes_of.entry(warning).or_default().push(node.as_str()));
        }
        for (warning, nodes) in nodes_of {
            self.progress.message(&format!("warning: {} (for {})", warning, nodes.join(", ")));
        }
    }
}
