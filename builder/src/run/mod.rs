//! Boots a built image in QEMU, with the kernel and the arguments that the image itself brings.
//!
//! QEMU has none of the boards: a generic machine of the same processor stands in, and so neither the firmware
//! nor the device tree of the board is proved by such a boot. Only the `console=` word is replaced.

mod kernel;
mod vm;

pub use kernel::{BootFiles, KernelError, boot_files, with_console};
pub use vm::{Forward, Machine, Network, Vm, VmError};
