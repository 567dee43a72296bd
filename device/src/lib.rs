//! Disks and cards as what an image is written to.
//!
//! [`Disk`] is what is known of one; [`Disk::refusal`] says, from that alone, why it is not written to. [`Medium`] is what the writer
//! needs of it: the writer knows no system. `linux` finds disks in sysfs and opens one, so that nothing else can. `macos` and
//! `windows` list disks. No C libraries.

mod buffer;
#[cfg(any(windows, target_os = "macos", test))]
mod command;
mod disk;
#[cfg(target_os = "linux")]
pub mod linux;
#[cfg(any(target_os = "macos", test))]
pub mod macos;
mod medium;
#[cfg(any(windows, test))]
pub mod windows;

pub use buffer::Buffer;
pub use disk::{Disk, Part, Refusal};
pub use medium::Medium;
