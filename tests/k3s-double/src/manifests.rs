//! Auto-deploy manifests in `server/manifests`: which files become which `Addon`.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use yaml_rust2::{Yaml, YamlLoader};

use crate::secret::sha256_hex;
use crate::workload::Workload;
use crate::{chart, clock, log, names};

/// The Addons seen so far, by name.
#[derive(Debug, Default)]
pub(crate) struct Addons {
    deployed: BTreeMap<String, Addon>,
    complained: BTreeMap<PathBuf, String>,
}

#[derive(Debug, PartialEq, Eq)]
struct Addon {
    source: PathBuf,
    checksum: String,
    found: Instant,
}

impl Addons {
    /// Looks at the directory again: takes what is new or changed, and says once of each bad file what is wrong.
    /// Like k3s it forgets nothing when a file disappears.
    ///
    /// # Errors
    /// When the directory is there but cannot be read.
    pub(crate) fn scan(&mut self, dir: &Path, workload: &mut Workload) -> Result<()> {
        for path in manifests_in(dir)? {
            match self.deploy(dir, &path, workload) {
                Ok(()) => {
                    self.complained.remove(&path);
                }
                Err(error) => self.complain(path, format!("{error:#}")),
            }
        }
        Ok(())
    }

    fn deploy(&mut self, dir: &Path, path: &Path, workload: &mut Workload) -> Result<()> {
        let name = addon_name(path)?;
        let known = self.deployed.get(&name);
        if let Some(known) = known {
            let first = known.source.display();
            ensure!(known.source == path, "Addon {name} already comes from {first}: rename one of the files");
        }
        let content = fs::read(path).context("reading it")?;
        let checksum = sha256_hex(&content);
        if known.is_some_and(|known| known.checksum == checksum) {
            return Ok(());
        }
        let objects = parse(&content)?;
        let charts = dir.with_file_name("static").join("charts");
        for object in &objects {
            for (made, namespace) in chart::objects(object, &charts)? {
                workload.apply_in(&made, &namespace);
            }
            workload.apply(object);
        }
        log::info(&format!("Applied Addon {name} from {}", path.display()));
        self.deployed.insert(name, Addon { source: path.into(), checksum, found: Instant::now() });
        Ok(())
    }

    fn complain(&mut self, path: PathBuf, reason: String) {
        if self.complained.get(&path) != Some(&reason) {
            log::error(&format!("Failed to process config: {}: {reason}", path.display()));
            self.complained.insert(path, reason);
        }
    }

    /// The objects as `k3s.cattle.io/v1` shows them. As in k3s an Addon is there as soon as its file was seen, and
    /// gets its checksum once everything in it was applied.
    pub(crate) fn items(&self, namespace: Option<&str>, workload: &Workload) -> Vec<Value> {
        if namespace.is_some_and(|namespace| namespace != "kube-system") {
            return Vec::new();
        }
        let item = |name: &str, source: &Path, checksum: &str| {
            json!({
                "apiVersion": "k3s.cattle.io/v1",
                "kind": "Addon",
                "metadata": {"name": name, "namespace": "kube-system", "uid": uid(name)},
                "spec": {"source": source.display().to_string(), "checksum": checksum},
            })
        };
        let good = self.deployed.iter().map(|(name, addon)| {
            let checksum = if workload.is_ready(name, addon.found) { addon.checksum.as_str() } else { "" };
            item(name, &addon.source, checksum)
        });
        let bad = self.refused().map(|(name, path, _)| item(&name, path, ""));
        good.chain(bad).collect()
    }

    /// Files that could not be applied and are no known Addon, with the reason.
    fn refused(&self) -> impl Iterator<Item = (String, &Path, &str)> {
        let named = self.complained.iter().filter_map(|(path, reason)| {
            addon_name(path).ok().map(|name| (name, path.as_path(), reason.as_str()))
        });
        named.filter(|(name, _, _)| !self.deployed.contains_key(name))
    }

    /// What k3s complains about manifests, as Events of their Addons.
    pub(crate) fn events(&self, namespace: Option<&str>) -> Vec<Value> {
        if namespace.is_some_and(|namespace| namespace != "kube-system") {
            return Vec::new();
        }
        let event = |(name, path, reason): (String, &Path, &str)| {
            json!({
                "apiVersion": "v1",
                "kind": "Event",
                "metadata": {"name": format!("{name}.0"), "namespace": "kube-system"},
                "involvedObject": {"kind": "Addon", "name": name, "namespace": "kube-system"},
                "type": "Warning",
                "reason": "ParseManifestFailed",
                "message": format!("Parse manifest at {:?} failed: {reason}", path.display().to_string()),
                "lastTimestamp": clock::rfc3339_now(),
            })
        };
        self.refused().map(event).collect()
    }
}

/// The same for an Addon at every look, and another for every other.
fn uid(name: &str) -> String {
    let hash = sha256_hex(name.as_bytes());
    let part = |from, to| hash.get(from..to).unwrap_or_default();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

/// All manifests below the directory, sorted by path; without dotfiles, and without those that a `.skip` beside
/// them switches off.
fn manifests_in(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let entries = match fs::read_dir(dir) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(found),
        entries => entries.with_context(|| format!("reading {}", dir.display()))?,
    };
    for entry in entries {
        let path = entry.with_context(|| format!("reading {}", dir.display()))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        let manifest = [".yaml", ".yml", ".json"].iter().any(|suffix| name.ends_with(suffix));
        if path.is_dir() {
            found.append(&mut manifests_in(&path)?);
        } else if manifest && !dir.join(format!("{name}.skip")).exists() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The file's name up to its first dot. It has to be a name that Kubernetes accepts.
fn addon_name(path: &Path) -> Result<String> {
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let name = file.split('.').next().unwrap_or_default();
    ensure!(
        names::is_subdomain(name),
        "the name {name:?} is not one of RFC 1123: use lower-case letters, digits and \"-\" before the first dot"
    );
    Ok(name.to_owned())
}

/// Demands YAML (of which JSON is a part) in which each document is an object with kind and apiVersion.
fn parse(content: &[u8]) -> Result<Vec<Yaml>> {
    let text = std::str::from_utf8(content).context("it is not UTF-8")?;
    let mut documents = YamlLoader::load_from_str(text).context("parsing YAML")?;
    documents.retain(|document| !document.is_null());
    for document in &documents {
        for field in ["apiVersion", "kind"] {
            ensure!(document[field].as_str().is_some(), "an object in it has no {field}");
        }
    }
    Ok(documents)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: a\n";

    fn workload() -> Workload {
        Workload::packaged(&[], std::time::Duration::ZERO, Vec::new())
    }

    #[test]
    fn a_bad_file_is_an_addon_without_checksum_and_an_event() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.yaml"), GOOD).unwrap();
        fs::write(dir.path().join("b.yaml"), "a: [\n").unwrap();
        let mut addons = Addons::default();
        addons.scan(dir.path(), &mut workload()).unwrap();
        let sums = |workload: &Workload| {
            let sum = |item: &Value| item["spec"]["checksum"].as_str().unwrap().len();
            addons.items(Some("kube-system"), workload).iter().map(sum).collect::<Vec<_>>()
        };
        assert_eq!(sums(&workload()), [64, 0]);
        let slow = Workload::packaged(&[], std::time::Duration::from_secs(60), Vec::new());
        assert_eq!(sums(&slow), [0, 0]);
        let events = addons.events(None);
        assert_eq!((events.len(), &events[0]["involvedObject"]["name"]), (1, &json!("b")));
        assert!(addons.items(Some("default"), &workload()).is_empty());
    }

    fn scan(files: &[(&str, &str)]) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let mut addons = Addons::default();
        addons.scan(dir.path(), &mut workload()).unwrap();
        addons.deployed.into_keys().collect()
    }

    #[test]
    fn each_file_becomes_an_addon_named_up_to_the_first_dot() {
        let json = r#"{"apiVersion": "v1", "kind": "Namespace"}"#;
        let files = [("10-a.yaml", GOOD), ("sub/b.v1.yml", GOOD), ("c.json", json), ("d.txt", GOOD)];
        assert_eq!(scan(&files), ["10-a", "b", "c"]);
    }

    #[test]
    fn dotfiles_and_skipped_files_are_left_alone() {
        assert_eq!(scan(&[(".a.yaml", GOOD), ("b.yaml", GOOD), ("b.yaml.skip", "")]), Vec::<String>::new());
    }

    #[test]
    fn bad_names_and_bad_contents_are_refused() {
        let files =
            [("my_app.yaml", GOOD), ("App.yaml", GOOD), ("x.yaml", "a: [\n"), ("y.yaml", "kind: Pod\n")];
        assert!(scan(&files).is_empty());
    }

    #[test]
    fn of_two_files_for_one_name_the_first_by_path_stays() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a.yaml", "a.yml"] {
            fs::write(dir.path().join(name), GOOD).unwrap();
        }
        let mut addons = Addons::default();
        addons.scan(dir.path(), &mut workload()).unwrap();
        assert_eq!(addons.deployed["a"].source, dir.path().join("a.yaml"));
        assert!(addons.complained[&dir.path().join("a.yml")].contains("already comes from"));
    }

    #[test]
    fn a_file_mended_later_is_taken_then() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.yaml");
        fs::write(&path, "a: [\n").unwrap();
        let mut addons = Addons::default();
        addons.scan(dir.path(), &mut workload()).unwrap();
        assert!(addons.deployed.is_empty());
        fs::write(&path, GOOD).unwrap();
        addons.scan(dir.path(), &mut workload()).unwrap();
        assert!(addons.deployed.contains_key("a") && addons.complained.is_empty());
    }
}
