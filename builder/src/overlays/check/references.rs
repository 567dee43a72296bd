//! What objects name of each other: a name that leads nowhere is a pod that never starts, or a page that nobody reaches.

use yaml_rust2::Yaml;

use super::objects::{Object, Objects};
use super::{Told, error, items, pod, pod_labels, pods, text};

/// The class that k3s itself has.
const OF_K3S: &str = "local-path";

pub(super) fn check(object: &Object<'_>, objects: &Objects<'_>, told: &mut Told) {
    let namespace = object.namespace;
    if !namespace.is_empty() && !objects.has_charts() && !objects.has_namespace(namespace) {
        error(told, format!("no manifest makes the namespace {namespace}"));
    }
    match object.kind {
        "Service" => service(object, objects, told),
        "Ingress" => ingress(object, objects, told),
        "RoleBinding" | "ClusterRoleBinding" => binding(object, objects, told),
        "Middleware" => {
            let secret = text(object.yaml, &["spec", "basicAuth", "secret"]);
            named(secret, "Secret", namespace, objects, told);
        }
        "PersistentVolumeClaim" => class(&object.yaml["spec"], objects, told),
        "StatefulSet" => {
            items(&object.yaml["spec"]["volumeClaimTemplates"])
                .for_each(|claim| class(&claim["spec"], objects, told));
        }
        _ => {}
    }
    selects_its_own(object, told);
    if let Some(pod) = pod(object) {
        pods::check(pod, object, objects, told);
    }
}

/// A name of another object in the same namespace, unless it is empty.
pub(super) fn named(name: &str, kind: &str, namespace: &str, objects: &Objects<'_>, told: &mut Told) {
    // Every namespace has it.
    let is_known = name.is_empty() || (kind, name) == ("ConfigMap", "kube-root-ca.crt");
    let is_there = is_known || objects.find(kind, namespace, name).is_some();
    if !is_there && !objects.has_others(namespace) {
        error(told, format!("there is no {kind} {namespace}/{name}"));
    }
}

fn class(spec: &Yaml, objects: &Objects<'_>, told: &mut Told) {
    let name = text(spec, &["storageClassName"]);
    // A volume that is made by hand names a class that need not exist.
    let is_volume = |object: &Object<'_>| {
        object.kind == "PersistentVolume" && text(object.yaml, &["spec", "storageClassName"]) == name
    };
    let is_there = name.is_empty() || name == OF_K3S || objects.find("StorageClass", "", name).is_some();
    if !is_there && !objects.has_charts() && !objects.iter().any(is_volume) {
        error(told, format!("there is no storage class {name}"));
    }
}

/// Whether labels have all pairs of a selector.
fn selects(selector: &Yaml, labels: &Yaml) -> bool {
    selector.as_hash().is_some_and(|pairs| {
        pairs.iter().all(|(key, value)| key.as_str().is_some_and(|key| labels[key] == *value))
    })
}

/// A workload whose selector does not meet its own template is refused by the API server.
fn selects_its_own(object: &Object<'_>, told: &mut Told) {
    let selector = &object.yaml["spec"]["selector"]["matchLabels"];
    if !matches!(object.kind, "Deployment" | "StatefulSet" | "DaemonSet") || selector.as_hash().is_none() {
        return;
    }
    if !pod_labels(object).is_some_and(|labels| selects(selector, labels)) {
        error(told, "its selector does not select the pods of its own template".to_owned());
    }
}

fn service(object: &Object<'_>, objects: &Objects<'_>, told: &mut Told) {
    let spec = &object.yaml["spec"];
    if spec["selector"].as_hash().is_none_or(|pairs| pairs.is_empty()) {
        return;
    }
    let in_namespace = objects.iter().filter(|other| other.namespace == object.namespace);
    let chosen: Vec<&Object<'_>> = in_namespace
        .filter(|other| pod_labels(other).is_some_and(|labels| selects(&spec["selector"], labels)))
        .collect();
    if chosen.is_empty() {
        if !objects.has_others(object.namespace) {
            error(told, "its selector selects no pod".to_owned());
        }
        return;
    }
    for port in items(&spec["ports"]) {
        let Some(name) = port["targetPort"].as_str() else { continue };
        let has_it = |other: &&Object<'_>| pod(other).is_some_and(|pod| has_port(pod, name));
        if !chosen.iter().any(has_it) {
            error(told, format!("no container that it selects has a port named {name}"));
        }
    }
}

fn has_port(pod: &Yaml, name: &str) -> bool {
    // A container that starts before the others may go on running.
    items(&pod["containers"])
        .chain(items(&pod["initContainers"]))
        .flat_map(|container| items(&container["ports"]))
        .any(|port| port["name"].as_str() == Some(name))
}

/// Where an object of a custom kind lies.
fn of<'a>(other: &Object<'a>) -> &'a str {
    if other.namespace.is_empty() { "default" } else { other.namespace }
}

fn ingress(object: &Object<'_>, objects: &Objects<'_>, told: &mut Told) {
    let (spec, namespace) = (&object.yaml["spec"], object.namespace);
    let paths = items(&spec["rules"]).flat_map(|rule| items(&rule["http"]["paths"]));
    for backend in paths.map(|path| &path["backend"]["service"]).chain([&spec["defaultBackend"]["service"]]) {
        let name = text(backend, &["name"]);
        if name.is_empty() {
            continue;
        }
        let Some(service) = objects.find("Service", namespace, name) else {
            named(name, "Service", namespace, objects, told);
            continue;
        };
        let port = &backend["port"];
        let has_it = |of: &Yaml| match port["name"].as_str() {
            Some(name) => of["name"].as_str() == Some(name),
            None => of["port"] == port["number"],
        };
        if !items(&service.yaml["spec"]["ports"]).any(has_it) {
            error(told, format!("the Service {name} has no such port"));
        }
    }
    let annotations = &object.yaml["metadata"]["annotations"];
    let wanted = annotations["traefik.ingress.kubernetes.io/router.middlewares"].as_str().unwrap_or_default();
    for one in wanted.split(',').map(str::trim).filter(|one| !one.is_empty()) {
        let Some(name) = one.strip_suffix("@kubernetescrd") else { continue };
        let is_it = |other: &&Object<'_>| {
            other.kind == "Middleware" && format!("{}-{}", of(other), other.name) == name
        };
        match objects.iter().find(is_it) {
            // One of k3s or of a chart.
            None if name.starts_with("kube-system-") || objects.has_charts() => {}
            None => error(told, format!("there is no Middleware for {one}")),
            // Unless it is told otherwise.
            Some(other) if of(other) != namespace => told.push((
                format!(
                    "the Middleware {}/{} is of another namespace, which Traefik refuses by default",
                    of(other),
                    other.name
                ),
                true,
            )),
            Some(_) => {}
        }
    }
    // cert-manager makes the secrets of those that ask it.
    let is_made = annotations
        .as_hash()
        .into_iter()
        .flatten()
        .any(|(key, _)| key.as_str().is_some_and(asks_cert_manager));
    if !is_made {
        for tls in items(&spec["tls"]) {
            named(text(tls, &["secretName"]), "Secret", namespace, objects, told);
        }
    }
}

/// An annotation by which an ingress has its certificate made.
fn asks_cert_manager(key: &str) -> bool {
    key.starts_with("cert-manager.io/") || key == "kubernetes.io/tls-acme"
}

fn binding(object: &Object<'_>, objects: &Objects<'_>, told: &mut Told) {
    let role = &object.yaml["roleRef"];
    let (kind, name) = (text(role, &["kind"]), text(role, &["name"]));
    let namespace = if kind == "Role" { object.namespace } else { "" };
    // Those of Kubernetes itself.
    let is_known = ["cluster-admin", "admin", "edit", "view"].contains(&name) || name.starts_with("system:");
    if !is_known
        && objects.find(kind, namespace, name).is_none()
        && !objects.has_charts()
        && !objects.has_others(namespace)
    {
        error(told, format!("there is no {kind} {name}"));
    }
    for subject in
        items(&object.yaml["subjects"]).filter(|subject| subject["kind"].as_str() == Some("ServiceAccount"))
    {
        let namespace = match text(subject, &["namespace"]) {
            "" => object.namespace,
            namespace => namespace,
        };
        account(text(subject, &["name"]), namespace, objects, told);
    }
}

/// Every namespace has the account `default`.
pub(super) fn account(name: &str, namespace: &str, objects: &Objects<'_>, told: &mut Told) {
    if name != "default" {
        named(name, "ServiceAccount", namespace, objects, told);
    }
}
