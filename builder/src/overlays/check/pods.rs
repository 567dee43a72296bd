//! What pods name: secrets, config maps, claims, accounts, volumes, ports.

use yaml_rust2::Yaml;

use super::objects::{Object, Objects};
use super::references::{account, named};
use super::{Told, error, items, text};

pub(super) fn check(pod: &Yaml, object: &Object<'_>, objects: &Objects<'_>, told: &mut Told) {
    Pod { pod, object, objects }.check(told);
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
        if !self.objects.has_claim_of_set(namespace, claim) {
            named(claim, "PersistentVolumeClaim", namespace, self.objects, told);
        }
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
        // A controller fills it.
        if text(found.yaml, &["type"]) == "kubernetes.io/service-account-token" {
            return;
        }
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
