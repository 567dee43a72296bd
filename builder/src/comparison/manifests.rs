//! Two lists of changes, as builds write them beside their images.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Differing, Side, values};

/// The only schema so far.
const SCHEMA: u32 = 1;

/// A text that is no list of changes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no list of changes of hcimage: {problem}; name an image, or the .manifest.json beside one")]
pub struct BadManifest {
    problem: String,
}

#[derive(Deserialize)]
struct Manifest {
    schema: u32,
    hcimage: String,
    base: serde_json::Value,
    time: i64,
    partition_table: Option<String>,
    changes: Vec<Change>,
}

#[derive(Deserialize)]
struct Change {
    path: String,
    now: Now,
    reason: String,
}

#[derive(Deserialize, PartialEq)]
struct Now {
    kind: String,
    sha256: Option<String>,
    size: Option<u64>,
    mode: Option<String>,
    uid: Option<u32>,
    gid: Option<u32>,
    target: Option<String>,
}

/// Compares two lists of changes. A file whose content is secret has no digest: then only its size says whether it differs.
///
/// # Errors
/// When one of the texts is no list of changes.
pub fn manifests(first: &str, second: &str) -> Result<Vec<Differing>, BadManifest> {
    let (first, second) = (read(first)?, read(second)?);
    let mut found = Vec::new();
    let mut whole = |what: &str, one: String, other: String| {
        if one != other {
            found.push(Differing { path: what.to_owned(), how: format!("{one} and {other}") });
        }
    };
    whole("hcimage", first.hcimage, second.hcimage);
    whole("base", words(&first.base), words(&second.base));
    whole("build time", first.time.to_string(), second.time.to_string());
    let table = |table: Option<String>| table.unwrap_or_else(|| "as in the base".to_owned());
    whole("partition table", table(first.partition_table), table(second.partition_table));
    let by_path = |changes: Vec<Change>| -> BTreeMap<String, Change> {
        changes.into_iter().map(|change| (change.path.clone(), change)).collect()
    };
    let (mut ours, mut theirs) = (by_path(first.changes), by_path(second.changes));
    let mut paths: Vec<String> = ours.keys().chain(theirs.keys()).cloned().collect();
    paths.sort();
    paths.dedup();
    for path in paths {
        match (ours.remove(&path), theirs.remove(&path)) {
            (Some(one), Some(other)) => found.extend(Differing::of(path, &parts(&one.now, &other.now))),
            (Some(one), None) => found.push(Differing::only(path, Side::First, &one.reason)),
            (None, Some(other)) => found.push(Differing::only(path, Side::Second, &other.reason)),
            (None, None) => {}
        }
    }
    Ok(found)
}

fn read(text: &str) -> Result<Manifest, BadManifest> {
    let manifest: Manifest =
        serde_json::from_str(text).map_err(|error| BadManifest { problem: error.to_string() })?;
    if manifest.schema != SCHEMA {
        let problem = format!("expected schema {SCHEMA}, found {}", manifest.schema);
        return Err(BadManifest { problem });
    }
    Ok(manifest)
}

/// `raspios trixie` of the object that names a base.
fn words(base: &serde_json::Value) -> String {
    match base.as_object() {
        Some(members) => members.values().filter_map(|value| value.as_str()).collect::<Vec<_>>().join(" "),
        None => base.to_string(),
    }
}

fn parts(one: &Now, other: &Now) -> Vec<String> {
    if one.kind != other.kind {
        return vec![format!("{} and {}", one.kind, other.kind)];
    }
    let mut parts = Vec::new();
    let mut value = |what: &str, first: Option<String>, second: Option<String>| {
        if let (Some(first), Some(second)) = (first, second)
            && first != second
        {
            parts.push(values(what, first, second));
        }
    };
    let number = |number: Option<u64>| number.map(|number| number.to_string());
    value("size", number(one.size), number(other.size));
    value("mode", one.mode.clone(), other.mode.clone());
    let owner = |now: &Now| now.uid.zip(now.gid).map(|(uid, gid)| format!("{uid}:{gid}"));
    value("owner", owner(one), owner(other));
    value("target", one.target.clone(), other.target.clone());
    if one.size == other.size && one.sha256 != other.sha256 {
        parts.insert(0, "content".to_owned());
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(time: i64, changes: &str) -> String {
        format!(
            "{{\"schema\": 1, \"hcimage\": \"0.1.0\", \"base\": {{\"family\": \"raspios\", \"codename\": \"trixie\"}}, \"time\": {time}, \
             \"changes\": [{changes}]}}"
        )
    }

    fn file(path: &str, sha256: &str, size: u64, mode: &str) -> String {
        format!(
            "{{\"path\": {path:?}, \"now\": {{\"kind\": \"file\", \"sha256\": {sha256:?}, \"size\": {size}, \"mode\": {mode:?}, \"uid\": 0, \
             \"gid\": 0}}, \"old_sha256\": null, \"reason\": \"the node's name\"}}"
        )
    }

    #[test]
    fn what_differs_is_told_by_its_path() {
        let one =
            manifest(1, &[file("/etc/hostname", "aa", 5, "0644"), file("/a", "bb", 1, "0644")].join(", "));
        let other =
            manifest(2, &[file("/etc/hostname", "cc", 5, "0600"), file("/b", "bb", 1, "0644")].join(", "));
        let found = manifests(&one, &other).unwrap();
        let lines: Vec<String> = found.iter().map(|found| format!("{}: {}", found.path, found.how)).collect();
        assert_eq!(
            lines,
            [
                "build time: 1 and 2",
                "/a: only in the first: the node's name",
                "/b: only in the second: the node's name",
                "/etc/hostname: content, mode 0644 and 0600",
            ]
        );
        assert_eq!(manifests(&one, &one), Ok(Vec::new()));
        assert!(manifests(&one, "{}").is_err());
        assert!(
            manifests(&one, &one.replace("\"schema\": 1", "\"schema\": 2"))
                .unwrap_err()
                .to_string()
                .contains("found 2")
        );
    }
}
