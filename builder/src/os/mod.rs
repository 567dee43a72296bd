//! Detection of an image's system and layout. Read-only; an ambiguous image is an error.

mod boot;
mod cgroup;
mod error;
mod facts;
mod family;
mod first_boot;
mod image;
mod interest;
mod kernel;
mod layout;
mod network;
mod probe;
mod snapshot;
mod tree;

pub use boot::{BootStep, Fault, Hardware, Leads, Medium, PartitionNames, Wait, boot_chain, waits};
pub use cgroup::CgroupVersion;
pub use error::OsError;
pub use facts::{Bootloader, Facts, Swap};
pub use family::{Evidence, Family, System};
pub use first_boot::{CloudInit, MachineId, RootGrowth, UserSetup};
pub use image::{Access, OsImage, PartitionRole, is_without_secrets};
pub use interest::Interest;
pub use kernel::{Kernel, PiKernel};
pub use probe::probe;
pub use snapshot::{FileState, NotTaken, Snapshot};
pub use tree::Tree;
