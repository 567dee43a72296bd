//! `hcimage.toml` on the boot partition: the user's overrides.

use hc_common::network::NetworkStack;
use hc_common::value::Route;
use hc_firstboot::RunOutcome;
use hc_firstboot::seed::{Role, Seed};

use crate::failures::{flashed, report_of};
use crate::machine::Machine;
use crate::scenario::{Cluster, KEYFILE, OVERRIDES, STATUS, World, full_seed, seed};

const K3S: &str = "/etc/rancher/k3s/config.yaml.d/90-hcimage-toml.yaml";

fn with(text: &str) -> World {
    flashed(
        |world| {
            world.disk.make_dirs("/boot/firmware".as_ref());
            world.put(OVERRIDES, text);
        },
        |seed| seed.network.stack = Some(NetworkStack::NetworkManager),
    )
}

#[test]
fn an_overridden_name_and_address_are_used_everywhere() {
    let text = "hostname = \"kitchen\"\r\naddress = \"10.0.0.9/24\"\r\ngateway = \"10.0.0.1\"\r\n";
    let machine = Machine::boot(with(text));
    assert_eq!(machine.first_boot(), RunOutcome::Ready, "{}", machine.said());
    assert_eq!(machine.text("/etc/hostname"), "kitchen\n");
    assert_eq!(machine.text("/etc/hosts"), "127.0.0.1 localhost\n127.0.1.1\tkitchen\n");
    assert!(machine.text(KEYFILE).contains("address1=10.0.0.9/24,10.0.0.1\n"));
    assert!(
        machine.text(K3S).ends_with("node-name: \"kitchen\"\nnode-ip: \"10.0.0.9\"\n"),
        "{}",
        machine.text(K3S)
    );
    let status = machine.text(STATUS);
    assert!(status.contains("Result:  node kitchen Ready\r\n"), "{status}");
    assert!(status.contains("identity   done           0  kitchen, by hcimage.toml\r\n"), "{status}");
}

#[test]
fn an_empty_file_changes_nothing() {
    let machine = Machine::boot(with(hc_firstboot::overrides::OVERRIDES_TEMPLATE));
    assert_eq!(machine.first_boot(), RunOutcome::Ready, "{}", machine.said());
    assert_eq!(machine.text(K3S), "");
    assert_eq!(machine.text("/etc/hostname"), "hc-1\n");
}

#[test]
fn an_invalid_file_stops_the_run_with_the_line() {
    let table = [
        ("hostname = \"a\"\naddres = \"x\"\n", "line 2: unknown field `addres`"),
        (
            "hostname = \"Küche\"\n",
            "line 1: host name \"Küche\" has uppercase letters: use lowercase letters",
        ),
        ("address = \"10.0.0.9/24\"\n", "address needs a gateway in its network beside it"),
        ("gateway = \"10.0.0.1\"\n", "gateway and dns need an address beside them"),
        (
            "address = \"10.0.0.9/24\"\ngateway = \"10.0.1.1\"\n",
            "gateway \"10.0.1.1\" is not inside 10.0.0.0/24: use the router's address",
        ),
        // The rules are those of the cluster file.
        ("hostname = \"localhost\"\n", "line 1: host name \"localhost\" is reserved for the machine itself"),
        ("address = \"10.0.0.0/24\"\n", "line 1: address \"10.0.0.0/24\" is the network address"),
        ("address = \"10.0.0.255/24\"\n", "line 1: address \"10.0.0.255/24\" is the broadcast address"),
        ("address = \"10.0.0.9/32\"\n", "line 1: address \"10.0.0.9/32\" is the only address of its network"),
        ("address = \"127.0.0.1/8\"\n", "line 1: address \"127.0.0.1/8\" is a loopback address"),
        (
            "address = \"10.0.0.9/24\"\ngateway = \"10.0.0.255\"\n",
            "gateway \"10.0.0.255\" is the broadcast address of the network",
        ),
        (
            "address = \"10.0.0.9/24\"\ngateway = \"10.0.0.1\"\ndns = [\"0.0.0.0\"]\n",
            "name server \"0.0.0.0\" begins with 0, which means 'no address'",
        ),
        (
            "address = \"10.42.0.9/24\"\ngateway = \"10.42.0.1\"\n",
            "address: its network 10.42.0.0/24 overlaps 10.42.0.0/16, a network of the cluster's pods or services",
        ),
        (
            "address = \"fd00::9/64\"\ngateway = \"fd00::1\"\n",
            "address: fd00::9/64 is of IPv6, but the networks of the cluster's pods and services are of IPv4",
        ),
    ];
    for (text, why) in table {
        let report = report_of(with(text));
        assert!(
            report.contains(&format!("What is wrong:  /boot/firmware/hcimage.toml: {why}")),
            "{why}\n{report}"
        );
        assert!(report.contains("What to do:     fix or delete the file with another computer"), "{report}");
    }
    let mut world = with("address = \"10.0.0.9/24\"\ngateway = \"10.0.0.1\"\n");
    world.put_seed(&seed());
    assert!(report_of(world).contains("the network of this node cannot be changed here"));
}

/// A route of the cluster file needs its router in a network of the node.
#[test]
fn an_address_that_does_not_reach_a_router_is_rejected() {
    let text = "address = \"10.0.0.9/24\"\ngateway = \"10.0.0.1\"\n";
    let world = |more: &[&str]| {
        flashed(
            |world| {
                world.disk.make_dirs("/boot/firmware".as_ref());
                world.put(OVERRIDES, text);
            },
            |of| {
                of.network.stack = Some(NetworkStack::NetworkManager);
                of.network.more_addresses = more.iter().map(|address| address.parse().unwrap()).collect();
                let (to, via) = ("10.8.0.0/16".parse().unwrap(), "10.7.0.1".parse().unwrap());
                of.network.routes = vec![Route::new(to, via).unwrap()];
            },
        )
    };
    let report = report_of(world(&[]));
    let why = "address: 10.0.0.9/24 does not reach 10.7.0.1, the router to 10.8.0.0/16 in the cluster file";
    assert!(report.contains(why), "{report}");
    let machine = Machine::boot(world(&["10.7.0.9/24"]));
    assert_eq!(machine.first_boot(), RunOutcome::Ready, "{}", machine.said());
    let keyfile = machine.text(KEYFILE);
    assert!(
        keyfile.contains("address2=10.7.0.9/24\n") && keyfile.contains("route1=10.8.0.0/16,10.7.0.1\n"),
        "{keyfile}"
    );
}

#[test]
fn the_name_of_another_node_is_rejected_on_the_first_server() {
    let world = flashed(
        |world| {
            world.disk.make_dirs("/boot/firmware".as_ref());
            world.put(OVERRIDES, "hostname = \"hc-2\"\n");
        },
        |of| of.role = full_seed().role,
    );
    let report = report_of(world);
    let what = "What is wrong:  /boot/firmware/hcimage.toml: hostname: hc-2 is another node of this cluster";
    assert!(report.contains(what), "{report}");
}

/// The node's name in the cluster keeps its ID; the machine's own has none.
#[test]
fn a_node_with_an_id_keeps_it_under_another_name() {
    let has_id = |seed: &mut Seed| {
        seed.node.id = Some("4f0c7d12".parse().unwrap());
        seed.network.stack = Some(NetworkStack::NetworkManager);
    };
    let named = |world: &mut World, name: &str| {
        world.disk.make_dirs("/boot/firmware".as_ref());
        world.put(OVERRIDES, &format!("hostname = {name:?}\n"));
    };
    let machine = Machine::boot(flashed(|_| {}, has_id));
    assert_eq!(machine.first_boot(), RunOutcome::Ready, "{}", machine.said());
    assert_eq!(machine.text(K3S), "", "the builder has written its name");
    let machine = Machine::boot(flashed(|world| named(world, "kitchen"), has_id));
    assert_eq!(machine.first_boot(), RunOutcome::Ready, "{}", machine.said());
    assert_eq!(machine.text("/etc/hostname"), "kitchen\n");
    assert!(machine.text(K3S).ends_with("node-name: \"kitchen-4f0c7d12\"\n"), "{}", machine.text(K3S));

    let world = flashed(
        |world| named(world, "hc-2"),
        |of| {
            has_id(of);
            of.role = full_seed().role;
            let Role::InitServer(first) = &mut of.role else { panic!("not the first server") };
            first.nodes = vec!["hc-2-00aa11bb".parse().unwrap()];
        },
    );
    assert!(report_of(world).contains("hostname: hc-2 is another node of this cluster"));
}

#[test]
fn a_fixed_file_is_read_again_until_the_start_of_k3s() {
    let machine = Machine::boot(with("hostname = \n"));
    assert_eq!(machine.first_boot(), RunOutcome::Failed);
    let mut world = machine.off().shut_down();
    world.put(OVERRIDES, "hostname = \"kitchen\"\n");
    world.cluster = Cluster::NeverReady;
    let machine = Machine::boot(world);
    assert_eq!(machine.first_boot(), RunOutcome::TryAgain, "after the commit point");
    assert_eq!(machine.text("/etc/hostname"), "kitchen\n");

    // From here on another name would mean another node of the cluster.
    let mut world = machine.off().shut_down();
    world.put(OVERRIDES, "hostname = \"bath\"\n");
    world.disk.remove("/etc/hostname".as_ref());
    world.cluster = Cluster::Good;
    let machine = Machine::boot(world);
    assert_eq!(machine.first_boot(), RunOutcome::Ready, "{}", machine.said());
    assert_eq!(machine.text("/etc/hostname"), "kitchen\n");
    let note = "hcimage.toml was changed after the start of k3s: ignored";
    assert!(machine.text(STATUS).contains(note), "{}", machine.text(STATUS));
}

#[test]
fn a_removed_override_leaves_no_settings_behind() {
    let mut world = with("hostname = \"kitchen\"\n");
    world.disk_is_sound = false;
    let machine = Machine::boot(world);
    assert_eq!(machine.first_boot(), RunOutcome::TryAgain);
    assert!(machine.text(K3S).contains("kitchen"));
    let mut world = machine.off().shut_down();
    world.disk.remove(OVERRIDES.as_ref());
    world.disk_is_sound = true;
    let machine = Machine::boot(world);
    assert_eq!(machine.first_boot(), RunOutcome::Ready, "{}", machine.said());
    assert_eq!((machine.text(K3S).as_str(), machine.text("/etc/hostname").as_str()), ("", "hc-1\n"));
}
