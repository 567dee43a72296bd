//! The page of a node while the node boots: its JSON and its HTML through a forwarded port, and the unit that serves it.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use hc_firstboot::STATUS_PORT;
use hc_firstboot::report::{ReportStatus, RunStatus, View};
use hc_firstboot::state::Status;
use hcimage::run::{Forward, Network};

use crate::guest::{Guest, add_unit, one_server_from, probed};
use hcimage_testkit::base::base;

const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 11);

/// What the test's own unit says at its end.
const DONE: &str = "PROBE-DONE";

/// By curl, with the name that a browser on the node's network would send; none while nothing answers.
fn get(port: u16, path: &str) -> Option<String> {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--fail", "--max-time", "10", "--header"])
        .arg(format!("Host: {ADDRESS}:{STATUS_PORT}"));
    let output = curl.arg(format!("http://127.0.0.1:{port}{path}")).output().unwrap();
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
}

/// The phases that were seen running, and the results of the run, in the order in which they came.
fn watch(port: u16, over: &AtomicBool) -> (BTreeSet<String>, Vec<RunStatus>) {
    let (mut phases, mut results) = (BTreeSet::new(), Vec::new());
    while !over.load(Ordering::Relaxed) {
        if let Some(view) = get(port, "/status.json").map(|json| serde_json::from_str::<View>(&json).unwrap())
        {
            let running = view.phases.iter().filter(|record| record.status == Status::Running);
            phases.extend(running.map(|record| record.name.text().to_owned()));
            if results.last() != Some(&view.status) {
                results.push(view.status);
            }
        }
        thread::sleep(Duration::from_millis(300));
    }
    (phases, results)
}

#[test]
fn a_page_shows_the_phases_while_the_node_boots() {
    let dir = one_server_from(&base("debian-pc-amd64"), "data-disk = false\n");
    let image = dir.path().join("out/lab-1.img");
    let unit = format!(
        "[Service]\nType=exec\nExecStart=/bin/sh -c 'until test -e /var/lib/hcimage/finished; do sleep 1; done; \
         until grep -qs Ready /run/hcimage/issue; do sleep 1; done; \
         systemctl show hcimage-status.service >/var/log/probe.unit; ls -l /run/hcimage >/var/log/probe.files; \
         systemctl show --all hcimage-announce.service >/var/log/probe.announcer; \
         script --quiet --return --command \"agetty --show-issue\" /dev/null >/var/log/probe.issue; \
         journalctl --boot --no-pager --output=cat --unit hcimage-announce.service >/var/log/probe.said; \
         ls /sys/class/leds >/var/log/probe.leds; cat /proc/net/udp >/var/log/probe.udp; sync; echo {DONE} >/dev/console'\n"
    );
    add_unit(&image, dir.path(), "probe.service", &unit);
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let forward = Forward { host: port, guest: SocketAddrV4::new(ADDRESS, STATUS_PORT) };
    let mut guest = Guest::start("lab-1", "pc", &image, Network::Alone { forward: Some(forward) }, None);
    let over = AtomicBool::new(false);
    let (phases, results) = thread::scope(|scope| {
        let watcher = scope.spawn(|| watch(port, &over));
        guest.wait_for_end(ReportStatus::Ready);
        guest.wait_for(DONE);
        over.store(true, Ordering::Relaxed);
        watcher.join().unwrap()
    });
    eprintln!("seen by the page: {results:?}, running: {phases:?}");
    assert!(phases.len() >= 2 && results.contains(&RunStatus::Running), "{phases:?} {results:?}");

    let view: View = serde_json::from_str(&get(port, "/status.json").unwrap()).unwrap();
    assert_eq!(view.status, RunStatus::Ready);
    assert_eq!(view.addresses, [ADDRESS.to_string()]);
    assert!(
        view.versions.k3s.is_some() && view.versions.os.as_deref().unwrap().contains("Debian"),
        "{view:?}"
    );
    assert!(view.log.iter().any(|line| line.contains("k3s: done")), "{view:?}");
    let html = get(port, "/").unwrap();
    assert!(html.contains("The node is Ready.") && html.contains("http://10.0.2.11:8680/"), "{html}");
    guest.power_off();

    let unit = probed(&image, dir.path(), "unit");
    for line in
        ["ActiveState=active", "DynamicUser=yes", "NRestarts=0", "NoNewPrivileges=yes", "MemoryMax=50331648"]
    {
        assert!(unit.lines().any(|found| found == line), "{line}: {unit}");
    }
    check_announcer(|name| probed(&image, dir.path(), name));
    let files = probed(&image, dir.path(), "files");
    assert!(
        files.lines().any(|line| line.starts_with("-rw-r--r-- 1 root root") && line.ends_with("status.json")),
        "{files}"
    );
}

/// The sandbox of the announcer, under the systemd that has made it: it has everything that it needs, and complains of nothing.
fn check_announcer(probed: impl Fn(&str) -> String) {
    let unit = probed("announcer");
    for line in [
        "ActiveState=active",
        "NRestarts=0",
        "ProtectSystem=strict",
        "NoNewPrivileges=yes",
        "CapabilityBoundingSet=",
    ] {
        assert!(unit.lines().any(|found| found == line), "{line}: {unit}");
    }
    // As Debian's agetty reads it. The last phase is over, and the page is still there.
    let issue = probed("issue");
    assert!(issue.contains("hcimage: node lab-1 of lab: Ready"), "{issue}");
    assert!(issue.contains(&format!("http://{ADDRESS}:{STATUS_PORT}/")), "{issue}");
    // The base has no other program for multicast DNS, so it speaks itself, at UDP port 5353.
    assert!(probed("udp").lines().any(|line| line.contains(":14E9 ")), "{}", probed("udp"));
    // QEMU's PC has the LEDs of a keyboard at most, which are nobody's to blink: that is no error.
    let leds = probed("leds");
    assert!(!leds.lines().any(|led| ["ACT", "PWR", "led0", "led1"].contains(&led)), "{leds}");
    // systemd's own lines are about the unit; the rest would be complaints.
    let said = probed("said");
    let complaints: Vec<&str> =
        said.lines().filter(|line| !line.contains("hcimage-announce.service")).collect();
    assert!(complaints.is_empty() && said.contains("Started"), "{said}");
}
