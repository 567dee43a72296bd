//! Overlays: folders that add one application or capability to a cluster, with all that it needs.
//!
//! ```text
//! library.rs       where overlays are: compiled in, beside the cluster file, in a folder of the user's
//! folder.rs        the files of one, read once
//! definition.rs    overlay.toml: parameters, secrets, and what the cluster gets
//! parameter.rs     what a parameter may be
//! wants.rs         what it asks for, with expressions
//! evaluate.rs      the expressions evaluated
//! needs.rs         what the cluster gets, once the parameters are known
//! user_folder.rs   a folder of the user's that an overlay puts onto nodes
//! template.rs      manifests and values as minijinja templates
//! starter/         the beginning of a user's own
//! check/           whether what is rendered fits together
//! active.rs        an overlay that is switched on, with its parameters
//! record.rs        what a cluster keeps of it
//! ```
//! An overlay is text alone: it runs nothing on this machine, and reaches no file outside its folder but those in folders that the
//! user names for it.

mod active;
pub mod check;
mod definition;
mod error;
mod evaluate;
mod folder;
mod library;
mod needs;
mod parameter;
pub mod record;
pub mod starter;
mod template;
mod user_folder;
mod wants;

pub use active::{ActiveOverlay, ClusterFacts, Manifests, NodeFacts, RenderedFile};
pub use definition::{Overlay, SecretDefinition};
pub use error::{OverlayError, Result};
pub use library::{Library, Listed};
pub use needs::{
    NeededChart, NeededDir, NeededFile, NeededFolder, NeededImage, NeededPackage, Needs, Promise, PromiseKind,
};
pub use parameter::{Parameter, ParameterType, ParameterValue};
pub use template::SecretValues;
pub use user_folder::{UserFile, UserFolder};
