//! Whole runs on a machine that is played, with avahi.

use std::cell::Cell;

use super::testkit::Played;
use super::*;

const AVAHI_FILE: &str = "/etc/avahi/services/hcimage.service";
const LISTENING: &str = "head\n 0: 00000000:21E8 00000000:0000 0A 0:0 0:0 0 0 0 9 1\n";

fn json(status: &str, phase: &str) -> String {
    let failure = match status {
        "failed" => r#"{"what":"no carrier on eth0","advice":"connect the cable"}"#,
        _ => "null",
    };
    format!(
        r#"{{"schema":1,"node":"pi-1","cluster":{{"name":"home"}},"status":"{status}","failure":{failure},
        "phases":[{{"name":"{phase}","status":"{}"}}],"addresses":["10.0.0.7"]}}"#,
        if status == "failed" { "failed" } else { "running" }
    )
}

fn node() -> Played {
    let machine = Played::new();
    machine.led("ACT", "none timer heartbeat [mmc0]", "0");
    machine.file("/run/avahi-daemon/pid", "17").file("/proc/17/comm", "avahi-daemon\n");
    machine.file("/proc/net/tcp", LISTENING);
    machine
}

fn set(status: &'static str, phase: &'static str) -> impl FnOnce(&Played) {
    move |machine| {
        machine.file(LIVE_PATH, &json(status, phase));
    }
}

/// Runs until it ends by itself or this many seconds are over. What it logged.
fn run(machine: &Played, seconds: u64) -> (Vec<String>, bool) {
    let (mut logged, ended) = (Vec::new(), Cell::new(true));
    let end = machine.uptime() + Duration::from_secs(seconds);
    let is_stopped = || {
        let over = machine.uptime() >= end;
        ended.set(!over);
        over
    };
    announce(machine, &is_stopped, &mut |line| logged.push(line.to_owned()));
    (logged, ended.get())
}

fn is_untouched(machine: &Played) -> bool {
    machine.trigger("ACT") == "mmc0"
        && machine.text(AVAHI_FILE).is_empty()
        && machine.text(ISSUE_PATH).is_empty()
        && machine.text("/run/hcimage/led").is_empty()
}

#[test]
fn a_run_is_told_until_the_node_is_ready_and_its_page_is_off() {
    let machine = node();
    let seen: std::rc::Rc<std::cell::RefCell<Vec<String>>> = std::rc::Rc::default();
    let look = |at: u64| {
        let seen = std::rc::Rc::clone(&seen);
        machine.after(at, move |machine: &Played| {
            let file = machine.text(AVAHI_FILE);
            let txt = file.lines().filter_map(|line| line.trim().strip_prefix("<txt-record>"));
            let txt: Vec<_> = txt.filter_map(|line| line.strip_suffix("</txt-record>")).collect();
            let issue = machine.text(ISSUE_PATH).lines().next().unwrap_or_default().to_owned();
            seen.borrow_mut().push(format!("{} | {:?} | {issue}", txt.join(" "), machine.blinks("ACT")));
        });
    };
    machine.after(2, set("running", "network"));
    look(5);
    machine.after(20, set("running", "k3s"));
    look(25);
    machine.after(40, set("failed", "k3s"));
    look(45);
    machine.after(60, set("running", "k3s"));
    machine.after(80, set("ready", "finish"));
    look(85);
    machine.after(3600, |machine| machine.gone("/proc/net/tcp"));
    look(3605);
    let (logged, ended) = run(&machine, 9999);
    assert_eq!(logged, [""; 0]);
    assert!(ended && machine.uptime().as_secs() < 3640, "{:?}", machine.uptime());
    assert_eq!(
        *seen.borrow(),
        [
            "v=1 node=pi-1 cluster=home status=running phase=network | Some((1000, 1000)) | \
             hcimage: node pi-1 of home: its first boot is under way, phase network",
            "v=1 node=pi-1 cluster=home status=running phase=k3s | Some((1000, 1000)) | \
             hcimage: node pi-1 of home: its first boot is under way, phase k3s",
            "v=1 node=pi-1 cluster=home status=failed phase=k3s | Some((200, 200)) | \
             hcimage: node pi-1 of home: its first boot has STOPPED, phase k3s",
            "v=1 node=pi-1 cluster=home status=ready | None | hcimage: node pi-1 of home: Ready",
            " | None | hcimage: node pi-1 of home: Ready",
        ]
    );
    assert!(is_untouched(&machine));
}

#[test]
fn all_is_taken_back_where_it_is_stopped_and_after_it_was_killed() {
    let machine = node();
    set("running", "k3s")(&machine);
    run(&machine, 5);
    assert!(is_untouched(&machine), "stopped in order");
    // Killed: nothing of the end was carried out.
    machine.file(AVAHI_FILE, "old").file(ISSUE_PATH, "old");
    led::blink(&machine, Signal::Working).unwrap();
    withdraw(&machine, &mut |line| panic!("{line}"));
    assert!(is_untouched(&machine), "by the unit");
    machine.file(AVAHI_FILE, "old");
    led::blink(&machine, Signal::Working).unwrap();
    machine.gone(LIVE_PATH);
    machine.file(FINISHED_PATH, "");
    let (_, ended) = run(&machine, 5);
    assert!(ended && is_untouched(&machine), "by the next start, which has nothing to tell");
}

#[test]
fn changes_that_follow_each_other_are_two_seconds_apart_and_redraws_ten() {
    let machine = node();
    set("running", "host")(&machine);
    for (at, phase) in [(1, "identity"), (2, "root"), (3, "network"), (4, "clock"), (5, "bundle")] {
        machine.after(at, set("running", phase));
    }
    let changes: std::rc::Rc<Cell<u32>> = std::rc::Rc::default();
    let last = std::rc::Rc::new(std::cell::RefCell::new(String::new()));
    for at in 1..30 {
        let (changes, last) = (changes.clone(), last.clone());
        machine.after(at, move |machine| {
            let text = machine.text(AVAHI_FILE);
            if *last.borrow() != text {
                changes.set(changes.get() + 1);
                *last.borrow_mut() = text;
            }
        });
    }
    run(&machine, 30);
    assert!(last.borrow().contains("phase=bundle"), "the last one is never left out: {}", last.borrow());
    assert_eq!(changes.get(), 4, "host at 0, root at 2, clock at 4, bundle at 6");
    // At 0, at 10, and when it is taken back.
    let redraws = machine.commands().into_iter().filter(|command| command.starts_with("agetty"));
    assert_eq!(redraws.collect::<Vec<_>>(), ["agetty --reload"; 3]);
}

#[test]
fn a_status_that_cannot_be_read_is_told_once_and_changes_nothing() {
    let machine = node();
    machine.file(LIVE_PATH, "{");
    let (logged, _) = run(&machine, 30);
    assert_eq!(logged.len(), 1, "{logged:?}");
    assert!(
        logged[0].starts_with("reading /run/hcimage/status.json: it is no status of a node"),
        "{logged:?}"
    );
    assert!(is_untouched(&machine));
}

#[test]
fn without_a_page_nothing_leads_to_it_and_a_ready_node_is_done() {
    let machine = node();
    machine.gone("/proc/net/tcp");
    set("running", "k3s")(&machine);
    let seen = std::rc::Rc::new(Cell::new(false));
    let by_led = seen.clone();
    machine.after(5, move |machine| {
        assert_eq!(machine.text(AVAHI_FILE), "");
        assert!(!machine.text(ISSUE_PATH).contains("http:"));
        by_led.set(machine.blinks("ACT").is_some());
    });
    machine.after(10, set("ready", "finish"));
    let (_, ended) = run(&machine, 999);
    assert!(ended && seen.get() && is_untouched(&machine));
}

#[test]
fn where_another_program_has_the_port_the_node_is_silent_and_says_so_once() {
    let machine = node();
    machine.gone("/run/avahi-daemon/pid");
    machine.file("/proc/net/udp", "head\n 0: 00000000:14E9 00000000:0000 07 0:0 0:0 0 1000 0 9 1\n");
    set("running", "k3s")(&machine);
    let (logged, _) = run(&machine, 30);
    assert_eq!(logged, ["DNS-SD: another program has UDP port 5353; the node is not announced"]);
}
