//! Stand-ins for the programs that firstboot runs. Unknown ones end the test.

use hc_common::value::InterfaceName;
use std::io;
use std::path::Path;
use std::time::Duration;

use hc_firstboot::sys::{Output, TlsError, TlsRequest, Trust};

use crate::machine::Volatile;
use crate::scenario::{CA, Cluster, KEYFILE, SERVER_CA, STATE, SecondDisk, Server, TRUE_TIME, WANTS, World};

const CHECK_CONFIG: &str = "\nGenerally Necessary:\n\
    - \u{1b}[37mcgroup hierarchy\u{1b}[m: \u{1b}[32mcgroups V2 mounted\u{1b}[m\n\
    - \u{1b}[1mapparmor\u{1b}[m: \u{1b}[1;31menabled, but apparmor_parser missing (fail)\u{1b}[m\n\n\
    Optional Features:\n- \u{1b}[1mCONFIG_RT_GROUP_SCHED\u{1b}[m: \u{1b}[1;33mmissing\u{1b}[m\n\n\
    \u{1b}[1mSTATUS\u{1b}[m: \u{1b}[1;31m1 (fail)\u{1b}[m\n";

pub(crate) fn good(stdout: impl Into<String>) -> io::Result<Output> {
    Ok(Output { success: true, stdout: stdout.into(), stderr: String::new() })
}

pub(crate) fn bad(stderr: &str) -> io::Result<Output> {
    Ok(Output { success: false, stdout: String::new(), stderr: stderr.to_owned() })
}

impl World {
    pub(crate) fn run(&mut self, line: &str, now: &mut Volatile) -> io::Result<Output> {
        now.uptime += Duration::from_millis(50);
        if let Some(output) = self.dpkg(line, now) {
            return output;
        }
        let unit = self.seed.role.unit();
        match line {
            "ip -j addr show" => good(self.addresses(now)),
            "ip -j -4 route show default" => {
                let dev = self.seed.network.link.as_ref().map(InterfaceName::as_str).unwrap_or("eth0");
                good(format!(r#"[{{"dst":"default","gateway":"10.0.0.1","dev":"{dev}"}}]"#))
            }
            "ip -j -6 route show default" => good(""),
            "modprobe --quiet vxlan" if self.no_module == "vxlan" => bad(""),
            "modprobe --quiet vxlan" => good(""),
            "ssh-keygen -A" => self.host_keys(),
            "nmcli connection load /etc/NetworkManager/system-connections/hcimage.nmconnection" => good(""),
            "nmcli --wait 20 connection up id hcimage" => {
                let other = self.conflict_with[0] == 2;
                assert!(
                    !other || now.uptime >= self.conflict_until,
                    "the address was claimed against another machine"
                );
                assert!(self.disk.text(KEYFILE).contains("address1=10.0.0.9/24,10.0.0.1\n"));
                now.static_address = true;
                good("")
            }
            "netplan apply"
            | "networkctl reconfigure eth0"
            | "ifup --force eth0"
            | "dhcpcd --rebind eth0"
            | "networkctl reconfigure end1" => {
                assert!(now.uptime >= self.conflict_until, "the address was claimed against another machine");
                assert!(self.has_static_files());
                let network = self.disk.text("/etc/systemd/network/00-hcimage.network");
                if network.contains("Name=end1\n") || network.contains("Name=eth0\n") {
                    self.both_ports = false;
                    self.other_port = !network.contains("Name=end1\n");
                }
                now.static_address = true;
                good("")
            }
            "networkctl reload" | "ifdown --force eth0" => good(""),
            "ip link set dev eth0 up" => {
                assert!(self.port_down.is_some(), "it is up");
                if self.port_down == Some(true) {
                    self.port_down = None;
                }
                good("")
            }
            "resize2fs /dev/mmcblk0p2" => {
                self.resized = true;
                good("")
            }
            "mkfs.ext4 -q -F -L k8s-data /dev/sdb" => {
                self.second_disk = SecondDisk::Formatted;
                good("")
            }
            "blkid --probe --output export /dev/sdb" => match self.second_disk {
                SecondDisk::Used => good("DEVNAME=/dev/sdb\nLABEL=photos\nTYPE=ext4\n"),
                _ => bad(""),
            },
            "blkid --cache-file /dev/null --match-token LABEL=k8s-data --output device" => {
                good(if self.twin_label { "/dev/sda1\n/dev/sdc1\n" } else { "/dev/sda1\n" })
            }
            _ if line.starts_with("blkid --cache-file /dev/null --match-tag UUID --output value /dev/sd") => {
                good(if self.no_uuid { "" } else { "5a0b7c1e-0000-4000-8000-000000000009\n" })
            }
            "udevadm info --query=property --name /dev/sdb" => {
                good("ID_MODEL=Samsung_T7\nID_SERIAL_SHORT=S5XYZ\n")
            }
            "udevadm info --query=property --name /dev/sda" => good("ID_MODEL=Stick\nID_SERIAL=Stick_0\n"),
            "udevadm info --query=property --name /dev/mmcblk0" => good("ID_NAME=SD32G\nID_SERIAL=0x1\n"),
            "/usr/local/bin/k3s check-config" => {
                Ok(Output { success: false, stdout: CHECK_CONFIG.to_owned(), stderr: String::new() })
            }
            "/usr/local/bin/k3s ctr --namespace=k8s.io images list --quiet" => {
                // The first one is there from the beginning.
                let there = if now.uptime >= self.imported_after { usize::MAX } else { 1 };
                let names = self.seed.k3s.images.iter().take(there);
                good(names.map(|name| format!("{name}\n")).collect::<String>())
            }
            "getent ahosts time.example" => good("192.0.2.1  STREAM time.example\n192.0.2.1  DGRAM\n"),
            "timedatectl show --property=NTPSynchronized --value" => {
                good(if self.timesyncd { "yes\n" } else { "no\n" })
            }
            "udevadm settle --timeout=10" => good(""),
            "mount /k8s-data" => self.mount(now),
            "mount /var/lib/rancher/k3s/server/db" => {
                assert!(now.mounted, "bound before its disk was mounted");
                now.datastore_mounted = true;
                good("")
            }
            "systemctl daemon-reload" => good(""),
            "systemctl disable hc-firstboot.service" => {
                self.disk.remove(Path::new(&format!("{WANTS}/hc-firstboot.service")));
                good("")
            }
            _ if line == format!("systemctl disable --now {unit}") => {
                self.disk.remove(Path::new(&self.unit_link()));
                now.k3s_started = None;
                good("")
            }
            _ if line.starts_with("sh -c ") => self.shell(line),
            "systemctl is-enabled ssh.service" => good("enabled\n"),
            _ if line.starts_with("systemctl show --property=") && line.ends_with(" ssh.service") => {
                good(if now.sshd { "ActiveState=active\n" } else { "ActiveState=failed\n" })
            }
            "systemctl reset-failed ssh.service" => good(""),
            "systemctl start --no-block ssh.service" => {
                now.sshd = true;
                good("")
            }
            _ if line == format!("systemctl is-enabled {unit}") => self.enabled_word(),
            _ if line == format!("systemctl enable {unit}") => self.enable(),
            _ if line == format!("systemctl start --no-block {unit}") => {
                now.k3s_start_commands += 1;
                now.k3s_started.get_or_insert(now.uptime);
                if let Some(authority) = self.datastores_ca {
                    self.put(SERVER_CA, authority);
                }
                good("")
            }
            _ if line.starts_with("systemctl show --property=") && line.ends_with(unit) => {
                good(self.show(now))
            }
            _ if line.starts_with("journalctl ") => {
                let token = format!("K10{}::server:secret", "ab".repeat(32));
                let log = self.log;
                // After the trace of a crash there is nothing more.
                let end = match log.contains("panic: ") {
                    true => String::new(),
                    false => format!("level=fatal msg=\"bad {token}\"\n"),
                };
                let text = format!("level=info msg=starting token={token}\n{log}{end}");
                let wanted = line.split_once("--lines=").and_then(|(_, rest)| rest.split(' ').next());
                let skipped =
                    wanted.map_or(0, |count| text.lines().count().saturating_sub(count.parse().unwrap()));
                good(text.lines().skip(skipped).map(|line| format!("{line}\n")).collect::<String>())
            }
            _ => panic!("an unknown program was run: {line}"),
        }
    }

    fn addresses(&self, now: &Volatile) -> String {
        let up = match (self.port_down, self.carrier) {
            (Some(_), _) => r#""BROADCAST""#,
            (None, true) => r#""UP","LOWER_UP""#,
            (None, false) => r#""UP","NO-CARRIER""#,
        };
        let mut set = vec!["10.0.0.7"];
        if now.static_address {
            set = vec!["10.0.0.9"];
        }
        let set: Vec<String> = set
            .into_iter()
            .map(|ip| format!(r#"{{"family":"inet","local":"{ip}","prefixlen":24,"scope":"global"}}"#))
            .collect();
        // In front of the node's own port, as udev may sort them, and with a carrier too.
        let other = if self.both_ports && now.static_address {
            r#"{"ifname":"end1","link_type":"ether","address":"dc:a6:32:00:00:03","flags":["UP","LOWER_UP"],
                "addr_info":[{"family":"inet","local":"10.0.0.9","prefixlen":24,"scope":"global"}]},"#
        } else if self.other_port {
            r#"{"ifname":"end1","link_type":"ether","address":"dc:a6:32:00:00:03","flags":["UP","LOWER_UP"],
                "addr_info":[{"family":"inet","local":"10.0.0.8","prefixlen":24,"scope":"global"}]},"#
        } else {
            ""
        };
        // A VLAN's interface has the address that the port has not; it is there where the network service made it.
        let port_set = if self.seed.network.vlan.is_some() { String::new() } else { set.join(",") };
        let vlan = match (&self.seed.network.link, self.seed.network.vlan) {
            (Some(name), Some(_)) if self.vlan => format!(
                r#",{{"link":"eth0","ifname":"{name}","link_type":"ether","flags":[{up}],"addr_info":[{}]}}"#,
                if self.vlan_reaches { set.join(",") } else { String::new() }
            ),
            _ => String::new(),
        };
        format!(
            r#"[{{"ifname":"lo","link_type":"loopback","flags":["LOOPBACK","UP","LOWER_UP"],"addr_info":[]}},
                {other}
                {{"ifname":"wlan0","link_type":"ether","address":"dc:a6:32:00:00:02","flags":["NO-CARRIER","UP"],"addr_info":[]}},
                {{"ifname":"eth0","link_type":"ether","address":"dc:a6:32:00:00:01","flags":[{up}],"addr_info":[{port_set}]}}{vlan}]"#
        )
    }

    fn host_keys(&mut self) -> io::Result<Output> {
        for kind in ["rsa", "ed25519"] {
            let path = format!("/etc/ssh/ssh_host_{kind}_key");
            if self.disk.stat(Path::new(&path)).is_err() {
                self.disk.write(
                    Path::new(&path),
                    format!("{kind} {}", self.boot_id).as_bytes(),
                    0o600,
                    Duration::ZERO,
                )?;
            }
        }
        good("")
    }

    /// What the kernel shows of block devices, below `/sys/class/block/`.
    pub(crate) fn sysfs(&self, path: &str) -> Option<String> {
        let root = |key: &str| match key {
            "partition" => Some(2),
            "start" => Some(1_064_960),
            "size" => Some(self.root_sectors),
            _ => None,
        };
        let number = match path {
            "mmcblk0/size" => self.card_sectors,
            "mmcblk0/mmcblk0p1/partition" | "sda/sda1/partition" => 1,
            "mmcblk0/mmcblk0p1/start" => 16_384,
            "mmcblk0/mmcblk0p1/size" => 1_048_576,
            "mmcblk0/mmcblk0p3/partition" => 3,
            "mmcblk0/mmcblk0p3/start" => self.card_sectors - 1_000_000,
            "mmcblk0/mmcblk0p3/size" | "sda/sda1/size" => 999_000,
            "sda/sda1/start" => 2048,
            "sda/size" => 1_001_048,
            "sdb/size" => 1_953_525_168,
            "sda/ro" | "sdb/ro" | "mmcblk0/ro" => 0,
            "sda1/dev" => return Some("8:1\n".to_owned()),
            "sdb/dev" => return Some("8:16\n".to_owned()),
            _ => {
                let key = path.strip_prefix("mmcblk0p2/").or_else(|| path.strip_prefix("mmcblk0/mmcblk0p2/"));
                root(key?)?
            }
        };
        Some(format!("{number}\n"))
    }

    /// The script that grows the partition.
    fn shell(&mut self, line: &str) -> io::Result<Output> {
        assert!(line.contains("sfdisk --no-reread") && line.ends_with(" sh /dev/mmcblk0 2"), "{line}");
        if !self.sfdisk {
            return bad("sh: 1: sfdisk: not found\n");
        }
        assert!(!self.behind_root, "a partition was grown over another");
        self.root_sectors = self.card_sectors - 1_064_960;
        good("")
    }

    fn mount(&self, now: &mut Volatile) -> io::Result<Output> {
        if !self.disk_is_sound {
            return bad("mount: /k8s-data: wrong fs type, bad option, bad superblock on /dev/sda1.\n");
        }
        now.mounted = true;
        good("")
    }

    fn enabled_word(&self) -> io::Result<Output> {
        let stdout = if self.is_enabled() { "enabled\n" } else { "disabled\n" }.to_owned();
        Ok(Output { success: self.is_enabled(), stdout, stderr: String::new() })
    }

    /// The link is made but, as with the real one, not synced.
    fn enable(&mut self) -> io::Result<Output> {
        let mut after_a_cut = self.disk.clone();
        after_a_cut.cut(crate::disk::Cut::NamesLost);
        assert!(after_a_cut.text(STATE).contains("\"committed\": true"), "k3s before the commit");
        self.disk.link(Path::new(&self.unit_link()), "../k3s.service");
        good("")
    }

    /// The server that this node joins: k3s's supervisor.
    pub(crate) fn join_probe(
        &self,
        trust: &Trust,
        request: &[u8],
        clock: Duration,
        uptime: Duration,
    ) -> Result<Vec<u8>, TlsError> {
        let request = str::from_utf8(request).unwrap();
        let path = request.split(' ').nth(1).unwrap();
        if uptime < self.server_after || self.server == Server::Refuses {
            return Err(TlsError::Refused);
        }
        if path == "/cacerts" {
            assert_eq!(trust, &Trust::Anybody);
        } else {
            let Trust::Ca { roots, at } = trust else { panic!("{path} was asked of anybody") };
            assert_eq!(roots, &[b"one".to_vec()]);
            if path == "/ping" {
                assert_eq!(at.as_secs(), TRUE_TIME + uptime.as_secs(), "verified at the time that it claims");
            } else {
                assert!(at.abs_diff(clock) < Duration::from_secs(1), "verified at this node's own time");
            }
            match self.server {
                Server::OtherName => return Err(TlsError::Name),
                Server::OtherTime => return Err(TlsError::Time),
                _ => {}
            }
        }
        let members;
        let (status, body) = match (path, self.server) {
            (_, Server::Strange) => (404, "not found"),
            ("/cacerts", server) if server == Server::OtherCluster || uptime < self.forged_until => {
                (200, "-----BEGIN CERTIFICATE-----\ndHdv\n-----END CERTIFICATE-----\n")
            }
            ("/cacerts", _) => (200, CA),
            ("/ping", _) => (200, "pong"),
            (_, Server::OtherToken) => (401, "Unauthorized"),
            (_, Server::Starting) => (503, "starting"),
            ("/v1-k3s/readyz", _) => {
                // base64 of `node:agent-password`, by coreutils.
                assert!(
                    request.contains("\r\nAuthorization: Basic bm9kZTphZ2VudC1wYXNzd29yZA==\r\n"),
                    "{request}"
                );
                (200, "ok")
            }
            ("/db/info", _) => {
                let member = self.old_member.map(|address| {
                    format!(r#"{{"ID":1,"name":"hc-1-0a1b2c3d","peerURLs":["https://{address}:2380"]}},"#)
                });
                let other = r#"{"ID":2,"name":"hc-2-0a1b2c3d","peerURLs":["https://10.0.0.1:2380"]}"#;
                members = format!(r#"{{"members":[{}{other}]}}"#, member.unwrap_or_default());
                (200, members.as_str())
            }
            _ => panic!("an unknown question to the server: {path}"),
        };
        let date = http_date(TRUE_TIME + uptime.as_secs());
        Ok(format!("HTTP/1.0 {status} X\r\nDate: {date}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
            .into_bytes())
    }

    /// The API of a server of the living cluster, for its administrator.
    pub(crate) fn partners_api(
        &mut self,
        request: &TlsRequest<'_>,
        uptime: Duration,
    ) -> Result<Vec<u8>, TlsError> {
        assert!(matches!(request.trust, Trust::Ca { roots, .. } if *roots == [b"one".to_vec()]));
        let text = str::from_utf8(request.message).unwrap();
        let ready = if uptime < self.old_node_until { "True" } else { "Unknown" };
        let node = format!(
            r#"{{"metadata":{{"name":"hc-1"}},"status":{{"conditions":[{{"type":"Ready","status":"{ready}"}}]}}}}"#
        );
        match text.split_once(" HTTP").unwrap().0 {
            "GET /api/v1/nodes/hc-1" => {}
            "DELETE /api/v1/nodes/hc-1" => {
                assert_eq!(ready, "Unknown", "a node that lives was deleted");
                self.old_member = None;
            }
            other => panic!("an unknown request to the API: {other}"),
        }
        Ok(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{node}", node.len()).into_bytes())
    }

    /// Seconds since k3s was started.
    pub(crate) fn age(now: &Volatile) -> Option<u64> {
        now.k3s_started.map(|start| now.uptime.saturating_sub(start).as_secs())
    }

    fn show(&self, now: &Volatile) -> String {
        let words = |active, sub, result, restarts, status| {
            format!(
                "ActiveState={active}\nSubState={sub}\nResult={result}\nNRestarts={restarts}\n\
                 ExecMainStatus={status}\nNeedDaemonReload=no\n"
            )
        };
        let Some(age) = Self::age(now) else { return words("inactive", "dead", "success", 0, 0) };
        match self.cluster {
            Cluster::Exits => words("activating", "auto-restart", "exit-code", age / 5, 1),
            Cluster::ExitsLater if age >= 30 => {
                words("activating", "auto-restart", "exit-code", (age - 25) / 5, 1)
            }
            Cluster::Hangs => words("activating", "start", "success", 0, 0),
            _ if age < 4 => words("activating", "start", "success", 0, 0),
            _ => words("active", "running", "success", 0, 0),
        }
    }
}

/// By coreutils, as an independent reference.
fn http_date(seconds: u64) -> String {
    use std::collections::BTreeMap;
    use std::sync::Mutex;
    static KNOWN: Mutex<BTreeMap<u64, String>> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().unwrap();
    let ask = || {
        let output = std::process::Command::new("date")
            .args(["-u", "-d", &format!("@{seconds}"), "+%a, %d %b %Y %H:%M:%S GMT"])
            .env("LC_ALL", "C")
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    known.entry(seconds).or_insert_with(ask).clone()
}
