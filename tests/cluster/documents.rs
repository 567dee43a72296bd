//! The documents generated from the types, and their examples.

use std::fs;

use hcimage::cluster;
use hcimage::source::INPUT_FORMATS;

use crate::{check, golden, root};

#[test]
fn the_reference_is_up_to_date() {
    golden(&root().join("docs/config.md"), &cluster::reference());
}

#[test]
fn the_schema_is_up_to_date() {
    let text = serde_json::to_string_pretty(&cluster::schema()).unwrap() + "\n";
    golden(&root().join("docs/cluster.schema.json"), &text);
}

/// As `hcimage build --help` and the messages have it.
#[test]
fn the_documents_name_the_formats_that_are_unpacked() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    for text in [cluster::reference(), readme] {
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(INPUT_FORMATS), "{INPUT_FORMATS} is missing");
    }
}

#[test]
fn every_key_is_documented() {
    fn walk(path: &str, schema: &serde_json::Value) -> usize {
        let mut keys = 0;
        for (key, inner) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{key}");
            // The key of a secret in a separate file is explained at the top of the page.
            let about = inner["description"].as_str().unwrap_or_default();
            assert!(about.ends_with('.'), "{path} says {about:?}");
            let inside = [inner, &inner["items"], &inner["additionalProperties"]];
            keys += 1 + inside.map(|schema| walk(&path, schema)).iter().sum::<usize>();
        }
        keys
    }
    let keys = walk("", &cluster::schema());
    assert!(keys > 60, "only {keys} keys were found");
}

#[test]
fn every_example_passes_without_a_warning() {
    let mut names = Vec::new();
    for dir in fs::read_dir(root().join("docs/examples")).unwrap().map(Result::unwrap) {
        let text = fs::read_to_string(dir.path().join("cluster.toml")).unwrap();
        let checked = check(&text).unwrap_or_else(|report| panic!("{}:\n{report}", dir.path().display()));
        assert!(checked.warnings.is_empty(), "{}", checked.warnings);
        names.push(dir.file_name().into_string().unwrap());
    }
    names.sort();
    assert_eq!(
        names,
        [
            "closed-site",
            "home-cloud",
            "more-nodes",
            "office-apps",
            "one-pi",
            "outside-database",
            "three-servers",
            "turing-pi",
            "turing-pi-apps"
        ]
    );
    let page = cluster::reference();
    for name in names {
        assert!(page.contains(&format!("examples/{name}/cluster.toml")), "{name} is not in the reference");
    }
}
