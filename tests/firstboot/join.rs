//! Nodes that join: why a server does not let them in, in plain words.

use std::time::Duration;

use hc_firstboot::RunOutcome;

use crate::failures::{flashed, report_of};
use crate::machine::Machine;
use crate::scenario::{Cluster, FLOOR, PASSWORD, STATUS, Server, TOKEN_FILE, TRUE_TIME, World, agent_seed};

fn agent(change: impl FnOnce(&mut World)) -> World {
    flashed(change, |seed| *seed = agent_seed())
}

#[test]
fn a_late_server_is_awaited() {
    let machine = Machine::boot(agent(|world| world.server_after = Duration::from_secs(100)));
    assert_eq!(machine.first_boot(), RunOutcome::Ready, "{}", machine.said());
    let said = "hcimage: join: waiting: the server 10.0.0.1:6443: it does not answer (connection refused)";
    assert!(machine.said().contains(said), "{}", machine.said());
    assert!(machine.now.borrow().k3s_started.unwrap() >= Duration::from_secs(100), "k3s before its server");
}

/// Neither time servers nor the cluster's own server are there when it is the clock's turn: the one that comes later
/// sets it, before k3s.
#[test]
fn a_late_server_sets_the_clock_too() {
    let machine = Machine::boot(agent(|world| {
        world.time_served = false;
        world.server_after = Duration::from_secs(100);
    }));
    assert_eq!(machine.first_boot(), RunOutcome::Ready, "{}", machine.said());
    let now = machine.now.borrow();
    let clock = (now.clock_at_boot + now.uptime).as_secs();
    assert!(clock >= TRUE_TIME, "{clock} is before {TRUE_TIME}: the clock was left at {FLOOR}");
    assert!(
        machine.said().contains("the clock is set by the server that this node joins"),
        "{}",
        machine.said()
    );
}

#[test]
fn every_join_error_has_its_message() {
    let late = "no server accepted this node within 120 s: ";
    let table = [
        (Server::Refuses, late, "it does not answer (connection refused)"),
        (Server::Starting, late, "it is still starting"),
        (Server::OtherName, late, "its certificate does not have this name"),
        (Server::OtherTime, late, "its certificate is not valid at the time of this clock"),
        (Server::Strange, late, "unexpected status 404 in its answer: k3s does not send it"),
        (
            Server::OtherCluster,
            late,
            "it belongs to another cluster: its CA does not match the hash in this node's token",
        ),
        (Server::OtherToken, "", "it belongs to this cluster but rejects this node's token"),
    ];
    for (server, before, why) in table {
        let world = agent(|world| world.server = server);
        let text = report_of(world.clone());
        let what = format!("What is wrong:  {before}the server 10.0.0.1:6443: {why}\n");
        assert!(text.contains(&what), "{what}{text}");
        assert!(!text.contains(PASSWORD), "{text}");
        let machine = Machine::boot(world);
        machine.first_boot();
        assert!(machine.now.borrow().k3s_started.is_none(), "{server:?}: k3s was started");
    }
}

/// Each token costs the server a scrypt; whether it answers at all costs it nothing.
#[test]
fn the_token_is_sent_less_and_less_often() {
    let machine = Machine::boot(agent(|world| world.server = Server::Starting));
    assert_eq!(machine.first_boot(), RunOutcome::TryAgain);
    let requests = machine.requests.borrow();
    let times: Vec<u64> = requests
        .iter()
        .filter(|(_, path)| path == "/v1-k3s/readyz")
        .map(|(time, _)| time.as_secs())
        .collect();
    let gaps: Vec<u64> = times.windows(2).map(|two| two[1] - two[0]).collect();
    assert!((5..9).contains(&times.len()), "{times:?}");
    assert!(gaps.windows(2).all(|two| two[0] <= two[1]) && gaps.last().unwrap() >= &24, "{gaps:?}");
    let machine = Machine::boot(agent(|world| world.server_after = Duration::from_secs(100)));
    assert_eq!(machine.first_boot(), RunOutcome::Ready, "{}", machine.said());
    assert!(
        machine.now.borrow().k3s_started.unwrap() < Duration::from_secs(106),
        "a late server is seen at once"
    );
}

#[test]
fn a_failed_join_is_retried_at_the_next_boot() {
    let machine = Machine::boot(agent(|world| world.server = Server::OtherCluster));
    assert_eq!(machine.first_boot(), RunOutcome::TryAgain);
    let mut world = machine.off().shut_down();
    world.server = Server::Good;
    assert_eq!(Machine::boot(world).first_boot(), RunOutcome::Ready);
}

#[test]
fn an_invalid_token_stops_the_run() {
    for text in ["", "bare-password", "K10abc::node:x"] {
        let report = report_of(agent(|world| world.put(TOKEN_FILE, text)));
        let what = "reading the join token in /etc/rancher/k3s/token failed (it has not the form of k3s' tokens, K10 with \
                    a hash, a user and a password)";
        assert!(report.contains(what), "{report}");
    }
}

/// What only k3s itself can know is read from its log.
#[test]
fn a_known_error_in_the_log_of_k3s_is_explained() {
    let table = [
        (
            "level=error msg=\"Node password rejected, duplicate hostname\"\n",
            "rejects this node's password (403)",
        ),
        (
            "level=error msg=\"dial tcp: lookup k3s.lan: no such host\"\n",
            "the server's name cannot be resolved",
        ),
        ("level=error msg=\"no space left on device\"\n", "the disk is full"),
    ];
    for (log, why) in table {
        let text = report_of(agent(|world| {
            world.cluster = Cluster::Hangs;
            world.log = log;
        }));
        let what =
            "What is wrong:  k3s did not start within 300 s: k3s-agent.service is activating (start): ";
        assert!(text.contains(what) && text.contains(why), "{why}\n{text}");
    }
    let text = report_of(agent(|world| world.cluster = Cluster::Hangs));
    assert!(text.contains("is activating (start)\nWhat to do:     check that the server runs"), "{text}");
}

fn clock(machine: &Machine) -> u64 {
    let now = machine.now.borrow();
    (now.clock_at_boot + now.uptime).as_secs()
}

/// No time server can be reached, as in many a home network: the first server has the time.
#[test]
fn an_agent_sets_its_clock_from_its_server() {
    let machine = Machine::boot(agent(|world| world.time_served = false));
    assert_eq!(machine.first_boot(), RunOutcome::Ready, "{}", machine.said());
    assert!(
        machine.text(STATUS).contains("set by the server that this node joins"),
        "{}",
        machine.text(STATUS)
    );
    assert!(clock(&machine).abs_diff(TRUE_TIME + machine.now.borrow().uptime.as_secs()) < 3);
    // And on later boots, through the gate.
    let machine = Machine::boot(machine.off().shut_down());
    machine.clock_gate();
    assert!(clock(&machine).abs_diff(TRUE_TIME + machine.now.borrow().uptime.as_secs()) < 3);
}

#[test]
fn a_server_of_another_cluster_does_not_set_the_clock() {
    let change = |world: &mut World| {
        world.time_served = false;
        world.server = Server::OtherCluster;
    };
    let machine = Machine::boot(agent(change));
    assert_eq!(machine.first_boot(), RunOutcome::TryAgain);
    assert!(
        machine.text(STATUS).contains("the server: it belongs to another cluster"),
        "{}",
        machine.text(STATUS)
    );
    assert!((FLOOR..FLOOR + 1000).contains(&clock(&machine)));
}

/// `/cacerts` is asked of anybody. A neighbour that answers first must not end the first boot.
#[test]
fn a_forged_answer_is_one_of_many_until_the_time_limit() {
    let machine = Machine::boot(agent(|world| world.forged_until = Duration::from_secs(60)));
    assert_eq!(machine.first_boot(), RunOutcome::Ready, "{}", machine.said());
    assert!(machine.now.borrow().k3s_started.unwrap() >= Duration::from_secs(60));
}

/// The certificate of a server is verified for the time that the server claims.
#[test]
fn a_server_whose_clock_is_behind_does_not_set_back_a_plausible_clock() {
    const LATER: u64 = TRUE_TIME + 100 * 86_400;
    let machine = Machine::boot(agent(|world| {
        world.time_served = false;
        world.clock_at_boot = Duration::from_secs(LATER);
    }));
    machine.first_boot();
    assert!(clock(&machine) >= LATER, "{}", machine.said());
    assert!(machine.said().contains("that of this node a later time"), "{}", machine.said());
}
