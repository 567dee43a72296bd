//! Auto-deploy manifests in `server/manifests`: which files become which `Addon`.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use yaml_rust2::YamlLoader;

use crate::secret::sha256_hex;
use crate::{log, names};

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
}

impl Addons {
    /// Looks at the folder again: takes what is new or changed, and says once of each bad file what is wrong.
    /// Like k3s it forgets nothing when a file disappears.
    ///
    /// # Errors
    /// When the folder is there but cannot be read.
    pub(crate) fn scan(&mut self, folder: &Path) -> Result<()> {
        for path in manifests_in(folder)? {
            match self.deploy(&path) {
                Ok(()) => {
                    self.complained.remove(&path);
                }
                Err(error) => self.complain(path, format!("{error:#}")),
            }
        }
        Ok(())
    }

    fn deploy(&mut self, path: &Path) -> Result<()> {
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
        parse(&content)?;
        log::info(&format!("Applied Addon {name} from {}", path.display()));
        self.deployed.insert(name, Addon { source: path.into(), checksum });
        Ok(())
    }

    fn complain(&mut self, path: PathBuf, reason: String) {
        if self.complained.get(&path) != Some(&reason) {
            log::error(&format!("Failed to process config: {}: {reason}", path.display()));
            self.complained.insert(path, reason);
        }
    }

    /// The list as `k3s.cattle.io/v1` shows it.
    pub(crate) fn list(&self) -> Value {
        let item = |(name, addon): (&String, &Addon)| {
            json!({
                "apiVersion": "k3s.cattle.io/v1",
                "kind": "Addon",
                "metadata": {"name": name, "namespace": "kube-system"},
                "spec": {"source": addon.source.display().to_string(), "checksum": addon.checksum},
            })
        };
        let items: Vec<Value> = self.deployed.iter().map(item).collect();
        json!({"apiVersion": "k3s.cattle.io/v1", "kind": "AddonList", "metadata": {}, "items": items})
    }
}

/// All manifests below the folder, sorted by path; without dotfiles, and without those that a `.skip` beside
/// them switches off.
fn manifests_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let entries = match fs::read_dir(folder) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(found),
        entries => entries.with_context(|| format!("reading {}", folder.display()))?,
    };
    for entry in entries {
        let path = entry.with_context(|| format!("reading {}", folder.display()))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        let manifest = [".yaml", ".yml", ".json"].iter().any(|suffix| name.ends_with(suffix));
        if path.is_dir() {
            found.append(&mut manifests_in(&path)?);
        } else if manifest && !folder.join(format!("{name}.skip")).exists() {
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
fn parse(content: &[u8]) -> Result<()> {
    let text = std::str::from_utf8(content).context("it is not UTF-8")?;
    let documents = YamlLoader::load_from_str(text).context("parsing YAML")?;
    for document in documents.iter().filter(|document| !document.is_null()) {
        for field in ["apiVersion", "kind"] {
            ensure!(document[field].as_str().is_some(), "an object in it has no {field}");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: a\n";

    fn scan(files: &[(&str, &str)]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let mut addons = Addons::default();
        addons.scan(folder.path()).unwrap();
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
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.yaml", "a.yml"] {
            fs::write(folder.path().join(name), GOOD).unwrap();
        }
        let mut addons = Addons::default();
        addons.scan(folder.path()).unwrap();
        assert_eq!(addons.deployed["a"].source, folder.path().join("a.yaml"));
        assert!(addons.complained[&folder.path().join("a.yml")].contains("already comes from"));
    }

    #[test]
    fn a_file_mended_later_is_taken_then() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.yaml");
        fs::write(&path, "a: [\n").unwrap();
        let mut addons = Addons::default();
        addons.scan(folder.path()).unwrap();
        assert!(addons.deployed.is_empty());
        fs::write(&path, GOOD).unwrap();
        addons.scan(folder.path()).unwrap();
        assert!(addons.deployed.contains_key("a") && addons.complained.is_empty());
    }
}
