//! A manifest for k3s's auto-deploy directory, checked so that k3s applies all of it.

use std::fmt;

use yaml_rust2::Yaml;

use crate::formats::yaml_load::{self, YamlError};
use crate::formats::{kubernetes_list, kubernetes_text};
use crate::source::k3s_history::PACKAGED;
use crate::value::Secret;

use super::containers::{self, Container};
use super::k3s::Component;

/// A manifest whose name k3s accepts and whose text is a list of Kubernetes objects. `Debug` prints the name only: the
/// text may contain Secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct Manifest {
    name: String,
    text: Secret,
    containers: Vec<Container>,
}

impl fmt::Debug for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manifest").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Why k3s would not apply a manifest, or only a part of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadManifest {
    /// k3s makes the name of its `Addon` object from the file's name.
    #[error(
        "invalid file name {0:?}: use lowercase letters, digits and hyphens, and end it with .yaml, .yml or .json"
    )]
    Name(String),
    /// k3s writes a file with this name and would overwrite ours, or take its objects away.
    #[error("file name {0:?} is reserved: a manifest of k3s itself has this name; choose another one")]
    Packaged(String),
    /// It is not valid YAML.
    #[error("invalid YAML in line {line}: {problem}")]
    Syntax {
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// A document in it is not a Kubernetes object.
    #[error("document {number} has no {field}; every object needs apiVersion, kind and metadata.name")]
    NoObject {
        /// Counted from 1.
        number: usize,
        /// What is missing.
        field: &'static str,
    },
    /// The API refuses the object.
    #[error(
        "document {number}: {path} is a number, a switch or a collection, and must be text: put it in quotes, or k3s does not \
         apply the object"
    )]
    NotText {
        /// Counted from 1.
        number: usize,
        /// Where it is in the object.
        path: String,
    },
    /// It has no objects.
    #[error("the file contains no object")]
    Empty,
}

impl Manifest {
    /// The longest file in bytes.
    pub const LONGEST: u64 = yaml_load::LONGEST as u64;

    /// A manifest for a file called `name`.
    pub fn new(name: &str, text: String) -> Result<Self, BadManifest> {
        let (stem, ending) = name.split_once('.').unwrap_or((name, ""));
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let named = (1..=63).contains(&stem.len())
            && stem.chars().all(good)
            && !stem.starts_with('-')
            && !stem.ends_with('-');
        let last = ending.rsplit('.').next().unwrap_or_default();
        if !named || !["yaml", "yml", "json"].contains(&last) {
            return Err(BadManifest::Name(name.to_owned()));
        }
        if PACKAGED.contains(&stem) {
            return Err(BadManifest::Packaged(stem.to_owned()));
        }
        let containers = read_objects(&text)?;
        Ok(Self { name: name.to_owned(), text: Secret::new(text), containers })
    }

    /// The file's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name of the `Addon` object that k3s creates for it.
    pub fn addon(&self) -> &str {
        self.name.split('.').next().unwrap_or_default()
    }

    /// The disabled component for whose manifest k3s would take this one. It compares the file's name without its last
    /// ending (`pkg/deploy/controller.go`, `shouldDisableFile`), deletes the file, and all objects in it.
    pub fn component_in(name: &str, disabled: impl IntoIterator<Item = Component>) -> Option<Component> {
        let base = name.rsplit_once('.').map_or(name, |(base, _)| base);
        disabled.into_iter().find(|component| component.as_str() == base)
    }

    /// What its objects run.
    pub fn containers(&self) -> &[Container] {
        &self.containers
    }

    /// The YAML, as it was given.
    pub fn text(&self) -> &Secret {
        &self.text
    }
}

fn read_objects(text: &str) -> Result<Vec<Container>, BadManifest> {
    let documents = yaml_load::load_as_go(text)
        .map_err(|YamlError { line, problem }| BadManifest::Syntax { line, problem })?;
    let (mut objects, mut found) = (0, Vec::new());
    // A document with only comments is null; k3s skips it.
    for (index, object) in documents.iter().enumerate().filter(|(_, document)| !document.is_null()) {
        let missing = |field| Err(BadManifest::NoObject { number: index + 1, field });
        let text = |yaml: &Yaml| yaml.as_str().is_some_and(|text| !text.is_empty());
        if !text(&object["apiVersion"]) {
            return missing("apiVersion");
        }
        if !text(&object["kind"]) {
            return missing("kind");
        }
        let metadata = &object["metadata"];
        let is_list = object["kind"].as_str().is_some_and(|kind| kind.ends_with("List"));
        if !is_list && !text(&metadata["name"]) && !text(&metadata["generateName"]) {
            return missing("metadata.name");
        }
        if let Some(path) = kubernetes_list::objects(object).into_iter().find_map(kubernetes_text::not_text) {
            return Err(BadManifest::NotText { number: index + 1, path });
        }
        objects += 1;
        found.extend(containers::of_document(object));
    }
    if objects == 0 { Err(BadManifest::Empty) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "# a shop\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n---\n# nothing\n---\n\
         apiVersion: v1\nkind: List\nitems: []\n";

    #[test]
    fn names_are_those_that_k3s_reads() {
        for name in ["shop.yaml", "a-1.yml", "x.json", "shop.v1.yaml"] {
            let manifest = Manifest::new(name, GOOD.to_owned()).unwrap();
            assert_eq!((manifest.name(), manifest.text().expose()), (name, GOOD));
        }
        assert_eq!(Manifest::new("shop.v1.yaml", GOOD.to_owned()).unwrap().addon(), "shop");
        for name in
            ["", "shop", "shop.notyaml", "shop.yaml.skip", "Shop.yaml", "my_shop.yaml", "-a.yaml", ".yaml"]
        {
            assert_eq!(Manifest::new(name, GOOD.to_owned()), Err(BadManifest::Name(name.to_owned())));
        }
        for stem in PACKAGED {
            let packaged = Manifest::new(&format!("{stem}.yml"), GOOD.to_owned()).unwrap_err().to_string();
            assert!(packaged.contains("another one"), "{packaged}");
        }
    }

    #[test]
    fn a_file_named_as_a_disabled_component_is_k3s_own() {
        use Component::{MetricsServer, Servicelb};
        let of = |name| Manifest::component_in(name, [Servicelb, MetricsServer]);
        assert_eq!(of("metrics-server.yaml"), Some(MetricsServer));
        assert_eq!(of("servicelb.json"), Some(Servicelb));
        for name in ["metrics-server.v1.yaml", "metrics-server-2.yaml", "shop.yaml", "traefik.yaml"] {
            assert_eq!(of(name), None, "{name}");
        }
    }

    #[test]
    fn a_document_that_is_not_an_object_is_rejected_by_number_and_field() {
        for (text, said) in [
            ("", "no object"),
            ("# only a comment\n", "no object"),
            ("kind: Namespace\n", "document 1 has no apiVersion"),
            (
                "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n---\napiVersion: v1\n",
                "document 2 has no kind",
            ),
            ("apiVersion: v1\nkind: Pod\n", "metadata.name"),
            ("just text\n", "no apiVersion"),
            (
                "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n---\nkind: List\napiVersion: v1\nitems:\n\
                 - {kind: ConfigMap, apiVersion: v1, metadata: {name: a}, data: {a: b, port: 80}}\n",
                "document 2: data.port is a number",
            ),
            ("a: b\n c: d\n", "line 2"),
            ("a: [1, 2\n", "line "),
        ] {
            let error = Manifest::new("a.yaml", text.to_owned()).unwrap_err().to_string();
            assert!(error.contains(said), "{text:?}: {error}");
        }
    }

    /// k3s 1.36.3 applies the object at its second try, a quarter of a minute later, in whatever order they are.
    #[test]
    fn a_definition_and_its_objects_may_be_in_one_file() {
        let text = "apiVersion: e.org/v1\nkind: Pool\nmetadata: {name: p}\n---\napiVersion: apiextensions.k8s.io/v1\n\
                    kind: CustomResourceDefinition\nmetadata: {name: c}\nspec: {group: e.org, names: {kind: Pool}}\n";
        assert!(Manifest::new("a.yaml", text.to_owned()).is_ok());
    }
}
