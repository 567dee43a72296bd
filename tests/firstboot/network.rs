//! The static address: claimed after a probe, never against another machine.

use std::time::Duration;

use hc_common::network::{NetworkStack, Profile, Site, keyfile};
use hc_common::value::{
    DomainName, InterfaceAddress, InterfaceName, MacAddress, Mtu, Route, StaticNetwork, VlanId,
};
use hc_firstboot::RunOutcome;
use hc_firstboot::seed::Seed;
use hcimage_testkit::files::MemoryFiles;

use crate::failures::{flashed, report_of};
use crate::machine::Machine;
use crate::scenario::{KEYFILE, World, fixed_address, seed};

fn with_address(of_stack: Option<NetworkStack>) -> impl FnOnce(&mut Seed) {
    move |seed| {
        seed.network.stack = of_stack;
        seed.network.fixed = Some(fixed_address(&["10.0.0.1"]));
    }
}

#[test]
fn a_free_address_is_claimed() {
    let machine = Machine::boot(flashed(|_| (), with_address(Some(NetworkStack::NetworkManager))));
    assert_eq!(machine.first_boot(), RunOutcome::Ready, "{}", machine.said());
    assert!(machine.said().contains("network: no other machine has 10.0.0.9/24: setting it on eth0"));
    let keyfile = machine.text(KEYFILE);
    assert!(keyfile.contains("\n[ipv4]\nmethod=manual\naddress1=10.0.0.9/24,10.0.0.1\n"), "{keyfile}");
    assert!(keyfile.contains("\ndns=10.0.0.1;\n"), "{keyfile}");
    let mode = machine.world.borrow().disk.stat(KEYFILE.as_ref()).unwrap().mode;
    assert_eq!(mode, 0o600, "NetworkManager ignores it else");
}

const CONFLICT: &str = "the address 10.0.0.9 belongs to another machine already, 02:00:00:00:ab:01 on eth0";

/// The fake itself panics where the address is set while the other machine is there.
#[test]
fn a_conflict_is_reported_and_awaited() {
    let change = |world: &mut World| world.conflict_until = Duration::from_secs(40);
    let machine = Machine::boot(flashed(change, with_address(Some(NetworkStack::NetworkManager))));
    assert_eq!(machine.first_boot(), RunOutcome::Ready, "{}", machine.said());
    assert!(machine.said().contains(&format!("hcimage: network: waiting: {CONFLICT}")));
}

#[test]
fn a_persistent_conflict_fails_and_leaves_the_network_unchanged() {
    let change = |world: &mut World| world.conflict_until = Duration::MAX;
    let world = flashed(change, with_address(Some(NetworkStack::NetworkManager)));
    let text = report_of(world.clone());
    assert!(text.contains(&format!("What is wrong:  {CONFLICT}\n")), "{text}");
    assert!(
        text.contains("What to do:     change the address of one of the two (this node: `hcimage.toml`"),
        "{text}"
    );
    let machine = Machine::boot(world);
    machine.first_boot();
    assert_eq!(machine.text(KEYFILE), "", "nothing was written");
    let down = |line: &String| line.contains("nmcli") || line.contains(" down");
    assert!(!machine.commands.borrow().iter().any(down), "what network there was is left up");
    assert!(
        !machine.commands.borrow().iter().any(|line| line.contains("k3s.service") && line.contains("start "))
    );
}

/// The base's own service was quicker: k3s is held back all the same.
#[test]
fn a_conflict_with_a_set_address_keeps_k3s_from_starting() {
    for until in [40, 1000] {
        let change = |world: &mut World| {
            world.put(KEYFILE, "address1=10.0.0.9/24,10.0.0.1\n");
            world.conflict_until = Duration::from_secs(until);
        };
        let machine = Machine::boot(flashed(change, with_address(Some(NetworkStack::NetworkManager))));
        let expected = if until == 40 { RunOutcome::Ready } else { RunOutcome::TryAgain };
        assert_eq!(machine.first_boot(), expected, "{}", machine.said());
        assert!(machine.said().contains(CONFLICT), "{}", machine.said());
        let untouched = "address1=10.0.0.9/24,10.0.0.1\n".to_owned();
        let wanted = if until == 40 { rendered(&machine, keyfile::PATH) } else { untouched };
        assert_eq!(machine.text(KEYFILE), wanted, "nothing is written during a conflict");
        let started = machine.now.borrow().k3s_started;
        assert!(started.is_none_or(|at| at >= Duration::from_secs(40)), "{started:?}");
        assert_eq!(started.is_some(), until == 40);
    }
}

fn in_vlan(seed: &mut Seed) {
    seed.network.link = Some("vlan20".parse().unwrap());
    seed.network.vlan = Some(20.try_into().unwrap());
}

#[test]
fn an_address_in_a_vlan_is_claimed_on_its_interface() {
    let machine = Machine::boot(flashed(
        |_| (),
        |seed| {
            with_address(Some(NetworkStack::NetworkManager))(seed);
            in_vlan(seed);
        },
    ));
    assert_eq!(machine.first_boot(), RunOutcome::Ready, "{}", machine.said());
    assert!(machine.said().contains("network: no other machine has 10.0.0.9/24: setting it on vlan20"));
    assert_eq!(machine.text(KEYFILE), rendered(&machine, keyfile::PATH));
    let port = machine.text(keyfile::PORT_PATH);
    assert_eq!(port, rendered(&machine, keyfile::PORT_PATH));
    let uuid = port.lines().find_map(|line| line.strip_prefix("uuid=")).unwrap();
    let vlan = format!(
        "type=vlan\nautoconnect-priority=999\ninterface-name=vlan20\n\n[vlan]\nid=20\nparent={uuid}\n"
    );
    assert!(machine.text(KEYFILE).contains(&vlan), "{}", machine.text(KEYFILE));
}

/// What the builder writes to a path, from the profile of the machine's seed.
fn rendered(machine: &Machine, path: &str) -> String {
    let network = machine.world.borrow().seed.network.clone();
    let site = Site { default_port: None, files: &MemoryFiles::default() };
    let files = network.stack.unwrap().backend().render(&network.profile(), &site).unwrap();
    files.iter().find(|file| file.path == path).unwrap().change.text().to_owned()
}

/// A node chosen by its port's hardware address, with a search domain.
fn by_mac(mac: &'static str) -> impl FnOnce(&mut Seed) {
    move |seed| {
        with_address(Some(NetworkStack::NetworkManager))(seed);
        seed.network.mac = Some(mac.parse().unwrap());
        seed.network.search = Some("home.lan".parse().unwrap());
    }
}

#[test]
fn the_port_with_the_mac_is_claimed_and_the_file_is_the_builders() {
    let two_ports = |world: &mut World| world.other_port = true;
    let machine = Machine::boot(flashed(two_ports, by_mac("dc:a6:32:00:00:01")));
    assert_eq!(machine.first_boot(), RunOutcome::Ready, "{}", machine.said());
    assert!(machine.said().contains("network: no other machine has 10.0.0.9/24: setting it on eth0"));
    let text = machine.text(KEYFILE);
    assert_eq!(text, rendered(&machine, keyfile::PATH));
    assert!(text.contains("\nmac-address=dc:a6:32:00:00:01\n"), "{text}");
    assert_eq!(text.matches("\ndns-search=home.lan;\n").count(), 2, "{text}");
}

#[test]
fn another_port_with_a_carrier_is_not_claimed() {
    let text = report_of(flashed(|_| (), by_mac("dc:a6:32:00:00:99")));
    assert!(text.contains("no network: no interface has the MAC address dc:a6:32:00:00:99"), "{text}");
    let machine = Machine::boot(flashed(|_| (), by_mac("dc:a6:32:00:00:99")));
    machine.first_boot();
    assert_eq!(machine.text(KEYFILE), "", "nothing was written");
}

#[test]
fn a_vlan_with_dhcp_gets_its_address() {
    let machine = Machine::boot(flashed(|_| (), in_vlan));
    assert_eq!(machine.first_boot(), RunOutcome::Ready, "{}", machine.said());
}

#[test]
fn a_vlan_that_is_missing_on_the_port_is_an_error() {
    let text = report_of(flashed(|world| world.vlan_reaches = false, in_vlan));
    assert!(text.contains("no network: no address by DHCP"), "{text}");
    assert!(text.contains("check that the switch sends VLAN 20 tagged to the port"), "{text}");
    let text = report_of(flashed(|world| world.vlan = false, in_vlan));
    assert!(text.contains("no network: the interface vlan20 of VLAN 20 is missing"), "{text}");
}

#[test]
fn networks_with_proxy_arp_are_not_probed() {
    let mut seed = seed();
    with_address(Some(NetworkStack::NetworkManager))(&mut seed);
    seed.network.arp_probe = false;
    let mut world = flashed(|world| world.conflict_until = Duration::MAX, |of| *of = seed);
    let written = rendered(&Machine::boot(world.clone()), keyfile::PATH);
    world.put(KEYFILE, &written);
    let machine = Machine::boot(world);
    assert_eq!(machine.first_boot(), RunOutcome::Ready, "{}", machine.said());
}

#[test]
fn a_network_service_without_support_is_only_awaited() {
    let world = flashed(|_| (), with_address(None));
    let text = report_of(world.clone());
    assert!(text.contains("no network: the address 10.0.0.9 is not set (set: 10.0.0.7)"), "{text}");
    let machine = Machine::boot(world);
    assert_eq!(machine.first_boot(), RunOutcome::TryAgain);
    let written = machine.said().lines().any(|line| line.contains("setting it on"));
    assert!(!written && machine.text(KEYFILE).is_empty(), "{}", machine.said());
    let commands = machine.commands.borrow();
    let changes =
        |line: &&String| ["nmcli", "systemctl restart", " up", " down"].iter().any(|w| line.contains(w));
    assert_eq!(commands.iter().find(changes), None, "the network was changed");
    let asked = commands.iter().filter(|line| line.contains("addr")).count();
    assert!(asked > 1, "it waits, and looks again: {commands:?}");
}

/// The files that each service can be told of every combination of settings, first from the profile as the builder has
/// it, then from the seed that was written and read again.
#[test]
fn every_profile_gives_the_same_files_by_the_builder_and_from_the_seed() {
    let fixed = |address: &str, gateway: Option<&str>, dns: &[&str]| {
        let dns = dns.iter().map(|server| server.parse().unwrap()).collect();
        let gateway = gateway.map(|gateway| gateway.parse().unwrap());
        Some(StaticNetwork::new(address.parse().unwrap(), gateway, dns).unwrap())
    };
    let addresses = [
        None,
        fixed("10.0.0.9/24", Some("10.0.0.1"), &[]),
        fixed("10.0.0.9/24", None, &["10.0.0.1", "fd00::1"]),
        fixed("fd00::9/64", Some("fd00::1"), &["fd00::1"]),
    ];
    let interfaces: [Option<InterfaceName>; 2] = [None, Some("end1".parse().unwrap())];
    let macs: [Option<MacAddress>; 2] = [None, Some("dc:a6:32:00:00:03".parse().unwrap())];
    let domains: [Option<DomainName>; 2] = [None, Some("home.lan".parse().unwrap())];
    let vlans: [Option<VlanId>; 2] = [None, Some(20.try_into().unwrap())];
    let more: [InterfaceAddress; 2] = ["10.7.0.9/24", "fd07::9/64"].map(|address| address.parse().unwrap());
    let routes = [Route::new("10.8.0.0/16".parse().unwrap(), "10.7.0.1".parse().unwrap()).unwrap()];
    let port = "eth0".parse().unwrap();
    let one_interface = MemoryFiles::new([("/etc/network/interfaces", "auto eth0\niface eth0 inet dhcp\n")]);
    let site = || Site { default_port: Some(&port), files: &one_interface };
    let (mut compared, mut refused) = (0, 0);
    for stack in NetworkStack::ALL {
        for (number, network) in (0..128).map(|number| (number, &addresses[number / 32])) {
            let bit = |place: usize| number >> place & 1;
            let profile = Profile {
                network: network.as_ref(),
                interface: interfaces[bit(0)].as_ref(),
                mac: macs[bit(1)].as_ref(),
                search: domains[bit(2)].as_ref(),
                vlan: vlans[bit(3)],
                more_addresses: if bit(4) == 1 && network.is_some() { &more } else { &[] },
                routes: if bit(4) == 1 { &routes } else { &[] },
                mtu: Mtu::try_from(1400).ok().filter(|_| bit(4) == 1),
                wifi: None,
            };
            let by_builder = stack.backend().render(&profile, &site());
            let mut seed = seed();
            seed.network.stack = Some(stack);
            seed.network.fixed = network.clone();
            seed.network.interface = profile.interface.cloned();
            seed.network.mac = profile.mac.copied();
            seed.network.search = profile.search.cloned();
            seed.network.vlan = profile.vlan;
            seed.network.more_addresses = profile.more_addresses.to_vec();
            seed.network.routes = profile.routes.to_vec();
            seed.network.mtu = profile.mtu;
            seed.network.link = stack.backend().link(&profile, &site()).unwrap();
            let read = Seed::parse(&seed.to_toml().unwrap()).unwrap();
            let from_seed = stack.backend().render(&read.network.profile(), &site());
            assert_eq!(by_builder, from_seed, "{stack}: {profile:?}");
            match by_builder {
                Ok(files) => compared += files.len(),
                Err(_) => refused += 1,
            }
        }
    }
    assert!(compared > 400 && refused > 100, "{compared} files were compared, {refused} profiles refused");
}

/// Every service's files are those of the builder, and the service reads them.
#[test]
fn an_address_is_set_on_every_network_service() {
    for stack in NetworkStack::ALL {
        let base = |world: &mut World| {
            world.put("/etc/dhcpcd.conf", "hostname\n");
            world.put("/etc/network/interfaces", "auto eth0\niface eth0 inet dhcp\n");
        };
        let machine = Machine::boot(flashed(base, with_address(Some(stack))));
        assert_eq!(machine.first_boot(), RunOutcome::Ready, "{stack}: {}", machine.said());
        assert!(machine.world.borrow().has_static_files(), "{stack}");
        assert!(machine.said().contains("no other machine has 10.0.0.9/24: setting it on eth0"), "{stack}");
        let changes = ["apply", "reconfigure", "ifup", "rebind", "connection up"];
        let of = |line: &&String| changes.iter().any(|word| line.contains(word));
        assert_eq!(machine.commands.borrow().iter().filter(of).count(), 1, "{stack}");
    }
}

/// What would decide at the next boot, for one setting on each service.
#[test]
fn a_node_that_is_elsewhere_after_a_reboot_is_not_ready() {
    for (stack, path, text, what) in [
        (
            NetworkStack::NetworkManager,
            "/etc/NetworkManager/system-connections/lan.nmconnection",
            "[connection]\ntype=ethernet\nautoconnect-priority=999\n",
            "/etc/NetworkManager/system-connections/lan.nmconnection, [connection]: the profile is for",
        ),
        (
            NetworkStack::NetworkManager,
            "/etc/NetworkManager/conf.d/x.conf",
            "[keyfile]\nunmanaged-devices=interface-name:eth0\n",
            "/etc/NetworkManager/conf.d/x.conf, line 2: NetworkManager does not manage",
        ),
        (
            NetworkStack::Networkd,
            "/etc/systemd/network/00-a.network",
            "[Match]\nName=e*\n[Network]\nDHCP=yes\n",
            "/etc/systemd/network/00-a.network: it is for",
        ),
        (
            NetworkStack::Netplan,
            "/run/systemd/network/10-netplan-00-a.network",
            "[Match]\nName=eth0\n",
            "/run/systemd/network/10-netplan-00-a.network: it is for",
        ),
        (
            NetworkStack::Ifupdown,
            "/etc/network/interfaces",
            "auto eth0\niface eth0 inet dhcp\nmapping eth0\n  script /bin/x\n",
            "/etc/network/interfaces, line 2: a script chooses the settings of eth0",
        ),
        (
            NetworkStack::Dhcpcd,
            "/etc/dhcpcd.conf",
            "denyinterfaces e*\n",
            "/etc/dhcpcd.conf, line 1: dhcpcd leaves eth0 alone",
        ),
    ] {
        let world = flashed(|world| world.put(path, text), with_address(Some(stack)));
        let outcome = Machine::boot(world.clone()).first_boot();
        assert_eq!(outcome, RunOutcome::TryAgain, "{path}");
        let text = report_of(world);
        let expected = format!("after a reboot the node would have another network: {what}");
        assert!(text.contains(&expected), "{stack}: {text}");
    }
}

#[test]
fn a_node_by_dhcp_gets_a_note_of_such_a_setting() {
    let change = |world: &mut World| world.put("/etc/NetworkManager/conf.d/x.conf", "[device]\nmanaged=0\n");
    let of_seed = |seed: &mut Seed| seed.network.stack = Some(NetworkStack::NetworkManager);
    let machine = Machine::boot(flashed(change, of_seed));
    assert_eq!(machine.first_boot(), RunOutcome::Ready, "{}", machine.said());
    let note = "may be without network after a reboot: /etc/NetworkManager/conf.d/x.conf, line 2";
    assert!(machine.said().contains(note), "{}", machine.said());
}

#[test]
fn one_address_is_on_one_port() {
    let change = |world: &mut World| world.both_ports = true;
    let machine = Machine::boot(flashed(change, with_address(Some(NetworkStack::Networkd))));
    assert_eq!(machine.first_boot(), RunOutcome::Ready, "{}", machine.said());
    let text = machine.text("/etc/systemd/network/00-hcimage.network");
    assert!(text.contains("[Match]\nName=eth0\n"), "the port with the route: {text}");
    // After a restart the same file is right.
    let machine = Machine::boot(machine.off().shut_down());
    machine.first_boot();
    assert_eq!(machine.text("/etc/systemd/network/00-hcimage.network"), text);
}

#[test]
fn a_port_that_is_down_is_enabled() {
    let machine = Machine::boot(flashed(|world| world.port_down = Some(true), |_| ()));
    assert_eq!(machine.first_boot(), RunOutcome::Ready, "{}", machine.said());
    let text = report_of(flashed(|world| world.port_down = Some(false), |_| ()));
    assert!(text.contains("no network: eth0 is down"), "{text}");
    assert!(!text.contains("cable"), "{text}");
}

#[test]
fn a_missing_port_is_reported_as_missing() {
    let named = |seed: &mut Seed| seed.network.link = Some("end7".parse().unwrap());
    let text = report_of(flashed(|_| (), named));
    assert!(text.contains("no network: the interface end7 is missing"), "{text}");
    assert!(!text.contains("cable"), "{text}");
}

/// At later boots the network service may be slow, or the cable not yet there.
#[test]
fn k3s_waits_for_the_address_at_later_boots() {
    let machine = Machine::boot(flashed(|_| (), with_address(Some(NetworkStack::NetworkManager))));
    assert_eq!(machine.first_boot(), RunOutcome::Ready, "{}", machine.said());
    let mut world = machine.off().shut_down();
    world.carrier = false;
    let machine = Machine::boot(world);
    let before = machine.now.borrow().uptime;
    machine.clock_gate();
    let waited = machine.now.borrow().uptime - before;
    assert!(waited >= Duration::from_secs(56) && waited < Duration::from_secs(120), "{waited:?}");
    assert!(
        machine.said().contains("clock gate: waiting: no network: no carrier on eth0"),
        "{}",
        machine.said()
    );
    assert!(machine.said().contains("no carrier on eth0; k3s starts without it"), "{}", machine.said());

    let mut world = machine.off().shut_down();
    world.carrier = true;
    let machine = Machine::boot(world);
    machine.clock_gate();
    assert!(!machine.said().contains("waiting"), "{}", machine.said());
}

/// Where no program writes it, the builder's own file gets the new name servers, and no other file does.
#[test]
fn name_servers_follow_the_address() {
    for (old, new) in [
        ("# Written by hcimage.\nnameserver 10.9.9.9\n", "# Written by hcimage.\nnameserver 10.0.0.1\n"),
        ("nameserver 127.0.0.53\n", "nameserver 127.0.0.53\n"),
    ] {
        let base = |world: &mut World| world.put("/etc/resolv.conf", old);
        let machine = Machine::boot(flashed(base, with_address(Some(NetworkStack::Networkd))));
        assert_eq!(machine.first_boot(), RunOutcome::Ready, "{}", machine.said());
        assert_eq!(machine.text("/etc/resolv.conf"), new);
    }
}

/// Another port of the same machine answers for the address that is being moved.
#[test]
fn an_answer_of_the_node_itself_is_no_conflict() {
    let change = |world: &mut World| {
        world.put(KEYFILE, "address1=10.0.0.9/24,10.0.0.1\n");
        world.other_port = true;
        world.conflict_until = Duration::MAX;
        world.conflict_with = [0xdc, 0xa6, 0x32, 0, 0, 3];
    };
    let machine = Machine::boot(flashed(change, by_mac("dc:a6:32:00:00:01")));
    machine.first_boot();
    assert!(!machine.said().contains("belongs to another machine"), "{}", machine.said());
}
