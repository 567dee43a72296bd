//! What is in a packed chart, and whether Helm would install it: found while building and not on the node.
//!
//! Format: Helm, "Charts": a gzipped tar with one directory, and `Chart.yaml` in it.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use hc_common::text::yaml_load;
use tar::{Archive, EntryType};
use yaml_rust2::Yaml;

use crate::local_file;
use crate::source::bounded::{Bounded, Gate};

use super::error::{ChartError, Result};
use super::{ChartVersion, LARGEST};

/// What Helm itself unpacks at most, in bytes (`MaxDecompressedChartSize`).
const UNPACKED: u64 = 100 << 20;
/// What Helm takes of one file, in bytes (`MaxDecompressedFileSize`).
pub(super) const LARGEST_FILE: u64 = 5 << 20;
/// The most files.
pub(super) const MOST_FILES: usize = 20_000;

/// What a chart says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) kube_version: Option<String>,
}

impl Package {
    /// It is the chart that was asked for.
    pub(super) fn expect(&self, release: &str, name: &str, version: &ChartVersion) -> Result<()> {
        if self.name == name && version.is(&self.version) {
            return Ok(());
        }
        let problem = format!("expected {name} {version}, found {} {}", self.name, self.version);
        Err(ChartError::invalid(release, problem))
    }
}

/// Reads all of a packed chart.
pub(super) fn read(release: &str, path: &Path) -> Result<Package> {
    let fail = |problem: String| ChartError::invalid(release, format!("{}: {problem}", path.display()));
    let file = local_file::open(path).map_err(|error| fail(error.to_string()))?;
    let length = file.metadata().map_err(|error| fail(error.to_string()))?.len();
    if length > LARGEST {
        return Err(fail(format!("{length} bytes, expected a packed chart of at most {LARGEST}")));
    }
    let contents = Contents::read(file.take(length))
        .map_err(|error| fail(format!("invalid archive: {error}; expected what `helm package` writes")))?;
    contents.package().map_err(fail)
}

/// The names in the archive, and the text of `Chart.yaml`.
#[derive(Default)]
struct Contents {
    /// Without the chart's own directory.
    names: BTreeSet<String>,
    chart: Option<String>,
}

impl Contents {
    fn read(packed: impl Read) -> io::Result<Self> {
        let gate = Gate::of(UNPACKED);
        let mut archive = Archive::new(Bounded::new(MultiGzDecoder::new(packed), &gate));
        let mut found = Self::default();
        let mut top: Option<String> = None;
        for entry in archive.entries()? {
            let entry = entry?;
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            match entry.header().entry_type() {
                EntryType::Directory | EntryType::XGlobalHeader => continue,
                EntryType::Regular | EntryType::Continuous => {}
                _ => return Err(refused(format!("{name} is neither a file nor a directory"))),
            }
            let parts: Vec<&str> = name.split('/').collect();
            let is_plain = parts
                .iter()
                .all(|part| !part.is_empty() && !matches!(*part, "." | "..") && !part.contains('\\'));
            let Some((dir, rest)) = name.split_once('/').filter(|_| is_plain) else {
                return Err(refused(format!("{name} lies outside of the chart's directory")));
            };
            if top.get_or_insert_with(|| dir.to_owned()) != dir {
                return Err(refused(format!("two charts in it: {dir} beside another directory")));
            }
            if entry.size() > LARGEST_FILE {
                return Err(refused(format!(
                    "{name} has {} bytes, Helm takes at most {LARGEST_FILE}",
                    entry.size()
                )));
            }
            if found.names.len() >= MOST_FILES {
                return Err(refused(format!("more than {MOST_FILES} files")));
            }
            let rest = rest.to_owned();
            if rest == "Chart.yaml" {
                let mut text = String::new();
                entry.take(LARGEST_FILE).read_to_string(&mut text)?;
                found.chart = Some(text);
            }
            found.names.insert(rest);
        }
        // The archive ends before the packed bytes do: their checksum comes last.
        io::copy(&mut archive.into_inner(), &mut io::sink())?;
        Ok(found)
    }

    fn package(&self) -> std::result::Result<Package, String> {
        let text = self.chart.as_deref().ok_or("there is no Chart.yaml in it: it is no Helm chart")?;
        let documents = yaml_load::load(text).map_err(|error| format!("Chart.yaml: {error}"))?;
        let chart = documents.first().unwrap_or(&Yaml::Null);
        let field = |key: &str| chart[key].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let required = |key: &str| field(key).ok_or_else(|| format!("Chart.yaml has no {key}"));
        let api = required("apiVersion")?;
        if api != "v1" && api != "v2" {
            return Err(format!("Chart.yaml has apiVersion {api}, expected v1 or v2"));
        }
        if field("type").as_deref() == Some("library") {
            return Err("it is a library chart, which others use and Helm does not install".to_owned());
        }
        let missing: Vec<&str> = dependencies(chart).filter(|name| !self.has_dependency(name)).collect();
        if !missing.is_empty() {
            return Err(format!(
                "charts that it depends on are not in it: {}; run `helm dependency update` in its folder",
                missing.join(", ")
            ));
        }
        // A version may look like a number.
        let version = field("version").or_else(|| chart["version"].as_f64().map(|number| number.to_string()));
        Ok(Package {
            name: required("name")?,
            version: version.ok_or("Chart.yaml has no version")?,
            kube_version: field("kubeVersion"),
        })
    }

    /// Whether `charts/` has it, as a folder or packed.
    fn has_dependency(&self, name: &str) -> bool {
        let (folder, packed) = (format!("charts/{name}/Chart.yaml"), format!("charts/{name}-"));
        self.names.contains(&folder)
            || self.names.iter().any(|found| {
                let version = found.strip_prefix(&packed).and_then(|rest| rest.strip_suffix(".tgz"));
                version.is_some_and(|version| version.starts_with(|c: char| c.is_ascii_digit() || c == 'v'))
            })
    }
}

fn dependencies(chart: &Yaml) -> impl Iterator<Item = &str> {
    chart["dependencies"].as_vec().into_iter().flatten().filter_map(|dependency| dependency["name"].as_str())
}

fn refused(problem: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use tar::{Builder, Header};

    const CHART: &str = "apiVersion: v2\nname: shop\nversion: 1.2.0\nkubeVersion: '>=1.30'\n";

    fn packed(entries: &[(&str, EntryType, &str)]) -> Vec<u8> {
        let mut tar = Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for (name, kind, text) in entries {
            let mut header = Header::new_ustar();
            // Set by hand: the library refuses names that lead out of the archive.
            header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
            header.set_entry_type(*kind);
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            header.set_cksum();
            tar.append(&header, text.as_bytes()).unwrap();
        }
        tar.into_inner().unwrap().finish().unwrap()
    }

    fn file(name: &'static str, text: &'static str) -> (&'static str, EntryType, &'static str) {
        (name, EntryType::Regular, text)
    }

    fn package(bytes: &[u8]) -> std::result::Result<Package, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("shop.tgz");
        std::fs::write(&path, bytes).unwrap();
        read("shop", &path).map_err(|error| error.to_string())
    }

    #[test]
    fn a_chart_says_what_it_is() {
        let found =
            package(&packed(&[file("shop/Chart.yaml", CHART), file("shop/values.yaml", "")])).unwrap();
        let expected =
            Package { name: "shop".into(), version: "1.2.0".into(), kube_version: Some(">=1.30".into()) };
        assert_eq!(found, expected);
        found.expect("shop", "shop", &"v1.2.0".parse().unwrap()).unwrap();
        for (name, version) in [("shop", "1.2.1"), ("stop", "1.2.0")] {
            let error = found.expect("shop", name, &version.parse().unwrap()).unwrap_err().to_string();
            assert!(error.contains("found shop 1.2.0"), "{error}");
        }
    }

    #[test]
    fn dependencies_are_there_as_folders_or_packed() {
        let chart = "apiVersion: v2\nname: shop\nversion: 1.2.0\ndependencies:\n- {name: redis, version: 1.x}\n- {name: web}\n";
        let complete = [
            file("shop/Chart.yaml", chart),
            file("shop/charts/redis-1.2.0.tgz", "x"),
            file("shop/charts/web/Chart.yaml", "x"),
        ];
        package(&packed(&complete)).unwrap();
        let other = [file("shop/Chart.yaml", chart), file("shop/charts/redis-ha-1.2.0.tgz", "x")];
        let error = package(&packed(&other)).unwrap_err();
        assert!(error.contains("redis, web; run `helm dependency update`"), "{error}");
    }

    #[test]
    fn what_helm_would_refuse_is_refused() {
        let link = ("shop/templates/a.yaml", EntryType::Symlink, "");
        let large: &'static str = Box::leak("x".repeat(6 << 20).into_boxed_str());
        for (entries, said) in [
            (vec![], "no Chart.yaml"),
            (vec![file("shop/templates/a.yaml", "x")], "no Chart.yaml"),
            (vec![file("Chart.yaml", CHART)], "outside of the chart's directory"),
            (vec![file("shop/../x", "")], "outside of the chart's directory"),
            (vec![file("/etc/passwd", "")], "outside of the chart's directory"),
            (vec![file("shop/Chart.yaml", CHART), file("web/Chart.yaml", CHART)], "two charts"),
            (vec![file("shop/Chart.yaml", CHART), link], "neither a file nor a directory"),
            (vec![file("shop/Chart.yaml", "a: [")], "Chart.yaml: "),
            (vec![file("shop/Chart.yaml", "name: shop\nversion: 1.0.0\n")], "no apiVersion"),
            (vec![file("shop/Chart.yaml", "apiVersion: v3\nname: shop\n")], "expected v1 or v2"),
            (vec![file("shop/Chart.yaml", "apiVersion: v2\nname: shop\n")], "no version"),
            (
                vec![file("shop/Chart.yaml", "apiVersion: v2\ntype: library\nname: s\nversion: 1.0.0\n")],
                "library",
            ),
            (vec![file("shop/Chart.yaml", CHART), file("shop/large", large)], "Helm takes at most"),
        ] {
            let error = package(&packed(&entries)).unwrap_err();
            assert!(error.contains(said), "{said}: {error}");
        }
    }

    #[test]
    fn what_is_no_archive_or_too_large_is_refused() {
        let whole = packed(&[file("shop/Chart.yaml", CHART), file("shop/values.yaml", "a: 1\n")]);
        for cut in [0, 1, 10, whole.len() / 2, whole.len() - 1] {
            let error = package(&whole[..cut]).unwrap_err();
            assert!(error.contains("invalid archive") || error.contains("no Chart.yaml"), "{cut}: {error}");
        }
        assert!(package(b"<html>not found</html>").unwrap_err().contains("helm package"));
        let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
        io::copy(&mut io::repeat(0).take(UNPACKED + 4096), &mut bomb).unwrap();
        let bomb = bomb.finish().unwrap();
        assert!(package(&bomb).is_err());
    }
}
