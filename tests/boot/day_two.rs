//! A cluster that goes on while its images change: `make boot-day-two`. Its state is on the server's data disk, beside the files of an
//! overlay, and outlives the card.
//!
//! The stand-in for k3s keeps nodes, passwords, objects and Addons there, and takes none of them away: that k3s does the same is by its
//! source.

use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::process::Command;

use hc_firstboot::report::ReportStatus;
use hcimage_testkit::base::{K3S_VERSION, RAISED_VERSION, base, k3s_release, raised_release};
use hcimage_testkit::hcimage::{hcimage, succeed};
use hcimage_testkit::registry::Registry;
use hcimage_testkit::tools::{mtype, run};
use serde_json::Value;
use tempfile::TempDir;

use crate::cluster::{copy, curl, kubectl};
use crate::cuts::check_after_cut;
use crate::etcd::{OBJECTS, SHOP};
use crate::examples::{load, push_images};
use crate::guest::{Guest, TestNetwork};

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 11);
const DYNDNS: &str =
    "[overlays.dyndns]\nprovider = \"desec\"\nhost = \"home.dedyn.io\"\npassword = \"hunter2\"\n\n";
const MOSQUITTO: &str = "[overlays.mosquitto]\nplain = true\n\n";

struct Lab {
    dir: TempDir,
    network: TestNetwork,
    registry: Registry,
}

impl Lab {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let registry = Registry::start(&dir.path().join("registry"), "", "");
        let network = TestNetwork::start(SocketAddrV4::new(SERVER, 6443));
        let disk = fs::File::create(dir.path().join("state.img")).unwrap();
        disk.set_len(1 << 30).unwrap();
        run(Command::new("mkfs.ext4").args(["-q", "-L", "state"]).arg(dir.path().join("state.img")));
        Self { dir, network, registry }
    }

    /// Images of both nodes with these overlays, by a release of k3s.
    fn build(&self, overlays: &str, k3s: &Path) {
        let file = self.dir.path().join("cluster.toml");
        let text = format!(
            "schema = 1\nname = \"lab\"\n\n[network]\nsubnet = \"10.0.2.0/24\"\ngateway = \"10.0.2.2\"\n\n[data-disk]\n\
             label = \"state\"\ndatastore = true\n\n[boards.pc]\nbase = {:?}\n\n\
             [[nodes]]\nname = \"lab-1\"\nrole = \"server\"\nboard = \"pc\"\naddress = \"{SERVER}\"\n\n\
             [[nodes]]\nname = \"lab-2\"\nrole = \"agent\"\nboard = \"pc\"\naddress = \"10.0.2.12\"\ndata-disk = false\n\n\
             {overlays}",
            base("debian-pc-amd64"),
        );
        fs::write(&file, &text).unwrap();
        let hosts = push_images(&self.registry, self.dir.path(), &load(self.dir.path()));
        fs::write(&file, format!("{text}{}", self.registry.mirrors(&hosts))).unwrap();
        succeed(hcimage(self.dir.path()).args(["build", "--overwrite", "--k3s"]).arg(k3s));
    }

    fn card(&self, node: &str) -> PathBuf {
        self.dir.path().join(format!("{node}.card.img"))
    }

    /// Puts the image as it was built last onto a new card, and starts from it.
    fn flash(&self, node: &str) -> Guest {
        copy(&self.dir.path().join(format!("out/{node}.img")), &self.card(node));
        let number = node.strip_prefix("lab-").unwrap().parse().unwrap();
        let disk = (number == 1).then(|| self.dir.path().join("state.img"));
        Guest::with_disk(node, "pc", &self.card(node), disk.as_deref(), self.network.network(number))
    }

    fn get(&self, path: &str) -> Value {
        let mut command = curl(self.dir.path(), SERVER, self.network.port());
        serde_json::from_str(&run(command.arg(format!("https://{SERVER}:6443{path}")))).unwrap()
    }

    /// Name, version and the time of the first registration of each node.
    fn nodes(&self) -> Vec<[String; 3]> {
        let mut command = kubectl(self.dir.path(), SERVER, self.network.port());
        let columns = "{range .items[*]}{.metadata.name} {.status.nodeInfo.kubeletVersion} {.metadata.creationTimestamp}\
                       {\"\\n\"}{end}";
        let said = run(command.args(["get", "nodes", "--output", &format!("jsonpath={columns}")]));
        let mut nodes: Vec<[String; 3]> = said
            .lines()
            .map(|line| {
                let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
                words.try_into().unwrap()
            })
            .collect();
        nodes.sort_unstable();
        nodes
    }

    /// The Addons of overlays' records.
    fn overlays(&self) -> Vec<String> {
        let addons = self.get("/apis/k3s.cattle.io/v1/namespaces/kube-system/addons");
        let names =
            addons["items"].as_array().unwrap().iter().map(|addon| addon["metadata"]["name"].as_str());
        let mut names: Vec<String> = names
            .filter_map(|name| name.unwrap().strip_prefix("hcimage-overlay-").map(str::to_owned))
            .collect();
        names.sort_unstable();
        names
    }

    /// What the server has on its disk, which has no power.
    fn list(&self, path: &str) -> String {
        let request = format!("ls -l {path}");
        run(Command::new("debugfs").args(["-R", &request]).arg(self.dir.path().join("state.img")))
    }

    fn workload_is_there(&self) {
        assert_eq!(self.get(&format!("{OBJECTS}/shop"))["data"]["open"], "yes");
    }

    /// The report on a card that has no power.
    fn status(&self, node: &str) -> String {
        String::from_utf8(mtype(&self.card(node), "hcimage-status.txt")).unwrap()
    }
}

#[test]
#[ignore = "takes a quarter of an hour; `make boot-day-two` runs it"]
fn a_cluster_goes_on_with_new_cards_and_new_images() {
    let (lab, raised) = (Lab::new(), raised_release());
    lab.build(DYNDNS, &k3s_release().join(K3S_VERSION));
    let (mut server, mut agent) = (lab.flash("lab-1"), lab.flash("lab-2"));
    server.wait_for_end(ReportStatus::Ready);
    agent.wait_for_end(ReportStatus::Ready);
    let mut command = curl(lab.dir.path(), SERVER, lab.network.port());
    run(command.args(["--data", SHOP]).arg(format!("https://{SERVER}:6443{OBJECTS}")));
    let first = lab.nodes();
    assert_eq!(first.len(), 2);
    assert!(first.iter().all(|[_, version, _]| version == K3S_VERSION), "{first:?}");
    assert_eq!(lab.overlays(), ["dyndns"]);

    // The card of the server dies under its hands.
    drop(server.cut_power());
    let mut server = lab.flash("lab-1");
    server.wait_for_end(ReportStatus::Ready);
    assert!(server.said("k3s goes on with the data"), "{}", server.console.join("\n"));
    lab.workload_is_there();
    assert_eq!(lab.nodes(), first);
    eprintln!("a server on a new card goes on with the state on its data disk");

    // A new image has a later k3s and one overlay more. The agent follows.
    server.power_off();
    lab.build(&format!("{DYNDNS}{MOSQUITTO}"), &raised.path().join(RAISED_VERSION));
    let mut server = lab.flash("lab-1");
    server.wait_for_end(ReportStatus::Ready);
    assert!(server.said("deployments: 1, load balancers: 1"), "{}", server.console.join("\n"));
    lab.workload_is_there();
    assert_eq!(lab.overlays(), ["dyndns", "mosquitto"]);
    let versions =
        |nodes: Vec<[String; 3]>| nodes.into_iter().map(|[_, version, _]| version).collect::<Vec<_>>();
    assert_eq!(versions(lab.nodes()), [RAISED_VERSION, K3S_VERSION]);
    agent.power_off();
    let mut agent = lab.flash("lab-2");
    agent.wait_for_end(ReportStatus::Ready);
    assert_eq!(versions(lab.nodes()), [RAISED_VERSION, RAISED_VERSION]);
    eprintln!("a new image has raised k3s and added an overlay");

    // An image without an overlay: the cluster has it on, and the report says so.
    server.power_off();
    lab.build(MOSQUITTO, &raised.path().join(RAISED_VERSION));
    let mut server = lab.flash("lab-1");
    server.wait_for_end(ReportStatus::Ready);
    lab.workload_is_there();
    assert_eq!(lab.overlays(), ["dyndns", "mosquitto"]);
    for (before, after) in first.iter().zip(lab.nodes()) {
        assert_eq!((&before[0], &before[2]), (&after[0], &after[2]), "it is another node to the cluster");
    }
    server.power_off();
    agent.power_off();
    let status = lab.status("lab-1");
    assert!(
        status.contains("overlays that this image has not (dyndns): `hcimage overlays remove NAME"),
        "{status}"
    );
    for node in ["lab-1", "lab-2"] {
        check_after_cut(&lab.card(node), lab.dir.path());
    }
    run(Command::new("e2fsck").arg("-fn").arg(lab.dir.path().join("state.img")));
    assert!(lab.list("/k3s-datastore").contains("state.db"), "{}", lab.list("/k3s-datastore"));
    assert!(lab.list("/").contains("mosquitto"), "{}", lab.list("/"));
}
