//! A cluster's overlays are applied as k3s does it, looked at, and removed again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use hcimage::cluster::Checked;
use serde_json::{Value, json};

use crate::api::{Answer, Api};
use crate::checks;
use crate::control_plane::program;
use crate::machines::Machine;
use crate::objects::{self, File, Object};

/// Far more than anything takes: only a hang gets there.
const LIMIT: Duration = Duration::from_secs(90);

/// How often k3s tries a file here; in a cluster it goes on for ever.
const ROUNDS: usize = 4;

const K3S: &str = include_str!("k3s.yaml");

pub(crate) struct Judge {
    pub(crate) api: Api,
    /// Which overlay's chart defines the kinds of a group; `k3s` for what k3s brings.
    providers: BTreeMap<String, String>,
    /// The nodes that there are, and what k3s has on them.
    stage: Option<Stage>,
}

struct Stage {
    key: String,
    nodes: Vec<String>,
    k3s: Vec<String>,
}

/// An object in the cluster.
pub(crate) struct Applied {
    pub(crate) object: Object,
    pub(crate) path: String,
}

/// One run.
pub(crate) struct Case<'a> {
    pub(crate) api: &'a Api,
    pub(crate) checked: &'a Checked,
    pub(crate) machine: Machine,
    pub(crate) applied: Vec<Applied>,
    /// What there was before.
    pub(crate) before: BTreeSet<String>,
    pub(crate) found: Vec<String>,
    pub(crate) seen: Vec<String>,
}

impl Judge {
    pub(crate) fn new(api: Api) -> Self {
        Self { api, providers: BTreeMap::new(), stage: None }
    }

    /// Defines the kinds that k3s and charts bring.
    pub(crate) fn define_kinds(&mut self) {
        let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../overlays/crds");
        let mut files: Vec<_> = fs::read_dir(ours).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.extend(["HCIMAGE_HELM_CRD", "HCIMAGE_HELM_CONFIG_CRD"].map(program));
        let (mut paths, mut kinds) = (Vec::new(), Vec::new());
        for path in files {
            let stem = path.file_stem().unwrap().to_str().unwrap();
            let provider = if stem.starts_with("helm") { "k3s" } else { stem };
            for object in File::new("", &fs::read_to_string(&path).unwrap()).objects {
                let kind = self.api.kind(&object.api_version, &object.kind).unwrap();
                let path = format!("{}/{}/{}", kind.base, kind.plural, object.name);
                must(&object.name, &self.api.apply(&path, &object.text));
                let group = object.name.split_once('.').unwrap().1.to_owned();
                self.providers.insert(group.clone(), provider.to_owned());
                kinds.push(group);
                paths.push(path);
            }
        }
        wait("the kinds to be served", || {
            paths.iter().all(|path| condition(&self.api.get(path).unwrap(), "Established").0)
        });
        wait("the kinds to be known", || {
            self.api.learn_kinds();
            kinds.iter().all(|group| self.api.has_group(group))
        });
    }

    /// What was seen, or what is wrong.
    pub(crate) fn judge(&mut self, checked: &Checked, machine: Machine) -> Result<String, Vec<String>> {
        self.set(checked, machine);
        let began = Instant::now();
        let before = self.settled();
        let api = &self.api;
        let (found, seen) = (Vec::new(), Vec::new());
        let mut case = Case { api, checked, machine, applied: Vec::new(), before, found, seen };
        let files = objects::files(checked);
        self.every_kind_is_provided(&files, &mut case);
        let namespaces = case.apply(&files);
        if case.found.is_empty() {
            checks::all(&mut case);
        }
        case.remove(&namespaces);
        case.seen.push(format!("{:.0} s", began.elapsed().as_secs_f32()));
        if case.found.is_empty() { Ok(case.seen.join(", ")) } else { Err(case.found) }
    }

    /// An object of a chart's kind needs the overlay that has the chart.
    fn every_kind_is_provided(&self, files: &[File], case: &mut Case<'_>) {
        for object in files.iter().flat_map(|file| &file.objects) {
            let group = object.api_version.split_once('/').map_or("", |(group, _)| group);
            let Some(provider) = self.providers.get(group).filter(|provider| *provider != "k3s") else {
                continue;
            };
            if !case.checked.cluster.overlays.iter().any(|active| active.name().as_str() == provider) {
                case.found.push(format!("{object}: nothing needs {provider}, which defines this kind"));
            }
        }
    }

    /// Makes the nodes and what k3s has on them, where they are not there yet.
    fn set(&mut self, checked: &Checked, machine: Machine) {
        let cluster = &checked.cluster;
        let nodes: Vec<Value> = cluster.nodes.iter().map(|of| node(checked, of, machine)).collect();
        let off: Vec<&String> = cluster.overlays.iter().flat_map(|active| &active.needs.disable).collect();
        let key = format!("{nodes:?} {off:?}");
        if self.stage.as_ref().is_some_and(|stage| stage.key == key) {
            return;
        }
        self.clear();
        let api = &self.api;
        for node in &nodes {
            must("a node", &api.ask("POST", "/api/v1/nodes", "application/json", &node.to_string()));
        }
        let names: Vec<String> =
            nodes.iter().map(|node| node["metadata"]["name"].as_str().unwrap().to_owned()).collect();
        let is_off = |object: &Object| {
            object.kind == "StorageClass" && off.iter().any(|component| *component == "local-storage")
        };
        let mut k3s = Vec::new();
        for object in File::new("k3s.yaml", K3S).objects.iter().filter(|object| !is_off(object)) {
            let path = object.path(api).unwrap();
            must(&object.name, &api.apply(&path, &object.text));
            k3s.push(path);
        }
        wait("the nodes and k3s' own pods", || {
            let is_ready = |node: &Value| condition(node, "Ready").0;
            let pods = api.list("/api/v1/namespaces/kube-system/pods");
            api.list("/api/v1/nodes").iter().filter(|node| is_ready(node)).count() == names.len()
                && pods.len() == K3S.matches("kind: Deployment").count()
                && pods.iter().all(|pod| pod["status"]["phase"] == "Running")
        });
        self.stage = Some(Stage { key, nodes: names, k3s });
    }

    fn clear(&mut self) {
        let Some(stage) = self.stage.take() else { return };
        for path in stage.k3s.iter().rev() {
            self.api.delete(path);
        }
        wait("k3s' own pods to go", || self.api.list("/api/v1/pods").is_empty());
        for node in &stage.nodes {
            self.api.delete(&format!("/api/v1/nodes/{node}"));
        }
        wait("the nodes to go", || self.api.list("/api/v1/nodes").is_empty());
    }

    /// All that there is, once controllers add nothing more.
    fn settled(&self) -> BTreeSet<String> {
        let mut last = self.api.everything();
        loop {
            sleep(Duration::from_millis(400));
            let now = self.api.everything();
            if now == last {
                return now;
            }
            last = now;
        }
    }
}

impl Case<'_> {
    /// Applies files as k3s does: sorted, each as a whole, those that fail again. Returns the namespaces that Helm makes for its
    /// charts, which are made here after the first round.
    fn apply(&mut self, files: &[File]) -> Vec<String> {
        let mut left: Vec<&File> = files.iter().collect();
        let mut namespaces = Vec::new();
        let mut rounds = 0;
        while rounds < ROUNDS && !left.is_empty() {
            rounds += 1;
            let mut failed = Vec::new();
            let mut why = Vec::new();
            for file in left {
                if let Err(problem) = self.apply_file(file) {
                    failed.push(file);
                    why.push(format!("{}: {problem}", file.name));
                }
            }
            if rounds == 1 {
                namespaces = self.make_chart_namespaces();
            }
            if rounds == ROUNDS {
                self.found.append(&mut why);
            }
            left = failed;
        }
        let (count, rounds) = (self.applied.len(), plural(rounds, "round"));
        self.seen.push(format!("{} of {} in {rounds}", plural(count, "object"), plural(files.len(), "file")));
        namespaces
    }

    fn apply_file(&mut self, file: &File) -> Result<(), String> {
        let paths: Result<Vec<String>, String> =
            file.objects.iter().map(|object| object.path(self.api)).collect();
        for (object, path) in file.objects.iter().zip(paths?) {
            let answer = self.api.apply(&path, &object.text);
            if !answer.is_good() {
                return Err(format!("{object}: {}", answer.message()));
            }
            let warnings =
                answer.warnings.iter().map(|warning| format!("{}: {object}: {warning}", file.name));
            self.found.extend(warnings);
            if !self.applied.iter().any(|applied| applied.path == path) {
                self.applied.push(Applied { object: object.clone(), path });
            }
        }
        Ok(())
    }

    fn make_chart_namespaces(&self) -> Vec<String> {
        let charts = self.checked.cluster.overlays.iter().flat_map(|active| &active.needs.charts);
        let names: BTreeSet<String> = charts.map(|chart| chart.namespace.to_string()).collect();
        let paths = names.iter().map(|name| format!("/api/v1/namespaces/{name}"));
        let missing: Vec<String> = paths.filter(|path| self.api.get(path).is_none()).collect();
        for path in &missing {
            let name = path.rsplit('/').next().unwrap();
            let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
            must(name, &self.api.apply(path, &object.to_string()));
        }
        missing
    }

    /// Removes what was applied, the last first, and waits until all is as it was before.
    fn remove(&mut self, namespaces: &[String]) {
        let began = Instant::now();
        for path in self.applied.iter().rev().map(|applied| &applied.path).chain(namespaces) {
            self.api.delete(path);
        }
        loop {
            let now = self.api.everything();
            let left: Vec<&String> = now.difference(&self.before).collect();
            let gone: Vec<&String> = self.before.difference(&now).collect();
            if left.is_empty() && gone.is_empty() {
                self.seen.push("nothing left".to_owned());
                return;
            }
            if began.elapsed() > LEFT {
                self.found.extend(left.iter().map(|what| format!("left behind: {what}")));
                self.found.extend(gone.iter().map(|what| format!("taken away: {what}")));
                return;
            }
            sleep(Duration::from_millis(700));
        }
    }
}

/// The controllers for namespaces and for garbage take seconds.
const LEFT: Duration = Duration::from_secs(40);

/// A node as k3s registers it.
fn node(checked: &Checked, of: &hcimage::cluster::Node, machine: Machine) -> Value {
    let name = of.kube_name.to_string();
    let is_server = checked.cluster.nodes.servers().any(|server| server.name == of.name);
    let mut labels: BTreeMap<String, String> = [
        ("kubernetes.io/hostname", name.as_str()),
        ("kubernetes.io/arch", "arm64"),
        ("kubernetes.io/os", "linux"),
        ("node.kubernetes.io/instance-type", "k3s"),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into();
    if is_server {
        labels.insert("node-role.kubernetes.io/control-plane".to_owned(), "true".to_owned());
    }
    labels.extend(of.labels.iter().map(|(key, value)| (key.to_string(), value.to_string())));
    let resources =
        |memory: &str| json!({"cpu": "4", "memory": memory, "pods": "110", "ephemeral-storage": "28Gi"});
    let taints: Vec<Value> = of.taints.iter().map(|taint| taint_of(&taint.to_string())).collect();
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "spec": {"taints": taints},
        "status": {
            "capacity": resources(machine.capacity),
            "allocatable": resources(machine.allocatable),
            "nodeInfo": {"architecture": "arm64", "operatingSystem": "linux"},
        },
    })
}

/// `key=value:Effect`
fn taint_of(text: &str) -> Value {
    let (front, effect) = text.rsplit_once(':').unwrap();
    let (key, value) = front.split_once('=').unwrap_or((front, ""));
    json!({"key": key, "value": value, "effect": effect})
}

/// Whether a condition is true, and what it says.
pub(crate) fn condition(object: &Value, kind: &str) -> (bool, String) {
    let all = object["status"]["conditions"].as_array();
    let found = all.into_iter().flatten().find(|condition| condition["type"] == kind);
    let message = found.and_then(|found| found["message"].as_str()).unwrap_or_default().to_owned();
    (found.is_some_and(|found| found["status"] == "True"), message)
}

pub(crate) fn plural(count: usize, word: &str) -> String {
    if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") }
}

fn must(what: &str, answer: &Answer) {
    assert!(answer.is_good(), "{what}: {}", answer.message());
}

/// Waits for what the tests themselves set up.
pub(crate) fn wait(what: &str, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < LIMIT, "waited in vain for {what}");
        sleep(Duration::from_millis(200));
    }
}
