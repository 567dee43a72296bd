//! Every overlay that is compiled in, on a real control plane: admission, controllers, scheduler and the collector of garbage.
//!
//! `make overlay-judge` builds the programs and runs this; docs/testing.md says what is real. A run leaves one line for each
//! overlay and cluster, with what was seen.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]
#![allow(clippy::print_stdout, reason = "what was judged is told")]

#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod support;

#[path = "../kube_api/control_plane.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod control_plane;

#[path = "../../../overlays/clusters.rs"]
mod clusters;

mod api;
mod checks;
mod controls;
mod judge;
mod login;
mod machines;
mod objects;

use std::fs;
use std::path::Path;

use hcimage::board::Boards;
use hcimage::cluster::{self, Checked};
use hcimage::overlays::{Library, Overlay};
use hcimage_testkit::proof::{OverlayLevel, Proof};

use api::Api;
use clusters::{FOUR, ONE, load, table};
use judge::Judge;
use machines::{Machine, Machines};

/// A Raspberry Pi 4 with 4 GB, and a Compute Module with 8 GB.
const PI: Machine = Machine { capacity: "4Gi", allocatable: "3277Mi" };
const MODULE: Machine = Machine { capacity: "8Gi", allocatable: "7373Mi" };
const PC: Machine = Machine { capacity: "16Gi", allocatable: "15565Mi" };

/// More than what must be set: choices that make other objects. The overlays that a table needs stand in it.
const CHOICES: &[(&str, &str)] = &[
    (
        "authentik with all that it has",
        "[overlays.authentik]\nhost = \"auth.example.org\"\nissuer = \"default\"\nemail = \"kim@example.org\"\n\
         kubectl = true\nprotect-domain = \"example.org\"\nprotect-namespaces = [\"default\"]\n[overlays.cert-manager]\n",
    ),
    ("calico without tunnels", "[overlays.calico]\nencapsulation = \"none\"\n"),
    ("cert-manager with its own CA", "[overlays.cert-manager]\nissuer = \"private\"\n"),
    (
        "cert-manager with Cloudflare",
        "[overlays.cert-manager]\nissuer = \"production\"\nemail = \"kim@example.org\"\ndns = \"cloudflare\"\n\
         dns-token = \"t\"\ndns-zones = [\"example.org\"]\n",
    ),
    (
        "backup of a database by ssh",
        "[overlays.backup]\nrepository = \"ssh://borg@nas.home.lan/./backup\"\nhost-keys = [\"nas.home.lan ssh-ed25519 AAAA\"]\n\
         ssh-key = \"k\"\nping-url = \"https://hc-ping.com/1\"\nexclude = [\"a\"]\n\
         [overlays.nextcloud]\nhost = \"cloud.example.org\"\n",
    ),
    (
        "cert-manager with an ACME server",
        "[overlays.cert-manager]\nissuer = \"own\"\nacme-server = \"https://ca.home.lan/directory\"\nacme-ca = \"QQ==\"\n\
         acme-key-id = \"1\"\nacme-key = \"a2V5\"\ndns = \"rfc2136\"\ndns-server = \"192.168.1.53\"\ndns-account = \"k\"\n\
         dns-token = \"dA==\"\n",
    ),
    (
        "cert-manager with pebble",
        "[overlays.cert-manager]\nissuer = \"pebble\"\n[overlays.pebble]\ncheck = false\n",
    ),
    (
        "cilium with addresses and gateways",
        "[overlays.cilium]\naddresses = [\"192.168.1.240-192.168.1.250\", \"192.168.2.0/24\"]\ninterfaces = [\"^eth0$\"]\n\
         gateway-api = true\n",
    ),
    (
        "drupal behind a tunnel",
        "[overlays.drupal]\nhost = \"www.example.org\"\nmore-hosts = [\"www.home.lan\"]\nadmin-email = \"kim@example.org\"\n\
         https = true\n",
    ),
    (
        "dyndns by a URL",
        "[overlays.dyndns]\nprovider = \"url\"\nhost = \"home.example.org\"\n\
      url = \"https://d.example.org/?h={host}&i={ip}\"\nminutes = 59\npassword = \"a: b # \\\"c\"\n",
    ),
    (
        "hardening without policies and a log",
        "[overlays.hardening]\nnetwork-policies = false\naudit = false\npod-security = \"baseline\"\nexempt = [\"a\"]\n",
    ),
    (
        "ingress-auth in two namespaces",
        "[overlays.ingress-auth]\nnamespaces = [\"default\", \"shop\"]\nmake-namespaces = true\n",
    ),
    (
        "longhorn with all that it has",
        "[overlays.longhorn]\ndefault-class = true\nui-host = \"longhorn.home.lan\"\nui-issuer = \"default\"\n\
         backup-target = \"s3://b@eu/\"\nbackup-endpoint = \"https://s3.example.org\"\nbackup-access-key = \"a\"\n\
         backup-secret-key = \"s\"\n[overlays.cert-manager]\n",
    ),
    ("logging with Grafana", "[overlays.logging]\njournal = false\n[overlays.monitoring]\n"),
    (
        "monitoring with all that it has",
        "[overlays.monitoring]\nhost = \"grafana.example.org\"\nissuer = \"default\"\nmail-to = \"kim@example.org\"\n\
         smtp-server = \"mail.example.org:587\"\nsmtp-from = \"c@example.org\"\nsmtp-user = \"c\"\nsmtp-password = \"p\"\n\
         webhook = \"https://chat.example.org/x\"\n[overlays.cert-manager]\n[overlays.logging]\n[overlays.external-dns]\n\
         provider = \"cloudflare\"\ndomains = [\"example.org\"]\ntoken = \"t\"\n",
    ),
    ("monitoring on claims", "[overlays.monitoring]\nstorage-class = \"local-path\"\n"),
    (
        "mosquitto with TLS and rules",
        "[overlays.mosquitto]\nhost = \"mqtt.example.org\"\nissuer = \"default\"\nplain = true\nrules = [\"kim read #\"]\n\
         more-users = \"kim:x\"\n[overlays.cert-manager]\n",
    ),
    (
        "nextcloud with a certificate",
        "[overlays.nextcloud]\nhost = \"cloud.example.org\"\nmore-hosts = [\"cloud.home.lan\"]\nissuer = \"default\"\n\
         php-memory-mib = 1024\n[overlays.cert-manager]\n",
    ),
    ("nextcloud without redis", "[overlays.nextcloud]\nhost = \"cloud.example.org\"\nredis = false\n"),
    (
        "nfs as the default class",
        "[overlays.nfs]\nserver = \"nas.home.lan\"\npath = \"/volume1/k\"\ndefault-class = true\nroot-squash = true\n",
    ),
    (
        "object-store with a certificate",
        "[overlays.object-store]\nbuckets = [\"backups\"]\nhost = \"s3.home.lan\"\nissuer = \"default\"\n[overlays.cert-manager]\n",
    ),
    (
        "postgresql with the operator",
        "[overlays.postgresql]\ndatabases = [\"wiki\", \"my-shop\"]\noperator = true\nnamespaces = [\"default\"]\n",
    ),
    ("postgresql with more memory", "[overlays.postgresql]\ndatabases = [\"wiki\"]\nmemory-mib = 1024\n"),
    (
        "nfs-server with nfs",
        "[overlays.nfs-server]\nroot-squash = true\n[overlays.nfs]\nserver = \"192.168.1.11\"\npath = \"/k8s-data/nfs\"\nroot-squash = true\n",
    ),
    (
        "rook with one disk and a file system",
        "[overlays.rook]\ndevices = [\"pi-1:/dev/disk/by-id/one\"]\ncopies = 1\nfilesystem = true\ndefault-class = true\n",
    ),
    (
        "owntracks with a broker and rows",
        "[overlays.owntracks]\nhost = \"tracks.example.org\"\nuser = \"kim\"\nissuer = \"default\"\nmqtt = true\n\
         broker-password = \"x\"\npostgresql = true\n[overlays.cert-manager]\n[overlays.mosquitto]\n\
         [overlays.postgresql]\ndatabases = [\"owntracks\"]\nmake-namespaces = false\n",
    ),
    (
        "static-site on every node",
        "[overlays.static-site]\nfolder = \"sites\"\nhosts = [\"www.example.org\", \"blog.example.org\"]\nissuer = \"default\"\n\
         every-node = true\naccess-log = true\n[overlays.cert-manager]\n",
    ),
    (
        "subsonic with a NAS",
        "[overlays.subsonic]\nhost = \"music.example.org\"\nissuer = \"default\"\nnfs-server = \"nas.home.lan\"\n\
         nfs-path = \"/volume1/music\"\n[overlays.cert-manager]\n",
    ),
    (
        "smtp-relay for two namespaces",
        "[overlays.smtp-relay]\nsmarthost = \"smtp.example.org\"\nport = 465\nuser = \"kim@example.org\"\npassword = \"p\"\n\
         hourly = 0\nnamespaces = [\"nextcloud\", \"monitoring\"]\n",
    ),
    (
        "system-upgrade with plans",
        "[overlays.system-upgrade]\nversion = \"v1.99.1+k3s1\"\ndrain = true\ndays = [\"saturday\"]\n",
    ),
    (
        "traefik-config with all that it has",
        "[overlays.traefik-config]\nredirect = true\ndashboard = \"traefik.home.lan\"\ndefault-certificate = \"home-tls\"\n\
         gateway-api = true\naccess-log = \"json\"\n",
    ),
    (
        "wordpress with a certificate",
        "[overlays.wordpress]\nhost = \"blog.example.org\"\nissuer = \"default\"\nadmin-email = \"kim@example.org\"\n\
         [overlays.cert-manager]\n",
    ),
    ("tunnel by inlets", "[overlays.tunnel]\nkind = \"inlets\"\nserver = \"2001:db8::1\"\nlicense = \"l\"\n"),
];

/// Choices that want several nodes.
const SPREAD: &[(&str, &str)] = &[
    (
        "cockroachdb on three",
        "[overlays.cockroachdb]\ndatabases = [\"ledger\"]\ninstances = 3\nlicense = \"l\"\n",
    ),
    (
        "object-store on four",
        "[overlays.object-store]\nbuckets = [\"backups\"]\nnodes = [\"pi-1\", \"pi-2\", \"pi-3\", \"pi-4\"]\n",
    ),
    (
        "postgresql on three with the operator",
        "[overlays.postgresql]\ndatabases = [\"wiki\"]\noperator = true\ninstances = 3\n",
    ),
    (
        "rook on three",
        "[overlays.rook]\ndevices = [\"pi-1:/dev/sda\", \"pi-2:/dev/sda\", \"pi-3:/dev/sda\"]\nfilesystem = true\n",
    ),
];

/// Judges one cluster after the other, and says at the end what was found.
struct Run {
    judge: Judge,
    findings: Vec<String>,
}

impl Run {
    /// Whether nothing is wrong.
    fn judge(&mut self, title: &str, checked: &Checked, machine: Machine) -> bool {
        match self.judge.judge(checked, machine) {
            Ok(seen) => {
                println!("  {title}: {seen}");
                true
            }
            Err(found) => {
                println!("  {title}: FAILED\n    {}", found.join("\n    "));
                self.findings.extend(found.into_iter().map(|one| format!("{title}: {one}")));
                false
            }
        }
    }
}

fn loaded(tables: &str, nodes: &str) -> Checked {
    load(Path::new("/nowhere"), tables, nodes).unwrap_or_else(|report| panic!("{tables}\n{report}"))
}

/// An example of the documentation, with the files that it asks its reader to write.
fn example(name: &str) -> Checked {
    let scratch = tempfile::tempdir().unwrap();
    let dir = hcimage_testkit::examples::copy(name, scratch.path());
    let file = dir.join("cluster.toml");
    cluster::load(&file, &Boards::load(None).unwrap(), &Library::new(Vec::new()))
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
#[ignore = "needs a real control plane: make overlay-judge"]
fn every_overlay_runs_on_a_real_control_plane() {
    let machines = Machines::start();
    let mut run = Run { judge: Judge::new(Api::new(&machines.plane)), findings: Vec::new() };
    run.judge.define_kinds();
    println!("controls:");
    run.findings.extend(controls::check(&mut run.judge, "controls", 11));
    let all = Library::built_in().unwrap();
    assert!(all.len() >= 15, "they are not compiled in");
    let wanted: Vec<_> = all.iter().filter(|overlay| is_wanted(overlay.name.as_str())).collect();
    let proof =
        |overlay: &&Overlay| Some(Proof::of_overlay(OverlayLevel::ControlPlane, overlay.name.as_str()));
    let mut proofs: Vec<Option<Proof>> = wanted.iter().map(proof).collect();
    for (nodes, machine, count) in [(ONE, PI, "one node"), (FOUR, MODULE, "four nodes")] {
        println!("{count}, {} each:", machine.capacity);
        for (overlay, proof) in wanted.iter().zip(&mut proofs) {
            if !run.judge(overlay.name.as_str(), &loaded(&table(overlay), nodes), machine) {
                *proof = None;
            }
        }
    }
    proofs.into_iter().flatten().for_each(Proof::holds);
    println!("choices, on four nodes, {} each:", MODULE.capacity);
    for (title, tables) in SPREAD.iter().filter(|(title, _)| is_wanted(title)) {
        run.judge(title, &loaded(tables, FOUR), MODULE);
    }
    println!("choices, on one node, {}:", PI.capacity);
    for (title, tables) in CHOICES.iter().filter(|(title, _)| is_wanted(title)) {
        run.judge(title, &loaded(tables, ONE), PI);
    }
    println!("examples:");
    // The least memory that the second is for; the first does not say.
    for name in ["home-cloud", "turing-pi-apps"].iter().filter(|_| only().is_none()) {
        run.judge(name, &example(name), PI);
    }
    for name in ["office-apps", "outside-database"].iter().filter(|_| only().is_none()) {
        run.judge(name, &example(name), PC);
    }
    if only().is_none() {
        run.judge("closed-site", &example("closed-site"), MODULE);
    }
    drop(machines);
    if is_wanted("authentik") {
        println!("authentik's logins, on an API server of their own:");
        run.findings.extend(login::check());
    }
    run.findings.extend(hardened(&all));
    assert!(run.findings.is_empty(), "{}", run.findings.join("\n"));
}

/// Each again, with the overlay `hardening` and an API server as that sets it up: what pods may do is what their namespace says, and
/// the strictest rules hold where it says nothing.
fn hardened(all: &[Overlay]) -> Vec<String> {
    println!("hardened, on one node, {}:", PI.capacity);
    // It wants Secrets to be encrypted, which the tests' clusters do where a choice has no table [k3s] of its own.
    let beside = |tables: &str| match tables.contains(HARDENING) {
        true => tables.to_owned(),
        false => format!("{}{HARDENING}", tables.replace("[k3s]\n", "[k3s]\nsecrets-encryption = true\n")),
    };
    let machines = Machines::start_hardened(&loaded(HARDENING, ONE));
    let mut run = Run { judge: Judge::new(Api::new(&machines.plane)), findings: Vec::new() };
    run.judge.define_kinds();
    run.findings.extend(controls::check(&mut run.judge, "controls_hardened", 3));
    // Whoever judges it alone, wants to know who lives with it.
    let is_wanted = |name: &str| is_wanted(name) || only().as_deref() == Some("hardening");
    for overlay in all.iter().filter(|overlay| is_wanted(overlay.name.as_str())) {
        run.judge(overlay.name.as_str(), &loaded(&beside(&table(overlay)), ONE), PI);
    }
    for (title, tables) in CHOICES.iter().filter(|(title, _)| is_wanted(title)) {
        run.judge(title, &loaded(&beside(tables), ONE), PI);
    }
    let secret =
        "apiVersion: v1\nkind: Secret\nmetadata: {name: audited}\nstringData: {password: b7Xq2-audited}\n";
    let path = "/api/v1/namespaces/default/secrets/audited";
    assert!(run.judge.api.apply(path, secret).is_good());
    run.judge.api.delete(path);
    let log = fs::read_to_string(machines.plane.path(machines::AUDIT_LOG)).unwrap();
    let has = |words: &[&str]| log.lines().any(|line| words.iter().all(|word| line.contains(word)));
    let mut wrong = |what: &str| run.findings.push(format!("the audit log {what}"));
    if !has(&["\"verb\":\"patch\"", "\"resource\":\"secrets\"", "\"name\":\"audited\"", "system:admin"]) {
        wrong("does not say who wrote Secrets");
    }
    if !has(&["\"resource\":\"deployments\"", "pod-security.kubernetes.io/audit-violations"]) {
        wrong("does not say what violates Pod Security");
    }
    // How the secrets of the judge begin, as they are and in base64.
    if log.contains("b7Xq2") || log.contains("YjdYcTI") {
        wrong("has a secret");
    }
    run.findings
}

const HARDENING: &str = "[overlays.hardening]\n";

/// The overlay that is judged alone.
fn only() -> Option<String> {
    std::env::var("HCIMAGE_OVERLAY").ok()
}

fn is_wanted(name: &str) -> bool {
    // Several have commas between them.
    only().is_none_or(|only| only.split(',').any(|one| name.split(' ').next() == Some(one)))
}
