//! The home cloud: database, page and jobs run as their own users with their own folders, take their secrets, and keep their data.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde_json::{Value, json};
use yaml_rust2::YamlLoader;

use crate::card::Card;
use crate::lan::Lan;
use crate::node::Node;
use crate::{LIMIT, told, wait};

pub(crate) const CURL: &str = "docker.io/curlimages/curl:8.21.0";

pub(crate) fn judge(node: &mut Node, lan: &Lan, card: &Card) {
    told(
        "nextcloud: database, redis and page Available: probes pass, logins succeed, Apache drops its rights",
        || {
            for name in ["db", "redis", "nextcloud"] {
                node.deployment("nextcloud", name);
            }
        },
    );
    for (path, uid, gid) in [
        ("db", 999, 999),
        ("db/mysql", 999, 999),
        ("nextcloud", 33, 33),
        ("nextcloud/status.php", 33, 33),
        ("dyndns", 100, 101),
    ] {
        let found = std::fs::metadata(Path::new("/srv/k8s-data").join(path))
            .unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!((found.uid(), found.gid()), (uid, gid), "{path}");
    }
    println!("  folders: the owners fit");

    // Written through the ingress.
    let note = page(lan, "?note=before");
    assert_eq!(note["notes"], json!(["before"]));
    assert_eq!(note["user"], 33, "the page runs as www-data");
    assert_eq!(note["redis"], "yes");
    told("nextcloud: data outlives its pods", || {
        for label in ["db", "nextcloud"] {
            delete_pods(node, "nextcloud", &format!("app.kubernetes.io/name={label}"));
        }
        for name in ["db", "nextcloud"] {
            node.deployment("nextcloud", name);
        }
        assert_eq!(page(lan, "?note=after")["notes"], json!(["before", "after"]));
    });
    // The second start found it installed, as Nextcloud would be.
    let occ = std::fs::read_to_string("/srv/k8s-data/nextcloud/occ.log").unwrap();
    for line in [
        "config:system:set trusted_domains 0 --value=cloud.home.lan",
        "config:system:set default_phone_region --value=DE",
    ] {
        assert!(occ.lines().any(|said| said == line), "{line}: {occ}");
    }
    println!("  nextcloud: its hook has set what the cluster file says");
    told("nextcloud: data outlives the node's power cut", || {
        node.reboot();
        for name in ["db", "redis", "nextcloud"] {
            running_again(node, "nextcloud", name);
        }
        wait("the page", LIMIT, || {
            let (status, body) = lan.curl(
                &["--insecure", "--header", "Host: cloud.home.lan"],
                "https://cloud.home.lan/status.php",
            );
            if status == 200 { Ok(()) } else { Err(format!("{status} {body}\n{}", node.why("nextcloud"))) }
        });
        assert_eq!(page(lan, "")["notes"], json!(["before", "after"]));
    });
    dyndns(node, lan);
    configured(node, lan);
    guarded(node, lan, card);
}

/// The page that plays Nextcloud, from the other host.
fn page(lan: &Lan, query: &str) -> Value {
    wait("the page", LIMIT, || {
        let (status, body) = lan.curl(&["--insecure"], &format!("https://cloud.home.lan/status.php{query}"));
        if status == 200 {
            serde_json::from_str(&body).map_err(|error| format!("{error}: {body}"))
        } else {
            Err(format!("{status} {body}"))
        }
    })
}

pub(crate) fn delete_pods(node: &Node, namespace: &str, selector: &str) {
    let path = format!("/api/v1/namespaces/{namespace}/pods");
    let old =
        node.api.list(&format!("{path}?labelSelector={}", selector.replace('=', "%3D").replace('/', "%2F")));
    assert!(!old.is_empty(), "no pod with {selector}");
    let path_of = |pod: &Value| format!("{path}/{}", pod["metadata"]["name"].as_str().unwrap());
    for pod in &old {
        node.api.delete(&path_of(pod));
    }
    wait("the pods to go", LIMIT, || {
        // That of a stateful set has a successor of the same name.
        let gone = |pod: &Value| {
            node.api.get(&path_of(pod)).is_none_or(|now| now["metadata"]["uid"] != pod["metadata"]["uid"])
        };
        if old.iter().all(gone) { Ok(()) } else { Err(node.why(namespace)) }
    });
}

/// After a reboot the kubelet finds the old pods ended and starts their containers anew.
fn running_again(node: &Node, namespace: &str, name: &str) {
    wait(&format!("the pods of {namespace}/{name} to run again"), LIMIT, || {
        let pods = node.api.list(&format!("/api/v1/namespaces/{namespace}/pods"));
        let mut own = pods.iter().filter(|pod| pod["metadata"]["labels"]["app.kubernetes.io/name"] == name);
        let again = own.all(|pod| {
            let all = pod["status"]["containerStatuses"].as_array();
            all.is_some_and(|all| {
                all.iter().all(|one| one["ready"] == true && one["restartCount"].as_u64() > Some(0))
            })
        });
        if again { Ok(()) } else { Err(node.why(namespace)) }
    });
    node.deployment(namespace, name);
}

/// The job of the CronJob, twice: one update, and none for an address that the provider has.
fn dyndns(node: &Node, lan: &Lan) {
    let cron = node.api.get("/apis/batch/v1/namespaces/dyndns/cronjobs/dyndns").unwrap();
    let mut logs = String::new();
    for name in ["first", "second"] {
        let job = json!({
            "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, "namespace": "dyndns"},
            "spec": cron["spec"]["jobTemplate"]["spec"],
        });
        let jobs = "/apis/batch/v1/namespaces/dyndns/jobs";
        node.make(jobs, &job);
        wait("the job of dyndns", LIMIT, || {
            let job = node.api.get(&format!("{jobs}/{name}")).unwrap();
            if job["status"]["succeeded"] == 1 { Ok(()) } else { Err(node.why("dyndns")) }
        });
        logs.push_str(&node.why("dyndns"));
    }
    let asked = lan.asked.lock().unwrap().clone();
    // kim:hunter2&"$(x)
    let expected = "Basic a2ltOmh1bnRlcjImIiQoeCk=";
    // The job that runs by the clock may have been the first.
    assert_eq!(asked.len(), 1, "{asked:?}\n{logs}");
    assert_eq!(asked[0].0, "/update?host=home.example.org&ip=203.0.113.7");
    assert_eq!(asked[0].1.as_deref(), Some(expected));
    assert!(!logs.contains("hunter2"), "{logs}");
    println!("  dyndns: sent once by its job, with the password, which no log has");
}

/// Gives Traefik the arguments of the overlay's values, as k3s' chart would, and sees that it takes them.
fn configured(node: &Node, lan: &Lan) {
    let config =
        node.api.get("/apis/helm.cattle.io/v1/namespaces/kube-system/helmchartconfigs/traefik").unwrap();
    let values = YamlLoader::load_from_str(config["spec"]["valuesContent"].as_str().unwrap()).unwrap();
    let given = values[0]["additionalArguments"].as_vec().unwrap();
    let given: Vec<&str> = given.iter().map(|argument| argument.as_str().unwrap()).collect();
    assert!(given.contains(&"--accesslog.format=json"), "{given:?}");
    let path = "/apis/apps/v1/namespaces/kube-system/deployments/traefik";
    let patch: Vec<Value> = given
        .iter()
        .map(|argument| json!({"op": "add", "path": "/spec/template/spec/containers/0/args/-", "value": argument}))
        .collect();
    let said = node.api.ask("PATCH", path, "application/json-patch+json", &json!(patch).to_string());
    assert!(said.is_good(), "{}", said.message());
    node.deployment("kube-system", "traefik");
    wait("a line of the access log", LIMIT, || {
        let (status, _) = lan.curl(&["--insecure"], "https://cloud.home.lan/status.php?logged");
        let log = node.why("kube-system");
        if log.contains("\"RequestPath\":\"/status.php?logged\"") {
            Ok(())
        } else {
            Err(format!("{status} {log}"))
        }
    });
    println!("  traefik-config: Traefik takes its arguments, and logs as JSON");
}

/// An ingress of a user's that asks for the password of the overlay.
fn guarded(node: &Node, lan: &Lan, card: &Card) {
    let ingress = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": {"name": "guarded", "namespace": "default", "annotations": {
            "traefik.ingress.kubernetes.io/router.middlewares": "default-ingress-auth@kubernetescrd",
        }},
        "spec": {"ingressClassName": "traefik", "rules": [{"host": "guarded.home.lan", "http": {"paths": [{
            "path": "/", "pathType": "Prefix", "backend": {"service": {"name": "kubernetes", "port": {"number": 443}}},
        }]}}]},
    });
    node.make("/apis/networking.k8s.io/v1/namespaces/default/ingresses", &ingress);
    wait("Traefik to ask for the password", LIMIT, || match lan.curl(&[], "http://guarded.home.lan/") {
        (401, _) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    let password = card.secret("ingress-auth", "password");
    let (wrong, _) = lan.curl(&["--user", "admin:wrong"], "http://guarded.home.lan/");
    let (right, body) = lan.curl(&["--user", &format!("admin:{password}")], "http://guarded.home.lan/");
    assert_eq!(wrong, 401);
    assert_ne!(right, 401, "{body}");
    println!(
        "  ingress-auth: 401 without the password, and with a wrong one; with it, what is behind answers ({right})"
    );
    let dashboard = card.secret("traefik-config", "dashboard-password");
    let url = "https://traefik.home.lan/api/version";
    let (none, _) = lan.curl(&["--insecure"], url);
    let (with, body) = lan.curl(&["--insecure", "--user", &format!("admin:{dashboard}")], url);
    assert_eq!((none, with), (401, 200), "{body}");
    println!("  traefik-config: the dashboard's API with its password only: {}", body.trim());
}
