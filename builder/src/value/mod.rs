//! Values with a meaning, parsed once at the border: what got past these types needs no second check.

mod address;
mod error;
mod folder_name;
mod fs_label;
mod hostname;
mod interface_name;
mod kubeconfig_mode;
mod mount_point;
mod role;
mod static_network;

pub use address::InterfaceAddress;
pub use error::ValueError;
pub use folder_name::FolderName;
pub use fs_label::FsLabel;
pub use hostname::Hostname;
pub use interface_name::InterfaceName;
pub use kubeconfig_mode::KubeconfigMode;
pub use mount_point::MountPoint;
pub use role::Role;
pub use static_network::StaticNetwork;
