//! Machines on one network: each a network namespace with `eth0` and its own `/etc`, `/run` and host name, and between them a
//! bridge in a further one. What runs in them are this machine's programs, and those that were unpacked.
//!
//! Needs root; without it nothing of this can be made, and the test says that it was skipped.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::unpacked;

/// How long a test waits for what must happen: a busy machine is no defect.
const PATIENCE: Duration = Duration::from_secs(90);

/// Of `/etc`, what programs need to start.
const ETC: [&str; 5] = ["passwd", "group", "nsswitch.conf", "ld.so.cache", "ld.so.conf"];

/// Programs of Debian that speak multicast DNS, with the bus by which they are asked, and their libraries.
const AVAHI: [&str; 12] = [
    "avahi-daemon",
    "avahi-utils",
    "dbus-daemon",
    "libapparmor1",
    "libavahi-client3",
    "libavahi-common3",
    "libavahi-core7",
    "libcap-ng0",
    "libdaemon0",
    "libdbus-1-3",
    "libexpat1",
    "libgdbm6",
];

const BUS: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path=/run/dbus/system_bus_socket</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/></policy>
</busconfig>
"#;

const AVAHI_CONF: &str =
    "[server]\nuse-ipv4=yes\nuse-ipv6=no\nallow-interfaces=eth0\n[publish]\npublish-workstation=no\n";

/// What a machine does first; it is there until its holder ends.
const ENTER: &str = "set -e
mount --make-rprivate /
mount --bind \"$1\" /etc
mount -t tmpfs tmpfs /run
mkdir -p /run/hcimage /run/dbus /run/avahi-daemon
hostname \"$2\"
echo made
exec sleep infinity";

/// The network, gone when dropped.
#[derive(Debug)]
pub struct Lan {
    switch: String,
}

/// A machine on it.
#[derive(Debug)]
pub struct Machine {
    name: String,
    net: String,
    holder: Child,
    /// The bus and avahi.
    services: Vec<Child>,
    dir: tempfile::TempDir,
}

fn ip(words: &str) {
    let output =
        Command::new("ip").args(words.split(' ')).output().expect("ip is missing: apt-get install iproute2");
    assert!(output.status.success(), "ip {words}: {}", String::from_utf8_lossy(&output.stderr).trim());
}

impl Lan {
    /// A network without machines; `name` is short and of one test alone. None where this is not root.
    pub fn new(name: &str) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            // Not by a macro: the test harness hides its output if the test passes.
            let _ = io::stderr().write_all(b"SKIPPED: network namespaces with their own /etc need root\n");
            return None;
        }
        let lan = Self { switch: format!("hc-{name}-{}", std::process::id()) };
        ip(&format!("netns add {}", lan.switch));
        ip(&format!("-n {} link add br0 type bridge mcast_snooping 0", lan.switch));
        ip(&format!("-n {} link set br0 up", lan.switch));
        Some(lan)
    }

    /// A machine with this host name and address, as `10.99.0.1/24`; `place` is of this machine alone.
    pub fn machine(&self, place: &str, host_name: &str, address: &str) -> Machine {
        let (switch, net) = (&self.switch, format!("{}-{place}", self.switch));
        ip(&format!("netns add {net}"));
        ip(&format!("-n {net} link add eth0 type veth peer name {place} netns {switch}"));
        ip(&format!("-n {switch} link set dev {place} master br0 up"));
        for words in ["link set lo up", "link set eth0 up", &format!("addr add {address} dev eth0")] {
            ip(&format!("-n {net} {words}"));
        }
        // Multicast to where no route leads is refused.
        ip(&format!("-n {net} route add default dev eth0"));
        let dir = tempfile::tempdir().expect("a temporary directory can be made");
        let etc = dir.path().join("etc");
        fs::create_dir_all(etc.join("avahi/services")).expect("the directory is this test's");
        for name in ETC {
            let _ = fs::copy(Path::new("/etc").join(name), etc.join(name));
        }
        // avahi looks for them, also where it stays root.
        for (file, line) in
            [("passwd", "avahi:x:105:112::/run:/bin/false\n"), ("group", "avahi:x:112:\nnetdev:x:113:\n")]
        {
            let old = fs::read_to_string(etc.join(file)).unwrap_or_default();
            fs::write(etc.join(file), old + line).expect("the directory is this test's");
        }
        let mut holder = Command::new("setpriv");
        holder.args(["--pdeathsig", "KILL", "ip", "netns", "exec", &net, "unshare", "--mount", "--uts"]);
        holder.args(["sh", "-c", ENTER, "sh"]).arg(&etc).arg(host_name).stdout(Stdio::piped());
        let mut holder = holder.spawn().expect("setpriv is missing: apt-get install util-linux");
        let mut line = String::new();
        let said = holder.stdout.take().map(|out| BufReader::new(out).read_line(&mut line));
        assert!(matches!(said, Some(Ok(_))) && line == "made\n", "the machine {host_name} could not be made");
        Machine { name: host_name.to_owned(), net, holder, services: Vec::new(), dir }
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.switch]).status();
    }
}

impl Machine {
    /// A program that runs on the machine.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("setpriv");
        let pid = self.holder.id().to_string();
        command
            .args(["--pdeathsig", "KILL", "nsenter", "--net", "--mount", "--uts", "--target", &pid])
            .arg(program);
        command
    }

    /// An ignored test of this very test program, which plays something on the machine.
    pub fn play(&self, test: &str) -> Command {
        let mut command = self.command(std::env::current_exe().expect("a program knows itself"));
        command.args(["--exact", test, "--ignored", "--nocapture"]);
        command
    }

    /// Where a file of the machine is for this one.
    pub fn path(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.holder.id()))
    }

    /// Writes a file of the machine as a whole.
    pub fn write(&self, path: &str, text: &str) {
        let new = self.path(&format!("{path}.test"));
        fs::write(&new, text)
            .and_then(|()| fs::rename(&new, self.path(path)))
            .expect("the file is this test's");
    }

    /// Starts Debian's avahi, and the bus by which its programs ask it.
    pub fn start_avahi(&mut self) {
        let root = unpacked::packages(&AVAHI);
        let etc = self.dir.path().join("etc");
        fs::write(etc.join("bus.conf"), BUS).expect("the directory is this test's");
        fs::write(etc.join("avahi/avahi-daemon.conf"), AVAHI_CONF).expect("the directory is this test's");
        let programs = [
            ("usr/bin/dbus-daemon", ["--nofork", "--nopidfile", "--config-file=/etc/bus.conf"]),
            ("usr/sbin/avahi-daemon", ["--no-drop-root", "--no-chroot", "--no-rlimits"]),
        ];
        for ((program, args), sign) in
            programs.into_iter().zip(["/run/dbus/system_bus_socket", "/run/avahi-daemon/pid"])
        {
            let mut command = self.command(root.join(program));
            command.args(args).env("LD_LIBRARY_PATH", unpacked::libraries(&root)).stderr(Stdio::null());
            self.services.push(command.spawn().expect("nsenter is missing: apt-get install util-linux"));
            wait_for(&format!("{program} on {}", self.name), || self.path(sign).exists().then_some(()));
        }
    }

    /// The services of a type that Debian's avahi-browse finds now: host, address, port and TXT record of each instance, by its
    /// name, in the order of the names.
    pub fn browse(&self, service: &str) -> Vec<(String, String)> {
        let root = unpacked::packages(&AVAHI);
        let mut command = self.command(root.join("usr/bin/avahi-browse"));
        command.args(["--resolve", "--parsable", "--terminate", "--no-db-lookup", service]);
        let output =
            command.env("LD_LIBRARY_PATH", unpacked::libraries(&root)).output().expect("avahi-browse runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut found: Vec<_> = text.lines().filter_map(resolved).collect();
        found.sort();
        found
    }
}

/// `=;eth0;IPv4;pi-1;_hcimage._tcp;local;pi-1.local;10.99.0.1;8680;"node=pi-1" "v=1"`
fn resolved(line: &str) -> Option<(String, String)> {
    let mut words = line.strip_prefix("=;")?.split(';');
    let name = words.by_ref().nth(2)?;
    let (host, address, port) = (words.by_ref().nth(2)?, words.next()?, words.next()?);
    let mut txt: Vec<&str> = words.next()?.split('"').filter(|word| !word.trim().is_empty()).collect();
    txt.sort_unstable();
    Some((name.to_owned(), format!("{host} {address} {port} {}", txt.join(" "))))
}

impl Drop for Machine {
    fn drop(&mut self) {
        for child in self.services.iter_mut().rev().chain([&mut self.holder]) {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = Command::new("ip").args(["netns", "del", &self.net]).status();
    }
}

/// Waits until there is something.
///
/// # Panics
/// Where there is nothing after a minute and a half.
#[track_caller]
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "in {} s not seen: {what}", PATIENCE.as_secs());
        std::thread::sleep(Duration::from_millis(100));
    }
}
