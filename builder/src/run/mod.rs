//! Boots a built image in QEMU.
//!
//! QEMU has none of the boards: a generic machine of the same processor stands in, and so neither the firmware nor the
//! device tree of the board is proved by such a boot. Where QEMU loads the image's own kernel, with the arguments that
//! the image brings, only the `console=` word is replaced. A PC can start as it does on a desk, by UEFI and the image's
//! own GRUB; then nothing is.

mod kernel;
mod machine;
mod uefi;
mod vm;

pub use kernel::{BootFiles, KernelError, boot_files, with_console};
pub use machine::{Forward, Machine, Network, Start};
pub use uefi::UefiError;
pub use vm::{Vm, VmError};
