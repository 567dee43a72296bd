//! Manifests as k3s applies them: files by their names, each as a whole, those that fail again until all are there.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Instant;

use serde_json::Value;
use yaml_rust2::{Yaml, YamlLoader};

use crate::LIMIT;
use crate::api::Api;
use crate::card::Card;
use crate::node::Node;

/// The files that the card has for k3s, whose secrets are the real ones.
pub(crate) fn all(node: &Node, card: &Card) {
    let mut files = Vec::new();
    collect(&card.k3s.join("server/manifests"), &mut files);
    files.sort();
    assert!(files.len() > 10, "{files:?}");
    texts(node, &files);
}

fn collect(folder: &Path, files: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push((path.display().to_string(), fs::read_to_string(&path).unwrap()));
        }
    }
}

/// Name and text of each file.
pub(crate) fn texts(node: &Node, files: &[(String, String)]) {
    let mut api = Api::again(&node.api);
    let began = Instant::now();
    let mut left: Vec<&(String, String)> = files.iter().collect();
    loop {
        let mut why = BTreeMap::new();
        left.retain(|(name, text)| match apply(&api, text) {
            Ok(()) => false,
            Err(problem) => {
                why.insert(name.clone(), problem);
                true
            }
        });
        if left.is_empty() {
            return;
        }
        let told = || why.iter().map(|(name, problem)| format!("{name}: {problem}\n")).collect::<String>();
        assert!(began.elapsed() < LIMIT, "not applied:\n{}{}", told(), node.why("kube-system"));
        std::thread::sleep(std::time::Duration::from_secs(1));
        api.learn_kinds();
    }
}

fn apply(api: &Api, text: &str) -> Result<(), String> {
    for part in documents(text) {
        let yaml = YamlLoader::load_from_str(&part).map_err(|error| error.to_string())?;
        let Some(object) = yaml.first().filter(|yaml| !yaml.is_null()) else { continue };
        let path = path(api, object)?;
        let answer = api.apply(&path, &part);
        if !answer.is_good() {
            return Err(format!("{path}: {}", answer.message()));
        }
        if !answer.warnings.is_empty() {
            return Err(format!("{path}: {:?}", answer.warnings));
        }
    }
    Ok(())
}

fn documents(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    lines.split(|line| *line == "---").map(|part| part.join("\n")).collect()
}

fn path(api: &Api, object: &Yaml) -> Result<String, String> {
    let word = |yaml: &Yaml| yaml.as_str().unwrap_or_default().to_owned();
    let (version, kind) = (word(&object["apiVersion"]), word(&object["kind"]));
    let found = api.kind(&version, &kind).ok_or_else(|| format!("there is no kind {kind} in {version}"))?;
    let namespace = object["metadata"]["namespace"].as_str().unwrap_or("default");
    let place = if found.is_namespaced { format!("namespaces/{namespace}/") } else { String::new() };
    Ok(format!("{}/{place}{}/{}", found.base, found.plural, word(&object["metadata"]["name"])))
}

/// A pod that runs a command of a shell to its end: whether it succeeded, and what it said.
pub(crate) fn run_pod(
    node: &Node,
    namespace: &str,
    labels: &Value,
    image: &str,
    script: &str,
    volumes: &Value,
) -> (bool, String) {
    let name = format!(
        "probe-{:x}",
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis()
    );
    let mounts: Vec<Value> = volumes
        .as_array()
        .into_iter()
        .flatten()
        .map(|volume| serde_json::json!({"name": volume["name"], "mountPath": format!("/{}", volume["name"].as_str().unwrap())}))
        .collect();
    let pod = serde_json::json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {
            "restartPolicy": "Never", "volumes": volumes,
            "containers": [{"name": "probe", "image": image, "command": ["/bin/sh", "-c", script], "volumeMounts": mounts}],
        },
    });
    let path = format!("/api/v1/namespaces/{namespace}/pods");
    let made = node.api.ask("POST", &path, "application/json", &pod.to_string());
    assert!(made.is_good(), "{}", made.message());
    let ended = crate::wait("a pod of the test to end", LIMIT, || {
        let pod = node.api.get(&format!("{path}/{name}")).unwrap();
        match pod["status"]["phase"].as_str() {
            Some("Succeeded") => Ok(true),
            Some("Failed") => Ok(false),
            _ => Err(node.why(namespace)),
        }
    });
    let log = node.pod_log(namespace, &name, "probe");
    node.api.delete(&format!("{path}/{name}"));
    (ended, log)
}
