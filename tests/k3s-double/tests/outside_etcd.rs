//! Servers whose state is in an etcd of others, which wants a client certificate: hc-firstboot and the stand-in of k3s with Debian's
//! etcd.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

#[allow(dead_code, reason = "each test uses a part of it")]
mod machine;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hc_firstboot::RunOutcome;
use machine::{Host, Lab, in_own_network};
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};

const TWO: [&str; 2] = ["10.9.0.1", "10.9.0.2"];
const ETCD: &str = "10.9.0.9";

/// Certificates of an administrator who knows nothing of k3s.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// Certificate and key. etcd asks itself by its own certificate, so that is one of a client too.
    fn sign(&self, names: &[&str]) -> [String; 2] {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        [params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem()]
    }
}

/// An etcd with its data in a directory. Dropped, it is killed.
struct Etcd(Child);

impl Etcd {
    fn start(dir: &Path, authority: &Authority) -> Self {
        let [certificate, key] = authority.sign(&[ETCD]);
        for (name, text) in [("ca.pem", &authority.pem), ("etcd.pem", &certificate), ("etcd.key", &key)] {
            fs::write(dir.join(name), text).unwrap();
        }
        let url = format!("https://{ETCD}:2379");
        let child = Command::new(hcimage_testkit::unpacked::etcd())
            .current_dir(dir)
            .args(["--data-dir", "data", "--client-cert-auth", "--trusted-ca-file", "ca.pem"])
            .args(["--cert-file", "etcd.pem", "--key-file", "etcd.key"])
            .args(["--listen-client-urls", &url, "--advertise-client-urls", &url])
            .args(["--listen-peer-urls", "http://127.0.0.1:2380"])
            .stdout(Stdio::null())
            .stderr(fs::File::create(dir.join("log")).unwrap())
            .spawn()
            .unwrap();
        Self(child)
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn lab(authority: &Authority) -> Lab {
    let [certificate, key] = authority.sign(&[]);
    let files = [authority.pem.clone(), certificate, key];
    let mut lab = Lab::new(&TWO);
    lab.outside = Some((format!("https://{ETCD}:2379"), files));
    lab
}

fn all() -> [&'static str; 3] {
    [TWO[0], TWO[1], ETCD]
}

/// Both are switched on before the database, then each is lost in turn while the other is off.
#[test]
fn either_of_two_servers_may_be_lost() {
    in_own_network("either_of_two_servers_may_be_lost", &all(), || {
        let (authority, dir) = (Authority::new(), tempfile::tempdir().unwrap());
        let lab = lab(&authority);
        let mut hosts = [1, 2].map(|number| lab.flash(number));
        let boots = hosts.each_ref().map(Host::power_on);
        std::thread::sleep(Duration::from_secs(2));
        let database = Etcd::start(dir.path(), &authority);
        for (boot, host) in boots.into_iter().zip(&hosts) {
            assert_eq!(boot.end(), Some(RunOutcome::Ready), "{}\n{}", host.said(), host.log());
        }
        hosts[0].create_object(&lab, "shop");
        for host in &hosts {
            assert!(host.has_object(&lab, "shop"), "{}", host.name);
        }
        for (lost, other) in [(1, 0), (0, 1)] {
            hosts[lost].power_off();
            hosts[other].power_off();
            hosts[lost] = lab.flash(lost + 1);
            hosts[lost].must_be_ready();
            assert!(hosts[lost].has_object(&lab, "shop"), "{}", hosts[lost].name);
        }
        let status = hosts[1].status();
        assert!(!status.contains("new cluster"), "{status}");
        drop(database);
    });
}

/// Another administrator's certificate: the database answers nobody, and the report has what k3s says.
#[test]
fn a_certificate_that_the_database_does_not_know_is_told() {
    in_own_network("a_certificate_that_the_database_does_not_know_is_told", &all(), || {
        let (authority, dir) = (Authority::new(), tempfile::tempdir().unwrap());
        let _database = Etcd::start(dir.path(), &authority);
        let mut lab = lab(&authority);
        let [certificate, key] = Authority::new().sign(&[]);
        let (_, files) = lab.outside.as_mut().unwrap();
        files[1] = certificate;
        files[2] = key;
        let host = lab.flash(1);
        let boot = host.power_on();
        host.wait_for("k3s to give up", |host| host.log().contains("failed to test data store connection"));
        host.wait_for_word("the cluster's database does not answer");
        host.power_off();
        assert_ne!(boot.end(), Some(RunOutcome::Ready), "{}", host.said());
    });
}
