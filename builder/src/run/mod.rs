//! Boots a built image in QEMU.
//!
//! A generic machine of the same processor stands in for a board, and so neither the firmware nor the device tree of the
//! board is proved by such a boot. QEMU has a few boards themselves, which a profile may name with their device tree; they
//! are slow, and their firmware is QEMU's too. Where QEMU loads the image's own kernel, with the arguments that
//! the image brings, only the `console=` word is replaced. A PC can also start by UEFI and the image's own GRUB; then
//! nothing is replaced.

mod kernel;
#[cfg(unix)]
pub mod lab;
mod machine;
mod raspberry_pi;
#[cfg(unix)]
pub mod switch;
mod uefi;
mod vm;

pub use kernel::{BootFiles, KernelError, boot_files, with_console};
pub use machine::{Forward, Machine, Network, Start};
pub use uefi::UefiError;
pub use vm::{Vm, VmError};
