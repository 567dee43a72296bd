//! The machine as hc-firstboot sees it.

use std::fs;
use std::io::{self, Cursor, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use hc_firstboot::arp::Mac;
use hc_firstboot::sys::{Command, Output, RealSystem, Space, Stat, System, TlsError, TlsRequest};

use super::unit::Unit;
use super::{Host, SPEED};

/// Where `systemctl enable` leaves its trace.
const ENABLED: &str = "enabled";

/// Unwinds hc-firstboot, which does not run after this.
pub(super) struct PowerCut;

/// One boot of a [`Host`].
pub(super) struct Machine {
    root: PathBuf,
    address: String,
    etcd: PathBuf,
    unit: Arc<Mutex<Option<Unit>>>,
    console: Arc<Mutex<Vec<String>>>,
    hostname: Mutex<String>,
    started: Instant,
    cuts: Arc<AtomicU64>,
    cuts_before: u64,
}

impl Machine {
    pub(super) fn new(host: &Host) -> Self {
        // /run is empty at boot.
        let _ = fs::remove_dir_all(host.path("/run"));
        Self {
            root: host.root().to_owned(),
            address: host.address.clone(),
            etcd: host.etcd.clone(),
            unit: host.unit.clone(),
            console: host.console.clone(),
            hostname: Mutex::new(host.text("/etc/hostname").trim().to_owned()),
            started: Instant::now(),
            cuts: host.cuts.clone(),
            cuts_before: host.cuts.load(Ordering::Acquire),
        }
    }

    pub(super) fn start_enabled(&self) {
        if self.root.join(ENABLED).exists() {
            self.start();
        }
    }

    fn start(&self) {
        let mut unit = self.unit.lock().unwrap();
        let is_on = self.cuts.load(Ordering::Acquire) == self.cuts_before;
        if unit.is_none() && is_on {
            *unit = Some(Unit::start(&self.root, &self.etcd));
        }
    }

    /// Ends this program if the power failed.
    fn step(&self) {
        if self.cuts.load(Ordering::Acquire) != self.cuts_before {
            std::panic::resume_unwind(Box::new(PowerCut));
        }
    }

    fn on(&self, path: &Path) -> PathBuf {
        self.step();
        self.root.join(path.strip_prefix("/").unwrap())
    }

    fn virtual_file(&self, path: &Path) -> Option<String> {
        Some(match path.to_str()? {
            "/proc/self/mountinfo" => "21 1 179:2 / / rw,noatime shared:1 - ext4 /dev/mmcblk0p2 rw\n\
                 45 21 179:1 / /boot/firmware rw,relatime - vfat /dev/mmcblk0p1 rw\n"
                .to_owned(),
            "/proc/meminfo" => "MemTotal:       3884124 kB\n".to_owned(),
            "/sys/fs/cgroup/cgroup.controllers" => "cpuset cpu io memory pids\n".to_owned(),
            "/proc/sys/kernel/random/boot_id" => fs::read_to_string(path).unwrap(),
            _ => return None,
        })
    }

    fn programs(&self, line: &str) -> Option<String> {
        Some(match line {
            "ip -j addr show" => format!(
                r#"[{{"ifname":"eth0","link_type":"ether","address":"dc:a6:32:00:00:01","flags":["UP","LOWER_UP"],
                    "addr_info":[{{"family":"inet","local":"{}","prefixlen":24,"scope":"global"}}]}}]"#,
                self.address
            ),
            "ip -j -4 route show default" => r#"[{"dst":"default","dev":"eth0"}]"#.to_owned(),
            "ip -j -6 route show default" => String::new(),
            "systemctl enable k3s.service" => {
                fs::write(self.root.join(ENABLED), "").unwrap();
                String::new()
            }
            "systemctl start --no-block k3s.service" => {
                self.start();
                String::new()
            }
            "systemctl stop k3s.service" => {
                drop(self.unit.lock().unwrap().take());
                String::new()
            }
            "systemctl is-enabled k3s.service" => {
                if self.root.join(ENABLED).exists() { "enabled\n" } else { "disabled\n" }.to_owned()
            }
            "systemctl disable hc-firstboot.service" | "ssh-keygen -A" => String::new(),
            "timedatectl show --property=NTPSynchronized --value" => "no\n".to_owned(),
            "/usr/local/bin/k3s check-config" => "STATUS: pass\n".to_owned(),
            _ if line.starts_with("systemctl show ") => Unit::show(self.unit.lock().unwrap().as_ref()),
            _ if line.starts_with("journalctl ") => {
                let text = fs::read_to_string(self.root.join("log")).unwrap_or_default();
                let lines: Vec<&str> = text.lines().collect();
                lines[lines.len().saturating_sub(15)..].join("\n")
            }
            _ => return None,
        })
    }
}

impl System for Machine {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        match self.virtual_file(path) {
            Some(text) => Ok(text.into_bytes()),
            None => RealSystem.read(&self.on(path)),
        }
    }
    fn open(&self, path: &Path) -> io::Result<Box<dyn Read>> {
        Ok(Box::new(Cursor::new(self.read(path)?)))
    }
    fn read_at(&self, path: &Path, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        RealSystem.read_at(&self.on(path), offset, length)
    }
    fn space(&self, _path: &Path) -> io::Result<Space> {
        Ok(Space { free: 20_000_000_000, total: 30_000_000_000 })
    }
    fn stat(&self, path: &Path) -> io::Result<Stat> {
        if path.starts_with("/sys/module") {
            return RealSystem.stat(Path::new("/proc"));
        }
        RealSystem.stat(&self.on(path))
    }
    fn read_link(&self, path: &Path) -> io::Result<PathBuf> {
        RealSystem.read_link(&self.on(path))
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        RealSystem.list(&self.on(dir))
    }
    fn write(&self, path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
        RealSystem.write(&self.on(path), content, mode)
    }
    fn sync_file(&self, _path: &Path) -> io::Result<()> {
        self.step();
        Ok(())
    }
    fn wipe(&self, path: &Path) -> io::Result<()> {
        RealSystem.wipe(&self.on(path))
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        RealSystem.remove(&self.on(path))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealSystem.rename(&self.on(from), &self.on(to))
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        fs::metadata(self.on(dir)).map(drop)
    }
    fn sync_all(&self) -> io::Result<()> {
        self.step();
        Ok(())
    }
    fn make_dirs(&self, path: &Path) -> io::Result<()> {
        RealSystem.make_dirs(&self.on(path))
    }
    fn make_owned_dir(&self, below: &Path, path: &Path, _mode: u32, _uid: u32, _gid: u32) -> io::Result<()> {
        RealSystem.make_dirs(&self.on(below).join(path))
    }
    fn run(&self, command: &Command) -> io::Result<Output> {
        self.step();
        let line = command.to_string();
        let stdout = self.programs(&line).unwrap_or_else(|| panic!("an unknown program was run: {line}"));
        Ok(Output { success: true, stdout, stderr: String::new() })
    }
    fn hostname(&self) -> String {
        self.hostname.lock().unwrap().clone()
    }
    fn set_hostname(&self, name: &str) -> io::Result<()> {
        self.step();
        name.clone_into(&mut self.hostname.lock().unwrap());
        Ok(())
    }
    fn now(&self) -> Duration {
        RealSystem.now()
    }
    /// It is right already, so that a server's time changes nothing.
    fn set_clock(&self, to: Duration) -> io::Result<()> {
        assert!(to.abs_diff(self.now()) < Duration::from_secs(5));
        Ok(())
    }
    fn uptime(&self) -> Duration {
        self.started.elapsed() * SPEED + Duration::from_secs(30)
    }
    fn sleep(&self, time: Duration) {
        self.step();
        thread::sleep(time / SPEED);
    }
    fn random(&self) -> io::Result<u64> {
        RealSystem.random()
    }
    fn ask_udp(&self, _server: SocketAddr, _packet: &[u8], _wait: Duration) -> io::Result<Vec<u8>> {
        panic!("there are no time servers")
    }
    fn arp_probe(&self, _interface: &str, _address: Ipv4Addr) -> io::Result<Option<Mac>> {
        panic!("the seed asks for no probe")
    }
    fn ask_tls(&self, request: &TlsRequest<'_>) -> Result<Vec<u8>, TlsError> {
        self.step();
        RealSystem.ask_tls(request)
    }
    fn log(&self, text: &str) {
        self.console.lock().unwrap().push(text.to_owned());
    }
    fn log_tail(&self) -> Vec<String> {
        Vec::new()
    }
}
