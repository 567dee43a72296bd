//! A machine that runs, with everything that its console said.

use std::fs;
use std::net::SocketAddrV4;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use hc_firstboot::report::ReportStatus;
use hcimage::board::Boards;
use hcimage::interrupt::Interrupt;
use hcimage::run::lab::LabNetwork;
use hcimage::run::{Accelerator, Disk, Machine, Network, Router, Start, Vm, VmError};
use tempfile::TempDir;

use crate::base::{K3S_VERSION, base, k3s_release};
use crate::external_tool::outcome;
use crate::hcimage::{hcimage, succeed};
use crate::tools::{debugfs, debugfs_write, dump};

/// QEMU without hardware help is slow, and so is a busy machine: these only end what hangs.
pub const REPORT: Duration = Duration::from_secs(1200);
pub const POWER_OFF: Duration = Duration::from_secs(300);

/// Keeps a line of a console. A kernel that has panicked says nothing more, so it is not waited for: where QEMU gets too
/// little of its machine, one panics at its start with "IO-APIC + timer doesn't work".
pub fn keep(console: &mut Vec<String>, line: &str) {
    console.push(line.to_owned());
    assert!(!line.contains("Kernel panic - not syncing"), "{}", console.join("\n"));
}

/// The network of the tests' clusters, 10.0.2.0/24, with a port that leads to one machine on it.
pub struct TestNetwork {
    lab: LabNetwork,
    port: u16,
}

impl TestNetwork {
    pub fn start(to: SocketAddrV4) -> Self {
        let boards = Boards::load(None).unwrap();
        let mut lab = LabNetwork::start(&Router::usual().unwrap(), false, boards.get("pc").unwrap()).unwrap();
        let port = lab.forward(to).unwrap();
        Self { lab, port }
    }

    /// The forwarded port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What machine number `number` is plugged into; the number makes its hardware address.
    pub fn network(&self, number: u8) -> Network {
        self.lab.network(format!("52:54:00:00:00:{number:02x}").parse().unwrap()).unwrap()
    }

    /// A port of the switch.
    pub fn plug_in(&self) -> UnixStream {
        self.lab.plug_in().unwrap()
    }
}

pub struct Guest {
    vm: Vm,
    name: String,
    pub console: Vec<String>,
}

impl Guest {
    pub fn start(name: &str, board: &str, image: &Path, network: Network, clock: Option<&str>) -> Self {
        Self::start_with(name, board, image, None, &[], network, clock)
    }

    /// With a disk beside its card, perhaps.
    pub fn with_disk(name: &str, board: &str, image: &Path, disk: Option<&Path>, network: Network) -> Self {
        Self::start_with(name, board, image, None, disk.as_slice(), network, None)
    }

    /// With the kernel of an image that is whole: that of a card whose power was cut cannot be read before it has booted.
    pub fn restart(name: &str, board: &str, image: &Path, whole: &Path, network: Network) -> Self {
        Self::start_with(name, board, image, Some(whole), &[], network, None)
    }

    fn start_with(
        name: &str,
        board: &str,
        image: &Path,
        kernel_from: Option<&Path>,
        disks: &[&Path],
        network: Network,
        clock: Option<&str>,
    ) -> Self {
        let boards = Boards::load(None).unwrap();
        let board = boards.get(board).unwrap();
        let machine = Machine {
            board,
            disk: Disk::raw(image),
            image: kernel_from,
            start: Start::Kernel,
            disks: disks.iter().map(|disk| Disk::raw(*disk)).collect(),
            named_disks: Vec::new(),
            memory: 768,
            cpus: 2,
            accelerator: Accelerator::Tcg,
            network,
            clock,
        };
        let vm = Vm::start(machine, &Interrupt::new()).unwrap();
        Self { vm, name: name.to_owned(), console: Vec::new() }
    }

    /// Reads the console until a line is the right one.
    fn read_until(&mut self, within: Duration, mut right: impl FnMut(&str) -> bool) -> Result<(), VmError> {
        let console = &mut self.console;
        self.vm.wait_for("say what is waited for", within, |line| {
            keep(console, line);
            right(line)
        })
    }

    /// As [`Self::read_until`], for as long as a boot may take.
    fn expect(&mut self, what: &str, right: impl FnMut(&str) -> bool) {
        let waited = self.read_until(REPORT, right);
        assert!(waited.is_ok(), "{} did not say {what}: {waited:?}\n{}", self.name, self.console.join("\n"));
    }

    /// Waits for a line with these words; it may have come already.
    pub fn wait_for(&mut self, words: &str) {
        if !self.said(words) {
            self.expect(&format!("{words:?}"), |line| line.contains(words));
        }
    }

    /// Waits for a line with the ones or the others.
    pub fn wait_for_either(&mut self, one: &str, other: &str) {
        self.expect(&format!("{one:?} or {other:?}"), |line| line.contains(one) || line.contains(other));
    }

    /// Whether a line with these words has come.
    pub fn said(&self, words: &str) -> bool {
        self.console.iter().any(|line| line.contains(words))
    }

    /// Waits for the end of the first boot.
    pub fn wait_for_end(&mut self, wanted: ReportStatus) {
        let end_in = |line: &str| {
            [ReportStatus::Ready, ReportStatus::Failed].into_iter().find(|end| line.trim() == end.sentinel())
        };
        let mut end = self.console.iter().find_map(|line| end_in(line));
        if end.is_none() {
            self.expect("its report", |line| {
                end = end_in(line);
                end.is_some()
            });
        }
        assert_eq!(end, Some(wanted), "{}\n{}", self.name, self.console.join("\n"));
    }

    /// Reads the console for so long; says whether the machine still runs.
    pub fn watch(&mut self, time: Duration) -> bool {
        match self.read_until(time, |_| false) {
            Err(VmError::Timeout { .. }) => true,
            Err(VmError::Ended { .. }) => false,
            other => panic!("{}: {other:?}", self.name),
        }
    }

    /// Pulls the plug: QEMU is killed.
    pub fn cut_power(self) -> Vec<String> {
        self.console
    }

    pub fn power_off(self) {
        let Self { vm, name, mut console } = self;
        let status = vm.power_off(POWER_OFF, |line| keep(&mut console, line));
        assert!(
            status.as_ref().is_ok_and(|status| status.success()),
            "{name}: {status:?}\n{}",
            console.join("\n")
        );
    }
}

/// What the unit of [`say_what_becomes_of_k3s`] says at every boot; the state follows.
pub const K3S_IS: &str = "PROBE-K3S-IS-";

/// Adds a unit of the test's own to an image, and starts it at every boot; the text of the unit goes through a file in
/// `scratch`. It must be without fault: systemd prints a line that it finds fault with, and with it the words that the
/// unit is to say at its end.
pub fn add_unit(image: &Path, scratch: &Path, name: &str, text: &str) {
    let file = scratch.join(name);
    fs::write(&file, text).unwrap();
    let said = outcome(Command::new("systemd-analyze").arg("verify").arg(&file)).succeeded();
    assert!(!said.stderr.contains(name), "{}", said.both());
    let path = format!("/etc/systemd/system/{name}");
    debugfs_write(image, &format!("write {} {path}", file.display()));
    let link = format!("/etc/systemd/system/multi-user.target.wants/{name}");
    debugfs_write(image, &format!("symlink {link} {path}"));
}

/// What systemd itself says of it on the console cannot be relied on: it is silent once there is a prompt to log in.
pub fn say_what_becomes_of_k3s(image: &Path, scratch: &Path) {
    let unit = format!(
        "[Unit]\nAfter=k3s.service\n[Service]\nType=exec\n\
         ExecStart=/bin/sh -c 'echo {K3S_IS}$(systemctl is-active k3s.service) >/dev/console'\n"
    );
    add_unit(image, scratch, "late.service", &unit);
}

/// What a unit of the test's own has written to `/var/log/probe.<name>`.
pub fn probed(image: &Path, scratch: &Path, name: &str) -> String {
    dump(image, &format!("/var/log/probe.{name}"), scratch).unwrap_or_else(|| {
        panic!("no probe.{name} in:\n{}", debugfs(image, "ls -l /var/log"));
    })
}

/// Builds a cluster of one server on a PC, `out/lab-1.img`, in a new directory; `more` are further keys of the node.
pub fn one_server(more: &str) -> TempDir {
    one_server_from(&base("debian-pc-amd64"), more)
}

/// As [`one_server`], from a base of the test's own.
pub fn one_server_from(base: &Path, more: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let file = format!(
        "schema = 1\nname = \"lab\"\n\n[network]\nsubnet = \"10.0.2.0/24\"\ngateway = \"10.0.2.2\"\n\n[[nodes]]\n\
         name = \"lab-1\"\nrole = \"server\"\nboard = \"pc\"\naddress = \"10.0.2.11\"\n{more}\n\n\
         [boards.pc]\nbase = {base:?}\n"
    );
    fs::write(dir.path().join("cluster.toml"), file).unwrap();
    succeed(hcimage(dir.path()).args(["build", "--k3s"]).arg(k3s_release().join(K3S_VERSION)));
    dir
}
