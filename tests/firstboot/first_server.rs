//! The first server of several: whether it begins the cluster or joins the one that is there.

use std::path::Path;
use std::time::Duration;

use hc_firstboot::RunOutcome;

use crate::failures::report_of;
use crate::machine::Machine;
use crate::scenario::{ADMIN_KEY, JOIN_SETTING, STATUS, Server, World, first_of_several};

fn first(change: impl FnOnce(&mut World)) -> World {
    let mut world = World::flashed(&first_of_several());
    change(&mut world);
    world
}

fn started(machine: &Machine) -> u64 {
    machine.now.borrow().k3s_started.unwrap().as_secs()
}

#[test]
fn a_cluster_is_begun_only_after_a_long_silence() {
    for server in [Server::Refuses, Server::OtherCluster, Server::Strange] {
        let machine = Machine::boot(first(|world| world.server = server));
        assert_eq!(machine.first_boot(), RunOutcome::Ready, "{server:?}: {}", machine.said());
        assert!((300..420).contains(&started(&machine)), "{server:?}: {}", started(&machine));
        assert_eq!(machine.text(JOIN_SETTING), "", "{server:?}");
        let status = machine.text(STATUS);
        assert!(
            status.contains(
                "began a new cluster: no other server has had the cluster for 300 s: 10.0.0.1:6443: "
            ),
            "{status}"
        );
    }
}

#[test]
fn a_living_cluster_is_joined() {
    for after in [0, 200] {
        let machine = Machine::boot(first(|world| world.server_after = Duration::from_secs(after)));
        assert_eq!(machine.first_boot(), RunOutcome::Ready, "{}", machine.said());
        let setting = machine.text(JOIN_SETTING);
        assert!(setting.ends_with("\nserver: \"https://10.0.0.1:6443\"\ncluster-init: false\n"), "{setting}");
        let status = machine.text(STATUS);
        assert!(
            status.contains("joined the cluster at 10.0.0.1:6443 instead of beginning a new one"),
            "{status}"
        );
    }
}

/// A server that answers under the cluster's CA, or that accepts a connection and says nothing, may have the cluster.
#[test]
fn nothing_is_begun_beside_a_cluster_that_may_live() {
    for server in [Server::Starting, Server::OtherName, Server::OtherTime, Server::OtherToken] {
        let world = first(|world| world.server = server);
        let report = report_of(world.clone());
        let word = if server == Server::OtherToken { "exists already" } else { "may exist already" };
        assert!(report.contains(&format!("the cluster of this node {word}")), "{server:?}: {report}");
        let machine = Machine::boot(world);
        machine.first_boot();
        assert!(machine.now.borrow().k3s_started.is_none(), "{server:?}: k3s was started");
    }
    let report = report_of(first(|world| world.server = Server::Starting));
    assert!(report.contains("k3s server --cluster-reset; systemctl start k3s"), "{report}");
}

/// It answers for a while, and then no more: the silence begins at its last sign of life.
#[test]
fn the_silence_is_counted_from_the_last_answer() {
    let machine = Machine::boot(first(|world| world.server = Server::Starting));
    let cut = machine.first_boot_until(160);
    assert_eq!(cut, None, "{}", machine.said());
    let mut world = machine.off().shut_down();
    world.server = Server::Refuses;
    let machine = Machine::boot(world);
    assert_eq!(machine.first_boot(), RunOutcome::Ready, "{}", machine.said());
    assert!(started(&machine) >= 300);
}

#[test]
fn the_own_old_member_is_removed_once_its_node_is_lost() {
    let machine = Machine::boot(first(|world| {
        world.old_member = Some("10.0.0.7");
        world.old_node_until = Duration::from_secs(60);
    }));
    assert_eq!(machine.first_boot(), RunOutcome::Ready, "{}", machine.said());
    assert!(machine.said().contains("the cluster still hears from a node hc-1"), "{}", machine.said());
    assert!(started(&machine) >= 60);
    let status = machine.text(STATUS);
    assert!(status.contains("the old etcd member hc-1-0a1b2c3d was removed"), "{status}");
}

#[test]
fn a_member_at_another_address_is_left_alone() {
    let report = report_of(first(|world| world.old_member = Some("10.0.0.8")));
    let what = "the cluster has an etcd member hc-1-0a1b2c3d with the name of this node at 10.0.0.8, but this machine has 10.0.0.7";
    assert!(report.contains(what), "{report}");
    assert!(report.contains("k3s kubectl delete node hc-1"), "{report}");
}

#[test]
fn without_credentials_the_report_has_the_command() {
    let mut seed = first_of_several();
    seed.etcd.as_mut().unwrap().admin = None;
    let mut world = first(|world| world.old_member = Some("10.0.0.7"));
    world.put_seed(&seed);
    let report = report_of(world);
    assert!(report.contains("run on a server of the cluster: k3s kubectl delete node hc-1"), "{report}");
}

/// The data of a member on a disk that outlived the card: nobody is asked, and k3s goes on as that member.
#[test]
fn the_data_of_a_member_is_kept() {
    let world = first(|world| {
        world.server = Server::Refuses;
        world.put("/var/lib/rancher/k3s/server/db/etcd/member/wal/0.wal", "");
    });
    let machine = Machine::boot(world);
    assert_eq!(machine.first_boot(), RunOutcome::Ready, "{}", machine.said());
    assert!(started(&machine) < 300, "nobody had to be asked");
    let status = machine.text(STATUS);
    assert!(status.contains("k3s goes on with the data of etcd that it finds on the disk"), "{status}");
    assert!(machine.world.borrow().disk.stat(Path::new(ADMIN_KEY)).is_ok());
}
