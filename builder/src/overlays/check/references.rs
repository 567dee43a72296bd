//! What objects name of each other: a name that leads nowhere is a pod that never starts, or a page that nobody reaches.

use yaml_rust2::Yaml;

use super::objects::{Object, Objects};
use super::{Told, error, items, pod, pod_labels, text};

/// The class that k3s itself has.
const OF_K3S: &str = "local-path";

pub(super) fn check(object: &Object<'_>, objects: &Objects<'_>, told: &mut Told) {
    let namespace = object.namespace;
    if !namespace.is_empty() && !objects.has_namespace(namespace) {
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
        Pod { pod, object, objects }.check(told);
    }
}

/// A name of another object in the same namespace, unless it is empty.
fn named(name: &str, kind: &str, namespace: &str, objects: &Objects<'_>, told: &mut Told) {
    let is_there = name.is_empty() || objects.find(kind, namespace, name).is_some();
    if !is_there && !objects.has_others(namespace) {
        error(told, format!("there is no {kind} {namespace}/{name}"));
    }
}

fn class(spec: &Yaml, objects: &Objects<'_>, told: &mut Told) {
    let name = text(spec, &["storageClassName"]);
    let is_there = name.is_empty() || name == OF_K3S || objects.find("StorageClass", "", name).is_some();
    if !is_there && !objects.has_charts() {
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
    items(&pod["containers"])
        .flat_map(|container| items(&container["ports"]))
        .any(|port| port["name"].as_str() == Some(name))
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
            other.kind == "Middleware" && format!("{}-{}", other.namespace, other.name) == name
        };
        match objects.iter().find(is_it) {
            None => error(told, format!("there is no Middleware for {one}")),
            Some(other) if other.namespace != namespace => error(
                told,
                format!(
                    "the Middleware {}/{} is of another namespace, which Traefik refuses",
                    other.namespace, other.name
                ),
            ),
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
    if !is_known && objects.find(kind, namespace, name).is_none() && !objects.has_charts() {
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
fn account(name: &str, namespace: &str, objects: &Objects<'_>, told: &mut Told) {
    if name != "default" {
        named(name, "ServiceAccount", namespace, objects, told);
    }
}

struct Pod<'a, 'o> {
    pod: &'a Yaml,
    object: &'a Object<'o>,
    objects: &'a Objects<'o>,
}

impl Pod<'_, '_> {
    fn check(&self, told: &mut Told) {
        let namespace = self.object.namespace;
        account(text(self.pod, &["serviceAccountName"]), namespace, self.objects, told);
        for volume in items(&self.pod["volumes"]) {
            self.volume(volume, told);
        }
        let containers = ["initContainers", "containers"].map(|list| items(&self.pod[list]));
        for container in containers.into_iter().flatten() {
            self.container(container, told);
        }
    }

    fn volume(&self, volume: &Yaml, told: &mut Told) {
        let namespace = self.object.namespace;
        let (secret, config) = (&volume["secret"], &volume["configMap"]);
        self.keys("Secret", text(secret, &["secretName"]), secret, told);
        self.keys("ConfigMap", text(config, &["name"]), config, told);
        for source in items(&volume["projected"]["sources"]) {
            self.keys("Secret", text(source, &["secret", "name"]), &source["secret"], told);
            self.keys("ConfigMap", text(source, &["configMap", "name"]), &source["configMap"], told);
        }
        let claim = text(volume, &["persistentVolumeClaim", "claimName"]);
        named(claim, "PersistentVolumeClaim", namespace, self.objects, told);
    }

    /// An object, and those of its keys that are named.
    fn keys(&self, kind: &str, name: &str, of: &Yaml, told: &mut Told) {
        if of["optional"].as_bool() == Some(true) {
            return;
        }
        named(name, kind, self.object.namespace, self.objects, told);
        for item in items(&of["items"]) {
            self.key(kind, name, text(item, &["key"]), told);
        }
    }

    fn key(&self, kind: &str, name: &str, key: &str, told: &mut Told) {
        let Some(found) = self.objects.find(kind, self.object.namespace, name) else { return };
        let has_it =
            ["data", "stringData", "binaryData"].iter().any(|part| !found.yaml[*part][key].is_badvalue());
        if !has_it {
            error(told, format!("the {kind} {name} has no key {key}"));
        }
    }

    fn container(&self, container: &Yaml, told: &mut Told) {
        for (kind, by_key, whole) in
            [("Secret", "secretKeyRef", "secretRef"), ("ConfigMap", "configMapKeyRef", "configMapRef")]
        {
            for variable in items(&container["env"]) {
                let from = &variable["valueFrom"][by_key];
                let name = text(from, &["name"]);
                self.keys(kind, name, from, told);
                if !name.is_empty() && from["optional"].as_bool() != Some(true) {
                    self.key(kind, name, text(from, &["key"]), told);
                }
            }
            for from in items(&container["envFrom"]) {
                self.keys(kind, text(from, &[whole, "name"]), &from[whole], told);
            }
        }
        let claims = items(&self.object.yaml["spec"]["volumeClaimTemplates"])
            .map(|claim| text(claim, &["metadata", "name"]));
        let volumes = items(&self.pod["volumes"]).map(|volume| text(volume, &["name"]));
        let known: Vec<&str> = volumes.chain(claims).collect();
        for mount in items(&container["volumeMounts"]) {
            let name = text(mount, &["name"]);
            if !known.contains(&name) {
                error(
                    told,
                    format!(
                        "the container {} mounts {name}, and the pod has no such volume",
                        text(container, &["name"])
                    ),
                );
            }
        }
        for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
            for check in ["httpGet", "tcpSocket"] {
                let Some(port) = container[probe][check]["port"].as_str() else { continue };
                if !items(&container["ports"]).any(|of| of["name"].as_str() == Some(port)) {
                    error(
                        told,
                        format!(
                            "{probe} of {} asks the port {port}, which it does not have",
                            text(container, &["name"])
                        ),
                    );
                }
            }
        }
    }
}
