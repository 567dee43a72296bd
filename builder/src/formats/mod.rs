//! Pure editors and renderers of configuration files: text in, text out, no I/O.
//!
//! An **editor** (`edit`, or a verb) changes its own settings and keeps all other bytes: other lines, their order,
//! comments, line ends, and whether the last line has one. Edits are idempotent. A **renderer** (`render`) writes a
//! complete file. A **reader** parses a file of the base.
//!
//! Where the file's place is the same on all bases, the module names it in `PATH`.
//!
//! The formats of the network services lie in [`hc_common::network`], since firstboot writes them too.

pub mod accounts;
pub mod apt_sources;
pub mod authorized_keys;
pub mod cloud_cfg;
pub mod cloud_init;
pub mod cloud_swap;
pub mod cmdline;
pub mod config_txt;
pub mod container_stop;
pub mod crypttab;
pub mod deb822;
pub mod debian_relation;
pub mod device;
pub mod disk_id;
pub mod dphys_swapfile;
pub mod dpkg_status;
pub mod ext4_options;
pub mod fstab;
pub mod grub_boot;
pub mod grub_cfg;
pub mod grub_default;
pub mod helm_chart;
pub mod hostname;
pub mod hosts;
pub mod init_program;
pub mod iptables;
pub mod journald;
pub mod k3s_config;
pub mod k3s_env;
pub mod k3s_unit;
pub mod kernel_args;
pub mod kernel_modules;
pub mod kubelet_sysctl;
pub mod kubernetes_list;
pub mod kubernetes_text;
pub mod lightdm;
pub mod modules_load;
pub mod mount_unit;
pub mod network_manager_state;
pub mod os_release;
pub mod raspi_extra_cmdline;
pub mod rpi_swap;
pub mod sshd_config;
pub mod sudoers;
pub mod sysctl;
pub mod systemd_journal;
pub mod user_data;
pub mod wifi_country;
pub mod yaml;
pub mod zram_generator;

mod debian_version;
mod error;

pub use debian_version::{DebianVersion, VersionError};
pub use error::EditError;
pub use hc_common::network::{
    dhcpcd_conf, interfaces, keyfile, netplan, networkd, profile, resolv_conf, wait_online, wpa_supplicant,
};
pub use hc_common::text::yaml_load;
