//! Inputs: fetched over TLS or read from a local file, verified, unpacked once, and locked.
//!
//! Only this module uses the network. No file gets its final name before its digest is verified.

pub mod artifact;
pub mod base;
pub mod bundle;
pub mod cache;
pub mod checksum_file;
pub mod copy;
pub mod digest;
pub mod error;
pub mod expected;
pub mod fetch;
pub(crate) mod input;
pub mod inventory;
pub mod k3s_history;
pub mod k3s_release;
pub mod k3s_version;
pub mod leftovers;
pub mod lock;
pub(crate) mod made;
mod measure;
mod new_file;
mod partial;
mod private;
mod publisher;
mod record;
mod sha512;
mod space;
mod sparse;
mod unpack;
pub mod url;

pub(crate) use error::file_name;
pub use error::{Result, SourceError};
pub(crate) use new_file::NewFile;
pub use unpack::INPUT_FORMATS;
pub(crate) use unpack::{Format, bounded, decoder};

use std::path::Path;

use crate::interrupt::Interrupt;
use crate::progress::Progress;

/// The services that are needed to obtain an input.
#[derive(Clone, Copy)]
pub struct SourceContext<'a> {
    /// Fetches over the network.
    pub fetcher: &'a fetch::Fetcher,
    /// Stores downloads and unpacked images.
    pub cache: &'a cache::Cache,
    /// Reports progress.
    pub progress: &'a dyn Progress,
    /// Signals a request to stop.
    pub interrupt: &'a Interrupt,
    /// Whether an unpacked image may stay in the cache; one that holds secrets must not.
    pub may_keep: fn(&Path) -> bool,
}
