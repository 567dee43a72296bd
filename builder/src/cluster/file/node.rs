//! `[[nodes]]`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::cluster::field::{Entries, Field};
use crate::cluster::field_type::BoardName;
use crate::value::{
    BoardSerial, Hostname, InterfaceAddress, InterfaceName, LabelKey, LabelValue, MacAddress, NodeAddress,
    Quantity, Role, Taint, VlanId,
};

/// One node.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("required" = ["name", "role", "board"]))]
pub(in crate::cluster) struct NodeTable {
    /// The host name without a domain. It is also the name of the Kubernetes node.
    #[schemars(extend("examples" = ["hc-1"]))]
    pub(in crate::cluster) name: Option<Field<Hostname>>,
    /// `server` runs the control plane, and workloads too; `agent` runs workloads only.
    #[schemars(extend("examples" = ["server"]))]
    pub(in crate::cluster) role: Option<Field<Role>>,
    /// The board, as `--board` takes it: `cm4`, `pc`, or one of your own profiles.
    #[schemars(extend("examples" = ["cm4"]))]
    pub(in crate::cluster) board: Option<Field<BoardName>>,
    /// A fixed address inside `subnet`, or `dhcp`. The first server should have a fixed address, because the other nodes
    /// join there. With etcd every server should, because etcd identifies its members by address.
    #[schemars(extend("default" = "dhcp", "examples" = ["192.168.1.11"]))]
    pub(in crate::cluster) address: Option<Field<NodeAddress>>,
    /// More addresses of the same network port, each with the prefix length of its network, for a node with a fixed
    /// `address`. k3s and the other nodes use `address`. The base image needs NetworkManager, netplan, systemd-networkd or
    /// ifupdown.
    #[schemars(extend("default" = [], "examples" = [["10.7.0.11/24"]]))]
    pub(in crate::cluster) more_addresses: Vec<Field<InterfaceAddress>>,
    /// The memory of its board, where it has less than the largest one that is sold: what overlays ask for is compared with
    /// it.
    #[schemars(extend("examples" = ["4Gi"]))]
    pub(in crate::cluster) memory: Option<Field<Quantity>>,
    /// The MAC address of the network port that gets the address, for boards with several ports.
    #[schemars(extend("examples" = ["dc:a6:32:01:02:03"]))]
    pub(in crate::cluster) mac: Option<Field<MacAddress>>,
    /// The serial number of the board that this node's image is for, as shown in `/proc/device-tree/serial-number`.
    #[schemars(extend("examples" = ["10000000a1b2c3d4"]))]
    pub(in crate::cluster) serial: Option<Field<BoardSerial>>,
    /// The name of the network interface. The default is the first Ethernet port, or the Wi-Fi interface.
    #[schemars(extend("examples" = ["eth0"]))]
    pub(in crate::cluster) interface: Option<Field<InterfaceName>>,
    /// The VLAN of the node's address, from 1 to 4094, if the switch sends it tagged (IEEE 802.1Q) to the node's port.
    /// The port itself gets no address. The base image needs NetworkManager, netplan, systemd-networkd or ifupdown.
    #[schemars(extend("examples" = [20]))]
    pub(in crate::cluster) vlan: Option<Field<VlanId>>,
    /// Whether the node uses the wireless network of `[network.wifi]`.
    #[schemars(extend("default" = false, "examples" = [true]))]
    pub(in crate::cluster) wifi: Option<Field<bool>>,
    /// Labels that the node has when it joins. Most keys below `kubernetes.io` are rejected, because the kubelet
    /// rejects them.
    #[schemars(extend("examples" = [{ "disk": "ssd" }]))]
    pub(in crate::cluster) labels: Entries<LabelKey, Field<LabelValue>>,
    /// Taints that the node has when it joins: `key=value:Effect` or `key:Effect`. The effect is `NoSchedule`,
    /// `PreferNoSchedule` or `NoExecute`.
    #[schemars(extend("default" = [], "examples" = [["dedicated=storage:NoSchedule"]]))]
    pub(in crate::cluster) taints: Vec<Field<Taint>>,
    /// Whether the node has the disk of `[data-disk]`.
    #[schemars(extend("default" = true, "examples" = [false]))]
    pub(in crate::cluster) data_disk: Option<Field<bool>>,
}
