//! Files of manifests as their objects. Each object keeps its own text: Kubernetes reads YAML in its own way (`0644` is octal), so
//! nothing is written anew.

use std::fmt;

use yaml_rust2::Yaml;

use crate::formats::yaml_load;
use crate::overlays::record::RecordedObject;

use super::LiveError;

/// A file as k3s would find it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestFile {
    /// Its name.
    pub name: String,
    /// What is in it, in its order.
    pub objects: Vec<Object>,
}

/// One object. Its text may hold secrets, so it is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Object {
    /// What it is.
    pub id: RecordedObject,
    /// YAML.
    pub text: String,
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Object({})", self.id)
    }
}

impl ManifestFile {
    /// The objects of a text.
    ///
    /// # Errors
    /// [`LiveError::Manifest`] for what is no object, and for a list, whose items have no text of their own.
    pub fn new(name: &str, text: &str) -> Result<Self, LiveError> {
        let mut objects = Vec::new();
        for document in documents(text) {
            let failed = |problem: String| LiveError::Manifest { file: name.to_owned(), problem };
            let yaml = yaml_load::load(&document).map_err(|error| failed(error.to_string()))?;
            let Some(yaml) = yaml.first().filter(|yaml| !yaml.is_null()) else { continue };
            let word = |yaml: &Yaml| yaml.as_str().unwrap_or_default().to_owned();
            let id = RecordedObject {
                api_version: word(&yaml["apiVersion"]),
                kind: word(&yaml["kind"]),
                namespace: word(&yaml["metadata"]["namespace"]),
                name: word(&yaml["metadata"]["name"]),
                was_there: false,
            };
            if id.kind.ends_with("List") && yaml["items"].as_vec().is_some() {
                let problem = "a List: make each of its items a document of its own, after a line `---`";
                return Err(failed(problem.to_owned()));
            }
            if id.api_version.is_empty() || id.kind.is_empty() || id.name.is_empty() {
                return Err(failed("an object without apiVersion, kind and metadata.name".to_owned()));
            }
            objects.push(Object { id, text: document });
        }
        Ok(Self { name: name.to_owned(), objects })
    }
}

/// The documents of a text, parted by lines that begin with `---`: no text in YAML can have such a line.
fn documents(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    for line in text.lines() {
        let mark = line.strip_prefix("---").filter(|rest| rest.is_empty() || rest.starts_with([' ', '\t']));
        if let Some(rest) = mark {
            parts.push(format!("{rest}\n"));
        } else if let Some(last) = parts.last_mut() {
            last.push_str(line);
            last.push('\n');
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_object_has_its_own_text() {
        let text = "# head\n---\napiVersion: v1\nkind: Secret\nmetadata:\n  name: a\n  namespace: shop\ndata: {mode: 0644}\n--- # b\n\
                    apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n---\n# nothing\n";
        let file = ManifestFile::new("a.yaml", text).unwrap();
        let names: Vec<String> = file.objects.iter().map(|object| object.id.to_string()).collect();
        assert_eq!(names, ["Secret shop/a", "Namespace shop"]);
        assert!(file.objects[0].text.contains("mode: 0644") && !file.objects[0].text.contains("Namespace"));
        assert_eq!(format!("{:?}", file.objects[0]), "Object(Secret shop/a)");
    }

    #[test]
    fn what_has_no_name_and_what_is_a_list_is_refused() {
        for (text, says) in [
            ("kind: List\napiVersion: v1\nitems: [{a: b}]\n", "a List"),
            ("kind: Secret\napiVersion: v1\n", "without apiVersion"),
            ("a: [\n", "a.yaml"),
        ] {
            let error = ManifestFile::new("a.yaml", text).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
