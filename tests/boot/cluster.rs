//! A cluster that forms by itself: one server and two agents on one virtual network, from one cluster file.

use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hc_firstboot::report::ReportStatus;
use serde_json::Value;
use tempfile::TempDir;

use crate::guest::{Guest, TestNetwork};
use crate::impostor::{Impostor, SHOWN_MAC};
use crate::rehearsal::a_cluster_is_rehearsed;
use hcimage_testkit::base::{K3S_VERSION, base, k3s_release};
use hcimage_testkit::hcimage::{hcimage, succeed};
use hcimage_testkit::tools::{check, mtype, run};

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 11);
const FIRST_AGENT: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 12);
const SECOND_AGENT: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 13);

/// So long the agents are left alone before the server is switched on.
const LATE: Duration = Duration::from_secs(120);

fn cluster_file() -> String {
    let node = |name: &str, role: &str, board: &str, address: Ipv4Addr| {
        format!("[[nodes]]\nname = {name:?}\nrole = {role:?}\nboard = {board:?}\naddress = \"{address}\"\n\n")
    };
    format!(
        "schema = 1\nname = \"lab\"\nmanifests = [\"shop.yaml\"]\n\n[network]\nsubnet = \"10.0.2.0/24\"\n\
         gateway = \"10.0.2.2\"\n\n[boards.pc]\nbase = {:?}\n[boards.cm4]\nbase = {:?}\n\n{}{}{}",
        base("debian-pc-amd64"),
        base("debian-pi-arm64"),
        node("lab-1", "server", "pc", SERVER),
        node("lab-2", "agent", "cm4", FIRST_AGENT),
        node("lab-3", "agent", "pc", SECOND_AGENT),
    )
}

struct Lab {
    dir: TempDir,
    network: TestNetwork,
}

impl Lab {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("cluster.toml"), cluster_file()).unwrap();
        let shop = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n";
        fs::write(dir.path().join("shop.yaml"), shop).unwrap();
        let network = TestNetwork::start(SocketAddrV4::new(SERVER, 6443));
        Self { dir, network }
    }

    fn build(&self, output: &str) {
        let mut command = hcimage(self.dir.path());
        command.args(["build", "--output", output, "--k3s"]).arg(k3s_release().join(K3S_VERSION));
        succeed(&mut command);
    }

    fn image(&self, output: &str, node: &str) -> PathBuf {
        self.dir.path().join(output).join(format!("{node}.img"))
    }

    fn start(&self, output: &str, node: &str, clock: Option<&str>) -> Guest {
        let board = if node == "lab-2" { "cm4" } else { "pc" };
        let number = node.strip_prefix("lab-").unwrap().parse().unwrap();
        Guest::start(node, board, &self.image(output, node), self.network.network(number), clock)
    }

    fn status(&self, output: &str, node: &str) -> String {
        String::from_utf8(mtype(&self.image(output, node), "hcimage-status.txt")).unwrap()
    }

    /// What the API says to the administrator whose kubeconfig the build wrote, as curl sees it.
    fn nodes_by_curl(&self) -> Value {
        let mut command = curl(self.dir.path(), SERVER, self.network.port());
        command.arg(format!("https://{SERVER}:6443/api/v1/nodes"));
        serde_json::from_str(&run(&mut command)).unwrap()
    }

    /// The same by kubectl, which takes the kubeconfig as it is but for the forwarded port.
    fn nodes_by_kubectl(&self) -> String {
        let mut command = kubectl(self.dir.path(), SERVER, self.network.port());
        command.args(["get", "nodes", "--sort-by", ".metadata.name"]);
        let ready =
            "{range .items[*]}{.metadata.name}={.status.conditions[?(@.type==\"Ready\")].status} {end}";
        command.args(["--output", &format!("jsonpath={ready}")]);
        run(&mut command)
    }
}

/// curl as the administrator of `out/kubeconfig` in a directory, for a server behind a forwarded port.
pub(crate) fn curl(dir: &Path, server: Ipv4Addr, port: u16) -> Command {
    let read = |path: &str| {
        let program = "import sys, yaml, base64\nd = yaml.safe_load(open(sys.argv[1]))\n\
                       v = eval(sys.argv[2])\nsys.stdout.buffer.write(base64.b64decode(v))";
        let mut command = Command::new("python3");
        command.args(["-c", program]).arg(dir.join("out/kubeconfig")).arg(path);
        let file = dir.join(format!("{}.pem", path.len()));
        fs::write(&file, run(&mut command)).unwrap();
        file
    };
    let ca = read("d['clusters'][0]['cluster']['certificate-authority-data']");
    let certificate = read("d['users'][0]['user']['client-certificate-data']");
    let key = read("d['users'][0]['user']['client-key-data']");
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--fail", "--retry", "5", "--cacert"]).arg(ca);
    command.arg("--cert").arg(certificate).arg("--key").arg(key);
    command.arg("--connect-to").arg(format!("{server}:6443:127.0.0.1:{port}"));
    command
}

/// kubectl likewise.
pub(crate) fn kubectl(dir: &Path, server: Ipv4Addr, port: u16) -> Command {
    let mut command = Command::new("kubectl");
    command.arg("--kubeconfig").arg(dir.join("out/kubeconfig"));
    command.args([
        "--server",
        &format!("https://127.0.0.1:{port}"),
        "--tls-server-name",
        &server.to_string(),
    ]);
    command
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    run(Command::new("cp").arg("--sparse=always").arg(from).arg(to));
}

/// Two runs at once need the processors for themselves.
#[test]
#[ignore = "seven minutes more: make boot-run"]
fn a_cluster_is_rehearsed_by_one_command() {
    let lab = Lab::new();
    lab.build("out");
    a_cluster_is_rehearsed(lab.dir.path());
}

#[test]
fn a_cluster_forms_whoever_is_switched_on_first() {
    let lab = Lab::new();
    lab.build("out");
    copy(&lab.image("out", "lab-3"), &lab.image("flashed-again", "lab-3"));

    // An agent whose address somebody else has, one whose clock stands years in the past, and no server yet.
    let impostor = Impostor::new(lab.network.plug_in(), FIRST_AGENT);
    let mut first = lab.start("out", "lab-2", None);
    let mut second = lab.start("out", "lab-3", Some("2001-01-01"));
    first.wait_for(SHOWN_MAC);
    drop(impostor);
    second.wait_for("10.0.2.11:6443");
    assert!(second.watch(LATE), "an agent must wait for its server");
    let mut server = lab.start("out", "lab-1", None);
    server.wait_for_end(ReportStatus::Ready);
    first.wait_for_end(ReportStatus::Ready);
    second.wait_for_end(ReportStatus::Ready);

    all_three_are_ready(&lab);
    first.power_off();
    second.power_off();
    an_agent_joins_again(&lab);
    an_agent_of_another_cluster_waits(&lab);
    server.power_off();
    for node in ["lab-1", "lab-2", "lab-3"] {
        check(&lab.image("out", node), lab.dir.path());
        let status = lab.status("out", node);
        assert!(status.contains(&format!("node {node} Ready")), "{status}");
    }
    let status = lab.status("out", "lab-1");
    assert!(status.contains("2 joined and Ready"), "{status}");
}

fn all_three_are_ready(lab: &Lab) {
    let nodes = lab.nodes_by_curl();
    let nodes = nodes["items"].as_array().unwrap();
    assert_eq!(nodes.len(), 3, "{nodes:?}");
    for node in nodes {
        let conditions = node["status"]["conditions"].as_array().unwrap();
        let ready = conditions.iter().find(|condition| condition["type"] == "Ready").unwrap();
        assert_eq!(ready["status"], "True", "{node}");
    }
    assert_eq!(lab.nodes_by_kubectl(), "lab-1=True lab-2=True lab-3=True ");
    // Also those of the agent that began in 2001: the server that it joins has the time.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    for node in nodes {
        let made = node["metadata"]["creationTimestamp"].as_str().unwrap();
        let made: u64 =
            run(Command::new("date").args(["--utc", "+%s", "--date", made])).trim().parse().unwrap();
        assert!(now.abs_diff(made) < 3600, "{node}");
    }
}

/// The card of a node is flashed anew with the image of the first time: the cluster knows it by its node password.
fn an_agent_joins_again(lab: &Lab) {
    let mut agent = lab.start("flashed-again", "lab-3", None);
    agent.wait_for_end(ReportStatus::Ready);
    agent.power_off();
}

/// Built with other secrets: its token pins another authority than the server's. Anybody could give that answer in the
/// server's place, so the node waits and does not start k3s.
fn an_agent_of_another_cluster_waits(lab: &Lab) {
    fs::rename(lab.dir.path().join("cluster.secrets.toml"), lab.dir.path().join("first.toml")).unwrap();
    lab.build("other");
    let mut stranger = lab.start("other", "lab-3", None);
    stranger.wait_for("it belongs to another cluster");
    assert!(stranger.watch(Duration::from_secs(30)), "a foreign answer must not end the first boot");
    stranger.power_off();
}
