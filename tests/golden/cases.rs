//! Which editor, with which arguments, makes which golden file.

use hcimage::formats::cloud_init::CloudInitOverrides;
use hcimage::formats::fstab::LabelMount;
use hcimage::formats::k3s_config::Setting;
use hcimage::formats::kernel_args::CGROUP_MEMORY;
use hcimage::formats::kernel_modules::KernelModules;
use hcimage::formats::profile::Profile;
use hcimage::formats::yaml::Node;
use hcimage::formats::*;
use hcimage::value::{Role, StaticNetwork};

use crate::{accounts, networks};

type Edit = fn(&str) -> String;
type Render = fn() -> String;

pub(crate) const EDITS: &[(&str, Edit)] = &[
    ("cmdline/pios-bookworm", edit_cmdline),
    ("cmdline/pios-trixie", edit_cmdline),
    ("cmdline/debian-pi", edit_cmdline),
    ("cmdline/ubuntu-2404", edit_cmdline),
    ("cmdline/disabled-behind", edit_cmdline),
    ("cmdline/crlf", edit_cmdline),
    ("raspi_extra_cmdline/absent", edit_extra_cmdline),
    ("raspi_extra_cmdline/present", edit_extra_cmdline),
    ("grub_cfg/debian-pc", edit_grub_cfg),
    ("grub_cfg/ubuntu-efi", edit_grub_cfg),
    ("dhcpcd_conf/pios-bullseye", edit_dhcpcd),
    ("dhcpcd_conf/own-block", edit_dhcpcd),
    ("dhcpcd_conf/crlf", edit_dhcpcd),
    ("fstab/pios-bookworm", edit_fstab),
    ("fstab/swap-and-old-line", edit_fstab),
    ("fstab/crlf", edit_fstab),
    ("dphys_swapfile/debian", dphys_swapfile::edit),
    ("dphys_swapfile/pios-bookworm", dphys_swapfile::edit),
    ("hosts/pios", edit_hosts),
    ("hosts/ubuntu", edit_hosts),
    ("hosts/crlf", edit_hosts),
    ("passwd/debian", accounts::edit_passwd),
    ("passwd/pios", accounts::edit_passwd),
    ("passwd/nis", accounts::edit_passwd),
    ("shadow/debian", accounts::edit_shadow),
    ("shadow/pios", accounts::edit_shadow),
    ("shadow/expired", accounts::edit_shadow_for_keys),
    ("group/debian", accounts::edit_group),
    ("group/pios", accounts::edit_group),
    ("group/no-end", accounts::edit_group_without_sudo),
    ("gshadow/debian", accounts::edit_gshadow),
    ("gshadow/pios", accounts::edit_gshadow),
    ("subids/debian", accounts::edit_subids),
    ("subids/pios", accounts::edit_subids),
    ("interfaces/debian-pi", networks::edit_interfaces),
    ("interfaces/own-stanza", networks::edit_interfaces),
    ("interfaces/dhcp-with-search", networks::edit_interfaces_dhcp),
    ("interfaces/ipv6", networks::edit_interfaces_v6),
    ("interfaces/vlan", networks::edit_interfaces_vlan),
    ("interfaces/extras", networks::edit_interfaces_extras),
    ("interfaces/extras-by-dhcp", networks::edit_interfaces_extras_by_dhcp),
    ("authorized_keys/new", accounts::edit_keys),
    ("authorized_keys/there", accounts::edit_keys),
    ("authorized_keys/others", accounts::edit_keys),
];

pub(crate) const RENDERS: &[(&str, Render)] = &[
    ("cloud_init/drop-in", || {
        cloud_init::render(CloudInitOverrides { network: true, ..CloudInitOverrides::default() })
    }),
    ("cloud_init/with-accounts", || {
        cloud_init::render(CloudInitOverrides { network: true, accounts: true, time_zone: false })
    }),
    ("grub_default/drop-in", || grub_default::render(&CGROUP_MEMORY)),
    ("hostname/hc-1", || hostname::render(&"hc-1".parse().unwrap())),
    ("k3s_config/least", || render_config(false)),
    ("k3s_config/most", || render_config(true)),
    ("k3s_config/agent", || k3s_config::render(Role::Agent, &settings(true))),
    ("k3s_env/plain", || k3s_env::render(None)),
    ("k3s_env/mode", || k3s_env::render(Some("0644".parse().unwrap()))),
    ("container_stop/unit", || container_stop::render(Role::Server)),
    ("container_stop/script", container_stop::script),
    ("k3s_unit/server", || k3s_unit::render(Role::Server)),
    ("k3s_unit/agent", || k3s_unit::render(Role::Agent)),
    ("keyfile/dhcp", || keyfile::render(&Profile::default())),
    ("keyfile/static", || keyfile::render(&Profile { network: Some(&network()), ..Profile::default() })),
    ("keyfile/dhcp-by-mac-with-search", || {
        let (mac, search) = ("dc:a6:32:01:02:03".parse().unwrap(), "home.lan".parse().unwrap());
        keyfile::render(&Profile { mac: Some(&mac), search: Some(&search), ..Profile::default() })
    }),
    ("keyfile/named-without-gateway", || {
        let network = StaticNetwork::new("10.0.0.2/8".parse().unwrap(), None, Vec::new()).unwrap();
        let interface = "end0".parse().unwrap();
        keyfile::render(&Profile {
            network: Some(&network),
            interface: Some(&interface),
            ..Profile::default()
        })
    }),
    ("keyfile/ipv6", || keyfile::render(&Profile { network: Some(&network_v6()), ..Profile::default() })),
    ("modules_load/all", || modules_load::render(&all_modules())),
    ("keyfile/wifi", || networks::wifi(|profile| keyfile::render(&profile))),
    ("keyfile/wifi-wpa3", || networks::wpa3(|profile| keyfile::render(&profile))),
    ("netplan/wifi-wpa3", || networks::wpa3(|profile| netplan::render(&profile))),
    ("netplan/dhcp", || netplan::render(&Profile::default())),
    ("keyfile/vlan", || networks::in_vlan(|profile| keyfile::render(&profile))),
    ("keyfile/vlan-port", || networks::in_vlan(|profile| keyfile::render_port(&profile))),
    ("keyfile/vlan-first-port", || networks::vlan_by_dhcp(|profile| keyfile::render_port(&profile))),
    ("netplan/vlan", || networks::in_vlan(|profile| netplan::render(&profile))),
    ("netplan/vlan-by-dhcp", || networks::vlan_by_dhcp(|profile| netplan::render(&profile))),
    ("netplan/static", || networks::fixed(|profile| netplan::render(&profile))),
    ("netplan/ipv6", || netplan::render(&Profile { network: Some(&network_v6()), ..Profile::default() })),
    ("netplan/by-mac", || networks::by_mac(|profile| netplan::render(&profile))),
    ("netplan/wifi", || networks::wifi(|profile| netplan::render(&profile))),
    ("keyfile/extras", || networks::extras(false, |profile| keyfile::render(&profile))),
    ("keyfile/extras-vlan", || networks::extras(true, |profile| keyfile::render(&profile))),
    ("keyfile/extras-by-dhcp", || networks::extras_by_dhcp(|profile| keyfile::render(&profile))),
    ("netplan/extras", || networks::extras(false, |profile| netplan::render(&profile))),
    ("netplan/extras-vlan", || networks::extras(true, |profile| netplan::render(&profile))),
    ("netplan/extras-by-dhcp", || networks::extras_by_dhcp(|profile| netplan::render(&profile))),
    ("networkd/extras", || networks::extras(false, |profile| networkd::render(&profile))),
    ("networkd/extras-vlan", || networks::extras(true, |profile| networkd::render(&profile))),
    ("networkd/extras-vlan-port", || {
        networks::extras(true, |profile| networkd::render_port(&profile, networks::vlan_20()))
    }),
    ("networkd/wait-online", || wait_online::render(wait_online::SECONDS)),
    ("networkd/dhcp", || networkd::render(&Profile::default())),
    ("networkd/static", || networks::fixed(|profile| networkd::render(&profile))),
    ("networkd/ipv6", || networkd::render(&Profile { network: Some(&network_v6()), ..Profile::default() })),
    ("networkd/by-mac", || networks::by_mac(|profile| networkd::render(&profile))),
    ("networkd/vlan", || networks::in_vlan(|profile| networkd::render(&profile))),
    ("networkd/vlan-port", || {
        networks::in_vlan(|profile| networkd::render_port(&profile, networks::vlan_20()))
    }),
    ("networkd/vlan-netdev", || networkd::render_netdev(networks::vlan_20())),
    ("wifi_country/de", || wifi_country::render(&"DE".parse().unwrap())),
    ("resolv_conf/all", || resolv_conf::render(network().dns(), Some(&"home.lan".parse().unwrap()))),
    ("wpa_supplicant/hidden", networks::render_wpa_supplicant),
    ("rpi_swap/drop-in", rpi_swap::render),
    ("sshd_config/drop-in", sshd_config::render),
    ("sudoers/two", accounts::render_sudoers),
    ("journald/drop-in", journald::render),
    ("sysctl/drop-in", sysctl::render),
    ("kubelet_sysctl/settings", kubelet_sysctl::render),
    ("kubelet_sysctl/drop-in", kubelet_sysctl::drop_in),
    ("zram_generator/empty", zram_generator::render),
];

pub(crate) fn edit_cmdline(text: &str) -> String {
    cmdline::edit(text, &CGROUP_MEMORY).unwrap()
}

fn edit_extra_cmdline(text: &str) -> String {
    raspi_extra_cmdline::edit(text, &CGROUP_MEMORY).unwrap()
}

fn edit_grub_cfg(text: &str) -> String {
    grub_cfg::edit(text, &CGROUP_MEMORY).unwrap()
}

fn edit_dhcpcd(text: &str) -> String {
    let search = "home.lan".parse().unwrap();
    dhcpcd_conf::edit(text, &"eth0".parse().unwrap(), Some(&network()), Some(&search)).unwrap()
}

/// Both things that a build does to this file.
fn edit_fstab(text: &str) -> String {
    ensure_data_disk(&fstab::remove_swap(text)).unwrap()
}

pub(crate) fn ensure_data_disk(text: &str) -> Result<String, EditError> {
    let (label, mount) = ("k8s-data".parse().unwrap(), "/k8s-data".parse().unwrap());
    let wanted = LabelMount { label: &label, mount: &mount, fstype: "ext4", options: "defaults,nofail" };
    fstab::ensure_mount_by_label(text, wanted)
}

fn edit_hosts(text: &str) -> String {
    hosts::edit(text, "raspberrypi", &"hc-1".parse().unwrap())
}

pub(crate) fn network() -> StaticNetwork {
    let dns = ["192.168.1.1", "2606:4700:4700::1111", "1.1.1.1"].map(|server| server.parse().unwrap());
    let gateway = "192.168.1.1".parse().unwrap();
    StaticNetwork::new("192.168.1.10/24".parse().unwrap(), Some(gateway), dns.to_vec()).unwrap()
}

pub(crate) fn network_v6() -> StaticNetwork {
    let dns = vec!["fd00::53".parse().unwrap()];
    StaticNetwork::new("fd00::10/64".parse().unwrap(), Some("fd00::1".parse().unwrap()), dns).unwrap()
}

/// What a node is told by all features of its plan; what an agent does not know and what is empty stays unsaid.
pub(crate) fn settings(most: bool) -> Vec<Setting> {
    let text = |text: &str| Node::Text(if most { text.to_owned() } else { String::new() });
    let list = |items: &[&str]| {
        Node::List(if most { items.iter().map(ToString::to_string).collect() } else { Vec::new() })
    };
    vec![
        ("cluster-init", Node::Switch(most)),
        ("secrets-encryption", Node::Switch(most)),
        ("prefer-bundled-bin", Node::Switch(most)),
        ("tls-san", list(&["hc-1.lan", "192.168.1.10"])),
        ("disable", list(&["traefik"])),
        ("node-label", list(&["disk=ssd"])),
        ("node-taint", list(&["dedicated=storage:NoSchedule"])),
        ("kubelet-arg", list(&["image-gc-high-threshold=75", "container-log-max-files=3"])),
        ("agent-token-file", text("/etc/rancher/k3s/agent-token")),
        ("flannel-backend", Node::Text(if most { "host-gw" } else { "vxlan" }.to_owned())),
        ("cluster-cidr", text("10.52.0.0/16")),
        ("service-cidr", text("10.53.0.0/16")),
        ("cluster-domain", text("lab.local")),
        ("node-name", Node::Text("hc-1".to_owned())),
        ("node-ip", text("192.168.1.10")),
        ("flannel-iface", text("eth0")),
        ("server", text("https://192.168.1.9:6443")),
        ("token-file", text("/etc/rancher/k3s/token")),
        ("datastore-endpoint", text("postgres://k3s:password@db.home.lan:5432/k3s")),
    ]
}

fn render_config(most: bool) -> String {
    k3s_config::render(Role::Server, &settings(most))
}

fn all_modules() -> KernelModules {
    KernelModules::parse(
        "kernel/net/bridge/br_netfilter.ko.xz: kernel/net/bridge/bridge.ko.xz\n\
         kernel/net/netfilter/nf_conntrack.ko.xz:\n\
         kernel/net/ipv4/netfilter/iptable_nat.ko.xz:\n\
         kernel/net/ipv4/netfilter/iptable_filter.ko.xz:\n",
        "kernel/fs/overlayfs/overlay.ko\n",
    )
}
