//! What would run in the cluster: HelmCharts with their jobs, and Deployments, as objects that become ready after a
//! while. Nothing of it runs.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use yaml_rust2::Yaml;

use crate::clock;

/// Kinds that are kept; all others of a manifest are accepted and forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// `helm.cattle.io/v1` HelmChart.
    Chart,
    /// `apps/v1` Deployment.
    Deployment,
    /// `apps/v1` StatefulSet.
    StatefulSet,
    /// `apps/v1` DaemonSet.
    DaemonSet,
    /// `v1` Service with an address of its own.
    LoadBalancer,
    /// `cert-manager.io/v1` Certificate.
    Certificate,
    /// The pods by which k3s' load balancer serves Traefik.
    Balancer,
}

/// Deployments and charts that k3s brings along, with the word that `disable` switches each off by.
const PACKAGED: [(&str, Kind, &str); 7] = [
    ("coredns", Kind::Deployment, "coredns"),
    ("local-path-provisioner", Kind::Deployment, "local-storage"),
    ("metrics-server", Kind::Deployment, "metrics-server"),
    ("traefik", Kind::Deployment, "traefik"),
    ("traefik", Kind::Chart, "traefik"),
    ("traefik-crd", Kind::Chart, "traefik"),
    ("svclb-traefik", Kind::Balancer, "servicelb"),
];

/// Objects by kind, namespace and name, each with the time of its making.
#[derive(Debug)]
pub(crate) struct Workload {
    objects: BTreeMap<(Kind, String, String), Instant>,
    delay: Duration,
    fails: Vec<String>,
}

impl Workload {
    /// What k3s brings along, without what is disabled. Each object needs `delay` to become ready; those named in
    /// `fails` never do.
    pub(crate) fn packaged(disabled: &[String], delay: Duration, fails: Vec<String>) -> Self {
        let wanted = PACKAGED.iter().filter(|(_, _, word)| !disabled.iter().any(|off| off == word));
        let key =
            |(name, kind, _): &(&str, Kind, &str)| (*kind, "kube-system".to_owned(), (*name).to_owned());
        Self { objects: wanted.map(|one| (key(one), Instant::now())).collect(), delay, fails }
    }

    /// Takes over an object of a manifest, where it is of a kind that is kept.
    pub(crate) fn apply(&mut self, object: &Yaml) {
        self.apply_in(object, object["metadata"]["namespace"].as_str().unwrap_or("default"));
    }

    /// The same for one whose namespace is decided elsewhere.
    pub(crate) fn apply_in(&mut self, object: &Yaml, namespace: &str) {
        let kind = match (object["apiVersion"].as_str(), object["kind"].as_str()) {
            (Some("helm.cattle.io/v1"), Some("HelmChart")) => Kind::Chart,
            (Some("apps/v1"), Some("Deployment")) => Kind::Deployment,
            (Some("apps/v1"), Some("StatefulSet")) => Kind::StatefulSet,
            (Some("apps/v1"), Some("DaemonSet")) => Kind::DaemonSet,
            (Some("v1"), Some("Service")) if object["spec"]["type"].as_str() == Some("LoadBalancer") => {
                Kind::LoadBalancer
            }
            (Some("cert-manager.io/v1"), Some("Certificate")) => Kind::Certificate,
            _ => return,
        };
        let Some(name) = object["metadata"]["name"].as_str() else { return };
        self.objects.entry((kind, namespace.to_owned(), name.to_owned())).or_insert_with(Instant::now);
    }

    /// Whether something of this name that was made at that time is ready now.
    pub(crate) fn is_ready(&self, name: &str, made: Instant) -> bool {
        !self.fails.iter().any(|fails| fails == name) && made.elapsed() >= self.delay
    }

    fn items(
        &self,
        kind: Kind,
        namespace: Option<&str>,
        object: impl Fn(&str, &str, bool) -> Value,
    ) -> Vec<Value> {
        let here =
            self.objects.iter().filter(|((k, n, _), _)| *k == kind && namespace.is_none_or(|only| only == n));
        here.map(|((_, namespace, name), made)| object(namespace, name, self.is_ready(name, *made))).collect()
    }

    /// The charts, each with the name of its job, as the Helm controller writes it.
    pub(crate) fn charts(&self, namespace: Option<&str>) -> Vec<Value> {
        self.items(Kind::Chart, namespace, |namespace, name, _| {
            json!({
                "apiVersion": "helm.cattle.io/v1",
                "kind": "HelmChart",
                "metadata": {"name": name, "namespace": namespace},
                "status": {"jobName": format!("helm-install-{name}")},
            })
        })
    }

    /// The jobs of the charts.
    pub(crate) fn jobs(&self, namespace: Option<&str>) -> Vec<Value> {
        self.items(Kind::Chart, namespace, |namespace, name, ready| {
            let done = json!([{"type": "Complete", "status": "True"}]);
            let failed = json!([{
                "type": "Failed", "status": "True", "reason": "BackoffLimitExceeded",
                "message": "Job has reached the specified backoff limit",
            }]);
            let conditions = match ready {
                true => done,
                false if self.fails.iter().any(|fails| fails == name) => failed,
                false => json!([]),
            };
            json!({
                "apiVersion": "batch/v1",
                "kind": "Job",
                "metadata": {"name": format!("helm-install-{name}"), "namespace": namespace},
                "status": {"conditions": conditions},
            })
        })
    }

    /// A pod of each chart's job, of each deployment and of the load balancer: ready with what it belongs to, and until
    /// then without its image.
    pub(crate) fn pods(&self, namespace: Option<&str>, node: &str) -> Vec<Value> {
        let of = |kind: Kind| {
            self.items(kind, namespace, move |namespace, name, ready| {
                let (owner, of) = match kind {
                    Kind::Chart => ("Job", format!("helm-install-{name}")),
                    Kind::Deployment => ("ReplicaSet", format!("{name}-double")),
                    Kind::StatefulSet => ("StatefulSet", name.to_owned()),
                    Kind::DaemonSet | Kind::LoadBalancer | Kind::Certificate => {
                        ("DaemonSet", name.to_owned())
                    }
                    Kind::Balancer => ("DaemonSet", format!("{name}-double")),
                };
                let balanced = name.strip_prefix("svclb-").filter(|_| kind == Kind::Balancer);
                pod(namespace, (owner, &of), balanced, node, ready)
            })
        };
        let kinds =
            [Kind::Chart, Kind::Deployment, Kind::StatefulSet, Kind::DaemonSet, Kind::Balancer].map(of);
        kinds.concat()
    }

    /// Traefik's Service, where there is Traefik, and those of manifests that have an address.
    pub(crate) fn services(&self, namespace: Option<&str>) -> Vec<Value> {
        let mut all = self.items(Kind::Chart, namespace, |namespace, name, _| {
            json!({
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": name, "namespace": namespace},
                "spec": {"type": "LoadBalancer"},
            })
        });
        all.retain(|service| service.pointer("/metadata/name") == Some(&json!("traefik")));
        all.extend(self.items(Kind::LoadBalancer, namespace, |namespace, name, ready| {
            let addresses = if ready { json!([{"ip": "192.0.2.10"}]) } else { json!([]) };
            json!({
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": name, "namespace": namespace},
                "spec": {"type": "LoadBalancer"},
                "status": {"loadBalancer": {"ingress": addresses}},
            })
        }));
        all
    }

    /// The certificates.
    pub(crate) fn certificates(&self, namespace: Option<&str>) -> Vec<Value> {
        self.items(Kind::Certificate, namespace, |namespace, name, ready| {
            let status = if ready { "True" } else { "False" };
            json!({
                "apiVersion": "cert-manager.io/v1",
                "kind": "Certificate",
                "metadata": {"name": name, "namespace": namespace},
                "status": {"conditions": [{"type": "Ready", "status": status, "reason": "Stand-in"}]},
            })
        })
    }

    /// The stateful sets, each with one replica.
    pub(crate) fn stateful_sets(&self, namespace: Option<&str>) -> Vec<Value> {
        self.items(Kind::StatefulSet, namespace, |namespace, name, ready| {
            json!({
                "apiVersion": "apps/v1",
                "kind": "StatefulSet",
                "metadata": {"name": name, "namespace": namespace, "generation": 1},
                "spec": {"replicas": 1},
                "status": {"observedGeneration": 1, "readyReplicas": u8::from(ready)},
            })
        })
    }

    /// The daemon sets, each for one node.
    pub(crate) fn daemon_sets(&self, namespace: Option<&str>) -> Vec<Value> {
        self.items(Kind::DaemonSet, namespace, |namespace, name, ready| {
            json!({
                "apiVersion": "apps/v1",
                "kind": "DaemonSet",
                "metadata": {"name": name, "namespace": namespace, "generation": 1},
                "status": {"desiredNumberScheduled": 1, "numberReady": u8::from(ready)},
            })
        })
    }

    /// The deployments.
    pub(crate) fn deployments(&self, namespace: Option<&str>) -> Vec<Value> {
        self.items(Kind::Deployment, namespace, |namespace, name, ready| {
            let (status, reason, message) = match ready {
                true => ("True", "MinimumReplicasAvailable", "Deployment has minimum availability."),
                false => ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability."),
            };
            json!({
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": name, "namespace": namespace, "generation": 1},
                "status": {
                    "observedGeneration": 1,
                    "conditions": [{"type": "Available", "status": status, "reason": reason, "message": message}],
                },
            })
        })
    }
}

/// A pod of a Job, ReplicaSet or DaemonSet, in one of two states.
fn pod(namespace: &str, (owner, of): (&str, &str), balanced: Option<&str>, node: &str, ready: bool) -> Value {
    let image = "k3s-double/nothing:1";
    let (phase, status, state) = match ready {
        true => ("Running", "True", json!({"running": {"startedAt": clock::rfc3339_now()}})),
        false => {
            let message = "the stand-in has no images";
            ("Pending", "False", json!({"waiting": {"reason": "ErrImagePull", "message": message}}))
        }
    };
    let phase = if owner == "Job" && ready { "Succeeded" } else { phase };
    let labels = match balanced {
        Some(service) => json!({"svccontroller.k3s.cattle.io/svcname": service}),
        None => json!({}),
    };
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": format!("{of}-1"),
            "namespace": namespace,
            "labels": labels,
            "ownerReferences": [{"kind": owner, "name": of}],
        },
        "spec": {"nodeName": node, "containers": [{"name": "only", "image": image}]},
        "status": {
            "phase": phase,
            "conditions": [{"type": "Ready", "status": status}],
            "containerStatuses": [{"name": "only", "image": image, "ready": ready, "state": state}],
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(items: &[Value]) -> Vec<&str> {
        items.iter().map(|item| item["metadata"]["name"].as_str().unwrap()).collect()
    }

    #[test]
    fn what_is_disabled_is_not_there() {
        let all = Workload::packaged(&[], Duration::ZERO, Vec::new());
        assert_eq!(names(&all.charts(None)), ["traefik", "traefik-crd"]);
        let less =
            Workload::packaged(&["traefik".into(), "local-storage".into()], Duration::ZERO, Vec::new());
        assert_eq!(names(&less.deployments(None)), ["coredns", "metrics-server"]);
        assert!(less.charts(None).is_empty() && less.jobs(None).is_empty());
        assert!(all.deployments(Some("default")).is_empty());
    }

    #[test]
    fn ready_after_a_while_or_never() {
        let yaml = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop}\n";
        let object = &yaml_rust2::YamlLoader::load_from_str(yaml).unwrap()[0];
        let status = |delay, fails| {
            let mut workload = Workload::packaged(&[], delay, fails);
            workload.apply(object);
            let shop = workload.deployments(Some("shop"));
            assert_eq!(names(&shop), ["web"]);
            shop[0]["status"]["conditions"][0]["status"].as_str().unwrap().to_owned()
        };
        assert_eq!(status(Duration::ZERO, vec![]), "True");
        assert_eq!(status(Duration::from_secs(60), vec![]), "False");
        assert_eq!(status(Duration::ZERO, vec!["web".into()]), "False");
    }
}
