//! cert-manager's real programs against pebble, through the issuers of the overlay.

use serde_json::{Value, json};

use crate::lan::Lan;
use crate::node::{Node, is_true};
use crate::{LIMIT, told, wait};

pub(crate) fn judge(node: &Node, lan: &Lan) {
    told("cert-manager: installed by helm-controller's job, its three deployments Available", || {
        for name in ["cert-manager", "cert-manager-webhook", "cert-manager-cainjector"] {
            node.deployment("cert-manager", name);
        }
    });
    for name in ["own", "default"] {
        wait("the issuer", LIMIT, || {
            let issuer = node
                .api
                .get(&format!("/apis/cert-manager.io/v1/clusterissuers/{name}"))
                .ok_or("it is not there")?;
            if is_true(&issuer, "Ready") { Ok(()) } else { Err(issuer["status"].to_string()) }
        });
    }
    println!(
        "  cert-manager: both issuers have an account at pebble, by its CA and the key of an external account"
    );
    told("certificate of nextcloud's ingress by HTTP-01, through Traefik", || {
        ready(node, lan, "nextcloud", "nextcloud-tls")
    });
    let root = lan.acme_root();
    wait("Traefik to take the certificate", LIMIT, || {
        let (status, body) =
            lan.curl(&["--cacert", root.to_str().unwrap()], "https://cloud.home.lan/status.php");
        if status == 200 && body.contains("\"forwarded\":\"https\"") {
            Ok(())
        } else {
            Err(format!("{status} {body}"))
        }
    });
    println!("  nextcloud: by HTTPS from the other host, with a certificate that pebble's root verifies");
    let wildcard = json!({
        "apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": {"name": "wildcard", "namespace": "default"},
        "spec": {
            "secretName": "wildcard", "dnsNames": ["*.example.org"],
            "issuerRef": {"group": "cert-manager.io", "kind": "ClusterIssuer", "name": "default"},
        },
    });
    node.make("/apis/cert-manager.io/v1/namespaces/default/certificates", &wildcard);
    told("certificate of *.example.org by DNS-01, through RFC 2136 to Knot", || {
        ready(node, lan, "default", "wildcard")
    });
}

pub(crate) fn ready(node: &Node, lan: &Lan, namespace: &str, name: &str) {
    wait(&format!("the certificate {name}"), LIMIT, || {
        let path = format!("/apis/cert-manager.io/v1/namespaces/{namespace}/certificates/{name}");
        let certificate = node.api.get(&path).ok_or("it is not there")?;
        if is_true(&certificate, "Ready") {
            return Ok(());
        }
        let challenges = node.api.list("/apis/acme.cert-manager.io/v1/challenges");
        let told: Vec<&Value> = challenges.iter().map(|challenge| &challenge["status"]).collect();
        let pebble = lan.log("pebble");
        let tail: Vec<&str> = pebble.lines().rev().take(5).collect();
        Err(format!("{} {told:?} {tail:?} {}", certificate["status"], node.why("cert-manager")))
    });
}
