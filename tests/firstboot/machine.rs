//! A machine whose power fails at a chosen step.

use hc_common::paths::{DATASTORE_FOLDER, K3S_DATASTORE_DIR};
use hc_common::value::InterfaceName;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io::{self, Cursor, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hc_firstboot::arp::Mac;
use hc_firstboot::report::LIVE_PATH;
use hc_firstboot::sys::{Command, Output, Space, Stat, System, Tail, TlsError, TlsRequest};
use hc_firstboot::{RunOutcome, clock_gate, first_boot};

use crate::disk::Disk;
use crate::scenario::{MOUNT, SecondDisk, World};

/// Unwinds the program under test, which does not run after this.
struct PowerCut;

/// The state that a power cut loses.
#[derive(Debug, Clone)]
pub(crate) struct Volatile {
    pub(crate) uptime: Duration,
    /// The clock, as a distance from the uptime.
    pub(crate) clock_at_boot: Duration,
    pub(crate) hostname: String,
    pub(crate) mounted: bool,
    /// Whether the datastore's directory of the data disk is at its place.
    pub(crate) datastore_mounted: bool,
    /// Whether the static address is set on eth0.
    pub(crate) static_address: bool,
    /// When k3s was started.
    pub(crate) k3s_started: Option<Duration>,
    /// The number of `systemctl start` commands.
    pub(crate) k3s_start_commands: u32,
    /// Whether sshd runs, which needs host keys.
    pub(crate) sshd: bool,
    /// When dpkg's unit was started, and whether a unit of a package is masked.
    pub(crate) dpkg_started: Option<Duration>,
    pub(crate) is_masked: bool,
    /// The report in memory, below `/run/hcimage`.
    pub(crate) run: BTreeMap<PathBuf, Vec<u8>>,
}

/// One boot of a [`World`].
pub(crate) struct Machine {
    pub(crate) world: RefCell<World>,
    pub(crate) now: RefCell<Volatile>,
    pub(crate) console: RefCell<Vec<String>>,
    pub(crate) commands: RefCell<Vec<String>>,
    /// The paths that the server to join was asked for, with the uptime.
    pub(crate) requests: RefCell<Vec<(Duration, String)>>,
    steps: Cell<u64>,
    asked: Cell<u64>,
    power_until: Cell<u64>,
}

impl Machine {
    /// Power on: enabled units start, and the clock has the board's initial time.
    pub(crate) fn boot(world: World) -> Self {
        let hostname = world.disk.text("/etc/hostname").trim().to_owned();
        // The base's network service sets what its files say.
        let has_key = |kind: &str| {
            let key = world.disk.stat(Path::new(&format!("/etc/ssh/ssh_host_{kind}_key")));
            key.is_ok_and(|key| key.size > 0)
        };
        let sshd = ["rsa", "ed25519"].into_iter().any(has_key);
        let static_address = world.has_static_files();
        let now = Volatile {
            uptime: Duration::from_secs(10),
            clock_at_boot: world.clock_at_boot,
            hostname,
            mounted: world.mounts_at_boot,
            datastore_mounted: world.mounts_at_boot,
            static_address,
            k3s_started: world.is_enabled().then_some(Duration::from_secs(10)),
            k3s_start_commands: 0,
            sshd,
            dpkg_started: None,
            is_masked: false,
            run: BTreeMap::new(),
        };
        Self {
            world: RefCell::new(world),
            now: RefCell::new(now),
            console: RefCell::default(),
            commands: RefCell::default(),
            requests: RefCell::default(),
            steps: Cell::new(0),
            asked: Cell::new(0),
            power_until: Cell::new(u64::MAX),
        }
    }

    /// Runs the first boot; `None` if the power failed at the chosen step.
    pub(crate) fn first_boot_until(&self, step: u64) -> Option<RunOutcome> {
        self.power_until.set(step);
        match catch_unwind(AssertUnwindSafe(|| first_boot(self))) {
            Ok(outcome) => Some(outcome),
            Err(thrown) if thrown.is::<PowerCut>() => None,
            Err(thrown) => resume_unwind(thrown),
        }
    }

    pub(crate) fn first_boot(&self) -> RunOutcome {
        first_boot(self)
    }

    pub(crate) fn clock_gate(&self) {
        clock_gate(self);
    }

    pub(crate) fn steps(&self) -> u64 {
        self.steps.get()
    }

    pub(crate) fn said(&self) -> String {
        self.console.borrow().join("\n")
    }

    pub(crate) fn text(&self, path: &str) -> String {
        self.world.borrow().disk.text(path)
    }

    pub(crate) fn off(self) -> World {
        self.world.into_inner()
    }

    /// Counts a step that may change what a power cut leaves; time passes, and the power may fail before it has an effect.
    fn step(&self) {
        self.steps.set(self.steps.get() + 1);
        if self.steps.get() >= self.power_until.get() {
            resume_unwind(Box::new(PowerCut));
        }
        self.look();
        self.now.borrow_mut().uptime += Duration::from_millis(1);
    }

    /// A step that changes nothing: a cut before it leaves what a cut before the next other one leaves, so it is not counted.
    fn look(&self) {
        self.asked.set(self.asked.get() + 1);
        self.now.borrow_mut().uptime += Duration::from_micros(20);
    }

    /// The place of a path: below a mount point it is on the data disk while that is mounted.
    fn place(&self, path: &Path) -> PathBuf {
        let now = self.now.borrow();
        match (path.strip_prefix(MOUNT), path.strip_prefix(K3S_DATASTORE_DIR)) {
            (Ok(rest), _) if now.mounted => Path::new("/.data").join(rest),
            (_, Ok(rest)) if now.datastore_mounted => Path::new("/.data").join(DATASTORE_FOLDER).join(rest),
            _ => path.to_owned(),
        }
    }

    fn on_disk<T>(&self, path: &Path, action: impl FnOnce(&mut Disk, &Path) -> T) -> T {
        self.step();
        let place = self.place(path);
        action(&mut self.world.borrow_mut().disk, &place)
    }

    fn path_of(request: &TlsRequest<'_>) -> String {
        let message = str::from_utf8(request.message).unwrap();
        message.split(' ').nth(1).unwrap().to_owned()
    }

    fn clock(&self) -> Duration {
        let now = self.now.borrow();
        now.clock_at_boot + now.uptime
    }

    /// Virtual files of the kernel and udev.
    fn made_up(&self, path: &Path) -> Option<String> {
        let world = self.world.borrow();
        let now = self.now.borrow();
        let path = path.to_str()?;
        Some(match path {
            "/proc/self/mountinfo" => world.mountinfo(&now),
            "/proc/meminfo" => format!("MemTotal:       {} kB\nMemFree: 1 kB\n", world.memory),
            "/sys/fs/cgroup/cgroup.controllers" => world.controllers?.to_owned(),
            "/proc/sys/kernel/random/boot_id" => format!("{}\n", world.boot_id),
            "/etc/rancher/k3s/k3s.yaml"
            | "/var/lib/rancher/k3s/agent/kubelet.kubeconfig"
            | "/var/lib/rancher/k3s/agent/server-ca.crt"
            | "/var/lib/rancher/k3s/agent/client-kubelet.crt"
            | "/var/lib/rancher/k3s/agent/client-kubelet.key" => world.written_by_k3s(path, &now)?,
            "/etc/machine-id" if now.uptime < world.machine_id_after => "uninitialized\n".to_owned(),
            _ => return world.sysfs(path.strip_prefix("/sys/class/block/")?),
        })
    }
}

/// Whether it is the report in memory, or the new one beside it.
fn is_report(path: &Path) -> bool {
    path.to_str().is_some_and(|path| path.starts_with(LIVE_PATH))
}

impl System for Machine {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.look();
        if let Some(text) = self.made_up(path) {
            return Ok(text.into_bytes());
        }
        self.world.borrow().disk.read(&self.place(path))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Read>> {
        Ok(Box::new(Cursor::new(self.read(path)?)))
    }

    fn read_at(&self, path: &Path, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        self.look();
        assert_eq!(path, Path::new("/dev/sdb"), "only a disk that may be blank is looked into");
        let second = self.world.borrow().second_disk;
        if second == SecondDisk::Ceph && offset == 0 {
            let label = b"bluestore block device\nc0ffee00-0000-4000-8000-000000000001\n";
            return Ok(label.iter().copied().chain(std::iter::repeat(0)).take(length).collect());
        }
        Ok(vec![u8::from(second != SecondDisk::Blank); length])
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        self.look();
        assert!(path.starts_with("/var/lib/rancher"), "{}", path.display());
        Ok(Space { free: self.world.borrow().free, total: 30_000_000_000 })
    }

    fn wipe(&self, path: &Path) -> io::Result<()> {
        self.on_disk(path, Disk::wipe)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.on_disk(path, |disk, path| disk.stat(path).map(|_| disk.remove(path)))
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        if let Some(name) = path.to_str().and_then(|path| path.strip_prefix("/sys/module/")) {
            return if self.world.borrow().no_module == name {
                Err(io::ErrorKind::NotFound.into())
            } else {
                self.world.borrow().disk.stat(Path::new("/run"))
            };
        }
        self.look();
        self.world.borrow().disk.stat(&self.place(path))
    }

    fn read_link(&self, path: &Path) -> io::Result<PathBuf> {
        self.look();
        let world = self.world.borrow();
        let found = match path.to_str() {
            Some("/dev/disk/by-label/k8s-data") => world.labelled(self.now.borrow().uptime),
            Some("/dev/disk/by-id/usb-Samsung_T7_S5XYZ") if world.second_disk != SecondDisk::None => {
                Some("../../sdb")
            }
            Some("/sys/dev/block/179:2") => Some("../../devices/platform/mmc/block/mmcblk0/mmcblk0p2"),
            _ => None,
        };
        found.map(PathBuf::from).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.look();
        let world = self.world.borrow();
        let second = world.second_disk != SecondDisk::None;
        let mut names: Vec<&str> = match dir.to_str() {
            Some("/dev/disk/by-label") => vec!["bootfs", "rootfs"],
            Some("/sys/class/block") => vec!["loop0", "mmcblk0", "mmcblk0p1", "mmcblk0p2", "sda", "sda1"],
            Some("/sys/block") => vec!["loop0", "mmcblk0", "mmcblk0boot0", "sda", "zram0"],
            Some("/sys/class/block/mmcblk0") => vec!["dev", "mmcblk0p1", "mmcblk0p2", "size"],
            Some("/sys/class/block/sda") => vec!["sda1", "size"],
            Some("/sys/class/block/sdb") if second => vec!["size"],
            Some("/sys/class/block/sdb/holders") if second => vec![],
            _ => return Ok(world.disk.names_in(dir)),
        };
        if second && dir == Path::new("/sys/block") {
            names.push("sdb");
        }
        if world.behind_root && dir == Path::new("/sys/class/block/mmcblk0") {
            names.push("mmcblk0p3");
        }
        Ok(names.iter().map(|name| (*name).to_owned()).collect())
    }

    fn write(&self, path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
        if is_report(path) {
            self.now.borrow_mut().run.insert(path.to_owned(), content.to_vec());
            return Ok(());
        }
        self.step();
        if self.world.borrow().full_card && path.starts_with("/var") {
            return Err(io::Error::from_raw_os_error(28));
        }
        let (place, clock) = (self.place(path), self.clock());
        self.world.borrow_mut().disk.write(&place, content, mode, clock)
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        self.on_disk(path, Disk::sync_file)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        if is_report(from) {
            let content = self.now.borrow_mut().run.remove(from).ok_or(io::ErrorKind::NotFound)?;
            self.now.borrow_mut().run.insert(to.to_owned(), content);
            return Ok(());
        }
        let to = self.place(to);
        self.on_disk(from, |disk, from| disk.rename(from, &to))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.on_disk(dir, Disk::sync_dir);
        Ok(())
    }

    fn sync_all(&self) -> io::Result<()> {
        self.on_disk(Path::new("/"), |disk, _| disk.sync_all());
        Ok(())
    }

    fn make_dirs(&self, path: &Path) -> io::Result<()> {
        if path == Path::new("/run/hcimage") {
            self.world.borrow_mut().disk.make_dirs(path);
            return Ok(());
        }
        self.on_disk(path, Disk::make_dirs);
        Ok(())
    }

    fn make_owned_dir(&self, below: &Path, path: &Path, mode: u32, uid: u32, gid: u32) -> io::Result<()> {
        self.on_disk(&below.join(path), |disk, path| {
            disk.make_dirs(path);
            disk.own(path, mode, uid, gid);
            path.ancestors().for_each(|part| disk.sync_dir(part));
        });
        Ok(())
    }

    fn run(&self, command: &Command) -> io::Result<Output> {
        let line = command.to_string();
        if line.starts_with("ip -j") {
            self.look()
        } else {
            self.step()
        }
        self.commands.borrow_mut().push(line.clone());
        if line.starts_with("mkfs.ext4 ") {
            // Two steps: the power may fail in between.
            self.world.borrow_mut().second_disk = SecondDisk::Half;
            self.step();
        }
        let mut world = self.world.borrow_mut();
        let mut now = self.now.borrow_mut();
        world.run(&line, &mut now)
    }

    fn hostname(&self) -> String {
        self.look();
        self.now.borrow().hostname.clone()
    }

    fn set_hostname(&self, name: &str) -> io::Result<()> {
        self.step();
        name.clone_into(&mut self.now.borrow_mut().hostname);
        Ok(())
    }

    fn now(&self) -> Duration {
        self.look();
        self.clock()
    }

    fn set_clock(&self, to: Duration) -> io::Result<()> {
        self.step();
        if self.world.borrow().clock_is_fixed {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let mut now = self.now.borrow_mut();
        now.clock_at_boot = to.checked_sub(now.uptime).unwrap();
        Ok(())
    }

    fn uptime(&self) -> Duration {
        self.look();
        self.now.borrow().uptime
    }

    fn sleep(&self, time: Duration) {
        self.look();
        self.now.borrow_mut().uptime += time;
    }

    fn random(&self) -> io::Result<u64> {
        Ok(self.asked.get() ^ 0x0123_4567_89ab_cdef)
    }

    fn ask_udp(&self, server: SocketAddr, packet: &[u8], wait: Duration) -> io::Result<Vec<u8>> {
        self.look();
        let answer = self.world.borrow().time_server(server, packet, self.now.borrow().uptime);
        if answer.is_err() {
            self.now.borrow_mut().uptime += wait;
        }
        answer
    }

    fn arp_probe(&self, interface: &str, address: Ipv4Addr) -> io::Result<Option<Mac>> {
        self.look();
        let world = self.world.borrow();
        let wanted = world.seed.network.link.as_ref().map(InterfaceName::as_str).unwrap_or("eth0");
        let wanted = if world.both_ports && interface == "end1" { "end1" } else { wanted };
        assert_eq!((interface, address), (wanted, Ipv4Addr::new(10, 0, 0, 9)));
        drop(world);
        self.now.borrow_mut().uptime += Duration::from_millis(900);
        let conflict = self.now.borrow().uptime < self.world.borrow().conflict_until;
        Ok(conflict.then_some(Mac(self.world.borrow().conflict_with)))
    }

    fn ask_tls(&self, request: &TlsRequest<'_>) -> Result<Vec<u8>, TlsError> {
        self.step();
        let (clock, uptime) = (self.clock(), self.now.borrow().uptime);
        let answer = if request.server.ip().is_loopback() {
            self.world.borrow().api(request, clock, &self.now.borrow())
        } else if let Some(identity) = request.identity {
            assert_eq!((request.server, request.name), ("10.0.0.1:6443".parse().unwrap(), "10.0.0.1"));
            assert_eq!(
                (identity.certificates.as_slice(), identity.key.as_slice()),
                (b"admin".as_slice(), b"key".as_slice())
            );
            self.world.borrow_mut().partners_api(request, uptime)
        } else {
            assert_eq!((request.server, request.name), ("10.0.0.1:6443".parse().unwrap(), "10.0.0.1"));
            self.requests.borrow_mut().push((uptime, Self::path_of(request)));
            self.world.borrow().join_probe(request.trust, request.message, clock, uptime)
        };
        // A server that refuses does so at once.
        if answer.as_ref().is_err_and(|e| *e != TlsError::Refused) {
            self.now.borrow_mut().uptime += request.wait;
        }
        answer
    }

    fn log(&self, text: &str) {
        self.look();
        self.console.borrow_mut().push(text.to_owned());
    }

    fn log_tail(&self) -> Vec<String> {
        let mut tail = Tail::new();
        self.console.borrow().iter().for_each(|text| tail.add(text));
        tail.lines()
    }
}
