//! Charts, deployments and daemon sets: whether they are as they must be.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::State;
use super::pods::{self, Pod};
use crate::kube::{Client, Condition, KubeError, Meta, Selector, bounded, condition};
use crate::seed::NamespacedName;

/// What is said of an object that nobody has made.
const NOT_YET: &str = "it does not exist yet";

/// Objects of the cluster. The pods of a namespace are read once, and only if something is missing.
pub struct Objects<'a> {
    client: &'a Client<'a>,
    /// Whether pods of before a change count as missing.
    all_new: bool,
    pods: RefCell<BTreeMap<String, Rc<Vec<Pod>>>>,
}

#[derive(Deserialize)]
struct Chart {
    #[serde(default)]
    status: ChartStatus,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct ChartStatus {
    /// The job is in the chart's namespace.
    #[serde(default)]
    job_name: String,
}

#[derive(Deserialize)]
struct Job {
    #[serde(default)]
    status: Conditions,
}

#[derive(Deserialize, Default)]
struct Conditions {
    #[serde(default)]
    conditions: Vec<Condition>,
}

#[derive(Deserialize)]
struct Deployment {
    #[serde(default)]
    metadata: Meta,
    #[serde(default)]
    spec: Replicas,
    #[serde(default)]
    status: DeploymentStatus,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct DeploymentStatus {
    /// The generation of the spec that the status describes.
    #[serde(default)]
    observed_generation: u64,
    /// All pods, and those of the newest template.
    #[serde(default)]
    replicas: u64,
    #[serde(default)]
    updated_replicas: u64,
    #[serde(default)]
    conditions: Vec<Condition>,
}

#[derive(Deserialize)]
struct DaemonSet {
    #[serde(default)]
    metadata: Meta,
    #[serde(default)]
    status: DaemonSetStatus,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct DaemonSetStatus {
    #[serde(default)]
    observed_generation: u64,
    #[serde(default)]
    updated_number_scheduled: u64,
    #[serde(default)]
    number_ready: u64,
    #[serde(default)]
    desired_number_scheduled: u64,
}

#[derive(Deserialize)]
struct StatefulSet {
    #[serde(default)]
    metadata: Meta,
    #[serde(default)]
    spec: Replicas,
    #[serde(default)]
    status: StatefulSetStatus,
}

#[derive(Deserialize, Default)]
struct Replicas {
    /// The API server writes 1 where nobody says it.
    replicas: Option<u64>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct StatefulSetStatus {
    #[serde(default)]
    observed_generation: u64,
    #[serde(default)]
    ready_replicas: u64,
    #[serde(default)]
    updated_replicas: u64,
}

#[derive(Deserialize)]
struct Service {
    #[serde(default)]
    status: ServiceStatus,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct ServiceStatus {
    #[serde(default)]
    load_balancer: LoadBalancerStatus,
}

#[derive(Deserialize, Default)]
struct LoadBalancerStatus {
    #[serde(default)]
    ingress: Vec<serde::de::IgnoredAny>,
}

/// Of cert-manager.
#[derive(Deserialize)]
struct Certificate {
    #[serde(default)]
    status: Conditions,
}

impl<'a> Objects<'a> {
    /// Objects that this client asks for.
    pub fn new(client: &'a Client<'a>) -> Self {
        Self { client, all_new: false, pods: RefCell::default() }
    }

    /// The same after a change: a workload is there once all its pods are of the new kind. A deployment stays available by its old ones
    /// while the new ones fail.
    pub fn after_a_change(self) -> Self {
        Self { all_new: true, ..self }
    }

    /// An object in a namespace; `None` if it, or its kind, does not exist.
    pub(crate) fn get<T: DeserializeOwned>(
        &self,
        group: &str,
        kind: &str,
        name: &NamespacedName,
    ) -> Result<Option<T>, KubeError> {
        self.named(group, kind, name.namespace(), name.name())
    }

    fn named<T: DeserializeOwned>(
        &self,
        group: &str,
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> Result<Option<T>, KubeError> {
        match self.client.get(&format!("{group}/namespaces/{namespace}/{kind}/{name}")) {
            Ok(object) => Ok(Some(object)),
            Err(e) if e.is_not_found() => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// All pods of a namespace.
    pub(crate) fn pods(&self, namespace: &str) -> Result<Rc<Vec<Pod>>, KubeError> {
        if let Some(known) = self.pods.borrow().get(namespace) {
            return Ok(known.clone());
        }
        let path = format!("/api/v1/namespaces/{namespace}/pods");
        let all: Rc<Vec<Pod>> = Rc::new(self.client.list(&path, Selector::default())?);
        self.pods.borrow_mut().insert(namespace.to_owned(), all.clone());
        Ok(all)
    }

    /// A chart is installed when its job is complete.
    pub fn chart(&self, name: &NamespacedName) -> Result<State, KubeError> {
        let Some(chart) = self.get::<Chart>("/apis/helm.cattle.io/v1", "helmcharts", name)? else {
            return Ok(Err(Some(NOT_YET.to_owned())));
        };
        let job = chart.status.job_name;
        if job.is_empty() {
            return Ok(Err(Some("it has no job yet".to_owned())));
        }
        let state = self.named::<Job>("/apis/batch/v1", "jobs", name.namespace(), &job)?;
        let conditions = state.map(|job| job.status.conditions).unwrap_or_default();
        if condition(&conditions, "Complete").is_some_and(|complete| complete.status == "True") {
            return Ok(Ok(()));
        }
        let failed = condition(&conditions, "Failed").filter(|failed| failed.status == "True");
        if let Some(failed) = failed.and_then(told) {
            return Ok(Err(Some(failed)));
        }
        let pods = self.pods(name.namespace())?;
        Ok(Err(pods::complaint(pods.iter().filter(|pod| pod.belongs_to("Job", &job)))))
    }

    /// A deployment, or a daemon set of this name: charts may be set to either.
    pub fn deployment(&self, name: &NamespacedName) -> Result<State, KubeError> {
        let Some(one) = self.get::<Deployment>("/apis/apps/v1", "deployments", name)? else {
            return self.daemon_set(name);
        };
        let available = condition(&one.status.conditions, "Available");
        let is_told = one.status.observed_generation >= one.metadata.generation;
        let is_available = is_told && available.is_some_and(|available| available.status == "True");
        let old = self.old_pods(&one).filter(|_| is_available);
        if is_available && old.is_none() {
            return Ok(Ok(()));
        }
        let pods = self.pods(name.namespace())?;
        let own = pods.iter().filter(|pod| pod.is_of_deployment(name.name()));
        Ok(Err(pods::complaint(own).or(old).or_else(|| available.and_then(told))))
    }

    /// What is said of pods that are not of the newest template, where that counts.
    fn old_pods(&self, one: &Deployment) -> Option<String> {
        let wanted = one.spec.replicas.unwrap_or(1);
        let DeploymentStatus { replicas, updated_replicas, .. } = one.status;
        let is_new = updated_replicas >= wanted && replicas == updated_replicas;
        (self.all_new && !is_new).then(|| format!("{updated_replicas} of {replicas} pods are new"))
    }

    fn daemon_set(&self, name: &NamespacedName) -> Result<State, KubeError> {
        self.daemon_set_with(name, |status| status.number_ready > 0)
    }

    /// A daemon set is ready on all nodes that are there.
    pub fn whole_daemon_set(&self, name: &NamespacedName) -> Result<State, KubeError> {
        self.daemon_set_with(name, |status| {
            let wanted = status.desired_number_scheduled;
            let is_new = !self.all_new || status.updated_number_scheduled >= wanted;
            wanted > 0 && status.number_ready >= wanted && is_new
        })
    }

    /// A stateful set with all its replicas.
    pub fn stateful_set(&self, name: &NamespacedName) -> Result<State, KubeError> {
        let Some(one) = self.get::<StatefulSet>("/apis/apps/v1", "statefulsets", name)? else {
            return Ok(Err(Some(NOT_YET.to_owned())));
        };
        if one.status.observed_generation >= one.metadata.generation
            && one.status.ready_replicas >= one.spec.replicas.unwrap_or(1)
            && (!self.all_new || one.status.updated_replicas >= one.spec.replicas.unwrap_or(1))
        {
            return Ok(Ok(()));
        }
        let pods = self.pods(name.namespace())?;
        Ok(Err(pods::complaint(pods.iter().filter(|pod| pod.belongs_to("StatefulSet", name.name())))))
    }

    /// A service that has got its address.
    pub fn load_balancer(&self, name: &NamespacedName) -> Result<State, KubeError> {
        let Some(one) = self.get::<Service>("/api/v1", "services", name)? else {
            return Ok(Err(Some(NOT_YET.to_owned())));
        };
        match one.status.load_balancer.ingress.is_empty() {
            true => Ok(Err(Some("no load balancer has given it an address".to_owned()))),
            false => Ok(Ok(())),
        }
    }

    /// A certificate that is issued.
    pub fn certificate(&self, name: &NamespacedName) -> Result<State, KubeError> {
        let Some(one) = self.get::<Certificate>("/apis/cert-manager.io/v1", "certificates", name)? else {
            return Ok(Err(Some(NOT_YET.to_owned())));
        };
        match condition(&one.status.conditions, "Ready") {
            Some(ready) if ready.status == "True" => Ok(Ok(())),
            other => Ok(Err(other.and_then(told))),
        }
    }

    fn daemon_set_with(
        &self,
        name: &NamespacedName,
        is_good: impl Fn(&DaemonSetStatus) -> bool,
    ) -> Result<State, KubeError> {
        let Some(one) = self.get::<DaemonSet>("/apis/apps/v1", "daemonsets", name)? else {
            return Ok(Err(Some(NOT_YET.to_owned())));
        };
        let is_told = !self.all_new || one.status.observed_generation >= one.metadata.generation;
        if is_told && is_good(&one.status) {
            return Ok(Ok(()));
        }
        let pods = self.pods(name.namespace())?;
        Ok(Err(pods::complaint(pods.iter().filter(|pod| pod.belongs_to("DaemonSet", name.name())))))
    }
}

/// Reason and message of a condition, if it has one of them.
fn told(condition: &Condition) -> Option<String> {
    let Condition { reason, message, .. } = condition;
    (!reason.is_empty() || !message.is_empty()).then(|| bounded(&format!("{reason}: {message}")))
}
