//! Whether the images that are asked for are those that an overlay lists.

use hcimage::value::ImageReference;
use yaml_rust2::Yaml;

/// An image that an object asks for, or names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    /// The object, and its container.
    pub(super) by: String,
    pub(super) image: String,
    /// Named in an argument or a variable only: a program may start it.
    pub(super) is_named: bool,
}

/// What is wrong with a list of images, for what is asked for. Images that a program of the chart starts without naming them are
/// `unnamed`: beginnings of their names.
pub(super) fn problems(listed: &[ImageReference], asked: &[Asked], unnamed: &[&str]) -> Vec<String> {
    let mut problems = Vec::new();
    let mut needless: Vec<&ImageReference> = listed.iter().collect();
    for Asked { by, image, is_named } in asked {
        let Ok(name) = image.parse::<ImageReference>() else {
            problems.push(format!("{by}: {image:?} is no name of an image"));
            continue;
        };
        needless.retain(|there| !name.is_met_by(there));
        if !listed.iter().any(|there| name.is_met_by(there)) {
            let what = if *is_named { "names" } else { "runs" };
            problems.push(format!("{by} {what} {name}, which is not listed"));
        }
    }
    needless.retain(|image| !unnamed.iter().any(|start| image.to_string().starts_with(start)));
    problems.extend(needless.iter().map(|image| format!("{image} is listed, and nothing runs or names it")));
    problems
}

/// The images of the pods that an operator makes of an object: Prometheus' operator, and system-upgrade-controller, which takes a
/// plan's version for the tag (`MungeVersion` in its `pkg/upgrade/plan`).
pub(super) fn of_operator(document: &Yaml) -> Vec<String> {
    let spec = &document["spec"];
    let text = |yaml: &Yaml| yaml.as_str().map(str::to_owned);
    match document["apiVersion"].as_str().and_then(|version| version.split_once('/')) {
        Some(("monitoring.coreos.com", _)) => text(&spec["image"]).into_iter().collect(),
        Some(("upgrade.cattle.io", _)) => {
            let tag = text(&spec["version"]).unwrap_or_default().replace('+', "-");
            let images = ["prepare", "upgrade"].into_iter().filter_map(|part| text(&spec[part]["image"]));
            images.map(|image| format!("{image}:{tag}")).collect()
        }
        _ => Vec::new(),
    }
}

/// Images that the arguments and variables of containers name, the fields of objects for operators, and values of config maps that are
/// nothing else.
pub(super) fn named(document: &Yaml) -> Vec<String> {
    let mut found = Vec::new();
    below(document, &mut found);
    let group = document["apiVersion"]
        .as_str()
        .and_then(|version| version.split_once('/'))
        .map_or("", |(group, _)| group);
    if group.contains('.') && !group.ends_with(".k8s.io") {
        fields(document, &mut found);
    }
    if document["kind"].as_str() == Some("ConfigMap") {
        let values = document["data"].as_hash().into_iter().flatten().filter_map(|(_, value)| value.as_str());
        found.extend(values.filter(|value| is_image(value)).map(str::to_owned));
    }
    found
}

fn below(yaml: &Yaml, found: &mut Vec<String>) {
    match yaml {
        Yaml::Array(items) => items.iter().for_each(|item| below(item, found)),
        Yaml::Hash(fields) => {
            for (key, value) in fields {
                match (key.as_str(), value) {
                    (Some("args" | "command"), Yaml::Array(words)) => {
                        words.iter().filter_map(Yaml::as_str).for_each(|word| images_of(word, found));
                    }
                    (Some("env"), Yaml::Array(variables)) => {
                        let values = variables.iter().filter_map(|variable| variable["value"].as_str());
                        values.for_each(|value| images_of(value, found));
                    }
                    _ => below(value, found),
                }
            }
        }
        _ => {}
    }
}

/// What an object of an operator's own kind has for an image.
fn fields(yaml: &Yaml, found: &mut Vec<String>) {
    match yaml {
        Yaml::Array(items) => items.iter().for_each(|item| fields(item, found)),
        Yaml::Hash(all) => all.iter().for_each(|(key, value)| match (key.as_str(), value.as_str()) {
            (Some("image" | "imageName"), Some(word)) if is_image(word) => found.push(word.to_owned()),
            _ => fields(value, found),
        }),
        _ => {}
    }
}

fn images_of(text: &str, found: &mut Vec<String>) {
    let words = text.split(|c: char| c.is_whitespace() || "=,;\"'".contains(c));
    found.extend(words.filter(|word| is_image(word)).map(str::to_owned));
}

/// Whether a word is surely the name of an image: in full (`quay.io/a/b:v1`), or with a version that has a point (`a/b:1.2`).
fn is_image(word: &str) -> bool {
    let bare = word.split('@').next().unwrap_or_default();
    let Some((name, tag)) = bare.rsplit_once(':') else { return false };
    let Some((host, path)) = name.split_once('/') else { return false };
    let is_version =
        tag.trim_start_matches('v').starts_with(|c: char| c.is_ascii_digit()) && tag.contains('.');
    let starts_well = |part: &str| part.starts_with(|c: char| c.is_ascii_alphanumeric());
    let is_host = host.contains('.') && !tag.chars().all(|c| c.is_ascii_digit());
    starts_well(host)
        && starts_well(path)
        && (is_host || is_version)
        && word.parse::<ImageReference>().is_ok()
}

#[cfg(test)]
mod tests {
    use hc_common::text::yaml_load;

    use super::*;

    fn asked(image: &str, is_named: bool) -> Asked {
        Asked { by: "Deployment a/b".to_owned(), image: image.to_owned(), is_named }
    }

    fn listed(names: &[&str]) -> Vec<ImageReference> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn what_runs_must_be_listed_by_the_same_name_and_version() {
        let there = listed(&["docker.io/library/shop:1.2", "quay.io/a/b:v1"]);
        let both = [asked("shop:1.2", false), asked("quay.io/a/b:v1", true)];
        assert!(problems(&there, &both, &[]).is_empty());
        let other = [asked("shop:1.3", false), asked("quay.io/a/b:v1", false), asked("quay.io/a/c:v1", true)];
        assert_eq!(
            problems(&there, &other, &[]),
            [
                "Deployment a/b runs docker.io/library/shop:1.3, which is not listed",
                "Deployment a/b names quay.io/a/c:v1, which is not listed",
                "docker.io/library/shop:1.2 is listed, and nothing runs or names it",
            ]
        );
        let digest = format!("quay.io/a/b:v1@sha256:{}", "a".repeat(64));
        assert_eq!(problems(&listed(&["quay.io/a/b:v1"]), &[asked(&digest, false)], &[]).len(), 2);
        assert_eq!(
            problems(&[], &[asked("A b", false)], &[]),
            ["Deployment a/b: \"A b\" is no name of an image"]
        );
    }

    #[test]
    fn images_that_a_program_starts_by_itself_may_be_listed() {
        let there = listed(&["quay.io/calico/node:v1", "quay.io/other/node:v1"]);
        assert_eq!(
            problems(&there, &[], &["quay.io/calico/"]),
            ["quay.io/other/node:v1 is listed, and nothing runs or names it"]
        );
    }

    #[test]
    fn a_plan_runs_the_image_of_its_version() {
        let text = "apiVersion: upgrade.cattle.io/v1\nkind: Plan\nspec: {version: v1.37.1+k3s1, upgrade: {image: rancher/k3s-upgrade}}\n";
        let document = yaml_load::load(text).unwrap().remove(0);
        assert_eq!(of_operator(&document), ["rancher/k3s-upgrade:v1.37.1-k3s1"]);
    }

    #[test]
    fn images_are_found_in_arguments_and_variables_and_nowhere_else() {
        let text = "\
metadata: {annotations: {a: 'quay.io/not/this:v1'}}
spec:
  containers:
    - command: [sh, -c, 'run quay.io/a/shell:v1']
      args: ['--solver=quay.io/a/solver:v1.2', '--listen=0.0.0.0:80', '--server=https://a.example/b:v1', --engine, 'a/engine:v1.2']
      env:
        - {name: A, value: 'quay.io/a/env:v3'}
        - {name: B, value: 'unix:///csi/csi.sock'}
        - {name: C, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
        - {name: D, value: 'registry.example/metrics:8080'}
        - {name: E, value: '/csi/a:v1.2'}
";
        let document = yaml_load::load(text).unwrap().remove(0);
        assert_eq!(
            named(&document),
            ["quay.io/a/shell:v1", "quay.io/a/solver:v1.2", "a/engine:v1.2", "quay.io/a/env:v3"]
        );
    }

    #[test]
    fn images_are_found_in_objects_for_operators_and_in_config_maps_of_them() {
        for (text, expected) in [
            (
                "apiVersion: a.example/v1\nkind: Cluster\nspec: {imageName: quay.io/a/b:v1, c: {image: 'd/e:1.2'}}",
                2,
            ),
            ("apiVersion: a.example/v1\nkind: Cluster\nspec: {image: latest}", 0),
            ("apiVersion: apps/v1\nkind: Deployment\nspec: {image: quay.io/a/b:v1}", 0),
            (
                "apiVersion: v1\nkind: ConfigMap\ndata: {plugin: quay.io/a/b:v1, text: 'see quay.io/a/c:v1'}",
                1,
            ),
        ] {
            let document = yaml_load::load(text).unwrap().remove(0);
            assert_eq!(named(&document).len(), expected, "{text}");
        }
    }
}
