//! The packaged components of k3s that are not disabled: whether each of them runs.

use serde::Deserialize;

use crate::kube::KubeError;
use crate::seed::{Component, NamespacedName};
use crate::workload::{Objects, Pod, State, complaint};

/// Where k3s deploys them.
const NAMESPACE: &str = "kube-system";

/// The label of the pods by which k3s' load balancer serves a Service (`pkg/cloudprovider/servicelb.go`).
const SERVICE_LABEL: &str = "svccontroller.k3s.cattle.io/svcname";

/// Those that do not run, each with its reason; `None` if there are none.
pub(super) fn missing(
    objects: &Objects<'_>,
    wanted: &[Component],
    own_node: &str,
) -> Result<Option<String>, KubeError> {
    let mut missing = Vec::new();
    for component in wanted {
        if let Err(why) = state(objects, *component, own_node)? {
            let why = why.map(|why| format!(" ({why})")).unwrap_or_default();
            missing.push(format!("{}{why}", component.as_str()));
        }
    }
    Ok((!missing.is_empty()).then(|| format!("components of k3s not running: {}", missing.join(", "))))
}

fn state(objects: &Objects<'_>, component: Component, own_node: &str) -> Result<State, KubeError> {
    let name = |name: &str| NamespacedName::new(NAMESPACE, name);
    match component {
        Component::Coredns => objects.deployment(&name("coredns")),
        Component::LocalStorage => objects.deployment(&name("local-path-provisioner")),
        Component::MetricsServer => objects.deployment(&name("metrics-server")),
        Component::Traefik => {
            for chart in ["traefik-crd", "traefik"] {
                if let Err(why) = objects.chart(&name(chart))? {
                    return Ok(Err(Some(match why {
                        Some(why) => format!("chart {chart}: {why}"),
                        None => format!("chart {chart} is being installed"),
                    })));
                }
            }
            objects.deployment(&name("traefik"))
        }
        Component::Servicelb => service_pods(objects, &name("traefik"), own_node),
    }
}

#[derive(Deserialize)]
struct Service {
    #[serde(default)]
    spec: ServiceSpec,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct ServiceSpec {
    #[serde(rename = "type", default)]
    kind: String,
    /// Set for the load balancer of somebody else.
    load_balancer_class: Option<String>,
}

/// The load balancer has a pod on each node for each Service of the type LoadBalancer. k3s itself makes one: Traefik's, if
/// that is not set to another type. Another node's pod is that node's affair.
fn service_pods(objects: &Objects<'_>, service: &NamespacedName, own_node: &str) -> Result<State, KubeError> {
    let balanced = objects.get::<Service>("/api/v1", "services", service)?.is_some_and(|service| {
        service.spec.kind == "LoadBalancer" && service.spec.load_balancer_class.is_none()
    });
    if !balanced {
        return Ok(Ok(()));
    }
    let pods = objects.pods(NAMESPACE)?;
    let own = || pods.iter().filter(|pod| pod.has_label(SERVICE_LABEL, service.name()));
    let here = || own().filter(|pod| pod.is_on(own_node));
    if own().any(Pod::is_ready) && here().all(Pod::is_ready) {
        return Ok(Ok(()));
    }
    let why = complaint(here()).or_else(|| complaint(own()));
    Ok(Err(Some(why.unwrap_or_else(|| format!("no pod for the Service {service} yet")))))
}
