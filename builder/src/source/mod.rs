//! Where inputs come from: fetched over TLS or taken from a local file, verified, unpacked once, and locked.
//!
//! Only this module touches the network. Nothing leaves it under its final name before its digest was right.

pub mod artifact;
pub mod base;
pub mod cache;
pub mod checksum_file;
pub mod copy;
pub mod digest;
pub mod error;
pub mod fetch;
mod input;
pub mod k3s_release;
pub mod k3s_version;
pub mod lock;
mod partial;
mod space;
mod sparse;
mod unpack;
pub mod url;

pub(crate) use error::file_name;
pub use error::{Result, SourceError};
pub use unpack::INPUT_FORMATS;

use crate::interrupt::Interrupt;
use crate::progress::Progress;

/// What obtaining an input needs besides its address.
#[derive(Clone, Copy)]
pub struct SourceContext<'a> {
    /// Fetches over the network.
    pub fetcher: &'a fetch::Fetcher,
    /// Keeps what was fetched and unpacked.
    pub cache: &'a cache::Cache,
    /// Tells how it goes.
    pub progress: &'a dyn Progress,
    /// Asks to stop.
    pub interrupt: &'a Interrupt,
}
