//! As much of `kubectl` as first-boot programs and tests call.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::{kubeconfig, node, settings, version};

/// A call, parsed.
#[derive(Debug, PartialEq, Eq)]
struct Call {
    action: Action,
    kubeconfig: Option<PathBuf>,
}

#[derive(Debug, PartialEq, Eq)]
enum Action {
    Version,
    Raw(String),
    Get { path: String, json: bool },
}

/// Runs one call and prints its result.
///
/// # Errors
/// When the call is none of those that the stand-in knows, or the server refuses it.
pub(crate) fn run(arguments: Vec<String>) -> Result<()> {
    let call = parse(arguments)?;
    let asked = call.kubeconfig.or_else(|| std::env::var_os("KUBECONFIG").map(PathBuf::from));
    let client = kubeconfig::client(&asked.unwrap_or_else(|| settings::etc().join("k3s/k3s.yaml")));
    let text = match call.action {
        Action::Version => format!("Client Version: {} (stand-in for tests)\n{}", version(), {
            let answer: Value =
                serde_json::from_slice(&client?.fetch("/version")?).context("reading /version")?;
            format!("Server Version: {}\n", answer.get("gitVersion").and_then(Value::as_str).unwrap_or("?"))
        }),
        Action::Raw(path) => String::from_utf8_lossy(&client?.fetch(&path)?).into_owned(),
        Action::Get { path, json } => {
            let answer = client?.fetch(&path)?;
            let object: Value = serde_json::from_slice(&answer).with_context(|| format!("reading {path}"))?;
            if json { format!("{object:#}\n") } else { table(&object) }
        }
    };
    std::io::stdout().write_all(text.as_bytes()).context("writing the result")
}

fn parse(arguments: Vec<String>) -> Result<Call> {
    let (mut words, mut output, mut raw, mut kubeconfig) = (Vec::new(), None, None, None);
    let (mut namespace, mut everywhere, mut selector) = (None, false, None);
    let mut rest = arguments.into_iter();
    while let Some(argument) = rest.next() {
        let (name, inline) = match argument.split_once('=') {
            Some((name, value)) if name.starts_with('-') => (name.to_owned(), Some(value.to_owned())),
            _ => (argument, None),
        };
        let mut value =
            || inline.clone().or_else(|| rest.next()).with_context(|| format!("{name} needs a value"));
        match name.as_str() {
            "-o" | "--output" => output = Some(value()?),
            "--raw" => raw = Some(value()?),
            "--kubeconfig" => kubeconfig = Some(PathBuf::from(value()?)),
            "-A" | "--all-namespaces" => everywhere = true,
            "-n" | "--namespace" => namespace = Some(value()?),
            "--field-selector" => selector = Some(value()?),
            flag if flag.starts_with('-') => bail!("the stand-in's kubectl does not know the flag {flag}"),
            _ => words.push(name),
        }
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let json = output.as_deref() == Some("json");
    ensure!(json || output.is_none(), "the stand-in's kubectl knows only -o json");
    let namespace = if everywhere { None } else { Some(namespace.unwrap_or_else(|| "default".to_owned())) };
    let place = Place { namespace, selector };
    let action = match (words.as_slice(), raw) {
        (["version"], None) => Action::Version,
        (["get"], Some(path)) => Action::Raw(path),
        (["get", kind, names @ ..], None) => Action::Get { path: path(kind, names, &place)?, json },
        _ => bail!("the stand-in's kubectl knows get of a few kinds, get --raw and version"),
    };
    Ok(Call { action, kubeconfig })
}

/// Where objects are looked for.
struct Place {
    /// None means all namespaces.
    namespace: Option<String>,
    /// Of fields, `name=value`.
    selector: Option<String>,
}

fn path(kind: &str, names: &[&str], place: &Place) -> Result<String> {
    let (group, plural) = match (kind, names) {
        ("node" | "nodes" | "no", []) => return Ok("/api/v1/nodes".into()),
        ("node" | "nodes" | "no", [name]) => return Ok(format!("/api/v1/nodes/{name}")),
        ("addon" | "addons" | "addons.k3s.cattle.io", []) => ("/apis/k3s.cattle.io/v1", "addons"),
        ("helmchart" | "helmcharts" | "helmcharts.helm.cattle.io", []) => {
            ("/apis/helm.cattle.io/v1", "helmcharts")
        }
        ("job" | "jobs", []) => ("/apis/batch/v1", "jobs"),
        ("deployment" | "deployments" | "deploy", []) => ("/apis/apps/v1", "deployments"),
        ("event" | "events" | "ev", []) => ("/api/v1", "events"),
        _ => bail!(
            "the stand-in has nodes (all, or one by name), and all of addons, helmcharts, jobs, deployments and events"
        ),
    };
    let namespace = place.namespace.as_ref().map(|name| format!("/namespaces/{name}")).unwrap_or_default();
    let selector = place
        .selector
        .as_ref()
        .map(|text| format!("?fieldSelector={}", text.replace('=', "%3D").replace(',', "%2C")));
    Ok(format!("{group}{namespace}/{plural}{}", selector.unwrap_or_default()))
}

/// A list or a single object, one line each.
fn table(object: &Value) -> String {
    let single_node = std::slice::from_ref(object);
    let items = object.get("items").and_then(Value::as_array).map_or(single_node, Vec::as_slice);
    // Of a list only the list itself says what its objects are.
    let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default();
    let kind = kind.strip_suffix("List").unwrap_or(kind);
    let mut text = format!("{:<24} {:<10} VERSION\n", "NAME", "STATUS");
    for item in items {
        let field = |pointer| item.pointer(pointer).and_then(Value::as_str).unwrap_or("-");
        let status = match (kind, node::ready_status(item)) {
            ("Node", "True") => "Ready",
            ("Node", _) => "NotReady",
            _ => "-",
        };
        let version = field("/status/nodeInfo/kubeletVersion");
        text.push_str(&format!("{:<24} {status:<10} {version}\n", field("/metadata/name")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_words(words: &str) -> Result<Call> {
        parse(words.split_whitespace().map(str::to_owned).collect())
    }

    #[test]
    fn the_calls_it_knows() {
        let get = |path: &str, json| Action::Get { path: path.into(), json };
        let table = [
            ("version", Action::Version),
            ("get --raw /readyz", Action::Raw("/readyz".into())),
            ("get --raw=/readyz", Action::Raw("/readyz".into())),
            ("get nodes", get("/api/v1/nodes", false)),
            ("get node hc-1 -o json", get("/api/v1/nodes/hc-1", true)),
            ("get addons -A --output=json", get("/apis/k3s.cattle.io/v1/addons", true)),
            ("get deployments -o json", get("/apis/apps/v1/namespaces/default/deployments", true)),
            (
                "get events -n kube-system --field-selector type=Warning -o json",
                get("/api/v1/namespaces/kube-system/events?fieldSelector=type%3DWarning", true),
            ),
            ("get helmcharts.helm.cattle.io -A -o json", get("/apis/helm.cattle.io/v1/helmcharts", true)),
        ];
        for (words, action) in table {
            assert_eq!(parse_words(words).unwrap().action, action, "{words}");
        }
        let call = parse_words("--kubeconfig /k get nodes").unwrap();
        assert_eq!(call.kubeconfig, Some(PathBuf::from("/k")));
    }

    #[test]
    fn what_it_does_not_know_is_refused_by_name() {
        for words in
            ["", "get", "get pods", "apply -f x", "get nodes -o wide", "get nodes --watch", "get node a b"]
        {
            assert!(parse_words(words).is_err(), "{words}");
        }
    }
}
