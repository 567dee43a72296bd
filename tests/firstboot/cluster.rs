//! The first server waits for its cluster.

use std::time::Duration;

use hc_firstboot::RunOutcome;
use hc_firstboot::seed::Role;

use crate::failures::report_of;
use crate::machine::Machine;
use crate::scenario::{MANIFEST, STATUS, World, agent_seed, full_seed};

#[test]
fn missing_nodes_are_a_note_on_the_first_server() {
    for (others, never_ready, note) in [
        (vec![("hc-2", 12)], None, "not joined: hc-3; they may still join later"),
        (vec![], None, "not joined: hc-2, hc-3; they may still join later"),
        (vec![("hc-2", 12), ("hc-3", 75)], None, "not joined: hc-3; they may still join later"),
        (
            vec![("hc-2", 12), ("hc-3", 20)],
            Some("hc-3"),
            "joined but not Ready: hc-3; they may still join later",
        ),
    ] {
        let mut world = World::full();
        (world.others, world.never_ready) = (others, never_ready);
        let machine = Machine::boot(world);
        assert_eq!(machine.first_boot(), RunOutcome::Ready, "{}", machine.said());
        let status = machine.text(STATUS);
        assert!(status.contains(note), "{note}\n{status}");
    }
}

#[test]
fn an_incomplete_workload_is_an_error_with_its_reasons() {
    let mut world = World::full();
    world.workload_is_good = false;
    let text = report_of(world);
    for part in [
        "What is wrong:  the workload is not complete after 120 s: manifests not applied: shop \
         (shop: no matches for kind Shop); ",
        "components of k3s not running: traefik (chart traefik-crd: BackoffLimitExceeded: too often); ",
        "charts not installed: kube-system/traefik (kube-system/traefik: BackoffLimitExceeded: too often); ",
        "deployments not available: shop/web (shop/web: MinimumReplicasUnavailable: no minimum)\n",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(text.contains("What to do:     see `k3s kubectl get events -A`"), "{text}");
}

/// What overlays promise besides deployments.
#[test]
fn promises_of_every_kind_are_waited_for_and_told_one_by_one() {
    let promised = || {
        let mut seed = full_seed();
        let Role::InitServer(first) = &mut seed.role else { panic!("no first server") };
        let names = |name: &str| vec![name.parse().unwrap()];
        first.workload.stateful_sets = names("shop/db");
        first.workload.daemon_sets = names("shop/speaker");
        first.workload.load_balancers = names("shop/web");
        first.workload.certificates = names("shop/web");
        World::flashed(&seed)
    };
    let machine = Machine::boot(World { others: vec![("hc-2", 12), ("hc-3", 12)], ..promised() });
    assert_eq!(machine.first_boot(), RunOutcome::Ready, "{}", machine.said());
    let status = machine.text(STATUS);
    assert!(
        status.contains("stateful sets: 1, daemon sets: 1, load balancers: 1, certificates: 1"),
        "{status}"
    );
    let text = report_of(World { workload_is_good: false, ..promised() });
    for part in [
        "stateful sets not ready: shop/db",
        "daemon sets not ready: shop/speaker",
        "services without an address: shop/web (shop/web: no load balancer has given it an address)",
        "certificates not issued: shop/web (shop/web: Issuing: the order is pending)",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let mut seed = full_seed();
    let Role::InitServer(first) = &mut seed.role else { panic!("no first server") };
    first.workload.certificates = vec!["shop/none".parse().unwrap()];
    let text = report_of(World::flashed(&seed));
    assert!(text.contains("certificates not issued: shop/none (shop/none: it does not exist yet)"), "{text}");
}

/// Ready says nothing of them: without the DNS service no pod of the user finds another.
#[test]
fn a_component_that_does_not_run_is_an_error_with_its_pod_and_image() {
    for (name, part) in [
        (
            "coredns",
            "coredns (pod coredns-5d78c9869d-x: ErrImagePull, image rancher/coredns:1: no such host)\n",
        ),
        (
            "klipper-lb",
            "servicelb (pod svclb-traefik-1234-x: CrashLoopBackOff, image rancher/klipper-lb:1: no such host)\n",
        ),
    ] {
        let mut world = World::full();
        world.broken_component = Some(name);
        let text = report_of(world);
        let what =
            "What is wrong:  the workload is not complete after 120 s: components of k3s not running: ";
        assert!(text.contains(&format!("{what}{part}")), "{part}\n{text}");
    }
}

/// k3s applies a file and prunes it again where another file has its name.
#[test]
fn a_manifest_that_is_pruned_at_once_is_not_applied() {
    let mut world = World::full();
    world.pruned_after = Some(33);
    let text = report_of(world);
    assert!(text.contains("the workload is not complete after 120 s: manifests not applied: shop"), "{text}");
}

#[test]
fn a_manifest_without_its_own_file_stops_the_run() {
    let mut world = World::full();
    world.disk.remove(std::path::Path::new(MANIFEST));
    world.disk.sync_all();
    let text = report_of(world);
    let what = "What is wrong:  the manifest shop is no longer in /var/lib/rancher/k3s/server/manifests: ";
    assert!(text.contains(what), "{text}");
    let mut world = World::full();
    world.put("/var/lib/rancher/k3s/server/manifests/metrics-server/shop.yaml", "kind: Other\n");
    let text = report_of(world);
    assert!(
        text.contains("What is wrong:  two manifests are called shop, so that k3s applies one"),
        "{text}"
    );
}

/// k3s is Ready; the manifest is fixed and the node is powered on again.
#[test]
fn a_workload_that_completes_later_succeeds() {
    let mut world = World::full();
    world.workload_is_good = false;
    let machine = Machine::boot(world);
    assert_eq!(machine.first_boot(), RunOutcome::TryAgain);
    let mut world = machine.off().shut_down();
    world.workload_is_good = true;
    let machine = Machine::boot(world);
    assert_eq!(machine.first_boot(), RunOutcome::Ready, "{}", machine.said());
    assert_eq!(machine.now.borrow().k3s_start_commands, 0);
}

/// k3s imports in the background: a node can be Ready without the images that its card has.
#[test]
fn a_node_waits_for_its_container_images_and_names_those_that_never_come() {
    let with = |imported_after: u64| {
        let mut seed = agent_seed();
        seed.k3s.images = ["a.example/x:1", "a.example/y:2"].map(str::to_owned).to_vec();
        let mut world = World::flashed(&seed);
        world.imported_after = Duration::from_secs(imported_after);
        world
    };
    let machine = Machine::boot(with(200));
    assert_eq!(machine.first_boot(), RunOutcome::Ready, "{}", machine.said());
    let status = machine.text(STATUS);
    assert!(status.contains("2 container images"), "{status}");
    assert!(
        machine.said().contains("1 of 2 container images are not imported: a.example/y:2"),
        "{}",
        machine.said()
    );
    let text = report_of(with(100_000));
    for part in ["1 of 2 container images are not imported: a.example/y:2", "journalctl -u k3s"] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}
