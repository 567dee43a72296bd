//! Values with a meaning, parsed once at the border: what got past these types needs no second check.
//!
//! Those that firstboot knows too lie in [`hc_common::value`], with one set of rules for both programs.

mod board_serial;
mod datastore_endpoint;
mod dns_label;
mod email_address;
mod firmware_setting;
mod image_reference;
mod k3s_token;
mod kubeconfig_mode;
mod label;
mod node_address;
mod password_hash;
mod private_key;
mod quantity;
mod registry;
mod server_address;
mod ssh_key;
mod taint;
mod time_zone;
mod user_name;

pub use board_serial::BoardSerial;
pub use datastore_endpoint::DatastoreEndpoint;
pub use dns_label::DnsLabel;
pub use email_address::EmailAddress;
pub use firmware_setting::FirmwareSetting;
pub use hc_common::value::{
    BootstrapRole, CountryCode, DirMode, DirName, DomainName, FsLabel, Host, Hostname, InterfaceAddress,
    InterfaceName, MacAddress, MountPoint, Mtu, NodeId, PackageName, Psk, Role, Route, Secret, Ssid,
    StaticNetwork, Subnet, TimeServer, UnitName, ValueError, VlanId,
};
pub use image_reference::ImageReference;
pub use k3s_token::{CaHash, JoinToken, TokenPassword, TokenUser};
pub use kubeconfig_mode::KubeconfigMode;
pub use label::{LabelKey, LabelValue};
pub use node_address::NodeAddress;
pub use password_hash::PasswordHash;
pub use private_key::is_private_key;
pub use quantity::Quantity;
pub use registry::{RegistryName, RegistryUrl};
pub use server_address::ServerAddress;
pub use ssh_key::SshKey;
pub use taint::Taint;
pub use time_zone::TimeZone;
pub use user_name::UserName;
