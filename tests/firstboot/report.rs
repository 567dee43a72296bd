//! The report for programs: the same facts as the text.

use std::path::Path;
use std::time::Duration;

use hc_firstboot::report::{LAST_WORDS_PATH, LIVE_PATH, RunStatus, View, render};
use hc_firstboot::state::{Outcome, State, parse};
use hc_firstboot::sys::System;
use hc_firstboot::{Failure, RunOutcome};
use serde_json::{Value, json};

use crate::machine::Machine;
use crate::scenario::{Cluster, STATUS, TRUE_TIME, World, full_seed, pin, seed};

const NOW: Duration = Duration::from_secs(TRUE_TIME);

/// The state that a run left.
fn state_of(machine: &Machine) -> State {
    parse(machine.text("/var/lib/hcimage/state.json").as_bytes()).unwrap()
}

fn json_of(view: &View) -> Value {
    serde_json::from_str(&view.json()).unwrap()
}

#[test]
fn a_ready_node_is_shown_with_all_its_phases() {
    let machine = Machine::boot(World::full());
    assert_eq!(machine.first_boot(), RunOutcome::Ready);
    let view = View::new(Some(&state_of(&machine)), Some(&full_seed()), NOW);
    let shown = json_of(&view);
    assert_eq!(
        (&shown["schema"], &shown["status"], &shown["failure"]),
        (&json!(1), &json!("ready"), &Value::Null)
    );
    assert_eq!((&shown["node"], &shown["address"]), (&json!("hc-1"), &json!("10.0.0.9/24")));
    assert_eq!(shown["cluster"], json!({ "name": "home", "role": "init-server", "api": "k3s.example:6443" }));
    assert_eq!(shown["time"], json!(TRUE_TIME));
    assert!(shown["notes"][0].as_str().unwrap().starts_with("formatting the blank disk"), "{shown}");
    let phases = shown["phases"].as_array().unwrap();
    let nodes = phases.iter().find(|phase| phase["name"] == "nodes").unwrap();
    let expected = json!({
        "name": "nodes", "status": "done", "seconds": 24, "progress": null, "notes": ["2 joined and Ready"]
    });
    assert_eq!(*nodes, expected);
    assert!(phases.iter().all(|phase| phase["name"] != "finish"), "{shown}");
}

/// The card has the text of the same view, but for the time.
#[test]
fn the_text_on_the_card_is_made_from_the_view() {
    let machine = Machine::boot(World::flashed(&seed()));
    assert_eq!(machine.first_boot(), RunOutcome::Ready);
    let without_time = |text: &str| {
        let lines = text.lines().filter(|line| !line.starts_with("Time: ") && !line.starts_with("HCIMAGE-"));
        lines.map(|line| format!("{line}\n")).collect::<String>()
    };
    let text = render(&View::new(Some(&state_of(&machine)), Some(&seed()), NOW));
    assert_eq!(without_time(&machine.text(STATUS)).trim_end(), without_time(&text).trim_end());
}

#[test]
fn a_failed_node_is_shown_with_cause_and_fix_and_an_address_of_the_card() {
    let mut world = World { carrier: false, ..World::full() };
    world.put("/boot/firmware/hcimage.toml", "hostname = \"kitchen\"\naddress = \"10.0.0.77/24\"\n");
    let machine = Machine::boot(world);
    assert_eq!(machine.first_boot(), RunOutcome::TryAgain);
    let shown = json_of(&View::new(Some(&state_of(&machine)), Some(&full_seed()), NOW));
    assert_eq!((&shown["status"], &shown["node"]), (&json!("failed"), &json!("kitchen")));
    assert_eq!(shown["address"], json!("10.0.0.77/24"));
    assert_eq!(shown["failure"]["what"], "no network: no carrier on eth0");
    assert_eq!(shown["failure"]["advice"], "plug in the network cable, check the switch");
    let phases = shown["phases"].as_array().unwrap();
    let last = phases.last().unwrap();
    assert_eq!((&last["name"], &last["status"]), (&json!("network"), &json!("failed")));
}

#[test]
fn secrets_in_a_quoted_log_are_masked_in_json_as_in_text() {
    let secret = pin();
    let log = format!("level=fatal msg=\"token K10{secret}::node:pw\"\n").leak();
    let machine = Machine::boot(World { cluster: Cluster::Exits, log, ..World::flashed(&seed()) });
    assert_eq!(machine.first_boot(), RunOutcome::Failed);
    let view = View::new(Some(&state_of(&machine)), Some(&seed()), NOW);
    for shown in [view.json(), render(&view)] {
        assert!(shown.contains("***") && !shown.contains(&secret) && !shown.contains("K10"), "{shown}");
    }
}

/// Masks know forms; a program may log a password in a sentence of its own.
#[test]
fn the_nodes_own_secrets_are_not_in_the_report_on_the_card() {
    let log = "the datastore says: access denied for horse-battery, please\nretrying with correct-staple\n";
    let mut world = World { cluster: Cluster::Exits, log, ..World::flashed(&seed()) };
    world.put("/etc/rancher/node/password", "correct-staple\n");
    let config = "datastore-endpoint: \"mysql://k3s:horse-battery@tcp(db:3306)/k3s\"\n";
    world.put("/etc/rancher/k3s/config.yaml.d/10-hcimage.yaml", config);
    let machine = Machine::boot(world);
    assert_eq!(machine.first_boot(), RunOutcome::Failed);
    let card = machine.text(STATUS);
    assert!(card.contains("access denied for ***, please"), "{card}");
    assert!(card.contains("retrying with ***"), "{card}");
}

/// Those of applications and of Wi-Fi too, on the card and in what a failed run saves of the logs.
#[test]
fn secrets_of_manifests_and_of_wifi_are_not_shown() {
    let log = "the application says: no entry for open-sesame\nno network with winter garden\n";
    let mut world = World { cluster: Cluster::Exits, log, ..World::flashed(&seed()) };
    let manifest =
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: cloud\nstringData:\n  door: open-sesame\n";
    world.put("/var/lib/rancher/k3s/server/manifests/cloud.yaml", manifest);
    let network = "network={\n  ssid=\"home\"\n  psk=\"winter garden\"\n}\n";
    world.put("/etc/wpa_supplicant/wpa_supplicant-wlan0.conf", network);
    let machine = Machine::boot(world);
    assert_eq!(machine.first_boot(), RunOutcome::Failed);
    let live = String::from_utf8(machine.now.borrow().run[Path::new(LIVE_PATH)].clone()).unwrap();
    for shown in [machine.text(STATUS), machine.text(LAST_WORDS_PATH), live] {
        assert!(shown.contains("no entry for ***") && shown.contains("no network with ***"), "{shown}");
    }
}

/// Looking for addresses starts a program, which a phase that waits does not do each time that it says why.
#[test]
fn what_is_shown_costs_a_phase_one_look_at_the_addresses() {
    let mut world = World::flashed(&seed());
    world.disk_after = Duration::from_secs(1000);
    let machine = Machine::boot(world);
    assert_eq!(machine.first_boot(), RunOutcome::TryAgain);
    assert!(machine.said().contains("data disk: waiting"), "{}", machine.said());
    let commands = machine.commands.borrow();
    let tries =
        || commands.iter().enumerate().filter(|(_, line)| line.starts_with("blkid")).map(|(at, _)| at);
    let (first, last) = (tries().next().unwrap(), tries().next_back().unwrap());
    assert!(last > first + 2, "{commands:?}");
    assert!(commands[first..last].iter().all(|line| !line.starts_with("ip ")), "{commands:?}");
}

/// The journal is in memory on many bases: a pulled card has of it only what the program saves.
#[test]
fn a_failed_run_leaves_the_tails_of_the_logs_and_no_secret() {
    let log = "the datastore says: access denied for horse-battery, please\n";
    let mut world = World { cluster: Cluster::Exits, log, ..World::flashed(&seed()) };
    let config = "datastore-endpoint: \"mysql://k3s:horse-battery@tcp(db:3306)/k3s\"\n";
    world.put("/etc/rancher/k3s/config.yaml.d/10-hcimage.yaml", config);
    let machine = Machine::boot(world);
    assert_eq!(machine.first_boot(), RunOutcome::Failed);
    let saved = machine.text(LAST_WORDS_PATH);
    for part in
        ["\n== kernel ==\n", "\n== first boot ==\n", "\n== k3s ==\nlevel=info msg=starting token=***\n"]
    {
        assert!(saved.contains(part), "{part:?}: {saved}");
    }
    assert!(saved.contains("access denied for ***, please\n"), "{saved}");
    assert!(!saved.contains("horse") && !saved.contains("abab"), "{saved}");
    let asked = machine.commands.borrow().join("\n");
    assert!(asked.contains("--dmesg --priority=warning") && asked.contains("--unit k3s.service"), "{asked}");
    assert_eq!(machine.off().disk.stat(Path::new(LAST_WORDS_PATH)).unwrap().mode, 0o600);
}

/// A log may be long, and its lines too: the card gets their end.
#[test]
fn what_a_failed_run_leaves_is_bounded() {
    let line = format!("{}\n", "word ".repeat(1000));
    let log = format!("first of all\n{}last of all\n", line.repeat(200)).leak();
    let machine = Machine::boot(World { cluster: Cluster::Exits, log, ..World::flashed(&seed()) });
    assert_eq!(machine.first_boot(), RunOutcome::Failed);
    let saved = machine.text(LAST_WORDS_PATH);
    assert!(saved.len() < 100 << 10, "{} bytes", saved.len());
    assert!(saved.contains("last of all") && !saved.contains("first of all"));
}

#[test]
fn a_run_that_succeeds_leaves_no_log() {
    let machine = Machine::boot(World::flashed(&seed()));
    assert_eq!(machine.first_boot(), RunOutcome::Ready);
    assert!(machine.off().disk.stat(Path::new(LAST_WORDS_PATH)).is_err());
}

#[test]
fn without_state_or_seed_the_rest_is_shown() {
    let shown = json_of(&View::new(None, Some(&seed()), NOW));
    assert_eq!((&shown["status"], &shown["node"]), (&json!("not-begun"), &json!("hc-1")));
    assert_eq!((&shown["phases"], &shown["notes"]), (&json!([]), &json!([])));
    let view = View::new(None, None, NOW);
    assert_eq!((view.status, &view.node, &view.cluster), (RunStatus::NotBegun, &None, &None));
    assert!(render(&view).contains("Node:    unknown\n"), "{}", render(&view));
}

/// Logs and answers have words of other machines, and a console is a terminal.
#[test]
fn escape_sequences_in_a_reason_do_not_reach_a_terminal() {
    let mut failure = Failure::new("says \u{1b}]0;owned\u{7}\u{1b}[2J no\u{202e}thing", "look");
    failure.log = vec!["\u{9b}31m red".to_owned()];
    let mut state = State::new("0".repeat(64));
    state.outcome = Outcome::Failed(failure);
    let text = render(&View::new(Some(&state), Some(&full_seed()), NOW));
    assert!(text.contains("\\u{1b}[2J no\\u{202e}thing") && text.contains("  \\u{9b}31m red\n"), "{text}");
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()) && !text.contains('\u{202e}'), "{text:?}");
}

/// What a machine that runs has in memory.
fn live(machine: &Machine) -> View {
    serde_json::from_slice(&machine.now.borrow().run[Path::new(LIVE_PATH)]).unwrap()
}

#[test]
fn the_live_report_is_that_of_the_end() {
    let machine = Machine::boot(World::full());
    assert_eq!(machine.first_boot(), RunOutcome::Ready);
    let view = live(&machine);
    assert_eq!(
        (view.status, view.addresses.as_slice()),
        (RunStatus::Ready, ["10.0.0.9".to_owned()].as_slice())
    );
    let nodes = [("hc-2", Some(true)), ("hc-3", Some(true))];
    assert!(view.nodes.iter().map(|node| (node.name.as_str(), node.ready)).eq(nodes), "{:?}", view.nodes);
    assert_eq!(view.page_minutes, Some(60));
    assert!(view.log.last().unwrap().contains("finish: done"), "{:?}", view.log);

    let machine = Machine::boot(World { carrier: false, ..World::full() });
    assert_eq!(machine.first_boot(), RunOutcome::TryAgain);
    let view = live(&machine);
    assert_eq!(view.status, RunStatus::Failed);
    assert!(
        view.failure.unwrap().again && view.log.last().unwrap().contains("network: FAILED"),
        "{:?}",
        view.log
    );
}

/// Each change is published: a phase is seen while it runs, with the time that it has taken so far.
#[test]
fn a_phase_that_waits_is_in_the_live_report() {
    let machine = Machine::boot(World { carrier: false, ..World::full() });
    let mut steps = 0;
    let waiting = loop {
        steps += 1;
        assert!(steps < 2000, "{}", machine.said());
        let machine = Machine::boot(World { carrier: false, ..World::full() });
        if machine.first_boot_until(steps).is_some() {
            panic!("the run was over before it was seen waiting");
        }
        let Some(view) = machine.now.borrow().run.get(Path::new(LIVE_PATH)).cloned() else { continue };
        let view: View = serde_json::from_slice(&view).unwrap();
        let last = view.phases.last().unwrap().clone();
        if last.progress.is_some_and(|text| text.contains("no carrier on eth0")) {
            break view;
        }
    };
    assert_eq!(waiting.status, RunStatus::Running);
    assert!(waiting.log.iter().any(|line| line.contains("no carrier on eth0")), "{:?}", waiting.log);
}

#[test]
fn the_live_report_hides_secrets_in_its_log_too() {
    let log = "the datastore says: access denied for horse-battery, please\n";
    let mut world = World { cluster: Cluster::Exits, log, ..World::flashed(&seed()) };
    let config = "datastore-endpoint: \"mysql://k3s:horse-battery@tcp(db:3306)/k3s\"\n";
    world.put("/etc/rancher/k3s/config.yaml.d/10-hcimage.yaml", config);
    let machine = Machine::boot(world);
    machine.log("a stray line with horse-battery and token=abcdef");
    assert_eq!(machine.first_boot(), RunOutcome::Failed);
    let json = live(&machine).json();
    assert!(json.contains("access denied for ***, please"), "{json}");
    assert!(
        json.contains("a stray line with *** and token=***") && !json.contains("horse-battery"),
        "{json}"
    );
}
