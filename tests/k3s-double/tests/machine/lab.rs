//! The servers of one cluster file, and the cards that a build makes for them.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use hc_firstboot::seed::{
    Admin, Clock, Cluster, Endpoint, Etcd, InitServer, Join, K3s, Network, Node, Report, Role, Root, SCHEMA,
    SEED_PATH, Seed, Workload,
};
use hcimage::secrets::{ADMIN_CERTIFICATE, ADMIN_KEY, AGENT_TOKEN, BootstrapRole, Secrets, TOKEN};

use super::{Host, JOIN_LIMIT, SILENCE};

/// etcd of Debian's package, which [`super::in_own_network`] has fetched.
fn etcd() -> PathBuf {
    let path = hcimage_testkit::unpacked::etcd();
    assert!(path.exists(), "{} is missing: tests/bases/make.sh --unpacked etcd-server", path.display());
    path
}

/// The servers of a cluster file: their secrets and addresses.
pub(crate) struct Lab {
    pub(crate) secrets: Secrets,
    pub(crate) addresses: Vec<String>,
    etcd: PathBuf,
    /// The etcd of others that has the cluster's state: its endpoint, and CA, certificate and key for it.
    pub(crate) outside: Option<(String, [String; 3])>,
}

impl Lab {
    pub(crate) fn new(addresses: &[&str]) -> Self {
        let names: Vec<_> =
            (1..=addresses.len()).map(|number| format!("hc-{number}").parse().unwrap()).collect();
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
        let secrets = Secrets::make("home", &names, now.try_into().unwrap()).unwrap();
        let addresses = addresses.iter().map(|address| (*address).to_owned()).collect();
        Self { secrets, addresses, etcd: etcd(), outside: None }
    }

    /// A card with the image of a server, in a machine that is off.
    pub(crate) fn flash(&self, number: usize) -> Host {
        self.flash_with(number, &self.secrets)
    }

    pub(crate) fn flash_with(&self, number: usize, secrets: &Secrets) -> Host {
        let host = Host {
            dir: tempfile::tempdir().unwrap(),
            name: format!("hc-{number}"),
            address: self.addresses[number - 1].clone(),
            etcd: self.etcd.clone(),
            unit: Arc::new(Mutex::new(None)),
            console: Arc::default(),
            cuts: Arc::default(),
        };
        let is_first = number == 1 || self.outside.is_some();
        let role = if is_first { BootstrapRole::InitServer } else { BootstrapRole::JoinServer };
        let files = secrets.node_files(&host.name.parse().unwrap(), role).unwrap();
        let admin = secrets.admin_files();
        let admin = admin.iter().filter(|_| self.shares_etcd());
        for file in files.iter().chain(admin) {
            host.put(file.path, file.content.expose(), file.mode.into());
        }
        let started = if let Some((endpoint, files)) = &self.outside {
            self.put_outside(&host, endpoint, files)
        } else if number == 1 && self.addresses.len() == 1 && self.is_sqlite() {
            String::new()
        } else if number == 1 {
            "cluster-init: true\n".to_owned()
        } else {
            format!("server: https://{}:6443\n", self.addresses[0])
        };
        let config = format!(
            "node-name: {}\nnode-ip: {address}\nbind-address: {address}\nflannel-iface: lo\nlb-server-port: 0\n\
             data-dir: {}\ntoken-file: {}\nagent-token-file: {}\n{started}",
            host.name,
            host.path("/var/lib/rancher/k3s").display(),
            host.path(TOKEN).display(),
            host.path(AGENT_TOKEN).display(),
            address = host.address,
        );
        host.put("/etc/rancher/k3s/config.yaml", &config, 0o600);
        host.faults("");
        host.put("/etc/hostname", "raspberrypi\n", 0o644);
        host.put("/etc/hosts", "127.0.0.1 localhost\n", 0o644);
        host.put("/etc/machine-id", "0123456789abcdef0123456789abcdef\n", 0o444);
        host.put(SEED_PATH, &self.seed(number).to_toml().unwrap(), 0o600);
        fs::create_dir_all(host.path("/boot/firmware")).unwrap();
        host
    }

    /// What `hcimage build` writes of an external datastore.
    fn put_outside(&self, host: &Host, endpoint: &str, files: &[String; 3]) -> String {
        let mut settings = format!("datastore-endpoint: {endpoint}\n");
        let names = [("cafile", "ca.pem"), ("certfile", "client.pem"), ("keyfile", "client.key")];
        for ((flag, name), text) in names.into_iter().zip(files) {
            let path = format!("/etc/rancher/k3s/datastore/{name}");
            host.put(&path, text, 0o600);
            settings.push_str(&format!("datastore-{flag}: {}\n", host.path(&path).display()));
        }
        settings
    }

    /// With the first server alone the datastore is the stand-in's file.
    fn is_sqlite(&self) -> bool {
        self.addresses.len() == 1
    }

    fn shares_etcd(&self) -> bool {
        !self.is_sqlite() && self.outside.is_none()
    }

    /// As `hcimage build` has it for a cluster file with these servers.
    pub(crate) fn seed(&self, number: usize) -> Seed {
        let others = self.addresses.iter().enumerate().filter(|(at, _)| at + 1 != number);
        let servers: Vec<Endpoint> = others.map(|(_, address)| address.parse().unwrap()).collect();
        let join = || Join { servers: servers.clone(), token_file: TOKEN.into(), wait_seconds: JOIN_LIMIT };
        let is_first = number == 1;
        let workload = Workload {
            addons: vec![],
            charts: vec![],
            deployments: vec![],
            stateful_sets: Vec::new(),
            daemon_sets: Vec::new(),
            load_balancers: Vec::new(),
            certificates: Vec::new(),
            components: vec![],
            wait_seconds: 60,
        };
        Seed {
            schema: SCHEMA,
            node: Node { hostname: format!("hc-{number}").parse().unwrap(), id: None },
            cluster: Cluster { name: "home".into(), api: None, networks: vec![] },
            role: match is_first {
                true => Role::InitServer(InitServer { nodes: vec![], join_seconds: 0, workload }),
                false => Role::Server(join()),
            },
            etcd: self.shares_etcd().then(|| Etcd {
                silence_seconds: SILENCE,
                partners: is_first.then(join),
                admin: Some(Admin { certificate: ADMIN_CERTIFICATE.into(), key: ADMIN_KEY.into() }),
            }),
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
                arp_probe: false,
                wait_seconds: 60,
                fixed: None,
            },
            clock: Clock {
                floor: 1_700_000_000,
                ca_not_before: None,
                ca_not_after: None,
                ntp: vec![],
                wait_seconds: 0,
                require_ntp: false,
            },
            root: Root { grow: false },
            data_disk: None,
            raw_disks: vec![],
            k3s: K3s {
                version: None,
                ready_seconds: 900,
                modules: vec![],
                images: vec![],
                external_datastore: self.outside.is_some(),
            },
            packages: None,
            secrets: hc_firstboot::seed::Secrets {
                remove: if self.shares_etcd() {
                    vec![ADMIN_CERTIFICATE.into(), ADMIN_KEY.into()]
                } else {
                    vec![]
                },
            },
            report: Report {
                boot_dir: "/boot/firmware".into(),
                http: false,
                minutes_after_ready: 0,
                ssh_user: None,
            },
            bundle: vec![],
        }
    }
}
