//! Charts in a folder, and what Helm makes of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use hc_common::text::yaml_load;
use hcimage::charts::ChartVersion;
use hcimage_testkit::tools::run;
use yaml_rust2::Yaml;

use super::documents;
use super::keys::Known;

/// A chart, unpacked.
#[derive(Debug, Clone)]
pub(super) struct Chart {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) dir: PathBuf,
    pub(super) known: Known,
}

/// What a chart is rendered with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Given {
    pub(super) release: String,
    pub(super) namespace: String,
    /// Values in YAML, the last ones win.
    pub(super) files: Vec<String>,
}

/// A folder with charts, packed or not, and definitions (`*.yaml`) that no chart brings.
pub(super) struct Folder {
    pub(super) charts: Vec<Chart>,
    pub(super) definitions: Vec<String>,
}

impl Folder {
    pub(super) fn read(folder: &Path, scratch: &Path) -> Self {
        let mut found = Self { charts: Vec::new(), definitions: Vec::new() };
        let mut entries: Vec<PathBuf> = fs::read_dir(folder)
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
            .map(|entry| entry.unwrap().path())
            .collect();
        entries.sort();
        for path in entries {
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.join("Chart.yaml").is_file() {
                found.charts.push(chart(&path, scratch));
            } else if name.ends_with(".tgz") {
                found.charts.push(chart(&unpacked(&path, scratch), scratch));
            } else if name.ends_with(".yaml") {
                let text = fs::read_to_string(&path).unwrap();
                found.definitions.extend(documents(&text));
            } else {
                panic!("{}: neither a chart nor YAML", path.display());
            }
        }
        found
    }

    /// The chart of this version, or else the newest of the same minor.
    pub(super) fn find(&self, name: &str, wanted: &str) -> Option<&Chart> {
        let wanted_numbers = numbers(wanted);
        let of_minor =
            |chart: &&Chart| chart.name == name && numbers(&chart.version)[..2] == wanted_numbers[..2];
        let is_wanted =
            |chart: &&Chart| wanted.parse::<ChartVersion>().is_ok_and(|wanted| wanted.is(&chart.version));
        let exact = self.charts.iter().filter(of_minor).find(is_wanted);
        exact.or_else(|| self.charts.iter().filter(of_minor).max_by_key(|chart| numbers(&chart.version)))
    }
}

/// The three numbers of a version.
fn numbers(version: &str) -> [u64; 3] {
    let bare = version.trim_start_matches('v').split(['-', '+']).next().unwrap_or_default();
    let mut parts = bare.split('.').map(|part| part.parse().unwrap_or_default());
    [(); 3].map(|()| parts.next().unwrap_or_default())
}

fn unpacked(package: &Path, scratch: &Path) -> PathBuf {
    let dir = tempfile::Builder::new().prefix("chart").tempdir_in(scratch).unwrap().keep();
    run(Command::new("tar").arg("-xzf").arg(package).arg("-C").arg(&dir));
    let mut inner = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path());
    inner
        .find(|path| path.join("Chart.yaml").is_file())
        .unwrap_or_else(|| panic!("{}: no chart", package.display()))
}

fn chart(dir: &Path, scratch: &Path) -> Chart {
    let read = |name: &str| fs::read_to_string(dir.join(name)).unwrap_or_default();
    let about = yaml_load::load(&read("Chart.yaml")).unwrap().remove(0);
    let text = |yaml: &Yaml| yaml.as_str().unwrap_or_default().to_owned();
    let mut known = Known::new(&read("values.yaml"), &read("values.schema.json"));
    for path in fs::read_dir(dir.join("charts")).into_iter().flatten().map(|entry| entry.unwrap().path()) {
        let inner = match path.is_dir() {
            true if path.join("Chart.yaml").is_file() => chart(&path, scratch),
            false if path.extension().is_some_and(|end| end == "tgz") => {
                chart(&unpacked(&path, scratch), scratch)
            }
            _ => continue,
        };
        let wanted = about["dependencies"].as_vec().into_iter().flatten();
        let mut names: Vec<String> = wanted
            .filter(|wanted| wanted["name"].as_str() == Some(&inner.name))
            .map(|wanted| wanted["alias"].as_str().unwrap_or(&inner.name).to_owned())
            .collect();
        if names.is_empty() {
            names.push(inner.name.clone());
        }
        for name in names {
            known = known.with(&name, inner.known.clone());
        }
    }
    Chart { name: text(&about["name"]), version: text(&about["version"]), dir: dir.to_owned(), known }
}

/// The values that a `HelmChartConfig` gives a chart of k3s.
pub(super) fn config(text: &str) -> Option<Given> {
    let documents = yaml_load::load(text).ok()?;
    let document = documents.iter().find(|document| document["kind"].as_str() == Some("HelmChartConfig"))?;
    let text = |yaml: &Yaml| yaml.as_str().map(str::to_owned);
    Some(Given {
        release: text(&document["metadata"]["name"])?,
        namespace: text(&document["metadata"]["namespace"])?,
        files: vec![text(&document["spec"]["valuesContent"])?],
    })
}

/// What Helm renders for a minor of Kubernetes, and what it warns of; or what it says where it refuses.
pub(super) fn rendered(
    helm: &Path,
    scratch: &Path,
    chart: &Chart,
    given: &Given,
    minor: &str,
) -> Result<(String, Vec<String>), String> {
    let mut command = Command::new(helm);
    command.arg("template").arg(&given.release).arg(&chart.dir).args(["--namespace", &given.namespace]);
    // As Helm's job on a node has it; `helm install` runs no tests.
    command.args(["--include-crds", "--skip-tests", "--kube-version", &format!("v{minor}.0")]);
    for (number, values) in given.files.iter().enumerate() {
        let path = scratch.join(format!("values-{number}.yaml"));
        fs::write(&path, values).unwrap();
        command.arg("--values").arg(path);
    }
    for name in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME", "HELM_PLUGINS"] {
        command.env(name, scratch.join("helm"));
    }
    let output = command.env("KUBECONFIG", scratch.join("none")).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    if !output.status.success() {
        return Err(said.trim().replace('\n', " "));
    }
    let warnings = said.lines().filter(|line| line.to_lowercase().contains("warn")).map(str::to_owned);
    Ok((String::from_utf8(output.stdout).unwrap(), warnings.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_split_into_its_documents() {
        let text = "---\n# Source: a\nkind: A\nb: |\n  ---\n--- \n# nothing\n---\nkind: B\n";
        assert_eq!(documents(text), ["# Source: a\nkind: A\nb: |\n  ---\n", "kind: B\n"]);
    }

    #[test]
    fn the_wanted_version_is_found_or_another_patch_of_it_and_no_more() {
        let known = Known::new("", "");
        let chart = |name: &str, version: &str| Chart {
            name: name.to_owned(),
            version: version.to_owned(),
            dir: PathBuf::new(),
            known: known.clone(),
        };
        let charts =
            ["1.19.7", "1.20.2", "1.20.10", "v1.21.0"].map(|version| chart("cilium", version)).to_vec();
        let folder = Folder { charts, definitions: Vec::new() };
        let found = |name: &str, wanted: &str| folder.find(name, wanted).map(|chart| chart.version.as_str());
        assert_eq!(found("cilium", "1.19.7"), Some("1.19.7"));
        assert_eq!(found("cilium", "1.20.2"), Some("1.20.2"));
        assert_eq!(found("cilium", "1.20.4"), Some("1.20.10"));
        assert_eq!(found("cilium", "1.21.0"), Some("v1.21.0"));
        assert_eq!(found("cilium", "1.22.0"), None);
        assert_eq!(found("calico", "1.20.2"), None);
    }

    #[test]
    fn a_folder_has_charts_packed_or_not_with_what_they_know() {
        let desk = hcimage_testkit::desk::Desk::new();
        desk.write("charts/shop/Chart.yaml", "apiVersion: v2\nname: shop\nversion: 1.0.0\n");
        desk.write("charts/shop/values.yaml", "copies: 1\n");
        desk.write("charts/shop/charts/db/Chart.yaml", "apiVersion: v2\nname: db\nversion: 2.0.0\n");
        desk.write("charts/shop/charts/db/values.yaml", "size: 1\n");
        let folder = desk.path("charts");
        let mut pack = Command::new("tar");
        run(pack.current_dir(&folder).args(["-czf", "other-1.0.0.tgz", "shop"]));
        desk.write("charts/more.yaml", "kind: CustomResourceDefinition\n");
        let scratch = tempfile::tempdir().unwrap();
        let read = Folder::read(&folder, scratch.path());
        assert_eq!((read.charts.len(), read.definitions.len()), (2, 1));
        for chart in &read.charts {
            assert!(chart.known.problems("copies: 2\ndb: {size: 2}\n").is_empty());
            let problems = chart.known.problems("db: {sise: 2}\n");
            assert_eq!(problems[0].path, ["db", "sise"]);
        }
    }
}
