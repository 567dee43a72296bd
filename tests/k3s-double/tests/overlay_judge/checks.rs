//! What must hold while a cluster's overlays are applied.

use std::collections::{BTreeMap, BTreeSet};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::judge::{Case, condition, plural};

/// What is not right by then, will not become so.
const LIMIT: Duration = Duration::from_secs(45);

/// Scheduler and controllers complain for a moment about what the next moment brings.
const GRACE: Duration = Duration::from_secs(6);

pub(crate) fn all(case: &mut Case<'_>) {
    start_cron_jobs(case);
    workloads(case);
    if !case.found.is_empty() {
        return;
    }
    claims(case);
    services(case);
    ingresses(case);
    let pods = pods(case);
    for pod in &pods {
        references(case, pod);
        directories(case, pod);
    }
    policies(case, &pods);
    memory(case);
    second_apply(case);
}

/// k3s applies everything again whenever it starts: no object may become another one by that.
fn second_apply(case: &mut Case<'_>) {
    for applied in &case.applied {
        let generation = |object: &Value| object["metadata"]["generation"].clone();
        let before = case.api.get(&applied.path).map(|object| generation(&object));
        let answer = case.api.apply(&applied.path, &applied.object.text);
        if before != Some(generation(&answer.body)) {
            case.found.push(format!("{}: a second apply makes it another object", applied.object));
        }
    }
}

/// The path, kind and words of each applied object of these kinds.
fn applied(case: &Case<'_>, kinds: &[&str]) -> Vec<(String, String)> {
    let chosen = case.applied.iter().filter(|applied| kinds.contains(&applied.object.kind.as_str()));
    chosen.map(|applied| (applied.path.clone(), applied.object.to_string())).collect()
}

/// The namespaces of applied objects.
fn namespaces(case: &Case<'_>) -> BTreeSet<String> {
    let named = case.applied.iter().filter(|applied| applied.path.contains("/namespaces/"));
    named
        .filter_map(|applied| applied.path.split('/').skip_while(|part| *part != "namespaces").nth(1))
        .map(str::to_owned)
        .collect()
}

/// The pods that came with the overlays.
fn pods(case: &Case<'_>) -> Vec<Value> {
    let all = case.api.list("/api/v1/pods");
    let word = |pod: &Value, key: &str| pod["metadata"][key].as_str().unwrap().to_owned();
    all.into_iter()
        .filter(|pod| {
            !case.before.contains(&format!("pods {}/{}", word(pod, "namespace"), word(pod, "name")))
        })
        .collect()
}

/// A cron job may wait for hours: what it would start, is started at once.
fn start_cron_jobs(case: &mut Case<'_>) {
    for (path, words) in applied(case, &["CronJob"]) {
        let cron = case.api.get(&path).unwrap();
        let (name, uid) = (&cron["metadata"]["name"], &cron["metadata"]["uid"]);
        let job = json!({
            "apiVersion": "batch/v1", "kind": "Job",
            "metadata": {
                "name": format!("{}-judged", name.as_str().unwrap()),
                "ownerReferences": [
                    {"apiVersion": "batch/v1", "kind": "CronJob", "name": name, "uid": uid, "controller": true}
                ],
            },
            "spec": cron["spec"]["jobTemplate"]["spec"],
        });
        let jobs = format!("{}/jobs", path.split("/cronjobs/").next().unwrap());
        let answer = case.api.ask("POST", &jobs, "application/json", &job.to_string());
        if !answer.is_good() {
            case.found.push(format!("{words}: {}", answer.message()));
        }
    }
}

/// Everything that runs is available.
fn workloads(case: &mut Case<'_>) {
    let mut waiting = applied(case, &["Deployment", "StatefulSet", "DaemonSet", "Job"]);
    for (path, words) in applied(case, &["CronJob"]) {
        waiting.push((path.replace("/cronjobs/", "/jobs/") + "-judged", format!("{words}, its job")));
    }
    let counted = waiting.clone();
    let began = Instant::now();
    loop {
        waiting.retain(|(path, _)| !case.api.get(path).is_some_and(|object| is_ready(&object)));
        if waiting.is_empty() {
            break;
        }
        let why = if began.elapsed() > GRACE { complaints(case, &waiting) } else { Vec::new() };
        if began.elapsed() > LIMIT || !why.is_empty() {
            let names: Vec<&str> = waiting.iter().map(|(_, words)| words.as_str()).collect();
            case.found.push(format!("not ready: {}: {}", names.join(", "), why.join("; ")));
            return;
        }
        sleep(Duration::from_millis(250));
    }
    for (place, word) in [
        ("deployments", "deployment"),
        ("statefulsets", "stateful set"),
        ("daemonsets", "daemon set"),
        ("jobs", "job"),
    ] {
        let count = counted.iter().filter(|(path, _)| path.contains(&format!("/{place}/"))).count();
        if count > 0 {
            case.seen.push(plural(count, word));
        }
    }
}

fn is_ready(object: &Value) -> bool {
    let status = &object["status"];
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    let replicas = object["spec"]["replicas"].as_u64().unwrap_or(1);
    let is_seen = number(&status["observedGeneration"]) == number(&object["metadata"]["generation"]);
    match object["kind"].as_str() {
        Some("Deployment") => {
            is_seen && number(&status["availableReplicas"]) == replicas && condition(object, "Available").0
        }
        Some("StatefulSet") => is_seen && number(&status["readyReplicas"]) == replicas,
        // One that is for no node at all is a mistake.
        Some("DaemonSet") => {
            let wanted = number(&status["desiredNumberScheduled"]);
            is_seen && wanted > 0 && number(&status["numberReady"]) == wanted
        }
        _ => condition(object, "Complete").0,
    }
}

/// Why pods do not run: what the scheduler says of them, and what refused them.
fn complaints(case: &Case<'_>, waiting: &[(String, String)]) -> Vec<String> {
    let mut all = BTreeSet::new();
    for pod in pods(case) {
        let (is_scheduled, message) = condition(&pod, "PodScheduled");
        if !is_scheduled && !message.is_empty() {
            all.insert(message);
        }
    }
    for namespace in namespaces(case) {
        for event in case.api.list(&format!("/api/v1/namespaces/{namespace}/events")) {
            if event["reason"] == "FailedCreate" {
                all.insert(event["message"].as_str().unwrap_or_default().to_owned());
            }
        }
    }
    for (path, words) in waiting.iter().filter(|(path, _)| path.contains("/daemonsets/")) {
        let set = case.api.get(path).unwrap();
        if set["status"]["desiredNumberScheduled"] == 0 {
            all.insert(format!("{words} is for no node"));
        }
    }
    all.into_iter().collect()
}

/// Claims are bound, by a class that is there.
fn claims(case: &mut Case<'_>) {
    let classes = case.api.list("/apis/storage.k8s.io/v1/storageclasses");
    let mut count = 0;
    for namespace in namespaces(case) {
        for claim in case.api.list(&format!("/api/v1/namespaces/{namespace}/persistentvolumeclaims")) {
            let name = format!("claim {namespace}/{}", claim["metadata"]["name"].as_str().unwrap());
            let class = &claim["spec"]["storageClassName"];
            if !classes.iter().any(|one| one["metadata"]["name"] == *class) {
                case.found.push(format!("{name}: there is no storage class {class}"));
            } else if claim["status"]["phase"] != "Bound" {
                case.found.push(format!("{name} is {}", claim["status"]["phase"]));
            }
            count += 1;
        }
    }
    if count > 0 {
        case.seen.push(format!("{} bound", plural(count, "claim")));
    }
}

/// A service that chooses pods finds some, with the ports that it names.
fn services(case: &mut Case<'_>) {
    let mut count = 0;
    for (path, words) in applied(case, &["Service"]) {
        let service = case.api.get(&path).unwrap();
        if service["spec"]["selector"].is_null() {
            continue;
        }
        let (namespace, name) =
            path.trim_start_matches("/api/v1/namespaces/").split_once("/services/").unwrap();
        let slices = format!(
            "/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices?labelSelector=kubernetes.io/service-name%3D{name}"
        );
        let ports = service["spec"]["ports"].as_array().map_or(0, Vec::len);
        let began = Instant::now();
        let is_served = || {
            case.api.list(&slices).iter().any(|slice| {
                let ready = |one: &Value| one["conditions"]["ready"] == true;
                slice["endpoints"].as_array().into_iter().flatten().any(ready)
                    && slice["ports"].as_array().map_or(0, Vec::len) == ports
            })
        };
        while !is_served() && began.elapsed() < GRACE {
            sleep(Duration::from_millis(250));
        }
        if !is_served() {
            case.found.push(format!("{words} finds no pod with its ports"));
        }
        count += 1;
    }
    if count > 0 {
        case.seen.push(plural(count, "service"));
    }
}

/// What an ingress names is there: its class, services but those of charts, Traefik's middlewares, and its issuer.
fn ingresses(case: &mut Case<'_>) {
    let of_charts: BTreeSet<String> = case
        .checked
        .cluster
        .overlays
        .iter()
        .flat_map(|active| &active.needs.charts)
        .map(|chart| chart.namespace.to_string())
        .collect();
    let middlewares = case.api.list("/apis/traefik.io/v1alpha1/middlewares");
    let word = |of: &Value, key: &str| of["metadata"][key].as_str().unwrap().to_owned();
    let known: Vec<String> = middlewares
        .iter()
        .map(|of| format!("{}-{}@kubernetescrd", word(of, "namespace"), word(of, "name")))
        .collect();
    let mut count = 0;
    for (path, words) in applied(case, &["Ingress"]) {
        count += 1;
        let ingress = case.api.get(&path).unwrap();
        let class = ingress["spec"]["ingressClassName"].as_str().unwrap_or_default();
        if case.api.get(&format!("/apis/networking.k8s.io/v1/ingressclasses/{class}")).is_none() {
            case.found.push(format!("{words}: there is no class {class:?}"));
        }
        let annotations = &ingress["metadata"]["annotations"];
        let asked =
            annotations["traefik.ingress.kubernetes.io/router.middlewares"].as_str().unwrap_or_default();
        for name in asked.split(',').filter(|name| !name.is_empty() && !known.iter().any(|one| one == name)) {
            case.found.push(format!("{words}: there is no middleware {name}"));
        }
        let issuer = annotations["cert-manager.io/cluster-issuer"].as_str();
        let issuer = issuer.or((annotations["kubernetes.io/tls-acme"] == "true").then_some("default"));
        if let Some(name) = issuer
            && case.api.get(&format!("/apis/cert-manager.io/v1/clusterissuers/{name}")).is_none()
        {
            case.found.push(format!("{words}: there is no issuer {name}"));
        }
        let namespace = word(&ingress, "namespace");
        let rules = ingress["spec"]["rules"].as_array().cloned().unwrap_or_default();
        let paths =
            rules.iter().flat_map(|rule| rule["http"]["paths"].as_array().cloned().unwrap_or_default());
        for backend in paths.map(|path| path["backend"]["service"].clone()) {
            let name = backend["name"].as_str().unwrap();
            let service = case.api.get(&format!("/api/v1/namespaces/{namespace}/services/{name}"));
            let port = &backend["port"];
            let has_port = |service: &Value| {
                let ports = service["spec"]["ports"].as_array().unwrap();
                ports.iter().any(|one| {
                    (!port["name"].is_null() && one["name"] == port["name"])
                        || (!port["number"].is_null() && one["port"] == port["number"])
                })
            };
            match service {
                None if of_charts.contains(&namespace) => {}
                None => case.found.push(format!("{words}: there is no service {name}")),
                Some(service) if !has_port(&service) => {
                    case.found.push(format!("{words}: {name} has no port {port}"));
                }
                Some(_) => {}
            }
        }
    }
    if count > 0 {
        case.seen.push(if count == 1 { "1 ingress".to_owned() } else { format!("{count} ingresses") });
    }
}

/// Every Secret and ConfigMap that a pod names is there, with its keys: nobody else looks, since kwok starts no container.
fn references(case: &mut Case<'_>, pod: &Value) {
    let spec = &pod["spec"];
    let mut asked: Vec<(&str, Value, Vec<Value>)> = Vec::new();
    let keys = |of: &Value| -> Vec<Value> {
        of["items"].as_array().into_iter().flatten().map(|item| item["key"].clone()).collect()
    };
    let list = |of: &Value| of.as_array().cloned().unwrap_or_default();
    let is_asked = |of: &Value| !of.is_null() && of["optional"] != true;
    for volume in list(&spec["volumes"]) {
        let projected = list(&volume["projected"]["sources"]);
        for source in std::iter::once(&volume).chain(&projected) {
            let (secret, map) = (&source["secret"], &source["configMap"]);
            if is_asked(secret) {
                let name =
                    if secret["secretName"].is_null() { &secret["name"] } else { &secret["secretName"] };
                asked.push(("secrets", name.clone(), keys(secret)));
            }
            if is_asked(map) {
                asked.push(("configmaps", map["name"].clone(), keys(map)));
            }
        }
    }
    for container in list(&spec["containers"]).into_iter().chain(list(&spec["initContainers"])) {
        for (from, plural) in [("secretKeyRef", "secrets"), ("configMapKeyRef", "configmaps")] {
            for variable in list(&container["env"]) {
                let of = &variable["valueFrom"][from];
                if is_asked(of) {
                    asked.push((plural, of["name"].clone(), vec![of["key"].clone()]));
                }
            }
        }
        for (from, plural) in [("secretRef", "secrets"), ("configMapRef", "configmaps")] {
            for source in list(&container["envFrom"]) {
                if is_asked(&source[from]) {
                    asked.push((plural, source[from]["name"].clone(), Vec::new()));
                }
            }
        }
    }
    let (namespace, name) = (&pod["metadata"]["namespace"], &pod["metadata"]["name"]);
    let (namespace, name) = (namespace.as_str().unwrap(), name.as_str().unwrap());
    for (plural, of, keys) in asked {
        let of = of.as_str().unwrap();
        let Some(object) = case.api.get(&format!("/api/v1/namespaces/{namespace}/{plural}/{of}")) else {
            case.found.push(format!("pod {namespace}/{name}: {plural} have no {of}"));
            continue;
        };
        for key in keys.iter().filter_map(Value::as_str) {
            if object["data"][key].is_null() && object["binaryData"][key].is_null() {
                case.found.push(format!("pod {namespace}/{name}: {plural} {of} has no key {key}"));
            }
        }
    }
}

/// The directories that a pod wants of its node are those that overlays ask for there, or put there.
fn directories(case: &mut Case<'_>, pod: &Value) {
    let node = pod["spec"]["nodeName"].as_str().unwrap_or_default();
    let volumes = pod["spec"]["volumes"].as_array().cloned().unwrap_or_default();
    for path in volumes
        .iter()
        .filter(|of| of["hostPath"]["type"] == "Directory")
        .filter_map(|of| of["hostPath"]["path"].as_str())
    {
        let dirs = case.checked.cluster.overlays.iter().flat_map(|active| &active.needs.dirs);
        let is_made = dirs
            .filter(|dir| dir.node.as_ref().is_none_or(|of| of.to_string() == node))
            .any(|dir| path.strip_suffix(dir.path.as_str()).is_some_and(|front| front.ends_with('/')));
        let mut folders = case.checked.cluster.overlays.iter().flat_map(|active| &active.needs.folders);
        let is_made = is_made
            || folders.any(|folder| {
                folder.path == path && folder.node.as_ref().is_none_or(|of| of.to_string() == node)
            });
        if !is_made && ["/k8s-data", "/var/lib/hcimage"].iter().any(|place| path.starts_with(place)) {
            case.found.push(format!("pod {}: nothing makes {path} on {node}", pod["metadata"]["name"]));
        }
    }
}

/// A policy that chooses pods by labels finds some.
fn policies(case: &mut Case<'_>, pods: &[Value]) {
    for (path, words) in applied(case, &["NetworkPolicy"]) {
        let policy = case.api.get(&path).unwrap();
        let labels = policy["spec"]["podSelector"]["matchLabels"].as_object().cloned().unwrap_or_default();
        let fits = |pod: &&Value| {
            pod["metadata"]["namespace"] == policy["metadata"]["namespace"]
                && labels.iter().all(|(key, value)| pod["metadata"]["labels"][key] == *value)
        };
        if !labels.is_empty() && !pods.iter().any(|pod| fits(&pod)) {
            case.found.push(format!("{words} is for no pod"));
        }
    }
}

/// What the fullest node has promised to pods, those of k3s with them.
fn memory(case: &mut Case<'_>) {
    let mut nodes: BTreeMap<String, u64> = BTreeMap::new();
    for pod in case.api.list("/api/v1/pods") {
        let containers = pod["spec"]["containers"].as_array().cloned().unwrap_or_default();
        let sum: u64 = containers.iter().map(|of| mib(&of["resources"]["requests"]["memory"])).sum();
        let is_over = ["Succeeded", "Failed"].iter().any(|phase| pod["status"]["phase"] == *phase);
        if let Some(node) = pod["spec"]["nodeName"].as_str().filter(|_| !is_over) {
            *nodes.entry(node.to_owned()).or_default() += sum;
        }
    }
    let most = nodes.values().max().copied().unwrap_or(0);
    case.seen.push(format!("requests {most}Mi of {}", case.machine.allocatable));
}

fn mib(quantity: &Value) -> u64 {
    let text = quantity.as_str().unwrap_or("0");
    let number = |end: &str| text.strip_suffix(end).and_then(|number| number.parse::<u64>().ok());
    number("Gi").map(|gib| gib * 1024).or(number("Mi")).or(number("Ki").map(|kib| kib / 1024)).unwrap_or(0)
}
