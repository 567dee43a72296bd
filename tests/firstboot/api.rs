//! The cluster's API as k3s serves it on a node, in the form of its answers, and the files by which the node may ask it.

use std::time::Duration;

use hc_firstboot::sys::{TlsError, TlsRequest, Trust};

use crate::machine::Volatile;
use crate::scenario::{CA, Cluster, MANIFEST, World};

const CERTIFICATE: &str = "own certificate";
const KEY: &str = "own key";

/// As k3s writes it on a server; the values by coreutils' base64.
const SERVER_CONFIG: &str = "apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCmIyNWwKLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo=
    server: https://127.0.0.1:6443
  name: default
users:
- name: default
  user:
    client-certificate-data: b3duIGNlcnRpZmljYXRl
    client-key-data: b3duIGtleQ==
";

const AGENT_CONFIG: &str = "apiVersion: v1
clusters:
- cluster:
    certificate-authority: /var/lib/rancher/k3s/agent/server-ca.crt
    server: https://127.0.0.1:6444
  name: local
users:
- name: user
  user:
    client-certificate: /var/lib/rancher/k3s/agent/client-kubelet.crt
    client-key: /var/lib/rancher/k3s/agent/client-kubelet.key
";

/// What the API answers: a status and a body.
type Answer = (u16, String);

impl World {
    /// The files with credentials, which are there from the third second of k3s on.
    pub(crate) fn written_by_k3s(&self, path: &str, now: &Volatile) -> Option<String> {
        Self::age(now).filter(|age| *age >= 3)?;
        let agent = self.seed.role.is_agent();
        let text = match path.rsplit('/').next()? {
            "k3s.yaml" if !agent => SERVER_CONFIG,
            "kubelet.kubeconfig" if agent => AGENT_CONFIG,
            "server-ca.crt" if agent => CA,
            "client-kubelet.crt" if agent => CERTIFICATE,
            "client-kubelet.key" if agent => KEY,
            _ => return None,
        };
        Some(text.to_owned())
    }

    /// One exchange with the API.
    pub(crate) fn api(
        &self,
        request: &TlsRequest<'_>,
        clock: Duration,
        now: &Volatile,
    ) -> Result<Vec<u8>, TlsError> {
        let port = if self.seed.role.is_agent() { 6444 } else { 6443 };
        assert_eq!((request.server.port(), request.name), (port, "127.0.0.1"));
        let Trust::Ca { roots, at } = request.trust else { panic!("the API was asked without its CA") };
        assert_eq!(roots, &[b"one".to_vec()]);
        assert!(at.abs_diff(clock) < Duration::from_secs(1), "verified at this node's own time");
        let identity = request.identity.expect("the API was asked without a certificate");
        assert_eq!((&*identity.certificates, &*identity.key), (CERTIFICATE.as_bytes(), KEY.as_bytes()));
        let age = Self::age(now).unwrap_or_default();
        if age < 6 {
            return Err(TlsError::Refused);
        }
        let message = str::from_utf8(request.message).unwrap();
        let target = message.strip_prefix("GET ").unwrap().split(' ').next().unwrap();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        // As a kubelet registers it.
        let own = match &self.seed.node.id {
            Some(id) => format!("{}-{id}", now.hostname),
            None => now.hostname.clone(),
        };
        let (status, body) = self.object(path, age, &own).unwrap_or_else(|| self.list(path, query, age));
        // As Go sends what it does not know the length of.
        let (one, two) = body.split_at(body.len() / 2);
        let chunk = |text: &str| {
            if text.is_empty() { String::new() } else { format!("{:x}\r\n{text}\r\n", text.len()) }
        };
        Ok(format!(
            "HTTP/1.1 {status} X\r\nTransfer-Encoding: chunked\r\n\r\n{}{}0\r\n\r\n",
            chunk(one),
            chunk(two)
        )
        .into_bytes())
    }

    /// A single object, if the path is that of one.
    fn object(&self, path: &str, age: u64, own: &str) -> Option<Answer> {
        let done = age >= 25;
        let (of, name) = path.rsplit_once('/')?;
        let system = "/namespaces/kube-system/";
        let found = match (of, name) {
            ("/api/v1/nodes", name) if name == own => self.node(age, own),
            ("/apis/helm.cattle.io/v1/namespaces/kube-system/helmcharts", "traefik" | "traefik-crd") => {
                format!(r#"{{"metadata":{{"name":"{name}"}},"status":{{"jobName":"helm-install-{name}"}}}}"#)
            }
            (
                "/apis/batch/v1/namespaces/kube-system/jobs",
                "helm-install-traefik" | "helm-install-traefik-crd",
            ) => {
                let kind = if self.workload_is_good && done { "Complete" } else { "Failed" };
                format!(
                    r#"{{"metadata":{{"name":"{name}"}},"status":{{"conditions":[
                        {{"type":"{kind}","status":"True","reason":"BackoffLimitExceeded","message":"too often"}}]}}}}"#
                )
            }
            ("/apis/apps/v1/namespaces/shop/deployments", "web") => deployment(self.workload_is_good && done),
            ("/apis/apps/v1/namespaces/shop/statefulsets", "db") => {
                let ready = if self.workload_is_good && done { 2 } else { 1 };
                format!(
                    r#"{{"metadata":{{"generation":3}},"spec":{{"replicas":2}},"status":{{"observedGeneration":3,"readyReplicas":{ready}}}}}"#
                )
            }
            ("/apis/apps/v1/namespaces/shop/daemonsets", "speaker") => {
                let ready = if self.workload_is_good && done { 3 } else { 2 };
                format!(r#"{{"status":{{"desiredNumberScheduled":3,"numberReady":{ready}}}}}"#)
            }
            ("/api/v1/namespaces/shop/services", "web") => {
                let addresses =
                    if self.workload_is_good && done { r#"[{"ip":"192.168.1.240"}]"# } else { "[]" };
                format!(r#"{{"status":{{"loadBalancer":{{"ingress":{addresses}}}}}}}"#)
            }
            ("/apis/cert-manager.io/v1/namespaces/shop/certificates", "web") => {
                let (status, message) = match self.workload_is_good && done {
                    true => ("True", "it is valid"),
                    false => ("False", "the order is pending"),
                };
                format!(
                    r#"{{"status":{{"conditions":[{{"type":"Ready","status":"{status}","reason":"Issuing","message":"{message}"}}]}}}}"#
                )
            }
            (_, "coredns" | "traefik") if of == format!("/apis/apps/v1{system}deployments") => {
                deployment(done && self.broken_component != Some(name))
            }
            ("/api/v1/namespaces/kube-system/services", "traefik") => {
                r#"{"spec":{"type":"LoadBalancer"}}"#.to_owned()
            }
            _ if ["nodes", "pods", "events", "addons"].contains(&name) => return None,
            _ => return Some(not_found(name)),
        };
        Some((200, found))
    }

    fn list(&self, path: &str, query: &str, age: u64) -> Answer {
        assert!(query.starts_with("limit=20"), "{query}");
        let only = query.split_once("fieldSelector=").map(|(_, only)| only);
        assert_eq!(only.is_some(), path.ends_with("/events"), "{query}");
        let items = match path {
            "/api/v1/nodes" => {
                // In two pages: the other nodes on the second.
                if query.ends_with("&continue=more%2F") {
                    self.other_nodes(age)
                } else {
                    let own = node("hc-1", "True");
                    return (200, format!(r#"{{"metadata":{{"continue":"more/"}},"items":[{own}]}}"#));
                }
            }
            "/apis/k3s.cattle.io/v1/namespaces/kube-system/addons" => match self.addon(age) {
                Some(addon) => addon,
                // k3s has not defined the kind.
                None => return not_found("addons"),
            },
            "/api/v1/namespaces/kube-system/events" => {
                assert_eq!(
                    only,
                    Some("involvedObject.kind%3DAddon%2CinvolvedObject.name%3Dshop%2Ctype%3DWarning")
                );
                r#"{"message":"no matches for kind Shop","lastTimestamp":"2026-11-26T10:00:01Z"},
                   {"message":"an older one","lastTimestamp":"2026-11-26T10:00:00Z"}"#
                    .to_owned()
            }
            "/api/v1/namespaces/kube-system/pods" => self.pods(age),
            "/api/v1/namespaces/shop/pods" => String::new(),
            other => panic!("an unknown question to the cluster: {other}"),
        };
        (200, format!(r#"{{"kind":"List","metadata":{{"resourceVersion":"1"}},"items":[{items}]}}"#))
    }

    fn node(&self, age: u64, name: &str) -> String {
        let boot = if self.cluster == Cluster::Stale { self.boot_id - 1 } else { self.boot_id };
        let ready = match self.cluster {
            Cluster::Good => age >= 9,
            Cluster::Stale => true,
            _ => false,
        };
        let (status, reason, message) = if ready {
            ("True", "KubeletReady", "kubelet is posting ready status")
        } else {
            ("False", "KubeletNotReady", "container runtime network not ready")
        };
        format!(
            r#"{{"kind":"Node","metadata":{{"name":"{name}"}},"status":{{"nodeInfo":{{"bootID":"{boot}"}},"conditions":[
                {{"type":"MemoryPressure","status":"False"}},
                {{"type":"Ready","status":"{status}","reason":"{reason}","message":"{message}"}}]}}}}"#
        )
    }

    fn other_nodes(&self, age: u64) -> String {
        let others = self.others.iter().filter(|(_, after)| age >= *after);
        let other = |(name, after): &(&'static str, u64)| {
            let ready = age >= after + 3 && self.never_ready != Some(*name);
            node(name, if ready { "True" } else { "Unknown" })
        };
        others.map(other).collect::<Vec<_>>().join(",")
    }

    /// The addon of the manifest; `None` before k3s has defined the kind.
    fn addon(&self, age: u64) -> Option<String> {
        if age < 10 {
            return None;
        }
        let applied =
            self.workload_is_good && age >= 15 && self.pruned_after.is_none_or(|pruned| age < pruned);
        // By coreutils: printf 'kind: Shop\n' | sha256sum.
        let sum = if applied { crate::scenario::MANIFEST_SHA256 } else { "" };
        Some(format!(
            r#"{{"metadata":{{"name":"shop","namespace":"kube-system","uid":"1"}},"spec":{{"checksum":"{sum}","source":"{MANIFEST}"}}}}"#
        ))
    }

    fn pods(&self, age: u64) -> String {
        let ready =
            |name: &str| if age >= 25 && self.broken_component != Some(name) { "True" } else { "False" };
        let pod = |owner: &str, of: &str, name: &str, label: &str, state: &str| {
            format!(
                r#"{{"metadata":{{"name":"{of}-x","labels":{{{label}}},"ownerReferences":[{{"kind":"{owner}","name":"{of}"}}]}},
                    "spec":{{"nodeName":"hc-1","containers":[{{"name":"c","image":"rancher/{name}:1"}}]}},
                    "status":{{"phase":"Pending","conditions":[{{"type":"Ready","status":"{}"}}],
                    "containerStatuses":[{{"name":"c","image":"","state":{{"waiting":{{"reason":"{state}","message":"no such host"}}}}}}]}}}}"#,
                ready(name)
            )
        };
        [
            pod("ReplicaSet", "coredns-5d78c9869d", "coredns", "", "ErrImagePull"),
            pod("ReplicaSet", "traefik-7f8d9", "traefik", "", "ErrImagePull"),
            pod(
                "DaemonSet",
                "svclb-traefik-1234",
                "klipper-lb",
                r#""svccontroller.k3s.cattle.io/svcname":"traefik""#,
                "CrashLoopBackOff",
            ),
        ]
        .join(",")
    }
}

fn node(name: &str, status: &str) -> String {
    format!(
        r#"{{"metadata":{{"name":"{name}"}},"status":{{"conditions":[{{"type":"Ready","status":"{status}"}}]}}}}"#
    )
}

fn deployment(available: bool) -> String {
    let status = if available { "True" } else { "False" };
    format!(
        r#"{{"metadata":{{"name":"web","generation":2}},"status":{{"observedGeneration":2,"conditions":[
            {{"type":"Available","status":"{status}","reason":"MinimumReplicasUnavailable","message":"no minimum"}}]}}}}"#
    )
}

fn not_found(name: &str) -> Answer {
    (
        404,
        format!(
            r#"{{"kind":"Status","status":"Failure","message":"\"{name}\" not found","reason":"NotFound","code":404}}"#
        ),
    )
}
