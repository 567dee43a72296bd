//! Objects against the schemas of Kubernetes, strictly, and against definitions of other kinds: `schemas/check.py`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use hcimage::overlays::Library;
use hcimage_testkit::proof::{OverlayLevel, Proof};
use hcimage_testkit::tools::run;
use serde_json::{Value, json};

use super::{FOUR, ONE, load, table};

/// The minors of Kubernetes that an overlay must work with.
pub(crate) const MINORS: [&str; 4] = ["1.34", "1.35", "1.36", "1.37"];

/// An object, where it comes from, and the minor of Kubernetes that is to take it.
pub(crate) struct Object<'a> {
    pub(crate) origin: &'a str,
    pub(crate) minor: &'a str,
    pub(crate) text: &'a str,
}

/// What was found.
pub(crate) struct Said {
    pub(crate) checked: u64,
    /// A line for each object that is refused.
    pub(crate) refused: Vec<String>,
    /// Kinds without a schema.
    pub(crate) unknown: Vec<String>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/overlays/schemas")
}

/// The schemas and what reads them, in the build directory; fetched if they are not there.
fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/schemas");
        run(Command::new(folder().join("install.sh")).arg(&place));
        place.join("bin/python")
    })
}

pub(crate) fn check(definitions: &BTreeSet<&str>, objects: &[Object<'_>]) -> Said {
    let objects: Vec<Value> = objects
        .iter()
        .map(|object| json!({"origin": object.origin, "minor": object.minor, "text": object.text}))
        .collect();
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("objects.json");
    fs::write(&file, json!({"definitions": definitions, "objects": objects}).to_string()).unwrap();
    let said = run(Command::new(python()).arg(folder().join("check.py")).arg(file));
    let said: Value = serde_json::from_str(&said).unwrap();
    let texts = |key: &str| -> Vec<String> {
        said[key].as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    Said { checked: said["checked"].as_u64().unwrap(), refused: texts("refused"), unknown: texts("unknown") }
}

/// The documents of a file that have something in them.
pub(crate) fn documents(text: &str) -> Vec<String> {
    let mut documents = vec![String::new()];
    for line in text.lines() {
        if line.trim_end() == "---" {
            documents.push(String::new());
        } else if let Some(last) = documents.last_mut() {
            last.push_str(line);
            last.push('\n');
        }
    }
    let has_content = |line: &str| !line.trim().is_empty() && !line.starts_with('#');
    documents.retain(|document| document.lines().any(has_content));
    documents
}

/// Fields in use of the kinds that charts bring.
fn definitions() -> Vec<String> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/overlays/crds");
    let files = fs::read_dir(dir).unwrap().map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
    files.flat_map(|text| documents(&text)).collect()
}

/// Alone and with each other one, with SQLite and with etcd on three servers.
#[test]
fn what_each_overlay_and_every_pair_renders_is_what_kubernetes_takes() {
    let all = Library::built_in().unwrap();
    let three_servers = FOUR.replacen("\"agent\"", "\"server\"", 2);
    let etcd = "[k3s]\ndatastore = \"etcd\"\n";
    let mut texts: BTreeSet<String> = BTreeSet::new();
    let mut clusters = 0;
    let mut keep = |tables: &str, nodes: &str| {
        // Two of one kind are refused, which another test looks at.
        let Ok(checked) = load(Path::new("/nowhere"), tables, nodes) else { return };
        clusters += 1;
        for active in &checked.cluster.overlays {
            texts.extend(active.shown.files.iter().flat_map(|file| documents(&file.text)));
        }
    };
    for (place, one) in all.iter().enumerate() {
        keep(&table(one), ONE);
        keep(&table(one), FOUR);
        keep(&(etcd.to_owned() + &table(one)), &three_servers);
        for other in all.iter().skip(place + 1) {
            keep(&(table(one) + &table(other)), FOUR);
        }
    }
    assert!(clusters > 100, "{clusters}");
    let objects: Vec<Object<'_>> = MINORS
        .iter()
        .flat_map(|minor| texts.iter().map(|text| Object { origin: text, minor, text }))
        .collect();
    let definitions = definitions();
    let said = check(&definitions.iter().map(String::as_str).collect(), &objects);
    assert!(said.refused.is_empty(), "{}", said.refused.join("\n"));
    // helm-controller's own definition is for `make overlay-judge`.
    let is_helm = |kind: &String| kind.contains("helm.cattle.io");
    assert!(said.unknown.iter().all(is_helm), "{:?}", said.unknown);
    assert!(said.checked > 150, "{}", said.checked);
    for overlay in &all {
        Proof::of_overlay(OverlayLevel::Schemas, overlay.name.as_str()).holds();
    }
}

#[test]
fn what_kubernetes_does_not_take_is_found() {
    let sound = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{port: 80}]}\n";
    for (text, expected) in [
        (sound.to_owned(), None),
        (sound.replace("port: 80", "port: 80, prot: 80"), Some("prot")),
        (sound.replace("port: 80", "port: eighty"), Some("eighty")),
        (sound.replace("kind: Service\n", "kind: Service\nkind: Service\n"), Some("there twice")),
        (
            "apiVersion: cert-manager.io/v1\nkind: ClusterIssuer\nmetadata: {name: a}\nspec: {acem: {}}\n"
                .to_owned(),
            Some("acem"),
        ),
    ] {
        let definitions = definitions();
        let objects = [Object { origin: "a test", minor: "1.36", text: &text }];
        let said = check(&definitions.iter().map(String::as_str).collect(), &objects);
        match expected {
            Some(expected) => {
                assert!(
                    said.refused.iter().any(|line| line.contains(expected)),
                    "{text}: {:?}",
                    said.refused
                );
            }
            None => assert!(said.refused.is_empty() && said.checked == 1, "{text}: {:?}", said.refused),
        }
    }
}
