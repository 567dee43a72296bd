//! The phases ready, nodes and workloads, one look at a time, up to the messages of the report.

use std::cell::Cell;
use std::thread;
use std::time::Duration;

use hc_firstboot::state::PhaseName;
use serde_json::{Value, json};

use crate::control_plane::{ControlPlane, expect, no_mismatch};
use crate::node_on_cluster::{NodeOnCluster, kubeconfig};
use crate::objects::{
    JSON, MERGE, available, complete, definition, deployment, job_object, node, pod, ready,
};
use crate::support;

#[test]
#[ignore = "needs kube-apiserver and etcd: make api-test"]
fn the_phases_on_a_real_api_server() {
    let mut plane = ControlPlane::new();
    let server = NodeOnCluster::server();
    println!("ready, on the first server:");
    server.says(PhaseName::Ready, "no access to the cluster's API: reading /etc/rancher/k3s/k3s.yaml");
    server.put("etc/rancher/k3s/k3s.yaml", &kubeconfig(plane.port, &plane.ca, &plane.admin));
    server.says(PhaseName::Ready, "does not answer (connection refused)");
    plane.start();
    server.says(PhaseName::Ready, "it has not joined the cluster yet");
    plane.write("POST", "/api/v1/nodes", JSON, &node("hc-1"));
    server.says(PhaseName::Ready, "it has no Ready condition yet");
    let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    plane.write("PATCH", "/api/v1/nodes/hc-1/status", MERGE, &ready("False", boot_id.trim()));
    server.says(PhaseName::Ready, "its condition is False (KubeletNotReady: cni plugin not initialized)");
    plane.write("PATCH", "/api/v1/nodes/hc-1/status", MERGE, &ready("True", "another-boot"));
    server.says(PhaseName::Ready, "the kubelet has not reported since the last boot");
    plane.write("PATCH", "/api/v1/nodes/hc-1/status", MERGE, &ready("True", boot_id.trim()));
    server.says(PhaseName::Ready, "done: ");

    println!("ready, on an agent by its kubelet's certificate:");
    let agent = NodeOnCluster::agent();
    agent.put(
        "var/lib/rancher/k3s/agent/kubelet.kubeconfig",
        &kubeconfig(plane.port, &plane.ca, &plane.kubelet_2),
    );
    agent.says(PhaseName::Ready, "it has not joined the cluster yet");
    plane.write("POST", "/api/v1/nodes", JSON, &node("hc-2"));
    plane.write("PATCH", "/api/v1/nodes/hc-2/status", MERGE, &ready("True", boot_id.trim()));
    agent.says(PhaseName::Ready, "done: ");
    agent.put(
        "var/lib/rancher/k3s/agent/kubelet.kubeconfig",
        &kubeconfig(plane.port, &plane.ca, &plane.kubelet),
    );
    agent.says(PhaseName::Ready, "does not allow it (403: nodes \"hc-2\" is forbidden");

    println!("nodes:");
    server.says(PhaseName::Nodes, "not joined: hc-3");
    plane.write("POST", "/api/v1/nodes", JSON, &node("hc-3"));
    server.says(PhaseName::Nodes, "joined but not Ready: hc-3");
    plane.write("PATCH", "/api/v1/nodes/hc-3/status", MERGE, &ready("True", "x"));
    server.says(PhaseName::Nodes, "done: 2 joined and Ready");

    workloads(&mut plane, &server);
    no_mismatch();
}

/// From nothing to a workload that is complete.
pub(crate) fn workloads(plane: &mut ControlPlane, server: &NodeOnCluster) {
    println!("workloads:");
    let system = "/namespaces/kube-system";
    server.put("var/lib/rancher/k3s/server/manifests/shop.yaml", "kind: Shop\n");
    server.says(
        PhaseName::Workloads,
        "manifests not applied: shop; components of k3s not running: coredns (it does not exist yet)",
    );
    plane.write(
        "POST",
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        JSON,
        &definition("k3s.cattle.io", "Addon"),
    );
    plane.write(
        "POST",
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        JSON,
        &definition("helm.cattle.io", "HelmChart"),
    );
    plane.wait_for(&format!("/apis/k3s.cattle.io/v1{system}/addons"));
    plane.wait_for(&format!("/apis/helm.cattle.io/v1{system}/helmcharts"));

    let event = json!({
        "apiVersion": "v1", "kind": "Event", "metadata": {"name": "shop.1", "namespace": "kube-system"},
        "involvedObject": {"kind": "Addon", "name": "shop", "namespace": "kube-system"}, "type": "Warning",
        "reason": "ApplyManifestFailed", "message": "no matches for kind \"Shop\"",
        "lastTimestamp": "2026-11-26T12:00:00Z",
    });
    plane.write("POST", &format!("/api/v1{system}/events"), JSON, &event);
    let addon = json!({
        "apiVersion": "k3s.cattle.io/v1", "kind": "Addon", "metadata": {"name": "shop", "namespace": "kube-system"},
        "spec": {"source": "/var/lib/rancher/k3s/server/manifests/shop.yaml"},
    });
    plane.write("POST", &format!("/apis/k3s.cattle.io/v1{system}/addons"), JSON, &addon);
    server.says(PhaseName::Workloads, "manifests not applied: shop (shop: no matches for kind \"Shop\")");
    let path = format!("/apis/k3s.cattle.io/v1{system}/addons/shop");
    let sum = support::sha256sum(&server.path("var/lib/rancher/k3s/server/manifests/shop.yaml"));
    plane.write("PATCH", &path, MERGE, &json!({"spec": {"checksum": sum}}));
    server.says(PhaseName::Workloads, "manifests applied less than 20 s ago: shop");

    println!("the pod of CoreDNS without its image:");
    for name in ["coredns", "traefik"] {
        plane.write("POST", &format!("/apis/apps/v1{system}/deployments"), JSON, &deployment(name));
    }
    plane.write(
        "POST",
        &format!("/api/v1{system}/pods"),
        JSON,
        &pod("coredns-5d78c9869d-x", "ReplicaSet", "coredns-5d78c9869d"),
    );
    let status = |state: Value| {
        json!({"status": {"phase": "Pending", "conditions": [{"type": "Ready", "status": "False"}], "containerStatuses": [{
            "name": "only", "image": "rancher/only:1", "imageID": "", "ready": false, "restartCount": 0, "state": state,
        }]}})
    };
    let waiting =
        |reason: &str, message: &str| status(json!({"waiting": {"reason": reason, "message": message}}));
    let coredns = format!("/api/v1{system}/pods/coredns-5d78c9869d-x/status");
    plane.write("PATCH", &coredns, MERGE, &json!({"status": {"conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes are available"}]}}));
    server.says(
        PhaseName::Workloads,
        "coredns (pod coredns-5d78c9869d-x: Unschedulable: 0/1 nodes are available)",
    );
    plane.write("PATCH", &coredns, MERGE, &waiting("ErrImagePull", "dial tcp: no such host"));
    server.says(
        PhaseName::Workloads,
        "coredns (pod coredns-5d78c9869d-x: ErrImagePull, image rancher/only:1: dial tcp: no such host)",
    );
    available(plane, "coredns");

    println!("Traefik's charts and its load balancer:");
    server.says(PhaseName::Workloads, "traefik (chart traefik-crd: it does not exist yet)");
    for name in ["traefik-crd", "traefik"] {
        let chart = json!({
            "apiVersion": "helm.cattle.io/v1", "kind": "HelmChart", "metadata": {"name": name, "namespace": "kube-system"},
        });
        plane.write("POST", &format!("/apis/helm.cattle.io/v1{system}/helmcharts"), JSON, &chart);
        let path = format!("/apis/helm.cattle.io/v1{system}/helmcharts/{name}");
        let job = format!("helm-install-{name}");
        plane.write("PATCH", &format!("{path}/status"), MERGE, &json!({"status": {"jobName": job}}));
        plane.write("POST", &format!("/apis/batch/v1{system}/jobs"), JSON, &job_object(&job));
    }
    let helm = pod("helm-install-traefik-crd-x", "Job", "helm-install-traefik-crd");
    plane.write("POST", &format!("/api/v1{system}/pods"), JSON, &helm);
    let path = format!("/api/v1{system}/pods/helm-install-traefik-crd-x/status");
    let mut crash = waiting("CrashLoopBackOff", "back-off 10s");
    crash["status"]["containerStatuses"][0]["lastState"] =
        json!({"terminated": {"exitCode": 1, "reason": "Error"}});
    plane.write("PATCH", &path, MERGE, &crash);
    server.says(
        PhaseName::Workloads,
        "traefik (chart traefik-crd: pod helm-install-traefik-crd-x: CrashLoopBackOff, exit code 1, image rancher/only:1: back-off 10s)",
    );
    for name in ["traefik-crd", "traefik"] {
        complete(plane, &format!("helm-install-{name}"));
    }
    server.says(PhaseName::Workloads, "components of k3s not running: traefik");
    available(plane, "traefik");
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "traefik", "namespace": "kube-system"},
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80}], "selector": {"app": "traefik"}},
    });
    plane.write("POST", &format!("/api/v1{system}/services"), JSON, &service);
    server.says(PhaseName::Workloads, "servicelb (no pod for the Service kube-system/traefik yet)");
    let mut balancer = pod("svclb-traefik-1234-x", "DaemonSet", "svclb-traefik-1234");
    balancer["metadata"]["labels"] = json!({"svccontroller.k3s.cattle.io/svcname": "traefik"});
    plane.write("POST", &format!("/api/v1{system}/pods"), JSON, &balancer);
    server.says(PhaseName::Workloads, "servicelb (pod svclb-traefik-1234-x: ");
    let running =
        json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}});
    plane.write("PATCH", &format!("/api/v1{system}/pods/svclb-traefik-1234-x/status"), MERGE, &running);

    println!("the API restarts while the manifest settles:");
    plane.stop();
    server.says(PhaseName::Workloads, "does not answer (connection refused)");
    plane.start();
    let settled = Cell::new(None);
    for _ in 0..30 {
        match server.verify(PhaseName::Workloads) {
            Ok(notes) => {
                settled.set(Some(notes));
                break;
            }
            Err(why) => println!("  {why}"),
        }
        thread::sleep(Duration::from_secs(2));
    }
    expect(&settled.take().unwrap().join(", "), "components of k3s: 3, manifests: 1");

    println!("it is pruned: the file of a component with this name is applied over it");
    plane.write(
        "PATCH",
        &format!("/apis/k3s.cattle.io/v1{system}/addons/shop"),
        MERGE,
        &json!({"spec": {"checksum": "0"}}),
    );
    server.says(PhaseName::Workloads, "manifests not applied: shop");
}
