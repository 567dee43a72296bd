//! The containers in a manifest, whatever object they are in.

use yaml_rust2::Yaml;
use yaml_rust2::yaml::Hash;

use crate::formats::kubernetes_list;
use crate::formats::yaml_load::{self, YamlError};

use super::PodPlacement;

/// What an object runs: a container of it, with the image that it asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// The object, such as `Deployment shop/web`.
    pub workload: String,
    /// The container's name, or that of the volume which is an image.
    pub name: String,
    /// The image, as written.
    pub image: String,
    /// Whether its image is asked of a registry at every start.
    pub always_pulls: bool,
    /// Where its pod may run.
    pub placement: PodPlacement,
}

/// The fields of a pod with containers (Kubernetes API, `PodSpec`).
const LISTS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];

/// All containers in a text of several documents, such as what Helm renders.
///
/// # Errors
/// When it is not YAML.
pub fn containers_of(text: &str) -> Result<Vec<Container>, YamlError> {
    Ok(yaml_load::load(text)?.iter().flat_map(of_document).collect())
}

/// All containers in a document. Pods are found by their form and not by the kind around them, so that templates in
/// custom resources count too.
pub(super) fn of_document(document: &Yaml) -> Vec<Container> {
    let mut found = Vec::new();
    kubernetes_list::objects(document)
        .into_iter()
        .for_each(|object| below(object, &workload(object), &mut found));
    found
}

fn workload(yaml: &Yaml) -> String {
    let text = |yaml: &Yaml| yaml.as_str().map(str::to_owned);
    let metadata = &yaml["metadata"];
    let name = text(&metadata["name"]).or_else(|| text(&metadata["generateName"])).unwrap_or_default();
    let kind = text(&yaml["kind"]).unwrap_or_default();
    match text(&metadata["namespace"]) {
        Some(namespace) => format!("{kind} {namespace}/{name}"),
        None => format!("{kind} {name}"),
    }
}

fn below(yaml: &Yaml, workload: &str, found: &mut Vec<Container>) {
    match yaml {
        Yaml::Array(items) => items.iter().for_each(|item| below(item, workload, found)),
        Yaml::Hash(fields) => {
            pod(fields, workload, found);
            fields.values().for_each(|value| below(value, workload, found));
        }
        _ => {}
    }
}

/// The containers and image volumes of a mapping, where it is the specification of a pod.
fn pod(fields: &Hash, workload: &str, found: &mut Vec<Container>) {
    let list = |key: &str| fields.get(&Yaml::String(key.to_owned())).and_then(Yaml::as_vec);
    let mut add = |named: &Yaml, image: &Yaml, policy: &Yaml| {
        let Some(image) = image.as_str() else { return };
        found.push(Container {
            workload: workload.to_owned(),
            name: named["name"].as_str().unwrap_or_default().to_owned(),
            image: image.to_owned(),
            always_pulls: policy.as_str() == Some("Always"),
            placement: PodPlacement::of_pod(fields),
        });
    };
    for container in LISTS.iter().filter_map(|key| list(key)).flatten() {
        add(container, &container["image"], &container["imagePullPolicy"]);
    }
    for volume in list("volumes").into_iter().flatten() {
        let image = &volume["image"];
        add(volume, &image["reference"], &image["pullPolicy"]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::yaml_load;

    /// Workload, container and image of each container in a text.
    fn found(text: &str) -> Vec<String> {
        let documents = yaml_load::load(text).unwrap();
        let all = documents.iter().flat_map(of_document);
        all.map(|found| format!("{}|{}|{}", found.workload, found.name, found.image)).collect()
    }

    #[test]
    fn pods_are_found_in_every_kind_that_has_one() {
        let pod = "{containers: [{name: a, image: i:1}], initContainers: [{name: b, image: i:2}]}";
        let template = format!("{{template: {{spec: {pod}}}}}");
        for (kind, body) in [
            ("Pod", format!("spec: {pod}")),
            ("Deployment", format!("spec: {template}")),
            ("StatefulSet", format!("spec: {template}")),
            ("DaemonSet", format!("spec: {template}")),
            ("Job", format!("spec: {template}")),
            ("CronJob", format!("spec: {{jobTemplate: {{spec: {template}}}}}")),
            ("PodTemplate", format!("template: {{spec: {pod}}}")),
            ("Rollout", format!("spec: {{strategy: x, workloads: [{template}]}}")),
        ] {
            let text = format!("apiVersion: v1\nkind: {kind}\nmetadata: {{name: x}}\n{body}\n");
            assert_eq!(found(&text), [format!("{kind} x|b|i:2"), format!("{kind} x|a|i:1")]);
        }
    }

    #[test]
    fn lists_and_several_documents_name_the_object_itself() {
        let pod =
            "kind: Pod\nmetadata: {name: p, namespace: n}\nspec: {containers: [{name: a, image: i:1}]}\n";
        assert_eq!(found(&format!("{pod}---\n{pod}")).len(), 2);
        let list = "kind: List\nitems:\n- {kind: Pod, metadata: {name: q}, spec: {containers: [{name: a, image: i:1}]}}\n";
        assert_eq!(found(list), ["Pod q|a|i:1"]);
    }

    #[test]
    fn an_image_as_a_volume_is_one_too_and_a_schema_is_none() {
        let volume = "kind: Pod\nmetadata: {name: p}\nspec: {volumes: [{name: v, image: {reference: i:1, pullPolicy: Always}}]}\n";
        assert_eq!(found(volume), ["Pod p|v|i:1"]);
        assert!(of_document(&yaml_load::load(volume).unwrap()[0])[0].always_pulls);
        let schema = "kind: CustomResourceDefinition\nmetadata: {name: c}\nspec: {containers: {type: array, image: {type: string}}}\n";
        assert_eq!(found(schema), [""; 0]);
    }
}
