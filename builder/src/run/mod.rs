//! Boots a built image in QEMU.
//!
//! A generic machine of the same processor stands in for a board, and so neither the firmware nor the device tree of the
//! board is proved by such a boot. QEMU has a few boards themselves, which a profile may name with their device tree; they
//! are slow, and their firmware is QEMU's too. Where QEMU loads the image's own kernel, with the arguments that
//! the image brings, only the `console=` word is replaced. A PC can also start by UEFI and the image's own GRUB; then
//! nothing is replaced.

mod acceleration;
mod attachment;
mod boot;
mod cluster;
mod disks;
pub mod host_memory;
pub mod junit;
mod kernel;
pub mod kubeconfig;
pub mod lab;
mod machine;
mod monitor;
mod node_image;
mod process;
mod raspberry_pi;
mod running_node;
mod service;
mod subnet;
pub mod switch;
mod uefi;
mod vm;

pub use acceleration::Accelerator;
pub use attachment::{Identity, NamedDisk};
pub use boot::{Boot, Phase, Status};
pub use cluster::{Cluster, Settings};
pub use kernel::{BootFiles, KernelError, boot_files, with_console};
pub use machine::{Disk, DiskFormat, Forward, Machine, Network, Start};
pub use node_image::NodeImage;
pub use running_node::RunningNode;
pub use service::Service;
pub use subnet::{NetworkError, Router};
pub use uefi::{UefiError, check as check_uefi};
pub use vm::{Vm, VmError};
