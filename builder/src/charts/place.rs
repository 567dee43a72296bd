//! Where a chart comes from.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::images::Login;
use crate::source::url::SourceUrl;
use crate::value::{ImageReference, ValueError};

/// Where a chart comes from.
#[derive(Debug, Clone)]
pub enum ChartPlace {
    /// A repository with an index.
    Repository(Repository),
    /// A registry.
    Registry {
        /// The chart in it. Its tag is the version, with `_` for `+`.
        name: ImageReference,
        /// The version.
        version: ChartVersion,
    },
    /// An archive or folder of this machine.
    Local(PathBuf),
}

impl ChartPlace {
    /// A chart of a repository or registry. Credentials and CA are for a repository: a registry has its own in the cluster
    /// file.
    ///
    /// # Errors
    /// When the chart's name is none for a registry.
    pub fn remote(
        repo: ChartRepo,
        chart: String,
        version: ChartVersion,
        credentials: Option<Login>,
        ca: Option<String>,
    ) -> Result<Self, ValueError> {
        match repo {
            ChartRepo::Http(url) => Ok(Self::Repository(Repository { url, chart, version, credentials, ca })),
            // A tag has no plus sign.
            ChartRepo::Oci(prefix) => {
                let name = format!("{prefix}/{chart}:{}", version.as_str().replace('+', "_")).parse()?;
                Ok(Self::Registry { name, version })
            }
        }
    }
}

/// A repository as `helm repo add` knows it.
#[derive(Debug, Clone)]
pub struct Repository {
    /// The address above `index.yaml`.
    pub url: SourceUrl,
    /// The chart in it.
    pub chart: String,
    /// The version.
    pub version: ChartVersion,
    /// Who asks; sent to the server of the repository only.
    pub credentials: Option<Login>,
    /// The CA certificate that verifies its own, PEM.
    pub ca: Option<String>,
}

/// What `helm repo add` takes, or the part of a registry above its charts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChartRepo {
    /// The address above `index.yaml`.
    Http(SourceUrl),
    /// What is before the chart in the name of an image, such as `ghcr.io/example/charts`.
    Oci(String),
}

impl FromStr for ChartRepo {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // The text is not shown: it may hold a password.
        let refused = |cause: &str| {
            let hint = "use the form https://metallb.github.io/metallb or oci://ghcr.io/example/charts";
            ValueError::hidden("chart repository", cause, hint)
        };
        if let Some(prefix) = text.strip_prefix("oci://") {
            let prefix = prefix.trim_end_matches('/');
            let probe = format!("{prefix}/chart:1").parse::<ImageReference>();
            // Without a host it would be one of Docker Hub.
            let has_host =
                prefix.split('/').next().is_some_and(|host| host.contains(['.', ':']) || host == "localhost");
            return match probe {
                Ok(_) if has_host => Ok(Self::Oci(prefix.to_owned())),
                _ => Err(refused("does not name a registry")),
            };
        }
        let url: SourceUrl = text.parse().map_err(|_| refused("is neither an https address nor oci://"))?;
        if url.has_query() {
            return Err(refused("has a query"));
        }
        Ok(Self::Http(url))
    }
}

/// The name of a chart in its repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChartName(String);

impl ChartName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ChartName {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
        if text.is_empty() || text.starts_with('.') || !text.chars().all(is_plain) {
            let hint = "use lowercase letters, digits and hyphens, such as kube-prometheus-stack";
            return Err(ValueError::new("chart name", text, "is invalid", hint));
        }
        Ok(Self(text.to_owned()))
    }
}

/// One version of a chart, such as `0.16.1` or `v1.21.0`: complete, and no range.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChartVersion(String);

impl ChartVersion {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `other` is the same version: Helm takes `v1.2.3` for `1.2.3`.
    pub fn is(&self, other: &str) -> bool {
        let bare = |text: &str| text.strip_prefix('v').unwrap_or(text).to_owned();
        bare(&self.0) == bare(other)
    }
}

impl fmt::Display for ChartVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ChartVersion {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = |cause: &str| {
            ValueError::new("chart version", text, cause, "name one complete version, such as 0.16.1")
        };
        let bare = text.strip_prefix('v').unwrap_or(text);
        let numbers = bare.split(['-', '+']).next().unwrap_or_default();
        let more = bare.get(numbers.len()..).unwrap_or_default();
        if text.contains(['^', '~', '*', '<', '>', '=', '|', ',', ' ']) {
            return Err(refused("is a range, which means another chart tomorrow"));
        }
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.');
        if numbers.split('.').count() != 3
            || !numbers.split('.').all(is_number)
            || !more.chars().all(is_plain)
        {
            return Err(refused("is no version with three numbers"));
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_an_address_or_a_part_of_a_registry() {
        assert_eq!("oci://ghcr.io/a/charts/".parse(), Ok(ChartRepo::Oci("ghcr.io/a/charts".into())));
        assert!(matches!("https://e.org/charts".parse(), Ok(ChartRepo::Http(_))));
        for bad in [
            "",
            "metallb",
            "oci://",
            "oci://charts",
            "oci://GHCR.io/A",
            "http://e.org",
            "https://u:geheim@e.org",
            "https://e.org/?a=b",
        ] {
            let error = bad.parse::<ChartRepo>().unwrap_err().to_string();
            assert!(!error.contains("geheim"), "{error}");
        }
        for bad in ["", "../x", "A", "a/b", ".a"] {
            assert!(bad.parse::<ChartName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn only_one_complete_version_is_taken() {
        for good in ["0.16.1", "v1.21.0", "40.1.4+up40.1.0", "1.0.0-rc.1", "1.0.0-rc.1+build.5"] {
            assert_eq!(good.parse::<ChartVersion>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            "1",
            "1.2",
            "^1.2.3",
            "~1.2.3",
            "1.x.0",
            "*",
            ">=1.0.0",
            "1.2.3 || 2.0.0",
            "latest",
            "1.2.3.4",
            "1.2.3-a/b",
        ] {
            assert!(bad.parse::<ChartVersion>().is_err(), "{bad}");
        }
        let version: ChartVersion = "v1.2.3".parse().unwrap();
        assert!(version.is("1.2.3") && version.is("v1.2.3") && !version.is("1.2.4"));
    }
}
