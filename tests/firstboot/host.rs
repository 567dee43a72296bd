//! Unmet requirements of the machine, each with its fix.

use hc_firstboot::RunOutcome;
use hc_firstboot::seed::Seed;

use crate::failures::{flashed, must_say, report_of};
use crate::machine::Machine;
use crate::scenario::{STATUS, World, agent_seed, full_seed, seed};

#[test]
fn too_little_memory_stops_a_server_and_is_a_note_on_an_agent() {
    let text = report_of(flashed(|world| world.memory = 430_000, |_| ()));
    let what = "not enough memory: k3s needs at least 480 MiB here, and this machine has 419 MiB";
    must_say(&text, what, "use a board with more memory, or make this node an agent");

    let mut world = World::flashed(&agent_seed());
    world.memory = 430_000;
    let machine = Machine::boot(world);
    assert_eq!(machine.first_boot(), RunOutcome::Ready, "enough for an agent, and said");
    assert!(machine.text(STATUS).contains("low memory for k3s (419 MiB)"), "{}", machine.text(STATUS));
}

#[test]
fn a_missing_memory_controller_stops_the_run() {
    let text = report_of(flashed(|world| world.controllers = Some("cpuset cpu io pids"), |_| ()));
    assert!(text.contains("What is wrong:  missing cgroup controllers: memory\n"), "{text}");
    assert!(text.contains("cgroup_memory=1 cgroup_enable=memory"), "{text}");
    let text = report_of(flashed(|world| world.controllers = None, |_| ()));
    assert!(text.contains("missing cgroup controllers: memory\n"), "cgroup v1: {text}");
}

#[test]
fn a_missing_kernel_module_stops_the_run() {
    let text = report_of(flashed(|world| world.no_module = "vxlan", |seed| *seed = full_seed()));
    assert!(text.contains("What is wrong:  missing kernel modules: vxlan\n"), "{text}");
    assert!(text.contains("linux-modules-extra-raspi"), "{text}");
}

#[test]
fn a_read_only_root_stops_the_run() {
    let text = report_of(flashed(|world| world.root_read_only = true, |_| ()));
    assert!(text.contains("What is wrong:  the root file system is read-only\n"), "{text}");
    assert!(text.contains("What to do:     disable the read-only root"), "{text}");
}

#[test]
fn too_little_disk_space_stops_the_run() {
    let text = report_of(flashed(|world| world.free = 1_000_000, |_| ()));
    let what =
        "not enough disk space: 1.0 MB free, but k3s needs about 200.0 MB to unpack itself and its images";
    must_say(&text, what, "use a larger card; if the card is large, see the phase root");
}

#[test]
fn the_unpacked_sizes_of_k3s_and_its_images_count_where_they_are_known() {
    let world = |free| {
        let unpacked = |seed: &mut Seed| {
            seed.bundle[0].unpacked_size = Some(300_000_000);
            seed.bundle[1].unpacked_size = Some(1_700_000_000);
        };
        flashed(|world| world.free = free, unpacked)
    };
    let what =
        "not enough disk space: 2.1 GB free, but k3s needs about 2.2 GB to unpack itself and its images";
    must_say(
        &report_of(world(2_100_000_000)),
        what,
        "use a larger card; if the card is large, see the phase root",
    );
    let machine = Machine::boot(world(2_200_000_000));
    assert_eq!(machine.first_boot(), RunOutcome::Ready, "{}", machine.said());
}

#[test]
fn disk_space_is_not_checked_again_after_the_start_of_k3s() {
    let mut world = World::flashed(&seed());
    world.workload_is_good = false;
    let machine = Machine::boot(world);
    let steps = {
        let whole = Machine::boot(World::flashed(&seed()));
        whole.first_boot();
        whole.steps()
    };
    machine.first_boot_until(steps - 40);
    let mut world = machine.off().shut_down();
    world.free = 0;
    let machine = Machine::boot(world);
    assert_eq!(machine.first_boot(), RunOutcome::Ready, "{}", machine.said());
}

/// A base whose first boot applies systemd's presets.
#[test]
fn a_k3s_that_was_started_too_early_is_stopped() {
    let mut world = World::flashed(&seed());
    let link = world.unit_link();
    world.disk.link(link.as_ref(), "../k3s.service");
    let machine = Machine::boot(world);
    assert!(machine.now.borrow().k3s_started.is_some());
    assert_eq!(machine.first_boot(), RunOutcome::Ready);
    let status = machine.text(STATUS);
    assert!(status.contains("the base had started k3s.service too early"), "{status}");
    let commands = machine.commands.borrow();
    let at = |wanted: &str| commands.iter().position(|line| line == wanted).unwrap();
    assert!(at("systemctl disable --now k3s.service") < at("systemctl enable k3s.service"));
    assert_eq!(machine.now.borrow().k3s_start_commands, 1);
}
