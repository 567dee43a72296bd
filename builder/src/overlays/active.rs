//! An overlay that is switched on.

use std::collections::BTreeMap;

use serde::Serialize;
use yaml_rust2::Yaml;

use crate::formats::{kubernetes_list, yaml_load};
use crate::value::{DnsLabel, Secret};

use super::check::expansion;
use super::definition::Overlay;
use super::error::{OverlayError, Result};
use super::folder::DEFINITION;
use super::needs::{Needs, Promise, PromiseKind};
use super::parameter::ParameterValue;
use super::template::{SecretValues, Templates};

/// What templates know of the cluster, as `cluster.name` and so on.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ClusterFacts {
    /// Its name.
    pub name: String,
    /// The host of its API.
    pub api: String,
    /// The search domain of its nodes; empty where there is none.
    pub domain: String,
    /// The time zone of its nodes; empty where the base decides.
    pub time_zone: String,
    /// The domain of its services.
    pub service_domain: String,
    /// The networks of its pods.
    pub pod_networks: Vec<String>,
    /// The networks of its services.
    pub service_networks: Vec<String>,
    /// The server that starts it.
    pub first_server: String,
    /// Where it keeps its state: `sqlite`, `etcd`, or `external` for a database elsewhere.
    pub datastore: String,
    /// Where the data disk of the nodes is mounted.
    pub data: String,
    /// What the file says of k3s' version: a release such as `v1.36.2+k3s1`, or a channel.
    pub k3s_version: String,
    /// Whether its Secrets are encrypted there.
    pub secrets_encryption: bool,
    /// All nodes, the first server first.
    pub nodes: Vec<NodeFacts>,
    /// The names of all overlays that are switched on, those that others need too.
    pub overlays: Vec<String>,
}

/// What templates know of a node.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct NodeFacts {
    /// Its name in the cluster.
    pub name: String,
    /// Its host name, which the cluster file has.
    pub host: String,
    /// `server` or `agent`.
    pub role: String,
    /// Its fixed address; empty with DHCP.
    pub address: String,
    /// The architecture as Kubernetes names it.
    pub arch: String,
    /// Its memory in MiB, as the cluster file or the board has it; 0 where neither says.
    pub memory: u64,
}

/// An overlay that is switched on, with its parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct ActiveOverlay {
    /// The overlay.
    pub overlay: Overlay,
    /// All parameters.
    pub parameters: BTreeMap<String, ParameterValue>,
    /// The secrets that the user set.
    pub given: BTreeMap<String, Secret>,
    /// The overlay that needs it, where the cluster file does not switch it on.
    pub asked_by: Option<DnsLabel>,
    /// What the cluster gets besides manifests.
    pub needs: Needs,
    /// Its manifests, with masks for secrets.
    pub shown: Manifests,
    facts: ClusterFacts,
}

/// Texts that an overlay gives.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifests {
    /// Manifests, in the order in which k3s applies them.
    pub files: Vec<RenderedFile>,
    /// Values of charts, by the name of their template.
    pub values: BTreeMap<String, String>,
}

/// A manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderedFile {
    /// Its name for k3s, which no other overlay has: `nextcloud-app.yaml`.
    pub name: String,
    /// The template, such as `manifests/app.yaml`.
    pub template: String,
    /// YAML.
    pub text: String,
}

/// The most objects of one overlay: charts of hundreds exist, and each is compared with all others.
const MOST_OBJECTS: usize = 1000;

impl ActiveOverlay {
    /// An overlay with all its parameters.
    ///
    /// # Errors
    /// When an expression or a template fails.
    pub fn new(
        overlay: Overlay,
        parameters: BTreeMap<String, ParameterValue>,
        given: BTreeMap<String, Secret>,
        asked_by: Option<DnsLabel>,
        facts: ClusterFacts,
    ) -> Result<Self> {
        // Secrets are for manifests alone: what is asked for by them would stand in plans and locks.
        let without = overlay.without_secrets();
        let templates = Templates::new(&without, &parameters, &facts, &given, SecretValues::Masked);
        let failed = |problem| OverlayError::invalid(&overlay.folder.path(DEFINITION), problem);
        let needs = overlay.wants.resolve(&overlay.name, &parameters, &templates).map_err(failed)?;
        let mut active =
            Self { overlay, parameters, given, asked_by, needs, shown: Manifests::default(), facts };
        active.shown = active.filled(SecretValues::Masked)?;
        // Aliases can make much of little, and what all manifests unfold to is in memory at once.
        let all: Vec<&str> = active.shown.files.iter().map(|file| file.text.as_str()).collect();
        if all.len() > 1
            && let Err(error) = yaml_load::load(&all.join("\n---\n"))
        {
            let problem = format!("all of them together: {}", error.problem);
            return Err(OverlayError::invalid(&active.overlay.folder.path("manifests"), problem));
        }
        let count = active.documents().count();
        if count > MOST_OBJECTS {
            let problem = format!("{count} objects, expected at most {MOST_OBJECTS}");
            return Err(OverlayError::invalid(&active.overlay.folder.path("manifests"), problem));
        }
        if let Some(name) = active.changed_parameter() {
            let problem = format!("`{name}`: Kubernetes would change it: it must have neither $( nor $$");
            return Err(OverlayError::invalid(&active.overlay.folder.path("manifests"), problem));
        }
        Ok(active)
    }

    /// A parameter whose text would be another one in a container.
    fn changed_parameter(&self) -> Option<&str> {
        let texts = self.parameters.iter().flat_map(|(name, value)| {
            let texts = match value {
                ParameterValue::Text(text) => std::slice::from_ref(text),
                ParameterValue::List(texts) => texts.as_slice(),
                _ => &[],
            };
            texts.iter().map(move |text| (name, text)).filter(|(_, text)| expansion::changes(text))
        });
        let mut texts = texts.peekable();
        texts.peek()?;
        let documents: Vec<Yaml> = self.documents().collect();
        let is_changed = |text: &str| documents.iter().any(|object| expansion::is_changed(object, text));
        texts.find(|(_, text)| is_changed(text)).map(|(name, _)| name.as_str())
    }

    /// Its name.
    pub fn name(&self) -> &DnsLabel {
        &self.overlay.name
    }

    /// All objects of its manifests.
    pub fn documents(&self) -> impl Iterator<Item = Yaml> {
        self.shown.files.iter().flat_map(|file| objects(&file.text))
    }

    /// What firstboot waits for: what `overlay.toml` says, and every workload in its manifests.
    pub fn promises(&self) -> Vec<Promise> {
        let mut promises = self.needs.promises.clone();
        for document in self.documents() {
            let kind = match document["kind"].as_str() {
                Some("Deployment") => PromiseKind::Deployment,
                Some("StatefulSet") => PromiseKind::StatefulSet,
                Some("DaemonSet") => PromiseKind::DaemonSet,
                _ => continue,
            };
            let metadata = &document["metadata"];
            let namespace = metadata["namespace"].as_str().unwrap_or("default");
            let Some(name) = metadata["name"].as_str() else { continue };
            // The API server refuses what is not a name.
            let Ok(name) = format!("{namespace}/{name}").parse() else { continue };
            promises.push(Promise { kind, name });
        }
        promises.sort();
        promises.dedup();
        promises
    }

    /// Its manifests and values with these secrets.
    ///
    /// # Errors
    /// When a template fails, or makes other objects than with masks: those were looked at, and these were not.
    pub fn render(&self, secrets: SecretValues) -> Result<Manifests> {
        let made = self.filled(secrets)?;
        let names = |manifests: &Manifests| -> Vec<(String, Vec<[String; 4]>)> {
            manifests.files.iter().map(|file| (file.name.clone(), identities(&file.text))).collect()
        };
        if names(&made) != names(&self.shown) {
            let problem = "its objects depend on what is in a secret: let them depend on a parameter";
            return Err(OverlayError::invalid(&self.overlay.folder.path("manifests"), problem));
        }
        Ok(made)
    }

    fn filled(&self, secrets: SecretValues) -> Result<Manifests> {
        let without = self.overlay.without_secrets();
        let of =
            |overlay, secrets| Templates::new(overlay, &self.parameters, &self.facts, &self.given, secrets);
        let open = of(&without, SecretValues::Masked);
        let secret = of(&self.overlay, secrets);
        let made = |templates: &Templates<'_>, file: &str| {
            let invalid = |problem| OverlayError::invalid(&self.overlay.folder.path(file), problem);
            templates.file(file).map_err(invalid)
        };
        let mut manifests = Manifests::default();
        for file in self.overlay.manifests() {
            let template = format!("manifests/{file}");
            let text = made(&secret, &template)?;
            // A template may be for a choice that was not made.
            if !is_empty(&text) {
                let name = format!("{}-{file}", self.overlay.name);
                manifests.files.push(RenderedFile { name, template, text });
            }
        }
        for chart in &self.needs.charts {
            // Values can be read by many: templates of open ones know no secrets.
            let files = [(&chart.values, &open), (&chart.secret_values, &secret)];
            for (file, templates) in files.into_iter().filter_map(|(file, of)| Some((file.as_ref()?, of))) {
                let text = made(templates, file)?;
                if let Err(error) = yaml_load::load(&text) {
                    return Err(OverlayError::invalid(&self.overlay.folder.path(file), error.to_string()));
                }
                manifests.values.insert(file.clone(), text);
            }
        }
        Ok(manifests)
    }
}

/// Group and version, kind, namespace and name of each object.
fn identities(text: &str) -> Vec<[String; 4]> {
    let word = |yaml: &Yaml| yaml.as_str().unwrap_or_default().to_owned();
    let of = |object: Yaml| {
        let metadata = &object["metadata"];
        [
            word(&object["apiVersion"]),
            word(&object["kind"]),
            word(&metadata["namespace"]),
            word(&metadata["name"]),
        ]
    };
    objects(text).into_iter().map(of).collect()
}

/// All objects of a text, those in lists too.
pub(super) fn objects(text: &str) -> Vec<Yaml> {
    let documents = yaml_load::load(text).unwrap_or_default();
    // A document with nothing but comments is null.
    let is_there = |object: &&Yaml| !object.is_null() && !object.is_badvalue();
    documents.iter().flat_map(kubernetes_list::objects).filter(is_there).cloned().collect()
}

/// Whether a text has nothing but comments and marks between documents.
fn is_empty(text: &str) -> bool {
    text.lines().map(str::trim).all(|line| line.is_empty() || line.starts_with('#') || line == "---")
}
