//! Objects by which k3s installs a Helm chart: `HelmChart` of `helm.cattle.io/v1`, and the Secret with secret values.
//!
//! Read from the types of k3s-io/helm-controller 0.17.7 and the script of k3s-io/klipper-helm 0.13.3 (July 2026). The chart
//! lies in `server/static` of the servers, which their API serves without authentication; `%{KUBERNETES_API}%` is replaced
//! inside of the job. In an image `chartContent` is not used: with it the chart lies in a ConfigMap of at most 1 MiB.

use std::fmt::Write as _;

use hc_common::text::yaml::quoted;

/// Where the controller looks, and where its jobs run.
pub const NAMESPACE: &str = "kube-system";

/// The key of the values in their Secret. The job passes every file that ends so to Helm.
const VALUES_KEY: &str = "values.yaml";

/// What is done when Helm fails. The words are those of `failurePolicy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FailurePolicy {
    /// Nothing: the release stays as it is until somebody comes.
    Abort,
    /// It is uninstalled and installed anew: the default of k3s.
    Reinstall,
    /// Helm upgrades what is there.
    Retry,
}

impl FailurePolicy {
    /// The word in the object.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Abort => "abort",
            Self::Reinstall => "reinstall",
            Self::Retry => "retry",
        }
    }
}

/// Where the job of a chart gets it.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// From the API of the servers: the packed chart in `server/static/charts`, a plain file name.
    Served(&'a str),
    /// From the object itself: the packed chart as base64, at most [`LONGEST_CONTENT`] bytes of it.
    Content(&'a str),
    /// From a repository.
    Repository {
        /// Its address.
        repo: &'a str,
        /// The chart in it.
        chart: &'a str,
        /// The version.
        version: &'a str,
    },
    /// From a registry, by `oci://` and the whole name.
    Registry {
        /// The name with `oci://`.
        chart: &'a str,
        /// The version.
        version: &'a str,
    },
}

/// The longest content of a chart: the controller lays it into a ConfigMap, which has at most 1 MiB.
pub const LONGEST_CONTENT: usize = 1_000_000;

/// What is installed, and how.
#[derive(Debug, Clone, Copy)]
pub struct HelmChart<'a> {
    /// The release, which is the object's name: a label of at most 53 characters.
    pub release: &'a str,
    /// Where its job gets the chart.
    pub source: Source<'a>,
    /// Where its objects go.
    pub namespace: &'a str,
    /// Values, as YAML.
    pub values: Option<&'a str>,
    /// Values that only the cluster may know, as YAML. They win over [`Self::values`].
    pub secret_values: Option<&'a str>,
    /// None takes k3s' own default.
    pub failure_policy: Option<FailurePolicy>,
    /// Whether the job must run before there is a pod network.
    pub bootstrap: bool,
}

/// The longest name of a release (Helm, `pkg/chart/v2/util/validate_name.go`).
pub const LONGEST_RELEASE: usize = 53;

/// The name of the Secret with a chart's secret values.
pub fn values_secret(release: &str) -> String {
    format!("{release}-chart-values")
}

/// The objects, as one file.
pub fn render(chart: &HelmChart<'_>) -> String {
    let HelmChart { release, source, namespace, values, secret_values, failure_policy, bootstrap } = *chart;
    let mut out = "# Written by hcimage.\n".to_owned();
    let secret = values_secret(release);
    if let Some(values) = secret_values {
        out.push_str(&format!(
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {secret}\n  namespace: {NAMESPACE}\nstringData:\n  {VALUES_KEY}: {}\n---\n",
            text(values)
        ));
    }
    out.push_str(&format!(
        "apiVersion: helm.cattle.io/v1\nkind: HelmChart\nmetadata:\n  name: {release}\n  namespace: {NAMESPACE}\nspec:\n"
    ));
    for (key, value) in source_lines(source) {
        let _ = writeln!(out, "  {key}: {value}");
    }
    out.push_str(&format!("  targetNamespace: {namespace}\n  createNamespace: true\n"));
    let mut line = |key: &str, value: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "  {key}: {value}");
    };
    if bootstrap {
        line("bootstrap", "true");
    }
    if let Some(policy) = failure_policy {
        line("failurePolicy", policy.as_str());
    }
    if let Some(values) = values {
        line("valuesContent", &text(values));
    }
    if secret_values.is_some() {
        out.push_str(&format!("  valuesSecrets:\n  - name: {secret}\n    keys:\n    - {VALUES_KEY}\n"));
    }
    out
}

fn source_lines(source: Source<'_>) -> Vec<(&'static str, String)> {
    match source {
        Source::Served(file) => vec![("chart", format!("https://%{{KUBERNETES_API}}%/static/charts/{file}"))],
        Source::Content(base64) => vec![("chartContent", base64.to_owned())],
        Source::Repository { repo, chart, version } => {
            vec![("chart", quoted(chart)), ("repo", quoted(repo)), ("version", quoted(version))]
        }
        Source::Registry { chart, version } => vec![("chart", quoted(chart)), ("version", quoted(version))],
    }
}

/// A text as the value of a key two levels deep: as it is, where that is possible, so that people can read it.
fn text(text: &str) -> String {
    let is_plain =
        |c: char| c == '\n' || (!c.is_control() && c != '\u{feff}' && c != '\u{2028}' && c != '\u{2029}');
    let body = text.strip_suffix('\n');
    let Some(body) = body.filter(|body| {
        body.chars().all(is_plain)
            && !body.starts_with([' ', '\n'])
            && !body.ends_with('\n')
            && !body.is_empty()
    }) else {
        return quoted(text);
    };
    let lines = body.lines().map(|line| if line.is_empty() { String::new() } else { format!("    {line}") });
    format!("|\n{}", lines.collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::yaml_load;

    const CHART: HelmChart<'_> = HelmChart {
        release: "metallb",
        source: Source::Served("metallb-0123456789ab.tgz"),
        namespace: "metallb-system",
        values: None,
        secret_values: None,
        failure_policy: None,
        bootstrap: false,
    };

    #[test]
    fn a_chart_is_taken_from_the_api_of_the_node() {
        let documents = yaml_load::load(&render(&CHART)).unwrap();
        let spec = &documents[0]["spec"];
        assert_eq!(
            spec["chart"].as_str(),
            Some("https://%{KUBERNETES_API}%/static/charts/metallb-0123456789ab.tgz")
        );
        assert_eq!(spec["targetNamespace"].as_str(), Some("metallb-system"));
        assert_eq!((documents.len(), spec.as_hash().unwrap().len()), (1, 3));
    }

    #[test]
    fn a_chart_may_come_from_elsewhere() {
        let spec =
            |source| yaml_load::load(&render(&HelmChart { source, ..CHART })).unwrap()[0]["spec"].clone();
        let text = |yaml: &yaml_rust2::Yaml| yaml.as_str().map(str::to_owned);
        assert_eq!(text(&spec(Source::Content("H4sI"))["chartContent"]).as_deref(), Some("H4sI"));
        let source =
            Source::Repository { repo: "https://charts.example.org", chart: "shop", version: "1.10" };
        let found = spec(source);
        let words = ["repo", "chart", "version"].map(|key| text(&found[key]).unwrap());
        assert_eq!(words, ["https://charts.example.org", "shop", "1.10"]);
        let found = spec(Source::Registry { chart: "oci://quay.io/shop/shop", version: "1.10" });
        assert_eq!(
            ["chart", "version"].map(|key| text(&found[key]).unwrap()),
            ["oci://quay.io/shop/shop", "1.10"]
        );
    }

    #[test]
    fn secret_values_lie_in_a_secret_that_the_chart_names() {
        let chart = HelmChart {
            secret_values: Some("password: geheim\n"),
            values: Some("a: 1\n"),
            failure_policy: Some(FailurePolicy::Abort),
            bootstrap: true,
            ..CHART
        };
        let documents = yaml_load::load(&render(&chart)).unwrap();
        let [secret, chart] = documents.as_slice() else { panic!("{documents:?}") };
        assert_eq!(secret["stringData"]["values.yaml"].as_str(), Some("password: geheim\n"));
        let named = &chart["spec"]["valuesSecrets"][0];
        assert_eq!(named["name"], secret["metadata"]["name"]);
        assert_eq!(named["keys"][0].as_str(), Some("values.yaml"));
        assert_eq!(secret["metadata"]["namespace"], chart["metadata"]["namespace"]);
        assert_eq!(chart["spec"]["failurePolicy"].as_str(), Some("abort"));
        assert_eq!(chart["spec"]["bootstrap"].as_bool(), Some(true));
        assert_eq!(chart["spec"]["valuesContent"].as_str(), Some("a: 1\n"));
    }

    #[test]
    fn values_stay_as_they_are_whatever_is_in_them() {
        for values in [
            "a: 1\n",
            "a: 1",
            "a: |\n  text\n\n  more\n",
            "",
            "\n",
            "  a: 1\n",
            "\na: 1\n",
            "a: 1\n\n",
            "a: \"\u{7}\"\n",
            "a:\t1\n",
            "# only a comment\n",
            "---\na: 1\n",
            "a: \u{2028}\n",
            "a: 1\r\nb: 2\r\n",
        ] {
            let documents = yaml_load::load(&render(&HelmChart { values: Some(values), ..CHART })).unwrap();
            assert_eq!(documents[0]["spec"]["valuesContent"].as_str(), Some(values), "{values:?}");
        }
    }
}
