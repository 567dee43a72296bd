//! The state that survives a power cut, and the behavior of hardware and cluster.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use hc_common::network::NetworkStack;
use hc_common::paths::K3S_DATASTORE_DIR;
use hc_common::value::StaticNetwork;
use hc_firstboot::seed::{
    Admin, BundleFile, Clock, Cluster as ClusterName, Component, DataDisk, Dir, Etcd, Format, InitServer,
    Join, K3s, Network, Node, PACKAGES_DIR, Report, Role, Root, SCHEMA, SEED_PATH, Secrets, Seed, Workload,
};
use sha2::{Digest, Sha256};

use crate::disk::{Cut, Disk};
use crate::dpkg::{self, Dpkg, DpkgEnd};
use crate::machine::Volatile;

pub(crate) const MOUNT: &str = "/k8s-data";
pub(crate) const STATUS: &str = "/boot/firmware/hcimage-status.txt";
pub(crate) const STATE: &str = "/var/lib/hcimage/state.json";
pub(crate) const MARKER: &str = "/var/lib/hcimage/finished";
pub(crate) const TOKEN_FILE: &str = "/etc/rancher/k3s/token";
pub(crate) const SECRET_FILE: &str = "/etc/hcimage/wifi-password";
pub(crate) const KEYFILE: &str = "/etc/NetworkManager/system-connections/hcimage.nmconnection";
pub(crate) const OVERRIDES: &str = "/boot/firmware/hcimage.toml";

pub(crate) const ADMIN_CERTIFICATE: &str = "/etc/hcimage/admin.crt";
pub(crate) const ADMIN_KEY: &str = "/etc/hcimage/admin.key";
pub(crate) const JOIN_SETTING: &str = "/etc/rancher/k3s/config.yaml.d/90-hcimage-join.yaml";

/// Text that must not remain on the card, and text that must not be printed.
pub(crate) const SECRET: &str = "correct horse battery staple";
pub(crate) const PASSWORD: &str = "agent-password";

/// The cluster's CA as sent by the server: the simulated machine does not parse it.
pub(crate) const CA: &str = "-----BEGIN CERTIFICATE-----\nb25l\n-----END CERTIFICATE-----\n";

/// The manifest of the workload, with its digest by coreutils.
pub(crate) const SERVER_CA: &str = "/var/lib/rancher/k3s/server/tls/server-ca.crt";
pub(crate) const MANIFEST: &str = "/var/lib/rancher/k3s/server/manifests/shop.yaml";
pub(crate) const MANIFEST_SHA256: &str = "1b803052dc62ab0a075dd39ae33eddcc24cab24afcf8a0b3c900c28b605d4327";

pub(crate) fn pin() -> String {
    Sha256::digest(CA).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) const WANTS: &str = "/etc/systemd/system/multi-user.target.wants";

/// The build time: 2026-11-18.
pub(crate) const FLOOR: u64 = 1_795_000_000;

/// The right time at boot.
pub(crate) const TRUE_TIME: u64 = FLOOR + 1_000_000;

/// How k3s behaves after its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cluster {
    /// Up after 4 s, Ready after 9 s.
    Good,
    /// Ends at once, every time, and is restarted after 5 s.
    Exits,
    /// Ready, but ends after 30 s, again and again.
    ExitsLater,
    /// Up, never Ready.
    NeverReady,
    /// Up, Ready, but only by the status from the last boot.
    Stale,
    /// Never notifies systemd.
    Hangs,
}

/// A second disk, without a label when the card is flashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SecondDisk {
    None,
    Blank,
    /// Another file system, without our label.
    Used,
    /// Ceph has taken it.
    Ceph,
    /// The power failed while it was being formatted.
    Half,
    Formatted,
}

/// The server that a node joins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Server {
    Good,
    /// Answers 503.
    Starting,
    /// Not listening.
    Refuses,
    /// Its certificate has other names.
    OtherName,
    /// Its certificate is not valid at the time of this clock.
    OtherTime,
    OtherCluster,
    /// Accepts another token only.
    OtherToken,
    /// Not k3s.
    Strange,
}

/// The state that survives a power cut, and the environment.
#[derive(Debug, Clone)]
pub(crate) struct World {
    /// Memory in KiB, and the cgroup controllers.
    pub(crate) memory: u64,
    pub(crate) controllers: Option<&'static str>,
    /// Kernel modules that are missing.
    pub(crate) no_module: &'static str,
    pub(crate) root_read_only: bool,
    /// Free bytes on the card.
    pub(crate) free: u64,
    /// Sectors of the root partition (from 1,064,960 on) and of the card.
    pub(crate) root_sectors: u64,
    pub(crate) card_sectors: u64,
    pub(crate) behind_root: bool,
    /// Whether it is installed.
    pub(crate) sfdisk: bool,
    pub(crate) resized: bool,
    /// Another machine with this node's address, until this time after power-on.
    pub(crate) conflict_until: Duration,
    /// Its MAC address.
    pub(crate) conflict_with: [u8; 6],
    pub(crate) second_disk: SecondDisk,
    /// A third disk has the label of the data disk, too.
    pub(crate) twin_label: bool,
    /// Whether blkid knows no UUID of the data disk.
    pub(crate) no_uuid: bool,
    pub(crate) server: Server,
    pub(crate) server_after: Duration,
    /// Until when somebody else answers in its place.
    pub(crate) forged_until: Duration,
    /// The address of an etcd member with the name of this node, and until when the cluster hears from its node.
    pub(crate) old_member: Option<&'static str>,
    pub(crate) old_node_until: Duration,
    /// The other nodes that join, some seconds after k3s was started here.
    pub(crate) others: Vec<(&'static str, u64)>,
    /// One of them that joins and does not become Ready.
    pub(crate) never_ready: Option<&'static str>,
    /// Whether the manifest, the chart and the deployment complete.
    pub(crate) workload_is_good: bool,
    /// Seconds after the start of k3s at which it prunes the manifest again.
    pub(crate) pruned_after: Option<u64>,
    /// When k3s has imported the last of the images.
    pub(crate) imported_after: Duration,
    /// A component whose pod never becomes ready.
    pub(crate) broken_component: Option<&'static str>,
    /// The journal of k3s, between the first line and the last.
    pub(crate) log: &'static str,
    pub(crate) disk: Disk,
    pub(crate) seed: Seed,
    pub(crate) clock_at_boot: Duration,
    pub(crate) clock_is_fixed: bool,
    pub(crate) time_served: bool,
    /// What 192.0.2.1, .2 and .3 add to the right time, in seconds.
    pub(crate) time_off: [i64; 3],
    pub(crate) timesyncd: bool,
    pub(crate) carrier: bool,
    /// Whether the port is disabled until somebody enables it; `Some(false)` if it stays down.
    pub(crate) port_down: Option<bool>,
    /// Whether the network service created the VLAN's interface, and whether the switch sends the VLAN.
    pub(crate) vlan: bool,
    /// Whether the machine has another wired port with a carrier, which is listed first.
    pub(crate) other_port: bool,
    /// Whether a file without the port's name sets the static address on that port, too.
    pub(crate) both_ports: bool,
    pub(crate) vlan_reaches: bool,
    pub(crate) disk_after: Duration,
    pub(crate) disk_is_sound: bool,
    pub(crate) foreign_disk: bool,
    /// Whether systemd has mounted the data disk and the datastore on it.
    pub(crate) mounts_at_boot: bool,
    /// Whether something else is mounted where the datastore belongs.
    pub(crate) foreign_datastore: bool,
    /// The authority that k3s finds in a datastore, and puts in the place of the card's.
    pub(crate) datastores_ca: Option<&'static str>,
    pub(crate) data_read_only: bool,
    pub(crate) boot_mounted: bool,
    pub(crate) full_card: bool,
    pub(crate) machine_id_after: Duration,
    pub(crate) cluster: Cluster,
    pub(crate) dpkg: Dpkg,
    pub(crate) dpkg_end: DpkgEnd,
    /// Whether the unit that a package brings is enabled, and the one that is not wanted.
    pub(crate) unit_states: (bool, bool),
    pub(crate) boot_id: u32,
}

pub(crate) fn seed() -> Seed {
    let file = |path: &str, content: &[u8]| BundleFile {
        path: path.into(),
        size: content.len() as u64,
        unpacked_size: None,
        sha256: Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect(),
    };
    Seed {
        schema: SCHEMA,
        raw_disks: Vec::new(),
        node: Node { hostname: "hc-1".parse().unwrap(), id: None },
        cluster: ClusterName {
            name: "home".into(),
            api: None,
            networks: ["10.42.0.0/16", "10.43.0.0/16"].map(|network| network.parse().unwrap()).to_vec(),
        },
        role: Role::InitServer(InitServer {
            nodes: Vec::new(),
            join_seconds: 60,
            workload: Workload {
                components: Vec::new(),
                addons: Vec::new(),
                charts: Vec::new(),
                deployments: Vec::new(),
                stateful_sets: Vec::new(),
                daemon_sets: Vec::new(),
                load_balancers: Vec::new(),
                certificates: Vec::new(),
                wait_seconds: 120,
            },
        }),
        etcd: None,
        network: Network {
            stack: None,
            link: None,
            interface: None,
            mac: None,
            search: None,
            vlan: None,
            more_addresses: Vec::new(),
            mtu: None,
            routes: Vec::new(),
            arp_probe: true,
            wait_seconds: 60,
            fixed: None,
        },
        clock: Clock {
            floor: FLOOR,
            ca_not_before: Some(FLOOR - 86_400),
            ca_not_after: Some(FLOOR + 10 * 365 * 86_400),
            ntp: vec!["time.example".parse().unwrap()],
            wait_seconds: 30,
            require_ntp: false,
        },
        root: Root { grow: false },
        data_disk: Some(DataDisk {
            label: "k8s-data".parse().unwrap(),
            mount: MOUNT.parse().unwrap(),
            datastore: false,
            required: true,
            format: Format::Never,
            wait_seconds: 40,
            dirs: vec![Dir { path: "cloud/db".parse().unwrap(), mode: 0o750, uid: 33, gid: 34 }],
        }),
        k3s: K3s {
            version: Some("v1.36.2+k3s1".into()),
            ready_seconds: 300,
            modules: Vec::new(),
            images: Vec::new(),
            external_datastore: false,
        },
        packages: None,
        secrets: Secrets::default(),
        report: Report {
            boot_dir: "/boot/firmware".into(),
            http: true,
            minutes_after_ready: 60,
            ssh_user: Some("admin".into()),
        },
        bundle: vec![
            file("/usr/local/bin/k3s", b"the binary"),
            file("/var/lib/rancher/k3s/agent/images/a.tar.zst", b"the images"),
        ],
    }
}

/// The address that the machine's programs know, with these name servers.
pub(crate) fn fixed_address(dns: &[&str]) -> StaticNetwork {
    let dns = dns.iter().map(|server| server.parse().unwrap()).collect();
    StaticNetwork::new("10.0.0.9/24".parse().unwrap(), Some("10.0.0.1".parse().unwrap()), dns).unwrap()
}

/// The same node as an agent of a cluster.
pub(crate) fn agent_seed() -> Seed {
    let join =
        Join { servers: vec!["10.0.0.1".parse().unwrap()], token_file: TOKEN_FILE.into(), wait_seconds: 120 };
    Seed { role: Role::Agent(join), ..seed() }
}

/// The first server of several that share an etcd.
pub(crate) fn first_of_several() -> Seed {
    let partners = Join {
        servers: vec!["10.0.0.1".parse().unwrap()],
        token_file: TOKEN_FILE.into(),
        wait_seconds: 3600,
    };
    let admin = Admin { certificate: ADMIN_CERTIFICATE.into(), key: ADMIN_KEY.into() };
    Seed { etcd: Some(Etcd { silence_seconds: 300, partners: Some(partners), admin: Some(admin) }), ..seed() }
}

/// The first server of three nodes, with every setting of a seed.
pub(crate) fn full_seed() -> Seed {
    let mut seed = seed();
    seed.cluster.api = Some("k3s.example".parse().unwrap());
    seed.role = Role::InitServer(InitServer {
        nodes: ["hc-2", "hc-3"].map(|name| name.parse().unwrap()).to_vec(),
        join_seconds: 60,
        workload: Workload {
            components: vec![Component::Coredns, Component::Traefik, Component::Servicelb],
            addons: vec!["shop".into()],
            charts: vec!["kube-system/traefik".parse().unwrap()],
            deployments: vec!["shop/web".parse().unwrap()],
            stateful_sets: Vec::new(),
            daemon_sets: Vec::new(),
            load_balancers: Vec::new(),
            certificates: Vec::new(),
            wait_seconds: 120,
        },
    });
    seed.network.stack = Some(NetworkStack::NetworkManager);
    seed.network.fixed = Some(fixed_address(&[]));
    seed.root.grow = true;
    seed.data_disk.as_mut().unwrap().format = Format::IfBlank;
    seed.k3s.modules = vec!["vxlan".into()];
    seed.secrets.remove = vec![SECRET_FILE.into()];
    seed
}

impl World {
    /// A card with [`full_seed`] and a blank disk beside it.
    pub(crate) fn full() -> Self {
        let mut world = Self::flashed(&dpkg::with_packages(full_seed()));
        world.disk_after = Duration::MAX;
        world.second_disk = SecondDisk::Blank;
        world
    }

    /// A flashed card in a board without a clock, without faults.
    pub(crate) fn flashed(seed: &Seed) -> Self {
        let mut disk = Disk::default();
        let dirs = [
            "/boot/firmware",
            "/usr/local/bin",
            "/usr/sbin",
            "/etc/ssh",
            "/etc/rancher/k3s",
            "/etc/NetworkManager/system-connections",
            "/var/lib/rancher/k3s/agent/images",
            "/var/lib/rancher/k3s/server/manifests",
            "/etc/hcimage",
        ];
        dirs.iter().chain(&[WANTS, MOUNT, "/.data", "/run"]).for_each(|f| disk.make_dirs(Path::new(f)));
        let files = [
            ("/etc/hostname", "raspberrypi\n"),
            ("/etc/machine-id", "0123456789abcdef0123456789abcdef\n"),
            ("/usr/local/bin/k3s", "the binary"),
            ("/var/lib/rancher/k3s/agent/images/a.tar.zst", "the images"),
            ("/etc/hosts", "127.0.0.1 localhost\n127.0.1.1 raspberrypi\n"),
            (
                "/etc/fstab",
                "LABEL=root / ext4 noatime 0 1\nLABEL=k8s-data /k8s-data ext4 nosuid,nodev,nofail 0 2\n",
            ),
            ("/usr/sbin/sshd", "sshd"),
            (TOKEN_FILE, &format!("K10{}::node:{PASSWORD}\n", pin())),
            (SECRET_FILE, SECRET),
            (ADMIN_CERTIFICATE, "admin"),
            (ADMIN_KEY, "key"),
            (MANIFEST, "kind: Shop\n"),
        ];
        for (path, content) in files {
            disk.write(Path::new(path), content.as_bytes(), 0o644, Duration::ZERO).unwrap();
        }
        for name in seed.packages.iter().flat_map(|_| dpkg::NAMES) {
            disk.make_dirs(Path::new(PACKAGES_DIR));
            disk.write(Path::new(&dpkg::file(name)), name.as_bytes(), 0o644, Duration::ZERO).unwrap();
        }
        disk.link(Path::new(&format!("{WANTS}/hc-firstboot.service")), "../hc-firstboot.service");
        let mut world = Self {
            disk,
            seed: seed.clone(),
            clock_at_boot: Duration::ZERO,
            clock_is_fixed: false,
            time_served: true,
            imported_after: Duration::ZERO,
            time_off: [0; 3],
            timesyncd: false,
            carrier: true,
            port_down: None,
            vlan: true,
            other_port: false,
            both_ports: false,
            vlan_reaches: true,
            disk_after: Duration::from_secs(15),
            disk_is_sound: true,
            foreign_disk: false,
            mounts_at_boot: false,
            foreign_datastore: false,
            datastores_ca: None,
            data_read_only: false,
            boot_mounted: true,
            full_card: false,
            machine_id_after: Duration::ZERO,
            cluster: Cluster::Good,
            dpkg: Dpkg::default(),
            dpkg_end: DpkgEnd::default(),
            unit_states: (false, true),
            boot_id: 1,
            memory: 3_884_124,
            controllers: Some("cpuset cpu io memory hugetlb pids"),
            no_module: "",
            root_read_only: false,
            free: 20_000_000_000,
            root_sectors: 6_000_000,
            card_sectors: 62_333_952,
            behind_root: false,
            sfdisk: true,
            resized: false,
            conflict_until: Duration::ZERO,
            conflict_with: [2, 0, 0, 0, 0xab, 1],
            second_disk: SecondDisk::None,
            twin_label: false,
            no_uuid: false,
            server: Server::Good,
            server_after: Duration::ZERO,
            forged_until: Duration::ZERO,
            old_member: None,
            old_node_until: Duration::ZERO,
            others: vec![("hc-2", 12), ("hc-3", 20)],
            never_ready: None,
            workload_is_good: true,
            pruned_after: None,
            broken_component: None,
            log: "",
        };
        world.put_seed(seed);
        world
    }

    /// Writes a seed to the card, as with a card reader.
    pub(crate) fn put_seed(&mut self, seed: &Seed) {
        self.seed = seed.clone();
        self.put(SEED_PATH, &seed.to_toml().unwrap());
    }

    pub(crate) fn put(&mut self, path: &str, content: &str) {
        if let Some(dir) = Path::new(path).parent() {
            self.disk.make_dirs(dir);
        }
        self.disk.write(Path::new(path), content.as_bytes(), 0o600, Duration::ZERO).unwrap();
        self.disk.sync_all();
    }

    pub(crate) fn power_cut(mut self, cut: Cut) -> Self {
        self.disk.cut(cut);
        self.boot_id += 1;
        self
    }

    /// Shut down properly.
    pub(crate) fn shut_down(mut self) -> Self {
        self.disk.sync_all();
        self.power_cut(Cut::NamesKept)
    }

    /// Whether the files of the network service have the static address.
    pub(crate) fn has_static_files(&self) -> bool {
        let (path, words) = match self.seed.network.stack {
            Some(NetworkStack::Dhcpcd) => ("/etc/dhcpcd.conf", "static ip_address=10.0.0.9/24\n"),
            Some(NetworkStack::Ifupdown) => ("/etc/network/interfaces", "address 10.0.0.9/24\n"),
            Some(NetworkStack::Netplan) => ("/etc/netplan/99-hcimage.yaml", "\"10.0.0.9/24\"\n"),
            Some(NetworkStack::Networkd) => {
                ("/etc/systemd/network/00-hcimage.network", "Address=10.0.0.9/24\n")
            }
            _ => (KEYFILE, "address1=10.0.0.9/24,10.0.0.1\n"),
        };
        self.disk.text(path).contains(words)
    }

    pub(crate) fn unit_link(&self) -> String {
        format!("{WANTS}/{}", self.seed.role.unit())
    }

    pub(crate) fn is_enabled(&self) -> bool {
        self.disk.stat(Path::new(&self.unit_link())).is_ok()
    }

    pub(crate) fn mountinfo(&self, now: &Volatile) -> String {
        let mode = if self.root_read_only { "ro" } else { "rw" };
        let mut text = format!("21 1 179:2 / / {mode},noatime shared:1 - ext4 /dev/mmcblk0p2 rw\n");
        if self.boot_mounted {
            text.push_str("45 21 179:1 / /boot/firmware rw,relatime - vfat /dev/mmcblk0p1 rw\n");
        }
        let data = if self.second_disk == SecondDisk::Formatted { "8:16" } else { "8:1" };
        if self.foreign_disk {
            text.push_str("46 21 8:33 / /k8s-data rw,relatime - ext4 /dev/sdc1 rw\n");
        } else if now.mounted {
            let mode = if self.data_read_only { "ro" } else { "rw" };
            text.push_str(&format!("46 21 {data} / /k8s-data {mode},relatime - ext4 /dev/sdx rw\n"));
        }
        let root = if self.foreign_datastore { "/other" } else { "/k3s-datastore" };
        if now.datastore_mounted || self.foreign_datastore {
            text.push_str(&format!(
                "47 21 {data} {root} {K3S_DATASTORE_DIR} rw,relatime - ext4 /dev/sdx rw\n"
            ));
        }
        text
    }

    /// The target of the data disk's label.
    pub(crate) fn labelled(&self, uptime: Duration) -> Option<&'static str> {
        match self.second_disk {
            SecondDisk::Formatted => Some("../../sdb"),
            _ => (uptime >= self.disk_after).then_some("../../sda1"),
        }
    }

    /// A server that answers according to RFC 4330, or not at all.
    pub(crate) fn time_server(
        &self,
        server: SocketAddr,
        ask: &[u8],
        uptime: Duration,
    ) -> io::Result<Vec<u8>> {
        let number = match server.to_string().as_str() {
            "192.0.2.1:123" => 0,
            "192.0.2.2:123" => 1,
            "192.0.2.3:123" => 2,
            other => panic!("{other} is asked for the time"),
        };
        if !self.time_served {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let seconds = (TRUE_TIME + uptime.as_secs() + 2_208_988_800).strict_add_signed(self.time_off[number]);
        let mut answer = vec![0; 48];
        (answer[0], answer[1]) = (0x24, 2);
        answer[24..32].copy_from_slice(&ask[40..48]);
        answer[40..44].copy_from_slice(&u32::try_from(seconds & 0xffff_ffff).unwrap().to_be_bytes());
        Ok(answer)
    }
}
