//! Networks: the arguments of their golden files, and the services that judge them. systemd-networkd and ifupdown run in
//! a network namespace of their own, where they set up stand-ins for the interfaces.

use std::fs;

use hcimage::formats::interfaces::Up;
use hcimage::formats::profile::{Profile, Wifi};
use hcimage::formats::{EditError, interfaces, networkd, wpa_supplicant};
use hcimage::value::{CountryCode, InterfaceName, Mtu, Psk, Route, Ssid, VlanId};
use hcimage_testkit::checkers::{checker, in_a_network};
use hcimage_testkit::external_tool::user_namespaces;
use hcimage_testkit::needs;
use proptest::prelude::*;

use crate::cases::{network, network_v6};
use crate::external_tools::{content, run};
use crate::properties::{keeps_its_promises, text_of};
use crate::read;

const SSID: &str = "Café; \"5\" GHz";
const PSK: &str = r##" a\b;c"d#e "##;

/// A name and a password that each format has to write in its own way.
pub(crate) fn wifi(render: impl Fn(Profile<'_>) -> String) -> String {
    let (ssid, psk): (Ssid, Psk) = (SSID.parse().unwrap(), PSK.parse().unwrap());
    let country: CountryCode = "DE".parse().unwrap();
    let wifi = Wifi { ssid: &ssid, psk: &psk, wpa3: false, hidden: true, country: &country };
    render(Profile { wifi: Some(wifi), ..Profile::default() })
}

/// The same network with WPA3 only.
pub(crate) fn wpa3(render: impl Fn(Profile<'_>) -> String) -> String {
    wifi(|profile| {
        let wifi = profile.wifi.map(|wifi| Wifi { wpa3: true, ..wifi });
        render(Profile { wifi, ..profile })
    })
}

/// Several name servers and a search domain.
pub(crate) fn fixed(render: impl Fn(Profile<'_>) -> String) -> String {
    let (interface, search) = (eth0(), "home.lan".parse().unwrap());
    let network = network();
    render(Profile {
        network: Some(&network),
        interface: Some(&interface),
        search: Some(&search),
        ..Profile::default()
    })
}

pub(crate) fn by_mac(render: impl Fn(Profile<'_>) -> String) -> String {
    let (mac, search) = ("dc:a6:32:01:02:03".parse().unwrap(), "home.lan".parse().unwrap());
    render(Profile { mac: Some(&mac), search: Some(&search), ..Profile::default() })
}

pub(crate) fn vlan_20() -> VlanId {
    VlanId::try_from(20).unwrap()
}

/// An address in a VLAN, and all that the port below it could be known by.
pub(crate) fn in_vlan(render: impl Fn(Profile<'_>) -> String) -> String {
    let (interface, search) = (eth0(), "home.lan".parse().unwrap());
    let (network, mac) = (network(), "dc:a6:32:01:02:03".parse().unwrap());
    render(Profile {
        network: Some(&network),
        interface: Some(&interface),
        mac: Some(&mac),
        search: Some(&search),
        vlan: Some(vlan_20()),
        ..Profile::default()
    })
}

/// Further addresses of both families, ways to other networks, and small packets.
pub(crate) fn extras(vlan: bool, render: impl Fn(Profile<'_>) -> String) -> String {
    let (interface, network) = (eth0(), network());
    let more = ["10.7.0.11/24", "fd07::11/64"].map(|address| address.parse().unwrap());
    let route = |to: &str, via: &str| Route::new(to.parse().unwrap(), via.parse().unwrap()).unwrap();
    let routes = [route("10.8.0.0/16", "10.7.0.1"), route("fd08::/64", "fd07::1")];
    render(Profile {
        network: Some(&network),
        more_addresses: &more,
        routes: &routes,
        mtu: Mtu::try_from(1400).ok(),
        interface: Some(&interface),
        vlan: vlan.then(vlan_20),
        ..Profile::default()
    })
}

/// A route and small packets where the network gives the address.
pub(crate) fn extras_by_dhcp(render: impl Fn(Profile<'_>) -> String) -> String {
    let routes = [Route::new("10.8.0.0/16".parse().unwrap(), "10.0.0.254".parse().unwrap()).unwrap()];
    render(Profile { routes: &routes, mtu: Mtu::try_from(9000).ok(), ..Profile::default() })
}

pub(crate) fn vlan_by_dhcp(render: impl Fn(Profile<'_>) -> String) -> String {
    render(Profile { vlan: Some(vlan_20()), ..Profile::default() })
}

/// What a build does to the main file of ifupdown for a VLAN on the first port.
pub(crate) fn edit_interfaces_vlan(text: &str) -> String {
    let (port, interface) = (eth0(), vlan_20().interface_on(&eth0()).unwrap());
    let brought_up = |interface| interfaces::brought_up(text, interface);
    let up = Up { already: brought_up(&interface).is_some(), by: brought_up(&port).unwrap_or_default() };
    let network = network();
    let mtu = Mtu::try_from(1400).ok();
    let profile = Profile { network: Some(&network), vlan: Some(vlan_20()), mtu, ..Profile::default() };
    interfaces::edit(text, &interface, Some(&port), &profile, up)
}

pub(crate) fn edit_interfaces_extras(text: &str) -> String {
    extras(false, |profile| interfaces::edit(text, &eth0(), None, &profile, up(text)))
}

pub(crate) fn edit_interfaces_extras_by_dhcp(text: &str) -> String {
    extras_by_dhcp(|profile| interfaces::edit(text, &eth0(), None, &profile, up(text)))
}

fn up(text: &str) -> Up {
    Up { already: interfaces::brought_up(text, &eth0()).is_some(), ..Up::default() }
}

fn eth0() -> InterfaceName {
    "eth0".parse().unwrap()
}

/// What a build does to the main file of ifupdown where it is the only one.
pub(crate) fn edit_interfaces(text: &str) -> String {
    fixed(|profile| interfaces::edit(text, &eth0(), None, &profile, up(text)))
}

pub(crate) fn edit_interfaces_dhcp(text: &str) -> String {
    let search = "home.lan".parse().unwrap();
    let profile = Profile { search: Some(&search), ..Profile::default() };
    interfaces::edit(text, &eth0(), None, &profile, up(text))
}

pub(crate) fn edit_interfaces_v6(text: &str) -> String {
    let network = network_v6();
    let profile = Profile { network: Some(&network), ..Profile::default() };
    interfaces::edit(text, &eth0(), None, &profile, up(text))
}

pub(crate) fn render_wpa_supplicant() -> String {
    let (ssid, psk): (Ssid, Psk) = (SSID.parse().unwrap(), PSK.parse().unwrap());
    let country: CountryCode = "DE".parse().unwrap();
    wpa_supplicant::render(&Wifi { ssid: &ssid, psk: &psk, wpa3: false, hidden: true, country: &country })
}

/// What netplan makes of our file beside one that cloud-init wrote: its own files, with their names, as one text.
fn generated_by_netplan(name: &str) -> Vec<(String, String)> {
    generated_for(name, "networkd", ["run/systemd/network", "run/netplan"])
}

fn generated_for<const N: usize>(name: &str, renderer: &str, dirs: [&str; N]) -> Vec<(String, String)> {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("etc/netplan");
    fs::create_dir_all(&dir).unwrap();
    let cloud = format!(
        "network:\n  version: 2\n  renderer: {renderer}\n  ethernets:\n    eth0: {{dhcp4: true, optional: true}}\n"
    );
    fs::write(dir.join("50-cloud-init.yaml"), cloud).unwrap();
    fs::write(dir.join("99-hcimage.yaml"), read(name, "out")).unwrap();
    let mut netplan = checker("netplan");
    let output = run("netplan.io", netplan.arg("generate").arg("--root-dir").arg(root.path()), "");
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    let mut found = Vec::new();
    for dir in dirs {
        for file in fs::read_dir(root.path().join(dir)).into_iter().flatten().map(Result::unwrap) {
            let text = fs::read_to_string(file.path()).unwrap();
            found.push((file.file_name().into_string().unwrap(), text));
        }
    }
    found.sort();
    found
}

#[test]
fn netplan_makes_the_first_file_of_ours() {
    needs!("netplan" from "netplan.io");
    for (name, wanted) in [
        ("netplan/dhcp", &["Name=e[nt]*\n", "DHCP=yes\n"][..]),
        (
            "netplan/static",
            &[
                "Name=eth0\n",
                "Address=192.168.1.10/24\n",
                "DNS=192.168.1.1\nDNS=1.1.1.1\nDNS=2606:4700:4700::1111\n",
                "Domains=home.lan\n",
                "Destination=0.0.0.0/0\nGateway=192.168.1.1\n",
            ],
        ),
        ("netplan/ipv6", &["DHCP=ipv4\n", "Address=fd00::10/64\n", "Destination=::/0\nGateway=fd00::1\n"]),
        (
            "netplan/extras",
            &[
                "MTUBytes=1400\n",
                "Address=192.168.1.10/24\nAddress=10.7.0.11/24\nAddress=fd07::11/64\n",
                "Destination=0.0.0.0/0\nGateway=192.168.1.1\n",
                "Destination=10.8.0.0/16\nGateway=10.7.0.1\n",
                "Destination=fd08::/64\nGateway=fd07::1\n",
            ],
        ),
        (
            "netplan/extras-by-dhcp",
            &["MTUBytes=9000\n", "DHCP=yes\n", "Destination=10.8.0.0/16\nGateway=10.0.0.254\n"],
        ),
        ("netplan/by-mac", &["MACAddress=dc:a6:32:01:02:03\n", "DHCP=yes\n", "Domains=home.lan\n"]),
    ] {
        let files = generated_by_netplan(name);
        let networks: Vec<_> = files.iter().filter(|(file, _)| file.ends_with(".network")).collect();
        let (first, text) = networks.first().unwrap();
        assert!(networks.len() == 2 && first == "10-netplan-00-hcimage.network", "{name}: {files:?}");
        for words in wanted.iter().chain(&["RequiredForOnline=no\n"]) {
            assert!(text.contains(words), "{name}: {words:?} is not in\n{text}");
        }
    }
}

/// The port's file comes before the one of the base, and the address is on the VLAN alone.
#[test]
fn netplan_puts_the_vlan_on_our_port() {
    needs!("netplan" from "netplan.io");
    for (name, matched, address) in [
        ("netplan/vlan", "PermanentMACAddress=dc:a6:32:01:02:03\n", "Address=192.168.1.10/24\n"),
        ("netplan/vlan-by-dhcp", "Name=e[nt]*\n", "DHCP=yes\n"),
    ] {
        let files = generated_by_netplan(name);
        let text = |wanted: &str| {
            let found = files.iter().find(|(name, _)| name == wanted);
            found.unwrap_or_else(|| panic!("{name}: no {wanted} in {files:?}")).1.as_str()
        };
        let port = text("10-netplan-00-hcimage.network");
        let (first, _) = files.iter().find(|(name, _)| name.ends_with(".network")).unwrap();
        assert_eq!(first, "10-netplan-00-hcimage.network", "{name}");
        assert!(port.contains(matched) && port.contains("VLAN=vlan20\n"), "{name}: {port}");
        assert!(
            port.contains("RequiredForOnline=no\n") && port.contains("LinkLocalAddressing=no\n"),
            "{port}"
        );
        assert!(!port.contains("DHCP=") && !port.contains("\nAddress="), "{name}: {port}");
        assert!(text("10-netplan-vlan20.netdev").contains("Kind=vlan\n\n[VLAN]\nId=20\n"), "{files:?}");
        let vlan = text("10-netplan-vlan20.network");
        assert!(vlan.contains("Name=vlan20\n") && vlan.contains(address), "{name}: {vlan}");
        assert!(vlan.contains("RequiredForOnline=no"), "the boot does not wait for it: {vlan}");
    }
    // A renderer that another file chooses for all definitions does not count.
    let files = generated_for("netplan/vlan-by-dhcp", "NetworkManager", ["run/systemd/network"]);
    assert!(files.iter().any(|(name, _)| name == "10-netplan-vlan20.network"), "{files:?}");
}

#[test]
fn netplan_tells_wpa_supplicant_the_wireless_network() {
    needs!("netplan" from "netplan.io", "wpa_passphrase" from "wpasupplicant");
    let files = generated_by_netplan("netplan/wifi");
    let (_, text) =
        files.iter().find(|(name, _)| name.starts_with("wpa-")).unwrap_or_else(|| panic!("{files:?}"));
    assert!(
        text.contains(&format!("ssid=P\"{SSID}\"")) || text.contains(&format!("ssid=\"{SSID}\"")),
        "{text}"
    );
    assert!(
        text.contains("scan_ssid=1\n") && text.contains(&format!("psk={}\n", key_by_wpa_passphrase())),
        "{text}"
    );
}

/// systemd-networkd reads the file and sets the interface up. It gives up root's rights for its own account, which here
/// must be root's: there is no other. With a read-only /sys it does not wait for udev.
const NETWORKD: &str = "echo systemd-network:x:0:0::/:/bin/sh > /run/passwd; mount -t sysfs -o ro sys /sys; mount --bind /run/passwd /etc/passwd; cp \"$0\" /run/systemd/network/00-hcimage.network; chmod 644 /run/systemd/network/*; \
    SYSTEMD_LOG_LEVEL=info /lib/systemd/systemd-networkd & pid=$!; \
    for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do \
      ip -o addr show dev eth0 | grep -q 'inet.* global' && break; sleep 0.25; done; \
    ip -o addr; ip route; ip -6 route; kill $pid; wait $pid || true";

#[test]
fn systemd_networkd_sets_the_address() {
    needs!("networkctl" from "systemd");
    if !user_namespaces() {
        return;
    }
    for (name, address, route) in [
        ("networkd/static", "192.168.1.10/24", "default via 192.168.1.1 dev eth0"),
        ("networkd/ipv6", "fd00::10/64", "default via fd00::1 dev eth0"),
    ] {
        let said = in_a_network(NETWORKD, &read(name, "out"));
        assert!(said.contains(address) && said.contains(route), "{name}: {said}");
        assert!(!said.contains("veth0: Configuring"), "{said}");
        assert!(!said.contains("Unknown") && !said.contains("Failed to parse"), "{name}: {said}");
    }
    let said = in_a_network(&show_mtu(NETWORKD), &read("networkd/extras", "out"));
    has_extras(&said);
    assert!(!said.contains("Unknown") && !said.contains("Failed to parse"), "{said}");
    let by_mac = read("networkd/by-mac", "out").replace("DHCP=yes", "Address=10.1.2.3/8");
    let said = in_a_network(NETWORKD, &by_mac);
    assert!(said.contains("10.1.2.3/8"), "{said}");
}

/// The size of the packets in what a script says.
fn show_mtu(script: &str) -> String {
    script.replace("ip -o addr;", "ip -o addr; ip -o link show dev eth0;")
}

#[track_caller]
fn has_extras(said: &str) {
    for words in [
        "inet 192.168.1.10/24",
        "inet 10.7.0.11/24",
        "inet6 fd07::11/64",
        "default via 192.168.1.1 dev eth0",
        "10.8.0.0/16 via 10.7.0.1 dev eth0",
        "fd08::/64 via fd07::1 dev eth0",
        " mtu 1400 ",
    ] {
        assert!(said.contains(words), "{words:?} is not in\n{said}");
    }
}

#[test]
fn systemd_networkd_would_complain_of_a_bad_file() {
    needs!("networkctl" from "systemd");
    if !user_namespaces() {
        return;
    }
    let bad = read("networkd/static", "out").replace("Gateway=", "Gatway=");
    assert!(in_a_network(NETWORKD, &bad).contains("Gatway"));
}

/// Not every kernel that tests run on can make a VLAN: what systemd-networkd reads and asks of it is judged.
#[test]
fn systemd_networkd_asks_for_the_vlan_on_the_port() {
    needs!("networkctl" from "systemd");
    if !user_namespaces() {
        return;
    }
    let more = "SYSTEMD_LOG_LEVEL=debug";
    let script = NETWORKD.replace("SYSTEMD_LOG_LEVEL=info", more).replace(
        "chmod 644",
        "grep -v '^==' \"$0\" > /dev/null; cd /run/systemd/network; rm *; \
         awk '/^== /{file=$2; next} {print > file}' \"$0\"; chmod 644",
    );
    let file = |place: &str, name: &str| {
        let name_of_file = place.rsplit('/').next().unwrap();
        format!("== {name_of_file}\n{}", read(name, "out"))
    };
    let files = file(networkd::PATH, "networkd/vlan")
        + &file(networkd::PORT_PATH, "networkd/vlan-port")
        + &file(networkd::NETDEV_PATH, "networkd/vlan-netdev");
    let said = in_a_network(&script, &files);
    for words in [
        "vlan20: loaded \"vlan\"",
        "eth0: found matching network '/run/systemd/network/00-hcimage-port.network'",
        "eth0: Requested stacked netdev 'vlan20'",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    for complaint in ["Unknown key", "Unknown section", "Failed to parse"] {
        assert!(!said.contains(complaint), "{said}");
    }
    let bad = in_a_network(&script, &files.replace("\nId=20", "\nId=4095"));
    assert!(!bad.contains("vlan20: loaded"), "{bad}");

    // The same files beside a stand-in for the VLAN's interface: it gets the address, and the port none.
    let stand_in = "ip link add vlan20 type veth peer name other0; ip link set other0 up;";
    let script = format!("{stand_in} {}", script.replace("dev eth0 |", "dev vlan20 |"));
    let said = in_a_network(&script, files.split("== 00-hcimage.netdev").next().unwrap());
    assert!(
        said.contains("192.168.1.10/24") && said.contains("default via 192.168.1.1 dev vlan20"),
        "{said}"
    );
    let of_port = said.lines().filter(|line| line.contains(": eth0 ") || line.contains(": eth0@"));
    assert!(!of_port.clone().any(|line| line.contains("inet")), "{said}");
}

/// What ifup would run: it makes the VLAN's interface itself, of its name.
#[test]
fn ifupdown_makes_the_vlan_when_its_port_comes_up() {
    needs!("ifup" from "ifupdown");
    if !user_namespaces() {
        return;
    }
    let text = read("interfaces/vlan", "out");
    let script = "mount -t sysfs sys /sys; \
                  ifup --no-scripts --no-act --verbose -a --allow=hotplug --interfaces=\"$0\" --state-dir=/run/network";
    let said = in_a_network(script, &text.replace("source", "#"));
    for words in [
        "ip link set dev eth0 mtu 1400",
        "ip link add link eth0 name eth0.20 type vlan id 20",
        "ip link set dev eth0.20 mtu 1400",
        "ip addr add 192.168.1.10/255.255.255.0 broadcast 192.168.1.255",
        "dev eth0.20 label eth0.20",
        "ip route add default via 192.168.1.1  dev eth0.20",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(!said.contains("dhclient") && !said.contains("dhcpcd"), "the port has no address: {said}");
}

#[test]
fn ifupdown_sets_the_address() {
    needs!("ifup" from "ifupdown");
    if !user_namespaces() {
        return;
    }
    // Its hooks are for a machine that boots: they are not run.
    let script = "ifup --no-scripts --interfaces=\"$0\" --state-dir=/run/network eth0; ip -o addr; ip route; ip -6 route";
    for (name, address, route) in [
        ("interfaces/debian-pi", "192.168.1.10/24", "default via 192.168.1.1 dev eth0"),
        ("interfaces/own-stanza", "192.168.1.10/24", "default via 192.168.1.1 dev eth0"),
        ("interfaces/ipv6", "fd00::10/64", "default via fd00::1 dev eth0"),
    ] {
        let said = in_a_network(script, &read(name, "out"));
        assert!(said.contains(address) && said.contains(route), "{name}: {said}");
    }
    has_extras(&in_a_network(&show_mtu(script), &read("interfaces/extras", "out")));
    let query = "ifquery --interfaces=\"$0\" eth0; echo; ifquery --interfaces=\"$0\" --list";
    let said = in_a_network(query, &read("interfaces/dhcp-with-search", "out"));
    assert!(said.contains("dns-search: home.lan") && !said.contains("address:"), "{said}");
    assert!(said.contains("\neth0"), "it comes up by itself: {said}");
}

/// The key as wpa_supplicant's own tool makes it.
fn key_by_wpa_passphrase() -> String {
    let output = run("wpasupplicant", checker("wpa_passphrase").arg(SSID), &format!("{PSK}\n"));
    let said = String::from_utf8(output.stdout).unwrap();
    let key = said.lines().find_map(|line| line.strip_prefix("\tpsk=")).unwrap_or_else(|| panic!("{said}"));
    key.to_owned()
}

#[test]
fn wpa_supplicant_reads_its_file() {
    needs!("wpa_supplicant" from "wpasupplicant");
    if !user_namespaces() {
        return;
    }
    let script = "timeout 2 wpa_supplicant -dd -K -D wired -i eth0 -c \"$0\" || true";
    let good = read("wpa_supplicant/hidden", "out");
    let said = in_a_network(script, &good);
    assert!(said.contains("PSK - hexdump(len=32)") && !said.contains("Failed to read"), "{said}");
    assert!(good.contains(&format!("\tpsk={}\n", key_by_wpa_passphrase())), "{good}");
    let hex: String = SSID.bytes().map(|byte| format!(" {byte:02x}")).collect();
    assert!(said.contains(&hex), "{said}");
    let bad = in_a_network(script, &good.replace("\tpsk=", "\tpks="));
    assert!(bad.contains("Failed to read"), "{bad}");
}

/// NetworkManager's own reading of the name and the password, which nmcli shows when asked for secrets.
#[test]
fn network_manager_understands_the_wireless_network() {
    needs!("nmcli" from "network-manager");
    let change = ["--offline", "connection", "modify", "connection.autoconnect-retries", "3"];
    let wpa3 = content("network-manager", checker("nmcli").args(change), &read("keyfile/wifi-wpa3", "out"));
    assert!(wpa3.contains("key-mgmt=sae\n") && wpa3.contains("psk=\\sa\\\\b;c"), "{wpa3}");
    let said = content("network-manager", checker("nmcli").args(change), &read("keyfile/wifi", "out"));
    for line in ["type=wifi", "hidden=true", "mode=infrastructure", "key-mgmt=wpa-psk"] {
        assert!(said.lines().any(|found| found == line), "{line}:\n{said}");
    }
    let ssid: String = SSID.bytes().map(|byte| format!("{byte};")).collect();
    assert!(said.contains(&format!("ssid={ssid}\n")), "{said}");
    assert!(said.contains("psk=\\sa\\\\b;c\"d#e \n") || said.contains("psk=\\sa\\\\b;c\"d#e\\s\n"), "{said}");
}

const INTERFACES: &[&str] = &[
    "",
    "auto lo eth0",
    "iface eth0 inet dhcp",
    "  address 10.0.0.1/8",
    "iface eth1 inet dhcp",
    "# x",
    "source /etc/network/interfaces.d/*",
    "mapping eth0",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn interfaces_of_others_stay(text in text_of(INTERFACES)) {
        // ifupdown does not know carriage returns.
        let text = text.replace('\r', "");
        let foreign = |line: &str| {
            let first = line.split_ascii_whitespace().next().unwrap_or("#");
            first.starts_with('#') || ["auto", "source", "mapping"].contains(&first) || line.starts_with("iface eth1")
        };
        keeps_its_promises(&text, |text| Ok::<_, EditError>(edit_interfaces(text)), foreign)?;
        let edited = edit_interfaces(&text);
        prop_assert_eq!(edited.matches("iface eth0 inet").count(), 1, "{:?}", edited);
        keeps_its_promises(&text, |text| Ok::<_, EditError>(edit_interfaces_extras(text)), foreign)?;
        let edited = edit_interfaces_extras(&text);
        prop_assert_eq!(edited.matches("iface eth0 inet").count(), 3, "{:?}", edited);
    }
}
