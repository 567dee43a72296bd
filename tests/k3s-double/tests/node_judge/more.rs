//! Overlays whose charts come from a site, which no server of this test can play for `hcimage build`: their objects are rendered by the
//! library as a build renders them, and the chart is beside those of the card.

use std::fs;
use std::path::Path;
use std::process::Command;

use hcimage::cluster::Checked;
use hcimage_testkit::external_tool::outcome;
use hcimage_testkit::tools::run;
use hcimage_testkit::unpacked;
use serde_json::json;

use crate::card::Card;
use crate::clusters::load;
use crate::lan::{ADDRESS, Lan, TSIG_KEY, TSIG_NAME};
use crate::node::Node;
use crate::objects;
use crate::{LIMIT, apply, control_plane, pods, told, wait};

/// Addresses of the LAN for load balancers: the services of Traefik and of Mosquitto take one each.
const POOL: &str = "10.0.2.50-10.0.2.52";

const SERVER: &str =
    "[[nodes]]\nname = \"lab-1\"\nrole = \"server\"\nboard = \"pi4\"\naddress = \"192.168.1.11\"\n";

fn overlays() -> Checked {
    let tables = format!(
        "[overlays.metallb]\naddresses = [\"{POOL}\"]\n\
         [overlays.external-dns]\nprovider = \"rfc2136\"\ndomains = [\"example.org\"]\nserver = \"{ADDRESS}\"\naccount = \"{TSIG_NAME}\"\n\
         token = \"{TSIG_KEY}\"\n"
    );
    load(Path::new("/nowhere"), &tables, SERVER).unwrap_or_else(|report| panic!("{report}"))
}

pub(crate) fn judge(node: &Node, lan: &Lan, card: &Card) {
    let checked = overlays();
    let charts = card.k3s.join("server/static/charts");
    // ExternalDNS' chart is released after the program: that of its tree is an older one.
    for (name, version) in [("metallb", "v0.16.2"), ("external-dns", "0.22.0")] {
        let folder = control_plane::program("HCIMAGE_NODE_PROGRAMS").join("charts").join(name);
        let mut helm = Command::new(control_plane::program("HCIMAGE_HELM"));
        helm.arg("package")
            .arg(folder)
            .args(["--app-version", version, "--destination"])
            .arg(card.k3s.join("packed"));
        let said = run(&mut helm);
        let path = said.trim().rsplit(' ').next().unwrap();
        fs::copy(path, charts.join(format!("{name}.tgz"))).unwrap();
    }
    let mut files = objects::files(&checked);
    for file in &mut files {
        let chart = file.name.trim_start_matches("chart-").trim_end_matches(".yaml");
        let packed = format!("{chart}.tgz");
        for object in &mut file.objects {
            object.text = object.text.replace("chart-0123456789ab.tgz", &packed);
        }
    }
    told("metallb and external-dns: manifests applied, once the webhook of the one answers", || {
        apply::files(node, &files)
    });
    node.deployment("metallb-system", "metallb-controller");
    address(node, lan);
    names(node);
    removed(node);
}

/// As the README says it: the chart goes by its HelmChart, and what it has made with it.
fn removed(node: &Node) {
    node.api.delete("/apis/helm.cattle.io/v1/namespaces/kube-system/helmcharts/external-dns");
    told("external-dns: removed by its HelmChart", || {
        wait("what the chart has made to go", LIMIT, || {
            let gone = |path: &str| node.api.get(path).is_none();
            let all = [
                "/apis/apps/v1/namespaces/external-dns/deployments/external-dns",
                "/apis/rbac.authorization.k8s.io/v1/clusterroles/external-dns",
                "/apis/helm.cattle.io/v1/namespaces/kube-system/helmcharts/external-dns",
            ];
            let left: Vec<&str> = all.into_iter().filter(|path| !gone(path)).collect();
            if left.is_empty() { Ok(()) } else { Err(format!("{left:?} {}", node.why("kube-system"))) }
        });
    });
}

/// A service gets an address of the pool, and the other host finds it by ARP.
fn address(node: &Node, lan: &Lan) {
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "balanced", "namespace": "nextcloud"},
        "spec": {
            "type": "LoadBalancer", "selector": {"app.kubernetes.io/name": "nextcloud"}, "ports": [{"port": 80, "targetPort": "http"}],
        },
    });
    node.make("/api/v1/namespaces/nextcloud/services", &service);
    let given = wait("an address of the pool", LIMIT, || {
        let service = node.api.get("/api/v1/namespaces/nextcloud/services/balanced").unwrap();
        let address = service["status"]["loadBalancer"]["ingress"][0]["ip"].as_str().map(str::to_owned);
        address.ok_or_else(|| node.why("metallb-system"))
    });
    wait("a page from the address of the pool", LIMIT, || {
        let (status, body) = lan.curl(&[], &format!("http://{given}/status.php"));
        if status == 200 { Ok(()) } else { Err(format!("{status} {body} {}", node.why("metallb-system"))) }
    });
    let neighbours = run(lan.inside("ip").args(["neighbour", "show", &given]));
    assert!(neighbours.contains("lladdr"), "{neighbours}");
    println!("  metallb: a service has {given}, which its speaker announces: {}", neighbours.trim());
}

/// An ingress gets its record, and loses none of others.
fn names(node: &Node) {
    node.deployment("external-dns", "external-dns");
    let ingress = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "named", "namespace": "nextcloud"},
        "spec": {"ingressClassName": "traefik", "rules": [{"host": "shop.example.org", "http": {"paths": [{
            "path": "/", "pathType": "Prefix", "backend": {"service": {"name": "nextcloud", "port": {"name": "http"}}},
        }]}}]},
    });
    node.make("/apis/networking.k8s.io/v1/namespaces/nextcloud/ingresses", &ingress);
    told("external-dns: the name of an ingress is in the zone, by RFC 2136 to Knot", || {
        wait("the record", LIMIT, || {
            let ingress =
                node.api.get("/apis/networking.k8s.io/v1/namespaces/nextcloud/ingresses/named").unwrap();
            // Traefik writes there what address its own service has.
            let address = ingress["status"]["loadBalancer"]["ingress"][0]["ip"].as_str().unwrap_or("none");
            let said = ask("shop.example.org");
            if said == address {
                Ok(())
            } else {
                Err(format!("{said:?}, not {address}: {}", node.why("external-dns")))
            }
        });
    });
    assert_eq!(ask("ns.example.org"), ADDRESS, "what was there stays");
}

fn ask(name: &str) -> String {
    let root = pods::root();
    let mut command = Command::new(root.join("usr/bin/kdig"));
    command.env("LD_LIBRARY_PATH", unpacked::libraries(&root));
    outcome(command.args([&format!("@{ADDRESS}"), name, "A", "+short"])).stdout.trim().to_owned()
}
