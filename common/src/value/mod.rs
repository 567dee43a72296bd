//! Values with a meaning, parsed once at the border: what got past these types needs no second check.
//!
//! A value that only the builder knows lies in its own `value` module.

mod address;
mod bootstrap_role;
mod dir_mode;
mod dir_name;
mod domain_name;
mod error;
mod fs_label;
mod host;
mod hostname;
mod interface_name;
mod mac_address;
mod mount_point;
mod mtu;
mod node_id;
mod package_name;
mod role;
mod route;
mod secret;
mod static_network;
mod subnet;
mod time_server;
mod unit_name;
mod vlan_id;
mod wifi;

pub use address::{InterfaceAddress, unusable};
pub use bootstrap_role::BootstrapRole;
pub use dir_mode::DirMode;
pub use dir_name::DirName;
pub use domain_name::{DomainName, is_label};
pub use error::ValueError;
pub use fs_label::FsLabel;
pub use host::Host;
pub use hostname::Hostname;
pub use interface_name::InterfaceName;
pub use mac_address::MacAddress;
pub use mount_point::MountPoint;
pub use mtu::Mtu;
pub use node_id::NodeId;
pub use package_name::PackageName;
pub use role::Role;
pub use route::Route;
pub use secret::Secret;
pub use static_network::StaticNetwork;
pub use subnet::Subnet;
pub use time_server::TimeServer;
pub use unit_name::UnitName;
pub use vlan_id::VlanId;
pub use wifi::{CountryCode, Psk, Ssid};
