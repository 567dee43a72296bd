//! Manifests as their objects: what k3s would apply.

use hcimage::cluster::Checked;
use hcimage::formats::helm_chart::{self, HelmChart, Source};
use hcimage::overlays::{ActiveOverlay, Manifests, SecretValues};
use hcimage::value::Secret;
use yaml_rust2::{Yaml, YamlLoader};

use crate::api::Api;

/// A file in k3s' directory of manifests.
pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) objects: Vec<Object>,
}

/// One of its objects.
#[derive(Clone)]
pub(crate) struct Object {
    pub(crate) api_version: String,
    pub(crate) kind: String,
    pub(crate) namespace: Option<String>,
    pub(crate) name: String,
    pub(crate) text: String,
}

impl File {
    pub(crate) fn new(name: &str, text: &str) -> Self {
        let lines: Vec<&str> = text.lines().collect();
        let objects =
            lines.split(|line| *line == "---").filter_map(|part| object(&part.join("\n"))).collect();
        Self { name: name.to_owned(), objects }
    }
}

impl Object {
    /// Where it is; k3s takes `default` for the namespace of one that names none.
    pub(crate) fn path(&self, api: &Api) -> Result<String, String> {
        let kind = api
            .kind(&self.api_version, &self.kind)
            .ok_or_else(|| format!("{self}: there is no kind {} in {}", self.kind, self.api_version))?;
        let namespace = self.namespace.as_deref().unwrap_or("default");
        let place = if kind.is_namespaced { format!("namespaces/{namespace}/") } else { String::new() };
        Ok(format!("{}/{place}{}/{}", kind.base, kind.plural, self.name))
    }
}

impl std::fmt::Display for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind, self.name),
            None => write!(f, "{} {}", self.kind, self.name),
        }
    }
}

fn object(text: &str) -> Option<Object> {
    let documents = YamlLoader::load_from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let yaml = documents.into_iter().next().filter(|yaml| !matches!(yaml, Yaml::Null | Yaml::BadValue))?;
    let word = |yaml: &Yaml| yaml.as_str().map(str::to_owned);
    Some(Object {
        api_version: word(&yaml["apiVersion"]).unwrap_or_default(),
        kind: word(&yaml["kind"]).unwrap_or_default(),
        namespace: word(&yaml["metadata"]["namespace"]),
        name: word(&yaml["metadata"]["name"]).unwrap_or_default(),
        text: text.to_owned(),
    })
}

/// All files of a cluster's overlays, as k3s finds them: sorted by their names.
pub(crate) fn files(checked: &Checked) -> Vec<File> {
    let mut files = Vec::new();
    for active in &checked.cluster.overlays {
        let texts = active.render(secrets(active)).unwrap();
        files.extend(texts.files.iter().map(|file| File::new(&file.name, &file.text)));
        files.extend(charts(active, &texts));
    }
    files.sort_by(|one, other| one.name.cmp(&other.name));
    files
}

/// The secrets that a build would make, with letters, digits and what else it takes; those of the user as they are.
fn secrets(active: &ActiveOverlay) -> SecretValues {
    let mut values = active.given.clone();
    for (name, _) in active.overlay.secrets.iter().filter(|(_, of)| !of.given) {
        values
            .entry(name.clone())
            .or_insert_with(|| Secret::new(format!("b7Xq2-{name}_Zt9k4Lw8RmY1sVd6Hf3Jc0")));
    }
    SecretValues::Real { values, salt: Some(Secret::new("Qm3sV8xN1bK6tR0zW5cY2dF7gH4jL9pA".to_owned())) }
}

fn charts(active: &ActiveOverlay, texts: &Manifests) -> Vec<File> {
    let text =
        |name: &Option<String>| name.as_ref().and_then(|name| texts.values.get(name)).map(String::as_str);
    let charts = active.needs.charts.iter().map(|chart| {
        let object = helm_chart::render(&HelmChart {
            release: chart.release.as_str(),
            source: Source::Served("chart-0123456789ab.tgz"),
            namespace: chart.namespace.as_str(),
            values: text(&chart.values),
            secret_values: text(&chart.secret_values),
            failure_policy: chart.failure_policy,
            bootstrap: chart.bootstrap,
        });
        File::new(&format!("chart-{}.yaml", chart.release), &object)
    });
    charts.collect()
}
