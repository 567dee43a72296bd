//! Manifests as k3s applies them: files by their names, each as a whole, those that fail again until all are there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::Value;

use crate::LIMIT;
use crate::api::Api;
use crate::card::Card;
use crate::node::Node;
use crate::objects::File;

/// The files that the card has for k3s, whose secrets are the real ones.
pub(crate) fn all(node: &Node, card: &Card) {
    let mut paths = Vec::new();
    collect(&card.k3s.join("server/manifests"), &mut paths);
    paths.sort();
    assert!(paths.len() > 10, "{paths:?}");
    let file = |path: &PathBuf| File::new(&path.display().to_string(), &fs::read_to_string(path).unwrap());
    let files: Vec<File> = paths.iter().map(file).collect();
    self::files(node, &files);
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { collect(&path, paths) } else { paths.push(path) }
    }
}

/// Applies files until the API has taken all, without a warning.
pub(crate) fn files(node: &Node, files: &[File]) {
    let mut api = Api::again(&node.api);
    let began = Instant::now();
    let mut left: Vec<&File> = files.iter().collect();
    loop {
        let mut why = BTreeMap::new();
        left.retain(|file| match apply(&api, file) {
            Ok(()) => false,
            Err(problem) => {
                why.insert(&file.name, problem);
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

fn apply(api: &Api, file: &File) -> Result<(), String> {
    for object in &file.objects {
        let path = object.path(api)?;
        let answer = api.apply(&path, &object.text);
        if !answer.is_good() {
            return Err(format!("{path}: {}", answer.message()));
        }
        if !answer.warnings.is_empty() {
            return Err(format!("{path}: {:?}", answer.warnings));
        }
    }
    Ok(())
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
    node.make(&path, &pod);
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
