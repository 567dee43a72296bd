//! What Helm would make of a chart of the card, as far as a stand-in without Helm can: its templates that are plain YAML.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result};
use flate2::read::GzDecoder;
use yaml_rust2::{Yaml, YamlLoader};

/// The largest template that is read, in bytes.
const TEMPLATE_LIMIT: u64 = 1024 * 1024;

/// Where the API serves charts, in the address that a HelmChart has.
const SERVED: &str = "/static/charts/";

/// The objects of the chart that a HelmChart installs from `charts`, each with its namespace. None for other objects, and for charts
/// from elsewhere.
///
/// # Errors
/// When the chart is not there, is no packed chart, or a template is no YAML.
pub(crate) fn objects(of: &Yaml, charts: &Path) -> Result<Vec<(Yaml, String)>> {
    let is_chart =
        of["apiVersion"].as_str() == Some("helm.cattle.io/v1") && of["kind"].as_str() == Some("HelmChart");
    let address = of["spec"]["chart"].as_str().filter(|_| is_chart);
    let Some((_, name)) = address.and_then(|address| address.split_once(SERVED)) else {
        return Ok(Vec::new());
    };
    let path = charts.join(name);
    let file = File::open(&path).with_context(|| format!("opening chart {}", path.display()))?;
    let mut archive = tar::Archive::new(GzDecoder::new(file));
    let target = of["spec"]["targetNamespace"].as_str().unwrap_or("default");
    let mut objects = Vec::new();
    for entry in archive.entries()? {
        let entry = entry.with_context(|| format!("reading chart {}", path.display()))?;
        let inner = entry.path()?.into_owned();
        // CHART/templates/FILE
        let mut parts = inner.iter().skip(1);
        if parts.next().is_none_or(|part| part != "templates")
            || inner.extension().is_none_or(|end| end != "yaml")
        {
            continue;
        }
        let mut text = String::new();
        entry.take(TEMPLATE_LIMIT).read_to_string(&mut text)?;
        if text.contains("{{") {
            continue;
        }
        for object in YamlLoader::load_from_str(&text).with_context(|| inner.display().to_string())? {
            let namespace = object["metadata"]["namespace"].as_str().unwrap_or(target).to_owned();
            objects.push((object, namespace));
        }
    }
    Ok(objects)
}
