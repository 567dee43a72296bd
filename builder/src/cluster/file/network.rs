//! `[network]`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::cluster::field::Field;
use crate::cluster::field_type::{Gateway, SecretSource};
use crate::cluster::model::WifiSecurity;
use crate::value::{CountryCode, DomainName, Mtu, Psk, Ssid, Subnet, TimeServer};

/// The network that all nodes are in. Nodes with DHCP need nothing here.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::cluster) struct NetworkTable {
    /// The network with its prefix length. Nodes with a fixed address need it.
    #[schemars(extend("examples" = ["192.168.1.0/24"]))]
    pub(in crate::cluster) subnet: Option<Field<Subnet>>,
    /// The router. Nodes with a fixed address need it: k3s does not start without a default route.
    #[schemars(extend("examples" = ["192.168.1.1"]))]
    pub(in crate::cluster) gateway: Option<Field<Gateway>>,
    /// Name servers of nodes with a fixed address, in order. DHCP provides its own.
    #[schemars(extend("default" = [], "examples" = [["192.168.1.1"]]))]
    pub(in crate::cluster) dns: Vec<Field<Gateway>>,
    /// Time servers of all nodes, each a name or address, with a port if it is not 123. The default is the base
    /// image's own.
    #[schemars(extend("default" = [], "examples" = [["192.168.1.1", "pool.ntp.org"]]))]
    pub(in crate::cluster) ntp: Vec<Field<TimeServer>>,
    /// The search domain of all nodes: with `home.lan`, the node `hc-1` is also called `hc-1.home.lan`.
    #[schemars(extend("examples" = ["home.lan"]))]
    pub(in crate::cluster) domain: Option<Field<DomainName>>,
    /// The largest packet of all nodes, in bytes: less than 1500 where the way to other networks needs it, as over a VPN;
    /// more where the switch and all ports take jumbo frames. The base image needs NetworkManager, netplan,
    /// systemd-networkd or ifupdown.
    #[schemars(extend("examples" = [1400]))]
    pub(in crate::cluster) mtu: Option<Field<Mtu>>,
    /// Ways from all nodes to networks that the gateway does not know. The base image needs NetworkManager, netplan,
    /// systemd-networkd or ifupdown.
    pub(in crate::cluster) routes: Vec<RouteTable>,
    pub(in crate::cluster) wifi: Option<WifiTable>,
}

/// A way to another network.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("required" = ["to", "via"]))]
pub(in crate::cluster) struct RouteTable {
    /// The network that it leads to.
    #[schemars(extend("examples" = ["10.8.0.0/16"]))]
    pub(in crate::cluster) to: Option<Field<Subnet>>,
    /// The router that leads there, in a network of the nodes.
    #[schemars(extend("examples" = ["192.168.1.254"]))]
    pub(in crate::cluster) via: Option<Field<Gateway>>,
}

/// The wireless network of the nodes with `wifi = true`. Their base image needs NetworkManager or netplan, or dhcpcd on
/// a Raspberry Pi; a fixed address on Ethernet also works with systemd-networkd and ifupdown.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("required" = ["ssid", "psk", "country"]))]
pub(in crate::cluster) struct WifiTable {
    /// The network's name.
    #[schemars(extend("examples" = ["Home"]))]
    pub(in crate::cluster) ssid: Option<Field<Ssid>>,
    /// Its password: 8 to 63 printable ASCII characters.
    #[schemars(extend("examples" = [{ "file": "wifi-password.txt" }]))]
    pub(in crate::cluster) psk: Option<Field<SecretSource<Psk>>>,
    /// The country of the nodes (ISO 3166), which sets the allowed radio channels and power.
    #[schemars(extend("examples" = ["DE"]))]
    pub(in crate::cluster) country: Option<Field<CountryCode>>,
    /// `wpa2` for networks with WPA2, or with WPA2 and WPA3; `wpa3` for those with WPA3 only, which needs an image with
    /// NetworkManager, or with netplan since Ubuntu 24.04 or Debian 13.
    #[schemars(extend("default" = "wpa2", "examples" = ["wpa3"]))]
    pub(in crate::cluster) security: Option<Field<WifiSecurity>>,
    /// Whether the network hides its name (SSID).
    #[schemars(extend("default" = false))]
    pub(in crate::cluster) hidden: Option<Field<bool>>,
}
