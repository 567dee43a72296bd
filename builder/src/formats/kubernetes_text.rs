//! What must be text in an object of Kubernetes. YAML makes a number of `8080` and a switch of `true`, and as k3s reads it
//! ([`super::yaml_load::load_as_go`]) of `yes` and `on`, too; the API then refuses the whole object (seen with k3s 1.36.3).

use yaml_rust2::Yaml;

/// Groups whose pods and selectors are known.
const WORKLOADS: [&str; 3] = ["v1", "apps/v1", "batch/v1"];

/// The first value of an object that should be text and is not, by its path: `spec.containers[0].env[1].value`.
///
/// The depth is that of the document, which [`super::yaml_load`] bounds.
pub fn not_text(object: &Yaml) -> Option<String> {
    let kind = object["kind"].as_str().unwrap_or_default();
    let metadata = ["labels", "annotations"]
        .into_iter()
        .find_map(|key| in_map(&object["metadata"][key], &format!("metadata.{key}")));
    let data: &[&str] = match (object["apiVersion"].as_str(), kind) {
        (Some("v1"), "ConfigMap") => &["data"],
        (Some("v1"), "Secret") => &["data", "stringData"],
        _ => &[],
    };
    let in_workload = || {
        let known = object["apiVersion"].as_str().is_some_and(|version| WORKLOADS.contains(&version));
        let selector = || in_map(&object["spec"]["selector"], "spec.selector").filter(|_| kind == "Service");
        known.then(|| selector().or_else(|| below(&object["spec"], "spec"))).flatten()
    };
    metadata.or_else(|| data.iter().find_map(|key| in_map(&object[*key], key))).or_else(in_workload)
}

/// Texts and nothing, which is an empty text.
fn fits(value: &Yaml) -> bool {
    matches!(value, Yaml::String(_) | Yaml::Null)
}

fn in_map(map: &Yaml, path: &str) -> Option<String> {
    let (key, _) = map.as_hash()?.iter().find(|(_, value)| !fits(value))?;
    Some(format!("{path}.{}", key.as_str().unwrap_or("?")))
}

fn in_list(list: &Yaml, path: &str) -> Option<String> {
    let place = list.as_vec()?.iter().position(|value| !fits(value))?;
    Some(format!("{path}[{place}]"))
}

/// Below a specification: labels and what selects by them, arguments, variables.
fn below(yaml: &Yaml, path: &str) -> Option<String> {
    if let Some(items) = yaml.as_vec() {
        return items.iter().enumerate().find_map(|(place, item)| below(item, &format!("{path}[{place}]")));
    }
    yaml.as_hash()?.iter().find_map(|(key, value)| {
        let key = key.as_str()?;
        let path = format!("{path}.{key}");
        match key {
            "labels" | "annotations" | "matchLabels" | "nodeSelector" => in_map(value, &path),
            "command" | "args" => in_list(value, &path),
            "env" => value.as_vec()?.iter().enumerate().find_map(|(place, variable)| {
                (!fits(&variable["value"]) && !variable["value"].is_badvalue())
                    .then(|| format!("{path}[{place}].value"))
            }),
            _ => below(value, &path),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::yaml_load::load_as_go;
    use super::*;

    fn found(text: &str) -> Option<String> {
        not_text(&load_as_go(text).unwrap()[0])
    }

    #[test]
    fn values_that_the_api_refuses_are_found() {
        for value in [
            "y", "yes", "on", "No", "OFF", "true", "012", "0o12", "0x10", "1_000", "1.5", "1e3", "[a]",
            "{a: b}",
        ] {
            let text = format!("apiVersion: v1\nkind: ConfigMap\ndata: {{a: b, v: {value}}}\n");
            assert_eq!(found(&text).as_deref(), Some("data.v"), "{value}");
        }
        // As k3s 1.36.3 takes them.
        for value in
            ["1:30", "\"=\"", "2020-01-01", "~", "", "'yes'", "\"8080\"", "!!str 7", "yesterday", "_1", "v1"]
        {
            let text = format!("apiVersion: v1\nkind: ConfigMap\ndata: {{a: b, v: {value}}}\n");
            assert_eq!(found(&text), None, "{value}");
        }
    }

    #[test]
    fn each_place_is_known() {
        let pod = |part: &str| {
            format!(
                "apiVersion: apps/v1\nkind: Deployment\nspec:\n  template:\n    metadata: {{labels: {{app: a}}}}\n    spec:\n      {part}\n"
            )
        };
        for (text, path) in [
            ("apiVersion: v1\nkind: Secret\nstringData: {pin: 1234}\n".to_owned(), "stringData.pin"),
            ("apiVersion: v1\nkind: Secret\ndata: {pin: 1234}\n".to_owned(), "data.pin"),
            (
                "apiVersion: a.example/v1\nkind: X\nmetadata: {labels: {on: off}}\n".to_owned(),
                "metadata.labels.?",
            ),
            (
                "apiVersion: v1\nkind: Pod\nmetadata: {annotations: {port: 80}}\n".to_owned(),
                "metadata.annotations.port",
            ),
            ("apiVersion: v1\nkind: Service\nspec: {selector: {app: 1}}\n".to_owned(), "spec.selector.app"),
            (pod("nodeSelector: {disk: true}"), "spec.template.spec.nodeSelector.disk"),
            (pod("containers: [{args: [--port, 80]}]"), "spec.template.spec.containers[0].args[1]"),
            (
                pod(
                    "initContainers: [{env: [{name: a, value: b}, {name: c, valueFrom: {}}, {name: d, value: yes}]}]",
                ),
                "spec.template.spec.initContainers[0].env[2].value",
            ),
        ] {
            assert_eq!(found(&text).as_deref(), Some(path), "{text}");
        }
        // Ports are numbers, and what other kinds have is theirs.
        for text in [
            pod("containers: [{ports: [{containerPort: 80}], env: [{name: a}], args: []}]"),
            "apiVersion: a.example/v1\nkind: X\nspec: {labels: {a: 1}, args: [1]}\ndata: {a: 1}\n".to_owned(),
        ] {
            assert_eq!(found(&text), None, "{text}");
        }
    }
}
