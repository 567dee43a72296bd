//! A cluster that runs: overlays that are added to it and taken away again, over the API of Kubernetes.
//!
//! ```text
//! kubeconfig.rs  which API, and who asks
//! line.rs        clocks, names and connections of this machine, for the client that firstboot has
//! manifest.rs    files of manifests as their objects, each with its own text
//! api.rs         objects by kind and name: read, written by server-side apply, deleted
//! cluster.rs     what there is: records of overlays, files that k3s applies, images of nodes
//! preview.rs     what would change
//! apply.rs       objects written, again and again until their kinds are there
//! promises.rs    the wait until what overlays promise is there
//! remove.rs      what an overlay brought, taken away
//! ```
//! k3s owns what it applies from a file: such an overlay is changed by its file, and nothing here writes over it.

mod api;
mod apply;
mod cluster;
mod error;
mod json;
mod kubeconfig;
mod line;
mod manifest;
mod preview;
mod promises;
mod remove;

pub use api::Api;
pub use apply::{apply, write_files};
pub use cluster::{MANIFESTS, Running};
pub use error::LiveError;
pub use kubeconfig::read_access;
pub use manifest::{ManifestFile, Object};
pub use preview::{Preview, Standing, Step, preview};
pub use promises::wait;
pub use remove::{Removal, removal, remove};

use crate::overlays::Promise;
use crate::overlays::record::Record;
use crate::value::{DnsLabel, ImageReference};

/// An overlay of a cluster file, as a cluster that runs gets it.
#[derive(Debug)]
pub struct LiveOverlay {
    /// Its name.
    pub name: DnsLabel,
    /// Its objects, in the order of k3s.
    pub files: Vec<ManifestFile>,
    /// The files of an image, in which a chart lies on the servers: name and text.
    pub on_disk: Vec<(String, String)>,
    /// What is kept of it.
    pub record: Record,
    /// What it promises.
    pub promises: Vec<Promise>,
    /// Its charts.
    pub charts: Vec<hc_firstboot::seed::NamespacedName>,
    /// Its container images.
    pub images: Vec<ImageReference>,
    /// How the cluster gets each chart, a line each.
    pub chart_sources: Vec<String>,
    /// Charts that it cannot get, a line each.
    pub lacking: Vec<String>,
}
