//! One cluster stays one, whichever of its servers is flashed again: hc-firstboot and the stand-in of k3s with a real etcd.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

#[allow(dead_code, reason = "some is for debugging alone")]
mod machine;

use std::time::Duration;

use hc_firstboot::RunOutcome;
use hc_firstboot::seed::SEED_PATH;
use machine::{Host, Lab, in_own_network};

const THREE: [&str; 3] = ["10.9.0.1", "10.9.0.2", "10.9.0.3"];
const ALL: [&str; 3] = ["hc-1", "hc-2", "hc-3"];

/// What the stand-in logs when it begins a cluster.
const NEW_CLUSTER: &str = "(New)";

/// Three servers that were powered on together for the first time, with an object of a user.
fn cluster(lab: &Lab) -> [Host; 3] {
    let hosts = [1, 2, 3].map(|number| lab.flash(number));
    let boots = hosts.each_ref().map(Host::power_on);
    for (boot, host) in boots.into_iter().zip(&hosts) {
        assert_eq!(boot.end(), Some(RunOutcome::Ready), "{}\n{}", host.said(), host.log());
    }
    assert!(hosts[0].status().contains("began a new cluster: no other server has had the cluster for 60 s"));
    is_whole(lab, &hosts);
    hosts[0].create_object(lab, "shop");
    hosts
}

/// All three are voters of one etcd, which each of them shows.
fn is_whole(lab: &Lab, hosts: &[Host; 3]) {
    for host in hosts {
        host.wait_for("three voters", |host| host.members(lab) == ALL);
    }
}

#[test]
#[ignore = "takes minutes; `make etcd-test` runs it"]
fn each_server_in_turn_is_flashed_again() {
    in_own_network("each_server_in_turn_is_flashed_again", &THREE, || {
        let lab = Lab::new(&THREE);
        let mut hosts = cluster(&lab);
        for at in [0, 1, 2] {
            hosts[at].power_off();
            hosts[at] = lab.flash(at + 1);
            hosts[at].must_be_ready();
            is_whole(&lab, &hosts);
            for host in &hosts {
                assert!(host.has_object(&lab, "shop"), "{} after hc-{}", host.name, at + 1);
            }
            assert!(!hosts[at].log().contains(NEW_CLUSTER), "{}", hosts[at].log());
            let status = hosts[at].status();
            assert!(status.contains(&format!("the old etcd member hc-{}-", at + 1)), "{status}");
            if at == 0 {
                assert!(
                    status.contains("joined the cluster at 10.9.0.2:6443 instead of beginning a new one"),
                    "{status}"
                );
            }
            let admin = hosts[at].path("/etc/hcimage/admin.key");
            assert!(!admin.exists(), "the administrator's key stays on the card");
        }
    });
}

/// All three at once is the start of every test here.
#[test]
#[ignore = "takes minutes; `make etcd-test` runs it"]
fn the_first_start_comes_to_one_cluster_in_any_order() {
    in_own_network("the_first_start_comes_to_one_cluster_in_any_order", &THREE, || {
        for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
            let lab = Lab::new(&THREE);
            let hosts = [1, 2, 3].map(|number| lab.flash(number));
            let boots = order.map(|at| {
                let boot = hosts[at].power_on();
                std::thread::sleep(Duration::from_secs(2));
                boot
            });
            for boot in boots {
                assert_eq!(boot.end(), Some(RunOutcome::Ready), "{}", hosts[0].said());
            }
            is_whole(&lab, &hosts);
        }
    });
}

/// What a first server does that asks nobody: k3s begins a second cluster, with the same authorities and the same identifiers.
/// The tests above look for this word too.
#[test]
fn a_first_server_that_does_not_ask_begins_a_second_cluster() {
    in_own_network("a_first_server_that_does_not_ask_begins_a_second_cluster", &THREE, || {
        let lab = Lab::new(&THREE);
        let mut hosts = cluster(&lab);
        hosts[0].power_off();
        hosts[0] = lab.flash(1);
        let mut seed = lab.seed(1);
        seed.etcd.as_mut().unwrap().partners = None;
        hosts[0].put(SEED_PATH, &seed.to_toml().unwrap(), 0o600);
        let boot = hosts[0].power_on();
        hosts[0].wait_for(NEW_CLUSTER, |host| host.log().contains(NEW_CLUSTER));
        hosts[0].power_off();
        assert_eq!(boot.end(), None);
    });
}

/// After a power failure of the whole site: the others come back later than the one with a new card.
#[test]
fn a_first_server_waits_for_a_cluster_that_starts() {
    in_own_network("a_first_server_waits_for_a_cluster_that_starts", &THREE, || {
        let lab = Lab::new(&THREE);
        let mut hosts = cluster(&lab);
        hosts.iter().for_each(Host::power_off);
        hosts[0] = lab.flash(1);
        let first = hosts[0].power_on();
        hosts[0].wait_for_word("a new one is begun if that stays so for 60 s");
        let second = hosts[1].power_on();
        hosts[0].wait_for_word("the cluster of this node may exist already");
        // Without a quorum for longer than the silence that lets it begin a new one.
        std::thread::sleep(Duration::from_secs(8));
        let third = hosts[2].power_on();
        assert_eq!(first.end(), Some(RunOutcome::Ready), "{}", hosts[0].said());
        assert_eq!([second.end(), third.end()], [Some(RunOutcome::NothingToDo); 2]);
        is_whole(&lab, &hosts);
        assert!(hosts[0].has_object(&lab, "shop"));
    });
}

/// Two of three are lost: nothing is begun, and the commands of the report bring the data of the third back.
#[test]
#[ignore = "takes minutes; `make etcd-test` runs it"]
fn a_lost_quorum_is_reported_with_commands_that_work() {
    in_own_network("a_lost_quorum_is_reported_with_commands_that_work", &THREE, || {
        let lab = Lab::new(&THREE);
        let mut hosts = cluster(&lab);
        for at in [0, 1] {
            hosts[at].power_off();
            hosts[at] = lab.flash(at + 1);
        }
        let boots = [hosts[0].power_on(), hosts[1].power_on()];
        for (boot, host) in boots.into_iter().zip(&hosts) {
            assert_eq!(boot.end(), Some(RunOutcome::Failed), "{}", host.said());
            let status = host.status();
            assert!(status.contains("10.9.0.3:6443: it is still starting"), "{status}");
            assert!(status.contains("k3s server --cluster-reset; systemctl start k3s"), "{status}");
            assert!(!host.log().contains(NEW_CLUSTER), "{}", host.log());
        }
        let survivor = &hosts[2];
        survivor.power_off();
        let config = survivor.text("/etc/rancher/k3s/config.yaml");
        assert!(config.contains("\nserver: "));
        let without: Vec<&str> = config.lines().filter(|line| !line.starts_with("server:")).collect();
        survivor.put("/etc/rancher/k3s/config.yaml", &without.join("\n"), 0o600);
        let _ = std::fs::remove_file(survivor.path("/etc/rancher/k3s/config.yaml.d/90-hcimage-join.yaml"));
        let said = survivor.run_k3s(&["server", "--cluster-reset"]);
        assert!(said.contains("cluster membership has been reset"), "{said}");
        survivor.start_k3s();
        let boots = [hosts[0].power_on(), hosts[1].power_on()];
        for (boot, host) in boots.into_iter().zip(&hosts) {
            assert_eq!(boot.end(), Some(RunOutcome::Ready), "{}\n{}", host.said(), host.log());
        }
        is_whole(&lab, &hosts);
        assert!(hosts[0].has_object(&lab, "shop"));
    });
}

/// etcd adds nobody while a voter cannot be reached, so the old members of both must go before one of them can join.
#[test]
fn two_of_five_are_flashed_at_once() {
    const FIVE: [&str; 5] = ["10.9.0.1", "10.9.0.2", "10.9.0.3", "10.9.0.4", "10.9.0.5"];
    in_own_network("two_of_five_are_flashed_at_once", &FIVE, || {
        let lab = Lab::new(&FIVE);
        let mut hosts = [1, 2, 3, 4, 5].map(|number| lab.flash(number));
        let boots = hosts.each_ref().map(Host::power_on);
        for (boot, host) in boots.into_iter().zip(&hosts) {
            assert_eq!(boot.end(), Some(RunOutcome::Ready), "{}\n{}", host.said(), host.log());
        }
        hosts[4].create_object(&lab, "shop");
        for at in [0, 3] {
            hosts[at].power_off();
            hosts[at] = lab.flash(at + 1);
        }
        let boots = [0, 3].map(|at| (at, hosts[at].power_on()));
        for (at, boot) in boots {
            assert_eq!(boot.end(), Some(RunOutcome::Ready), "{}\n{}", hosts[at].said(), hosts[at].log());
        }
        for host in &hosts {
            host.wait_for("five voters", |host| {
                host.members(&lab) == ["hc-1", "hc-2", "hc-3", "hc-4", "hc-5"]
            });
            assert!(host.has_object(&lab, "shop"));
        }
    });
}

/// The power fails while k3s joins, at each of its steps; then the same card goes on, or a new one takes its place.
#[test]
#[ignore = "takes minutes; `make etcd-test` runs it"]
fn a_cut_at_any_step_of_a_join_leaves_one_cluster() {
    in_own_network("a_cut_at_any_step_of_a_join_leaves_one_cluster", &THREE, || {
        let lab = Lab::new(&THREE);
        let mut hosts = cluster(&lab);
        for host in &hosts {
            host.faults("learner-limit=5\n");
        }
        // The leader reads its faults when it starts: one after the other.
        for host in &hosts[1..] {
            host.power_off();
            host.start_k3s();
            is_whole(&lab, &hosts);
        }
        for (point, again) in [
            ("before-add", false),
            ("after-add", false),
            ("after-wal", false),
            ("before-bootstrap", false),
            ("after-bootstrap", false),
            ("after-add", true),
            ("after-wal", true),
        ] {
            hosts[0].power_off();
            hosts[0] = lab.flash(1);
            hosts[0].faults(&format!("crash-at={point}\n"));
            let boot = hosts[0].power_on();
            hosts[0].wait_for(point, |host| host.log().contains(&format!("fault crash-at={point}")));
            hosts[0].power_off();
            assert_eq!(boot.end(), None);
            if again {
                hosts[0] = lab.flash(1);
            }
            hosts[0].faults("learner-limit=5\n");
            hosts[0].must_be_ready();
            is_whole(&lab, &hosts);
            assert!(hosts[0].has_object(&lab, "shop"), "{point}");
        }
    });
}

/// The first start of all is cut off before the cluster has anything in its datastore: k3s would fail at each start.
#[test]
fn a_first_start_that_was_cut_off_begins_again() {
    in_own_network("a_first_start_that_was_cut_off_begins_again", &THREE, || {
        for point in ["after-wal", "before-bootstrap"] {
            let lab = Lab::new(&THREE);
            let first = lab.flash(1);
            first.faults(&format!("crash-at={point}\n"));
            let boot = first.power_on();
            first.wait_for(point, |host| host.log().contains(&format!("fault crash-at={point}")));
            first.power_off();
            assert_eq!(boot.end(), None);
            first.faults("");
            first.must_be_ready();
            let status = first.status();
            assert!(status.contains("etcd began again: its first start was cut off"), "{status}");
            assert!(first.path("/var/lib/rancher/k3s/server/db/etcd.unfinished-1/member").exists());
        }
    });
}

/// Once k3s was up, nothing of it is ever set aside.
#[test]
fn the_data_of_a_cluster_that_ran_is_never_set_aside() {
    in_own_network("the_data_of_a_cluster_that_ran_is_never_set_aside", &THREE, || {
        let lab = Lab::new(&THREE);
        let first = lab.flash(1);
        first.must_be_ready();
        first.power_off();
        // As if its marker and the bootstrap data were lost, but not the progress.
        std::fs::remove_file(first.path("/var/lib/hcimage/finished")).unwrap();
        let token = first.text("/etc/rancher/k3s/token");
        first.put("/etc/rancher/k3s/token", &token.replace("::server:", "::server:x"), 0o600);
        assert_eq!(first.power_on().end(), Some(RunOutcome::Failed));
        let status = first.status();
        assert!(status.contains("the datastore was created with another server token"), "{status}");
        assert!(!first.path("/var/lib/rancher/k3s/server/db/etcd.unfinished-1").exists());
    });
}

/// With etcd's data on a data disk, a new card goes on as the member that was there.
#[test]
fn a_server_with_its_data_disk_goes_on_as_its_member() {
    in_own_network("a_server_with_its_data_disk_goes_on_as_its_member", &THREE, || {
        let lab = Lab::new(&THREE);
        let mut hosts = cluster(&lab);
        for at in [0, 1] {
            let new = lab.flash(at + 1);
            hosts[at].power_off();
            hosts[at].move_datastore_to(&new);
            hosts[at] = new;
            hosts[at].must_be_ready();
            assert!(hosts[at].log().contains("(Again)") && !hosts[at].log().contains("Adding member"));
            assert!(hosts[at].status().contains("goes on with the data of etcd that it finds on the disk"));
            is_whole(&lab, &hosts);
            assert!(hosts[at].has_object(&lab, "shop"));
        }
    });
}

/// The same with SQLite, for which the stand-in has a file.
#[test]
fn a_single_server_with_its_data_disk_goes_on_with_its_data() {
    in_own_network("a_single_server_with_its_data_disk_goes_on_with_its_data", &["10.9.0.1"], || {
        let lab = Lab::new(&["10.9.0.1"]);
        let old = lab.flash(1);
        old.must_be_ready();
        old.create_object(&lab, "shop");
        old.power_off();
        let new = lab.flash(1);
        old.move_datastore_to(&new);
        // What the build does not bring comes from the datastore.
        std::fs::remove_file(new.path("/var/lib/rancher/k3s/server/tls/client-ca.key")).unwrap();
        std::fs::remove_file(new.path("/var/lib/rancher/k3s/server/tls/client-ca.crt")).unwrap();
        new.must_be_ready();
        assert!(new.has_object(&lab, "shop"));
        assert!(new.status().contains("goes on with the data of SQLite that it finds on the disk"));
        new.power_off();

        let stranger = lab.flash_with(1, &Lab::new(&["10.9.0.1"]).secrets);
        new.move_datastore_to(&stranger);
        assert_eq!(stranger.power_on().end(), Some(RunOutcome::Failed));
        let status = stranger.status();
        assert!(status.contains("the datastore was created with another server token"), "{status}");
        assert!(status.contains("build the image with the secrets file of that cluster"), "{status}");
    });
}
