//! Three servers that share an etcd, each in turn on a new card: `make boot-etcd`. The stand-in for k3s keeps its members in
//! Debian's etcd, which the test puts into the base.

use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hc_firstboot::report::ReportStatus;
use tempfile::TempDir;

use crate::cluster::{copy, curl, kubectl};
use crate::cuts::check_after_cut;
use crate::guest::{Guest, TestNetwork};
use hcimage_testkit::base::{K3S_VERSION, base, k3s_release};
use hcimage_testkit::hcimage::{hcimage, succeed};
use hcimage_testkit::tools::{debugfs_write, mtype, run};
use hcimage_testkit::unpacked;

const FIRST: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 11);
const SERVERS: [u8; 3] = [1, 2, 3];

/// Where the stand-in looks for etcd when nobody names a place.
const ETCD: &str = "/usr/local/lib/k3s-double/etcd";

/// What the report says on a server that has begun a cluster.
const BEGAN: &str = "began a new cluster";

/// The stand-in has no list of kinds that kubectl could look these up in.
pub(crate) const OBJECTS: &str = "/api/v1/namespaces/default/configmaps";

/// An object of a client's, which must outlive what is done to the servers.
pub(crate) const SHOP: &str =
    r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"shop"},"data":{"open":"yes"}}"#;

/// A PC's base that has Debian's etcd for the stand-in.
pub(crate) fn base_with_etcd(path: &Path) {
    copy(&base("debian-pc-amd64"), path);
    let (parent, _) = ETCD.rsplit_once('/').unwrap();
    debugfs_write(path, &format!("mkdir {parent}"));
    debugfs_write(path, &format!("write {} {ETCD}", unpacked::etcd().display()));
    debugfs_write(path, &format!("set_inode_field {ETCD} mode 0100755"));
}

struct Lab {
    dir: TempDir,
    network: TestNetwork,
}

impl Lab {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let with_etcd = dir.path().join("base.img");
        base_with_etcd(&with_etcd);
        let nodes = SERVERS.map(|number| {
            format!("[[nodes]]\nname = \"lab-{number}\"\nrole = \"server\"\nboard = \"pc\"\naddress = \"10.0.2.1{number}\"\n")
        });
        let file = format!(
            "schema = 1\nname = \"lab\"\n\n[k3s]\ndatastore = \"etcd\"\n\n[network]\nsubnet = \"10.0.2.0/24\"\n\
             gateway = \"10.0.2.2\"\n\n[boards.pc]\nbase = {with_etcd:?}\n\n{}",
            nodes.join("\n")
        );
        fs::write(dir.path().join("cluster.toml"), file).unwrap();
        let network = TestNetwork::start(SocketAddrV4::new(FIRST, 6443));
        succeed(hcimage(dir.path()).args(["build", "--k3s"]).arg(k3s_release().join(K3S_VERSION)));
        Self { dir, network }
    }

    fn built(&self, number: u8) -> PathBuf {
        self.dir.path().join(format!("out/lab-{number}.img"))
    }

    fn card(&self, number: u8) -> PathBuf {
        self.dir.path().join(format!("card-{number}.img"))
    }

    /// A new card with the image as it was built. etcd sets 128 MB of its log aside before it has written anything, and a
    /// server that starts again makes a copy of all.
    fn flash(&self, number: u8) {
        copy(&self.built(number), &self.card(number));
        let card = fs::OpenOptions::new().write(true).open(self.card(number)).unwrap();
        card.set_len(card.metadata().unwrap().len() + (2 << 30)).unwrap();
    }

    fn start(&self, number: u8) -> Guest {
        let network = self.network.network(number);
        Guest::restart(&format!("lab-{number}"), "pc", &self.card(number), &self.built(number), network)
    }

    fn status(&self, number: u8) -> String {
        String::from_utf8(mtype(&self.card(number), "hcimage-status.txt")).unwrap()
    }

    /// What the first server says of a path.
    fn curl(&self, args: &[&str], path: &str) -> String {
        let mut command = curl(self.dir.path(), FIRST, self.network.port());
        run(command.args(args).arg(format!("https://{FIRST}:6443{path}")))
    }

    /// The object of a workload is there, and the servers are three.
    fn is_whole(&self) {
        let object = self.curl(&[], &format!("{OBJECTS}/shop"));
        assert!(object.contains("\"open\":\"yes\""), "{object}");
        let mut command = kubectl(self.dir.path(), FIRST, self.network.port());
        let names = run(command.args(["get", "nodes", "--output", "jsonpath={.items[*].metadata.name}"]));
        let mut names: Vec<&str> = names.split_ascii_whitespace().collect();
        names.sort_unstable();
        assert_eq!(names, ["lab-1", "lab-2", "lab-3"]);
    }
}

#[test]
#[ignore = "takes half an hour; `make boot-etcd` runs it"]
fn three_servers_stay_one_cluster_whichever_is_flashed_again() {
    let lab = Lab::new();
    SERVERS.iter().for_each(|number| lab.flash(*number));
    let mut guests: Vec<Guest> = SERVERS.iter().map(|number| lab.start(*number)).collect();
    guests.iter_mut().for_each(|guest| guest.wait_for_end(ReportStatus::Ready));
    lab.curl(&["--data", SHOP], OBJECTS);
    lab.is_whole();
    eprintln!("three servers are one cluster");

    for (number, at) in SERVERS.into_iter().zip(0..) {
        drop(guests.remove(at));
        lab.flash(number);
        guests.insert(at, lab.start(number));
        guests[at].wait_for_end(ReportStatus::Ready);
        assert!(!guests[at].said(BEGAN), "lab-{number} began a second cluster");
        lab.is_whole();
        eprintln!("lab-{number} joined again from a new card");
    }

    // The power is cut while the last one joins, on a card that is new once more.
    drop(guests.pop());
    lab.flash(3);
    let mut last = lab.start(3);
    last.wait_for("] k3s:");
    assert!(last.watch(Duration::from_secs(5)), "it ended by itself");
    drop(last);
    guests.push(lab.start(3));
    guests[2].wait_for_end(ReportStatus::Ready);
    lab.is_whole();

    guests.into_iter().for_each(Guest::power_off);
    for number in SERVERS {
        // The power of the last one was cut.
        check_after_cut(&lab.card(number), lab.dir.path());
        let status = lab.status(number);
        assert!(status.contains(&format!("node lab-{number} Ready")), "{status}");
    }
    assert!(lab.status(1).contains("instead of beginning a new one"), "{}", lab.status(1));
}
