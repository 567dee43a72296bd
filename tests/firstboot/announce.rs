//! The program announces a node on a real network: machines in network namespaces, and Debian's avahi looks for them.
//!
//! Needs root. Otherwise it prints that it was skipped. The page of a node is played here: something that listens on its port.

use std::fs;
use std::io::Read;
use std::net::{TcpListener, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hc_firstboot::announce::{ISSUE_LINK, ISSUE_PATH};
use hcimage_testkit::lan::{Lan, Machine, wait_for};

const STATUS: &str = "/run/hcimage/status.json";
const SERVICE: &str = "_hcimage._tcp";

fn set(machine: &Machine, node: &str, address: &str, status: &str, phase: &str) {
    let json = format!(
        r#"{{"schema":1,"node":"{node}","cluster":{{"name":"home"}},"status":"{status}","failure":null,
        "phases":[{{"name":"{phase}","status":"running"}}],"addresses":["{address}"]}}"#
    );
    machine.write(STATUS, &json);
}

/// A process that is killed when dropped.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Self {
        Self(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap())
    }

    /// Ends it as systemd does. What it has complained of.
    fn stop(mut self) -> String {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        assert!(self.0.wait().unwrap().success());
        let mut said = String::new();
        self.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        said
    }

    /// Its resident memory, in KiB.
    fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn announce(machine: &Machine) -> Running {
    Running::start(machine.command(env!("CARGO_BIN_EXE_hc-firstboot")).arg("announce"))
}

fn page(machine: &Machine) -> Running {
    Running::start(&mut machine.play("announce::a_page_that_only_listens"))
}

#[test]
#[ignore = "not a test of its own: it plays the page of a node"]
fn a_page_that_only_listens() {
    let _listener = TcpListener::bind(("0.0.0.0", 8680)).unwrap();
    loop {
        std::thread::park();
    }
}

/// What the watcher finds, once it is this.
#[track_caller]
fn finds(watcher: &Machine, expected: &[(&str, &str)]) {
    let mut last = Vec::new();
    let wanted: Vec<(String, String)> =
        expected.iter().map(|(name, rest)| ((*name).to_owned(), (*rest).to_owned())).collect();
    let begun = std::time::Instant::now();
    while begun.elapsed() < Duration::from_secs(90) {
        last = watcher.browse(SERVICE);
        if last == wanted {
            return;
        }
    }
    panic!("found {last:#?}\nnot {wanted:#?}");
}

fn watcher(lan: &Lan) -> Machine {
    let mut watcher = lan.machine("w", "watcher", "10.99.0.9/24");
    watcher.start_avahi();
    watcher
}

#[test]
fn a_node_without_a_stack_of_its_base_is_found_with_its_phase_and_says_goodbye() {
    let Some(lan) = Lan::new("ann") else { return };
    let (watcher, node) = (watcher(&lan), lan.machine("a", "pi-1", "10.99.0.1/24"));
    set(&node, "pi-1", "10.99.0.1", "running", "network");
    let announcer = announce(&node);
    let page = page(&node);
    let txt = |rest: &str| format!("pi-1-hcimage.local 10.99.0.1 8680 cluster=home node=pi-1 {rest} v=1");
    finds(&watcher, &[("pi-1", &txt("phase=network status=running"))]);
    set(&node, "pi-1", "10.99.0.1", "running", "data-disk");
    finds(&watcher, &[("pi-1", &txt("phase=data-disk status=running"))]);
    set(&node, "pi-1", "10.99.0.1", "ready", "finish");
    finds(&watcher, &[("pi-1", &txt("status=ready"))]);
    // It began without the page, and the text above the prompt changes every ten seconds at most.
    wait_for("the page above the login prompt", || {
        let issue = fs::read_to_string(node.path("/run/hcimage/issue")).unwrap();
        issue.contains("http://10.99.0.1:8680/").then_some(())
    });
    // The page goes off, and with it what leads to it; records would stay for more than an hour without a goodbye.
    drop(page);
    finds(&watcher, &[]);
    let mut announcer = announcer;
    wait_for("its end, since the node is Ready", || announcer.0.try_wait().unwrap());
    assert!(!node.path("/run/hcimage/issue").exists());
}

#[test]
fn a_node_that_is_stopped_says_goodbye() {
    let Some(lan) = Lan::new("bye") else { return };
    let (watcher, node) = (watcher(&lan), lan.machine("a", "pi-1", "10.99.0.1/24"));
    set(&node, "pi-1", "10.99.0.1", "running", "k3s");
    let (_page, announcer) = (page(&node), announce(&node));
    finds(
        &watcher,
        &[("pi-1", "pi-1-hcimage.local 10.99.0.1 8680 cluster=home node=pi-1 phase=k3s status=running v=1")],
    );
    assert_eq!(announcer.stop(), "");
    finds(&watcher, &[]);
}

#[test]
fn of_two_nodes_with_one_name_both_are_found() {
    let Some(lan) = Lan::new("two") else { return };
    let (watcher, first) = (watcher(&lan), lan.machine("a", "pi-1", "10.99.0.1/24"));
    let second = lan.machine("b", "pi-1", "10.99.0.2/24");
    set(&first, "pi-1", "10.99.0.1", "running", "k3s");
    set(&second, "pi-1", "10.99.0.2", "running", "join");
    let (_page, _announcer) = (page(&first), announce(&first));
    let one =
        ("pi-1", "pi-1-hcimage.local 10.99.0.1 8680 cluster=home node=pi-1 phase=k3s status=running v=1");
    finds(&watcher, &[one]);
    let (_page, _announcer) = (page(&second), announce(&second));
    let two = (
        "pi-1\\032\\0402\\041",
        "pi-1-hcimage-2.local 10.99.0.2 8680 cluster=home node=pi-1 phase=join status=running v=1",
    );
    finds(&watcher, &[one, two]);
}

#[test]
fn beside_avahi_the_node_speaks_through_it_and_no_name_is_lost() {
    let Some(lan) = Lan::new("avahi") else { return };
    let (watcher, mut node) = (watcher(&lan), lan.machine("a", "pi-1", "10.99.0.1/24"));
    set(&node, "pi-1", "10.99.0.1", "running", "network");
    let (_page, announcer) = (page(&node), announce(&node));
    let txt =
        |host: &str, rest: &str| format!("{host}.local 10.99.0.1 8680 cluster=home node=pi-1 {rest} v=1");
    finds(&watcher, &[("pi-1", &txt("pi-1-hcimage", "phase=network status=running"))]);
    // The base's avahi starts later: the node's own voice ends, and avahi has its host name without a conflict.
    node.start_avahi();
    wait_for("the file", || node.path("/etc/avahi/services/hcimage.service").exists().then_some(()));
    for phase in ["join", "k3s", "ready"] {
        set(&node, "pi-1", "10.99.0.1", "running", phase);
        finds(&watcher, &[("pi-1", &txt("pi-1", &format!("phase={phase} status=running")))]);
    }
    let sockets = fs::read_dir(format!("/proc/{}/fd", announcer.0.id())).unwrap();
    let links = sockets.filter_map(|fd| fs::read_link(fd.unwrap().path()).ok());
    let own: Vec<_> = links.filter(|link| link.to_string_lossy().starts_with("socket:")).collect();
    assert!(own.is_empty(), "it has no socket of its own any more: {own:?}");
    assert_eq!(announcer.stop(), "");
    finds(&watcher, &[]);
    assert!(!node.path("/etc/avahi/services/hcimage.service").exists());
}

/// Packets that no honest machine sends, to the port of multicast DNS.
#[test]
#[ignore = "not a test of its own: it plays a hostile machine"]
fn hostile_packets() {
    let socket = UdpSocket::bind(("0.0.0.0", 5353)).unwrap();
    let group = ("224.0.0.251", 5353);
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    let name = b"\x08_hcimage\x04_tcp\x05local\x00";
    let record = |name: &[u8], kind: u8, length: u16, data: &[u8]| {
        [name, &[0, kind, 0x80, 1, 0, 0, 0x11, 0x94], &length.to_be_bytes(), data].concat()
    };
    let response = |answers: u16, body: &[u8]| {
        [&[0, 0, 0x84, 0, 0, 0][..], &answers.to_be_bytes(), &[0, 0, 0, 0], body].concat()
    };
    for round in 0..6_000_u64 {
        let noise: Vec<u8> = (0..next() % 1400).map(|_| next().to_le_bytes()[0]).collect();
        let own = format!("\x05x{:04}\x08_hcimage\x04_tcp\x05local\0", round % 10_000).into_bytes();
        let packet = match round % 8 {
            0 => noise,
            // A name that leads to itself, and to another that leads back.
            1 => response(1, &record(&[0xc0, 12], 12, 2, &[0xc0, 12])),
            2 => response(
                2,
                &[record(&[0xc0, 14], 12, 2, &[0xc0, 12]), record(name, 12, 2, &[0xc0, 12])].concat(),
            ),
            // More records than there are, and data that is longer than the packet.
            3 => response(u16::MAX, &record(name, 12, u16::MAX, &own)),
            4 => response(u16::MAX, &noise),
            // Instances without end.
            5 => response(1, &record(name, 12, u16::try_from(own.len()).unwrap(), &own)),
            // The largest packet of all, in fragments.
            6 => response(1, &record(name, 16, 64_000, &vec![b'x'; 64_000])),
            // The records of the node's own name, with another's address.
            _ => response(
                1,
                &record(
                    b"\x0cpi-1-hcimage\x05local\x00",
                    1,
                    4,
                    &[10, 99, 0, (next() % 250).to_le_bytes()[0]],
                ),
            ),
        };
        // A full buffer loses one of many.
        let _ = socket.send_to(&packet, group);
        if round % 50 == 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn hostile_packets_neither_end_nor_grow_it() {
    let Some(lan) = Lan::new("evil") else { return };
    let (watcher, node) = (watcher(&lan), lan.machine("a", "pi-1", "10.99.0.1/24"));
    let stranger = lan.machine("s", "stranger", "10.99.0.66/24");
    set(&node, "pi-1", "10.99.0.1", "running", "network");
    let (_page, announcer) = (page(&node), announce(&node));
    finds(
        &watcher,
        &[(
            "pi-1",
            "pi-1-hcimage.local 10.99.0.1 8680 cluster=home node=pi-1 phase=network status=running v=1",
        )],
    );
    let before = announcer.memory();
    let played = stranger.play("announce::hostile_packets").output().unwrap();
    assert!(played.status.success(), "{}", String::from_utf8_lossy(&played.stderr));
    set(&node, "pi-1", "10.99.0.1", "running", "k3s");
    // Of another one, which has not heard of the stranger's instances. He may have had the node choose other names; it is still
    // there, with what it says now.
    drop(watcher);
    let mut fresh = lan.machine("f", "fresh", "10.99.0.10/24");
    fresh.start_avahi();
    wait_for("the node after the attack", || {
        fresh.browse(SERVICE).into_iter().find(|(_, txt)| txt.contains("node=pi-1 phase=k3s"))
    });
    let after = announcer.memory();
    assert!(after < before + 8 * 1024, "{before} KiB before, {after} KiB after");
    assert_eq!(announcer.stop(), "");
}

/// Debian's agetty shows it above its prompt, by the link that every image has, and shows nothing where that leads nowhere.
#[test]
fn agetty_shows_the_text_by_the_link_of_the_image() {
    let Some(lan) = Lan::new("issue") else { return };
    let node = lan.machine("a", "pi-1", "10.99.0.1/24");
    node.write("/etc/issue", "The base's own\n");
    fs::create_dir(node.path("/etc/issue.d")).unwrap();
    std::os::unix::fs::symlink(ISSUE_PATH, node.path(ISSUE_LINK)).unwrap();
    let shown = || {
        // It wants a terminal.
        let mut agetty = node.command("script");
        agetty.args(["--quiet", "--return", "--command", "agetty --show-issue", "/dev/null"]);
        let output = agetty.stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8(output.stdout).unwrap().replace('\r', "")
    };
    assert_eq!(shown(), "The base's own\n");
    set(&node, "pi-1", "10.99.0.1", "running", "a\\\\d\\u001b[2J");
    let _announcer = announce(&node);
    let expected = "The base's own\nhcimage: node pi-1 of home: its first boot is under way, phase a\\d\\u{1b}[2J\n  \
                    10.99.0.1\n\n";
    wait_for("the text", || (shown() == expected).then_some(()));
}
