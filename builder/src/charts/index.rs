//! `index.yaml` of a repository: which file a version of a chart is.
//!
//! Format: Helm, `docs/topics/chart_repository`. A large repository lists thousands of charts in tens of megabytes, of which
//! one entry is wanted: the lines of that entry are cut out and read alone.

use std::borrow::Cow;

use hc_common::text::yaml_load;
use yaml_rust2::Yaml;

use crate::source::digest::Sha256Digest;

use super::ChartVersion;

/// The file of one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    /// Its address, which may be relative to the repository's.
    pub(super) url: String,
    /// Its digest, where the repository says one.
    pub(super) sha256: Option<Sha256Digest>,
}

/// The file of `chart` in `version`. The error follows the name of the index.
pub(super) fn find(index: &str, chart: &str, version: &ChartVersion) -> Result<Listed, String> {
    let versions = versions(index, chart)?;
    let named = |field: &'static str| move |entry: &&Yaml| entry[field].as_str().is_some();
    let all: Vec<&Yaml> = versions.iter().filter(named("version")).collect();
    let entry = all.iter().find(|entry| entry["version"].as_str().is_some_and(|found| version.is(found)));
    let Some(entry) = entry else {
        let known: Vec<&str> = all.iter().filter_map(|entry| entry["version"].as_str()).take(5).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        return Err(format!("no version {version} of {chart}; the first that it lists: {known}"));
    };
    let url = entry["urls"][0].as_str().ok_or_else(|| format!("{chart} {version} has no address"))?;
    let sha256 = match entry["digest"].as_str().filter(|digest| !digest.is_empty()) {
        Some(digest) => {
            let digits = digest.strip_prefix("sha256:").unwrap_or(digest);
            Some(
                digits
                    .parse()
                    .map_err(|_| format!("{chart} {version} has the digest {digest:?}, expected SHA-256"))?,
            )
        }
        None => None,
    };
    Ok(Listed { url: url.to_owned(), sha256 })
}

/// All versions of a chart.
fn versions(index: &str, chart: &str) -> Result<Vec<Yaml>, String> {
    let missing = || format!("no chart {chart}");
    // What Helm writes is cut. Other forms, such as JSON, are read as a whole, if they are not too large.
    let (text, is_whole) = match cut(index, chart) {
        Some(lines) => (Cow::Owned(lines), false),
        None => (Cow::Borrowed(index), true),
    };
    let documents = yaml_load::load(&text).map_err(|error| format!("invalid YAML: {error}"))?;
    let top = documents.into_iter().next().unwrap_or(Yaml::Null);
    let entry = if is_whole {
        if top["entries"].as_hash().is_none() {
            return Err("it has no entries: expected the index.yaml of a chart repository".to_owned());
        }
        &top["entries"][chart]
    } else {
        &top[chart]
    };
    entry.as_vec().cloned().ok_or_else(missing)
}

/// The lines of `entries.<chart>`, as a document of their own. None where the index has another form.
fn cut(index: &str, chart: &str) -> Option<String> {
    let mut lines = index.lines().skip_while(|line| line.trim_end() != "entries:").skip(1);
    let indent_of = |line: &str| line.len() - line.trim_start_matches(' ').len();
    let is_blank = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
    let depth = indent_of(lines.by_ref().find(|line| !is_blank(line)).filter(|line| line.starts_with(' '))?);
    // The first of them is consumed: begin again.
    let lines = index.lines().skip_while(|line| line.trim_end() != "entries:").skip(1);
    let mut found: Option<String> = None;
    for line in lines {
        let indent = indent_of(line);
        let is_key =
            indent == depth && !is_blank(line) && !line.trim_start().starts_with("- ") && line.trim() != "-";
        let is_end = indent < depth && !is_blank(line);
        match &mut found {
            Some(_) if is_key || is_end => return found,
            Some(text) => {
                text.push_str(line);
                text.push('\n');
            }
            None if is_end => return None,
            None => {
                let key = line.trim().trim_end_matches(':').trim_matches(['"', '\'']);
                if is_key && key == chart && line.trim_end().ends_with(':') {
                    found = Some(format!("{line}\n"));
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn index(indent: &str) -> String {
        format!(
            "apiVersion: v1\nentries:\n  alpine:\n{indent}- name: alpine\n{indent}  version: 0.2.0\n{indent}  description: |\n\
             {indent}    two\n\n{indent}    lines\n{indent}  urls:\n{indent}  - alpine-0.2.0.tgz\n{indent}  digest: {DIGEST}\n\
             {indent}- name: alpine\n{indent}  version: v0.1.0\n{indent}  urls: [https://other.org/alpine-0.1.0.tgz]\n  # more\n  \
             nginx:\n{indent}- name: nginx\n{indent}  version: 1.0.0\n{indent}  urls: []\n{indent}- name: nginx\n{indent}  \
             version: 1.1.0\n{indent}  urls: [a.tgz]\n{indent}  digest: sha256:12\ngenerated: 2026-01-01\n"
        )
    }

    fn found(index: &str, chart: &str, version: &str) -> Result<Listed, String> {
        find(index, chart, &version.parse().unwrap())
    }

    #[test]
    fn a_version_has_its_address_and_digest() {
        for indent in ["  ", "    "] {
            let index = index(indent);
            let listed = found(&index, "alpine", "0.2.0").unwrap();
            assert_eq!(listed, Listed { url: "alpine-0.2.0.tgz".into(), sha256: DIGEST.parse().ok() });
            let listed = found(&index, "alpine", "0.1.0").unwrap();
            assert_eq!(listed, Listed { url: "https://other.org/alpine-0.1.0.tgz".into(), sha256: None });
        }
        let json = format!(
            "{{\"apiVersion\": \"v1\", \"entries\": {{\"alpine\": [{{\"version\": \"0.2.0\", \"urls\": [\"a.tgz\"], \"digest\": \"{DIGEST}\"}}]}}}}"
        );
        assert_eq!(found(&json, "alpine", "v0.2.0").unwrap().url, "a.tgz");
    }

    #[test]
    fn what_is_missing_is_told() {
        let index = index("  ");
        for (chart, version, said) in [
            ("alpine", "0.3.0", "no version 0.3.0 of alpine; the first that it lists: 0.2.0, v0.1.0"),
            ("alpin", "0.2.0", "no chart alpin"),
            ("nginx", "1.0.0", "has no address"),
            ("nginx", "1.1.0", "expected SHA-256"),
        ] {
            assert!(found(&index, chart, version).unwrap_err().contains(said), "{chart} {version}");
        }
        for (bad, said) in [
            ("<html></html>", "no entries"),
            ("", "no entries"),
            ("entries: []\n", "no entries"),
            ("entries:\n", "no entries"),
            ("entries:\n  alpine: {a: b}\n", "no chart"),
            ("entries:\n  alpine:\n  - [\n", "invalid YAML"),
        ] {
            assert!(found(bad, "alpine", "0.2.0").unwrap_err().contains(said), "{bad:?}");
        }
    }

    #[test]
    fn a_large_index_costs_what_its_entry_costs() {
        let others: String =
            (0..100_000).map(|i| format!("  chart{i}:\n  - version: 1.0.0\n    urls: [a.tgz]\n")).collect();
        let text = format!(
            "apiVersion: v1\nentries:\n{others}  wanted:\n  - version: 1.0.0\n    urls:\n    - w.tgz\n"
        );
        assert!(yaml_load::load(&text).is_err(), "the whole is too large");
        assert_eq!(found(&text, "wanted", "1.0.0").unwrap().url, "w.tgz");
    }
}
