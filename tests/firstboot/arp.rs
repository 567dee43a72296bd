//! The ARP probe on a real network: two network namespaces with a cable between them.
//!
//! Needs root. Otherwise it prints that it was skipped.

use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::process::Command;

use hc_firstboot::sys::{RealSystem, System};

const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 7);

/// The interface of the probe inside the namespace.
const VARIABLE: &str = "HC_FIRSTBOOT_ARP_PROBE";

fn ip(words: &str) -> Result<(), String> {
    let output = Command::new("ip").args(words.split(' ')).output().map_err(|e| e.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("ip {words}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

/// Two machines, `here` and `there`, on one cable; gone when dropped.
struct Cable {
    here: String,
    there: String,
}

impl Cable {
    fn new(name: &str) -> Result<Self, String> {
        let id = std::process::id();
        let cable = Self { here: format!("hc-{name}-a-{id}"), there: format!("hc-{name}-b-{id}") };
        ip(&format!("netns add {}", cable.here))?;
        ip(&format!("netns add {}", cable.there))?;
        let (here, there) = (&cable.here, &cable.there);
        ip(&format!("-n {here} link add eth0 type veth peer name eth0 netns {there}"))?;
        ip(&format!("-n {there} link set eth0 address 02:00:00:00:ab:02"))?;
        ip(&format!("-n {there} link set eth0 up"))?;
        Ok(cable)
    }

    /// The result of the probe in the namespace `here`, which runs this test program.
    fn probe(&self) -> String {
        let program = std::env::current_exe().unwrap();
        let output = Command::new("ip")
            .args(["netns", "exec", &self.here])
            .arg(program)
            .args(["--exact", "arp::the_probe_inside_the_namespace", "--ignored", "--nocapture"])
            .env(VARIABLE, "eth0")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let said =
            text.lines().find_map(|line| line.split_once("probe says: ").map(|(_, said)| said.to_owned()));
        said.unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)))
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        for name in [&self.here, &self.there] {
            let _ = ip(&format!("netns del {name}"));
        }
    }
}

/// A cable, or a printed reason why it is missing.
fn cable(name: &str) -> Option<Cable> {
    if !rustix::process::geteuid().is_root() {
        // Not by a macro: the test harness hides its output if the test passes.
        io::stderr()
            .write_all(b"SKIPPED: the ARP probe needs network namespaces, and those need root\n")
            .unwrap();
        return None;
    }
    Some(Cable::new(name).unwrap_or_else(|why| panic!("as root a namespace can be made: {why}")))
}

#[test]
#[ignore = "not a test of its own: the others run it inside a namespace"]
fn the_probe_inside_the_namespace() {
    let interface = std::env::var(VARIABLE).expect("run by the other tests only");
    let said = match RealSystem.arp_probe(&interface, ADDRESS) {
        Ok(Some(other)) => other.to_string(),
        Ok(None) => "nobody".to_owned(),
        Err(e) => format!("error: {e}"),
    };
    io::stdout().write_all(format!("\nprobe says: {said}\n").as_bytes()).unwrap();
}

#[test]
fn another_host_with_the_address_is_found() {
    let Some(cable) = cable("has") else { return };
    let (here, there) = (&cable.here, &cable.there);
    assert!(cable.probe().starts_with("error: "), "an interface that is down cannot tell: {}", cable.probe());
    ip(&format!("-n {here} link set eth0 up")).unwrap();
    assert_eq!(cable.probe(), "nobody");
    ip(&format!("-n {there} addr add 10.99.0.8/24 dev eth0")).unwrap();
    assert_eq!(cable.probe(), "nobody", "another address");
    ip(&format!("-n {there} addr add {ADDRESS}/24 dev eth0")).unwrap();
    assert_eq!(cable.probe(), "02:00:00:00:ab:02");
    // The base's own service was faster and has set it here too.
    ip(&format!("-n {here} addr add {ADDRESS}/24 dev eth0")).unwrap();
    assert_eq!(cable.probe(), "02:00:00:00:ab:02", "both have it");
    ip(&format!("-n {there} addr del {ADDRESS}/24 dev eth0")).unwrap();
    assert_eq!(cable.probe(), "nobody", "only this machine has it");
}

/// A probe must not give the other machine a wrong ARP entry, as claiming would.
#[test]
fn a_probe_leaves_no_trace() {
    let Some(cable) = cable("trace") else { return };
    let (here, there) = (&cable.here, &cable.there);
    ip(&format!("-n {here} link set eth0 up")).unwrap();
    ip(&format!("-n {there} addr add {ADDRESS}/24 dev eth0")).unwrap();
    assert_eq!(cable.probe(), "02:00:00:00:ab:02");
    let output = Command::new("ip").args(["-n", there, "neigh", "show"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
}
